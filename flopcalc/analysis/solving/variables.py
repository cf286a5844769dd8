"""The values that are searched for: an option, the input, the batch, a size of an operator, an option of a clause."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from math import gcd
from typing import Any, Literal, NamedTuple

from flopcalc.analysis.solving.numbers import Exact, Interval, exact_text
from flopcalc.analysis.solving.subjects import BATCH, INPUT, DescribedNetwork, OneOperator, PythonModel, input_of
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.networks.inputs import parse_input
from flopcalc.networks.options import option_text
from flopcalc.spec.operator import Operator
from flopcalc.spec.param import Param, show
from flopcalc.targets.call import SIZES
from flopcalc.targets.read import default_setting
from flopcalc.targets.spec import keyword_value
from flopcalc.text.expression import evaluate, exact

# whole: whole numbers. rational: all numbers. listed: some values, in order.
Kind = Literal["whole", "rational", "listed"]
_MOST = 10**9
# Digits from which on a number is cut in a message.
_LONG = 40


class Variable(NamedTuple):
    """A value to search for.

    name: as the user wrote it. key: its name in an evaluation. domain: the numbers that it may be. start: a number
    to start from. limited: whether the domain ends because values end there, and not because numbers do.
    value(number): what an evaluation takes. text(number): what `--set` takes. values: those of a listed variable.
    monotone: whether a larger value is known to cost more. ordered: whether values have an order; without one, the
    answer is the one with the cost nearest to the bound. flag: the option of the command line that sets it.
    """

    name: str
    key: str
    kind: Kind
    domain: Interval
    start: Exact
    value: Callable[[Any], Any]
    text: Callable[[Any], str]
    flag: Callable[[str], tuple[str, str]]
    limited: bool = False
    values: tuple[Any, ...] = ()
    monotone: bool = False
    ordered: bool = True


def _same(value: Any) -> Any:
    return value


def _setting(name: str) -> Callable[[str], tuple[str, str]]:
    return lambda text: ("--set", f"{name}={text}")


def _whole(name: str, least: int = 1, most: int | None = None, start: int = 1, **rest: Any) -> Variable:
    domain = Interval(least, _MOST if most is None else most)
    fields: dict[str, Any] = {"key": name, "value": int, "text": str, "flag": _setting(name)} | rest
    return Variable(name, fields.pop("key"), "whole", domain, start, limited=most is not None, **fields)


def _rational(name: str, domain: Interval, start: Exact, **rest: Any) -> Variable:
    fields: dict[str, Any] = {"key": name, "value": _same, "text": exact_text, "flag": _setting(name)} | rest
    return Variable(name, fields.pop("key"), "rational", domain, start, limited=domain.high is not None, **fields)


def _listed(variable: Variable, values: Sequence[Any], *, ordered: bool) -> Variable:
    """The variable with these values only, numbered in their order."""
    return variable._replace(
        kind="listed",
        domain=Interval(0, len(values) - 1),
        start=0,
        limited=True,
        values=tuple(values),
        value=lambda place: variable.value(values[place]),
        text=lambda place: variable.text(values[place]),
        monotone=False,
        ordered=ordered,
    )


def _choices(variable: Variable, values: Sequence[Any]) -> Variable:
    """The variable with these values only. Numbers are in their order; other values have none."""
    ordered = all(isinstance(value, int | float | Fraction) and not isinstance(value, bool) for value in values)
    return _listed(variable, sorted(values) if ordered else values, ordered=ordered)


# Networks --------------------------------------------------------------------------------------------


def of_network(name: str, subject: DescribedNetwork | PythonModel, *, listed: bool = False) -> Variable:
    """The variable of that name. listed: whether its values are given.

    Raises FlopcalcError for an unknown name, and for a value that cannot be searched.
    """
    if name == BATCH:
        return _whole(BATCH, start=subject.spec.batch, flag=lambda text: ("--batch", text), monotone=True)
    if name == INPUT:
        return _input(subject)
    if isinstance(subject, DescribedNetwork):
        declared = subject.description.declared()
        if name in declared:
            return _declared(name, declared[name], subject)
    clauses = _clauses(name, subject)
    if clauses is not None:
        return clauses
    if isinstance(subject, DescribedNetwork):
        known = [*subject.description.declared(), INPUT, BATCH, *_clause_names(subject)]
        raise unknown_name(f"option of {subject.name}", name, known, f"--for takes: {', '.join(known)}")
    return _keyword(name, subject, listed=listed)


def _input(subject: DescribedNetwork | PythonModel) -> Variable:
    own = subject.plain.input_shape if isinstance(subject, DescribedNetwork) else None
    shape = input_of(subject.spec, own)
    # Height and width change together; the channels of an image, and the width of tokens, do not.
    first, last = (len(shape) - 2, len(shape)) if len(shape) > 2 else (0, 1)
    if not shape:
        raise FlopcalcError("bad-usage", "the input is one number, which has no size", "give --input 3x224x224")
    unit = reduce(gcd, shape[first:last])
    ratio = [size // unit for size in shape[first:last]]

    def at(number: int) -> tuple[int, ...]:
        return (*shape[:first], *(number * one for one in ratio), *shape[last:])

    return _whole(
        INPUT,
        most=_MOST // max(ratio),
        start=unit,
        value=at,
        text=lambda number: "x".join(map(str, at(number))),
        flag=lambda text: ("--input", text),
    )._replace(limited=False)


def _declared(name: str, spec: Mapping[str, Any], subject: DescribedNetwork) -> Variable:
    start: Any = subject.plain.options[name]
    default = spec["default"]
    found = _whole(name, least=spec.get("least", 1), value=_same, text=option_text)
    if spec.get("choices"):
        return _choices(found, spec["choices"])
    if isinstance(default, bool):
        return _choices(found, (False, True))
    if isinstance(default, list):
        why = f"{name} is a list, {option_text(start)}, and not one value"
        raise FlopcalcError("bad-option", why, f"set it by --set {name}=..., and search for another option")
    if isinstance(default, int):
        return found._replace(value=int, text=str, start=start)
    return _rational(name, Interval(0, None, low_in=False), start)


def _clause_names(subject: DescribedNetwork | PythonModel) -> list[str]:
    plan = subject.spec.plan
    return [name for request in plan.requests for name in request.operator.param] if plan else []


def _clauses(name: str, subject: DescribedNetwork | PythonModel) -> Variable | None:
    """An option of a clause: `alpha`, or `spconv:alpha` where several clauses have it."""
    plan = subject.spec.plan
    wanted, _, option = name.rpartition(":")
    places = [
        index
        for index, request in enumerate(plan.requests if plan else ())
        if option in request.operator.param and wanted in ("", request.operator.name)
    ]
    if not places or plan is None:
        return None
    if len(places) > 1:
        names = ", ".join(dict.fromkeys(f"{plan.requests[index].operator.name}:{option}" for index in places))
        why = f"{len(places)} clauses have the option {option}"
        raise FlopcalcError("bad-usage", why, f"write --for {names.split(', ')[0]}, or use each operator once")
    request = plan.requests[places[0]]
    subject.clauses.places = {**subject.clauses.places, name: (places[0], option)}
    found = of_param(request.operator, request.operator.param[option], dict(request.options), name)

    def flag(text: str) -> tuple[str, str]:
        return "--replace", request._replace(options={**request.options, option: text}).command

    return found._replace(name=name, key=name, flag=flag)


def _keyword(name: str, subject: PythonModel, *, listed: bool) -> Variable:
    """A keyword of a factory. Its type is that of the value that was given for it, of its default, or of the list."""
    if listed:
        return _rational(
            name, Interval(None, None), 1, value=lambda number: number if type(number) is int else float(number)
        )
    start = keyword_value(subject.spec.settings.get(name))
    if start is None:
        start = default_setting(subject.spec, name)
    if isinstance(start, bool) or not isinstance(start, int | float):
        why = f"the type of {name} is not known: {subject.name} is Python code"
        hint = f"give a value to start from, --set {name}=1.0 or {name}=64, or the values to try, --among {name}=32,64"
        raise FlopcalcError("bad-usage", why, hint)
    if isinstance(start, int):
        return _whole(name, start=start)
    return _rational(name, Interval(0, None, low_in=False), exact(start), value=float)


# Operators -------------------------------------------------------------------------------------------


def of_operator(name: str, subject: OneOperator, *, listed: bool = False) -> Variable:
    """The size or the option of that name. listed: whether its values are given. Raises FlopcalcError."""
    operator = subject.operator
    if name in operator.param:
        return of_param(operator, operator.param[name], subject.given, name)
    if name not in SIZES:
        known = [*operator.param, *(size for size in SIZES if "_" not in size)]
        raise unknown_name(f"size or option of {operator.name}", name, known, f"--for takes: {', '.join(known)}")
    key = SIZES[name]
    usual = {"c_in": 64, "c_out": 64, "k": 3, "hw": 56, "h": 56, "w": 56} | dict(operator.shape)
    given = subject.shape.get(key, usual.get(key, 1))
    written = {"c_in": "--cin", "c_out": "--cout", "k": "-k"}.get(key, f"--{key}")
    least = 0 if key == "padding" else 1
    start = given if isinstance(given, int) else usual.get(key, 1)
    # There are no more groups than channels.
    most = subject.shape.get("c_in") if key == "groups" and not listed else None
    return _whole(
        name,
        least,
        int(most) if most else None,
        start=max(start, least),
        key=key,
        flag=lambda text: (written, text),
        monotone=key == "batch",
    )


def of_param(operator: Operator, param: Param, given: Mapping[str, Any], name: str) -> Variable:
    """An option of an operator. Raises FlopcalcError (bad-option) for a list."""
    start: Any = given.get(param.name, param.default)
    if param.kind == "ints":
        why = f"{param.name} of {operator.name} is a list of numbers, and not one value"
        raise FlopcalcError("bad-option", why, f"set it by --set {param.name}=..., and search for another option")
    if param.kind in ("bool", "choice"):
        values: tuple[Any, ...] = (False, True) if param.kind == "bool" else param.choices
        return _choices(_whole(name, value=_same, text=show), values)
    if param.kind == "int":
        least = 1 if param.least is None else int(param.least)
        first = least if start is None else start
        return _whole(name, least, None if param.most is None else int(param.most), first)
    low: Exact = 0 if param.least is None else param.least
    domain = Interval(low, param.most, low_in=param.least is not None)
    return _rational(name, domain, Fraction(1, 2) if start is None else start)


# Values that the user lists --------------------------------------------------------------------------


def restricted(variable: Variable, texts: Iterable[str]) -> Variable:
    """The variable with the values of a range `a:b:step`, both ends included, or of a list `a,b,c`, in order.

    Raises FlopcalcError (bad-option).
    """
    found: list[Any] = []
    for text in texts:
        for piece in text.split(","):
            found += _range(variable, piece.strip())
    # Choices are numbered by their place in their list.
    return _listed(variable, sorted(set(found)), ordered=variable.ordered)


def batches(texts: Iterable[str]) -> tuple[int, ...]:
    """The listed batches in order. Raises FlopcalcError (bad-option)."""
    return restricted(_whole(BATCH), texts).values


def _range(variable: Variable, text: str) -> list[Any]:
    pieces = text.split(":")
    if variable.values:
        known = {variable.text(place): place for place in range(len(variable.values))}
        if text not in known:
            raise _bad_among(variable, text, f"it is one of: {', '.join(known)}")
        return [known[text]]
    numbers = [_number(variable, piece) for piece in pieces]
    if len(numbers) == 1:
        found = numbers
    elif len(numbers) in (2, 3):
        step = numbers[2] if len(numbers) == 3 else 1
        if step <= 0 or numbers[1] < numbers[0]:
            raise _bad_among(variable, text, "write start:end:step, with a step larger than 0")
        if (numbers[1] - numbers[0]) % step:
            raise _bad_among(
                variable, text, f"the steps do not reach {exact_text(numbers[1])}, and both ends belong to a range"
            )
        count = int((numbers[1] - numbers[0]) // step) + 1
        if count > 100_000:
            raise _bad_among(variable, text, f"it has {count:,} values; at most 100,000")
        found = [exact_number(numbers[0] + index * step) for index in range(count)]
    else:
        raise _bad_among(variable, text, "write start:end:step")
    for number in found:
        if number not in variable.domain or (variable.kind == "whole" and not isinstance(number, int)):
            expected = "a whole number" if variable.kind == "whole" else "a number"
            shown = exact_text(number)
            shown = shown if len(shown) < _LONG else clip(shown)
            raise _bad_among(variable, text, f"{shown} is not {expected} that {variable.name} can be")
    return found


def exact_number(value: Exact) -> Exact:
    """A whole fraction as an int."""
    return int(value) if value == int(value) else value


def _number(variable: Variable, text: str) -> Exact:
    if variable.key == INPUT and "x" in text:
        shape = parse_input(text).shape
        wanted = next((n for n in shape[-1:] if variable.value(n) == shape), None)
        first = variable.value(1)
        scale = shape[-1] // first[-1] if len(first) > 2 else shape[0] // first[0]
        wanted = scale if variable.value(max(scale, 1)) == shape else wanted
        if wanted is None:
            raise _bad_among(variable, text, f"it has another aspect than {variable.text(variable.start)}")
        return wanted
    try:
        found = evaluate(text, {})
    except FlopcalcError:
        found = None
    if isinstance(found, bool) or not isinstance(found, int | Fraction):
        raise _bad_among(variable, text, f"{clip(text)} is not a number")
    number = exact_number(found)
    if variable.key != INPUT:
        return number
    # A number of pixels: the height and width of a square input.
    unit = variable.value(1)
    side = unit[-1] if len(unit) > 2 else unit[0]
    if number % side:
        raise _bad_among(variable, text, f"the width of an input of this aspect is a multiple of {side}")
    return exact_number(Fraction(number) / side)


def _bad_among(variable: Variable, text: str, why: str) -> FlopcalcError:
    example = f"write for example --among {variable.name}=128:448:32, or a list: --among {variable.name}=1,2,4"
    return FlopcalcError("bad-option", f"--among {variable.name}={clip(text)}: {why}", example)


def checked_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names of `--for`, one or two. Raises FlopcalcError (bad-usage)."""
    found = tuple(name.strip() for text in names for name in text.split(","))
    if not found or not all(found):
        raise FlopcalcError(
            "bad-usage",
            "--for names nothing",
            'write --for width; in Python solve("mobilenet_v2", "width", "macs <= 300M")',
        )
    if len(found) > 2 or len(set(found)) < len(found):
        why = f"--for {clip(','.join(found))} has {len(found)} names" if len(found) > 2 else "--for repeats a name"
        raise FlopcalcError("bad-usage", why, "search for one value, or for two: --for width,input")
    return found

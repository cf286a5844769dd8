"""The options and the input of a network: declared in its description, changed by the user or a derived network."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from keyword import iskeyword
from numbers import Number
from typing import Any

from flopcalc.cost.traced import Traced
from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, clip
from flopcalc.spec.operator import show
from flopcalc.spec.size_names import FLAGS_OF_NETWORKS, unknown_option
from flopcalc.symbolic.size import Size
from flopcalc.text.expression import evaluate, exact
from flopcalc.text.yaml_file import File, Map

OF_OPTION = ("default", "help", "choices", "least")
NAME = re.compile(r"[A-Za-z0-9_]+")
_RESERVED = frozenset(("c", "h", "w", "i", "true", "false", "True", "False"))
# Arguments of `flopcalc.network`, to which options are given as keywords.
_ARGUMENTS = frozenset(("input", "batch"))


def reserved(axes: int) -> frozenset[str]:
    """Names with a meaning in expressions: sizes of an input with that number of axes, the index, and truth values."""
    return _RESERVED | {"d"} if axes == len("cdhw") else _RESERVED


def network_file(path: str) -> File:
    """The file of a description, for its errors."""
    hint = "`flopcalc schema` shows what a description can have; docs/networks.md explains it, with examples"
    return File(path, "bad-network", hint)


def default_options(file: File, data: Map) -> dict[str, Any]:
    """The defaults of all options of a description, which are checked here."""
    declared = data.get("options") or Map()
    if not isinstance(declared, Map):
        raise file.error(data, "options", "options maps names to {default: ..., help: ...}")
    shape = data.get("input")
    taken = reserved(len(shape) if isinstance(shape, list) else 0) | _ARGUMENTS
    for option in declared:
        _check_declared(file, declared, option, taken)
    return {option: read_option(option, spec, {}) for option, spec in declared.items()}


def read_options(name: str, data: Map, defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all options of a description: those given, or the defaults."""
    declared = data.get("options") or {}
    known_options(name, declared, given)
    changed = {option: read_option(option, declared[option], given) for option in defaults if option in given}
    return {**defaults, **changed}


def _check_declared(file: File, declared: Map, option: str, names: frozenset[str]) -> None:
    """Raise an error if the declaration of an option is incomplete or contradicts itself. names: taken ones."""
    spec = declared[option]
    taken = option in names or iskeyword(option)
    if not NAME.fullmatch(option) or taken:
        why = "has another meaning" if taken else "has other characters than letters, digits and _"
        raise file.error(declared, option, f"the option name {clip(option)} {why}", "choose another name")
    if not isinstance(spec, Map):
        raise file.error(declared, option, f"option {option} is {clip(spec)}, not {{default: ..., help: ...}}")
    file.known(spec, OF_OPTION, f"option {option}")
    file.words(spec, "help", "")
    if "default" not in spec:
        raise file.error(declared, option, f"option {option} has no default", "write {default: ..., help: ...}")
    if "least" in spec and as_int(spec["least"]) is None:
        why = f"least of option {option} is {clip(spec['least'])}, not a whole number"
        raise file.error(spec, "least", why, "write for example least: 0")
    has_least = type(spec["default"]) is int or isinstance(spec["default"], list)
    if "least" in spec and ("choices" in spec or not has_least):
        why = f"option {option} has least, which only a whole number or a list of them can have"
        raise file.error(spec, "least", why, "leave it out")
    if "choices" in spec and (not isinstance(spec["choices"], list) or not spec["choices"]):
        why = f"choices of option {option} is {clip(spec['choices'])}, not a list of values"
        raise file.error(spec, "choices", why, "write for example choices: [v1, v2]")
    try:
        read_option(option, spec, {})
    except FlopcalcError as error:
        kinds = "true or false, a whole number, a decimal, a list of whole numbers, or one of choices"
        raise file.error(spec, "default", f"the default of {error.message}", f"a default is {kinds}") from None


def known_options(name: str, declared: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise FlopcalcError (unknown-option-of-...) for an option that the network does not have."""
    for option in given:
        if option not in declared:
            has = f"{name} has: {', '.join(declared)}" if declared else f"{name} has no options"
            raise unknown_option(f"option of {name}", option, declared, has, FLAGS_OF_NETWORKS)


def read_option(option: str, spec: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    """The value of one option: that given, checked, or the default.

    The type of the default is the type of the option: true or false, a whole number, a number with a decimal
    point (kept exact), a list of whole numbers, or one of the choices.
    """
    default, choices = spec["default"], spec.get("choices")
    kind = type(default)
    value = given.get(option, default)
    if choices:
        for choice in choices:
            found = tuple(map(exact, choice)) if isinstance(choice, list) else exact(choice)
            if option_text(value) in (str(choice), option_text(found)):
                return found
        raise _bad_option(option, value, f"one of {', '.join(map(option_text, choices))}", spec)
    if kind is bool:
        words = {"true": True, "false": False}
        if str(value).lower() not in words:
            raise _bad_option(option, value, "true or false", spec)
        return words[str(value).lower()]
    least = spec.get("least", 1)
    if issubclass(kind, list):
        # A NumPy array or a tensor has tolist.
        pieces = value.split(",") if isinstance(value, str) else getattr(value, "tolist", lambda: value)()
        numbers = [_number(piece) for piece in pieces] if isinstance(pieces, list | tuple) else []
        if not numbers or not all(as_int(number) is not None and number >= least for number in numbers):
            raise _bad_option(option, value, f"whole numbers of {least} or more, such as {option_text(default)}", spec)
        return tuple(numbers)
    number = _number(value)
    if kind is int:
        if as_int(number) is None or number < least:
            what = "a positive whole number" if least == 1 else f"a whole number of {least} or more"
            raise _bad_option(option, value, what, spec)
    elif not isinstance(number, int | Fraction | Size | Traced) or isinstance(number, bool) or number <= 0:
        raise _bad_option(option, value, "a positive number", spec)
    return number


def _number(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = evaluate(value, {})
        except FlopcalcError:
            return None
    whole = as_int(value)
    if whole is not None:
        return whole
    if isinstance(value, Number) and not isinstance(value, float | Fraction | bool):
        # A number of NumPy, or a Decimal: the decimal that it shows.
        try:
            value = Fraction(str(value))
        except ValueError:
            return None
    return exact(value)


def plain_option(value: Any) -> Any:
    """The value of an option for JSON: decimals as numbers, tuples as lists."""
    if isinstance(value, Fraction):
        return float(value)
    return list(value) if isinstance(value, tuple) else value


def option_text(value: Any) -> str:
    """The value of an option as `--set` takes it: 0.75, 3,4,6,3, true."""
    value = plain_option(value)
    return show(tuple(value)) if isinstance(value, list) else show(value)


def _bad_option(option: str, value: object, wanted: str, spec: Mapping[str, Any]) -> FlopcalcError:
    return FlopcalcError(
        "bad-option",
        f"option {option} is {option_text(value) if isinstance(value, Fraction) else clip(value)}; it must be {wanted}",
        f"{option}: {spec.get('help', 'an option of the network')} (default: {option_text(spec['default'])})",
    )


def title_of(title: str, options: Mapping[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The title, and the options that differ from their defaults."""
    changed = [option for option in given if options[option] != defaults[option]]
    shown = "".join(f"; {option} {option_text(options[option])}" for option in changed)
    return " ".join(f"{title}{shown}".split())


def read_input(file: File, data: Map, given: Sequence[int] | None) -> tuple[int, ...]:
    """The input of a description: the given one, else its own. Raises FlopcalcError."""
    own = data.get("input")
    shape = own if given is None else given
    sizes = tuple(map(as_int, shape)) if isinstance(shape, list | tuple) else ()
    if given is not None and len(sizes) == 1 and isinstance(own, list) and len(own) == 3:
        # One number for height and width.
        sizes = (as_int(own[0]), *sizes, *sizes)
    if len(sizes) not in (1, 3, 4) or not all(size is not None and 0 < size <= 10**9 for size in sizes):
        if given is None:
            if "input" not in data:
                raise file.error(data, None, "input is missing", "write for example input: [3, 224, 224]")
            raise file.error(
                data, "input", f"input is {clip(shape)}, not [channels, height, width], each from 1 to 10^9"
            )
        shown = clip("x".join(map(str, given)))
        wanted = "channels x height x width, each from 1 to 10^9"
        raise FlopcalcError("bad-dimension", f"the input is {shown}, not {wanted}", "write --input 3x224x224")
    return sizes  # type: ignore[return-value]

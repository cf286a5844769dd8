"""Checks of an operator's record, made when the record is built: each mistake is a ValueError that names the operator.

They are cheap, since every command that uses an operator makes them. What needs shapes is checked by
`flopcalc.catalog.part_names` and by the tests over all operators.
"""

from collections.abc import Iterable, Mapping
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, get_args

from flopcalc.cost.cost import Cost
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.errors import FlopcalcError
from flopcalc.spec.param import AUTO, Kind, Param
from flopcalc.spec.source import GIVES_TEXT, STATUS_TEXT, Equation

if TYPE_CHECKING:
    from flopcalc.spec.operator import Operator

# The sizes that a letter of an equation can be mapped to.
SIZES = ("c_in", "c_out", "k", "h", "w", "h_out", "w_out", "stride", "groups", "batch")
# The symbols of sizes in closed forms.
_SYMBOLS = frozenset(SIZES) - {"stride", "batch"}
# The sizes that `geometry` takes.
_SHAPE = ("k", "hw", "stride", "padding", "dilation", "groups", "batch")
# Arguments of `flopcalc.layer` and fields of a geometry: an option of that name could not be given or read.
_TAKEN = frozenset((*SIZES, *_SHAPE, "type", "n", "k_h", "k_w", "stride_h", "stride_w"))


def check(operator: "Operator") -> None:
    """Raise ValueError where fields of the record contradict each other or name what does not exist."""
    if not operator.family or operator.family != " ".join(operator.family.lower().split()):
        raise ValueError(f"{operator.name}: the family is {operator.family!r}; write it in lower-case words")
    names = {*operator.param, *(value.name for value in operator.derived)}
    for param in operator.params:
        _check_param(param, operator)
    _check_letters(operator)
    for values, what in ((operator.samples, "samples"), ([limit.named for limit in operator.limits], "a Limit")):
        for one in values:
            _known(operator, what, one, names)
    _known(operator, "shape", operator.shape, _SHAPE)
    for shape in operator.shapes:
        _known(operator, "shapes", shape, ("c_in", "c_out", *_SHAPE))
        if "c_in" not in shape:
            raise ValueError(f"{operator.name}: shapes: {dict(shape)} has no c_in")
    for equation in operator.equations:
        check_equation(equation, operator, names)


def check_items(name: str, field: str, items: object, kind: type) -> None:
    """Raise ValueError where a field is not a tuple of records of one kind."""
    # A NamedTuple is a tuple too: `(Param(...))` without a comma.
    if type(items) is not tuple or not all(isinstance(item, kind) for item in items):
        raise ValueError(f"{name}: {field} is not a tuple of {kind.__name__}; a tuple of one is written ({field[0]},)")


def _known(operator: "Operator", what: str, found: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(found) - set(known)):
        raise ValueError(f"{operator.name}: {what} names {', '.join(unknown)}; known: {', '.join(sorted(known))}")


def _check_name(operator: "Operator", what: str, name: str) -> None:
    if not name.isidentifier() or iskeyword(name):
        raise ValueError(f"{operator.name}: {what} {name!r} is not a name in Python")


def _check_param(param: Param, operator: "Operator") -> None:
    what = f"{operator.name}: option {param.name}"
    _check_name(operator, "the option", param.name)
    if param.name in _TAKEN:
        raise ValueError(f"{what}: the name is that of a size or an argument; choose another name")
    if param.kind not in get_args(Kind):
        raise ValueError(f"{what} has the kind {param.kind!r}; the kinds are {', '.join(get_args(Kind))}")
    if (param.kind == "choice") != bool(param.choices):
        raise ValueError(f"{what}: the kind choice needs `choices`, and no other kind has them")
    if param.letter and param.kind not in ("int", "fraction") and not param.stands_for:
        raise ValueError(f"{what} has a letter, and its kind is {param.kind}; only a number has a letter")
    if param.same_as and param.same_as not in operator.param:
        raise ValueError(f"{what}: same_as names {param.same_as!r}, which is not an option")
    if param.default is AUTO and not (param.auto or param.same_as):
        raise ValueError(f"{what} has no default and no rule for one; say the rule in `auto`, or give `same_as`")
    for value in (param.default, *param.samples):
        if not _is_value(param, value):
            raise ValueError(f"{what}: the default or sample {value!r} must be {param.expects}, within its bounds")


def _is_value(param: Param, value: Any) -> bool:
    """Whether it is a value of the option as it is used, not only text of one."""
    if value is AUTO:
        return param.default is AUTO
    try:
        return bool(param.read(value) == value)
    except FlopcalcError:
        return False


def _check_letters(operator: "Operator") -> None:
    derived = {value.name for value in operator.derived}
    seen: dict[str, str] = {}
    for param in operator.params:
        letter = param.letter
        if param.stands_for and (not letter or param.stands_for not in derived):
            raise ValueError(f"{operator.name}: option {param.name}: stands_for needs a letter and a derived value")
        if not letter:
            continue
        _check_name(operator, f"the letter of option {param.name},", letter)
        if letter in seen:
            raise ValueError(f"{operator.name}: the options {seen[letter]} and {param.name} share the letter {letter}")
        if letter in _SYMBOLS or (letter in derived and letter != param.stands_for):
            what = "size" if letter in _SYMBOLS else "derived value"
            raise ValueError(
                f"{operator.name}: the letter {letter} of option {param.name} is the name of a {what}; choose another"
            )
        seen[letter] = param.name


def check_equation(equation: Equation, operator: "Operator", names: Iterable[str]) -> None:
    """Raise ValueError where an equation contradicts itself or names what does not exist."""
    names = set(names)
    label = f"equation {equation.number}"
    what = f"{operator.name}: {label}"
    if equation.status not in STATUS_TEXT:
        raise ValueError(f"{what} has the status {equation.status!r}; the statuses are {', '.join(STATUS_TEXT)}")
    if equation.status == "printed" and equation.right:
        raise ValueError(f"{what}: status printed has no `right`; another status has one")
    if equation.status != "printed" and not (equation.right and equation.why):
        raise ValueError(f"{what}: status {equation.status} needs `right` and `why`")
    if equation.domain is not None and not equation.domain_text:
        raise ValueError(f"{what}: its domain needs `domain_text`, the condition in words")
    kind, of, part = equation.gives.partition(" of ")
    if of and not (kind in OF_A_KERNEL and part):
        raise ValueError(f"{what}: gives is {equation.gives!r}; before `of` comes one of {', '.join(OF_A_KERNEL)}")
    if not of and equation.gives not in {*GIVES_TEXT, *names}:
        known = ", ".join((*GIVES_TEXT, "KIND of PART", *sorted(names)))
        raise ValueError(f"{what}: gives is {equation.gives!r}; known: {known}")
    _known(operator, f"`letters` of {label}", equation.letters.values(), {*SIZES, *names})
    _known(operator, f"`given` of {label}", equation.given, names)
    _check_given(equation.given, operator, what)
    sizes = {*equation.sizes, *(size for size in equation.sizes.values() if isinstance(size, str))}
    _known(operator, f"`sizes` of {label}", sizes, {*SIZES, *names})


def _check_given(given: Mapping[str, object], operator: "Operator", what: str) -> None:
    for name, value in given.items():
        if name in operator.param and not _is_value(operator.param[name], value):
            raise ValueError(f"{what}: given has {name} = {value!r}; it must be {operator.param[name].expects}")


def check_cost(cost: Cost) -> None:
    """Raise ValueError where a number of a part is not an int, or is negative, or where `after` is not a tuple."""
    for part in cost.parts:
        for kind in (*OF_A_KERNEL, "reads", "writes", "steps"):
            value = getattr(part, kind)
            if type(value) is not int:
                raise ValueError(f"{kind} of part {part.name} is {value!r}, not an int")
            if value < 0:
                raise ValueError(f"{kind} of part {part.name} is {value}, less than 0")
        if part.after is not None and not isinstance(part.after, tuple):
            raise ValueError(f"`after` of part {part.name} is {part.after!r}, not a tuple of names")

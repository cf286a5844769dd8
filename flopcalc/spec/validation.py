"""Checks of an operator's record, made when the record is built: each mistake is a ValueError that names the operator.

They are cheap, since every command that uses an operator makes them. What needs shapes is checked by
`flopcalc.catalog.part_names` and by the tests over all operators.
"""

from collections.abc import Iterable, Mapping, Sequence
from keyword import iskeyword
from typing import Any, NamedTuple, get_args

from flopcalc.cost.cost import Cost, Part
from flopcalc.cost.geometry import GIVEN_SIZES, Geometry
from flopcalc.cost.kinds import OF_A_KERNEL, WORK_KINDS
from flopcalc.cost.parts import NOTHING
from flopcalc.errors import FlopcalcError, clip
from flopcalc.spec.param import AUTO, Kind, Param
from flopcalc.spec.source import GIVES_TEXT, STATUS_TEXT, Equation
from flopcalc.spec.stand_ins import any_stand_in

# The sizes that a letter of an equation can be mapped to.
SIZES = ("c_in", "c_out", "k", "h", "w", "h_out", "w_out", "stride", "groups", "batch")
# The symbols of sizes in closed forms.
_SYMBOLS = frozenset(SIZES) - {"stride", "batch"}
# The numbers of a part.
_COUNTS = tuple(name for name in Part._fields if name not in ("name", "work", "after", "call", "extra"))
# The numbers of a part that each sample adds to.
_OF_SAMPLES = ("macs", "adds", "muls", "other", "activations")
# Arguments of `flopcalc.layer` and fields of a geometry: an option of that name could not be given or read.
_TAKEN = frozenset((*SIZES, *GIVEN_SIZES, "type", "n", "k_h", "k_w"))
# Keys of parts and of the entries of a network, in which the options of operators appear too.
ENTRY_KEYS = frozenset(
    ("op", "from", "out", "block", "layers", "when", "repeat", "each", "stage", "weights_of", "let", "type")
)
# Arguments of the modules, next to which the options appear; `bias` is an option.
_OF_MODULES = frozenset(("in_channels", "out_channels", "kernel_size", "padding_mode", "device", "dtype", "self"))


# Ratios of larger numbers are no floating-point numbers. Sizes are at most 10^100.
MAX_COUNT = 10**300


class Names(NamedTuple):
    """An operator's name, its options, and the names of its derived values."""

    operator: str
    params: Mapping[str, Param]
    derived: frozenset[str]

    @property
    def known(self) -> frozenset[str]:
        """Names that formulas can read."""
        return self.derived | self.params.keys()


def check_names(names: Names, family: str) -> None:
    """Raise ValueError where an option, a letter or the family of an operator is not valid."""
    if not family or family != " ".join(family.lower().split()):
        raise ValueError(f"{names.operator}: the family is {family!r}; write it in lower-case words")
    for param in names.params.values():
        _check_param(param, names)
    for name in sorted(names.derived):
        _check_name(names, "the derived value", name)
        if name in SIZES:
            raise ValueError(f"{names.operator}: derived value {name}: the name is that of a size; choose another name")
    _check_letters(names)


def check_shapes(names: Names, shape: Mapping[str, Any], shapes: Iterable[Mapping[str, Any]]) -> None:
    """Raise ValueError where a shape has an unknown size, or no c_in where it needs one."""
    check_known(names, "shape", shape, GIVEN_SIZES)
    for one in shapes:
        check_known(names, "shapes", one, ("c_in", "c_out", *GIVEN_SIZES))
        if "c_in" not in one:
            raise ValueError(f"{names.operator}: shapes: {dict(one)} has no c_in")


def check_items(name: str, field: str, items: object, kind: type) -> None:
    """Raise ValueError where a field is not a tuple of records of one kind."""
    # A NamedTuple is a tuple too: `(Param(...))` without a comma.
    if type(items) is not tuple or not all(isinstance(item, kind) for item in items):
        raise ValueError(f"{name}: {field} is not a tuple of {kind.__name__}; a tuple of one is written ({field[0]},)")


def check_known(names: Names, what: str, found: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError where a field names what does not exist."""
    if unknown := sorted(set(found) - set(known)):
        raise ValueError(f"{names.operator}: {what} names {', '.join(unknown)}; known: {', '.join(sorted(known))}")


def _check_name(names: Names, what: str, name: str) -> None:
    if not name.isidentifier() or iskeyword(name):
        raise ValueError(f"{names.operator}: {what} {name!r} is not a name in Python")


def _check_param(param: Param, names: Names) -> None:
    what = f"{names.operator}: option {param.name}"
    _check_name(names, "the option", param.name)
    if param.name in _TAKEN:
        raise ValueError(f"{what}: the name is that of a size or an argument; choose another name")
    if param.name in ENTRY_KEYS:
        raise ValueError(f"{what}: the name is that of a key in network descriptions; choose another name")
    if param.name in _OF_MODULES:
        raise ValueError(f"{what}: the name is that of an argument of modules; choose another name")
    if param.kind not in get_args(Kind):
        raise ValueError(f"{what} has the kind {param.kind!r}; the kinds are {', '.join(get_args(Kind))}")
    if (param.kind == "choice") != bool(param.choices):
        raise ValueError(f"{what}: the kind choice needs `choices`, and no other kind has them")
    if param.letter and param.kind not in ("int", "fraction") and not param.stands_for:
        raise ValueError(f"{what} has a letter, and its kind is {param.kind}; only a number has a letter")
    if param.same_as and param.same_as not in names.params:
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


def _check_letters(names: Names) -> None:
    seen: dict[str, str] = {}
    for param in names.params.values():
        letter = param.letter
        if param.stands_for and (not letter or param.stands_for not in names.derived):
            raise ValueError(f"{names.operator}: option {param.name}: stands_for needs a letter and a derived value")
        if not letter:
            continue
        _check_name(names, f"the letter of option {param.name},", letter)
        if letter in seen:
            raise ValueError(f"{names.operator}: the options {seen[letter]} and {param.name} share the letter {letter}")
        if letter in _SYMBOLS or (letter in names.derived and letter != param.stands_for):
            what = "size" if letter in _SYMBOLS else "derived value"
            raise ValueError(
                f"{names.operator}: the letter {letter} of option {param.name} is the name of a {what}; choose another"
            )
        seen[letter] = param.name


def check_equation(equation: Equation, names: Names) -> None:
    """Raise ValueError where an equation contradicts itself or names what does not exist."""
    label = f"equation {equation.number}"
    what = f"{names.operator}: {label}"
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
    if not of and equation.gives not in {*GIVES_TEXT, *names.known}:
        known = ", ".join((*GIVES_TEXT, "KIND of PART", *sorted(names.known)))
        raise ValueError(f"{what}: gives is {equation.gives!r}; known: {known}")
    check_known(names, f"`letters` of {label}", equation.letters.values(), {*SIZES, *names.known})
    check_known(names, f"`given` of {label}", equation.given, names.known)
    _check_given(equation.given, names, what)
    sizes = {*equation.sizes, *(size for size in equation.sizes.values() if isinstance(size, str))}
    check_known(names, f"`sizes` of {label}", sizes, {*SIZES, *names.known})


def _check_given(given: Mapping[str, object], names: Names, what: str) -> None:
    for name, value in given.items():
        if name in names.params and not _is_value(names.params[name], value):
            raise ValueError(f"{what}: given has {name} = {value!r}; it must be {names.params[name].expects}")


def check_applied(operator: Any, g: Geometry, options: Mapping[str, Any], parts: Sequence[Part]) -> None:
    """Raise ValueError where the parts of a plug-in are not a cost. The tests over all operators prove this for ours.

    Symbols are not checked: a closed form is compared with the cost on numbers.
    """
    if any_stand_in((g, options)):
        return
    check_cost(Cost(tuple(parts)))
    more = g._replace(batch=3 * g.batch)
    check_batch(parts, operator.cost(more, operator.derive(more, options)).parts)


def check_cost(cost: Cost) -> None:
    """Raise ValueError for a part that is none, or whose name, kind of work, numbers or `after` are wrong."""
    above: set[str] = set()
    names = [part.name if isinstance(part, Part) else None for part in cost.parts]
    for part in cost.parts:
        if not isinstance(part, Part):
            raise ValueError(f"the formula yields {clip(part)}, not a Part")
        if not isinstance(part.name, str) or not part.name:
            raise ValueError(f"the name of a part is {clip(part.name)}, not text")
        if part.name in above:
            raise ValueError(f"two parts are called {part.name}")
        if part.work not in WORK_KINDS:
            kinds = ", ".join(WORK_KINDS)
            raise ValueError(f"the kind of work of part {part.name} is {clip(part.work)}; the kinds are {kinds}")
        _check_counts(part)
        _check_after(part, above, names)
        above.add(part.name)


def _check_counts(part: Part) -> None:
    for kind in _COUNTS:
        value = getattr(part, kind)
        if type(value) is not int:
            raise ValueError(f"{kind} of part {part.name} is {clip(value)}, not an int")
        if value < 0:
            raise ValueError(f"{kind} of part {part.name} is {value}, less than 0")
        if value > MAX_COUNT:
            raise ValueError(f"{kind} of part {part.name} is more than 10^300")


def _check_after(part: Part, above: set[str], names: Sequence[str | None]) -> None:
    if part.after is None:
        return
    if not isinstance(part.after, tuple) or not all(isinstance(name, str) for name in part.after):
        raise ValueError(f"`after` of part {part.name} is {clip(part.after)}, not a tuple of names")
    for name in part.after:
        # Another name may be that of a part that an option leaves out.
        if name in names and name not in above:
            where = "the part itself" if name == part.name else "a later part"
            raise ValueError(f"`after` of part {part.name} names {name}, {where}; it names parts above it")


def check_batch(parts: Sequence[Part], more: Sequence[Part]) -> None:
    """Raise ValueError unless work grows with the batch and weights do not. more: parts at three times the batch."""
    if [part.name for part in parts] != [part.name for part in more]:
        raise ValueError("its parts depend on the batch")
    # What is computed from weights alone is the same for all samples.
    of_weights = set(NOTHING)
    for part, other in zip(parts, more, strict=True):
        if part.after and of_weights.issuperset(part.after):
            of_weights.add(part.name)
        if part.params != other.params:
            raise ValueError(f"params of part {part.name} depend on the batch; weights are the same for all samples")
        if part.steps != other.steps:
            raise ValueError(f"steps of part {part.name} depend on the batch")
        for kind in _OF_SAMPLES:
            now, then = getattr(part, kind), getattr(other, kind)
            if then != 3 * now and not (then == now and part.name in of_weights):
                raise ValueError(
                    f"{kind} of part {part.name} are not proportional to the batch; g.p_in and g.p_out are positions "
                    "of the whole batch, and a part that reads weights alone has after=parts.NOTHING"
                )

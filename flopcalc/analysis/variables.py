"""What a closed form varies: the batch, axes of the input, options; and a target with other values of these."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any, Literal, NamedTuple

from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.networks.inputs import AXIS_SYMBOLS
from flopcalc.targets.spec import TargetSpec

# The axes of an input without the batch, by their number.
AXES: Mapping[int, tuple[str, ...]] = {3: ("channels", "height", "width"), 4: ("channels", "depth", "height", "width")}
# How far apart the reference values of axes are that have the same size.
_STEPS = (64, 8, 1)


class Variable(NamedTuple):
    """One symbol: its name, what it means, and where its value goes.

    kind: "batch"; "axis", where place is the number of the axis; "option", where name is that of the option; or "item",
    where place is the number of the item of the list that the option is. hint: its value at the reference point; a
    Fraction for an option that need not be whole. usual: its value in the target as it was given, at which shares are
    taken. least: its smallest value.
    """

    symbol: str
    meaning: str
    kind: Literal["batch", "axis", "option", "item"]
    hint: int | Fraction
    name: str = ""
    place: int = 0
    least: int | Fraction = 1
    usual: int | Fraction = 1


class Vary(NamedTuple):
    """The variables, and what the reader should know about the choice."""

    variables: tuple[Variable, ...]
    notes: tuple[str, ...]


def names_of(texts: Sequence[str]) -> tuple[str, ...]:
    """The names in texts such as `height,width`. Raises FlopcalcError (bad-usage) for an empty or repeated one."""
    if not all(isinstance(one, str) for one in texts):
        raise FlopcalcError("bad-usage", f"vary is {clip(texts)}, not names", 'write for example vary="height,width"')
    names = tuple(name.strip() for one in texts for name in one.split(","))
    for name in names:
        if not name or names.count(name) > 1:
            why = f"--vary has {clip(name)} twice" if name else "--vary has an empty name"
            raise FlopcalcError("bad-usage", why, "write for example --vary height,width")
    return names


def variables(
    shape: Sequence[int],
    batch: int,
    options: Mapping[str, tuple[Any, int]],
    wanted: Sequence[str] | None,
) -> Vary:
    """The variables of a described network.

    shape: of the input, without the batch. options: the value and the least value of each numeric option; a Fraction
    where it need not be whole, a tuple for a list. wanted: names of axes and options; None for the batch, height and
    width. `width` is the axis next to `height`, and else the option where there is one; `input.width` and `set.width`
    are always the one and the other.
    """
    axes = {name: place for place, name in enumerate(AXES.get(len(shape), ())) if name != "channels"}
    chosen = ["batch", *axes] if wanted is None else list(wanted)
    known = [*dict.fromkeys(("batch", *axes, *options))]
    found: list[Variable] = []
    notes: list[str] = []
    for name in chosen:
        as_axis = name.removeprefix("input.")
        as_option = name.removeprefix("set.")
        both = name in axes and name in options
        prefers_option = both and wanted is not None and not ({"height", "width", "depth"} - {name}) & set(wanted)
        if both and wanted is not None:
            which = "the option" if prefers_option else "the axis of the input"
            other = f"input.{name}" if prefers_option else f"set.{name}"
            notes.append(f"{name} is {which} here; --vary {other} is the other one")
        if as_axis == "batch" and "batch" not in options:
            found.append(Variable("N", "batch", "batch", max(batch, 3), usual=batch))
        elif as_axis in axes and not name.startswith("set.") and not prefers_option:
            found.append(_axis(as_axis, axes[as_axis], shape))
        elif as_option in options and not name.startswith("input."):
            found += _option(as_option, *options[as_option])
        else:
            raise unknown_name("name to vary", name, known, f"it can vary: {', '.join(known)}")
    if not found:
        raise FlopcalcError("bad-usage", "--vary names nothing", f"it can vary: {', '.join(known)}")
    return Vary(_apart(found, _STEPS[0]), tuple(notes))


def references(chosen: Vary) -> Iterator[Vary]:
    """The variables at other reference points, each nearer to the sizes that were given, and these at last.

    A network may take another path at the first ones than at the sizes that were given.
    """
    met = set()
    for batch, step in product((True, False), (*_STEPS, 0)):
        at_usual = [
            one._replace(hint=one.usual) if one.kind == "axis" or (one.kind == "batch" and not batch) else one
            for one in chosen.variables
        ]
        near = _apart(at_usual, step)
        if near not in met:
            met.add(near)
            yield chosen._replace(variables=near)


def _axis(name: str, place: int, shape: Sequence[int]) -> Variable:
    return Variable(AXIS_SYMBOLS[name], name, "axis", shape[place], place=place, usual=shape[place])


def _option(name: str, value: Any, least: int) -> list[Variable]:
    # An option may be named like the symbol of an axis.
    symbol = f"{name}_option" if name in AXIS_SYMBOLS.values() else name
    if isinstance(value, tuple):
        return [
            Variable(f"{symbol}_{place}", f"item {place} of {name}", "item", item, name, place, least, item)
            for place, item in enumerate(value, 1)
        ]
    least_value = Fraction(1, 10**6) if isinstance(value, Fraction) else least
    return [Variable(symbol, f"option {name}", "option", value, name, 0, least_value, value)]


def _apart(found: Sequence[Variable], step: int) -> tuple[Variable, ...]:
    """Axes with different reference values, so that a square is no special case; as they are for a step of 0."""
    seen: set[int | Fraction] = set()
    apart = []
    for one in found:
        if one.kind == "axis" and step:
            while one.hint in seen:
                one = one._replace(hint=one.hint + step)  # noqa: PLW2901
            seen.add(one.hint)
        apart.append(one)
    return tuple(apart)


def spec_at(
    spec: TargetSpec,
    shape: Sequence[int],
    options: Mapping[str, tuple[Any, int]],
    found: Sequence[Variable],
    point: Mapping[str, Any],
) -> TargetSpec:
    """The target with these values of the variables. shape: of the input; options: as of `variables`."""
    from flopcalc.networks.inputs import Input

    sizes = list(shape)
    settings = dict(spec.settings)
    lists: dict[str, list[Any]] = {}
    batch: Any = spec.batch
    for one in found:
        value = point[one.symbol]
        match one.kind:
            case "batch":
                batch = value
            case "axis":
                sizes[one.place] = value
            case "option":
                settings[one.name] = value
            case "item":
                lists.setdefault(one.name, list(options[one.name][0]))[one.place - 1] = value
    settings |= {name: tuple(items) for name, items in lists.items()}
    return spec._replace(settings=settings, inputs=(Input(tuple(sizes)),), batch=batch)

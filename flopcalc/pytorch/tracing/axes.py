"""The named axes of a module's inputs: batch, height, width, tokens, depth."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.inputs import AXIS_SYMBOLS, Input

# What varies where nothing is named.
USUAL = ("batch", "height", "width", "tokens", "length")
_CHANNELS = (1, 3)
_CHANNELS_AND_LENGTH = 2


class Axis(NamedTuple):
    """An axis that may vary. name: its first name. places: (input, axis of the sample); the batch has none."""

    symbol: str
    name: str
    size: int
    places: tuple[tuple[int, int], ...] = ()


def axes_of(inputs: Sequence[Input], batch: int, *, batched: bool = True, channels_first: bool = False) -> list[Axis]:
    """The axes that the inputs have: the first axis of all is the batch.

    Of several inputs, axes of one name and size are one axis; a second size is another one, with a number in its symbol
    (T, T2). batched: whether the batch is an axis, and not the length of a list. channels_first: whether a sample of
    two axes is channels and length, and not tokens and channels.
    """
    found: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for number, one in enumerate(inputs):
        for name, place in _places(one.shape, channels_first).items():
            found.setdefault((name, one.shape[place]), []).append((number, place))
    axes = [Axis("N", "batch", batch)] if batched else []
    seen: dict[str, int] = {}
    for (name, size), places in found.items():
        # Of the symbol: tokens and a length have the same.
        symbol = AXIS_SYMBOLS[name]
        seen[symbol] = count = seen.get(symbol, 0) + 1
        symbol += str(count) if count > 1 else ""
        axes.append(Axis(symbol, name, size, tuple(places)))
    order = list(AXIS_SYMBOLS)
    return sorted(axes, key=lambda axis: order.index(axis.name))


def may_have_channels_first(inputs: Sequence[Input]) -> bool:
    """Whether there is an input of which it is not known which axis is its length."""
    return any(len(one.shape) == _CHANNELS_AND_LENGTH for one in inputs)


def _places(shape: tuple[int, ...], channels_first: bool) -> dict[str, int]:
    """The named axes of one sample."""
    match len(shape):
        case 1:
            return {"tokens": 0}
        case 2:
            return {"length": 1} if channels_first else {"tokens": 0}
        case 3:
            return {"height": 1, "width": 2}
        case 4:
            # Frames come before or after the channels.
            return {"depth": 1 if shape[0] in _CHANNELS or shape[1] not in _CHANNELS else 0, "height": 2, "width": 3}
    return {}


def chosen(axes: Sequence[Axis], vary: Sequence[str] | None) -> list[Axis]:
    """The axes of these names; the usual ones for None. Raises FlopcalcError (bad-option) for one that is not there."""
    if vary is None:
        return [axis for axis in axes if axis.name in USUAL]
    names = list(dict.fromkeys(axis.name for axis in axes))
    symbols = {AXIS_SYMBOLS[name] for name in names}
    for name in vary:
        if name not in AXIS_SYMBOLS or AXIS_SYMBOLS[name] not in symbols:
            have = ", ".join(names)
            raise FlopcalcError(
                "bad-option",
                f"the inputs have no axis {clip(name)} to vary",
                f"the axes are: {have}" if have else "give inputs with a shape, with --input",
            )
    wanted = {AXIS_SYMBOLS[name] for name in vary}
    return [axis for axis in axes if AXIS_SYMBOLS[axis.name] in wanted]


def resized(
    inputs: Sequence[Input], batch: object, axes: Sequence[Axis], sizes: Mapping[str, object]
) -> tuple[list[Input], object]:
    """The inputs and the batch with other sizes for some axes, by symbol. Sizes may be symbolic."""
    shapes = [list(one.shape) for one in inputs]
    for axis in axes:
        if axis.symbol in sizes:
            for number, place in axis.places:
                shapes[number][place] = sizes[axis.symbol]  # type: ignore[call-overload]
    given = [one._replace(shape=tuple(shape)) for one, shape in zip(inputs, shapes, strict=True)]
    varied = any(axis.name == "batch" and axis.symbol in sizes for axis in axes)
    return given, sizes["N"] if varied else batch

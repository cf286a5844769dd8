"""Shape rules: plain functions of sizes and strides. None means that the sizes do not fit, or that no rule applies."""

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from itertools import pairwise
from typing import ParamSpec, TypeVar

from flopcalc.pytorch.tracing.extents import below, differs, same

Sizes = tuple[int, ...]
_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


def known(rule: Callable[_Given, _Found]) -> Callable[_Given, _Found]:
    """A rule that works out each answer once: the layers of a network repeat the same few sizes.

    The SymInts of symbolic sizes have no hash, and are looked at each time: what is decided about them is recorded.
    """
    answers = lru_cache(maxsize=4096)(rule)

    @wraps(rule)
    def ask(*given: _Given.args, **named: _Given.kwargs) -> _Found:
        try:
            return answers(*given, **named)  # type: ignore[arg-type]
        except TypeError:
            return rule(*given, **named)

    return ask


def product(sizes: Sequence[int]) -> int:
    """The product of sizes."""
    size = 1
    for extent in sizes:
        size *= extent
    return size


def positive(shape: Sequence[int]) -> bool:
    """Whether all sizes are at least one."""
    for extent in shape:  # noqa: SIM110 (a generator takes twice the time, and min would compare sizes with each other)
        if extent < 1:
            return False
    return True


def equal(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two shapes are equal; symbolic ones, whether they are the same expressions."""
    try:
        return hash(one) == hash(other) and one == other
    except TypeError:
        # A symbolic size has no hash.
        return len(one) == len(other) and all(map(same, one, other))


def row_major(shape: Sequence[int]) -> Sizes:
    """The strides of a contiguous tensor; an empty axis counts as one, as in torch."""
    strides = []
    step = 1
    for extent in reversed(shape):
        strides.append(step)
        step *= (extent or 1) if type(extent) is int else extent
    strides.reverse()
    return tuple(strides)


# For sizes as torch has them. Expressions have a hash.
contiguous = known(row_major)


@known
def channels_last(shape: Sequence[int]) -> Sizes:
    """The strides of a map whose channels are innermost."""
    inner = contiguous((shape[0], *shape[2:], shape[1]))
    return (inner[0], inner[-1], *inner[1:-1])


def is_channels_last(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether a map is contiguous with its channels innermost; strides of axes of size one do not matter."""
    return is_contiguous((shape[0], *shape[2:], shape[1]), (strides[0], *strides[2:], strides[1]))


def is_contiguous(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether the strides are those of a contiguous tensor; those of axes of size one do not matter."""
    step = 1
    unlike = []
    for extent, stride in zip(reversed(shape), reversed(strides), strict=True):
        if not same(stride, step) and not same(extent, 1):
            unlike.append((extent, stride, step))
        step *= extent
    if not unlike:
        return True
    # Of symbolic sizes an axis that always differs comes first, so that nothing is decided about the others.
    if any(differs(extent, 1) and differs(stride, step) for extent, stride, step in unlike):
        return not all(shape)
    return all(extent == 1 or stride == step for extent, stride, step in unlike) or not all(shape)


def is_dense(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether the elements fill their memory without gaps or overlaps, in whatever order of axes."""
    known = _is_chain(shape, strides)
    if known is not None:
        return known
    step = 1
    for stride, extent in sorted(
        (stride, extent) for stride, extent in zip(strides, shape, strict=True) if extent != 1
    ):
        if stride != step:
            return not all(shape)
        step *= extent
    return True


def _is_chain(shape: Sequence[int], strides: Sequence[int]) -> bool | None:
    """Whether the elements are dense at all sizes, or at none; None where it depends on them. An axis may be one."""
    left = [(extent, stride) for extent, stride in zip(shape, strides, strict=True) if not same(extent, 1)]
    step = 1
    while left:
        place = next((place for place, (_, stride) in enumerate(left) if same(stride, step)), None)
        if place is None:
            none = all(differs(stride, step) for _, stride in left)
            return False if none and any(differs(extent, 1) for extent, _ in left) and all(shape) else None
        step *= left.pop(place)[0]
    return True


@known
def elements(shape: Sequence[int], strides: Sequence[int]) -> int:
    """Elements in memory: an expanded axis holds one."""
    size = 1
    for extent, stride in zip(shape, strides, strict=True):
        if type(stride) is not int or stride or not extent:
            size *= extent
    return size


@known
def broadcast(one: Sequence[int], other: Sequence[int]) -> Sizes | None:
    """The shape of two tensors together."""
    if len(one) < len(other):
        one, other = other, one
    more = len(one) - len(other)
    shape = list(one[:more])
    for a, b in zip(one[more:], other, strict=True):
        # A symbolic size is compared with a number only where it must be.
        if same(b, a) or same(b, 1):
            shape.append(a)
        elif same(a, 1):
            shape.append(b)
        elif b in (a, 1):
            shape.append(a)
        elif a == 1:
            shape.append(b)
        else:
            return None
    return tuple(shape)


@known
def expanded(shape: Sequence[int], given: Sequence[int], strides: Sequence[int]) -> Sizes:
    """The strides of a tensor that is expanded to a shape."""
    more = len(shape) - len(given)
    return (
        *((0,) * more),
        *(
            0 if not same(old, new) and old == 1 else stride
            for new, old, stride in zip(shape[more:], given, strides, strict=True)
        ),
    )


@known
def like(shape: Sequence[int], strides: Sequence[int]) -> Sizes:
    """The strides of a new tensor that keeps the memory format of another."""
    if is_dense(shape, strides):
        return tuple(strides)
    return elementwise(shape, [strides])


def elementwise(shape: Sequence[int], operands: Sequence[Sequence[int]]) -> Sizes:
    """The strides of the result of an element-wise function. operands: their strides, expanded to its shape.

    Axes are ordered as the first operand orders them, then the second (Tensor Iterator's rule).
    """
    rank = len(shape)
    order = list(reversed(range(rank)))
    for i in range(1, rank):
        later = i
        for earlier in reversed(range(i)):
            swap = _swap(order[earlier], order[later], shape, operands)
            if swap > 0:
                order[earlier], order[later] = order[later], order[earlier]
                later = earlier
            elif swap < 0:
                break
    strides: dict[int, int] = {}
    step = 1
    for axis in order:
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides[axis] for axis in range(rank))


def descends(strides: Sequence[int]) -> bool:
    """Whether each axis is inside those before it; repeated axes, of stride 0, are in any place."""
    last = 0
    for stride in strides:
        if stride:
            if last and not below(stride, last):
                return False
            last = stride
    return True


def _swap(a: int, b: int, shape: Sequence[int], operands: Sequence[Sequence[int]]) -> int:
    """1 where axis `b` is inside axis `a`, -1 where it is outside, 0 where no operand tells."""
    for strides in operands:
        inner, outer = strides[a], strides[b]
        if not inner or not outer:
            continue
        if same(inner, outer):
            if shape[a] > shape[b]:
                return 1
            continue
        return -1 if below(inner, outer) else 1
    return 0


@known
def merges(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether axes can be seen as one without a copy."""
    axes = [(extent, stride) for extent, stride in zip(shape, strides, strict=True) if not same(extent, 1)]
    if all(same(outer, stride * extent) for (_, outer), (extent, stride) in pairwise(axes)):
        # At all sizes: an axis that is one there as well does no harm.
        return True
    step = None
    for extent, stride in zip(reversed(shape), reversed(strides), strict=True):
        if extent != 1:
            if step is not None and stride != step:
                return False
            step = stride * extent
    return True


@known
def viewed(shape: Sequence[int], strides: Sequence[int], new: Sequence[int]) -> bool:
    """Whether a tensor can be seen in another shape of as many elements without a copy."""
    old = [(extent, stride) for extent, stride in zip(shape, strides, strict=True) if extent != 1]
    wanted = [extent for extent in new if extent != 1]
    place = 0
    while place < len(old):
        # A group of axes that together become a group of new ones.
        size, taken = old[place][0], 1
        want, used = wanted[0], 1
        while size != want:
            if size < want:
                extent, stride = old[place + taken]
                if old[place + taken - 1][1] != stride * extent:
                    return False
                size *= extent
                taken += 1
            else:
                want *= wanted[used]
                used += 1
        place += taken
        wanted = wanted[used:]
    return True


@known
def completed(shape: Sequence[int], count: int) -> Sizes | None:
    """A shape for a number of elements, in which one size may be -1; None where it does not fit."""
    if -1 not in shape:
        return tuple(shape) if product(shape) == count and all(extent >= 0 for extent in shape) else None
    known = -product(shape)
    if known <= 0 or count % known or list(shape).count(-1) > 1 or any(extent < -1 for extent in shape):
        return None
    return tuple(count // known if extent == -1 else extent for extent in shape)


def axis(index: int, rank: int) -> int | None:
    """An axis counted from the front."""
    span = max(rank, 1)
    return index % span if -span <= index < span else None


def axes(given: int | Sequence[int] | None, rank: int) -> list[int] | None:
    """Axes counted from the front, in order; all of them for none given."""
    if given is None or (not isinstance(given, int) and not len(given)):
        return list(range(rank))
    indices = [given] if isinstance(given, int) else list(given)
    span = max(rank, 1)
    if not all(-span <= index < span for index in indices):
        return None
    found = sorted({index % span for index in indices})
    return found if len(found) == len(indices) else None


def reduced(shape: Sequence[int], over: Sequence[int], keep: bool) -> Sizes:
    """The shape of a reduction over axes."""
    if keep:
        return tuple(1 if index in over else extent for index, extent in enumerate(shape))
    return tuple(extent for index, extent in enumerate(shape) if index not in over)


def windows(extent: int, kernel: int, stride: int, pad: int, dilation: int = 1, ceil: bool = False) -> int:
    """Positions of a window along an axis that is padded at both ends. With `ceil` a last window may pass the end."""
    span = extent + 2 * pad - dilation * (kernel - 1) - 1
    if not ceil:
        return span // stride + 1
    count = -(-span // stride) + 1
    # The last window must start inside the input or its first padding.
    return count - 1 if (count - 1) * stride >= extent + pad else count


@known
def suggests_channels_last(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether torch takes a map of two or three axes for one whose channels are innermost."""
    rank = len(shape)
    if rank not in (4, 5) or not strides[1]:
        return False
    least = 0
    for index in (1, *range(rank - 1, 1, -1), 0):
        if not shape[index] or strides[index] < least or (not index and least == strides[1]):
            return False
        least = strides[index] * shape[index]
    return True

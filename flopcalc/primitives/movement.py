"""Primitives that move, repeat, drop or select elements, and views, which have no cost."""

from collections.abc import Sequence
from math import prod
from typing import Any

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.primitives.record import Primitive, no_settings
from flopcalc.primitives.shapes import Result, Shape, ShapeError, image, one, pair, text, two, whole


def flatten(shapes: Sequence[Shape], n: int) -> Result:
    """Channels, height and width as one axis: a view."""
    return (prod(one(shapes)),), ()


def chunk(shapes: Sequence[Shape], n: int, of: int = 2, part: int = 0) -> Result:
    """One of several equal groups of channels: a view."""
    shape = one(shapes)
    count = whole("of", of)
    if shape[0] % count or whole("part", part, 0) >= count:
        raise ShapeError(f"part {part} of {count} equal parts of {shape[0]} channels does not exist")
    return (shape[0] // count, *shape[1:]), ()


def channel_shuffle(shapes: Sequence[Shape], n: int, groups: int = 2) -> Result:
    """Channels of several groups, interleaved."""
    shape = image(shapes)
    if shape[0] % whole("groups", groups):
        raise ShapeError(f"its {shape[0]} channels do not divide by groups = {groups}")
    # One group, or one channel in each: the order does not change, and torch moves nothing.
    return shape, (parts.copy("shuffle", n * prod(shape)),) if 1 < groups < shape[0] else ()


def upsample(shapes: Sequence[Shape], n: int, scale: int = 2) -> Result:
    """Nearest upsampling, by a factor or, with a second input, to its size."""
    c, h, w = image(shapes[:1])
    out: Shape
    how = "F.interpolate"
    if len(shapes) == 1:
        out = (c, h * whole("scale", scale), w * scale)
    else:
        out = (c, *two(shapes, "a map and one of the wanted size")[1][1:])
        how += " to size"
    part = parts.upsample("upsample", c, n * h * w, n * prod(out[1:]))
    return out, (part._replace(call=how, extra=(prod(out[1:]),)),)


def upsample_bilinear(shapes: Sequence[Shape], n: int, scale: int = 2, multiple: int = 1) -> Result:
    """Bilinear resizing, by a factor or, with a second input, to its size: each result is the sum of four taps."""
    small, (part,) = upsample(shapes, n, scale)
    step = whole("multiple", multiple)
    out = (small[0], *(-(-side // step) * step for side in small[1:]))
    size = n * prod(out)
    # The module computes the size, also by a factor.
    how = f"F.interpolate to size, bilinear, {4 if len(shapes) == 1 else 2} products of sizes"
    part = part._replace(writes=size, call=how, extra=(prod(out[1:]),))
    return out, (part._replace(work="other", muls=4 * size, adds=3 * size),)


def pad(shapes: Sequence[Shape], n: int, amount: Any = 0, multiple: int = 1, channels: Any = (0, 0)) -> Result:
    """Zero rows at the bottom, zero columns at the right, and zero channels."""
    c, h, w = image(shapes)
    rows, columns = pair("amount", amount, 0)
    step = whole("multiple", multiple)
    out = (c + sum(pair("channels", channels, 0)), -(-(h + rows) // step) * step, -(-(w + columns) // step) * step)
    # The kernel writes the new map and reads the old one.
    part = Part("pad", "move", reads=n * c * h * w, writes=n * prod(out))
    return out, (part,)


def subsample(shapes: Sequence[Shape], n: int, stride: Any = 2) -> Result:
    """Positions at a regular distance, beginning with the first: a view."""
    c, h, w = image(shapes)
    rows, columns = pair("stride", stride)
    return (c, -(-h // rows), -(-w // columns)), ()


def crop(shapes: Sequence[Shape], n: int) -> Result:
    """The first input cut to the height and width of the second: a view."""
    first, other = two(shapes, "a map and one of the wanted size")
    if len(first) != 3 or len(other) != 3 or first[1] < other[1] or first[2] < other[2]:
        raise ShapeError(f"{text(first)} cannot be cut to the size of {text(other)}")
    return (first[0], *other[1:]), ()


def roll(shapes: Sequence[Shape], n: int, by: Any = 1) -> Result:
    """All positions shifted along both axes, around the edges."""
    shape = image(shapes)
    return shape, (parts.copy("roll", n * prod(shape)),)


def space_to_depth(shapes: Sequence[Shape], n: int, size: int = 2) -> Result:
    """Each `size` x `size` block of positions as one position with size^2 times the channels."""
    c, h, w = image(shapes)
    side = whole("size", size)
    if h % side or w % side:
        raise ShapeError(f"its {h}x{w} positions are not made of {side}x{side} blocks")
    return (c * side**2, h // side, w // side), (parts.copy("gather", n * c * h * w),)


def pixel_shuffle(shapes: Sequence[Shape], n: int, scale: int = 2) -> Result:
    """Each group of scale^2 channels as a `scale` x `scale` block of positions of one channel."""
    c, h, w = image(shapes)
    side = whole("scale", scale)
    if c % side**2:
        raise ShapeError(f"its {c} channels are not groups of scale^2 = {side**2}")
    return (c // side**2, h * side, w * side), (parts.copy("shuffle", n * c * h * w),)


def pixel_unshuffle(shapes: Sequence[Shape], n: int, scale: int = 2) -> Result:
    """Each `scale` x `scale` block of positions of a channel as scale^2 channels."""
    c, h, w = image(shapes)
    side = whole("scale", scale)
    if h % side or w % side:
        raise ShapeError(f"its {h}x{w} positions are not made of {side}x{side} blocks")
    return (c * side**2, h // side, w // side), (parts.copy("unshuffle", n * c * h * w),)


_PLACE = "flopcalc.pytorch.layers._primitives"

MOVEMENT = (
    Primitive("flatten", "channels, height and width as one axis; a view", flatten, "torch.nn.Flatten", no_settings),
    Primitive("chunk", "group `part` (from 0) of `of` equal groups of channels; a view", chunk, f"{_PLACE}.Chunk"),
    Primitive(
        "channel_shuffle",
        "interleaves the channels of `groups` groups",
        channel_shuffle,
        "flopcalc.pytorch.layers._blocks.ChannelShuffle",
    ),
    Primitive(
        "upsample",
        "nearest upsampling, by the factor `scale` or, with a second input, to its size",
        upsample,
        f"{_PLACE}.Upsample",
        counted=("torch.nn.Upsample",),
        counted_if=lambda module: getattr(module, "mode", "nearest") == "nearest",
        sized_by_second=True,
    ),
    Primitive(
        "upsample_bilinear",
        "bilinear resizing, by the factor `scale` or, with a second input, to its size; then up to a `multiple`",
        upsample_bilinear,
        f"{_PLACE}.UpsampleBilinear",
        counted=("torch.nn.Upsample", "torch.nn.UpsamplingBilinear2d"),
        counted_if=lambda module: getattr(module, "mode", "bilinear") == "bilinear",
        sized_by_second=True,
    ),
    Primitive(
        "pad",
        "adds zeros at the bottom and at the right: `amount` rows and columns, then up to a `multiple`; "
        "`channels: [before, after]` adds zero channels",
        pad,
        f"{_PLACE}.Pad",
    ),
    Primitive(
        "subsample",
        "every `stride`-th row and column, beginning with the first; a view",
        subsample,
        f"{_PLACE}.Subsample",
    ),
    Primitive(
        "crop",
        "the first input cut to the height and width of the second; a view",
        crop,
        f"{_PLACE}.Crop",
        sized_by_second=True,
    ),
    Primitive(
        "roll", "shifts the positions `by` rows and columns, around the edges; may be negative", roll, f"{_PLACE}.Roll"
    ),
    Primitive(
        "space_to_depth",
        "each `size` x `size` block of positions as one position with `size`^2 times the channels",
        space_to_depth,
        f"{_PLACE}.SpaceToDepth",
    ),
    Primitive(
        "pixel_shuffle",
        "each `scale`^2 channels as a `scale` x `scale` block of positions of one channel (sub-pixel upsampling)",
        pixel_shuffle,
        "torch.nn.PixelShuffle",
        lambda shapes, settings: {"upscale_factor": settings["scale"]},
    ),
    Primitive(
        "pixel_unshuffle",
        "each `scale` x `scale` block of positions of a channel as `scale`^2 channels, the inverse of pixel_shuffle",
        pixel_unshuffle,
        "torch.nn.PixelUnshuffle",
        lambda shapes, settings: {"downscale_factor": settings["scale"]},
    ),
)

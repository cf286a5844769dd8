"""Layers of a network that are no operators: normalisation, activations, pooling, joins.

Each primitive is a function (inputs' shapes, settings, batch) -> (output shape, parts); its keyword
settings and their defaults are those of the function.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import out_size
from flopcalc.primitives.mixed import mixed_conv, roi_align
from flopcalc.primitives.shapes import Result, Shape, ShapeError, text
from flopcalc.primitives.shapes import flag as _flag
from flopcalc.primitives.shapes import image as _image
from flopcalc.primitives.shapes import one as _one
from flopcalc.primitives.shapes import pair as _pair
from flopcalc.primitives.shapes import two as _two
from flopcalc.primitives.shapes import whole as _whole


def batchnorm(shapes: Sequence[Shape], n: int, frozen: bool = False, per_map: int = 1) -> Result:
    """Batch normalisation in inference; frozen: scale and shift are constants, no parameters.

    per_map: so many channels side by side are one map, with one scale and shift.
    """
    shape = _one(shapes)
    maps = _maps(shape, per_map)
    part = parts.norm("batchnorm", maps, n * per_map * prod(shape[1:]))
    if _flag("frozen", frozen):
        part = part._replace(params=0, reads=part.reads - 2 * maps)
    return shape, (part,)


def _maps(shape: Shape, per_map: Any) -> int:
    if shape[0] % _whole("per_map", per_map):
        raise ShapeError(f"its {shape[0]} channels are no maps of {per_map}")
    return shape[0] // int(per_map)


def layernorm(shapes: Sequence[Shape], n: int) -> Result:
    """Layer normalisation over the channels of each position."""
    shape = _one(shapes)
    return shape, (parts.layer_norm("layernorm", shape[0], n * prod(shape[1:])),)


def layer_scale(shapes: Sequence[Shape], n: int) -> Result:
    """Each channel times a trained number."""
    shape = _one(shapes)
    return shape, (parts.layer_scale("layer_scale", shape[0], n * prod(shape[1:])),)


def prelu(shapes: Sequence[Shape], n: int, shared: bool = False) -> Result:
    """ReLU with a trained slope for each channel; shared: one slope for all."""
    shape = _one(shapes)
    slopes = 1 if _flag("shared", shared) else shape[0]
    part = parts.act("prelu", shape[0], n * prod(shape[1:]))
    return shape, (part._replace(params=slopes, reads=part.reads + slopes),)


def activation(shapes: Sequence[Shape], n: int) -> Result:
    """Any element-wise function."""
    shape = _one(shapes)
    return shape, (parts.act("activation", shape[0], n * prod(shape[1:])),)


def softmax(shapes: Sequence[Shape], n: int) -> Result:
    """Softmax over the channels."""
    shape = _one(shapes)
    return shape, (parts.softmax("softmax", n * prod(shape)),)


def _pool(
    shapes: Sequence[Shape], n: int, k: Any, stride: Any, padding: Any, ceil: Any, part: Callable[..., Part]
) -> Result:
    c, *sizes = _image(shapes)
    window = _pair("k", k)
    steps = window if stride is None else _pair("stride", stride)
    pads = _pair("padding", padding, 0)
    for size, pad in zip(window, pads, strict=True):
        if pad > size // 2:
            raise ShapeError(f"padding {pad} is more than half of the {text(window)} window")
    out = tuple(map(_ceil_size if _flag("ceil", ceil) else _floor_size, sizes, window, steps, pads))
    if min(out) < 1:
        raise ShapeError(f"a {text(window)} window does not fit its {text(tuple(sizes))} input")
    return (c, *out), (part("pool", c, n * prod(sizes), n * prod(out), prod(window)),)


def _floor_size(size: int, k: int, stride: int, padding: int) -> int:
    return out_size(size, k, stride, padding, 1)


def _ceil_size(size: int, k: int, stride: int, padding: int) -> int:
    """As torch does it: a last window that starts beyond the input and its left padding is dropped."""
    out = -(-(size + 2 * padding - k) // stride) + 1
    return out - 1 if (out - 1) * stride >= size + padding else out


def maxpool(
    shapes: Sequence[Shape], n: int, k: Any = 2, stride: Any = None, padding: Any = 0, ceil: bool = False
) -> Result:
    """Max pooling; the stride is the window unless given. ceil: a last, partial window counts."""
    return _pool(shapes, n, k, stride, padding, ceil, parts.max_pool)


def avgpool(
    shapes: Sequence[Shape], n: int, k: Any = 2, stride: Any = None, padding: Any = 0, ceil: bool = False
) -> Result:
    """Average pooling; the stride is the window unless given. ceil: a last, partial window counts."""
    return _pool(shapes, n, k, stride, padding, ceil, parts.avg_pool)


def global_avgpool(shapes: Sequence[Shape], n: int, per_map: int = 1) -> Result:
    """The mean of each channel, kept as a 1x1 map; per_map: of so many channels side by side."""
    c, h, w = _image(shapes)
    maps = _maps((c,), per_map)
    return (maps, 1, 1), (parts.global_avg_pool("pool", maps, n * per_map * h * w, n),)


def adaptive_avgpool(shapes: Sequence[Shape], n: int, size: Any = 1) -> Result:
    """Average pooling onto a grid of that size; window i spans floor(i h / size) to ceil((i + 1) h / size)."""
    c, h, w = _image(shapes)
    cells = _pair("size", size)
    if cells == (1, 1):
        return global_avgpool(shapes, n)
    spans = prod(
        sum(-(-(i + 1) * length // count) - i * length // count for i in range(count))
        for length, count in ((h, cells[0]), (w, cells[1]))
    )
    out = n * c * prod(cells)
    part = Part("pool", "gap", adds=n * c * spans, other=out, reads=n * c * h * w, writes=out)
    return (c, *cells), (part,)


def flatten(shapes: Sequence[Shape], n: int) -> Result:
    """Channels, height and width as one axis: a view."""
    return (prod(_one(shapes)),), ()


def dropout(shapes: Sequence[Shape], n: int) -> Result:
    """Nothing at inference."""
    return _one(shapes), ()


def add(shapes: Sequence[Shape], n: int) -> Result:
    """The sum of inputs of equal shape."""
    if len(shapes) < 2:
        raise ShapeError("it needs two inputs: from: [one, other]")
    for shape in shapes[1:]:
        if shape != shapes[0]:
            raise ShapeError(f"its inputs differ in shape: {text(shapes[0])} and {text(shape)}")
    p = n * prod(shapes[0][1:])
    # One after the other, as a + b + c is evaluated.
    chain = [("input0" if i == 1 else f"add{i - 1}", f"input{i}") for i in range(1, len(shapes))]
    return shapes[0], tuple(parts.add(f"add{i}", shapes[0][0], p, after=pair) for i, pair in enumerate(chain, 1))


def concat(shapes: Sequence[Shape], n: int) -> Result:
    """The channels of all inputs, one after the other."""
    if len(shapes) < 2:
        raise ShapeError("it needs two inputs: from: [one, other]")
    for shape in shapes[1:]:
        if shape[1:] != shapes[0][1:]:
            raise ShapeError(f"its inputs differ in size: {text(shapes[0])} and {text(shape)}")
    out = (sum(shape[0] for shape in shapes), *shapes[0][1:])
    return out, (parts.copy("concat", n * prod(out)),)


def mul(shapes: Sequence[Shape], n: int) -> Result:
    """The product of two inputs; one of size 1x1 is a factor for each channel of the other."""
    one, other = _two(shapes, "from: [one, other]")
    large, small = (one, other) if prod(one) >= prod(other) else (other, one)
    if large[0] != small[0] or (small != large and prod(small[1:]) != 1):
        raise ShapeError(f"its inputs differ in shape: {text(one)} and {text(other)}")
    size = n * prod(large)
    return large, (Part("mul", "mul", muls=size, reads=size + n * prod(small), writes=size),)


def chunk(shapes: Sequence[Shape], n: int, of: int = 2, part: int = 0) -> Result:
    """One of several equal groups of channels: a view."""
    shape = _one(shapes)
    count = _whole("of", of)
    if shape[0] % count or _whole("part", part, 0) >= count:
        raise ShapeError(f"part {part} of {count} equal parts of {shape[0]} channels does not exist")
    return (shape[0] // count, *shape[1:]), ()


def channel_shuffle(shapes: Sequence[Shape], n: int, groups: int = 2) -> Result:
    """Channels of several groups, taken in turns."""
    shape = _image(shapes)
    if shape[0] % _whole("groups", groups):
        raise ShapeError(f"its {shape[0]} channels do not divide by groups = {groups}")
    return shape, (parts.copy("shuffle", n * prod(shape)),)


def upsample(shapes: Sequence[Shape], n: int, scale: int = 2) -> Result:
    """Nearest upsampling, by a factor or, with a second input, to its size."""
    c, h, w = _image(shapes[:1])
    out = (c, h * _whole("scale", scale), w * scale) if len(shapes) == 1 else (c, *_two(shapes, "what and to")[1][1:])
    return out, (parts.upsample("upsample", c, n * h * w, n * prod(out[1:])),)


def pad(shapes: Sequence[Shape], n: int, amount: Any = 0, multiple: int = 1, channels: Any = (0, 0)) -> Result:
    """Zeros at the bottom and at the right: so many rows and columns, and up to a multiple of a size.

    channels: so many more of them, all zero, [before, behind] the others.
    """
    c, h, w = _image(shapes)
    rows, columns = _pair("amount", amount, 0)
    step = _whole("multiple", multiple)
    out = (c + sum(_pair("channels", channels, 0)), -(-(h + rows) // step) * step, -(-(w + columns) // step) * step)
    # The kernel writes the new map and reads the old one.
    part = Part("pad", "move", reads=n * c * h * w, writes=n * prod(out))
    return out, (part,)


def subsample(shapes: Sequence[Shape], n: int, stride: Any = 2) -> Result:
    """Every second position, or every so many-th, from the first on: a view."""
    c, *sizes = _image(shapes)
    return (c, *(-(-size // step) for size, step in zip(sizes, _pair("stride", stride), strict=True))), ()


def crop(shapes: Sequence[Shape], n: int) -> Result:
    """The first input cut to the height and width of the second: a view."""
    one, other = _two(shapes, "what and to")
    if len(one) != 3 or len(other) != 3 or one[1] < other[1] or one[2] < other[2]:
        raise ShapeError(f"{text(one)} cannot be cut to the size of {text(other)}")
    return (one[0], *other[1:]), ()


def roll(shapes: Sequence[Shape], n: int, by: Any = 1) -> Result:
    """All positions moved along both axes, around the edges; by: rows and columns, negative too."""
    shape = _image(shapes)
    return shape, (parts.copy("roll", n * prod(shape)),)


def space_to_depth(shapes: Sequence[Shape], n: int, block: int = 2) -> Result:
    """Each block of positions as one position with as many times the channels."""
    c, h, w = _image(shapes)
    side = _whole("block", block)
    if h % side or w % side:
        raise ShapeError(f"its {h}x{w} positions are not made of {side}x{side} blocks")
    return (c * side**2, h // side, w // side), (parts.copy("gather", n * c * h * w),)


def to_tokens(shapes: Sequence[Shape], n: int) -> Result:
    """The positions of a map in one row: a view."""
    c, h, w = _image(shapes)
    return (c, 1, h * w), ()


def class_token(shapes: Sequence[Shape], n: int) -> Result:
    """One trained token in front of the others."""
    c, rows, tokens = _image(shapes)
    if rows != 1:
        raise ShapeError(f"it needs a row of tokens, and its input is {rows}x{tokens}; put a to_tokens before it")
    out = (c, 1, tokens + 1)
    # The token is held once and expanded to the batch; the concatenation reads each element once.
    part = Part("concat", "move", params=c, reads=n * c * tokens + c, writes=n * prod(out))
    return out, (part,)


def position_embedding(shapes: Sequence[Shape], n: int) -> Result:
    """A trained number for every channel and position, added."""
    shape = _one(shapes)
    size = prod(shape)
    return shape, (Part("add", "add", params=size, adds=n * size, reads=n * size + size, writes=n * size),)


def take_token(shapes: Sequence[Shape], n: int, index: int = 0) -> Result:
    """One token of a row: a view."""
    c, h, w = _image(shapes)
    if h != 1 or _whole("index", index, 0) >= w:
        raise ShapeError(f"there is no token {index} in {h}x{w} positions")
    return (c,), ()


_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "sigmoid", "tanh", "hardswish", "hardsigmoid")

PRIMITIVES: dict[str, Callable[..., Result]] = {
    **dict.fromkeys(_ACTIVATIONS, activation),
    "adaptive_avgpool": adaptive_avgpool,
    "add": add,
    "avgpool": avgpool,
    "batchnorm": batchnorm,
    "channel_shuffle": channel_shuffle,
    "chunk": chunk,
    "class_token": class_token,
    "concat": concat,
    "crop": crop,
    "dropout": dropout,
    "flatten": flatten,
    "global_avgpool": global_avgpool,
    "layer_scale": layer_scale,
    "layernorm": layernorm,
    "maxpool": maxpool,
    "mixed_conv": mixed_conv,
    "mul": mul,
    "pad": pad,
    "position_embedding": position_embedding,
    "prelu": prelu,
    "roi_align": roi_align,
    "roll": roll,
    "softmax": softmax,
    "space_to_depth": space_to_depth,
    "subsample": subsample,
    "take_token": take_token,
    "to_tokens": to_tokens,
    "upsample": upsample,
}


def settings_of(kind: str) -> tuple[str, ...]:
    """Names of the settings that a primitive takes."""
    code = PRIMITIVES[kind].__code__
    return code.co_varnames[2 : code.co_argcount]

"""Layers of a network that are no operators: normalisation, activations, pooling, joins.

Each primitive is a function (inputs' shapes, settings, batch) -> (output shape, parts); its keyword
settings and their defaults are those of the function.
"""

from collections.abc import Callable, Sequence
from math import prod

from flopcalc import parts
from flopcalc.cost import Part
from flopcalc.geometry import out_size

Shape = tuple[int, ...]
Result = tuple[Shape, tuple[Part, ...]]


class ShapeError(ValueError):
    """The inputs do not fit; the message names both shapes."""


def text(shape: Shape) -> str:
    """A shape as people write it: 64x56x56."""
    return "x".join(map(str, shape))


def _one(shapes: Sequence[Shape]) -> Shape:
    if len(shapes) != 1:
        raise ShapeError(f"it takes one input, not {len(shapes)}")
    return shapes[0]


def _image(shapes: Sequence[Shape]) -> tuple[int, int, int]:
    shape = _one(shapes)
    if len(shape) != 3:
        raise ShapeError(f"it needs channels x height x width, and its input is {text(shape)}")
    return shape[0], shape[1], shape[2]


def batchnorm(shapes: Sequence[Shape], n: int) -> Result:
    """Batch normalisation with scale and shift, in inference."""
    shape = _one(shapes)
    return shape, (parts.norm("batchnorm", shape[0], n * prod(shape[1:])),)


def activation(shapes: Sequence[Shape], n: int) -> Result:
    """Any element-wise function."""
    shape = _one(shapes)
    return shape, (parts.act("activation", shape[0], n * prod(shape[1:])),)


def softmax(shapes: Sequence[Shape], n: int) -> Result:
    """Softmax over the channels."""
    shape = _one(shapes)
    return shape, (parts.softmax("softmax", n * prod(shape)),)


def _pool(
    shapes: Sequence[Shape], n: int, k: int, stride: int | None, padding: int, part: Callable[..., Part]
) -> Result:
    c, h, w = _image(shapes)
    step = k if stride is None else stride
    if k < 1 or step < 1:
        raise ShapeError(f"its window is {k}x{k} and its stride {step}; both must be 1 or more")
    if padding > k // 2:
        raise ShapeError(f"padding {padding} is more than half of the {k}x{k} window")
    out = out_size(h, k, step, padding, 1), out_size(w, k, step, padding, 1)
    if min(out) < 1:
        raise ShapeError(f"a {k}x{k} window does not fit its {h}x{w} input")
    return (c, *out), (part("pool", c, n * h * w, n * prod(out), k * k),)


def maxpool(shapes: Sequence[Shape], n: int, k: int = 2, stride: int | None = None, padding: int = 0) -> Result:
    """Max pooling; the stride is the window unless given."""
    return _pool(shapes, n, k, stride, padding, parts.max_pool)


def avgpool(shapes: Sequence[Shape], n: int, k: int = 2, stride: int | None = None, padding: int = 0) -> Result:
    """Average pooling; the stride is the window unless given."""
    return _pool(shapes, n, k, stride, padding, parts.avg_pool)


def global_avgpool(shapes: Sequence[Shape], n: int) -> Result:
    """The mean of each channel, kept as a 1x1 map."""
    c, h, w = _image(shapes)
    return (c, 1, 1), (parts.global_avg_pool("pool", c, n * h * w, n),)


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


_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "elu", "silu", "gelu", "sigmoid", "tanh", "hardswish", "hardsigmoid")

PRIMITIVES: dict[str, Callable[..., Result]] = {
    **dict.fromkeys(_ACTIVATIONS, activation),
    "add": add,
    "avgpool": avgpool,
    "batchnorm": batchnorm,
    "concat": concat,
    "dropout": dropout,
    "flatten": flatten,
    "global_avgpool": global_avgpool,
    "maxpool": maxpool,
    "softmax": softmax,
}


def settings_of(kind: str) -> tuple[str, ...]:
    """Names of the settings that a primitive takes."""
    code = PRIMITIVES[kind].__code__
    return code.co_varnames[2 : code.co_argcount]

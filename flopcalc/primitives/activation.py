"""Activation functions."""

from collections.abc import Sequence
from math import prod

from flopcalc.cost import parts
from flopcalc.primitives.record import Primitive
from flopcalc.primitives.shapes import Result, Shape, flag, one


def activation(shapes: Sequence[Shape], n: int) -> Result:
    """An element-wise function without parameters."""
    shape = one(shapes)
    return shape, (parts.act("activation", shape[0], n * prod(shape[1:])),)


def prelu(shapes: Sequence[Shape], n: int, shared: bool = False) -> Result:
    """ReLU with a trained slope for each channel, or one for all."""
    shape = one(shapes)
    slopes = 1 if flag("shared", shared) else shape[0]
    part = parts.act("prelu", shape[0], n * prod(shape[1:]))
    return shape, (part._replace(params=slopes, reads=part.reads + slopes),)


def softmax(shapes: Sequence[Shape], n: int) -> Result:
    """Softmax over the channels."""
    shape = one(shapes)
    return shape, (parts.softmax("softmax", n * prod(shape)),)


ACTIVATION = (
    Primitive("relu", "ReLU", activation, "torch.nn.ReLU"),
    Primitive("relu6", "ReLU, at most 6", activation, "torch.nn.ReLU6"),
    Primitive("leaky_relu", "leaky ReLU", activation, "torch.nn.LeakyReLU"),
    Primitive("elu", "exponential linear unit", activation, "torch.nn.ELU"),
    Primitive("silu", "SiLU, also called swish", activation, "torch.nn.SiLU"),
    Primitive("gelu", "Gaussian error linear unit", activation, "torch.nn.GELU"),
    Primitive("sigmoid", "sigmoid", activation, "torch.nn.Sigmoid"),
    Primitive("tanh", "hyperbolic tangent", activation, "torch.nn.Tanh"),
    Primitive("hardswish", "piecewise approximation of SiLU", activation, "torch.nn.Hardswish"),
    Primitive("hardsigmoid", "piecewise linear approximation of the sigmoid", activation, "torch.nn.Hardsigmoid"),
    Primitive(
        "prelu",
        "ReLU with a trained slope for each channel; `shared: true`: one slope for all channels",
        prelu,
        "torch.nn.PReLU",
        lambda shapes, settings: {"num_parameters": 1 if settings["shared"] else shapes[0][0]},
        has_tensors=True,
    ),
    Primitive("softmax", "softmax over the channels", softmax, "torch.nn.Softmax", lambda shapes, settings: {"dim": 1}),
)

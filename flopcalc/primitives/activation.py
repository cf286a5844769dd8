"""Activation functions."""

from collections.abc import Sequence
from math import prod

from flopcalc.cost import parts
from flopcalc.primitives.record import Primitive
from flopcalc.primitives.shapes import Result, Shape, flag, one


def _activation(name: str, text: str, module: str) -> Primitive:
    """An element-wise function without parameters. module: the class in torch.nn."""

    def activation(shapes: Sequence[Shape], n: int) -> Result:
        shape = one(shapes)
        return shape, (parts.called(module, parts.act("activation", shape[0], n * prod(shape[1:]))),)

    return Primitive(name, text, activation, f"torch.nn.{module}")


def prelu(shapes: Sequence[Shape], n: int, shared: bool = False) -> Result:
    """ReLU with a trained slope for each channel, or one for all."""
    shape = one(shapes)
    slopes = 1 if flag("shared", shared) else shape[0]
    part = parts.called("PReLU", parts.act("prelu", shape[0], n * prod(shape[1:])))
    return shape, (part._replace(params=slopes, reads=part.reads + slopes),)


def softmax(shapes: Sequence[Shape], n: int) -> Result:
    """Softmax over the channels."""
    shape = one(shapes)
    return shape, (parts.called("Softmax", parts.softmax("softmax", n * prod(shape), n * prod(shape[1:]))),)


ACTIVATION = (
    _activation("relu", "ReLU", "ReLU"),
    _activation("relu6", "ReLU, at most 6", "ReLU6"),
    _activation("leaky_relu", "leaky ReLU", "LeakyReLU"),
    _activation("elu", "exponential linear unit", "ELU"),
    _activation("silu", "SiLU, also called swish", "SiLU"),
    _activation("gelu", "Gaussian error linear unit", "GELU"),
    _activation("sigmoid", "sigmoid", "Sigmoid"),
    _activation("tanh", "hyperbolic tangent", "Tanh"),
    _activation("hardswish", "piecewise approximation of SiLU", "Hardswish"),
    _activation("hardsigmoid", "piecewise linear approximation of the sigmoid", "Hardsigmoid"),
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

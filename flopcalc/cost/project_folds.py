"""What projects publish for a part of a description, by the code that they count with."""

from math import isqrt

from flopcalc.cost.arith import Dim, elementwise, floor_div
from flopcalc.cost.calls import how
from flopcalc.cost.cost import Part


def pycls(part: Part, n: Dim) -> Dim:
    """MACs and biases of convolutions and linear layers (pycls/models/blocks.py); norms and pooling have none.

    Its own networks have convolutions with biases at one position only; there it counts a bias once.
    """
    return part.macs + part.adds if part.work in ("conv", "linear") else 0


def convnet_burden(part: Part, n: Dim) -> Dim:
    """Layers of MatConvNet (core/burden.m): batch norms are merged, ReLU takes two, sigmoid and softmax nothing.

    Of a pooling layer two for each place in its strides, which are taken from the sizes of its maps.
    """
    match part.work:
        case "conv" | "linear":
            return part.macs + part.adds
        case "act":
            return 2 * part.other if how(part).module in {"ReLU", "ReLU6", "LeakyReLU"} else 0
        case "maxpool" | "avgpool" if type(part.writes) is not int or part.writes:
            return 2 * part.writes * elementwise(_places, floor_div(16 * part.reads, part.writes))
        case "gap" | "add":
            return part.adds
        case "mul":
            return part.muls
    return 4 * part.writes if how(part).operator == "upsample_bilinear2d" else part.macs


def _places(ratio: int) -> int:
    """The places in a step of equal strides along two axes, from 16 times the ratio of input to output elements."""
    return round(isqrt(ratio) / 4) ** 2


# Operations for each element, of the activations that OpenVINO's Model Analyzer knows (its layer_provider.py): for ReLU
# a comparison and a product, for ReLU6 a minimum and a maximum, for tanh a sigmoid, two products and a sum.
_ANALYZED = {
    "ReLU": 2,
    "ReLU6": 2,
    "LeakyReLU": 2,
    "PReLU": 2,
    "ELU": 3,
    "SiLU": 5,
    "Hardswish": 4,
    "Hardsigmoid": 4,
    "Sigmoid": 3,
    "Tanh": 6,
}


def open_model_zoo(part: Part, n: Dim) -> Dim:
    """OpenVINO's Model Analyzer: batch norms are folded into convolutions, which then have biases.

    Activations that it does not know, such as GELU, it leaves out with a warning.
    """
    match part.work:
        case "conv":
            return 2 * part.macs + part.activations
        case "linear":
            return 2 * part.macs + part.adds
        case "act":
            return _ANALYZED.get(how(part).module, 0) * part.other
        case "softmax":
            return 5 * part.writes
        case "layernorm":
            # Two for the mean and the deviation of an element, a product and a sum for the affine map.
            return 2 * part.muls
        case "maxpool":
            return part.other
        case "add" | "avgpool":
            return part.adds
        case "mul":
            return part.muls
    return 2 * part.macs


def paddle_flops(part: Part, n: Dim) -> Dim:
    """Hooks of paddle.flops on layers (hapi/dynamic_flops.py): biases of convolutions only, norms of images, windows.

    A transposed convolution has the products of a plain one with its output; functions are not seen.
    """
    match how(part).module:
        case "Conv":
            return part.macs + part.adds
        case "ConvTranspose":
            return part.extra[0] + part.adds
        case "Linear":
            return part.macs
        case "BatchNorm" | "BatchNorm subclass" | "BatchNorm without affine" | "BatchNorm subclass without affine":
            return 2 * part.writes
        case "AdaptiveAvgPool":
            return part.adds + part.other
        case "AvgPool" | "LeakyReLU":
            return part.other
    return 0

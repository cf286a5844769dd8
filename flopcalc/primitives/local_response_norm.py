"""Local response normalization, as in AlexNet."""

from collections.abc import Sequence

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.parts import GIVEN
from flopcalc.primitives.record import Primitive
from flopcalc.primitives.shapes import Result, Shape, image, whole


def local_response_norm(shapes: Sequence[Shape], n: int, size: int = 5) -> Result:
    """Each element divided by (1 + alpha times the mean of the squares in `size` neighbouring channels) ^ beta.

    The kernels are those of torch: squares, a copy with `size` - 1 channels of zeros, the mean over windows of
    channels, alpha, 1, the power and the division.
    """
    c, h, w = image(shapes)
    window, p = whole("size", size), n * h * w
    elements = c * p
    padded = (c + window - 1) * p
    kernels = (
        Part(
            "square", "mul", muls=elements, reads=2 * elements, writes=elements, after=(GIVEN, GIVEN), call="Tensor.mul"
        ),
        Part("pad", "move", reads=elements, writes=padded),
        parts.avg_pool("mean", c, p, p, window)._replace(reads=padded, call="F.avg_pool"),
        Part("alpha", "mul", muls=elements, reads=elements, writes=elements, call="Tensor.mul"),
        Part("one", "add", adds=elements, reads=elements, writes=elements, call="Tensor.add"),
        Part("power", "other", other=elements, reads=elements, writes=elements, call="pow"),
        Part("divide", "other", other=elements, reads=2 * elements, writes=elements, after=(GIVEN, "power"), call="/"),
    )
    return (c, h, w), kernels


LOCAL_RESPONSE_NORM = Primitive(
    "local_response_norm",
    "divides each element by a power of the mean of the squares in `size` neighbouring channels, as in AlexNet",
    local_response_norm,
    "torch.nn.LocalResponseNorm",
)

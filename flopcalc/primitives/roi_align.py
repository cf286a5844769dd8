"""RoIAlign: features of boxes, sampled from one or several maps."""

from collections.abc import Sequence

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.parts import NOTHING
from flopcalc.primitives.record import Primitive, Settings
from flopcalc.primitives.shapes import Result, Shape, ShapeError, text, whole


def roi_align(shapes: Sequence[Shape], n: int, boxes: int = 1, size: int = 7, sampling: int = 2) -> Result:
    """RoIAlign: `size` x `size` cells of every box as channels of a token, (c size^2) x 1 x boxes.

    Each cell is the mean of sampling^2 points, each point interpolated between four positions of one of
    the input maps: for each channel and point four products and three additions, and an addition for the
    mean; one product for each cell. Work that does not depend on the channel is not counted: finding the
    map, the positions and the weights of each box. The boxes are the same for all samples of a batch.
    """
    for shape in shapes:
        if len(shape) != 3 or shape[0] != shapes[0][0]:
            raise ShapeError(f"its inputs are not maps of equal channels: {', '.join(map(text, shapes))}")
    count, cells, points = whole("boxes", boxes), whole("size", size) ** 2, whole("sampling", sampling) ** 2
    c = shapes[0][0]
    table, out = 4 * points * cells * count, n * c * cells * count
    picked = n * c * table
    steps = [
        parts.called("index", parts.copy("pick", picked, index=2 * table)),
        # The weights follow from the boxes.
        Part("weigh", "mul", muls=picked, reads=picked + table, writes=picked, after=("pick", *NOTHING)),
        Part("sum", "add", adds=picked, reads=picked, writes=out),
        Part("mean", "mul", muls=out, reads=out, writes=out),
    ]
    if min(len(shapes), count) > 1:
        steps.append(parts.copy("levels", out))
    return (c * cells, 1, count), tuple(steps)


def _arguments(shapes: Sequence[Shape], settings: Settings) -> Settings:
    return {"maps": [shape[1:] for shape in shapes], **settings}


ROI_ALIGN = Primitive(
    "roi_align",
    "`size` x `size` cells of each of `boxes` boxes, from one or several maps, as tokens `(c size^2) x 1 x boxes`; "
    "each cell is the mean of `sampling`^2 interpolated points",
    roi_align,
    "flopcalc.pytorch.layers._roi_align.roi_align",
    _arguments,
    has_tensors=True,
    counted=("flopcalc.pytorch.layers._roi_align.RoIAlign",),
)

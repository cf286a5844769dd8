"""torchvision's own operators."""

from torch import Tensor

from flopcalc.pytorch.counting.kernels.work import UNKNOWN, Answer, Kernel, Work, has_values, taps


def deformable(kernel: Kernel) -> Answer:
    """A deformable convolution: each tap is interpolated between four positions (4 muls, 3 adds), then a convolution.

    A mask multiplies each tap once more. Channels share the weights of the interpolation, which are not counted.
    """
    x, weight = kernel.args[:2]
    size = kernel.size
    area = weight.shape[-2:].numel()
    sampled = size // max(weight.shape[0], 1) * x.shape[1] * area
    masked = sampled if kernel.argument("use_mask", False) else 0
    return Work(
        size * taps(weight),
        adds=3 * sampled + size,
        muls=4 * sampled + masked,
        activations=size,
        reads=kernel.reads,
        writes=size,
    )


def deformable_backward(kernel: Kernel) -> Answer:
    """Gradients of the taps and of the weights, each as expensive as the convolution, and of what a tap is made of.

    For each tap: its value again, for the weights (4 muls, 3 adds); its gradient handed to four positions (4 muls,
    4 adds); two offsets, whose slope is an interpolation of two differences (2 muls, 3 adds), times the gradient,
    summed over channels (1 mul, 1 add). With a mask: value and gradient times it (2 muls), and the gradient of the
    mask, which is the value without it times the gradient, summed (1 mul, 1 add).
    """
    grad, x, weight = kernel.args[:3]
    area = weight.shape[-2:].numel()
    sampled = grad.numel() // max(weight.shape[0], 1) * x.shape[1] * area
    masked = sampled if kernel.argument("use_mask", False) else 0
    return Work(
        2 * grad.numel() * taps(weight),
        adds=15 * sampled + masked + grad.numel(),
        muls=14 * sampled + 3 * masked,
        activations=kernel.written,
        reads=kernel.reads,
        writes=kernel.written,
    )


def _points(kernel: Kernel) -> int | None:
    """Points in all cells of all boxes; None if they depend on boxes that cannot be read."""
    boxes, ratio = kernel.args[1], kernel.argument("sampling_ratio")
    rows, columns = kernel.argument("pooled_height"), kernel.argument("pooled_width")
    if ratio > 0:
        return int(boxes.shape[0] * rows * columns * ratio**2)
    if not has_values(boxes):
        return None
    scale = kernel.argument("spatial_scale")
    # As many points along an axis as the cell has positions.
    high = ((boxes[:, 4] - boxes[:, 2]) * scale / rows).ceil().clamp(min=1)
    wide = ((boxes[:, 3] - boxes[:, 1]) * scale / columns).ceil().clamp(min=1)
    return int((high * wide).sum() * rows * columns)


def aligned(kernel: Kernel) -> Answer:
    """RoIAlign: for each channel and point 4 muls and 4 adds (one for the mean), and one mul for each cell."""
    points = _points(kernel)
    if points is None:
        return UNKNOWN
    size = kernel.size
    each = points * kernel.result.shape[1]
    return Work(adds=4 * each, muls=4 * each + size, reads=kernel.reads, writes=size)


def _positions(kernel: Kernel, by_position: bool) -> int | None:
    """Positions in all boxes; None if the boxes cannot be read. by_position: channels have positions in a box."""
    boxes = kernel.args[1]
    if not has_values(boxes):
        return None
    scale = kernel.argument("spatial_scale")
    # Halves go away from 0, as C rounds them; `round` of torch takes the even neighbour.
    scaled = boxes[:, 1:] * scale
    corners = scaled.sign() * (scaled.abs() + 0.5).floor()
    # The last row and column of a box belong to it, unless channels have positions.
    sides = (corners[:, 2:] - corners[:, :2] + (0 if by_position else 1)).clamp(min=1)
    return int(sides.prod(1).sum())


def pooled(kernel: Kernel) -> Answer:
    """RoIPool: a comparison, or with positions an addition, for each position of a box."""
    by_position = "ps_roi" in kernel.func.name()
    positions = _positions(kernel, by_position)
    if positions is None:
        return UNKNOWN
    each = positions * kernel.result.shape[1]
    if by_position:
        return Work(adds=each, other=kernel.size, reads=kernel.reads, writes=kernel.size)
    return Work(other=each, reads=kernel.reads, writes=kernel.size)


def pooled_backward(kernel: Kernel) -> Answer:
    """Each gradient goes back to its points: one product for the mean, and four products and additions for each point.

    Of a maximum it is one addition. Where channels have positions, a box has a mean: a division, and an addition for
    each position.
    """
    grad: Tensor = kernel.first
    name, size = kernel.func.name(), grad.numel()
    if "align" in name:
        points = _points(kernel)
        if points is None:
            return UNKNOWN
        each = 4 * points * grad.shape[1]
        return Work(adds=each, muls=each + size, reads=kernel.reads, writes=kernel.size)
    if "ps_roi" not in name:
        return Work(adds=size, reads=kernel.reads, writes=kernel.size)
    positions = _positions(kernel, by_position=True)
    if positions is None:
        return UNKNOWN
    return Work(adds=positions * grad.shape[1], other=size, reads=kernel.reads, writes=kernel.size)


def suppressed(kernel: Kernel) -> Answer:
    """Non-maximum suppression: at most one comparison of overlap for each pair of boxes."""
    boxes = int(kernel.first.shape[0])
    return Work(other=boxes * (boxes - 1) // 2, reads=kernel.reads, writes=kernel.size)


RULES = {
    deformable: "torchvision::deform_conv2d",
    deformable_backward: "torchvision::_deform_conv2d_backward",
    aligned: "torchvision::roi_align torchvision::ps_roi_align",
    pooled: "torchvision::roi_pool torchvision::ps_roi_pool",
    pooled_backward: (
        "torchvision::_roi_align_backward torchvision::_ps_roi_align_backward torchvision::_roi_pool_backward "
        "torchvision::_ps_roi_pool_backward"
    ),
    suppressed: "torchvision::nms torchvision::qnms",
}

KINDS = {deformable: "conv", deformable_backward: "conv"}

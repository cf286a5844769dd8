"""torchvision's operators beside a torch that its compiled part does not fit, such as a CPU-only torch.

Without its compiled part torchvision cannot be imported: it registers a shape rule for `nms`, which is not defined.
`declare` defines the operators that are missing, with shape rules for the meta device; `nms` and `deform_conv2d` have
an implementation in plain torch as well, since detectors read values. `enable` tells an imported torchvision that
they are there. Nothing happens where the compiled part is loaded.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, matmul
from torch.nn.functional import grid_sample

_BOXES = "Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width"
_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align": f"({_BOXES}, int sampling_ratio, bool aligned) -> Tensor",
    "roi_pool": f"({_BOXES}) -> (Tensor, Tensor)",
    "ps_roi_align": f"({_BOXES}, int sampling_ratio) -> (Tensor, Tensor)",
    "ps_roi_pool": f"({_BOXES}) -> (Tensor, Tensor)",
    "deform_conv2d": (
        "(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt stride_w, "
        "SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, "
        "bool use_mask) -> Tensor"
    ),
}

_kept: list[Any] = []


def declare() -> None:
    """Define those of torchvision's operators that are missing; before torchvision is imported, or after it."""
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + schema)  # type: ignore[no-untyped-call]
    for key, kernels in (("Meta", _META), ("CPU", _CPU)):
        for name, kernel in kernels.items():
            if not torch._C._dispatch_has_kernel_for_dispatch_key(f"torchvision::{name}", key):
                library.impl(name, kernel, key)  # type: ignore[no-untyped-call]
    # The definitions live as long as the library object.
    _kept.append(library)


def enable() -> bool:
    """Whether torchvision is imported without its compiled part; then it finds the operators that are declared here.

    It refuses to call its operators until then. RoIAlign keeps torchvision's own implementation in Python.
    """
    extension: Any = sys.modules.get("torchvision.extension")
    if extension is None or "torchvision" not in sys.modules:
        return False
    if extension._has_ops is not _declared and not extension._has_ops():
        declare()
        extension._has_ops = _declared
    return bool(extension._has_ops is _declared)


_users = 0
_lock = threading.Lock()


@contextmanager
def enabled() -> Iterator[None]:
    """Enable the operators for a while, in all threads; afterwards torchvision is as it was."""
    global _users  # noqa: PLW0603
    extension: Any = sys.modules.get("torchvision.extension")
    with _lock:
        was = getattr(extension, "_has_ops", _declared)
        # Whoever enables them for good, or first, is not undone.
        mine = was is not _declared and enable()
        _users += 1
        if mine:
            _originals.append(was)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and _originals:
                extension._has_ops = _originals.pop()


_originals: list[Any] = []


def _declared() -> bool:
    return True


def _per_box(x: Tensor, boxes: Tensor, scale: float, rows: int, columns: int, *_: Any) -> Tensor:
    return x.new_empty((boxes.shape[0], x.shape[1], rows, columns))


def _pooled(x: Tensor, boxes: Tensor, scale: float, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    out = _per_box(x, boxes, scale, rows, columns)
    return out, torch.empty_like(out, dtype=torch.int32)


def _by_position(x: Tensor, boxes: Tensor, scale: float, rows: int, columns: int, *_: Any) -> tuple[Tensor, Tensor]:
    # Each cell has channels of its own.
    out = x.new_empty((boxes.shape[0], x.shape[1] // (rows * columns), rows, columns))
    return out, torch.empty_like(out, dtype=torch.int32)


def _deformed_size(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor,
    bias: Tensor,
    *_: Any,
) -> Tensor:
    return x.new_empty((x.shape[0], weight.shape[0], *offset.shape[-2:]))


def deformed(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    mask: Tensor,
    bias: Tensor,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    groups: int,
    offset_groups: int,
    use_mask: bool,
) -> Tensor:
    """A deformable convolution: each tap is read at its position plus an offset (dy, dx), outside 0."""
    batch, channels, height, width = x.shape
    kernel_h, kernel_w = weight.shape[-2:]
    out_h, out_w = offset.shape[-2:]
    area = kernel_h * kernel_w
    split = batch * offset_groups
    moved = offset.reshape(split, kernel_h, kernel_w, 2, out_h, out_w)
    line = partial(torch.arange, device=x.device)
    down = (line(kernel_h) * dilation_h - pad_h)[:, None, None, None] + (line(out_h) * stride_h)[:, None]
    across = (line(kernel_w) * dilation_w - pad_w)[:, None, None] + line(out_w) * stride_w
    rows, columns = moved[:, :, :, 0] + down, moved[:, :, :, 1] + across
    # grid_sample counts from the edges of the map, which is 2 wide: position i is at (2 i + 1) / size - 1.
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
    taps = grid_sample(
        x.reshape(split, channels // offset_groups, height, width),
        grid.reshape(split, area * out_h, out_w, 2).to(x.dtype),
        align_corners=False,
    ).reshape(batch, offset_groups, channels // offset_groups, area, out_h, out_w)
    if use_mask:
        taps = taps * mask.reshape(batch, offset_groups, 1, area, out_h, out_w)
    inner = channels // groups * area
    # Not the operator, nor the attribute of torch: a counter that replaces them would look into this kernel.
    out = matmul(weight.reshape(groups, -1, inner), taps.reshape(batch, groups, inner, out_h * out_w))
    return out.reshape(batch, -1, out_h, out_w) + bias[:, None, None]


def _nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The boxes that are kept, by falling score: none overlaps a better one by more than the threshold."""
    order = scores.argsort(descending=True, stable=True)
    corners = boxes[order]
    area = (corners[:, 2:] - corners[:, :2]).prod(1)
    alive = torch.ones(len(order), dtype=torch.bool)
    kept: list[int] = []
    for index in range(len(order)):
        if not alive[index]:
            continue
        kept.append(index)
        low = torch.maximum(corners[index, :2], corners[index + 1 :, :2])
        high = torch.minimum(corners[index, 2:], corners[index + 1 :, 2:])
        shared = (high - low).clamp(min=0).prod(1)
        alive[index + 1 :] &= shared <= threshold * (area[index] + area[index + 1 :] - shared)
    return order[kept]


_META: dict[str, Callable[..., Any]] = {
    "roi_align": _per_box,
    "roi_pool": _pooled,
    "ps_roi_align": _by_position,
    "ps_roi_pool": _by_position,
    "deform_conv2d": _deformed_size,
}
_CPU: dict[str, Callable[..., Any]] = {"nms": _nms, "deform_conv2d": deformed}

"""Interpolation and sampling: each result is a weighted sum of its taps.

t taps cost t products and t - 1 additions for each element of the result. The weights are the same for all channels
and are not counted. Linear 2 taps, bilinear 4, trilinear 8, bicubic 16. Nearest neighbours only move data.
"""

from math import prod

from torch import Tensor

from flopcalc.pytorch.counting.kernels.work import Answer, Kernel, Work


def _weighted(kernel: Kernel, count: int) -> Work:
    size = kernel.size
    return Work(adds=(count - 1) * size, muls=count * size, reads=kernel.reads, writes=size)


def _taps(name: str, axes: int) -> int:
    """Taps along all axes."""
    along = 6 if "lanczos" in name else 4 if "cubic" in name else 2
    return int(along**axes)


def interpolate(kernel: Kernel) -> Answer:
    """Linear, bilinear, trilinear and bicubic interpolation."""
    return _weighted(kernel, _taps(kernel.func.name(), kernel.result.dim() - 2))


def interpolate_backward(kernel: Kernel) -> Answer:
    """Each gradient is weighted and added once for each tap."""
    grad = kernel.argument("grad_output")
    count = grad.numel() * _taps(kernel.func.name(), grad.dim() - 2)
    return Work(adds=count, muls=count, reads=kernel.reads, writes=kernel.size)


def _passes(small: Tensor, large: Tensor, name: str) -> list[tuple[int, int]]:
    """(elements written, taps) of the passes along the columns and along the rows, with antialiasing."""
    along = _taps(name, 1)
    height, width = small.shape[-2:]
    rows, columns = large.shape[-2:]
    planes = prod(large.shape[:-2])
    # Where the picture gets smaller, the filter gets wider.
    wide, high = (-(-along * max(old, new) // new) for old, new in ((width, columns), (height, rows)))
    return [(planes * height * columns, wide), (planes * rows * columns, high)]


def antialias(kernel: Kernel) -> Answer:
    """Two passes, along the columns and along the rows, each with the taps of its stretched filter."""
    passes = _passes(kernel.first, kernel.result, kernel.func.name())
    muls = sum(size * count for size, count in passes)
    return Work(adds=muls - sum(size for size, _ in passes), muls=muls, reads=kernel.reads, writes=kernel.size)


def antialias_backward(kernel: Kernel) -> Answer:
    """The passes in reverse: a product and an addition for each tap."""
    muls = sum(size * count for size, count in _passes(kernel.result, kernel.first, kernel.func.name()))
    return Work(adds=muls, muls=muls, reads=kernel.reads, writes=kernel.size)


def nearest_backward(kernel: Kernel) -> Answer:
    """Each gradient is added to the element that was copied."""
    return Work(adds=kernel.first.numel(), reads=kernel.reads, writes=kernel.size)


def _grid_taps(kernel: Kernel) -> int:
    # 0 bilinear, 1 nearest, 2 bicubic; cuDNN knows bilinear only.
    mode, axes = kernel.argument("interpolation_mode", 0), kernel.result.dim() - 2
    return (2**axes, 1, 4**axes)[mode]


def sample(kernel: Kernel) -> Answer:
    """grid_sample: the taps at positions that a grid gives."""
    count = _grid_taps(kernel)
    return _weighted(kernel, count) if count > 1 else Work(reads=kernel.reads, writes=kernel.size)


def sample_backward(kernel: Kernel) -> Answer:
    """The gradients of the map and of the grid, where they are wanted.

    Of the map: a product and an addition for each tap; if the nearest element was taken, an addition. Of the grid, for
    each axis: the slope, times the gradient, summed over the channels. The slope is an interpolation along the other
    axes of differences, half as many as taps; of a cubic one, a sum of all taps with other weights. The nearest
    element has no slope.
    """
    grad, axes, mode = kernel.argument("grad_output"), kernel.result.dim() - 2, kernel.argument("interpolation_mode", 0)
    of_map, of_grid = kernel.argument("output_mask", (True, True))
    count = _grid_taps(kernel)
    # For each axis, with the product and the sum.
    adds, muls = {0: (count, count // 2 + 1), 1: (0, 0), 2: (count, count + 1)}[mode]
    return Work(
        adds=grad.numel() * (of_map * count + of_grid * axes * adds),
        muls=grad.numel() * (of_map * (count if mode != 1 else 0) + of_grid * axes * muls),
        reads=kernel.reads,
        writes=kernel.written,
    )


_FORWARD = ("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d")
_SMOOTH = ("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "_upsample_lanczos2d_aa")
_NEAREST = tuple(f"{name}{axes}d" for name in ("upsample_nearest", "_upsample_nearest_exact") for axes in (1, 2, 3))

RULES = {
    interpolate: " ".join(f"aten::{name}" for name in _FORWARD),
    interpolate_backward: " ".join(f"aten::{name}_backward" for name in _FORWARD),
    antialias: " ".join(f"aten::{name}" for name in _SMOOTH),
    antialias_backward: " ".join(f"aten::{name}_backward" for name in _SMOOTH),
    nearest_backward: " ".join(f"aten::{name}_backward" for name in _NEAREST),
    sample: "aten::grid_sampler_2d aten::grid_sampler_3d aten::_grid_sampler_2d_cpu_fallback aten::cudnn_grid_sampler",
    sample_backward: (
        "aten::grid_sampler_2d_backward aten::grid_sampler_3d_backward aten::_grid_sampler_2d_cpu_fallback_backward"
    ),
}

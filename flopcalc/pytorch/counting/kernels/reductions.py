"""Pooling, reductions, scans, sorts and searches.

A reduction costs one operation for each element that it reads, as max pooling and the mean do.
"""

from collections.abc import Sequence

from torch import Tensor

from flopcalc.pytorch.counting.kernels.work import Answer, Kernel, Work, ceil_log2, elements, factor, tensors


def _window(kernel: int | Sequence[int], axes: int) -> int:
    sizes = [kernel] if isinstance(kernel, int) else list(kernel)
    area = 1
    for axis in range(max(axes, 1)):
        area *= sizes[min(axis, len(sizes) - 1)]
    return area


def _axes(kernel: Kernel) -> int:
    """The axes of a pooling window: by the operator's name, since a sample may come without a batch."""
    return next((axes for axes in (1, 2, 3) if f"{axes}d" in kernel.func.name()), 2)


def max_pool(kernel: Kernel) -> Answer:
    """A comparison for each element of each window. The indices are kept for the gradient and not counted."""
    window = _window(kernel.argument("kernel_size"), _axes(kernel))
    return Work(other=kernel.size * window, reads=kernel.reads, writes=kernel.size)


def avg_pool(kernel: Kernel) -> Answer:
    """An addition for each element of each window, a division for each window."""
    window = _window(kernel.argument("kernel_size"), _axes(kernel))
    return Work(adds=kernel.size * window, other=kernel.size, reads=kernel.reads, writes=kernel.size)


def _spans(x: Tensor, cells: Sequence[int], windows: int) -> int:
    """Elements of all windows. Window i of an axis spans floor(i * size / out) to ceil((i + 1) * size / out)."""
    total = windows
    for size, count in zip(x.shape[-len(cells) :], cells, strict=True):
        total = total // max(count, 1) * sum(-(-(i + 1) * size // count) - i * size // count for i in range(count))
    return total


def adaptive_avg_pool(kernel: Kernel) -> Answer:
    """Average pooling to a given size."""
    adds = _spans(kernel.first, kernel.result.shape[-_axes(kernel) :], kernel.size)
    return Work(adds=adds, other=kernel.size, reads=kernel.reads, writes=kernel.size)


def adaptive_max_pool(kernel: Kernel) -> Answer:
    """Max pooling to a given size."""
    other = _spans(kernel.first, kernel.result.shape[-_axes(kernel) :], kernel.size)
    return Work(other=other, reads=kernel.reads, writes=kernel.size)


def max_pool_backward(kernel: Kernel) -> Answer:
    """Each gradient is added to the element that was the largest."""
    grad = kernel.argument("grad_output")
    return Work(adds=grad.numel(), reads=kernel.reads, writes=kernel.size)


def avg_pool_backward(kernel: Kernel) -> Answer:
    """Each gradient, divided once, is added to each element of its window."""
    grad, axes = kernel.first, _axes(kernel)
    size = kernel.argument("kernel_size")
    spread = grad.numel() * _window(size, axes) if size else _spans(kernel.args[1], grad.shape[-axes:], grad.numel())
    return Work(adds=spread, other=grad.numel(), reads=kernel.reads, writes=kernel.size)


def mean(kernel: Kernel) -> Answer:
    """An addition for each element read, a division for each mean."""
    x = kernel.first
    return Work(adds=x.numel() * factor(x), other=kernel.size, reads=kernel.reads, writes=kernel.size)


def sum_(kernel: Kernel) -> Answer:
    """An addition for each element read."""
    x = tensors(kernel.args)[0]
    return Work(adds=x.numel() * factor(x), reads=kernel.reads, writes=kernel.written)


def product(kernel: Kernel) -> Answer:
    """A multiplication for each element read; of complex numbers four, and two additions."""
    x = kernel.first
    muls, adds = (4, 2) if x.is_complex() else (1, 0)
    return Work(adds=adds * x.numel(), muls=muls * x.numel(), reads=kernel.reads, writes=kernel.written)


def compare(kernel: Kernel) -> Answer:
    """A comparison for each element read: extremes, their places, any, all, selections such as the median and topk.

    Of a hash, an exclusive or.
    """
    return Work(other=sum(x.numel() for x in tensors(kernel.first)), reads=kernel.reads, writes=kernel.written)


def both_extremes(kernel: Kernel) -> Answer:
    """The least and the largest element: two comparisons for each element read."""
    return Work(other=2 * kernel.first.numel(), reads=kernel.reads, writes=kernel.written)


def extreme_or_pairs(kernel: Kernel) -> Answer:
    """Max and min: of two tensors element by element, of one over an axis."""
    if len(kernel.args) > 1 and isinstance(kernel.args[1], Tensor):
        return Work(other=kernel.size, reads=kernel.reads, writes=kernel.size)
    return compare(kernel)


def deviation(kernel: Kernel) -> Answer:
    """Variance: mean, difference, square and sum of each element; a division, of the deviation also a root.

    With the mean as a second result one division more.
    """
    size, name = kernel.first.numel(), kernel.func.name()
    each = 1 + ("std" in name) + ("mean" in name)
    return Work(adds=2 * size, muls=size, other=each * kernel.size, reads=kernel.reads, writes=kernel.written)


def norm_of(power: float, size: int, count: int, parts: int = 1) -> Work:
    """The arithmetic of `count` norms of `size` elements in all: a power and a sum for each, a root for each norm.

    A square is a product; |x| is free; the largest |x| takes comparisons. parts: 2 for complex numbers.
    """
    if power in (float("inf"), float("-inf")):
        return Work(other=size)
    if power == 2:
        return Work(adds=size * parts, muls=size * parts, other=count)
    powers = 0 if power == 1 else size
    return Work(adds=size, other=powers + (0 if power in (0, 1) else count))


def norm(kernel: Kernel) -> Work:
    """A vector norm, or norms of a list; a sum of powers has no root."""
    listed = tensors(kernel.first)
    size, count = sum(x.numel() for x in listed), sum(x.numel() for x in tensors(kernel.out))
    power = kernel.argument("ord", kernel.argument("p", 2))
    power = 2 if power is None or isinstance(power, str) else power
    roots = 0 if "powsum" in kernel.func.name() else count
    work = norm_of(power, size, roots, factor(listed[0]) if listed else 1)
    return work._replace(reads=kernel.reads, writes=kernel.written)


def renorm_rows(kernel: Kernel) -> Answer:
    """The rows of a table that are looked up get a norm of at most a number: the norm, a quotient and a product.

    Each index counts as a row of its own, and each row as too long.
    """
    table, indices = kernel.first, kernel.argument("indices")
    rows = min(indices.numel(), table.shape[0])
    size = rows * table.shape[1]
    work = norm_of(kernel.argument("norm_type", 2), size, rows)
    reads = indices.numel() + size
    return work._replace(muls=work.muls + size, other=work.other + rows, reads=reads, writes=size)


def distance(kernel: Kernel) -> Answer:
    """The norm of a difference."""
    work = norm(kernel)
    return work._replace(adds=work.adds + kernel.first.numel())


def log_sum_exp(kernel: Kernel) -> Answer:
    """An exponential and an addition for each element read, a logarithm for each result."""
    size = kernel.first.numel()
    return Work(adds=size, other=size + kernel.size, reads=kernel.reads, writes=kernel.size)


def sort(kernel: Kernel) -> Answer:
    """ceil(log2 n) comparisons for each element of rows of n."""
    x = kernel.first
    axis = kernel.argument("dim", -1)
    flat = "unique" in kernel.func.name() and "dim" not in kernel.func.name()
    length = x.numel() if flat or not x.dim() else x.shape[axis]
    return Work(other=x.numel() * ceil_log2(length), reads=kernel.reads, writes=kernel.written)


def once(kernel: Kernel) -> Answer:
    """Repeated neighbours dropped: a comparison for each element read."""
    return Work(other=kernel.first.numel(), reads=kernel.reads, writes=kernel.written)


def search(kernel: Kernel) -> Answer:
    """Bisection: ceil(log2(n + 1)) comparisons for each result, with n borders."""
    borders = kernel.argument("boundaries", kernel.argument("sorted_sequence"))
    steps = ceil_log2(borders.shape[-1] + 1)
    return Work(other=kernel.size * steps, reads=kernel.reads, writes=kernel.size)


def member(kernel: Kernel) -> Answer:
    """isin: both sets sorted together."""
    sizes = [x.numel() for x in tensors(kernel.args)] + [1] * (len(tensors(kernel.args)) == 1)
    return Work(other=sum(sizes) * ceil_log2(sum(sizes)), reads=kernel.reads, writes=kernel.size)


def histogram(kernel: Kernel) -> Answer:
    """A bin found and a count raised for each element read."""
    size = kernel.first.numel()
    return Work(adds=size, other=size, reads=kernel.reads, writes=kernel.written)


def counts(kernel: Kernel) -> Answer:
    """A count raised for each element read."""
    return Work(adds=kernel.first.numel(), reads=kernel.reads, writes=kernel.size)


def bags(kernel: Kernel) -> Answer:
    """Rows of a table, summed, averaged or compared within each bag: reads only the rows that are picked."""
    weight, indices, offsets = kernel.args[:3]
    picked = indices.numel() * weight.shape[-1]
    mode = kernel.argument("mode", 0)
    weighted = kernel.argument("per_sample_weights")
    return Work(
        adds=picked if mode < 2 else 0,
        muls=picked if weighted is not None else 0,
        other=picked if mode == 2 else kernel.size if mode == 1 else 0,
        reads=picked
        + indices.numel()
        + (offsets.numel() if offsets is not None else 0)
        + (weighted.numel() if weighted is not None else 0),
        writes=kernel.size,
    )


def segments(kernel: Kernel) -> Answer:
    """segment_reduce: an operation for each element read."""
    size, how = kernel.first.numel(), kernel.argument("reduce", "sum")
    kind = "muls" if how == "prod" else "other" if how in ("max", "min") else "adds"
    mean_of = kernel.size if how == "mean" else 0
    work = Work(reads=kernel.reads, writes=kernel.size)._replace(**{kind: size})
    return work._replace(other=work.other + mean_of)


def segments_backward(kernel: Kernel) -> Answer:
    """The gradient of each segment goes to its elements: those of the largest, or times the product of the others."""
    grad, result, values = kernel.args[:3]
    how, size = kernel.argument("reduce", "sum"), values.numel()
    if how in ("sum", "mean"):
        other = grad.numel() if how == "mean" else 0
        return Work(other=other, reads=kernel.reads - elements(result) - elements(values), writes=size)
    return Work(muls=size if how == "prod" else 0, other=size, reads=kernel.reads, writes=size)


RULES = {
    max_pool: (
        "aten::max_pool1d aten::max_pool2d aten::max_pool3d aten::max_pool2d_with_indices "
        "aten::max_pool3d_with_indices aten::mkldnn_max_pool2d aten::mkldnn_max_pool3d aten::quantized_max_pool1d "
        "aten::quantized_max_pool2d aten::quantized_max_pool3d aten::fractional_max_pool2d "
        "aten::fractional_max_pool3d quantized::max_pool1d quantized::max_pool2d quantized::max_pool3d"
    ),
    avg_pool: "aten::avg_pool1d aten::avg_pool2d aten::avg_pool3d",
    adaptive_avg_pool: (
        "aten::_adaptive_avg_pool2d aten::_adaptive_avg_pool3d aten::adaptive_avg_pool1d aten::adaptive_avg_pool2d "
        "aten::adaptive_avg_pool3d aten::mkldnn_adaptive_avg_pool2d"
    ),
    adaptive_max_pool: "aten::adaptive_max_pool1d aten::adaptive_max_pool2d aten::adaptive_max_pool3d",
    max_pool_backward: (
        "aten::max_pool2d_with_indices_backward aten::max_pool3d_with_indices_backward aten::max_pool2d_backward "
        "aten::adaptive_max_pool2d_backward aten::adaptive_max_pool3d_backward aten::mkldnn_max_pool2d_backward "
        "aten::mkldnn_max_pool3d_backward aten::fractional_max_pool2d_backward aten::fractional_max_pool3d_backward"
    ),
    avg_pool_backward: (
        "aten::avg_pool2d_backward aten::avg_pool3d_backward aten::_adaptive_avg_pool2d_backward "
        "aten::_adaptive_avg_pool3d_backward aten::mkldnn_adaptive_avg_pool2d_backward"
    ),
    mean: "aten::mean aten::nanmean",
    sum_: ("aten::sum aten::nansum aten::trace aten::cumsum aten::_sparse_sum aten::_sparse_csr_sum aten::_nested_sum"),
    product: "aten::prod aten::cumprod aten::_sparse_csr_prod",
    compare: (
        "aten::amax aten::amin aten::argmax aten::argmin aten::any aten::all aten::median aten::nanmedian "
        "aten::mode aten::kthvalue aten::topk aten::cummax aten::cummin aten::_cummax_helper aten::_cummin_helper "
        "aten::count_nonzero aten::equal aten::allclose aten::_is_all_true aten::_is_any_true aten::_foreach_max "
        "aten::is_nonzero aten::hash_tensor"
    ),
    both_extremes: "aten::aminmax aten::_aminmax",
    extreme_or_pairs: "aten::max aten::min",
    deviation: "aten::var aten::std aten::var_mean aten::std_mean aten::batch_norm_stats",
    renorm_rows: "aten::embedding_renorm",
    norm: (
        "aten::norm aten::native_norm aten::linalg_vector_norm aten::linalg__powsum aten::_foreach_norm "
        "aten::_foreach_powsum"
    ),
    distance: "aten::dist",
    log_sum_exp: "aten::logsumexp aten::_logcumsumexp aten::logcumsumexp",
    sort: "aten::sort aten::argsort aten::msort aten::_unique aten::_unique2 aten::unique_dim",
    once: "aten::unique_consecutive aten::unique_dim_consecutive",
    search: "aten::searchsorted aten::bucketize",
    member: "aten::isin",
    histogram: (
        "aten::histc aten::histogram aten::_histogramdd_bin_edges aten::_histogramdd_from_bin_cts "
        "aten::_histogramdd_from_bin_tensors"
    ),
    counts: "aten::bincount",
    bags: "aten::_embedding_bag aten::_embedding_bag_forward_only aten::embedding_bag",
    segments: "aten::segment_reduce",
    segments_backward: "aten::_segment_reduce_backward",
}

KINDS = {max_pool: "maxpool", avg_pool: "avgpool", adaptive_avg_pool: "gap", adaptive_max_pool: "maxpool"}

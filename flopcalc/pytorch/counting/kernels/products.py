"""Products: convolutions, linear layers, matrix products, distances; dense, sparse and quantised; their gradients.

One multiply-add of complex numbers is four of real ones.
"""

from math import prod

import torch
from torch import Tensor

from flopcalc.pytorch.counting.kernels.reductions import norm_of
from flopcalc.pytorch.counting.kernels.work import (
    SPARSE,
    UNKNOWN,
    Answer,
    Kernel,
    Work,
    elements,
    factor,
    has_values,
    products,
    taps,
    values_of,
)


def product(kernel: Kernel, macs: int, bias: bool = False, muls: int = 0) -> Work:
    """The work of a kernel with `macs` multiply-adds of its elements, which writes its first output."""
    out, size = kernel.result, kernel.size
    adds = size * factor(out) if bias else 0
    return Work(macs * products(out), adds, muls, activations=size, reads=kernel.reads, writes=size)


def conv(kernel: Kernel) -> Work:
    """A convolution, also a transposed one."""
    weight = kernel.argument("weight")
    transposed = kernel.argument("transposed", "transpose" in kernel.func.name())
    # A plain convolution uses c_in / groups * area weights for each output; a transposed one
    # c_out / groups * area for each input.
    size = kernel.first.numel() if transposed else kernel.size
    return product(kernel, size * taps(weight), kernel.argument("bias") is not None)


def conv_then(kernel: Kernel) -> Answer:
    """A convolution with a fused activation, and with a fused sum before it."""
    work = conv(kernel)
    summed = kernel.size if "add" in kernel.func.name() else 0
    return work._replace(adds=work.adds + summed, other=kernel.size)


def conv_tbc(kernel: Kernel) -> Answer:
    """A convolution on time x batch x channels; weights taps x c_in x c_out."""
    weight = kernel.argument("weight")
    return product(kernel, kernel.size * weight.shape[0] * weight.shape[1], bias=True)


def conv_backward(kernel: Kernel) -> Answer:
    """Each wanted gradient of the input and of the weight costs as much as the convolution; of the bias, a sum."""
    grad, x, weight = kernel.argument("grad_output"), kernel.argument("input"), kernel.argument("weight")
    if x is None:
        x = kernel.argument("self")
    forward = (x if kernel.argument("transposed", False) else grad).numel() * taps(weight)
    mask = list(kernel.argument("output_mask", (True, True, True)))
    adds = grad.numel() * factor(grad) if len(mask) > 2 and mask[2] else 0
    kept = kernel.kept
    written = sum(tensor.numel() for tensor in kept)
    gradients = written - (kept[-1].numel() if adds and kept else 0)
    return Work(
        forward * sum(mask[:2]) * products(grad), adds, activations=gradients, reads=kernel.reads, writes=written
    )


def _macs(a: Tensor, b: Tensor, size: int) -> int | None:
    """Multiply-adds of a product, also of sparse operands; None where they depend on values that cannot be read."""
    if a.layout not in SPARSE and b.layout not in SPARSE:
        return size * a.shape[-1]
    if a.layout not in SPARSE:
        return _entries(b) * (a.shape[-2] if a.dim() > 1 else 1)
    if b.layout not in SPARSE:
        return _entries(a) * (b.shape[-1] if b.dim() > 1 else 1)
    return _of_two_sparse(a, b)


def _entries(tensor: Tensor) -> int:
    return values_of(tensor).numel()


def _of_two_sparse(a: Tensor, b: Tensor) -> int | None:
    if not (has_values(a) and has_values(b)) or a.dim() != 2:
        return None
    columns = a.to_sparse().coalesce().indices()[1]
    rows = b.to_sparse().coalesce().indices()[0]
    inner = a.shape[1]
    # Each entry in column k meets each entry in row k.
    return int((torch.bincount(columns, minlength=inner) * torch.bincount(rows, minlength=inner)).sum())


def matmul(kernel: Kernel) -> Answer:
    """A matrix product, whatever the rank; with a sparse operand, its entries times the columns of the other."""
    a, b = kernel.args[:2]
    if a.is_nested or b.is_nested:
        return _of_members(kernel, a, b)
    macs = _macs(a, b, kernel.size)
    return UNKNOWN if macs is None else _with_entries(kernel, macs)


def _of_members(kernel: Kernel, a: Tensor, b: Tensor) -> Answer:
    """The products of the members of nested tensors, summed; each may have sizes of its own."""
    try:
        left, right = (value.unbind() if value.is_nested else [value] for value in (a, b))
    except RuntimeError:
        # The lengths are on the meta device.
        return UNKNOWN
    if len(left) != len(right):
        left, right = (list(side) * (1 if value.is_nested else len(left)) for side, value in ((left, a), (right, b)))
    macs = sum(x.numel() * y.shape[-1] for x, y in zip(left, right, strict=True))
    return product(kernel, macs)


def _with_entries(kernel: Kernel, macs: int, adds: int = 0) -> Work:
    """The work of a product, which writes the entries of a sparse result."""
    out = kernel.result
    size = elements(out) if out.layout in SPARSE else kernel.size
    return Work(macs * products(out), adds * factor(out), activations=size, reads=kernel.reads, writes=size)


def biased_matmul(kernel: Kernel) -> Answer:
    """A matrix product added to a tensor, which is not read if beta is 0."""
    added, a, b = kernel.args[:3]
    used = kernel.argument("beta", 1) != 0
    macs = _macs(a, b, kernel.size)
    if macs is None:
        return UNKNOWN
    work = _with_entries(kernel, macs, kernel.size if used else 0)
    return work if used else work._replace(reads=work.reads - elements(added))


def biased_then(kernel: Kernel) -> Answer:
    """A linear layer with a fused activation."""
    work = biased_matmul(kernel)
    return work._replace(other=kernel.size) if isinstance(work, Work) else work


def addbmm(kernel: Kernel) -> Answer:
    """The sum of a batch of matrix products, added to a matrix."""
    a = kernel.argument("batch1")
    used = kernel.argument("beta", 1) != 0
    work = product(kernel, kernel.size * a.shape[0] * a.shape[-1], bias=used)
    return work if used else work._replace(reads=work.reads - elements(kernel.first))


def addr(kernel: Kernel) -> Answer:
    """An outer product, added to a matrix, which is not read if beta is 0: nothing is accumulated."""
    size = kernel.size
    used = kernel.argument("beta", 1) != 0
    muls, adds = (4, 2) if kernel.result.is_complex() else (1, 0)
    adds += factor(kernel.result) if used else 0
    reads = kernel.reads - (0 if used else elements(kernel.first))
    return Work(adds=adds * size, muls=muls * size, reads=reads, writes=size)


def linear(kernel: Kernel) -> Answer:
    """A linear layer as one kernel; its input is the first argument."""
    return product(kernel, kernel.size * kernel.first.size(-1), kernel.argument("bias") is not None)


def scaled_linear(kernel: Kernel) -> Answer:
    """A product of quantised operands: one multiplication by the scales for each output."""
    work = linear(kernel)
    return work._replace(muls=kernel.size) if isinstance(work, Work) else work


def grouped_mm(kernel: Kernel) -> Answer:
    """Products of groups of rows: where both operands have two axes, the groups split the inner axis."""
    a, b = kernel.args[:2]
    size = kernel.size // max(kernel.result.shape[0], 1) if a.dim() == b.dim() == 2 else kernel.size
    return product(kernel, size * a.shape[-1], kernel.argument("bias") is not None)


def trilinear(kernel: Kernel) -> Answer:
    """A bilinear layer: the outer product of its inputs, and a linear layer on that."""
    shapes = []
    for tensor, expand in zip(kernel.args[:3], kernel.args[3:6], strict=True):
        shape = list(tensor.shape)
        for axis in sorted(expand):
            shape.insert(axis, 1)
        shapes.append(shape)
    whole = [max(sizes) for sizes in zip(*shapes, strict=True)]
    outer = [max(sizes) for sizes in zip(shapes[0], shapes[2], strict=True)]
    return product(kernel, prod(whole), muls=prod(outer))


def affine_grid(kernel: Kernel) -> Answer:
    """Positions times the matrix of each sample."""
    return product(kernel, kernel.size * kernel.first.shape[-1])


def sampled_product(kernel: Kernel) -> Answer:
    """A dense product of which only the entries of a sparse matrix are computed."""
    out = kernel.result
    return _with_entries(kernel, _entries(out) * kernel.args[1].shape[-1], adds=_entries(out))


def structured_linear(kernel: Kernel) -> Answer:
    """A product with a matrix of which two of four entries are kept: the entries kept."""
    x, weight = kernel.args[:2]
    return product(kernel, x.numel() // max(x.shape[-1], 1) * weight.numel(), kernel.argument("bias") is not None)


def distances(kernel: Kernel) -> Answer:
    """Distances: the norm of a difference for each pair of rows. No product of matrices, so no MACs."""
    size, p = kernel.size, kernel.argument("p", 2)
    steps = size * kernel.first.shape[-1]
    work = norm_of(p, steps, size)
    return work._replace(adds=work.adds + steps, activations=size, reads=kernel.reads, writes=size)


def distances_backward(kernel: Kernel) -> Answer:
    """The gradient of distances: a difference, a factor and a sum for each pair of elements.

    The factor of a pair of rows is its gradient; for p = 2 it is divided by the distance, for other p by a power of
    it, and each element has a power and a product more. For infinity a comparison finds the largest element. For p = 0
    the gradient is 0. Between the rows of one tensor both rows of a pair have a gradient.
    """
    pairs, p = kernel.argument("grad").numel(), kernel.argument("p")
    traffic = {"reads": kernel.reads, "writes": kernel.size}
    if p == 0:
        return Work(**traffic)
    steps = pairs * kernel.result.shape[-1]
    sums = 2 if "pdist" in kernel.func.name() else 1
    plain = Work(adds=(1 + sums) * steps, muls=steps, **traffic)
    if p == 1:
        return plain
    if p == 2:
        return plain._replace(other=pairs)
    if p == float("inf"):
        return plain._replace(other=steps)
    return plain._replace(muls=2 * steps, other=steps + 2 * pairs)


def euclidean(kernel: Kernel) -> Answer:
    """Euclidean distances by one matrix product, over two columns more for the squares; a root for each."""
    size, inner = kernel.size, kernel.first.shape[-1]
    squares = kernel.args[0].numel() + kernel.args[1].numel()
    return product(kernel, size * (inner + 2), muls=squares)._replace(adds=squares, other=size)


def quantised_linear(kernel: Kernel) -> Answer:
    """A linear layer with packed weights, counted as a dense one; the scales cost one product for each output."""
    size, inner = kernel.size, kernel.first.shape[-1]
    weights, biases = _packed(kernel.args[1])
    columns = kernel.result.shape[-1]
    relu = size if "relu" in kernel.func.name() else 0
    return Work(
        size * inner,
        adds=size if biases else 0,
        muls=size,
        other=relu,
        activations=size,
        reads=kernel.reads + (weights.numel() if weights is not None else inner * columns) + biases,
        writes=size,
    )


def quantised_conv(kernel: Kernel) -> Answer:
    """A convolution with packed weights, counted as a dense one."""
    weights, biases = _packed(next(value for value in kernel.args[1:] if not isinstance(value, Tensor)))
    if weights is None:
        return UNKNOWN
    name, size = kernel.func.name(), kernel.size
    macs = (kernel.first.numel() if "transpose" in name else size) * taps(weights)
    return Work(
        macs,
        adds=(size if biases else 0) + (size if "add" in name else 0),
        muls=size,
        other=size if "relu" in name else 0,
        activations=size,
        reads=kernel.reads + weights.numel() + biases,
        writes=size,
    )


def _packed(weights: object) -> tuple[Tensor | None, int]:
    """The weights and the number of biases in a packed object."""
    try:
        found = weights.unpack()  # type: ignore[attr-defined]
    except Exception:
        # Back ends pack in their own ways, and not all can unpack.
        return None, 0
    weight, *rest = found if isinstance(found, tuple) else (found,)
    bias = next((value for value in rest if isinstance(value, Tensor)), None)
    return weight, 0 if bias is None else bias.numel()


RULES = {
    conv: (
        "aten::convolution aten::_convolution aten::convolution_overrideable aten::cudnn_convolution "
        "aten::cudnn_convolution_transpose aten::mkldnn_convolution aten::_conv_depthwise2d aten::conv_depthwise3d "
        "aten::slow_conv_dilated2d aten::slow_conv_dilated3d aten::_slow_conv2d_forward aten::slow_conv3d_forward "
        "aten::slow_conv_transpose2d aten::slow_conv_transpose3d aten::_nnpack_spatial_convolution "
        "aten::miopen_convolution aten::miopen_convolution_transpose aten::miopen_depthwise_convolution "
        "aten::_mps_convolution aten::_mps_convolution_transpose mkldnn::_convolution_pointwise "
        "aten::conv1d aten::conv2d aten::conv3d "
        "aten::conv_transpose1d aten::conv_transpose2d aten::conv_transpose3d"
    ),
    conv_then: (
        "aten::cudnn_convolution_relu aten::cudnn_convolution_add_relu aten::miopen_convolution_relu "
        "aten::miopen_convolution_add_relu"
    ),
    conv_tbc: "aten::conv_tbc",
    conv_backward: (
        "aten::convolution_backward aten::convolution_backward_overrideable aten::mps_convolution_backward "
        "aten::_slow_conv2d_backward"
    ),
    matmul: (
        "aten::mm aten::bmm aten::mv aten::dot aten::vdot aten::_int_mm aten::matmul aten::inner aten::_sparse_mm "
        "aten::_sparse_sparse_matmul aten::hspmm aten::linalg_matmul aten::_sparse_mm_reduce_impl"
    ),
    biased_matmul: "aten::addmm aten::baddbmm aten::addmv aten::_sparse_addmm aten::sspaddmm",
    biased_then: "aten::_addmm_activation",
    addbmm: "aten::addbmm",
    addr: "aten::addr",
    linear: "aten::linear aten::mkldnn_linear mkldnn::_linear_pointwise",
    scaled_linear: (
        "aten::_scaled_mm aten::_scaled_mm_v2 aten::_weight_int8pack_mm aten::_weight_int4pack_mm "
        "aten::_weight_int4pack_mm_for_cpu aten::_weight_int4pack_mm_with_scales_and_zeros "
        "aten::_dyn_quant_matmul_4bit aten::_mixed_dtypes_linear onednn::qlinear_pointwise"
    ),
    grouped_mm: "aten::_grouped_mm aten::_scaled_grouped_mm aten::_scaled_grouped_mm_v2",
    trilinear: "aten::_trilinear",
    affine_grid: "aten::affine_grid_generator aten::cudnn_affine_grid_generator",
    sampled_product: "aten::sparse_sampled_addmm",
    structured_linear: "aten::_sparse_semi_structured_linear",
    distances: "aten::_cdist_forward aten::_pdist_forward",
    distances_backward: "aten::_cdist_backward aten::_pdist_backward",
    euclidean: "aten::_euclidean_dist",
    quantised_linear: (
        "quantized::linear quantized::linear_relu quantized::linear_dynamic quantized::linear_relu_dynamic "
        "quantized::linear_dynamic_fp16 quantized::linear_relu_dynamic_fp16 quantized::linear_leaky_relu "
        "quantized::linear_tanh quantized::linear_with_input_q_dq_qweight_dq_output_fp32"
    ),
    quantised_conv: " ".join(
        f"quantized::{name}{axes}d{then}"
        for axes in (1, 2, 3)
        for name in ("conv", "conv_transpose")
        for then in ("", "_relu", "_dynamic", "_add", "_add_relu")
    ),
}

# They know sparse operands.
OF_SPARSE = frozenset({matmul, biased_matmul, biased_then, sampled_product, structured_linear})

KINDS = {
    conv: "conv",
    conv_then: "conv",
    conv_tbc: "conv",
    conv_backward: "conv",
    matmul: "matmul",
    biased_matmul: "matmul",
    biased_then: "matmul",
    addbmm: "matmul",
    linear: "linear",
    scaled_linear: "matmul",
    grouped_mm: "matmul",
    trilinear: "matmul",
    affine_grid: "matmul",
    sampled_product: "matmul",
    structured_linear: "linear",
    distances: "distance",
    euclidean: "matmul",
    quantised_linear: "linear",
    quantised_conv: "conv",
}

"""Kernels that move data, and the list of kernels that are free.

Moving costs no arithmetic; traffic is what is read and written. A kernel that writes into a given tensor does not
read what it overwrites.
"""

import torch

from flopcalc.pytorch.counting.kernels.work import SPARSE, Answer, Kernel, Work, elements, factor, tensors

_MASKS = (torch.bool, torch.uint8)


def move(kernel: Kernel) -> Answer:
    """Each input is read once, each output written once."""
    written = tensors(kernel.out)
    return Work(reads=kernel.reads, writes=sum(tensor.numel() for tensor in written))


def overwrite(kernel: Kernel) -> Answer:
    """copy_ and fill_: the first argument is written and not read."""
    target = kernel.first
    if target.layout in SPARSE:
        # It may have another number of entries than before.
        return Work(reads=sum(map(elements, tensors((kernel.args[1:], kernel.kwargs)))), writes=elements(target))
    return Work(reads=kernel.reads - elements(target), writes=kernel.size)


def gather(kernel: Kernel) -> Answer:
    """Only what is picked is read, and the index."""
    index = sum(elements(tensor) for tensor in tensors([*kernel.args[1:], *kernel.kwargs.values()]))
    return Work(reads=kernel.size + index, writes=kernel.size)


def select_by_mask(kernel: Kernel) -> Answer:
    """nonzero, masked_select: all inputs are read, what is found is written."""
    return Work(reads=kernel.reads, writes=kernel.written)


def scatter(kernel: Kernel) -> Answer:
    """Values put at places of a tensor; accumulated, an operation for each value.

    In place only the values are written, and of the tensor only those elements are read that are added to. Otherwise
    the whole tensor is copied first.
    """
    target = kernel.first
    source = _source(kernel)
    # One value may be put at many places.
    places = source
    kind = _accumulated(kernel)
    count = places * (factor(target) if kind == "adds" else 1)
    in_place = kernel.func.name().split(".")[0].endswith("_")
    if in_place:
        reads = kernel.reads - elements(target) + (places if kind else 0)
        work = Work(reads=reads, writes=places)
    else:
        work = Work(reads=kernel.reads, writes=kernel.size)
    return work._replace(**{kind: count}) if kind else work


def _source(kernel: Kernel) -> int:
    """The number of elements that are put: of the index, or of the slices that it selects."""
    name, target = kernel.func.name(), kernel.first
    if "index_put" in name:
        return _selected(kernel)
    if "index_" in name:
        index, axis = kernel.argument("index"), kernel.argument("dim")
        length = target.shape[axis] if target.dim() else 1
        return target.numel() // (length or 1) * index.numel()  # type: ignore[no-any-return]
    return kernel.argument("index").numel()  # type: ignore[no-any-return]


def _selected(kernel: Kernel) -> int:
    """Elements that indices select; of a mask, at most its own."""
    target, indices = kernel.first, kernel.argument("indices")
    values = kernel.argument("values")
    given = [index for index in indices if index is not None]
    if not given or any(index.dtype in _MASKS for index in given):
        return values.numel() if values.numel() > 1 else target.numel()  # type: ignore[no-any-return]
    shape = [max(sizes) for sizes in _aligned([tuple(index.shape) for index in given])]
    selected = 1
    for size in shape:
        selected *= size
    for axis, size in enumerate(target.shape):
        if axis >= len(indices) or indices[axis] is None:
            selected *= size
    return selected


def _aligned(shapes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    rank = max(map(len, shapes))
    return list(zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True))


def _accumulated(kernel: Kernel) -> str:
    """The kind of the operation with which values are added to those that are there; empty if they replace them."""
    name = kernel.func.name().split(".")[0].rstrip("_")
    if name.endswith(("scatter_add", "index_add", "index_put_accumulate")) or kernel.argument("accumulate", False):
        return "adds"
    how = kernel.argument("reduce")
    if how is None:
        return ""
    return {"add": "adds", "sum": "adds", "mean": "adds", "multiply": "muls", "prod": "muls"}.get(how, "other")


def fold(kernel: Kernel) -> Answer:
    """col2im, the gradient of unfold and of padding: overlapping values are added."""
    return Work(adds=kernel.first.numel(), reads=kernel.reads, writes=kernel.size)


def rows_backward(kernel: Kernel) -> Answer:
    """The gradient of a table: each row gets its gradient, divided by how often it was read where that is asked for."""
    size = kernel.first.numel()
    other = size if kernel.argument("scale_grad_by_freq", False) else 0
    return Work(adds=size, other=other, reads=kernel.reads, writes=kernel.size)


def bags_backward(kernel: Kernel) -> Answer:
    """The gradient of rows that were summed in bags: each row gets that of its bag; of an extreme, one for each bag.

    That of a mean is divided once. A row's may be divided by how often the row was read.
    """
    grad, mode = kernel.first, kernel.argument("mode")
    size = grad.numel() if mode == 2 else kernel.argument("indices").numel() * grad.shape[-1]
    weighted = kernel.argument("per_sample_weights") is not None
    scaled = mode < 2 and kernel.argument("scale_grad_by_freq", False)
    return Work(
        adds=size,
        muls=size if weighted else 0,
        other=(grad.numel() if mode == 1 else 0) + (size if scaled else 0),
        reads=kernel.reads,
        writes=kernel.size,
    )


def bag_weights_backward(kernel: Kernel) -> Answer:
    """The gradient of the weight of each row in a bag: a product of two rows, summed."""
    size = kernel.argument("indices").numel() * kernel.first.shape[-1]
    return Work(adds=size, muls=size, reads=kernel.reads, writes=kernel.size)


RULES = {
    move: (
        "aten::cat aten::concat aten::stack aten::_stack aten::clone aten::_to_copy aten::contiguous "
        "aten::constant_pad_nd aten::roll aten::repeat aten::tile aten::flip aten::rot90 aten::channel_shuffle "
        "aten::native_channel_shuffle aten::tril aten::triu aten::pixel_shuffle aten::pixel_unshuffle aten::where "
        "aten::masked_fill aten::upsample_nearest1d aten::upsample_nearest2d aten::upsample_nearest3d "
        "aten::_upsample_nearest_exact1d aten::_upsample_nearest_exact2d aten::_upsample_nearest_exact3d aten::im2col "
        "aten::reflection_pad1d aten::reflection_pad2d aten::reflection_pad3d aten::replication_pad1d "
        "aten::replication_pad2d aten::replication_pad3d aten::repeat_interleave aten::block_diag aten::diag_embed "
        "aten::_chunk_cat aten::max_unpool2d aten::max_unpool3d aten::_pack_padded_sequence aten::_pad_packed_sequence "
        "aten::_copy_from aten::_copy_from_and_resize aten::_to_dense aten::to_dense aten::_to_sparse "
        "aten::_to_sparse_csr aten::_to_sparse_csc aten::_to_sparse_bsr aten::_to_sparse_bsc aten::to_mkldnn "
        "aten::sparse_mask aten::_sparse_mask_projection aten::_sparse_broadcast_to "
        "aten::_convert_indices_from_coo_to_csr "
        "aten::_convert_indices_from_csr_to_coo aten::_nested_tensor_from_mask aten::_nested_from_padded "
        "aten::_nested_from_padded_tensor aten::to_padded_tensor aten::_jagged_to_padded_dense_forward "
        "aten::_padded_dense_to_jagged_forward aten::_nested_tensor_from_tensor_list aten::_mkldnn_transpose "
        "aten::mkldnn_reorder_conv2d_weight aten::mkldnn_reorder_conv3d_weight aten::int_repr aten::unfold_backward "
        "aten::index_fill aten::select_scatter aten::slice_scatter aten::diagonal_scatter aten::as_strided_scatter "
        "aten::select_backward aten::slice_backward aten::diagonal_backward aten::_nested_select_backward "
        "aten::_make_per_tensor_quantized_tensor aten::_make_per_channel_quantized_tensor aten::_pin_memory "
        "aten::_lazy_clone aten::masked_scatter aten::lu_unpack aten::_conj_physical aten::linalg_diagonal "
        "aten::_nested_tensor_from_mask_left_aligned aten::resize_as_sparse aten::_spdiags "
        "aten::_rowwise_prune aten::_convert_weight_to_int4pack aten::_convert_weight_to_int4pack_for_cpu "
        "aten::_dyn_quant_pack_4bit_weight aten::_cudnn_rnn_flatten_weight quantized::cat aten::_cslt_compress "
        "aten::_to_sparse_semi_structured aten::masked_scatter_backward aten::copy_sparse_to_sparse "
        "aten::_sparse_sum_backward aten::_nested_sum_backward aten::_reshape_copy aten::copy aten::fill"
    ),
    overwrite: "aten::copy_ aten::fill_ aten::zero_ aten::set_data aten::fill_diagonal_",
    gather: (
        "aten::index aten::index_select aten::gather aten::embedding aten::_unsafe_index aten::take "
        "aten::_unsafe_masked_index aten::take_along_dim quantized::embedding_byte quantized::embedding_4bit"
    ),
    select_by_mask: (
        "aten::nonzero aten::nonzero_static aten::masked_select aten::argwhere aten::combinations "
        "aten::multinomial aten::randperm"
    ),
    scatter: (
        "aten::scatter aten::scatter_add aten::scatter_reduce aten::index_put aten::_unsafe_index_put "
        "aten::_index_put_impl aten::index_add aten::index_copy aten::index_reduce aten::put "
        "aten::_unsafe_masked_index_put_accumulate"
    ),
    fold: (
        "aten::col2im aten::reflection_pad1d_backward aten::reflection_pad2d_backward aten::reflection_pad3d_backward "
        "aten::replication_pad1d_backward aten::replication_pad2d_backward aten::replication_pad3d_backward"
    ),
    rows_backward: "aten::embedding_dense_backward aten::embedding_backward aten::value_selecting_reduction_backward",
    bags_backward: "aten::_embedding_bag_backward aten::_embedding_bag_dense_backward",
    bag_weights_backward: "aten::_embedding_bag_per_sample_weights_backward",
}

KINDS = dict.fromkeys((move, overwrite, gather, select_by_mask, scatter), "move")

# Bookkeeping, new tensors (random ones too), and views that torch does not mark as views.
FREE = frozenset(
    f"aten::{name}"
    for name in [
        "_unsafe_view",
        "_reshape_alias",
        "reshape",
        "detach",
        "alias",
        "lift",
        "lift_fresh",
        "dropout",
        "sym_size",
        "sym_stride",
        "sym_numel",
        "sym_is_contiguous",
        "is_contiguous",
        "is_non_overlapping_and_dense",
        "is_strides_like_format",
        "sym_storage_offset",
        "unsafe_split",
        "unsafe_split_with_sizes",
        "unsafe_chunk",
        "transpose_",
        "t_",
        "as_strided_",
        "unsqueeze_",
        "squeeze_",
        "detach_",
        "swapaxes_",
        "swapdims_",
        "new_zeros",
        "new_ones",
        "new_empty",
        "new_empty_strided",
        "new_full",
        "zeros_like",
        "ones_like",
        "empty_like",
        "full_like",
        "rand_like",
        "randn_like",
        "randint_like",
        "rand",
        "randn",
        "randint",
        "empty",
        "empty_strided",
        "empty_permuted",
        "zeros",
        "ones",
        "full",
        "scalar_tensor",
        "arange",
        "range",
        "linspace",
        "logspace",
        "eye",
        "tril_indices",
        "triu_indices",
        "uniform",
        "normal",
        "random",
        "exponential",
        "cauchy",
        "geometric",
        "log_normal",
        "bernoulli_",
        "normal_functional",
        "uniform_",
        "normal_",
        "random_",
        "exponential_",
        "cauchy_",
        "geometric_",
        "log_normal_",
        "_local_scalar_dense",
        "_assert_async",
        "_functional_assert_async",
        "_assert_tensor_metadata",
        "_functional_assert_scalar",
        "_linalg_check_errors",
        "_fused_sdp_choice",
        "_validate_compressed_sparse_indices",
        "sparse_coo_tensor",
        "_sparse_coo_tensor_with_dims",
        "_sparse_coo_tensor_with_dims_and_tensors",
        "sparse_compressed_tensor",
        "_sparse_coo_tensor_unsafe",
        "_sparse_compressed_tensor_unsafe",
        "sparse_resize",
        "sparse_resize_and_clear",
        "sparse_resize_",
        "sparse_resize_and_clear_",
        "_coalesced",
        "_coalesced_",
        "is_coalesced",
        "dense_dim",
        "sparse_dim",
        "_nnz",
        "_dimI",
        "_dimV",
        "_nested_tensor_size",
        "_nested_tensor_strides",
        "_nested_tensor_storage_offsets",
        "_nested_get_offsets",
        "_nested_get_lengths",
        "_nested_get_ragged_idx",
        "_nested_get_min_seqlen",
        "_nested_get_max_seqlen",
        "_nested_get_jagged_dummy",
        "_nested_compute_contiguous_strides_offsets",
        "_nested_view_from_buffer",
        "resize",
        "resize_",
        "resize_as",
        "resize_as_",
        "_resize_output",
        "_resize_output_",
        "set",
        "set_",
        "record_stream",
        "is_same_size",
        "is_set_to",
        "is_pinned",
        "_has_same_storage_numel",
        "q_per_channel_scales",
        "q_per_channel_zero_points",
        "q_scale",
        "q_zero_point",
        "qscheme",
        "q_per_channel_axis",
        "_new_zeros_with_same_feature_meta",
        "_efficientzerotensor",
        "bartlett_window",
        "blackman_window",
        "hamming_window",
        "hann_window",
        "kaiser_window",
        "fft_fftfreq",
        "fft_rfftfreq",
        "_mkldnn_reshape",
        "empty_quantized",
        "_empty_affine_quantized",
        "_empty_per_channel_affine_quantized",
        "_cudnn_init_dropout_state",
        "_use_cudnn_ctc_loss",
        "_use_miopen_ctc_loss",
        "_test_parallel_materialize",
        "_philox_key_split",
        "_philox_key_fold_in",
        "_philox_normal",
        "_philox_uniform",
        "_shape_as_tensor",
        "_version",
        "to_sparse_semi_structured",
        "from_file",
        "requires_grad_",
        "_functional_sym_constrain_range",
        "_functional_sym_constrain_range_for_size",
        "_sparse_semi_structured_tile",
        "_fill_mem_eff_dropout_mask_",
        "data",
        "size",
        "numel",
        "dim",
        "stride",
        "storage_offset",
        "item",
    ]
)

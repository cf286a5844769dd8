"""Normalisation and softmax, forwards and backwards.

The statistics that a forward keeps for its gradient (mean, 1 / deviation) are not counted as written.
"""

from torch import Tensor

from flopcalc.pytorch.counting.kernels.work import Answer, Kernel, Work


def _fixed(kernel: Kernel) -> Work:
    size = kernel.size
    return Work(adds=size, muls=size, reads=kernel.reads, writes=size)


def layer_norm(kernel: Kernel) -> Answer:
    """Mean and variance of the input itself: two more additions and one more multiplication than a fixed norm."""
    size = kernel.size
    return Work(adds=3 * size, muls=2 * size, reads=kernel.reads, writes=size)


def batch_norm(kernel: Kernel) -> Answer:
    """A scale and a shift with given statistics; with those of the input itself, the cost of a layer norm."""
    training = kernel.argument("training", kernel.argument("use_input_stats"))
    given = kernel.argument("running_mean") is not None
    return _fixed(kernel) if given and not training else layer_norm(kernel)


def batch_norm_fixed(kernel: Kernel) -> Answer:
    """Batch norm with given statistics."""
    return _fixed(kernel)


def rms_norm(kernel: Kernel) -> Answer:
    """A mean of squares, a factor for each element, and a weight if there is one."""
    size = kernel.size
    scaled = kernel.argument("weight") is not None
    return Work(adds=size, muls=size * (3 if scaled else 2), reads=kernel.reads, writes=size)


def weight_norm(kernel: Kernel) -> Answer:
    """A norm of each slice of a weight, and a factor for each element."""
    size, rows = kernel.size, kernel.argument("g").numel()
    return Work(adds=size, muls=2 * size, other=2 * rows, reads=kernel.reads, writes=size)


def weight_norm_backward(kernel: Kernel) -> Answer:
    """The gradients of the direction and of the norm: a product summed for each slice, and its share taken off."""
    size, rows = kernel.argument("saved_v").numel(), kernel.argument("saved_g").numel()
    return Work(adds=2 * size, muls=3 * size, other=2 * rows, reads=kernel.reads, writes=kernel.written)


def _wanted(kernel: Kernel) -> tuple[bool, bool, bool]:
    """Whether the gradients of input, weight and bias are computed; RMS norm has no bias."""
    mask = [bool(one) for one in kernel.argument("output_mask", (True, True, True))]
    return mask[0], mask[1], mask[2] if len(mask) > 2 else False


def _backward(kernel: Kernel, size: int, adds: int, muls: int) -> Work:
    """The work of these additions and multiplications for each element."""
    return Work(adds=adds * size, muls=muls * size, reads=kernel.reads, writes=kernel.written)


def _own_backward(kernel: Kernel, adds: int) -> Work:
    """Of a norm with statistics of its own: the multiplications are the same with and without a mean."""
    data, weight, _ = _wanted(kernel)
    scaled = data and kernel.argument("weight") is not None
    return _backward(kernel, kernel.argument("grad_out").numel(), adds, (data or weight) + weight + scaled + 3 * data)


def norm_backward(kernel: Kernel) -> Answer:
    """The gradient of a norm with its own statistics.

    Normalised input (1 add, 1 mul), gradients of weight and bias (2 adds, 1 mul), gradient by the weight (1 mul), two
    means (2 adds, 1 mul), and their combination (2 adds, 2 muls); each where it is wanted.
    """
    data, weight, bias = _wanted(kernel)
    return _own_backward(kernel, (data or weight) + weight + bias + 4 * data)


def rms_norm_backward(kernel: Kernel) -> Answer:
    """As of a layer norm without a mean: none is taken off the input, and of the two means that of products is left.

    Normalised input (1 mul), gradient of the weight (1 add, 1 mul), gradient by the weight (1 mul), a mean (1 add,
    1 mul), and the combination (1 add, 2 muls).
    """
    data, weight, _ = _wanted(kernel)
    return _own_backward(kernel, weight + 2 * data)


def batch_norm_backward(kernel: Kernel) -> Answer:
    """The gradient of batch norm; its two means are the gradients of weight and bias. Fixed: a factor alone."""
    grad = next(value for value in kernel.args if isinstance(value, Tensor))
    data, weight, bias = _wanted(kernel)
    if not kernel.argument("train", kernel.argument("update", True)):
        return _backward(kernel, grad.numel(), 2 * weight + bias, 2 * weight + data)
    products = data or weight
    return _backward(kernel, grad.numel(), 2 * products + (data or bias) + 2 * data, 2 * products + 2 * data)


def softmax(kernel: Kernel) -> Answer:
    """A share of the sum, an exponential and a division (of the logarithm: a difference) for each element."""
    size = kernel.size
    return Work(adds=size, other=2 * size, reads=kernel.reads, writes=size)


def softmax_backward(kernel: Kernel) -> Answer:
    """Y (g - sum(g y)); of the logarithm g - exp(y) sum(g)."""
    size = kernel.size
    if "log" in kernel.func.name():
        return Work(adds=2 * size, muls=size, other=size, reads=kernel.reads, writes=size)
    return Work(adds=2 * size, muls=2 * size, reads=kernel.reads, writes=size)


RULES = {
    batch_norm: (
        "aten::native_batch_norm aten::cudnn_batch_norm aten::miopen_batch_norm aten::_native_batch_norm_legit "
        "aten::_native_batch_norm_legit_functional aten::batch_norm aten::instance_norm"
    ),
    batch_norm_fixed: (
        "aten::_native_batch_norm_legit_no_training aten::_batch_norm_no_update aten::batch_norm_elemt "
        "aten::quantized_batch_norm quantized::batch_norm quantized::batch_norm2d quantized::batch_norm2d_relu "
        "quantized::batch_norm3d quantized::batch_norm3d_relu quantized::batch_norm_relu"
    ),
    layer_norm: (
        "aten::native_layer_norm aten::native_group_norm aten::_batch_norm_with_update "
        "aten::_batch_norm_with_update_functional aten::layer_norm aten::group_norm quantized::layer_norm "
        "quantized::group_norm quantized::instance_norm"
    ),
    rms_norm: "aten::rms_norm aten::_fused_rms_norm",
    weight_norm: "aten::_weight_norm_interface",
    weight_norm_backward: "aten::_weight_norm_interface_backward",
    norm_backward: "aten::native_layer_norm_backward aten::native_group_norm_backward",
    rms_norm_backward: "aten::_fused_rms_norm_backward",
    batch_norm_backward: (
        "aten::native_batch_norm_backward aten::cudnn_batch_norm_backward aten::miopen_batch_norm_backward "
        "aten::batch_norm_backward"
    ),
    softmax: (
        "aten::_softmax aten::_safe_softmax aten::_log_softmax aten::softmax aten::log_softmax aten::_masked_softmax "
        "aten::_sparse_softmax aten::_sparse_log_softmax aten::_nested_tensor_softmax_with_shape"
    ),
    softmax_backward: (
        "aten::_softmax_backward_data aten::_log_softmax_backward_data aten::_masked_softmax_backward "
        "aten::_sparse_softmax_backward_data aten::_sparse_log_softmax_backward_data"
    ),
}

KINDS = {
    batch_norm: "norm",
    batch_norm_fixed: "norm",
    layer_norm: "layernorm",
    rms_norm: "layernorm",
    norm_backward: "layernorm",
    rms_norm_backward: "layernorm",
    batch_norm_backward: "norm",
    softmax: "softmax",
    softmax_backward: "softmax",
}

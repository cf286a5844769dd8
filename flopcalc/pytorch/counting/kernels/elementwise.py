"""Element-wise kernels: sums, products and all other functions; losses; the gradients of activation functions."""

from typing import Any

from flopcalc.pytorch.counting.kernels.work import Answer, Kernel, Work, elements, factor, is_complex, tensors


def add(kernel: Kernel) -> Answer:
    """An addition for each element; two for complex numbers."""
    size = kernel.size * factor(kernel.result)
    return Work(adds=size, reads=kernel.reads, writes=kernel.size)


def add_relu(kernel: Kernel) -> Answer:
    """A sum with a fused activation."""
    return Work(adds=kernel.size, other=kernel.size, reads=kernel.reads, writes=kernel.size)


def mul(kernel: Kernel) -> Answer:
    """A product for each element; of two complex numbers four and two additions, of a real and a complex one two."""
    size = kernel.size
    if not kernel.result.is_complex():
        return Work(muls=size, reads=kernel.reads, writes=size)
    both = all(is_complex(value) for value in kernel.args[:2])
    return Work(adds=2 * size if both else 0, muls=(4 if both else 2) * size, reads=kernel.reads, writes=size)


def pointwise(kernel: Kernel) -> Answer:
    """Any element-wise function: one operation of the kind `other` per output."""
    return Work(other=kernel.size, reads=kernel.reads, writes=kernel.size)


def gate(kernel: Kernel) -> Answer:
    """glu: an activation of one half, times the other half."""
    return Work(muls=kernel.size, other=kernel.size, reads=kernel.reads, writes=kernel.size)


def fake_quantised(kernel: Kernel) -> Answer:
    """A tensor as its quantised form would round it: one operation; the mask for the gradient is not counted."""
    return Work(other=kernel.size, reads=kernel.reads, writes=kernel.size)


def dropout(kernel: Kernel) -> Answer:
    """Random numbers are free, as for new tensors; a mask and a scale for each element. It writes the mask too."""
    size = kernel.size
    return Work(muls=2 * size, reads=kernel.reads, writes=kernel.written)


def masked_scale(kernel: Kernel) -> Answer:
    """A mask and a scale for each element."""
    return Work(muls=2 * kernel.size, reads=kernel.reads, writes=kernel.size)


def loss(kernel: Kernel) -> Answer:
    """One operation for each element, and, unless there is no reduction, one addition."""
    size = kernel.first.numel()
    reduced = kernel.argument("reduction", 1) != 0
    return Work(adds=size if reduced else 0, other=size, reads=kernel.reads, writes=kernel.size)


def picked_loss(kernel: Kernel) -> Answer:
    """nll_loss: picks one element for each target, and its weight if there are weights, and adds them."""
    size = kernel.args[1].numel()
    reduced = kernel.argument("reduction", 1) != 0
    weighted = size if kernel.argument("weight") is not None else 0
    adds = size if reduced else 0
    return Work(adds=adds, muls=weighted, other=size, reads=2 * size + weighted, writes=kernel.size)


def gradient(kernel: Kernel) -> Answer:
    """The gradient of an element-wise function or a loss: one operation for each element."""
    return Work(other=kernel.size, reads=kernel.reads, writes=kernel.written)


def gate_gradient(kernel: Kernel) -> Answer:
    """The gradient of glu, a s(b): of the first half its product with s(b), which is computed again; of b with a s'(b).

    The derivative of the activation is one operation, as that of any.
    """
    return Work(muls=kernel.size, other=kernel.size, reads=kernel.reads, writes=kernel.size)


def picked_gradient(kernel: Kernel) -> Answer:
    """The gradient of nll_loss, which is 0 but for one element of each target: the share of it, and its weight."""
    size = kernel.argument("target").numel()
    weighted = size if kernel.argument("weight") is not None else 0
    # Of the input only the sizes are needed; the last argument is the sum of the weights.
    reads = elements(kernel.argument("grad_output")) + size + weighted + elements(kernel.argument("total_weight"))
    return Work(muls=weighted, other=size, reads=reads, writes=kernel.size)


def rescale_qkv(kernel: Kernel) -> Answer:
    """A bias added to query, key and value; the query is scaled."""
    written = kernel.written
    return Work(adds=written, muls=written // 3, reads=kernel.reads, writes=written)


def of_each(kernel: Kernel) -> Answer:
    """A kernel over a list of tensors, for optimisers and for clipping."""
    name = kernel.func.name().split(".")[0].removeprefix("aten::_foreach_").rstrip("_")
    listed = tensors(kernel.out) or tensors(kernel.first)
    size = sum(tensor.numel() for tensor in listed)
    kinds: dict[str, Any] = {"add": "adds", "sub": "adds", "mul": "muls", "copy": None, "clone": None, "zero": None}
    kind = kinds.get(name, "other")
    # What is overwritten is not read.
    overwritten = sum(map(elements, tensors(kernel.first))) if name in ("copy", "zero") else 0
    work = Work(reads=kernel.reads - overwritten, writes=size)
    return work._replace(**{kind: size}) if kind else work


_GRADIENTS = [
    "elu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_sigmoid",
    "softplus",
    "softshrink",
    "gelu",
    "mish",
    "silu",
    "sigmoid",
    "tanh",
    "threshold",
    "_prelu_kernel",
    "rrelu_with_noise",
    "logit",
    "binary_cross_entropy",
    "huber_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "glu_backward_jvp",
]

_LISTS = [
    "abs",
    "acos",
    "add",
    "addcdiv",
    "addcmul",
    "asin",
    "atan",
    "ceil",
    "clamp_max",
    "clamp_min",
    "clone",
    "copy",
    "cos",
    "cosh",
    "div",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "floor",
    "frac",
    "lerp",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "maximum",
    "minimum",
    "mul",
    "neg",
    "pow",
    "reciprocal",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "sub",
    "tan",
    "tanh",
    "trunc",
    "zero",
]

RULES = {
    add: "aten::add aten::sub aten::rsub aten::subtract quantized::add",
    add_relu: "aten::_add_relu quantized::add_relu quantized::add_scalar_relu",
    mul: "aten::mul aten::multiply quantized::mul",
    # Element-wise functions without torch's tag for them.
    pointwise: (
        "aten::hardswish aten::hardsigmoid aten::mish aten::_prelu_kernel aten::log_sigmoid_forward aten::bernoulli "
        "aten::rrelu_with_noise aten::rrelu_with_noise_functional aten::quantize_per_tensor "
        "aten::quantize_per_channel aten::quantize_per_tensor_dynamic aten::dequantize aten::polar aten::complex "
        "aten::poisson aten::binomial aten::_standard_gamma aten::_sample_dirichlet aten::floor_divide aten::copysign "
        "aten::gelu aten::relu6 aten::prelu aten::celu aten::selu aten::softplus aten::isclose "
        "aten::renorm aten::_add_batch_dim_value aten::absolute aten::negative "
        "aten::__irshift__ "
        "quantized::hardswish quantized::elu quantized::leaky_relu quantized::sigmoid quantized::prelu "
        "quantized::celu quantized::relu6 quantized::softmax quantized::mul_relu quantized::clamp"
    ),
    gate: "aten::glu",
    fake_quantised: (
        "aten::fake_quantize_per_tensor_affine_cachemask aten::fake_quantize_per_channel_affine_cachemask "
        "aten::_fake_quantize_per_tensor_affine_cachemask_tensor_qparams "
        "aten::_fake_quantize_learnable_per_tensor_affine aten::_fake_quantize_learnable_per_channel_affine "
        "aten::_fused_moving_avg_obs_fq_helper aten::_fused_moving_avg_obs_fq_helper_functional"
    ),
    dropout: "aten::native_dropout aten::_fused_dropout",
    masked_scale: "aten::native_dropout_backward aten::_masked_scale",
    loss: (
        "aten::mse_loss aten::l1_loss aten::smooth_l1_loss aten::huber_loss aten::binary_cross_entropy "
        "aten::binary_cross_entropy_with_logits aten::soft_margin_loss aten::multi_margin_loss "
        "aten::multilabel_margin_loss_forward aten::kl_div"
    ),
    picked_loss: "aten::nll_loss_forward aten::nll_loss2d_forward aten::nll_loss aten::nll_loss2d",
    gradient: " ".join(f"aten::{name}_backward" for name in _GRADIENTS),
    gate_gradient: "aten::glu_backward",
    picked_gradient: "aten::nll_loss_backward aten::nll_loss2d_backward",
    rescale_qkv: "aten::_transform_bias_rescale_qkv",
    of_each: " ".join(f"aten::_foreach_{name}" for name in _LISTS),
}

KINDS = {add: "add", mul: "mul"}

# Element-wise functions that networks use as activations; what is not here (divisions, powers) is "other".
ACTIVATIONS = frozenset(
    f"aten::{name}"
    for name in [
        "relu",
        "relu6",
        "hardtanh",
        "leaky_relu",
        "elu",
        "gelu",
        "silu",
        "mish",
        "sigmoid",
        "tanh",
        "hardswish",
        "hardsigmoid",
        "softplus",
        "threshold",
        "log_sigmoid_forward",
        "glu",
        "_prelu_kernel",
        "prelu",
        "rrelu_with_noise",
        "rrelu_with_noise_functional",
        "celu",
        "selu",
    ]
)

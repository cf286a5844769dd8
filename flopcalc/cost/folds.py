"""What other counters report for a part of a description, whose calls are known by their labels only.

For modules that exist, `flopcalc.presets` has the same counters rule by rule. The two are compared by the tests.
"""

from collections.abc import Callable
from functools import wraps
from math import isqrt

from flopcalc.cost.arith import Dim, elementwise, exact_div
from flopcalc.cost.calls import How, how
from flopcalc.cost.cost import Part

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_WEIGHTED = (*_CONVOLUTIONS, "Linear")
_POOLS = ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool")


_Fold = Callable[[Part, Dim], Dim]


def _complex_once(fold: _Fold) -> _Fold:
    """A product of complex numbers is 4 of real ones; other counters take it for one."""

    @wraps(fold)
    def counted(part: Part, n: Dim) -> Dim:
        return fold(part._replace(macs=exact_div(part.macs, 4)) if how(part).is_complex else part, n)

    return counted


def macs(part: Part, n: Dim) -> Dim:
    """Multiply-accumulates."""
    return part.macs


def flops(part: Part, n: Dim) -> Dim:
    """Two for each multiply-accumulate, and all element-wise work."""
    return 2 * part.macs + part.adds + part.muls + part.other


def two_per_mac(part: Part, n: Dim) -> Dim:
    """Two for each multiply-accumulate, and nothing else."""
    return 2 * part.macs


def _norm(part: Part) -> Dim:
    """What fvcore, DeepSpeed and calflops have for a norm; without an affine map one less for each element."""
    module = how(part).module
    if not module.endswith("without affine"):
        return part.adds + part.muls
    return part.writes if module.startswith("Batch") else 4 * part.writes


def _printed(flops: int) -> int:
    """The FLOPs of an einsum as NumPy's `einsum_path` prints them, which counters read: one more, with four digits.

    Fvcore has rules of its own for two equations, which a label does not show.
    """
    return int(float(f"{flops + 1:.3e}"))


@_complex_once
def flop_counter(part: Part, n: Dim) -> Dim:
    """Two for each multiply-accumulate of the kernels that it knows."""
    return 2 * part.macs if how(part).kernel else 0


@_complex_once
def fvcore(part: Part, n: Dim) -> Dim:
    """Operators of the trace that it has a rule for; fused attention is none."""
    match how(part).operator:
        case "_convolution" | "linear" | "matmul" | "mm" | "bmm":
            return part.macs
        case "einsum":
            return elementwise(_printed, 2 * part.macs) // 2
        case "batch_norm" | "layer_norm" | "group_norm" | "instance_norm":
            return _norm(part)
        case "adaptive_avg_pool":
            return part.reads
        case "upsample_nearest2d":
            return part.writes
        case "upsample_bilinear2d":
            return 4 * part.writes
    return 0


def thop(part: Part, n: Dim) -> Dim:
    """Modules with a hook. A transposed convolution uses its weights at each position of the output."""
    match how(part).module:
        case "Conv" | "Linear":
            return part.macs
        case "ConvTranspose":
            return part.extra[0]
        case "BatchNorm" | "LayerNorm" | "InstanceNorm":
            return 4 * part.writes
        case "BatchNorm without affine" | "InstanceNorm without affine":
            return 2 * part.writes
        case "PReLU":
            return part.other
        case "Softmax":
            return 3 * part.writes - part.extra[0]
        case "AvgPool":
            return part.writes
        case "AdaptiveAvgPool":
            return part.reads + part.writes
        case "Upsample":
            return part.writes
    return 0


@_complex_once
def ultralytics_thop(part: Part, n: Dim) -> Dim:
    """As thop, with exact windows, and products in functions; attention as one module, softmax included."""
    called = how(part)
    match called.module:
        case "Conv" | "ConvTranspose" | "Linear" | "MultiheadAttention" | "MultiheadAttention.products":
            return part.macs if part.work != "softmax" else 3 * part.writes - part.extra[0]
        case "Conv subclass" | "Linear subclass":
            return part.macs
        case "BatchNorm" | "BatchNorm subclass" | "LayerNorm" | "LayerNorm subclass" | "InstanceNorm" | "GroupNorm":
            return 4 * part.writes
        case "BatchNorm without affine" | "BatchNorm subclass without affine" | "InstanceNorm without affine":
            return 2 * part.writes
        case "PReLU":
            return part.other
        case "Softmax":
            return 3 * part.writes - part.extra[0]
        case "AvgPool" | "AdaptiveAvgPool" | "AdaptiveAvgPool subclass":
            # extra: the elements of windows that reach beyond the padded input.
            return part.adds + part.other - sum(part.extra)
        case "":
            products = ("matmul", "bmm", "linear", "einsum", "scaled_dot_product_attention")
            return part.macs if called.operator in products else 0
    return 0


@_complex_once
def thop_2019(part: Part, n: Dim) -> Dim:
    """THOP of 2019 (thop/count_hooks.py): hooks on layers; a linear layer has its products and the additions between.

    No bias of a linear layer; a window of k x k, given as one number, has k additions and a division. A transposed
    convolution has the products of a plain one with its output.
    """
    match how(part).module:
        case "Conv":
            return part.macs + part.adds
        case "ConvTranspose":
            return part.extra[0] + part.adds
        case "Linear":
            return 2 * part.macs - part.activations
        case "BatchNorm" | "BatchNorm without affine":
            return 4 * part.writes
        case "AvgPool":
            return elementwise(isqrt, part.adds * part.other) + part.other
        case "AdaptiveAvgPool":
            return part.adds + part.other
        case "LeakyReLU":
            return part.other
    return 0


_TWICE = {"F.relu", "F.prelu", "F.elu", "F.gelu", "F.silu", "F.softmax", "F.relu6"}
_HOOKED = {"ReLU", "PReLU", "ELU", "LeakyReLU", "ReLU6", "GELU"}
_PATCHED_POOLS = {"F.max_pool", "F.avg_pool", "F.adaptive_avg_pool", "F.adaptive_max_pool"}


@_complex_once
def ptflops(part: Part, n: Dim) -> Dim:
    """A hook on the module, and again the patched function that the module calls. Operators such as + are not seen."""
    # Of what its hooks count it reports the mean over the batch; of functions the whole.
    return exact_div(_hooked(part, n), n) + _replaced(part, how(part))


@_complex_once
def ptflops_without_batch(part: Part, n: Dim) -> Dim:
    """The same where several inputs go by name: it takes the batch from the first input by position, or else as 1."""
    return _hooked(part, n) + _replaced(part, how(part))


def _hooked(part: Part, n: Dim) -> Dim:
    """What the hooks of ptflops count in the whole batch."""
    called = how(part)
    total: Dim = 0
    if called.module in _WEIGHTED:
        total += part.macs + part.adds
    elif called.module in {"BatchNorm without affine", "InstanceNorm without affine", "LayerNorm"}:
        total += part.writes
    elif called.module in {"BatchNorm", "InstanceNorm", "GroupNorm"}:
        total += 2 * part.writes
    elif called.module.startswith("MultiheadAttention"):
        total += part.macs + part.adds + part.muls
    elif called.module in _HOOKED:
        total += part.other
    elif called.module in _POOLS:
        total += part.reads
    elif called.module == "Upsample":
        total += exact_div(part.writes, n)
    return total


_BATCHED = {f"{one}.{name}" for one in ("torch", "Tensor") for name in ("matmul", "mm", "bmm")}
_ELEMENTWISE = {"torch.mul", "Tensor.mul", "torch.add", "Tensor.add"}


def _replaced(part: Part, called: How) -> Dim:
    """What the functions count that ptflops replaces."""
    function = called.function
    if called.module == "own RMSNorm":
        return part.extra[0]
    if function in _TWICE or function in _ELEMENTWISE or function.startswith("F.interpolate"):
        return part.writes
    if function in _PATCHED_POOLS:
        return part.reads
    return part.macs if function in _BATCHED else 0


@_complex_once
def ptflops_aten(part: Part, n: Dim) -> Dim:
    """Kernels on the CPU: products and biases of convolutions and linear layers; attention is one kernel, at 0."""
    called = how(part)
    if not (called.kernel and called.on_cpu):
        return 0
    return part.macs + part.adds if part.work in ("conv", "linear") else part.macs


def torchinfo(part: Part, n: Dim) -> Dim:
    """Parameters of modules without children: times positions for convolutions, times the batch for others."""
    match how(part).module:
        case "Conv":
            return part.macs + part.adds
        case "ConvTranspose":
            return part.extra[0] + part.adds
        case "own Conv" | "Conv subclass":
            return part.extra[0]
        case "BatchNorm subclass":
            # Not one with children, such as an activation.
            return sum(part.extra)
        case "own RMSNorm":
            return n * part.params
        case "own module":
            return part.extra[0] if part.extra else n * part.params
        case "Linear" | "Linear subclass":
            # extra: of one that is called at each step.
            return part.extra[0] if part.extra else n * part.params
        case "BatchNorm" | "LayerNorm" | "LayerNorm subclass" | "GroupNorm" | "InstanceNorm" | "PReLU":
            return n * part.params
    return 0


_PROFILED = {"F.relu", "F.prelu", "F.elu", "F.gelu", "F.silu", "F.softmax", "F.leaky_relu", "F.relu6"}


def _profiled(part: Part, *, deepspeed: bool) -> Dim:
    called = how(part)
    function = called.function
    if called.module == "ConvTranspose" and not deepspeed:
        return part.extra[1]
    if function in {"F.conv", "F.conv_transpose"}:
        return 2 * part.macs + part.adds
    if function in {"F.linear", "torch.matmul", "Tensor.matmul"}:
        return 2 * part.macs
    if function == "torch.einsum":
        return elementwise(_printed, 2 * part.macs)
    if deepspeed and (
        function in {"torch.bmm", "Tensor.bmm", "torch.mm", "Tensor.mm", "F.scaled_dot_product_attention"}
        or (called.operator == "matmul" and not function)
    ):
        return 2 * part.macs
    if function in {"F.batch_norm", "F.layer_norm", "F.group_norm", "F.instance_norm"}:
        return _norm(part)
    if called.module == "own RMSNorm":
        return part.extra[0]
    if function.startswith("F.interpolate"):
        # To a size, it forgets the channels; calflops drops the factor.
        return part.extra[0] if "size" in function else part.writes if deepspeed else part.reads
    if function in _PROFILED:
        return part.writes
    if function in {"torch.mul", "Tensor.mul", "torch.add", "Tensor.add"}:
        return part.writes
    return part.reads if function in _PATCHED_POOLS else 0


@_complex_once
def deepspeed(part: Part, n: Dim) -> Dim:
    """Functions that its profiler replaces; two for each multiply-accumulate."""
    return _profiled(part, deepspeed=True)


@_complex_once
def calflops(part: Part, n: Dim) -> Dim:
    """As DeepSpeed's profiler, without bmm, @ and fused attention."""
    return _profiled(part, deepspeed=False)


@_complex_once
def torchprofile(part: Part, n: Dim) -> Dim:
    """Operators of the trace: products, and one for each element of norms, products and average pooling."""
    called = how(part)
    return _recorded(part, called) + called.products


def _recorded(part: Part, called: How) -> Dim:
    if called.module == "own RMSNorm":
        return part.muls + part.extra[0]
    match called.operator:
        case "_convolution":
            return part.extra[2] if called.module == "ConvTranspose" else part.macs
        case "linear" | "matmul" | "bmm" | "baddbmm" | "einsum" | "scaled_dot_product_attention":
            return part.macs
        case "batch_norm" | "layer_norm" | "group_norm" | "instance_norm":
            return 0 if called.module.endswith("without affine") else part.writes
        case "upsample_bilinear2d":
            return 4 * part.writes
        case "mul":
            # Also of several products that are one part.
            return part.muls
        case "mean" | "avg_pool" | "adaptive_avg_pool" | "leaky_relu":
            return part.writes
    return 0

"""DeepSpeed's flops profiler, and calflops, a copy of it: they replace functions, and hook recurrent layers only."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat, zip_longest
from math import prod
from typing import Any

from flopcalc.presets import recurrent
from flopcalc.presets.call import Amount, Call, CallLog, Sized, ToolFailsError, failing
from flopcalc.presets.einsum import printed_flops
from flopcalc.presets.patching import (
    POOLS,
    WHAT,
    OfFunction,
    elements,
    left_aligned,
    names,
    no_custom_operators,
)


def _twice(call: Call) -> tuple[str, int]:
    return "products, 2 per MAC", 2 * call.sized(0).numel * call.sized(1, "weight").shape[0]


def _spatial(value: Any) -> Iterable[int]:
    return value if isinstance(value, tuple) else repeat(value)


def _convolved(call: Call) -> tuple[str, int]:
    x, weight = call.sized(0), call.sized(1, "weight")
    taps, padding = weight.shape[2:], call.argument(4, "padding", 0)
    stride, dilation = _spatial(call.argument(3, "stride", 1)), _spatial(call.argument(5, "dilation", 1))
    groups = call.argument(6, "groups", 1)
    if weight.shape[1] * groups != x.shape[1]:
        raise ValueError("an input without a batch")
    if padding == "same":
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, taps, strict=False))
    padding = _spatial(0 if padding == "valid" else padding)
    # An input without a batch has one axis less: its channels are taken for a batch, and a line for channels.
    out = prod(
        (size + 2 * p - (d * (k - 1) + 1)) // s + 1
        for size, p, d, k, s in zip(x.shape[2:], padding, dilation, taps, stride, strict=False)
    )
    positions = x.shape[0] * out
    macs = prod(taps) * x.shape[1] * (weight.shape[0] // groups) * positions
    bias = weight.shape[0] * positions if call.argument(2, "bias") is not None else 0
    return "products, 2 per MAC, and biases of convolutions", 2 * macs + bias


def _transposed_flops(call: Call, calflops: bool) -> tuple[str, int]:
    x, weight = call.sized(0), call.sized(1, "weight")
    taps, extra = weight.shape[2:], call.argument(5, "output_padding", 0)
    stride, padding = _spatial(call.argument(3, "stride", 1)), _spatial(call.argument(4, "padding", 0))
    # For a given size of the output torch computes a list.
    extra = _spatial(tuple(extra) if isinstance(extra, list) else extra)
    groups, dilation = call.argument(6, "groups", 1), _spatial(call.argument(7, "dilation", 1))
    sizes = zip(x.shape[2:], stride, padding, dilation, taps, extra, strict=False)
    if calflops:
        # The sizes of a convolution in the other direction.
        out = prod((size + 2 * p - (d * (k - 1) + 1)) // s + 1 for size, s, p, d, k, _ in sizes)
        filters, channels = weight.shape[1] // groups, weight.shape[1]
    else:
        out = prod((size - 1) * s - 2 * p + d * (k - 1) + e + 1 for size, s, p, d, k, e in sizes)
        filters, channels = weight.shape[1], weight.shape[1] * groups
    macs = prod(taps) * x.shape[1] * filters * x.shape[0] * prod(x.shape[2:])
    bias = channels * x.shape[0] * out if call.argument(2, "bias") is not None else 0
    return "products, 2 per MAC, and biases of convolutions", 2 * macs + bias


def _transposed_of_deepspeed(call: Call) -> tuple[str, int]:
    return _transposed_flops(call, calflops=False)


def _transposed_of_calflops(call: Call) -> tuple[str, int]:
    return _transposed_flops(call, calflops=True)


def _batch_norm(call: Call) -> tuple[str, int]:
    # Functions of torch that are written in Python come with such options by name.
    affine = call.kwargs["weight"] is not None
    each = (5 if affine else 4) if call.kwargs["training"] else 2 if affine else 1
    return "", call.sized(0).numel * each


def _norm(call: Call) -> tuple[str, int]:
    return "", call.sized(0).numel * (5 if call.kwargs["weight"] is not None else 4)


def _by_position(call: Call, position: int = 0) -> Sized:
    """A tensor that a replacement takes by position only."""
    if len(call.args[: call.positions]) <= position:
        raise IndexError(f"argument {position + 1} is given by name")
    return call.sized(position)


def _pooled(call: Call) -> tuple[str, int]:
    if "adaptive" in call.via and call.positions in (0, 1):
        raise TypeError("output_size is given by name")
    return elements(call)


def _upsampled(call: Call) -> tuple[str, int]:
    x, size, scale = _by_position(call), call.argument(1, "size"), call.argument(2, "scale_factor")
    if size is not None:
        return "upsampling", prod(size) if isinstance(size, list | tuple) else int(size)
    factor = prod(scale) if isinstance(scale, list | tuple) else scale ** (len(x.shape) - 2)
    return "upsampling", int(x.numel * factor)


def _upsampled_of_calflops(call: Call) -> tuple[str, int]:
    x, size, scale = _by_position(call), call.argument(1, "size"), call.kwargs.get("scale_factor")
    if size is not None:
        return "upsampling", prod(size) if isinstance(size, list | tuple) else int(size)
    # The factor is computed, and dropped. It takes the batch for the number of axes. What `upsample` is given by
    # position comes here again by name, as `interpolate`.
    if isinstance(scale, list) or (isinstance(scale, tuple) and len(scale) != x.shape[0]):
        raise TypeError("a power of several scale factors")
    return "upsampling", x.numel


def _free(call: Call) -> tuple[str, int]:
    return "softmax", 0


def _matmul_twice(call: Call) -> tuple[str, int]:
    return "products, 2 per MAC", 2 * call.sized(0).numel * call.sized(1, "other").shape[-1]


def _addmm_twice(call: Call) -> tuple[str, int]:
    macs = call.sized(1, "mat1").numel * call.sized(2, "mat2").shape[-1]
    return "products, 2 per MAC", 2 * macs + call.sized(0).numel


def _einsum(call: Call) -> tuple[str, int]:
    equation, *operands = call.args
    # Of numbers in the place of letters torch makes an equation: the source has more arguments.
    if call.positions not in (None, len(call.args)):
        raise ToolFailsError("it takes an equation and tensors for torch.einsum")
    return "products, 2 per MAC", int(printed_flops(equation, [one.shape for one in operands]))


def _broadcast(call: Call) -> tuple[str, int]:
    one, other = call.argument(0, "input"), call.argument(1, "other")
    tensors = [value.shape for value in (one, other) if isinstance(value, Sized)]
    return "", prod(map(max, zip_longest(*map(reversed, tensors), fillvalue=1)))


def _sdpa(call: Call) -> tuple[str, int]:
    q, k, v = (_by_position(call, i) for i in range(3))
    macs = q.numel * k.shape[-2] + prod(q.shape[:-1]) * k.shape[-2] * v.shape[-1]
    return "products, 2 per MAC", 2 * macs


_BOTH = {
    _twice: "linear",
    _convolved: "conv1d conv2d conv3d",
    elements: "relu prelu elu leaky_relu relu6 silu gelu softmax",
    _pooled: " ".join(POOLS),
    _batch_norm: "batch_norm",
    _norm: "layer_norm group_norm instance_norm",
    _free: "embedding",
}
_DEEPSPEED: dict[str, OfFunction] = {
    **names({
        **_BOTH,
        _transposed_of_deepspeed: "conv_transpose1d conv_transpose2d conv_transpose3d",
        _upsampled: "upsample interpolate",
        _sdpa: "scaled_dot_product_attention",
    }, "F"),
    **names({_matmul_twice: "matmul mm bmm", _addmm_twice: "addmm baddbmm", _broadcast: "mul add",
              _einsum: "einsum"}, "torch"),
    **names({_matmul_twice: "matmul __matmul__ mm bmm", _addmm_twice: "addmm", _broadcast: "mul add"}, "Tensor"),
}  # fmt: skip
_CALFLOPS: dict[str, OfFunction] = {
    **names({
        **_BOTH,
        _transposed_of_calflops: "conv_transpose1d conv_transpose2d conv_transpose3d",
        _upsampled_of_calflops: "upsample interpolate",
    }, "F"),
    **names({_matmul_twice: "matmul", _addmm_twice: "addmm baddbmm", left_aligned: "mul add",
              _einsum: "einsum"}, "torch"),
    **names({_matmul_twice: "matmul", _addmm_twice: "addmm", left_aligned: "mul add"}, "Tensor"),
}  # fmt: skip
_RECURRENT = {"RNN", "GRU", "LSTM"}
_CELLS = {"RNNCell", "GRUCell", "LSTMCell"}


def deepspeed(log: CallLog) -> Iterator[Amount]:
    """The flops of DeepSpeed's profiler 0.19.8: 2 per multiply-add, and the work of functions that it replaces."""
    return _profiled(log, _DEEPSPEED, [1] * len(log.nodes))


def calflops(log: CallLog) -> Iterator[Amount]:
    """The FLOPs of calflops 0.3.2, which adds a module up once for every way to it."""
    if not any(node.facts["params"] for node in log.nodes):
        raise ToolFailsError("it takes no module without parameters")
    whole = log.outermost
    if whole is not None:
        # It moves the arguments by name, or else those by position, to the device of the module.
        for one in whole.kwargs.values() or whole.args:
            if not _moves(one):
                raise ToolFailsError("it takes tensors only as the arguments of the forward")
    return _profiled(log, _CALFLOPS, log.visits)


def _moves(value: Any) -> bool:
    """Whether an argument has a method `to`: a tensor, a packed sequence, and what other classes may have."""
    if isinstance(value, Sized | Mapping):
        return True
    # A packed sequence has rows, the number of them in each step, and two orders.
    return isinstance(value, tuple) and len(value) == 4 and isinstance(value[1], Sized) and len(value[1].shape) == 1


def _profiled(log: CallLog, rules: Mapping[str, OfFunction], ways: list[int]) -> Iterator[Amount]:
    no_custom_operators(log)
    hooked = {index for index, node in enumerate(log.nodes) if node.cls in _RECURRENT | _CELLS}
    for call in log.calls:
        if call.level == "module" and call.node in hooked:
            rule = recurrent.weights_stack if call.name in _RECURRENT else recurrent.weights_cell
            with failing(f"its rule for {call.name}"):
                amount = rule(log.nodes[call.node], call, twice=True)
            yield Amount(call.node, "recurrent layers", amount * ways[call.node])
        else:
            # Of kernels the name is empty.
            name = call.via
            if name == "operator" and call.name in ("Tensor.matmul", "Tensor.__matmul__"):
                name = "Tensor.__matmul__"
            found = rules.get(name)
            owner = next((index for index in reversed(call.running) if index not in hooked), None)
            if found is None or owner is None:
                continue
            with failing(f"its replacement of {name}"):
                what, amount = found(call)  # type: ignore[assignment]
            yield Amount(owner, what or WHAT[name.partition(".")[2]], int(amount) * ways[owner])

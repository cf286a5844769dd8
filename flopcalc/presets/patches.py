"""Counters that replace functions of torch by their own: ptflops, and DeepSpeed's profiler with calflops, its copy.

Only code that looks a function up by its name calls the replacement. An operator such as `a @ b` does not, except
that DeepSpeed replaces `Tensor.__matmul__`.
"""

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

from flopcalc.presets import recurrent
from flopcalc.presets.call import Amount, Call, CallLog, Node, Sized, ToolFailsError
from flopcalc.presets.einsum import printed_flops

_OfModule = Callable[[Node, Call], tuple[str, int]]
_OfFunction = Callable[[Call], tuple[str, int | float]]
_POOLS = [f"{kind}_pool{n}d" for kind in ("avg", "max", "adaptive_avg", "adaptive_max") for n in (1, 2, 3)]
# Both of them raise an error of their own for arguments that they do not expect.
_ERRORS = (ValueError, IndexError, KeyError, TypeError, AttributeError)


def _x(call: Call) -> Sized:
    """What a hook gets as `input[0]`."""
    if not call.args or not isinstance(call.args[0], Sized):
        raise ToolFailsError(f"it needs the input of {call.name} by position")
    return call.args[0]


def _out(call: Call) -> Sized:
    if not isinstance(call.out, Sized):
        raise ToolFailsError(f"it needs one tensor as the output of {call.name}")
    return call.out


def _has_bias(node: Node) -> bool:
    return "bias" in dict(node.facts["params"])


# ptflops: hooks on modules of these classes exactly.


def _conv(node: Node, call: Call, extra: int = 0, transposed: bool = False) -> tuple[str, int]:
    facts, x, y = node.facts, _x(call), _out(call)
    taps = prod(facts["kernel_size"])
    per_position = taps * (facts["in_channels"] * (facts["out_channels"] // facts["groups"]) + extra)
    positions = x.shape[0] * prod((x if transposed else y).shape[2:])
    bias = x.shape[0] * prod(y.shape[1:]) if _has_bias(node) else 0
    return "products and biases", per_position * positions + bias


def _transposed(node: Node, call: Call) -> tuple[str, int]:
    return _conv(node, call, transposed=True)


def _deformable(node: Node, call: Call) -> tuple[str, int]:
    return _conv(node, call, 25 if len(call.args) == 3 and call.args[2] is not None else 24)


def _linear(node: Node, call: Call) -> tuple[str, int]:
    x, y = _x(call), _out(call)
    return "products and biases", (x.shape[-1] + _has_bias(node)) * y.shape[-1] * prod(x.shape[:-1])


def _act(node: Node, call: Call) -> tuple[str, int]:
    return "activations, in modules", _out(call).numel


def _pool(node: Node, call: Call) -> tuple[str, int]:
    return "pooling, in modules", _x(call).numel


def _norm(node: Node, call: Call) -> tuple[str, int]:
    what = "batch norm" if node.cls.startswith("BatchNorm") else "other norms"
    return what, _x(call).numel * (2 if node.facts.get("affine") else 1)


def _upsample(node: Node, call: Call) -> tuple[str, int]:
    return "upsampling, in modules", prod(_out(call).shape[1:])


def _recurrent(node: Node, call: Call) -> tuple[str, int]:
    return "recurrent layers", recurrent.weights_stack(node, call, twice=False)


def _cell(node: Node, call: Call) -> tuple[str, int]:
    return "recurrent layers", recurrent.weights_cell(node, call, twice=False)


def _attention(node: Node, call: Call) -> tuple[str, int]:
    if len(call.args) != 3:
        raise ToolFailsError("its rule for MultiheadAttention takes three inputs by position")
    q, k, v = call.args
    first = bool(node.facts["batch_first"])
    batch, at = q.shape[0 if first else 1], 1 if first else 0
    of_q, of_k, of_v = (one.shape[2] for one in (q, k, v))
    n, m, o = (one.shape[at] for one in (q, k, v))
    heads, params = node.facts["num_heads"], dict(node.facts["params"])
    flops = n * of_q + n * of_q**2 + m * of_k**2 + o * of_v**2
    if "in_proj_bias" in params:
        flops += (n + m + o) * of_q
    flops += heads * (n * m * (of_q // heads) + n * m + n * m * (of_v // heads)) + n * of_v * (of_v + 1)
    return "attention", flops * batch


def _timm_attention(node: Node, call: Call) -> tuple[str, int]:
    b, n, _ = _x(call).shape
    width, heads = node.facts["head_dim"], node.facts["num_heads"]
    return "attention", b * (n * width * heads + heads * (2 * n * n * width + n * n))


def _table(rules: Mapping[Any, str]) -> dict[str, Any]:
    return {name: rule for rule, names in rules.items() for name in names.split()}


_PTFLOPS: dict[str, _OfModule] = _table({
    _conv: "Conv1d Conv2d Conv3d",
    _act: "ReLU PReLU ELU LeakyReLU ReLU6 GELU",
    _pool: "MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d "
    "AdaptiveMaxPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d",
    _norm: "BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d GroupNorm LayerNorm",
    _linear: "Linear",
    _upsample: "Upsample",
    _transposed: "ConvTranspose1d ConvTranspose2d ConvTranspose3d",
    _recurrent: "RNN GRU LSTM",
    _cell: "RNNCell GRUCell LSTMCell",
    _attention: "MultiheadAttention",
    _deformable: "torchvision.ops.deform_conv.DeformConv2d",
    _timm_attention: "timm.models.vision_transformer.Attention timm.layers.attention.Attention",
})  # fmt: skip


def _elements(call: Call) -> tuple[str, int]:
    return "", call.sized(0).numel


def _resized(call: Call) -> tuple[str, int | float]:
    x = call.sized(0)
    size, scale = call.argument(1, "size"), call.argument(2, "scale_factor")
    planes, axes = prod(x.shape[:2]), len(x.shape) - 2
    if size is not None:
        return "", planes * (prod(size) if isinstance(size, tuple) else int(size) ** axes)
    if isinstance(scale, tuple) and len(scale) == axes:
        return "", x.numel * int(prod(scale))
    return "", x.numel * scale**axes


def _matmul(call: Call) -> tuple[str, int]:
    return "products", prod(call.sized(0).shape) * call.sized(1, "other").shape[-1]


def _addmm(call: Call) -> tuple[str, int]:
    first, second = call.sized(1, "mat1"), call.sized(2, "mat2")
    bias = call.sized(0).numel if call.kwargs.get("beta", 1) != 0 else 0
    return "products", first.numel * second.shape[-1] + bias


def _left_aligned(call: Call) -> tuple[str, int]:
    one, other = call.argument(0, "input"), call.argument(1, "other")
    tensors = [value.shape for value in (one, other) if isinstance(value, Sized)]
    if not tensors:
        return "", 1
    if len(tensors) == 1:
        return "", prod(tensors[0])
    rank = max(map(len, tensors))
    padded = [(*shape, *[1] * (rank - len(shape))) for shape in tensors]
    return "", prod(map(max, *padded))


def _names(functions: Mapping[Any, str], prefix: str) -> dict[str, Any]:
    return {f"{prefix}.{name}": rule for rule, names in functions.items() for name in names.split()}


_PTFLOPS_FUNCTIONS: dict[str, _OfFunction] = {
    **_names({
        _elements: f"relu prelu elu relu6 gelu silu softmax {' '.join(_POOLS)}",
        _resized: "upsample interpolate",
    }, "F"),
    **_names({_matmul: "matmul mm bmm", _addmm: "addmm baddbmm", _left_aligned: "mul add"}, "torch"),
    **_names({_matmul: "matmul mm bmm", _addmm: "addmm", _left_aligned: "mul add"}, "Tensor"),
}  # fmt: skip


def ptflops(log: CallLog) -> Iterator[Amount]:
    """ptflops 0.7.5, back end pytorch: its hooks, and its replacements of functions that the modules call."""
    ways = _ways_above_rules(log)
    for call in log.of("module"):
        rule = _PTFLOPS.get(call.name)
        if rule is not None and ways[call.node]:
            what, amount = _applied(rule, log.nodes[call.node], call)
            yield Amount(call.node, what, int(amount) * ways[call.node])
    yield from _replaced(log, _PTFLOPS_FUNCTIONS)


def _ways_above_rules(log: CallLog) -> list[int]:
    """How often ptflops adds a module's number up: along every way to it, but not below a module with a rule."""
    found = [0] * len(log.nodes)
    waiting = [0]
    while waiting:
        index = waiting.pop()
        found[index] += 1
        if log.nodes[index].cls not in _PTFLOPS:
            waiting += log.nodes[index].children
    return found


_WHAT = {
    **dict.fromkeys("relu prelu elu relu6 gelu silu leaky_relu".split(), "activations, in functions"),
    **dict.fromkeys(_POOLS, "pooling, in functions"),
    **dict.fromkeys(("upsample", "interpolate"), "upsampling"),
    **dict.fromkeys(("mul", "add"), "element-wise sums and products"),
    **dict.fromkeys("layer_norm instance_norm group_norm".split(), "other norms"),
    "softmax": "softmax",
    "batch_norm": "batch norm",
}


def _replaced(log: CallLog, rules: Mapping[str, _OfFunction]) -> Iterator[Amount]:
    for call in log.of("function"):
        rule = rules.get(call.via)
        if rule is not None:
            try:
                what, amount = rule(call)
            except _ERRORS as error:
                raise ToolFailsError(f"its replacement of {call.via} fails: {error}") from None
            yield Amount(call.node, what or _WHAT[call.via.partition(".")[2]], int(amount))


def _applied(rule: _OfModule, node: Node, call: Call) -> tuple[str, int]:
    try:
        return rule(node, call)
    except _ERRORS as error:
        raise ToolFailsError(f"its rule for {node.cls} fails: {error}") from None


# DeepSpeed and calflops: replacements of functions, while a module runs; hooks on recurrent layers only.


def _twice(call: Call) -> tuple[str, int]:
    return "products, 2 per MAC", 2 * call.sized(0).numel * call.sized(1, "weight").shape[0]


def _spatial(value: Any, axes: int) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,) * axes


def _convolved(call: Call) -> tuple[str, int]:
    x, weight = call.sized(0), call.sized(1, "weight")
    taps, axes = weight.shape[2:], len(x.shape) - 2
    stride = _spatial(call.argument(3, "stride", 1), axes)
    padding: Any = call.argument(4, "padding", 0)
    dilation = _spatial(call.argument(5, "dilation", 1), axes)
    groups = call.argument(6, "groups", 1)
    if weight.shape[1] * groups != x.shape[1]:
        raise ValueError("an input without a batch")
    if padding == "same":
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, taps, strict=True))
    padding = _spatial(0 if padding == "valid" else padding, axes)
    out = prod(
        (size + 2 * p - (d * (k - 1) + 1)) // s + 1
        for size, p, d, k, s in zip(x.shape[2:], padding, dilation, taps, stride, strict=True)
    )
    positions = x.shape[0] * out
    macs = prod(taps) * x.shape[1] * (weight.shape[0] // groups) * positions
    bias = weight.shape[0] * positions if call.argument(2, "bias") is not None else 0
    return "products, 2 per MAC, and biases of convolutions", 2 * macs + bias


def _transposed_flops(call: Call, calflops: bool) -> tuple[str, int]:
    x, weight = call.sized(0), call.sized(1, "weight")
    taps, axes = weight.shape[2:], len(x.shape) - 2
    stride, padding, extra = (
        _spatial(call.argument(3 + i, name, default), axes)
        for i, (name, default) in enumerate((("stride", 1), ("padding", 0), ("output_padding", 0)))
    )
    groups, dilation = call.argument(6, "groups", 1), _spatial(call.argument(7, "dilation", 1), axes)
    sizes = zip(x.shape[2:], stride, padding, dilation, taps, extra, strict=True)
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
    affine = call.argument(3, "weight") is not None
    training = bool(call.argument(5, "training", False))
    return "batch norm", call.sized(0).numel * ((5 if affine else 4) if training else 2 if affine else 1)


def _norm_of(position: int) -> _OfFunction:
    def rule(call: Call) -> tuple[str, int]:
        return "other norms", call.sized(0).numel * (5 if call.argument(position, "weight") is not None else 4)

    return rule


def _upsampled(call: Call) -> tuple[str, int]:
    x, size, scale = call.sized(0), call.argument(1, "size"), call.argument(2, "scale_factor")
    if size is not None:
        return "upsampling", prod(size) if isinstance(size, tuple) else int(size)
    factor = prod(scale) if isinstance(scale, tuple) else scale ** (len(x.shape) - 2)
    return "upsampling", int(x.numel * factor)


def _upsampled_of_calflops(call: Call) -> tuple[str, int]:
    size = call.argument(1, "size")
    if size is not None:
        return "upsampling", prod(size) if isinstance(size, tuple) else int(size)
    # The factor is computed, and dropped.
    return "upsampling", call.sized(0).numel


def _free(call: Call) -> tuple[str, int]:
    return "softmax", 0


def _matmul_twice(call: Call) -> tuple[str, int]:
    return "products, 2 per MAC", 2 * call.sized(0).numel * call.sized(1, "other").shape[-1]


def _addmm_twice(call: Call) -> tuple[str, int]:
    macs = call.sized(1, "mat1").numel * call.sized(2, "mat2").shape[-1]
    return "products, 2 per MAC", 2 * macs + call.sized(0).numel


def _einsum(call: Call) -> tuple[str, int]:
    equation, *operands = call.args
    if not isinstance(equation, str) or not all(isinstance(one, Sized) for one in operands):
        raise ToolFailsError("it takes an equation and tensors for torch.einsum")
    return "products, 2 per MAC", int(printed_flops(equation, [one.shape for one in operands]))


def _broadcast(call: Call) -> tuple[str, int]:
    tensors = [value.shape for value in (call.argument(0, "input"), call.argument(1, "other"))
               if isinstance(value, Sized)]  # fmt: skip
    if not tensors:
        return "", 1
    rank = max(map(len, tensors))
    return "", prod(max(sizes) for sizes in zip(*[(*[1] * (rank - len(one)), *one) for one in tensors], strict=True))


def _sdpa(call: Call) -> tuple[str, int]:
    q, k, v = (call.sized(i, name) for i, name in enumerate(("query", "key", "value")))
    macs = q.numel * k.shape[-2] + prod(q.shape[:-1]) * k.shape[-2] * v.shape[-1]
    return "products, 2 per MAC", 2 * macs


_BOTH = {
    _twice: "linear",
    _convolved: "conv1d conv2d conv3d",
    _elements: f"relu prelu elu leaky_relu relu6 silu gelu softmax {' '.join(_POOLS)}",
    _batch_norm: "batch_norm",
    _norm_of(2): "layer_norm group_norm",
    _norm_of(3): "instance_norm",
    _free: "embedding",
}
_DEEPSPEED: dict[str, _OfFunction] = {
    **_names({
        **_BOTH,
        _transposed_of_deepspeed: "conv_transpose1d conv_transpose2d conv_transpose3d",
        _upsampled: "upsample interpolate",
        _sdpa: "scaled_dot_product_attention",
    }, "F"),
    **_names({_matmul_twice: "matmul mm bmm", _addmm_twice: "addmm baddbmm", _broadcast: "mul add",
              _einsum: "einsum"}, "torch"),
    **_names({_matmul_twice: "matmul __matmul__ mm bmm", _addmm_twice: "addmm", _broadcast: "mul add"}, "Tensor"),
}  # fmt: skip
_CALFLOPS: dict[str, _OfFunction] = {
    **_names({
        **_BOTH,
        _transposed_of_calflops: "conv_transpose1d conv_transpose2d conv_transpose3d",
        _upsampled_of_calflops: "upsample interpolate",
    }, "F"),
    **_names({_matmul_twice: "matmul", _addmm_twice: "addmm baddbmm", _left_aligned: "mul add",
              _einsum: "einsum"}, "torch"),
    **_names({_matmul_twice: "matmul", _addmm_twice: "addmm", _left_aligned: "mul add"}, "Tensor"),
}  # fmt: skip
_RECURRENT = {"RNN", "GRU", "LSTM"}
_CELLS = {"RNNCell", "GRUCell", "LSTMCell"}


def deepspeed(log: CallLog) -> Iterator[Amount]:
    """The flops of DeepSpeed's profiler 0.19.8: 2 per multiply-add, and element-wise work of the functions it replaces."""
    return _profiled(log, _DEEPSPEED, [1] * len(log.nodes))


def calflops(log: CallLog) -> Iterator[Amount]:
    """The FLOPs of calflops 0.3.2, which adds a module up once for every way to it."""
    return _profiled(log, _CALFLOPS, log.visits)


def _profiled(log: CallLog, rules: Mapping[str, _OfFunction], ways: list[int]) -> Iterator[Amount]:
    hooked = {index for index, node in enumerate(log.nodes) if node.cls in _RECURRENT | _CELLS}
    for call in log.calls:
        if call.level == "module" and call.node in hooked:
            rule = recurrent.weights_stack if call.name in _RECURRENT else recurrent.weights_cell
            try:
                amount = rule(log.nodes[call.node], call, twice=True)
            except _ERRORS as error:
                raise ToolFailsError(f"its rule for {call.name} fails: {error}") from None
            yield Amount(call.node, "recurrent layers", amount * ways[call.node])
        elif call.level == "function":
            name = call.via
            if name == "operator" and call.name in ("Tensor.matmul", "Tensor.__matmul__"):
                name = "Tensor.__matmul__"
            found = rules.get(name)
            owner = next((index for index in reversed(call.running) if index not in hooked), None)
            if found is None or owner is None:
                continue
            try:
                what, amount = found(call)  # type: ignore[assignment]
            except _ERRORS as error:
                raise ToolFailsError(f"its replacement of {name} fails: {error}") from None
            yield Amount(owner, what or _WHAT[name.partition(".")[2]], int(amount) * ways[owner])

"""ptflops 0.7.5, back end pytorch: hooks on modules, and functions of torch that it replaces by its own."""

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

from flopcalc.presets import recurrent
from flopcalc.presets.call import Amount, Call, CallLog, Node, Sized, ToolFailsError, failing
from flopcalc.presets.patching import POOLS, OfFunction, elements, left_aligned, names, replaced

_OfModule = Callable[[Node, Call], tuple[str, int]]


def _x(call: Call) -> Sized:
    """What a hook gets as `input[0]`."""
    if not call.args:
        raise ToolFailsError(f"it needs the input of {call.name} by position")
    x: Sized = call.args[0]
    return x


def _out(call: Call) -> Sized:
    out: Sized = call.out
    return out


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
    what = next(f"{kind} norm".lower() for kind in ("Batch", "Layer", "Instance", "Group") if node.cls.startswith(kind))
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


def _resized(call: Call) -> tuple[str, int | float]:
    x = call.sized(0)
    size, scale = call.argument(1, "size"), call.argument(2, "scale_factor")
    planes, axes = prod(x.shape[:2]), len(x.shape) - 2
    if size is not None:
        return "", planes * (prod(size) if isinstance(size, list | tuple) else int(size) ** axes)
    if isinstance(scale, tuple) and len(scale) == axes:
        return "", x.numel * prod(map(int, scale))
    return "", x.numel * scale**axes


def _matmul(call: Call) -> tuple[str, int]:
    return "products", prod(call.sized(0).shape) * call.sized(1, "other").shape[-1]


def _addmm(call: Call) -> tuple[str, int]:
    first, second = call.sized(1, "mat1"), call.sized(2, "mat2")
    bias = call.sized(0).numel if call.kwargs.get("beta") != 0 else 0
    return "products", first.numel * second.shape[-1] + bias


_PTFLOPS_FUNCTIONS: dict[str, OfFunction] = {
    **names({
        elements: f"relu prelu elu relu6 gelu silu softmax {' '.join(POOLS)}",
        _resized: "upsample interpolate",
    }, "F"),
    **names({_matmul: "matmul mm bmm", _addmm: "addmm baddbmm", left_aligned: "mul add"}, "torch"),
    **names({_matmul: "matmul mm bmm", _addmm: "addmm", left_aligned: "mul add"}, "Tensor"),
}  # fmt: skip


def ptflops(log: CallLog) -> Iterator[Amount]:
    """Ptflops 0.7.5, back end pytorch: its hooks, and its replacements of functions that the modules call."""
    ways = _ways_above_rules(log)
    batch, hooked = _batch(log), 0
    for call in log.of("module"):
        rule = _PTFLOPS.get(call.name)
        if rule is not None and ways[call.node]:
            node = log.nodes[call.node]
            with failing(f"its rule for {node.cls}"):
                what, amount = rule(node, call)
            # Of what its hooks count it reports the mean over the batch, rounded down; of functions the whole.
            before = hooked // batch
            hooked += int(amount) * ways[call.node]
            yield Amount(call.node, what, hooked // batch - before)
    yield from replaced(log, _PTFLOPS_FUNCTIONS)


def _batch(log: CallLog) -> int:
    """The batch as ptflops takes it: the length of the input by position, and 1 without one.

    It passes one tensor by position, and several inputs by name.
    """
    whole = log.outermost
    given = whole.args[0] if whole is not None and len(whole.args) == 1 and not whole.kwargs else None
    if not isinstance(given, Sized):
        return 1
    if not given.shape or not given.shape[0]:
        raise ToolFailsError("it divides by the length of the input, which has none")
    return given.shape[0]


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

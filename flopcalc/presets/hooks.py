"""Counters that hook modules: THOP, the one of Ultralytics, and torchinfo. What a module calls they do not see."""

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

from flopcalc.presets import recurrent
from flopcalc.presets.call import Amount, Call, CallLog, Node, Shape, Sized, Sparse, ToolFailsError, first

_Rule = Callable[[Node, Call, Sized, Sized], tuple[str, int]]

_SOFTMAX = "softmax"


def _given(call: Call) -> Sized:
    """What a hook gets as `input[0]`: the first positional argument."""
    if call.args and first(call.args[0]) is not None and not isinstance(call.args[0], Sized):
        raise ToolFailsError(f"its rule for {call.name} reads the lengths of packed sequences, which are values")
    if not call.args or not isinstance(call.args[0], Sized):
        raise ToolFailsError(f"it needs the input of {call.name} by position")
    return call.args[0]


def _weight(node: Node) -> Shape:
    shape: Shape = dict(node.facts["params"])["weight"]
    return shape


def _conv(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    return "products", y.numel * (x.shape[1] // node.facts["groups"]) * prod(_weight(node)[2:])


def _norm(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    affine = node.facts.get("affine") or node.facts.get("elementwise_affine")
    what = "layer norm" if node.cls in ("LayerNorm", "RMSNorm") else "batch norm"
    return what, x.numel * (4 if affine else 2)


def _prelu(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    return "activations", x.numel


def _softmax(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    size = x.shape[node.facts["dim"]]
    return _SOFTMAX, x.numel // size * (3 * size - 1)


def _avgpool(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    return "pooling", y.numel


def _adaptive(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    # In floating-point numbers, as THOP computes it.
    ratio = prod(float(a) / float(b) for a, b in zip(x.shape[2:], y.shape[2:], strict=True))
    return "pooling", int((ratio + 1) * y.numel)


_TAPS = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}


def _upsample(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    return "upsampling", _TAPS.get(node.facts["mode"], 0) * y.numel


def _linear(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    return "products", node.facts["in_features"] * y.numel


def _cell(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    facts, kind = node.facts, node.cls.removesuffix("Cell")
    step = recurrent.THOP_CELLS[kind](facts["input_size"], facts["hidden_size"], recurrent.has_bias(node), 0)
    return "recurrent layers", step * x.shape[0]


def _stack(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    return "recurrent layers", recurrent.thop_stack(node, node.cls) * x.shape[0] * x.shape[1]


def _nothing(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    return "", 0


def _table(rules: Mapping[_Rule, str]) -> dict[str, _Rule]:
    return {name: rule for rule, names in rules.items() for name in names.split()}


_THOP = _table({
    _nothing: "ZeroPad2d ReLU ReLU6 LeakyReLU MaxPool1d MaxPool2d MaxPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d "
    "AdaptiveMaxPool3d Dropout Sequential PixelShuffle",
    _conv: "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d",
    _norm: "BatchNorm1d BatchNorm2d BatchNorm3d LayerNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d SyncBatchNorm",
    _prelu: "PReLU",
    _softmax: "Softmax",
    _avgpool: "AvgPool1d AvgPool2d AvgPool3d",
    _adaptive: "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d",
    _linear: "Linear",
    _upsample: "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
    _cell: "RNNCell GRUCell LSTMCell",
    _stack: "RNN GRU LSTM",
})  # fmt: skip


def thop(log: CallLog) -> Iterator[Amount]:
    """THOP 0.1.1. It hooks each module once for every way to it, and adds up along every way, but not below a rule."""
    ways = _ways(log, _THOP)
    for call in log.of("module"):
        node = log.nodes[call.node]
        rule = _THOP.get(node.cls)
        if rule is None or rule is _nothing or not ways[call.node]:
            continue
        what, amount = _apply(rule, node, call)
        yield Amount(call.node, what, amount * log.visits[call.node] * ways[call.node])


def _ways(log: CallLog, rules: Mapping[str, Any]) -> list[int]:
    """How often THOP adds a module's number up."""
    found = [0] * len(log.nodes)
    waiting = [0]
    while waiting:
        index = waiting.pop()
        found[index] += 1
        node = log.nodes[index]
        is_list = "Sequential" in node.bases or "ModuleList" in node.bases
        if index == 0 or is_list or node.cls not in rules:
            waiting += node.children
    return found


def _apply(rule: _Rule, node: Node, call: Call) -> tuple[str, int]:
    try:
        return rule(node, call, _given(call), call.result)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise ToolFailsError(f"its rule for {node.cls} fails: {error}") from None


def _transposed(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    # The channels are taken from the output, the volume from the input.
    return "products", x.numel * (y.shape[-len(_weight(node)) + 1] // node.facts["groups"]) * prod(_weight(node)[2:])


def _exact_conv(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    return "products", y.numel * (x.shape[-len(_weight(node)) + 1] // node.facts["groups"]) * prod(_weight(node)[2:])


def _exact_softmax(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    dim = -3 if "Softmax2d" in node.bases else node.facts.get("dim")
    if dim is None:
        dim = 0 if len(x.shape) in (0, 1, 3) else 1
    size = x.shape[dim] if x.shape else 1
    rows = x.numel // size if size else 0
    extra = x.numel if "Softmin" in node.bases else rows if "LogSoftmax" in node.bases else 0
    return _SOFTMAX, rows * (3 * size - 1) + extra


def _windows(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    facts = node.facts
    kernel = facts["kernel_size"]
    if isinstance(kernel, int):
        kernel = (kernel,) * (3 if "AvgPool3d" in node.bases else 2)
    dims = len(kernel)
    strides, pads = (
        (value,) * dims if isinstance(value, int) else value for value in (facts["stride"], facts["padding"])
    )
    total = 1
    axes = zip(x.shape[-dims:], y.shape[-dims:], kernel, strides, pads, strict=True)
    for size, out, k, s, p in axes:
        low, high = (-p, size + p) if facts["count_include_pad"] else (0, size)
        total *= sum(max(min(i * s - p + k, high) - max(i * s - p, low), 0) for i in range(out))
    return "pooling", prod(x.shape[:-dims]) * total + y.numel


def _cells(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    spans = (
        o if i == o else sum(-(-(j + 1) * i // o) - j * i // o for j in range(o))
        for i, o in zip(x.shape, y.shape, strict=True)
    )
    return "pooling", prod(spans) + y.numel


_EXACT_TAPS = {"linear": 5, "bilinear": 11, "bicubic": 259, "trilinear": 31}


def _exact_upsample(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    return "upsampling", _EXACT_TAPS.get(node.facts["mode"], 0) * y.numel


def _bilinear(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    return "products", (node.facts["in1_features"] + 1) * node.facts["in2_features"] * y.numel


def _exact_cell(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    facts, kind = node.facts, node.cls.removesuffix("Cell")
    step = recurrent.THOP_CELLS[kind](facts["input_size"], facts["hidden_size"], recurrent.has_bias(node), 0)
    return "recurrent layers", step * (x.shape[0] if len(x.shape) == 2 else 1)


def _exact_stack(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    kind = next(base for base in node.bases if base in recurrent.THOP_CELLS)
    steps = x.shape[0] if len(x.shape) == 2 else x.shape[0] * x.shape[1]
    projected = node.facts.get("proj_size", 0) if kind == "LSTM" else 0
    return "recurrent layers", recurrent.thop_stack(node, kind, projected) * steps


def _attention(node: Node, call: Call, x: Sized, y: Sized) -> tuple[str, int]:
    facts, params = node.facts, dict(node.facts["params"])
    appended = ("bias_k" in params) + bool(facts.get("add_zero_attn"))
    weights = call.out[1] if isinstance(call.out, tuple) and len(call.out) > 1 else None
    return "products", attention(
        y, weights, call.sized(1, "key"), facts["embed_dim"], facts["num_heads"], facts["kdim"], facts["vdim"],
        appended, bool(facts["batch_first"]),
    )  # fmt: skip


def attention(
    out: Sized,
    weights: Sized | None,
    key: Sized,
    width: int,
    heads: int,
    of_keys: int,
    of_values: int,
    appended: int,
    batch_first: bool,
) -> int:
    """The rule of ultralytics-thop: projections, both products, and the softmax."""
    alone = len(out.shape) == 2
    queries = out.shape[-2] if batch_first or alone else out.shape[0]
    batch = 1 if alone else out.shape[0 if batch_first else 1]
    if isinstance(weights, Sized):
        attended = weights.shape[-1]
    else:
        attended = (key.shape[-2] if batch_first or len(key.shape) == 2 else key.shape[0]) + appended
    projections = width * (2 * queries * width + (attended - appended) * (of_keys + of_values))
    softmax = batch * heads * queries * (3 * attended - 1)
    return batch * (projections + 2 * queries * attended * width) + softmax


_ULTRALYTICS = _table({
    _nothing: "_ConstantPadNd _ReflectionPadNd _ReplicationPadNd _CircularPadNd _DropoutNd ReLU ReLU6 LeakyReLU "
    "MaxPool1d MaxPool2d MaxPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d FractionalMaxPool2d "
    "FractionalMaxPool3d _MaxUnpoolNd Sequential ModuleList ModuleDict ParameterList ParameterDict Identity Flatten "
    "Unflatten Unfold PixelShuffle PixelUnshuffle ChannelShuffle",
    _exact_conv: "Conv1d Conv2d Conv3d",
    _transposed: "ConvTranspose1d ConvTranspose2d ConvTranspose3d",
    _norm: "_NormBase LayerNorm GroupNorm RMSNorm",
    _prelu: "PReLU",
    _exact_softmax: "Softmax LogSoftmax Softmin Softmax2d",
    _windows: "AvgPool1d AvgPool2d AvgPool3d",
    _cells: "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d",
    _linear: "Linear",
    _bilinear: "Bilinear",
    _exact_upsample: "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
    _exact_cell: "RNNCell GRUCell LSTMCell",
    _exact_stack: "RNN GRU LSTM",
    _attention: "MultiheadAttention",
})  # fmt: skip
# It has a rule that adds nothing, but functions below it do not count.
_SILENT = "Embedding"
_PRODUCTS = {
    f"{prefix}.{name}" for prefix in ("torch", "Tensor") for name in ("matmul", "__matmul__", "bmm")
} | {"F.linear", "torch.einsum", "F.multi_head_attention_forward", "F.scaled_dot_product_attention"}  # fmt: skip


def ultralytics_thop(log: CallLog) -> Iterator[Amount]:
    """ultralytics-thop 2.2.3: rules for modules and what derives from them, and products outside of such modules."""
    rules = [_by_base(node) for node in log.nodes]
    ruled = {index for index, rule in enumerate(rules) if rule is not None and rule is not _nothing}
    ruled |= {index for index, node in enumerate(log.nodes) if rules[index] is None and _SILENT in node.bases}
    for call in log.calls:
        if call.level == "module":
            rule = rules[call.node]
            if rule is not None and rule is not _nothing:
                what, amount = _by_keyword(rule, log.nodes[call.node], call)
                yield Amount(call.node, what, amount)
        elif call.level == "function" and call.within < 0 and call.name in _PRODUCTS and ruled.isdisjoint(call.running):
            yield Amount(call.node, "products", _product(call))


def _by_base(node: Node) -> _Rule | None:
    for base in node.bases:
        if base in _ULTRALYTICS:
            return _ULTRALYTICS[base]
        if base == _SILENT:
            return None
    return None


def _by_keyword(rule: _Rule, node: Node, call: Call) -> tuple[str, int]:
    given = [*call.args, *call.kwargs.values()]
    x = given[0] if given and isinstance(given[0], Sized) else first(given)
    if x is None:
        raise ToolFailsError(f"it needs the input of {node.cls}")
    try:
        return rule(node, call, x, call.result)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise ToolFailsError(f"its rule for {node.cls} fails: {error}") from None


def _product(call: Call) -> int:
    y = call.result
    if call.name == "torch.einsum":
        return _einsum(call)
    if call.name == "F.scaled_dot_product_attention":
        q, k, v = (call.sized(i, name) for i, name in enumerate(("query", "key", "value")))
        return y.numel // v.shape[-1] * k.shape[-2] * (q.shape[-1] + v.shape[-1])
    if call.name == "F.multi_head_attention_forward":
        _, key, value, width, heads, _, _, bias_k, _, add_zero = call.args[:10]
        weights = call.out[1] if isinstance(call.out, tuple) else None
        appended = (bias_k is not None) + bool(add_zero)
        return attention(y, weights, key, width, heads, key.shape[-1], value.shape[-1], appended, False)
    return y.numel * call.sized(0).shape[-1]


def _einsum(call: Call) -> int:
    equation, *operands = call.args
    if len(operands) == 1 and isinstance(operands[0], list | tuple) and not isinstance(operands[0], Sized):
        operands = list(operands[0])
    if len(operands) != 2:
        return 0
    left, arrow, out = equation.replace(" ", "").partition("->")
    if not arrow:
        out = "..." + "".join(c for c in left if left.count(c) == 1)
    sizes: list[dict[Any, int]] = []
    for subscripts, tensor in zip(left.split(","), operands, strict=True):
        head, _, tail = subscripts.partition("...")
        n = len(tensor.shape) - len(head) - len(tail)
        named = zip([*head, *range(n, 0, -1), *tail], tensor.shape, strict=False)
        sizes.append({key: size for key, size in named if size != 1})
    total = 1
    for key in sizes[0].keys() | sizes[1].keys():
        both = key in sizes[0] and key in sizes[1]
        if both or (key in out if isinstance(key, str) else "..." in out):
            total *= sizes[0].get(key, sizes[1].get(key, 1))
    return total


def torchinfo(log: CallLog) -> Iterator[Amount]:
    """Torchinfo 1.8.0: of modules without children, parameters times positions where the class is named Conv.

    Otherwise times the first size of the output, and times its first two for parameters with other names.
    """
    whole = log.outermost
    if whole is not None and _has_sparse((whole.args, whole.kwargs)):
        raise ToolFailsError("it adds up the storages of the inputs, and a sparse tensor has none")
    for call in log.of("module"):
        node = log.nodes[call.node]
        if node.children:
            continue
        size = _reported(call.out)
        conv = "Conv" in node.cls.rpartition(".")[2]
        for name, shape in node.facts["params"]:
            params = prod(shape)
            if name in ("weight", "bias"):
                amount = params * (prod(size[:1]) * prod(size[2:]) if conv else size[0])
                what = (
                    "products and biases"
                    if conv or node.cls == "Linear"
                    else "parameters of other layers, once per sample"
                )
                yield Amount(call.node, what, amount)
            elif "weight" in name or "bias" in name:
                yield Amount(call.node, "parameters of other layers, once per sample", prod(size[:2]) * params)


def _has_sparse(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sized) or not isinstance(value, list | tuple):
        return isinstance(value, Sparse)
    return any(map(_has_sparse, value))


def _reported(out: Any) -> Shape:
    """The size of an output as torchinfo reads it: the first of several tensors, the last of a mapping."""
    if isinstance(out, Sized):
        return out.shape
    if isinstance(out, Mapping):
        out = list(out.values())[-1:]
    found = first(out)
    if found is None:
        raise ToolFailsError("it needs tensors as outputs")
    return found.shape

"""Counters that hook modules: THOP, the one of Ultralytics, and torchinfo. What a module calls they do not see."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import prod
from operator import truediv
from typing import Any

from flopcalc.presets import recurrent
from flopcalc.presets.call import Amount, Call, CallLog, Node, Shape, Sized, Sparse, ToolFailsError, failing, first

# Gets what a hook gets for the first input, None without one, and the output: a rule fails where it reads the size of
# anything but a tensor, as the rules of the tools do.
_Rule = Callable[[Node, Call, Any, Any], tuple[str, int]]

_SOFTMAX = "softmax"


def _conv(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    return "products", y.numel * (x.shape[1] // node.facts["groups"]) * prod(node.facts["kernel_size"])


_NORMS = {
    "_InstanceNorm": "instance norm",
    "GroupNorm": "group norm",
    "LayerNorm": "layer norm",
    "RMSNorm": "RMS norm",
}


def _norm(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    affine = node.facts.get("affine") or node.facts.get("elementwise_affine")
    what = next((_NORMS[base] for base in node.bases if base in _NORMS), "batch norm")
    return what, x.numel * (4 if affine else 2)


def _prelu(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    return "activations", x.numel


def _softmax(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    size = x.shape[node.facts["dim"]]
    return _SOFTMAX, x.numel // size * (3 * size - 1)


def _avgpool(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    return "pooling", y.numel


def _adaptive(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    # In floating-point numbers, as THOP computes it.
    return "pooling", int((prod(map(truediv, x.shape[2:], y.shape[2:])) + 1) * y.numel)


_TAPS = {"nearest": 1, "linear": 5, "bilinear": 11, "bicubic": 259}


def _upsample(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    taps = _TAPS.get(node.facts["mode"], 0)
    if taps and x is None:
        raise ToolFailsError("its rule for Upsample needs the input by position")
    return "upsampling", taps * y.numel


def _linear(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    return "products", node.facts["in_features"] * y.numel


def _cell(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    facts, kind = node.facts, node.cls.removesuffix("Cell")
    step = recurrent.THOP_CELLS[kind](facts["input_size"], facts["hidden_size"], recurrent.has_bias(node), 0)
    return "recurrent layers", step * x.shape[0]


def _stack(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    if not isinstance(x, Sized):
        raise ToolFailsError(
            f"its rule for {node.cls} reads the input by position, and of packed sequences their lengths"
        )
    return "recurrent layers", recurrent.thop_stack(node, node.cls) * x.shape[0] * x.shape[1]


def _table(rules: Mapping[_Rule | None, str]) -> dict[str, _Rule | None]:
    """The rule of each class, None where it adds nothing."""
    return {name: rule for rule, names in rules.items() for name in names.split()}


_THOP = _table({
    None: "ZeroPad2d ReLU ReLU6 LeakyReLU MaxPool1d MaxPool2d MaxPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d "
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
        if rule is None or not ways[call.node]:
            continue
        with failing(f"its rule for {node.cls}"):
            what, amount = rule(node, call, call.args[0] if call.args else None, call.out)
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


def _exact_conv(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    kernel = node.facts["kernel_size"]
    return "products", y.numel * (x.shape[-len(kernel) - 1] // node.facts["groups"]) * prod(kernel)


def _transposed(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    # The channels are taken from the output, the volume from the input.
    return _exact_conv(node, call, y, x)


def _exact_softmax(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    # Without a dimension torch takes that of the channels; Softmax2d has none, and takes 3 or 4 axes.
    dim = node.facts.get("dim", 0 if len(x.shape) in (1, 3) else 1)
    size = x.shape[dim] if x.shape else 1
    rows = x.numel // size if size else 0
    extra = x.numel if "Softmin" in node.bases else rows if "LogSoftmax" in node.bases else 0
    return _SOFTMAX, rows * (3 * size - 1) + extra


def _windows(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    facts = node.facts
    kernel = facts["kernel_size"]
    if isinstance(kernel, int):
        kernel = (kernel,) * (3 if "AvgPool3d" in node.bases else 2)
    dims = len(kernel)
    strides, pads = (
        (value,) * dims if isinstance(value, int) else value for value in (facts["stride"], facts["padding"])
    )
    inside = partial(_inside, facts["count_include_pad"])
    total = prod(map(inside, x.shape[-dims:], y.shape[-dims:], kernel, strides, pads))
    return "pooling", prod(x.shape[:-dims]) * total + y.numel


def _inside(with_padding: bool, size: int, out: int, k: int, s: int, p: int) -> int:
    """The sum over all windows of one axis of the elements that are in the input."""
    low, high = (-p, size + p) if with_padding else (0, size)
    return sum(max(min(i * s - p + k, high) - max(i * s - p, low), 0) for i in range(out))


def _cells(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    return "pooling", prod(map(_in_cells, x.shape, y.shape)) + y.numel


def _in_cells(size: int, out: int) -> int:
    """The same for adaptive windows."""
    return sum(-(-(j + 1) * size // out) - j * size // out for j in range(out))


_EXACT_TAPS = {"linear": 5, "bilinear": 11, "bicubic": 259, "trilinear": 31}


def _exact_upsample(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    return "upsampling", _EXACT_TAPS.get(node.facts["mode"], 0) * y.numel


def _bilinear(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    return "products", (node.facts["in1_features"] + 1) * node.facts["in2_features"] * y.numel


def _exact_cell(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    facts, kind = node.facts, node.cls.removesuffix("Cell")
    step = recurrent.THOP_CELLS[kind](facts["input_size"], facts["hidden_size"], recurrent.has_bias(node), 0)
    return "recurrent layers", step * prod(x.shape[:-1])


def _exact_stack(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    kind = next(base for base in node.bases if base in recurrent.THOP_CELLS)
    # A packed sequence begins with the rows of all steps.
    rows: Any = first(x)
    return "recurrent layers", recurrent.thop_stack(node, kind, node.facts["proj_size"]) * prod(rows.shape[:-1])


def _attention(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    facts, params = node.facts, dict(node.facts["params"])
    out, weights = y if isinstance(y, tuple) and not isinstance(y, Sized) else (y, None)
    return "products", attention(
        out, weights, [*call.args, *call.kwargs.values()], facts["embed_dim"], facts["num_heads"], facts["kdim"],
        facts["vdim"], ("bias_k" in params) + facts["add_zero_attn"], facts["batch_first"],
    )  # fmt: skip


def attention(
    out: Sized,
    weights: Sized | None,
    given: Sequence[Any],
    width: int,
    heads: int,
    of_keys: int,
    of_values: int,
    appended: int,
    batch_first: bool,
) -> int:
    """The rule of ultralytics-thop: projections, both products, and the softmax. given: the query, the keys, ..."""
    alone = len(out.shape) == 2
    queries = out.shape[-2] if batch_first or alone else out.shape[0]
    batch = 1 if alone else out.shape[0 if batch_first else 1]
    if weights is not None:
        attended = weights.shape[-1]
    else:
        keys = given[1].shape
        attended = (keys[-2] if batch_first or alone else keys[0]) + appended
    projections = width * (2 * queries * width + (attended - appended) * (of_keys + of_values))
    softmax = batch * heads * queries * (2 * attended + max(attended - 1, 0))
    return batch * (projections + 2 * queries * attended * width) + softmax


def _embedding(node: Node, call: Call, x: Any, y: Any) -> tuple[str, int]:
    # Unlike with a class without work, functions that are called below do not count.
    return "lookups", 0


_ULTRALYTICS = _table({
    None: "_ConstantPadNd _ReflectionPadNd _ReplicationPadNd _CircularPadNd _DropoutNd ReLU ReLU6 LeakyReLU "
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
    _embedding: "Embedding",
})  # fmt: skip
_PRODUCTS = {
    f"{prefix}.{name}" for prefix in ("torch", "Tensor") for name in ("matmul", "__matmul__", "bmm")
} | {"F.linear", "torch.einsum", "F.multi_head_attention_forward", "F.scaled_dot_product_attention"}  # fmt: skip


def ultralytics_thop(log: CallLog) -> Iterator[Amount]:
    """ultralytics-thop 2.2.3: rules for modules and what derives from them, and products outside of such modules."""
    rules = [next((_ULTRALYTICS[base] for base in node.bases if base in _ULTRALYTICS), None) for node in log.nodes]
    ruled = {index for index, rule in enumerate(rules) if rule is not None}
    for call in log.calls:
        rule = rules[call.node]
        if call.level == "module" and rule is not None:
            given = [*call.args, *call.kwargs.values()]
            node = log.nodes[call.node]
            with failing(f"its rule for {node.cls}"):
                what, amount = rule(node, call, given[0] if given else None, call.out)
            yield Amount(call.node, what, amount)
        elif call.level == "function" and call.within < 0 and call.name in _PRODUCTS and ruled.isdisjoint(call.running):
            with failing(f"its rule for {call.name}"):
                amount = _product(call)
            yield Amount(call.node, "products", amount)


def _product(call: Call) -> int:
    if call.name == "torch.einsum":
        return _einsum(call)
    if call.name == "F.multi_head_attention_forward":
        _, key, value, width, heads, _, _, bias_k, _, add_zero = call.args[:10]
        out, weights = call.out
        appended = (bias_k is not None) + add_zero
        return attention(
            out, weights, call.args, width, heads, key.shape[-1], value.shape[-1], appended, batch_first=False
        )
    y = call.result
    if call.name == "F.scaled_dot_product_attention":
        q, k, v = (call.sized(i, name) for i, name in enumerate(("query", "key", "value")))
        return y.numel // v.shape[-1] * k.shape[-2] * (q.shape[-1] + v.shape[-1])
    return y.numel * call.sized(0).shape[-1]


def _einsum(call: Call) -> int:
    equation, *operands = call.args
    if isinstance(operands[0], list | tuple) and not isinstance(operands[0], Sized):
        operands = list(operands[0])
    if len(operands) != 2:
        return 0
    left, arrow, out = equation.replace(" ", "").partition("->")
    if not arrow:
        out = "..." + "".join(c for c in left if left.count(c) == 1)
    one, other = map(_axes, left.split(","), operands)
    total = 1
    for key, size in {**other, **one}.items():
        both = key in one and key in other
        if both or (key in out if isinstance(key, str) else "..." in out):
            total *= size
    return total


def _axes(subscripts: str, tensor: Sized) -> dict[str | int, int]:
    """The sizes of a tensor's axes by letter, those of the dots by place from the right; none of size 1."""
    head, _, tail = subscripts.partition("...")
    dots = range(len(tensor.shape) - len(head) - len(tail), 0, -1)
    return {key: size for key, size in zip([*head, *dots, *tail], tensor.shape, strict=True) if size != 1}


_WITH_BIASES = "products and biases"
_OTHERS = "parameters of other layers, once per sample"


def torchinfo(log: CallLog) -> Iterator[Amount]:
    """Torchinfo 1.8.0: of modules without children, parameters times positions where the class is named Conv.

    Otherwise times the first size of the output, and times its first two for parameters with other names.
    """
    whole = log.outermost
    if whole is not None and _has_sparse((whole.args, whole.kwargs)):
        raise ToolFailsError("it adds up the storages of the inputs, and a sparse tensor has none")
    for call in log.of("module"):
        node = log.nodes[call.node]
        size = _reported(call.out)
        if node.children:
            continue
        for name, shape in node.facts["params"]:
            if name.removesuffix("_orig") + "_mask" in node.facts.get("buffers", ()):
                raise ToolFailsError("it adds up the masks of pruned parameters, which are values")
            with failing(f"its rule for {node.cls}"):
                what, amount = _of_parameter(node, name, prod(shape), size)
            yield Amount(call.node, what, amount)


def _of_parameter(node: Node, name: str, params: int, size: Shape) -> tuple[str, int]:
    """The rule for one parameter. size: of the output."""
    if name not in ("weight", "bias"):
        return _OTHERS, params * prod(size[:2]) if "weight" in name or "bias" in name else 0
    if "Conv" in node.cls.rpartition(".")[2]:
        return _WITH_BIASES, params * prod(size[:1]) * prod(size[2:])
    return _WITH_BIASES if "Linear" in node.bases else _OTHERS, params * size[0]


def _has_sparse(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sized) or not isinstance(value, list | tuple):
        return isinstance(value, Sparse)
    return any(map(_has_sparse, value))


def _reported(out: Any) -> Shape:
    """The size of an output as torchinfo reads it: of the first of several tensors, of the last value of a mapping."""
    if isinstance(out, bool | int | float | str) or out == {}:
        raise ToolFailsError("it needs tensors as outputs")
    if isinstance(out, Mapping):
        out = list(out.values())[-1]
    while not isinstance(out, Sized):
        if isinstance(out, Mapping):
            out = list(out.values())
        if not isinstance(out, list | tuple) or not out:
            return ()
        out = out[0]
    return out.shape

"""Counters that read a trace of torch's operators: fvcore and torchprofile."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import floor, prod

from flopcalc.presets.call import Amount, Call, CallLog, Shape, Sized, ToolFailsError, failing
from flopcalc.presets.einsum import printed_flops

_Rule = Callable[[Call], tuple[str, int]]


def _shape(call: Call, position: int, name: str = "input") -> Shape:
    return call.sized(position, name).shape


def _conv(call: Call) -> tuple[str, int]:
    positions = call.sized(0) if call.argument(6, "transposed") else call.result
    return "products", _shape(call, 0)[0] * prod(_shape(call, 1, "weight")) * prod(positions.shape[2:])


def _addmm(call: Call) -> tuple[str, int]:
    (n, m), (_, p) = _shape(call, 1, "mat1"), _shape(call, 2, "mat2")
    return "products", n * m * p


def _linear(call: Call) -> tuple[str, int]:
    return "products", prod(_shape(call, 0)) * _shape(call, 1, "weight")[0]


def _bmm(call: Call) -> tuple[str, int]:
    if len(call.args) != 2:
        raise ValueError("a result that is given")
    n, c, t = _shape(call, 0)
    return "products", n * c * t * _shape(call, 1, "mat2")[-1]


def _matmul(call: Call) -> tuple[str, int]:
    if len(call.args) != 2:
        raise ValueError("a result that is given")
    one, other = _shape(call, 0), _shape(call, 1, "other")
    if len(other) == 1:
        raise ValueError("a product with a vector")
    return "products", prod(one) * other[-1]


def _operands(call: Call) -> tuple[str, list[Shape]]:
    equation, operands, *_ = call.args
    return equation, [one.shape for one in operands]


def _einsum(call: Call) -> tuple[str, int]:
    equation, shapes = _operands(call)
    short = _relabelled(equation.replace(" ", ""))
    if short == "abc,abd->acd":
        return "products", prod(shapes[0]) * shapes[1][-1]
    if short == "abc,adc->adb":
        return "products", prod(shapes[0]) * shapes[1][1]
    return "products", floor(printed_flops(equation, shapes) / 2)


def _relabelled(equation: str) -> str:
    letters = list(dict.fromkeys(letter for letter in equation if letter.isalpha()))
    return equation.translate({ord(letter): 97 + i for i, letter in enumerate(letters)})


def _norm_of(call: Call) -> str:
    return call.operator.removeprefix("aten::").replace("_", " ")


def _norm(position: int) -> _Rule:
    def rule(call: Call) -> tuple[str, int]:
        x = call.sized(0)
        if not 2 <= len(x.shape) <= 5:
            raise ValueError("a norm of an input with other than 2 to 5 axes")
        return _norm_of(call), x.numel * (5 if call.argument(position, "weight") is not None else 4)

    return rule


def _batch_norm(call: Call) -> tuple[str, int]:
    x, affine = call.sized(0), call.argument(1, "weight") is not None
    if call.argument(5, "training"):
        return "batch norm that computes its statistics", x.numel * (5 if affine else 4)
    return "batch norm", x.numel * (2 if affine else 1)


def _scaled(what: str, of_input: int, of_output: int) -> _Rule:
    def rule(call: Call) -> tuple[str, int]:
        return what, of_input * call.sized(0).numel + of_output * call.result.numel

    return rule


_FVCORE: Mapping[str, _Rule] = {
    "addmm": _addmm,
    "bmm": _bmm,
    "_convolution": _conv,
    "einsum": _einsum,
    "matmul": _matmul,
    "mm": _matmul,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "group_norm": _norm(2),
    "layer_norm": _norm(2),
    "instance_norm": _norm(1),
    "upsample_nearest2d": _scaled("upsampling", 0, 1),
    "upsample_bilinear2d": _scaled("upsampling", 0, 4),
    "adaptive_avg_pool2d": _scaled("adaptive pooling", 1, 0),
    "grid_sampler": _scaled("grid sampling", 0, 4),
}


def fvcore(log: CallLog) -> Iterator[Amount]:
    """Fvcore 0.1.5: products, norms, adaptive average pooling, nearest and bilinear upsampling; no fused attention."""
    return _traced(log, _FVCORE)


def _traced(log: CallLog, rules: Mapping[str, _Rule]) -> Iterator[Amount]:
    for call in log.operators:
        name = call.operator.removeprefix("aten::")
        rule = rules.get(name)
        if rule is not None:
            with failing(f"its rule for {call.operator}"):
                what, amount = rule(call)
            yield Amount(call.node, what, amount)


def _product(call: Call) -> tuple[str, int]:
    return "products", call.result.numel * _shape(call, 0)[-1]


def _convolved(call: Call) -> tuple[str, int]:
    y, weight = call.result, _shape(call, 1, "weight")
    channels = weight[1] if y.shape[1] == weight[0] else weight[0]
    return "products", y.numel * channels * prod(weight[2:])


def _scale(position: int) -> _Rule:
    def rule(call: Call) -> tuple[str, int]:
        return _norm_of(call), call.result.numel if call.argument(position, "weight") is not None else 0

    return rule


def _written(what: str, factor: int = 1) -> _Rule:
    def rule(call: Call) -> tuple[str, int]:
        return what, factor * call.result.numel

    return rule


def _multiplied(call: Call) -> tuple[str, int]:
    # A product of two sizes is an operator of the trace as well: a size is a tensor without axes there.
    of_sizes = call.result.shape == ()
    return "products of sizes, which a trace records" if of_sizes else "element-wise products", call.result.numel


def _addmv(call: Call) -> tuple[str, int]:
    return "products", prod(_shape(call, 1, "mat"))


def _baddbmm(call: Call) -> tuple[str, int]:
    return "products", call.sized(1, "batch1").numel * _shape(call, 2, "batch2")[-1]


def _baddbmm_of_one_shape(call: Call) -> tuple[str, int]:
    _, n, p = _shape(call, 0)
    if (n, p) != (_shape(call, 1, "batch1")[1], _shape(call, 2, "batch2")[2]):
        raise ValueError("a bias that is repeated")
    return _baddbmm(call)


def _bmm_by_sizes(call: Call) -> tuple[str, int]:
    return "products", call.sized(0).numel * _shape(call, 1, "mat2")[-1]


def _lstm(call: Call) -> tuple[str, int]:
    out, state = call.out[0], call.out[1]
    width, hidden = _shape(call, 0)[-1], state.shape[-1]
    directions = out.shape[-1] // hidden
    layers = state.shape[0] // directions
    sizes = [width, *[hidden * directions] * (layers - 1)]
    macs = sum(4 * hidden * (size + hidden) for size in sizes)
    return "recurrent layers", out.shape[0] * out.shape[1] * directions * macs


def _sizes_of_all(call: Call) -> tuple[str, int]:
    equation, shapes = _operands(call)
    if "..." in equation:
        return "products", 0
    sizes: dict[str, int] = {}
    for term, shape in zip(equation.split("->")[0].split(","), shapes, strict=False):
        sizes |= dict(zip(term.replace(" ", ""), shape, strict=False))
    return "products", prod(sizes.values())


def _sampled(call: Call) -> tuple[str, int]:
    return "grid sampling", {1: 0, 2: 16}.get(call.argument(2, "interpolation_mode"), 4) * call.result.numel


def _attention(call: Call) -> tuple[str, int]:
    q, k, v = (_shape(call, i, name) for i, name in enumerate(("query", "key", "value")))
    if not (q[0] == k[0] == v[0] and prod(q[1:-2]) == prod(k[1:-2]) == prod(v[1:-2])):
        raise ValueError("attention whose keys have other heads than its queries")
    return "products", q[0] * prod(q[1:-2]) * q[-2] * k[-2] * (q[-1] + v[-1])


_TORCHPROFILE: Mapping[str, _Rule] = {
    "scaled_dot_product_attention": _attention,
    "lstm": _lstm,
    "einsum": _sizes_of_all,
    "grid_sampler": _sampled,
    "addmm": _addmm,
    "addmv": _addmv,
    "bmm": _bmm_by_sizes,
    "baddbmm": _baddbmm_of_one_shape,
    "linear": _product,
    "matmul": _product,
    "mul": _multiplied,
    "mul_": _multiplied,
    "_convolution": _convolved,
    "batch_norm": _scale(1),
    "instance_norm": _scale(1),
    "layer_norm": _scale(2),
    "group_norm": _scale(2),
    **{f"{kind}avg_pool{n}d": _written("average pooling") for kind in ("", "adaptive_") for n in (1, 2, 3)},
    "mean": _written("average pooling"),
    "leaky_relu": _written("leaky ReLU"),
    "upsample_bilinear2d": _written("upsampling", 4),
}


def torchprofile(log: CallLog) -> Iterator[Amount]:
    """Torchprofile 0.1.0: products, attention and LSTM included, and one per element of norms, means and products."""
    for index, kind in log.fused.items():
        if kind == "attention without weights":
            name = log.nodes[index].name or log.nodes[index].cls
            raise ToolFailsError(f"{name} is one kernel where no gradient is needed, without one of its outputs")
    return _traced(log, _TORCHPROFILE)


# Counters that see kernels, after composite functions have been taken apart.


def _kernel_conv(call: Call) -> int:
    x, weight, *_ = call.args
    positions = x if call.args[6] else call.result
    return int(x.shape[0] * prod(weight.shape) * prod(positions.shape[2:]))


def _kernel_product(call: Call, first: int = 0) -> int:
    return int(call.args[first].numel * call.args[first + 1].shape[-1])


_FLOP_COUNTER: Mapping[str, Callable[[Call], int]] = {
    **dict.fromkeys(("aten::convolution", "aten::_convolution"), _kernel_conv),
    **dict.fromkeys(("aten::mm", "aten::bmm", "aten::_scaled_mm"), _kernel_product),
    **dict.fromkeys(("aten::addmm", "aten::baddbmm"), partial(_kernel_product, first=1)),
}


def flop_counter(log: CallLog) -> Iterator[Amount]:
    """Torch's FlopCounterMode on the meta device: two for each multiply-add of convolutions and of mm, addmm, bmm."""
    if log.cut_off is not None:
        name = log.nodes[log.cut_off].name or log.nodes[log.cut_off].cls
        raise ToolFailsError(f"it asks for the gradient function of a tensor at {name}, which has none there")
    for call in log.of("kernel"):
        rule = _FLOP_COUNTER.get(call.name)
        if rule is not None:
            yield Amount(call.node, "products, 2 per MAC", 2 * rule(call))


def ptflops_aten(log: CallLog) -> Iterator[Amount]:
    """Ptflops 0.7.5, back end aten, on the CPU: products and biases of convolution, mm, addmm, bmm.

    On the CPU attention and LSTMs run as one kernel, which it does not know.
    """
    for call in log.of("function"):
        if not call.kwargs.get("steps_in_order", True) and not _is_one_kernel_on_cpu(call):
            yield from _without_first_bias(call)
    for call in log.of("kernel"):
        rule = _FLOP_COUNTER.get(call.name)
        if rule is None or call.name in ("aten::baddbmm", "aten::_scaled_mm"):
            continue
        if call.within >= 0 and _is_one_kernel_on_cpu(log.calls[call.within]):
            continue
        yield Amount(call.node, "products", rule(call))
        if call.name == "aten::addmm":
            yield Amount(call.node, "biases", call.args[1].shape[0] * call.args[2].shape[1])
        elif "convolution" in call.name and call.args[2] is not None:
            yield Amount(call.node, "biases", call.result.numel)


def _without_first_bias(call: Call) -> Iterator[Amount]:
    """Of a recurrent layer whose steps lie apart in memory, the CPU adds the bias to the input's product by `add`."""
    weights, has_bias, both_ways = call.args[2], call.args[3], call.args[7]
    if has_bias:
        *steps, _ = call.sized(0).shape
        yield Amount(call.node, "biases", -prod(steps) * weights[0].shape[0] * (2 if both_ways else 1))


def _is_one_kernel_on_cpu(function: Call) -> bool:
    if function.name == "F.scaled_dot_product_attention":
        return bool(function.kwargs["one_kernel"])
    return function.name == "torch.lstm" and _is_one_lstm(function)


def _is_one_lstm(call: Call) -> bool:
    """Whether the CPU has one kernel for this LSTM. It has none for packed sequences, nor for a projected state."""
    if isinstance(call.args[1], Sized):
        # A packed sequence: the sizes of its batches come before the states.
        return False
    weights, layers, both_ways = call.args[2], call.args[4], call.args[7]
    # A projection is one more weight beside 2, or beside 2 and their biases.
    return bool(len(weights) // (layers * (2 if both_ways else 1)) % 2 == 0)

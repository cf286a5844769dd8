"""Arguments at random of torch's functions and methods, most of which fit each other."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from . import attending, calls, windows
from .drawing import DTYPES, Draw

Strategy = Callable[[Draw], list[Any]]


def called(draw: Draw, func: Any) -> list[Any]:
    """Arguments of a function."""
    name = name_of(func)
    found = FUNCTIONS.get(func) or FUNCTIONS.get(name)
    if found is None:
        raise LookupError(name)
    return found(draw)


def name_of(func: Any) -> str:
    """The name of a function, of a method, or of what gets a property of a tensor."""
    name: str = func.__name__
    if name == "__get__":
        name = func.__self__.__name__
    return name.strip("_") if name.startswith("__") else name


def _alone(draw: Draw) -> list[Any]:
    return [draw.any_tensor()]


def _with(*more: Callable[[Draw, Any], Any], least: int = 0, most: int = 5) -> Strategy:
    def strategy(draw: Draw) -> list[Any]:
        x = draw.any_tensor(least, most)
        return [x, *(one(draw, x) for one in more)]

    return strategy


def _axis(draw: Draw, x: Any) -> Any:
    return draw.axis(x.dim())


def _axes(draw: Draw, x: Any) -> Any:
    return draw.axes(x.dim())


def _other(draw: Draw, x: Any) -> Any:
    return draw.tensor(draw.fitting(x.shape))


def _operand(draw: Draw, x: Any) -> Any:
    return draw.scalar() if draw.chance(0.4) else _other(draw, x)


def _number(low: int, high: int) -> Callable[[Draw, Any], int]:
    return lambda draw, x: draw.number(low, high)


def _new_shape(draw: Draw, x: Any) -> list[int]:
    """Another shape of the same elements."""
    shape = list(x.shape)
    for _ in range(draw.number(0, 2)):
        if len(shape) > 1 and draw.chance(0.6):
            at = draw.number(0, len(shape) - 2)
            shape[at : at + 2] = [shape[at] * shape[at + 1]]
        elif shape:
            at = draw.number(0, len(shape) - 1)
            by = draw.one((1, 2, 3))
            if shape[at] % by == 0:
                shape[at : at + 1] = [by, shape[at] // by]
        else:
            shape = [1]
    if shape and draw.chance(0.3):
        shape[draw.number(0, len(shape) - 1)] = -1
    return shape


def _in_shape(draw: Draw) -> list[Any]:
    x = draw.any_tensor()
    shape = _new_shape(draw, x)
    return [x, *(shape if shape and draw.chance(0.5) else [shape])]


def _wider(draw: Draw, x: Any) -> list[int]:
    shape = [draw.size() if n == 1 else draw.one((n, n, -1)) for n in x.shape]
    return [draw.size(), *shape] if draw.chance(0.3) else shape


def _permutation(draw: Draw, x: Any) -> list[int]:
    return draw.random.sample(range(x.dim()), x.dim())


def _of(kernel: str, overload: str = "") -> Strategy:
    """As of a kernel."""

    def strategy(draw: Draw) -> list[Any]:
        call = calls.STRATEGIES[kernel](draw, overload)
        return list(call if isinstance(call, list) else call.given)

    return strategy


def _matmul(draw: Draw) -> list[Any]:
    n, k, m = draw.size(), draw.size(), draw.size()
    batch = draw.shape(0, 3)
    one, other = (*draw.fitting(batch), n, k), (*draw.fitting(batch), k, m)
    if draw.chance(0.5):
        other = other[-2:]
    if draw.chance(0.2):
        one = one[-2:]
    if draw.plain and draw.chance(0.2):
        one, other = (k,), other[-2:]
    elif not draw.plain and draw.chance(0.2):
        one, other = draw.one((((k,), other), ((k,), other[-2:]), (one, (k,))))
    second = draw.tensor(other)
    # A linear layer has its weight transposed.
    if len(other) == 2 and draw.chance(0.5):
        second = draw.tensor(other[::-1]).t()
    return [draw.tensor(one), second]


def _linear(draw: Draw) -> list[Any]:
    x, out = draw.any_tensor(1, 5), draw.size()
    return [x, draw.tensor((out, x.shape[-1])), draw.maybe(draw.tensor((out,)))]


def _conv(axes: int) -> Strategy:
    def strategy(draw: Draw) -> list[Any]:
        groups = draw.one((1, 1, 2, 3))
        c_in, c_out = groups * draw.number(1, 2), groups * draw.number(1, 2)
        x = draw.tensor((draw.size(2), c_in, *(draw.number(2, 5) for _ in range(axes))))
        if not draw.plain and draw.chance(0.15):
            x = draw.tensor(x.shape[1:])
        weight = draw.tensor((c_out, c_in // groups, *windows.per_axis(draw, axes, 1, 3)))
        numbers = [windows.per_axis(draw, axes, low, high) for low, high in ((1, 3), (0, 2), (1, 2))]
        numbers = [draw.one((one, one, one[:1], one[0], tuple(one))) for one in numbers]
        if not draw.plain and draw.chance(0.1):
            numbers[1] = draw.one(("same", "valid"))
        return [x, weight, draw.maybe(draw.tensor((c_out,))), *numbers, groups]

    return strategy


def _max_pool(draw: Draw) -> list[Any]:
    x, kernel, steps, pads, gaps, ceil = windows.pool(2, True)(draw, "")
    numbers = [draw.one((one, one[0] if one else one)) for one in (kernel, steps, pads, gaps)]
    named = {} if draw.plain or draw.chance(0.8) else {"return_indices": True}
    return [x, *numbers, ceil, named] if draw.chance(0.7) else [x, numbers[0], named]


def _batch_norm(draw: Draw) -> list[Any]:
    x, weight, bias, mean, var, training, *_ = calls.STRATEGIES["native_batch_norm"](draw, "")
    return [x, mean, var, weight, bias, not draw.plain and training]


def _index(draw: Draw, x: Any) -> Any:
    def one(n: int) -> Any:
        if draw.plain:
            return draw.one((slice(None), slice(0, 1), slice(None, None, 2), None))
        return draw.one((slice(None), slice(0, 1), slice(None, None, 2), None, 0, n - 1, -1, slice(1, None)))

    if draw.chance(0.2) and not draw.plain:
        shape = draw.shape(0, 2)
        return draw.one((draw.tensor(shape, torch.int64), draw.tensor(x.shape[:1], torch.bool), [0], ...))
    index = tuple(one(n) for n in x.shape[: draw.number(1, 3)])
    index = (*index, ...) if draw.chance(0.2) else index
    return index[0] if len(index) == 1 and draw.chance(0.5) else index


def _value(draw: Draw, x: Any) -> Any:
    return draw.one((0, 1.5, 2)) if draw.plain or draw.chance(0.7) else draw.one((True, draw.tensor(()), 1j))


def _size(draw: Draw, x: Any) -> Any:
    return draw.one((list(draw.shape()), draw.shape(), draw.number(1, 4)))


def _activation(draw: Draw) -> list[Any]:
    more: list[list[Any]] = [[], [], [{"inplace": True}], [{"inplace": False}]]
    return [draw.any_tensor(), *draw.one(more if draw.plain else [*more, [True], [False], [0.5]])]


def _hardtanh(draw: Draw) -> list[Any]:
    x, *more = _activation(draw)
    if draw.chance(0.3) or (more and not isinstance(more[0], dict)):
        return [x, *more]
    # A bound that is not given is -1 or 1.
    low, high = draw.one(((0.0, 6.0), (-1, 1), (2, 2))) if draw.plain else draw.one(((1.0, 0.0), (0.0, 6.0), (None, 1)))
    alone = draw.one(({"min_val": 0.5}, {"max_val": 0.0}) if draw.plain else ({"min_val": 1.5}, {"max_val": -2.0}))
    return [x, draw.one(({"min_val": low, "max_val": high}, alone))]


def _dropout(least: int) -> Strategy:
    def strategy(draw: Draw) -> list[Any]:
        share = draw.one((0.0, 0.3, 1.0) if draw.plain else (0.3, 1.0, 1.5, -0.5))
        return [draw.any_tensor(least), share, not draw.plain and draw.chance(0.3)]

    return strategy


def _embedding(draw: Draw) -> list[Any]:
    weight, index = calls.STRATEGIES["embedding"](draw, "")
    more = [] if draw.plain or draw.chance(0.5) else [0, draw.one((None, 1.0))]
    return [index, weight, *more]


def _masked_fill(draw: Draw) -> list[Any]:
    return list(calls.STRATEGIES["masked_fill"](draw, "Tensor" if not draw.plain and draw.chance(0.3) else "Scalar"))


def _roll(draw: Draw) -> list[Any]:
    return [draw.any_tensor(1), 1, draw.one((0, -1))] if draw.chance(0.3) else _of("roll")(draw)


def _pad(draw: Draw) -> list[Any]:
    mode = [] if draw.plain or draw.chance(0.7) else [draw.one(("reflect", "constant", "circular"))]
    return [*calls.STRATEGIES["constant_pad_nd"](draw, ""), *mode]


def _names(names: str, strategy: Strategy) -> dict[Any, Strategy]:
    return dict.fromkeys(names.split(), strategy)


FUNCTIONS: dict[Any, Strategy] = {
    **_names("mT mH adjoint", _with(least=2)),
    **_names("T t", _with(most=2)),
    **_names("squeeze detach clone float half bfloat16 double int long bool ravel contiguous", _alone),
    **_names("exp log sqrt rsqrt sin cos neg abs", _alone),
    **_names("relu_ hardtanh_ relu6_ gelu_ silu_ sigmoid_ tanh_ hardswish_ hardsigmoid_ mish_", _alone),
    **_names("relu relu6 gelu silu sigmoid tanh hardswish hardsigmoid mish", _activation),
    **_names("add sub mul div true_divide eq ne lt le gt ge iadd isub imul", _with(_operand)),
    **_names("add_ sub_ mul_", _with(_operand)),
    **_names("view reshape", _with(_new_shape)),
    **_names(
        "view_as reshape_as",
        _with(lambda draw, x: draw.tensor(_new_shape(draw, x.new_empty(x.shape)) if 0 else x.shape)),
    ),
    "expand_as": lambda draw: _with(_other)(draw)[::-1],
    "type_as": _with(_other),
    "expand": _with(_wider),
    "permute": _with(_permutation),
    **_names("transpose swapaxes swapdims", _with(_axis, _axis)),
    **_names("movedim moveaxis", _with(_axis, _axis)),
    "unsqueeze": _with(lambda draw, x: draw.axis(x.dim() + 1)),
    "select": _with(_axis, _number(-1, 0), least=1),
    "narrow": _with(_axis, _number(0, 1), _number(0, 2), least=1),
    **_names("chunk tensor_split", _with(_number(1, 3), _axis, least=1)),
    **_names("hsplit vsplit dsplit", _with(_number(1, 2), least=3)),
    "unbind": _with(_axis, least=1),
    "diagonal": _with(_number(-1, 1), least=2),
    "unfold": _with(_axis, _number(1, 2), _number(1, 2), least=1),
    "split": _with(_number(1, 3), _axis, least=1),
    "split_with_sizes": _with(lambda draw, x: [1, max(x.shape[0] - 1, 0)], least=1),
    "unflatten": _with(lambda draw, x: -1, lambda draw, x: (1, x.shape[-1]), least=1),
    "as_strided": _with(lambda draw, x: (1, 1), lambda draw, x: (1, 1)),
    "to": _with(lambda draw, x: draw.one((torch.float32, *DTYPES, "meta"))),
    "type": _with(lambda draw, x: draw.one((torch.float32, *DTYPES))),
    "flatten": lambda draw: [x := draw.any_tensor(), *[draw.axis(x.dim()) for _ in range(draw.number(0, 2))]],
    **_names("matmul", _matmul),
    "bmm": _of("bmm"),
    "softmax": _with(_axis, lambda draw, x: {} if draw.plain else {"dtype": draw.one((None, x.dtype, torch.float64))}),
    "mean": _with(lambda draw, x: draw.one((_axis, _axes))(draw, x), lambda draw, x: draw.chance(0.5)),
    "masked_fill": _masked_fill,
    "roll": _roll,
    **_names("new_zeros new_ones new_empty", _with(_size)),
    **_names("dropout feature_dropout dropout_ dropout2d", _dropout(2)),
    **_names("cat concat concatenate", _of("cat")),
    "hardtanh": _hardtanh,
    "stack": _of("stack"),
    "getitem": _with(_index, least=1),
    "setitem": _with(_index, _value, least=2),
    "conv1d": _conv(1),
    "conv2d": _conv(2),
    "conv3d": _conv(3),
    "max_pool2d": _max_pool,
    "layer_norm": _of("native_layer_norm"),
    "pad": _pad,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "scaled_dot_product_attention": attending.dot_products,
    "multi_head_attention_forward": attending.of_heads,
    "embedding": _embedding,
    "adaptive_avg_pool2d": lambda draw: [
        draw.any_tensor(4 if draw.plain else 3, 4),
        draw.one((1, (1, 1), [1, 1], 1 if draw.plain else 2)),
    ],
    functional.dropout: _dropout(0),
    # Methods take a shape as several numbers as well.
    **dict.fromkeys((torch.Tensor.reshape, torch.Tensor.view), _in_shape),
}

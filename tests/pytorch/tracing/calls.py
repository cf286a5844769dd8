"""Arguments of torch's kernels at random, most of which fit each other."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from . import windows
from .drawing import DTYPES, META, Arguments, Draw


def drawn(draw: Draw, func: Any) -> Arguments:
    """Arguments of a kernel: those of its own strategy, or by the types of its arguments."""
    name = func._schema.name.removeprefix("aten::")
    if draw.plain and "bitwise" in name:
        draw.dtype = torch.int64
    strategy = STRATEGIES.get(name)
    call = None if strategy is None else strategy(draw, func._overloadname)
    if call is None:
        return _by_schema(draw, func)
    return call if isinstance(call, Arguments) else Arguments(list(call), {})


def _by_schema(draw: Draw, func: Any) -> Arguments:
    given: list[Any] = []
    named: dict[str, Any] = {}
    first: Any = None
    for argument in func._schema.arguments:
        kind = str(argument.real_type)
        optional = argument.has_default_value() or kind.startswith("Optional")
        if optional and kind != "Optional[Device]" and (draw.plain or draw.chance(0.6)):
            if draw.plain and argument.has_default_value():
                continue
            if not argument.kwarg_only:
                given.append(argument.default_value if argument.has_default_value() else None)
            elif not argument.has_default_value():
                named[argument.name] = None
            continue
        value = _of_type(draw, kind.removeprefix("Optional[").removesuffix("]"), argument, first)
        if isinstance(value, torch.Tensor) and first is None:
            first = value
        if argument.kwarg_only:
            named[argument.name] = value
        else:
            given.append(value)
    return Arguments(given, named)


def _of_type(draw: Draw, kind: str, argument: Any, first: Any) -> Any:
    rank = 0 if first is None else first.dim()
    if kind == "Tensor":
        return draw.any_tensor() if first is None else draw.tensor(draw.fitting(first.shape))
    if kind.startswith("List"):
        return list(draw.shape()) if argument.name in ("size", "shape") else draw.axes(rank)
    if kind == "int":
        return draw.axis(rank) if argument.name == "dim" else draw.number(0, 2)
    if kind == "bool":
        return draw.chance(0.5)
    if kind in ("number", "Scalar"):
        return draw.scalar()
    simple: dict[str, Callable[[], Any]] = {
        "float": lambda: draw.one((0.1, 0.5)),
        "ScalarType": lambda: draw.one((torch.float32, *DTYPES)),
        "Layout": lambda: torch.strided,
        "Device": lambda: META if draw.plain or draw.chance(0.8) else torch.device("cpu"),
        "MemoryFormat": lambda: draw.one(
            (torch.contiguous_format, torch.preserve_format, torch.channels_last, torch.channels_last_3d)
        ),
        "str": lambda: draw.one(("none", "tanh")) if argument.name == "approximate" else draw.one(("floor", "trunc")),
    }
    found = simple.get(kind)
    return None if found is None else found()


# Kernels whose arguments must fit -----------------------------------------------------------------

Strategy = windows.Strategy


def _index(draw: Draw, shape: Sequence[int]) -> Any:
    return draw.tensor(shape, torch.int64 if draw.chance(0.8) else torch.int32)


def _where(draw: Draw, overload: str) -> Any:
    if overload != "self":
        return None
    shape = draw.shape()
    kind = torch.bool if draw.plain or draw.chance(0.9) else torch.uint8
    other = draw.dtype if draw.plain or draw.chance(0.8) else draw.one((torch.float32, *DTYPES))
    return [
        draw.tensor(draw.fitting(shape), kind), draw.tensor(shape), draw.tensor(draw.fitting(shape), other)
    ]  # fmt: skip


def _cat(draw: Draw, overload: str) -> Any:
    shape = list(draw.shape(1, 5))
    at = draw.number(0, len(shape) - 1)
    parts = [
        draw.tensor([draw.size(4) if axis == at else extent for axis, extent in enumerate(shape)])
        for _ in range(draw.number(1, 3))
    ]
    if draw.chance(0.25):
        parts.insert(draw.number(0, len(parts)), torch.empty(0, device="meta", dtype=draw.dtype))
    return [parts, at - len(shape) if draw.chance(0.3) else at]


def _stack(draw: Draw, overload: str) -> Any:
    shape = draw.shape()
    return [[draw.tensor(shape) for _ in range(draw.number(1, 3))], draw.axis(len(shape) + 1)]


def _pad(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor(1, 5)
    if draw.plain:
        return [x, [draw.number(0, 2) for _ in range(2 * draw.number(1, x.dim()))]]
    return [x, [draw.number(-1, 2) for _ in range(2 * draw.number(0, x.dim()))]]


def _roll(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor()
    axes = draw.axes(x.dim())
    return [x, [draw.number(-2, 2) for _ in axes or [0]], axes]


def _repeat(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor()
    return [x, [draw.size(3) for _ in range(x.dim() + draw.number(0, 1))]]


def _masked(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor()
    mask = draw.tensor(draw.fitting(x.shape), torch.bool)
    return [x, mask, draw.tensor(()) if overload == "Tensor" else draw.scalar()]


def _copy(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor()
    return [x, draw.tensor(draw.fitting(x.shape))]


def _embedding(draw: Draw, overload: str) -> Any:
    return [draw.any_tensor(2, 2), _index(draw, draw.shape(0, 3))]


def _picked(draw: Draw, overload: str) -> Any:
    x, shape = draw.any_tensor(1, 5), draw.shape(1 if draw.plain else 0, 2)
    indices = [_index(draw, draw.fitting(shape)) if draw.chance(0.6) else None for _ in range(draw.number(1, x.dim()))]
    if draw.plain:
        # Axes in a row.
        indices = [None] * draw.number(0, x.dim() - 1)
        indices += [_index(draw, shape) for _ in range(draw.number(1, x.dim() - len(indices)))]
    return [x, indices if overload == "Tensor" else [one for one in indices if one is not None]]


def _index_select(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor(0 if not draw.plain and draw.chance(0.1) else 1)
    return [x, draw.axis(x.dim()), _index(draw, draw.shape(1, 1) if draw.chance(0.9) else ())]


def _gather(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor()
    at = draw.axis(x.dim())
    shape = [extent if axis != at % max(x.dim(), 1) else draw.size() for axis, extent in enumerate(x.shape)]
    return [x, at, draw.tensor(shape, torch.int64)]


def _factory(draw: Draw, *given: Any) -> Arguments:
    named: dict[str, Any] = {"device": META if draw.plain or draw.chance(0.95) else torch.device("cpu")}
    if not draw.plain and draw.chance(0.4):
        named["dtype"] = draw.one((torch.float32, *DTYPES[:-1]))
    if not draw.plain and draw.chance(0.2):
        named["pin_memory"] = False
    if not draw.plain and draw.chance(0.2):
        named["layout"] = torch.strided
    return Arguments(list(given), named)


def _randint(draw: Draw, overload: str) -> Any:
    shape = list(draw.shape())
    call = _factory(draw, *((3, 9, shape) if "low" in overload else (9, shape)))
    return Arguments(call.given, {**call.named, "generator": None}) if "generator" in overload else call


def _randperm(draw: Draw, overload: str) -> Any:
    call = _factory(draw, draw.number(0, 9))
    return Arguments(call.given, {**call.named, "generator": None}) if "generator" in overload else call


def _rand(draw: Draw, overload: str) -> Any:
    call = _factory(draw, list(draw.shape()))
    return Arguments(call.given, {**call.named, "generator": None}) if "generator" in overload else call


def _full(draw: Draw, overload: str) -> Any:
    return _factory(draw, list(draw.shape()), draw.scalar())


def _scalar_tensor(draw: Draw, overload: str) -> Any:
    return _factory(draw, draw.scalar())


def _arange(draw: Draw, overload: str) -> Any:
    start, end = draw.one((-3, 0, 2, 0.5, 1.0)), draw.one((0, 1, 7, 9, 2.5, 7.0))
    step = draw.one((1, 2, 3, 0.3, 2.0, 1.5))
    if draw.chance(0.2):
        start, end, step = end, start, -step
    if draw.plain:
        start, end, step = 0, draw.number(3, 9), draw.number(1, 3)
    given = {"start": (start, end), "start_step": (start, end, step)}.get(overload, (end,))
    return _factory(draw, *given)


def _eye(draw: Draw, overload: str) -> Any:
    return _factory(draw, *(draw.size() for _ in range(1 + overload.startswith("m"))))


def _steps(draw: Draw, overload: str) -> Any:
    ends = [draw.tensor(()) if name == "Tensor" else draw.scalar() for name in (overload + "__").split("_")[:2]]
    return _factory(draw, *ends, draw.number(0, 6))


def _pixels(up: bool) -> Strategy:
    def strategy(draw: Draw, overload: str) -> Any:
        factor = draw.number(1, 3)
        c, h, w = (draw.size(3) for _ in range(3))
        inner = (c * factor * factor, h, w) if up else (c, h * factor, w * factor)
        return [draw.tensor((*draw.shape(0, 2), *inner)), factor]

    return strategy


def _logsumexp(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor(1 if draw.plain else 0)
    return [x, draw.axes(x.dim()), draw.chance(0.5)]


def _prelu(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor()
    return [x, draw.tensor(draw.fitting(x.shape)[-x.dim() :])]


def _sampled(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor(4, 4)
    grid = draw.tensor((x.shape[0], draw.size(), draw.size(), 2))
    return [x, grid, draw.number(0, 2), draw.number(0, 2), draw.chance(0.5)]


def _glu(draw: Draw, overload: str) -> Any:
    shape = list(draw.shape(1, 5))
    at = draw.axis(len(shape))
    shape[at] *= 2
    return [draw.tensor(shape), at]


def _product(ranks: tuple[int, int], added: bool = False) -> Strategy:
    def strategy(draw: Draw, overload: str) -> Any:
        batch, n, k, m = draw.size(3), draw.size(), draw.size(), draw.size()
        shapes = {(2, 2): ((n, k), (k, m)), (3, 3): ((batch, n, k), (batch, k, m)), (2, 1): ((n, k), (k,))}
        one, other = shapes.get(ranks, ((k,), (k,)))
        factors = [draw.tensor(one), draw.tensor(other)]
        if "dtype" in overload:
            factors.append(torch.float32)
        if not added:
            return factors
        out = (*one[:-1], other[-1])
        return Arguments(
            [draw.tensor(draw.fitting(out)[-len(out) :]), *factors],
            {} if draw.plain or draw.chance(0.5) else {"beta": draw.scalar(), "alpha": draw.scalar()},
        )

    return strategy


def _batch_norm(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor(2, 5)
    statistics = [draw.tensor(x.shape[1:2]) for _ in range(4)]
    training = draw.chance(0.5)
    given = [draw.maybe(one) for one in statistics]
    # Without training it takes both statistics, with it none or both.
    if draw.plain or draw.chance(0.7):
        given[2:] = [None, None] if training and draw.chance(0.4) else statistics[2:]
    return [x, *given, training, 0.1, 1e-5]


def _layer_norm(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor(1, 5)
    tail = list(x.shape[draw.number(0, x.dim() - 1) :])
    return [x, tail, draw.maybe(draw.tensor(tail)), draw.maybe(draw.tensor(tail)), 1e-5]


def _group_norm(draw: Draw, overload: str) -> Any:
    groups = draw.number(1, 3)
    n, c, space = draw.size(), groups * draw.size(3), draw.shape(0, 3)
    weight, bias = (draw.maybe(draw.tensor((c,))) for _ in range(2))
    return [draw.tensor((n, c, *space)), weight, bias, n, c, torch.Size(space).numel(), groups, 1e-5]


def _softmax(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor()
    return [x, draw.axis(x.dim()), not draw.plain and draw.chance(0.1)]


def _safe_softmax(draw: Draw, overload: str) -> Any:
    x = draw.any_tensor()
    more = {} if draw.plain or draw.chance(0.7) else {"dtype": draw.one((None, torch.float64, torch.float32))}
    return Arguments([x, draw.axis(x.dim())], more)


STRATEGIES: dict[str, Strategy] = {
    "where": _where,
    "cat": _cat,
    "stack": _stack,
    "constant_pad_nd": _pad,
    "roll": _roll,
    "repeat": _repeat,
    "masked_fill": _masked,
    "masked_fill_": _masked,
    "copy_": _copy,
    "embedding": _embedding,
    "index": _picked,
    "index_select": _index_select,
    "gather": _gather,
    **dict.fromkeys(("zeros", "ones", "rand", "randn"), _rand),
    "randint": _randint,
    "randperm": _randperm,
    "full": _full,
    "scalar_tensor": _scalar_tensor,
    "arange": _arange,
    "eye": _eye,
    **dict.fromkeys(("linspace", "logspace"), _steps),
    "pixel_shuffle": _pixels(True),
    "pixel_unshuffle": _pixels(False),
    "_prelu_kernel": _prelu,
    "grid_sampler_2d": _sampled,
    "glu": _glu,
    "logsumexp": _logsumexp,
    "im2col": windows.im2col,
    "col2im": windows.col2im,
    "convolution": windows.convolution,
    "mm": _product((2, 2)),
    "bmm": _product((3, 3)),
    "addmm": _product((2, 2), True),
    "baddbmm": _product((3, 3), True),
    "mv": _product((2, 1)),
    "dot": _product((1, 1)),
    "native_batch_norm": _batch_norm,
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    "_softmax": _softmax,
    "_log_softmax": _softmax,
    "_safe_softmax": _safe_softmax,
    **{f"max_pool{axes}d_with_indices": windows.pool(axes, True) for axes in (2, 3)},
    **{f"avg_pool{axes}d": windows.pool(axes, False) for axes in (2, 3)},
    **{f"_adaptive_avg_pool{axes}d": windows.adaptive(axes) for axes in (2, 3)},
    **{f"{exact}{axes}d": windows.upsampled(axes, False)
       for axes in (1, 2, 3) for exact in ("upsample_nearest", "_upsample_nearest_exact")},
    **dict.fromkeys(("upsample_bilinear2d", "upsample_bicubic2d"), windows.upsampled(2, True)),
    **dict.fromkeys(("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"), windows.upsampled(2, True)),
    "upsample_linear1d": windows.upsampled(1, True),
    "upsample_trilinear3d": windows.upsampled(3, True),
}  # fmt: skip

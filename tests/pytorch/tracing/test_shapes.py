"""Shape rules of kernels against torch's own meta kernels: shape, strides and dtype, in several memory formats."""

from collections.abc import Iterator
from itertools import permutations, product
from math import prod
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from flopcalc.pytorch.tracing import sizes
from flopcalc.pytorch.tracing.net import SHAPES, shaped

from .drawing import on_cpu

aten = torch.ops.aten


def _map(shape: tuple[int, ...], form: str, dtype: Any = None) -> Any:
    """A meta tensor of a shape: contiguous, channels last, transposed, sliced or expanded."""
    more = {"dtype": dtype or torch.float32, "device": "meta"}
    if form == "last" and len(shape) == 4:
        return torch.empty(shape, **more).to(memory_format=torch.channels_last)
    if form == "transposed":
        return torch.empty((*shape[:-2], shape[-1], shape[-2]), **more).transpose(-1, -2)
    if form == "sliced":
        return torch.empty((*shape[:-1], 2 * shape[-1]), **more)[..., ::2]
    if form == "expanded":
        return torch.empty((1, *shape[1:]), **more).expand(shape)
    return torch.empty(shape, **more)


FORMS = ("plain", "last", "transposed", "sliced", "expanded")
SHAPE = (2, 6, 4, 8)
FLOATING = (
    "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt sin cos tan asin acos atan sinh cosh asinh acosh atanh tanh "
    "sigmoid erf erfc reciprocal relu neg abs sign floor ceil trunc hardtanh gelu silu mish hardswish hardsigmoid "
    "leaky_relu elu celu softplus hardshrink softshrink round frac nan_to_num logical_not isnan zeros_like empty_like "
    "clone"
)
BINARY = "add sub mul div maximum minimum pow remainder fmod eq ne lt le gt ge logical_and logical_or logical_xor"


def _cases() -> Iterator[tuple[str, Any, tuple[Any, ...], dict[str, Any]]]:  # noqa: PLR0915 (a list)
    for form in FORMS:
        x = _map(SHAPE, form)
        for name in FLOATING.split():
            yield form, getattr(aten, name).default, (x,), {}
        for other, name in product(FORMS, BINARY.split()):
            overload = (
                "default" if name in ("maximum", "minimum", "logical_and", "logical_or", "logical_xor") else "Tensor"
            )
            overload = "Tensor_Tensor" if name == "pow" else overload
            yield form, getattr(getattr(aten, name), overload), (x, _map(SHAPE, other)), {}
        small = torch.empty(6, 1, 1, device="meta")
        for name in ("add", "mul", "div"):
            yield form, getattr(aten, name).Tensor, (x, small), {}
            yield form, getattr(aten, name).Tensor, (small, x), {}
            yield form, getattr(aten, name).Tensor, (x, 2), {}
            yield form, getattr(aten, name).Tensor, (x, _map(SHAPE, "plain", torch.float16)), {}
            yield form, getattr(aten, name).Tensor, (_map(SHAPE, form, torch.int32), 2), {}
            yield form, getattr(aten, name).Tensor, (_map(SHAPE, form, torch.bool), 2), {}
            yield form, getattr(aten, name).Tensor, (_map(SHAPE, form, torch.int32), 2.5), {}
            yield form, getattr(aten, name).Tensor, (_map(SHAPE, form, torch.int64), torch.empty((), device="meta")), {}
        yield form, aten.exp.default, (_map(SHAPE, form, torch.int32),), {}
        yield form, aten.clamp.default, (x, 0.0, 1.0), {}
        yield form, aten.where.self, (_map(SHAPE, form, torch.bool), x, x), {}
        yield form, aten.masked_fill.Scalar, (x, _map(SHAPE, form, torch.bool), 0.0), {}
        yield form, aten._to_copy.default, (x,), {"dtype": torch.float16}
        yield form, aten.clone.default, (x,), {"memory_format": torch.contiguous_format}
        yield form, aten.clone.default, (x,), {"memory_format": torch.channels_last}
        for dims, keep in (([2, 3], False), ([-1], True), ([1], False), ([0, 2], True)):
            yield form, aten.mean.dim, (x, dims, keep), {}
            yield form, aten.sum.dim_IntList, (x, dims, keep), {}
            yield form, aten.amax.default, (x, dims, keep), {}
            yield form, aten.linalg_vector_norm.default, (x, 2, dims, keep), {}
            yield form, aten.var.correction, (x, dims), {"correction": 1, "keepdim": keep}
            yield form, aten.var_mean.correction, (x, dims), {"correction": 0, "keepdim": keep}
            yield form, aten.aminmax.default, (x,), {"dim": dims[0], "keepdim": keep}
        yield form, aten.mean.default, (x,), {}
        yield form, aten.mean.dim, (x, [1]), {"dtype": torch.float64}
        yield form, aten.sum.default, (_map(SHAPE, form, torch.bool),), {}
        yield form, aten.any.dim, (_map(SHAPE, form, torch.bool), 1), {}
        yield form, aten.argmax.default, (x, 1), {}
        yield form, aten.std_mean.correction, (x, None), {"correction": 1}
        yield form, aten.aminmax.default, (_map(SHAPE, form, torch.int32),), {}
        yield form, aten.sort.default, (x, 1), {}
        yield form, aten.sort.stable, (x,), {"stable": True, "dim": -2, "descending": True}
        yield form, aten.count_nonzero.default, (x, 1), {}
        yield form, aten.count_nonzero.dim_IntList, (x, [0, -1]), {}
        yield form, aten.trace.default, (_map((4, 5), form, torch.int32),), {}
        yield from ((form, aten.diag_embed.default, (x[0], *at), {}) for at in ((), (2,), (-1, 0, 2), (0, -1, 1)))
        yield form, aten.channel_shuffle.default, (x, 3), {}
        yield form, aten.cumprod.default, (_map(SHAPE, form, torch.bool), 2), {}
        yield form, aten._to_copy.default, (x,), {"dtype": torch.complex64}
        yield form, aten._softmax.default, (x, -1, False), {}
        yield form, aten._log_softmax.default, (x, 1, False), {}
        yield form, aten._safe_softmax.default, (x, -1), {}
        yield form, aten.cumsum.default, (x, 1), {}
        yield form, aten.cat.default, ([x, x], 1), {}
        yield form, aten.cat.default, ([x, _map(SHAPE, "plain")], -1), {}
        for at in (0, 1, 2, -1):
            yield form, aten.stack.default, ([x, x], at), {}
            yield form, aten.stack.default, ([x[0], _map(SHAPE, "expanded")[0]], at), {}
        yield form, aten.stack.default, ([_map(SHAPE, form, torch.float16), x], 2), {}
        if form != "expanded":
            yield form, aten.add_.Tensor, (_map(SHAPE, form), x), {}
            yield form, aten.sub_.Tensor, (_map(SHAPE, form, torch.int32), 2), {}
        yield form, aten.constant_pad_nd.default, (x, [1, 2, 0, 3]), {}
        yield form, aten.constant_pad_nd.default, (x, [0, -1]), {}
        yield form, aten.constant_pad_nd.default, (x, [0, 0]), {}
        yield form, aten.roll.default, (x, [1, 2], [1, 2]), {}
        yield form, aten.flip.default, (x, [1]), {}
        yield form, aten.repeat.default, (x, [2, 1, 1, 3, 1]), {}
        yield form, aten.tril.default, (x,), {}
        yield form, aten.glu.default, (x, 1), {}
        yield form, aten.new_zeros.default, (x, [3, 4]), {}
        yield form, aten.pixel_unshuffle.default, (x, 2), {}
        yield form, aten.index_select.default, (x, 1, torch.empty(3, dtype=torch.int64, device="meta")), {}
        index = torch.empty((3, 2), dtype=torch.int64, device="meta")
        yield form, aten.index.Tensor, (x, [index]), {}
        yield form, aten.index.Tensor, (x, [None, index, index]), {}
        yield form, aten.index.Tensor, (x, [index, None, index]), {}
        weight = torch.empty(6, 3, 3, 3, device="meta")
        yield form, aten.convolution.default, (x, weight, None, [2, 1], [1, 0], [1, 2], False, [0, 0], 2), {}
        turned = torch.empty(6, 5, 3, 3, device="meta")
        yield form, aten.convolution.default, (x, turned, None, [2, 2], [1, 1], [1, 1], True, [1, 0], 1), {}
        vector = torch.empty(6, device="meta")
        yield form, aten.native_batch_norm.default, (x, vector, vector, vector, vector, False, 0.1, 1e-5), {}
        yield form, aten.native_batch_norm.default, (x, vector, None, None, None, True, 0.1, 1e-5), {}
        yield form, aten.native_layer_norm.default, (x, [8], None, None, 1e-5), {}
        yield form, aten.native_group_norm.default, (x, vector, vector, 2, 6, 32, 3, 1e-5), {}
        for ceil in (False, True):
            yield form, aten.max_pool2d_with_indices.default, (x, [3, 3], [2, 2], [1, 1], [1, 1], ceil), {}
            yield form, aten.avg_pool2d.default, (x, [3, 2], [2, 2], [1, 1], ceil), {}
        yield form, aten._adaptive_avg_pool2d.default, (x, [2, 3]), {}
        yield form, aten.upsample_nearest2d.default, (x, [8, 9]), {}
        yield form, aten.upsample_bilinear2d.default, (x, [8, 9], False), {}
        yield form, aten._upsample_nearest_exact2d.default, (x, [8, 9]), {}
        for name in ("bilinear", "bicubic"):
            yield form, getattr(aten, f"_upsample_{name}2d_aa").default, (x, [3, 5], False), {}
        yield form, aten.upsample_linear1d.default, (_map((2, 6, 8), form), [11], False), {}
        yield form, aten.upsample_trilinear3d.default, (_map((2, 6, 4, 8, 3), form), [8, 9, 2], True), {}
        yield form, aten.im2col.default, (x, [3, 2], [1, 2], [1, 0], [2, 1]), {}
        yield form, aten.col2im.default, (_map((2, 24, 15), form), [4, 6], [2, 2], [1, 1], [0, 0], [1, 1]), {}
        yield form, aten.grid_sampler_2d.default, (x, torch.empty(2, 5, 7, 2, device="meta"), 0, 0, False), {}
        one = torch.empty((), dtype=torch.int64, device="meta")
        yield form, aten.index.Tensor, (_map((3, 4, 5), form), [one]), {}
        yield form, aten.index.Tensor, (_map((3, 1, 5), form), [one, None, one]), {}
        yield form, aten.index.Tensor, (x, [None, index, None, index]), {}
        yield form, aten.gather.default, (x, 1, _map((1, 9, 3, 8), "plain", torch.int64)), {}
        yield form, aten.logsumexp.default, (x, [1], True), {}
        yield form, aten.cat.default, ([torch.empty(0, device="meta"), x, x], 1), {}
        yield form, aten.cat.default, ([torch.empty(0, dtype=torch.float64, device="meta"), x, x], 1), {}
        rows = _map((3, 4, 5), form)
        yield form, aten.bmm.default, (rows, _map((3, 5, 7), form)), {}
        yield form, aten.baddbmm.default, (_map((3, 4, 7), "plain"), rows, _map((3, 5, 7), form)), {}
        flat = _map((4, 5), form)
        yield form, aten.mm.default, (flat, _map((5, 6), form)), {}
        yield form, aten.addmm.default, (torch.empty(6, device="meta"), flat, _map((5, 6), form)), {}
        yield form, aten.mv.default, (flat, torch.empty(5, device="meta")), {}
        yield form, aten.embedding.default, (flat, index), {}
    meta = {"device": torch.device("meta"), "pin_memory": False}
    for given in ((7,), (2, 7), (2, 9, 3), (0, 1, 0.3), (9, 2, -3), (0, 5.5)):
        name = ("default", "start", "start_step")[len(given) - 1]
        yield "made", getattr(aten.arange, name), given, meta
    yield "made", aten.zeros.default, ([3, 0, 2],), meta
    yield "made", aten.full.default, ([3], True), meta
    for value in (1, 1.5, 2.0, False):
        yield "made", aten.full.default, ([3], value), meta
    yield "made", aten.full.default, ([3], 1), {**meta, "dtype": torch.float16}
    yield "made", aten.full.default, ([3], 1.5), {**meta, "dtype": torch.int32}
    yield "made", aten.scalar_tensor.default, (1.0,), {"device": torch.device("meta")}


def _facts(value: Any) -> list[Any]:
    """Shape, strides and dtype of each tensor; an axis of one element has any stride."""
    values = value if isinstance(value, tuple | list) else [value]
    return [
        (tuple(one.shape), [s for s, n in zip(one.stride(), one.shape, strict=True) if n != 1], one.dtype)
        for one in values
        if one.numel()
    ]


CASES = list(_cases())


@pytest.mark.parametrize("name", sorted({str(func) for _, func, _, _ in CASES}))
def test_as_torch_says(name: str) -> None:
    """Where a rule applies, its result is that of torch's meta kernel; and it applies to the plain format."""
    applied = False
    for form, func, args, kwargs in CASES:
        if str(func) != name:
            continue
        found = shaped(SHAPES[func._schema.name], args, kwargs)
        if found is not None:
            applied = True
            with torch.no_grad():
                # Of convolutions torch leaves out the memory format here, not on the CPU.
                given = map(on_cpu, args) if name == "aten.convolution.default" else args
                right = func(*given, **kwargs)
            first = slice(0, 1) if "norm" in name and "native" in name else slice(None)
            assert _facts(found)[first] == _facts(right)[first], (form, args, kwargs)
    assert applied


MAP = (1, 3, 4, 4)
# Kernel, dilation, padding and stride.
WINDOW = ([2, 2], [1, 1], [0, 0], [1, 1])
WRONG: list[tuple[Any, ...]] = [
    (aten.mm.default, (_map((4, 5), "plain"), _map((4, 5), "plain"))),
    (aten.bmm.default, (_map((3, 4, 5), "plain"), _map((2, 5, 6), "plain"))),
    (aten.add.Tensor, (_map((4, 5), "plain"), _map((4, 6), "plain"))),
    (aten.add_.Tensor, (_map((1, 5), "plain"), _map((4, 5), "plain"))),
    (aten.cat.default, ([_map((4, 5), "plain"), _map((4, 6), "plain")], 0)),
    (aten.stack.default, ([_map((4, 5), "plain"), _map((4, 6), "plain")], 0)),
    # As many elements as three of the first one.
    (aten.stack.default, ([_map((rows, 5), "plain") for rows in (2, 1, 3)], 0)),
    (aten.constant_pad_nd.default, (_map((4,), "plain"), [1, 1, 1, 1])),
    (aten.roll.default, (_map((4, 5), "plain"), [1], [0, 1])),
    (aten.gather.default, (_map((4, 5), "plain"), 1, _map((4, 5), "plain"))),
    (aten.gather.default, (_map((4, 5), "plain"), 1, _map((5, 5), "plain", torch.int64))),
    (aten.pixel_shuffle.default, (_map((4, 6), "plain"), 2)),
    (aten.index.Tensor, (_map((4, 5), "plain"), [_map((3,), "plain", torch.int64), _map((3,), "plain")])),
    (aten.grid_sampler_2d.default, (_map((2, 6, 4, 8), "plain"), _map((3, 5, 7, 2), "plain"), 0, 0, False)),
    (aten.constant_pad_nd.default, (_map((4, 5), "plain"), [-9, 0])),
    (aten.native_layer_norm.default, (_map((4, 5), "plain"), [4], None, None, 1e-5)),
    (aten.embedding.default, (_map((4, 5), "plain"), _map((4, 5), "plain"))),
    (aten.mean.dim, (_map((4, 5), "plain"), [2])),
    (aten.var_mean.correction, (_map((4, 5), "plain"), [2])),
    (aten.aminmax.default, (_map((0, 5), "plain"),)),
    (aten.count_nonzero.default, (_map((4, 5), "plain"), 2)),
    (aten.trace.default, (_map((4, 5, 6), "plain"),)),
    *(
        (getattr(aten, name).default, (_map((4, 5), "plain", torch.int64),))
        for name in ("normal_", "exponential_", "cauchy_", "log_normal_")
    ),
    (aten.diag_embed.default, (_map((4, 5), "plain"), 0, 1, -2)),
    (aten.diag_embed.default, (_map((4, 5), "plain"), 0, 1, 3)),
    *((aten.channel_shuffle.default, (_map(MAP, "plain"), groups)) for groups in (2, 0)),
    (aten.channel_shuffle.default, (_map((4, 6), "plain"), 2)),
    (aten.repeat.default, (_map((4, 5), "plain"), [2])),
    (
        aten.convolution.default,
        (_map((1, 3, 4, 4), "plain"), _map((8, 4, 3, 3), "plain"), None, [1], [0], [1], False, [0], 1),
    ),
    (
        aten.convolution.default,
        (_map((1, 4, 2, 2), "plain"), _map((8, 4, 3, 3), "plain"), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1),
    ),
    (aten.max_pool2d_with_indices.default, (_map((1, 3, 4, 4), "plain"), [3, 3], [1, 1], [2, 2])),
    *((aten.avg_pool2d.default, (_map(MAP, "plain"), [2, 2], [1, 1], [0, 0], ceil, True, 0)) for ceil in (False, True)),
    (aten.avg_pool2d.default, (_map(MAP, "plain"), [2, 2], [1, 1], [2, 2])),
    (aten.dot.default, (_map((4,), "plain"), _map((5,), "plain"))),
    (aten.dot.default, (_map((4, 4), "plain"), _map((4, 4), "plain"))),
    (aten.dot.default, (_map((4,), "plain"), _map((4,), "plain", torch.float64))),
    (aten.dot.default, (_map((4, 4), "plain"), _map((4,), "plain"))),
    (aten.mv.default, (_map((4, 5), "plain"), _map((4,), "plain"))),
    *(
        (aten.im2col.default, (_map(MAP, "plain"), *(sizes + [1] * (place == at) for at, sizes in enumerate(WINDOW))))
        for place in range(4)
    ),
    (aten.im2col.default, (_map(MAP, "plain"), [9, 9], [1, 1], [0, 0], [1, 1])),
    (aten.im2col.default, (_map((4, 5), "plain"), *WINDOW)),
    # Less than no padding on one axis only, and windows without distance, with the number of windows that would follow.
    (aten.col2im.default, (_map((2, 12, 3 * 8), "plain"), [6, 7], [2, 2], [1, 1], [-1, 1], [1, 1])),
    (aten.col2im.default, (_map((2, 12, 6 * 6), "plain"), [6, 7], [2, 2], [0, 1], [0, 0], [1, 1])),
    *((getattr(aten, name).default, (_map((4,), "plain"),)) for name in ("tril", "triu")),
    (aten.clone.default, (_map((4, 5), "plain"),), {"memory_format": torch.channels_last}),
    *(
        (aten.clone.default, (_map((2, 3, 4, 5, 6, 7)[:rank], "plain"),), {"memory_format": torch.channels_last_3d})
        for rank in (4, 6)
    ),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: str(case[0]))
def test_wrong_arguments_are_left_to_torch(case: Any) -> None:
    """A rule does not apply where torch raises an error, so that the error is torch's."""
    func, args, named = case if len(case) == 3 else (*case, {})
    assert shaped(SHAPES[func._schema.name], args, named) is None
    with pytest.raises((RuntimeError, IndexError, ValueError)):
        func(*args, **named)


GRID = (2, 5, 7, 2)
# Torch's meta kernels take them.
WRONG_ON_CPU: list[tuple[Any, ...]] = [
    (aten.index_select.default, (_map((4, 5), "plain"), 1, _map((2, 3), "plain", torch.int64))),
    (aten.grid_sampler_2d.default, (_map((2, 6, 4, 8), "plain"), _map((2, 5, 7, 3), "plain"), 0, 0, False)),
    (aten.grid_sampler_2d.default, (_map((2, 6, 0, 8), "plain"), _map(GRID, "plain"), 0, 0, False)),
    *((aten.im2col.default, (_map(MAP, "plain"), [2, 2], [1, 1], pads, [1, 1])) for pads in ([-1, 1], [1, -1])),
]


@pytest.mark.parametrize("case", WRONG_ON_CPU, ids=lambda case: str(case[0]))
def test_what_only_the_cpu_refuses(case: Any) -> None:
    """No rule applies either."""
    func, args = case
    assert shaped(SHAPES[func._schema.name], args, {}) is None
    with pytest.raises((RuntimeError, IndexError)):
        func(*map(on_cpu, args))


def test_ways_to_sample() -> None:
    """Three of interpolation and three for what is outside; another number is none."""
    x, grid = _map((2, 6, 4, 8), "plain"), _map(GRID, "plain")
    for how, outside in product(range(-1, 4), repeat=2):
        found = shaped(SHAPES["aten::grid_sampler_2d"], (x, grid, how, outside, False), {})
        assert (found is not None) == (how in range(3) and outside in range(3))


@pytest.mark.parametrize("form", ["plain", "transposed", "sliced"])
def test_memory_formats_by_name(form: str) -> None:
    """Channels innermost for maps of two and of three axes, as copies and as new tensors of the same shape."""
    for rank, wanted in ((4, torch.channels_last), (5, torch.channels_last_3d)):
        x = _map((2, 6, 4, 8, 3)[:rank], form)
        for func, named in (
            (aten.clone.default, {}),
            (aten.empty_like.default, {}),
            (aten._to_copy.default, {"dtype": torch.float16}),
        ):
            found = shaped(SHAPES[func._schema.name], (x,), {**named, "memory_format": wanted})
            assert _facts(found) == _facts(func(x, memory_format=wanted, **named))


OF_ONE = (
    "sum mean amax amin any all var_mean aminmax count_nonzero diag_embed"
    " argmax argmin linalg_vector_norm var std tril triu"
)
# They move data, whatever it is.
OF_ANY = "clone zeros_like"


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_other_tensors_are_left_to_torch() -> None:
    """Complex, sparse and conjugate tensors, tensors with values, and wrapped ones."""
    complex_ = torch.empty(3, 3, dtype=torch.complex64, device="meta")
    for x in (complex_, complex_.conj(), torch.empty(3, 3), torch.sparse_coo_tensor((3, 3), device="meta")):
        assert shaped(SHAPES["aten::exp"], (x,), {}) is None
        assert shaped(SHAPES["aten::add"], (x, x), {}) is None
        for name in OF_ONE.split():
            assert shaped(SHAPES[f"aten::{name}"], (x,), {}) is None
        for name in ("cumsum", "_log_softmax", "glu"):
            assert shaped(SHAPES[f"aten::{name}"], (x, 1), {}) is None
        if x is not complex_:
            assert all(shaped(SHAPES[f"aten::{name}"], (x,), {}) is None for name in OF_ANY.split())
            assert shaped(SHAPES["aten::flip"], (x, [1]), {}) is None


@pytest.mark.parametrize(
    ("shape", "strides"), [((2, 3, 4), (12, 4, 1)), ((2, 3, 4), (1, 8, 2)), ((2, 1, 4), (4, 9, 1))]
)
def test_dense(shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
    """As `torch.empty_strided` sees it: no gaps, and elements are all in memory."""
    x = torch.empty_strided(shape, strides, device="meta")
    assert sizes.is_dense(shape, strides)
    assert sizes.is_contiguous(shape, strides) == x.is_contiguous()
    assert sizes.elements(shape, strides) == x.numel()
    assert not sizes.is_dense(shape, (100, 10, 1))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 6, 2, 2)])
def test_channels_last(shape: tuple[int, ...]) -> None:
    """The strides that torch gives such a map."""
    assert sizes.channels_last(shape) == torch.empty(shape, memory_format=torch.channels_last).stride()


def test_which_maps_have_their_channels_innermost() -> None:
    """As torch says, for all orders of axes; the strides of axes of one element do not matter."""
    for shape, order in product(product((1, 2, 3), repeat=4), permutations(range(4))):
        strides = [0] * 4
        step = 1
        for axis in order:
            strides[axis] = step
            step *= shape[axis]
        for given in (strides, [7 if n == 1 else stride for n, stride in zip(shape, strides, strict=True)]):
            x = torch.empty_strided(shape, given, device="meta")
            assert sizes.is_channels_last(shape, given) == x.is_contiguous(memory_format=torch.channels_last)


def test_order_of_axes() -> None:
    """The sum of any two layouts of one shape, also with repeated axes, has its axes in the order of torch."""
    shape = (2, 3, 2)
    # One of windows that overlap.
    layouts: set[tuple[int, ...]] = {(1, 2, 1)}
    for order, repeated in product(permutations(range(3)), product((False, True), repeat=3)):
        steps = {axis: prod(shape[one] for one in order[:place]) for place, axis in enumerate(order)}
        layouts.add(tuple(0 if repeated[axis] else steps[axis] for axis in range(3)))
    maps = [torch.empty_strided(shape, strides, device="meta") for strides in layouts]
    for one, other in product(maps, repeat=2):
        if not (sizes.is_dense(shape, one.stride()) and one.stride() == other.stride()):
            assert sizes.elementwise(shape, [one.stride(), other.stride()]) == (one + other).stride()


@pytest.mark.parametrize("form", FORMS)
def test_views(form: str) -> None:
    """Which shapes need no copy, as `view` says; and what -1 is."""
    x = _map((2, 6, 4, 8), form)
    shapes = [(12, 4, 8), (2, 24, 8), (2, 6, 32), (384,), (2, 3, 2, 4, 8), (2, 6, 2, 2, 8), (1, 2, 6, 4, 8, 1), (48, 8)]
    for shape in shapes:
        try:
            x.view(shape)
        except RuntimeError:
            possible = False
        else:
            possible = True
        assert sizes.viewed(x.shape, x.stride(), shape) == possible, (form, shape)
    assert sizes.completed((2, -1, 8), 384) == (2, 24, 8)
    for wrong in ((5, -1), (-1, -1), (383,), (-2, 192), (0, -1)):
        assert sizes.completed(wrong, 384) is None


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (0, 4), (5, 1, 7)])
def test_strides_of_empty_tensors(shape: tuple[int, ...]) -> None:
    """An empty axis counts as one."""
    assert sizes.contiguous(shape) == torch.empty(shape, device="meta").stride()

"""The rules of views, one by one, against torch's own kernels: sizes, strides and offset, and what is refused."""

from collections.abc import Callable, Iterator
from itertools import permutations, product
from math import prod
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing.extents import unwrapped
from flopcalc.pytorch.tracing.nodes import wrapped
from flopcalc.pytorch.tracing.on_symbols import SymbolicNet
from flopcalc.pytorch.tracing.views import VIEWS, viewed
from flopcalc.symbolic.conditions import allows
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Scope

aten = torch.ops.aten
REFUSED = (RuntimeError, IndexError, ValueError)


def _base() -> Any:
    """Sizes 5, 6 and 4, none of which is a stride, behind other elements of the storage."""
    return torch.empty(200, device="meta")[7:127].view(5, 6, 4)


TENSORS: dict[str, Callable[[], Any]] = {
    "plain": _base,
    "transposed": lambda: _base().transpose(0, 2),
    "stepped": lambda: _base()[1:, ::2, 1:],
    "expanded": lambda: _base()[:, :1].expand(5, 3, 4),
    "ones": lambda: _base()[:, :1, :1],
    "square": lambda: _base()[1:, :, 1:].transpose(0, 1)[:, :3],
    "matrix": lambda: _base()[0],
    "vector": lambda: _base()[2, :, 1],
    "number": lambda: _base()[1, 2, 3],
    "nothing": lambda: _base()[:, 6:],
}
_ENDS = (None, 0, 1, 3, 4, 7, -1, -4, -9, 2**63 - 1)
_DIMS = range(-4, 4)
ARGUMENTS: dict[str, list[Any]] = {
    "view": [
        *(([30, 4],), ([5, 24],), ([-1],), ([5, 3, 2, -1],), ([5, 6, 3],), ([-1, 7],), ([-1, -1],), ([5, 1, 6, 4],)),
        *(([1],), ([1, 1],), ([],), ([5],), ([5, 1],), ([1, 5],), ([6],), ([3, 2],), ([2, 12],), ([3, 5, 1, 1, -1],)),
        *(([0],), ([5, 0, 4],), ([0, 7],), ([-1, 4],), ([-1, 0],), ([7, 0, 2],)),
    ],
    "permute": [([2, 0, 1],), ([-1, 0, 1],), ([0, 0, 1],), ([1, 0],), ([0],), ([],)],
    "transpose.int": list(product(_DIMS, _DIMS)),
    "t": [()],
    "alias": [()],
    "detach": [()],
    "unsqueeze": [(dim,) for dim in range(-5, 5)],
    "squeeze": [()],
    "squeeze.dim": [(dim,) for dim in _DIMS],
    "squeeze.dims": [([1, 2],), ([0, -1],), ([],)],
    "expand": [
        *(([5, 6, 4],), ([2, -1, -1, -1],), ([5, 8, 9],), ([-1, 3, 4],), ([6, 4],), ([2, 6],), ([3],), ([],)),
        *(([0, 1, 1],), ([5, 6, 5],), ([5, 1, 1],), ([2, 5, 1, 1],), ([-1, 5, 6, 4],)),
    ],
    "select.int": list(product(_DIMS, range(-8, 8))),
    "slice.Tensor": [(), *((dim, *rest) for dim in (-1, 0, 1, 3) for rest in product(_ENDS, _ENDS, (1, 2, 3, 0)))],
    "split.Tensor": [(by, dim) for by in range(-1, 8) for dim in _DIMS],
    "unsafe_split.Tensor": [(2, 0), (4, -1)],
    **{name: [(pieces, dim) for pieces in range(-1, 8) for dim in _DIMS] for name in ("chunk", "unsafe_chunk")},
    "split_with_sizes": [([1, 4], 0), ([2, 3],), ([1, 2, 1], -1), ([6], 1), ([3, 3], 1), ([1, 2], 1), ([0, 5, 0], 0)],
    "unbind.int": [(), *((dim,) for dim in _DIMS)],
    "diagonal": [
        *((), (1,), (-1,), (0, 1, 0), (0, -1, 0), (5, 1, 2), (0, 3, 0), (0, 1, 1)),
        *((offset, *dims) for offset in range(-3, 3) for dims in permutations(range(3), 2)),
    ],
    "unfold": [(dim, size, step) for dim in _DIMS for size in (1, 2, 3, 4, 7) for step in (1, 2, 5)],
    "_reshape_alias": [([4, 5], [2, 1])],
}


def _layouts(found: Any) -> Any:
    """Shape, strides and offset of a tensor, or of each of several."""
    if isinstance(found, torch.Tensor):
        # Where nothing is in it, strides and offset have no meaning, and torch's differ from kernel to kernel.
        return tuple(found.shape), *((found.stride(), found.storage_offset()) if found.numel() else (None, None))
    return [_layouts(one) for one in found]


def _outcome(function: Callable[..., Any], *args: Any) -> Any:
    try:
        return _layouts(function(*args))
    except REFUSED:
        return "refused"


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_rule_gives_what_the_kernel_gives(name: str) -> None:
    """On plain numbers, for every tensor and all arguments; the kernel refuses what the rule refuses."""
    packet, _, overload = name.partition(".")
    kernel = getattr(getattr(aten, packet), overload or "default")
    taken = 0
    for form, made in TENSORS.items():
        for given in ARGUMENTS[name]:
            x = made()
            expected = _outcome(kernel, x, *given)
            assert _outcome(VIEWS[f"aten::{packet}"], x, *given) == expected, (form, given)
            taken += expected != "refused"
    assert taken >= 3


NAMED: dict[str, list[dict[str, Any]]] = {
    "slice.Tensor": [{}, {"start": 1}, {"end": 3}, {"step": 2}, {"dim": 1, "start": -2}],
    "split.Tensor": [{"split_size": 2}],
    "chunk": [{"chunks": 2}],
    "split_with_sizes": [{"split_sizes": [2, 3]}],
    "unbind.int": [{}],
    "diagonal": [{}, {"offset": 1}, {"dim2": 2}, {"dim1": 2}],
}


@pytest.mark.parametrize("name", NAMED)
def test_arguments_that_are_left_out(name: str) -> None:
    """They are those of the kernel."""
    packet, _, overload = name.partition(".")
    kernel = getattr(getattr(aten, packet), overload or "default")
    for given in NAMED[name]:
        expected = _layouts(kernel(_base(), **given))
        assert _layouts(VIEWS[f"aten::{packet}"](_base(), **given)) == expected, given


# Other shapes of the same elements ---------------------------------------------------------------


def _shapes(count: int, rank: int) -> Iterator[tuple[int, ...]]:
    """The shapes of a number of elements, ones included."""
    sizes = [size for size in range(1, count + 1) if count % size == 0]
    yield from (shape for shape in product(sizes, repeat=rank) if prod(shape) == count)


def _sources() -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Layouts of 8 elements: dense in any order of the axes, with gaps, and repeated."""
    for shape in (*_shapes(8, 1), *_shapes(8, 2), *_shapes(8, 3)):
        for order in permutations(range(len(shape))):
            strides, step = [0] * len(shape), 1
            for axis in order:
                strides[axis] = step
                step *= shape[axis]
            yield shape, tuple(strides)
            yield shape, tuple(3 * one for one in strides)
            yield shape, tuple(one + 5 * (axis == 0) for axis, one in enumerate(strides))
            yield shape, tuple(one * (axis != 1) for axis, one in enumerate(strides))


SOURCES = sorted(set(_sources()))
TARGETS = [shape for rank in range(1, 4) for shape in _shapes(8, rank)]


def _by_torch(shape: tuple[int, ...], strides: tuple[int, ...], new: tuple[int, ...]) -> list[int] | None:
    try:
        return list(torch.empty_strided(shape, strides, device="meta").view(new).stride())
    except RuntimeError:
        return None


@pytest.mark.parametrize("part", range(3))
def test_strides_of_another_shape(part: int) -> None:
    """Some shapes as some others: of numbers, and of sizes that are equal at the hints alone."""
    pairs = list(product(SOURCES, TARGETS))[part::21]
    refused = 0
    for (shape, strides), new in pairs:
        expected = _by_torch(shape, strides, new)
        refused += expected is None
        assert viewed(shape, strides, new) == expected, (shape, strides, new)
        hints = {f"{letter}{axis}": one for letter, sizes in zip("abc", (shape, strides, new), strict=True)
                 for axis, one in enumerate(sizes)}  # fmt: skip
        scope = Scope({name: hint for name, hint in hints.items() if hint})
        sizes = {name: scope.symbol(name) if hint else 0 for name, hint in hints.items()}
        found = viewed(*([one for name, one in sizes.items() if name[0] == letter] for letter in "abc"))
        assert (found and [evaluate(one, hints) for one in found]) == expected, (shape, strides, new)
        assert allows(scope, hints)
    assert 0 < refused < len(pairs)


# Sizes that are symbols -----------------------------------------------------------------------------

# A view of x, which has h rows of 2 h, and the least h for which torch takes it as it does at many rows.
ON_SYMBOLS: dict[str, tuple[Callable[[Any, Any], Any], int]] = {
    "all": (lambda x, h: x[:h], 1),
    "more than all": (lambda x, h: x[: 3 * h], 1),
    "all, as torch has the end": (lambda x, h: aten.slice(x, 0, 0, 2**63 - 1), 1),
    "each third, as torch has the end": (lambda x, h: aten.slice(x, 1, None, 2**63 - 1, 3), 1),
    "none": (lambda x, h: x[h:], 1),
    "none, past the end": (lambda x, h: x[h + 5 :], 1),
    "half of a row": (lambda x, h: x[:, :h], 1),
    "other half of a row": (lambda x, h: x[:, h:], 1),
    "the end of a long axis": (lambda x, h: x[0, 0].expand(h * h * h)[1:], 1),
    "each second element": (lambda x, h: x[:, ::2], 1),
    "without the first three": (lambda x, h: x[3:], 3),
    "without the last three": (lambda x, h: x[:-3], 3),
    "the last three": (lambda x, h: x[-3:], 3),
    "the first": (lambda x, h: x[0], 1),
    "the fourth": (lambda x, h: x[3], 4),
    "the last but three": (lambda x, h: x[-4], 4),
    "diagonal": (lambda x, h: x.diagonal(), 1),
    "diagonal below": (lambda x, h: x.diagonal(-3), 3),
    "diagonal of a square": (lambda x, h: x[:, h:].diagonal(), 1),
    "windows": (lambda x, h: x.unfold(0, 3, 2), 3),
    "one piece": (lambda x, h: x.split(h)[0], 1),
    "halves": (lambda x, h: x.split(h, 1)[1], 1),
    "pieces": (lambda x, h: x.split([1, h - 1])[1], 1),
    "repeated": (lambda x, h: x[None, :, None].expand(h, h, 3 * h, 2 * h), 1),
    "kept": (lambda x, h: x.expand(-1, 2 * h), 1),
    "unflattened": (lambda x, h: x.view(-1, 2), 1),
    "as columns": (lambda x, h: x.t().view(2, h, h), 1),
    "without ones": (lambda x, h: x[None].squeeze(0), 1),
}


@pytest.mark.parametrize("name", ON_SYMBOLS)
def test_a_view_decides_no_more_than_it_must(name: str) -> None:
    """It is torch's view at all sizes from the least one on, whatever the size of the first run."""
    view, least = ON_SYMBOLS[name]
    scope: Any = Scope({"H": 20})
    h = wrapped(scope.symbol("H"))
    net: TorchDispatchMode = SymbolicNet(Recorder({}))
    with torch.no_grad(), net:
        x = view(torch.empty((h, 2 * h), device="meta"), h)
    met = [size for size in range(1, 50) if allows(scope, {"H": size})]
    assert met == list(range(least, 50))
    assert bool(scope.conditions) is (least > 1)
    for size in met:
        y = view(torch.empty((size, 2 * size), device="meta"), size)
        shape, strides = ([evaluate(unwrapped(one), {"H": size}) for one in sizes] for sizes in (x.shape, x.stride()))
        assert shape == list(y.shape)
        if y.numel():
            # An axis of one element has any stride.
            several = [axis for axis, count in enumerate(shape) if count != 1]
            assert [strides[axis] for axis in several] == [y.stride(axis) for axis in several]
            assert evaluate(unwrapped(x.storage_offset()), {"H": size}) == y.storage_offset()


def test_an_axis_expanded_to_a_size_that_is_the_same_here() -> None:
    """Rows repeated like columns, where there are as many: that is a condition."""
    scope: Any = Scope({"H": 20, "W": 20})
    h, w = (wrapped(scope.symbol(name)) for name in "HW")
    net: TorchDispatchMode = SymbolicNet(Recorder({}))
    with torch.no_grad(), net:
        x = torch.empty((h, 6), device="meta").expand(3, w, 6)
    assert [
        point for point in product(range(1, 5), repeat=2) if allows(scope, dict(zip("HW", point, strict=True)))
    ] == [(size, size) for size in range(1, 5)]
    assert [evaluate(unwrapped(one), {"H": 4, "W": 4}) for one in (*x.shape, *x.stride())] == [3, 4, 6, 0, 6, 1]

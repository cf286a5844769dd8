"""Other shapes of a tensor with symbolic sizes: views at all sizes ask nothing of them, and copies only what they need.

The strides follow by hand from those of a tensor of shape (N, 4, H, W), which are (4HW, HW, W, 1).
"""

from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn

from flopcalc.pytorch.tracing.symbolic import SymbolicNetwork, counted_at, symbolic_network
from flopcalc.symbolic.evaluating import evaluate

SHAPE = (4, 8, 12)
SIZES = ((1, 1, 1), (1, 8, 12), (1, 1, 5), (2, 7, 1), (3, 1, 1), (1, 4, 1), (2, 2, 2), (3, 9, 4), (2, 1, 6))
# A function of the input, and of N, H and W the shape and the strides of its result.
Case = tuple[Callable[[Any], Any], Callable[[Any, Any, Any], tuple[tuple[Any, ...], tuple[Any, ...]]]]


class Changed(nn.Module):
    """A function of the input, whose result has the shape and the strides that are given."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.function, self.layout = case

    def forward(self, x: Any) -> Any:
        """The function's result."""
        n, _, h, w = x.shape
        out, (shape, strides) = self.function(x), self.layout(n, h, w)
        assert tuple(out.shape) == shape, (out.shape, shape)
        for size, stride, step in zip(shape, out.stride(), strides, strict=True):
            # The stride of an axis with one element is not used, and torch may give another.
            assert (type(size) is int and size == 1) or stride == step, (out.stride(), strides)
        return out


def _form(case: Case) -> SymbolicNetwork:
    """The closed form; the case itself is checked with real tensors, and the form by counts where it is allowed."""
    module = Changed(case)
    found = symbolic_network(module, SHAPE)
    assert found.fixed == ()
    for sizes in SIZES:
        point = dict(zip("NHW", sizes, strict=True))
        if found.allows(point):
            module(torch.rand(sizes[0], 4, *sizes[1:]))
            counted = counted_at(found, module, SHAPE, 1, point)
            assert evaluate(found.network.total("traffic"), point) == counted.total("traffic"), point
    return found


VIEWS: dict[str, Case] = {
    "all": (lambda x: x.flatten(), lambda n, h, w: ((4 * n * h * w,), (1,))),
    "all but the batch": (lambda x: x.flatten(1), lambda n, h, w: ((n, 4 * h * w), (4 * h * w, 1))),
    "the map": (lambda x: torch.flatten(x, 2, 3), lambda n, h, w: ((n, 4, h * w), (4 * h * w, h * w, 1))),
    "channels and rows": (lambda x: x.flatten(1, 2), lambda n, h, w: ((n, 4 * h, w), (4 * h * w, w, 1))),
    "in front": (lambda x: x.flatten(end_dim=1), lambda n, h, w: ((4 * n, h, w), (h * w, w, 1))),
    "one axis": (lambda x: x.flatten(2, 2), lambda n, h, w: ((n, 4, h, w), (4 * h * w, h * w, w, 1))),
    "a scalar": (lambda x: x.new_zeros(()).flatten(), lambda n, h, w: ((1,), (1,))),
    "a turned map": (
        lambda x: x.permute(0, 2, 3, 1).flatten(1, 2),
        lambda n, h, w: ((n, h * w, 4), (4 * h * w, 1, h * w)),
    ),
    "a turned map in front": (
        lambda x: x.permute(2, 3, 0, 1).flatten(0, 1),
        lambda n, h, w: ((h * w, n, 4), (1, 4 * h * w, h * w)),
    ),
    "to tokens": (
        lambda x: x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, 4),
        lambda n, h, w: ((n, h * w, 4), (4 * h * w, 1, h * w)),
    ),
    "from tokens": (
        lambda x: x.flatten(2).transpose(1, 2).reshape(x.shape[0], x.shape[2], x.shape[3], 4),
        lambda n, h, w: ((n, h, w, 4), (4 * h * w, w, 1, h * w)),
    ),
    "a map again": (
        lambda x: x.flatten(2).reshape(x.shape),
        lambda n, h, w: ((n, 4, h, w), (4 * h * w, h * w, w, 1)),
    ),
    "in one": (lambda x: x.reshape(-1), lambda n, h, w: ((4 * n * h * w,), (1,))),
    "in one, as a list": (lambda x: torch.reshape(x, [-1]), lambda n, h, w: ((4 * n * h * w,), (1,))),
    "heads": (
        lambda x: x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, 2, 2),
        lambda n, h, w: ((n, h * w, 2, 2), (4 * h * w, 1, 2 * h * w, h * w)),
    ),
    "complex": (
        lambda x: torch.complex(x, x).permute(0, 2, 3, 1).flatten(1, 2),
        lambda n, h, w: ((n, h * w, 4), (4 * h * w, 1, h * w)),
    ),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_at_all_sizes(name: str) -> None:
    """They ask nothing, so that the form is that of a batch of 1 and maps of one row and one column, too."""
    assert [str(one) for one in _form(VIEWS[name]).scope.conditions] == []


# Copies, and what their forms ask of N, H and W: where it is not so, torch may give a view, which copies nothing.
COPIES: dict[str, tuple[Case, Callable[[int, int, int], bool]]] = {
    "rows and channels": (
        (lambda x: x.transpose(1, 3).flatten(2), lambda n, h, w: ((n, w, 4 * h), (4 * h * w, 4 * h, 1))),
        lambda n, h, w: min(h, w) > 1,
    ),
    "columns and rows": (
        (lambda x: x.transpose(1, 3).flatten(1, 2), lambda n, h, w: ((n, h * w, 4), (4 * h * w, 4, 1))),
        lambda n, h, w: min(n, h, w) > 1,
    ),
    "all but the batch": (
        (lambda x: x.permute(0, 2, 3, 1).flatten(1), lambda n, h, w: ((n, 4 * h * w), (4 * h * w, 1))),
        lambda n, h, w: min(n, w) > 1,
    ),
    "columns and channels": (
        (lambda x: x.permute(0, 2, 3, 1).flatten(2), lambda n, h, w: ((n, h, 4 * w), (4 * h * w, 4 * w, 1))),
        lambda n, h, w: min(h, w) > 1,
    ),
    "in one": (
        (lambda x: x.permute(0, 2, 3, 1).reshape(-1), lambda n, h, w: ((4 * n * h * w,), (1,))),
        lambda n, h, w: w > 1,
    ),
    "the batch below": (
        (lambda x: x.transpose(0, 1).flatten(), lambda n, h, w: ((4 * n * h * w,), (1,))),
        lambda n, h, w: n > 1 and h * w > 1,
    ),
    "complex": (
        (lambda x: torch.complex(x, x).transpose(0, 1).flatten(), lambda n, h, w: ((4 * n * h * w,), (1,))),
        lambda n, h, w: n > 1 and h * w > 1,
    ),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies(name: str) -> None:
    """They ask so much that torch copies, and no more."""
    case, allowed = COPIES[name]
    found = _form(case)
    points = [dict(zip("NHW", sizes, strict=True)) for sizes in SIZES]
    assert [found.allows(point) for point in points] == [allowed(*sizes) for sizes in SIZES]


@pytest.mark.parametrize("name", ["reshape", "flatten"])
def test_inside_of_vmap(name: str) -> None:
    """There, torch itself finds the shape: the samples are further elements of the tensor that the rule would see."""
    own: Callable[[Any], Any] = lambda x: x.reshape(-1) if name == "reshape" else x.flatten()  # noqa: E731
    found = _form(
        (
            torch.vmap(lambda one: own(one.permute(1, 2, 0))),
            lambda n, h, w: ((n, 4 * h * w), (4 * h * w, 1)),
        )
    )
    assert str(found.network.total("traffic")) == "8*N*H*W"


def test_a_module_that_flattens() -> None:
    """It asks what the function does: nothing for rows and columns that are next to each other."""
    turned: Case = (lambda x: x.permute(0, 2, 3, 1), lambda n, h, w: ((n, h, w, 4), (4 * h * w, w, 1, h * w)))
    module = nn.Sequential(Changed(turned), nn.Flatten(1, 2))
    assert symbolic_network(module, SHAPE).scope.conditions == []

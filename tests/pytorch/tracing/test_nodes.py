"""Symbolic sizes as torch computes with them, against the same computation on ints and on ordinary tensors."""

import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing.extents import quotient, unwrapped
from flopcalc.pytorch.tracing.nodes import wrapped
from flopcalc.pytorch.tracing.on_symbols import SymbolicNet
from flopcalc.symbolic.conditions import allows
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Scope

# Functions of two sizes, as forwards compute with them.
COMPUTED: dict[str, Callable[[Any, Any], Any]] = {
    "sum": lambda h, w: 3 * h + w - 7,
    "product": lambda h, w: h * w * h,
    "power": lambda h, w: h**2 + 2 * w,
    "floor": lambda h, w: (h - 1) // 2 + w // 3,
    "ceiling": lambda h, w: -(-h // 4),
    "rest": lambda h, w: h % 7 + (8 - w % 8) % 8,
    "nested": lambda h, w: ((h + 1) // 2 + 1) // 2 * (w // 16),
    "halves": lambda h, w: h - h // 2,
    "divided": lambda h, w: math.floor(h / 3),
    "divided up": lambda h, w: math.ceil(w / 7) * 7 - w,
    "scaled": lambda h, w: math.floor(h * 0.75) + math.ceil(w * 1.5),
    "scaled by a third": lambda h, w: math.floor(h * (1 / 3)),
    "scaled by 1.1": lambda h, w: math.floor(w * 1.1),
    "rounded": lambda h, w: round(h / 4),
    "truncated": lambda h, w: math.trunc(h / 8),
    "there and back": lambda h, w: math.floor(h / 49 * 49),
    "ratio": lambda h, w: math.floor(h * w / w),
    "larger": lambda h, w: max(h, w) + min(h, 40),
    "larger as torch has it": lambda h, w: torch.sym_max(h, w) - torch.sym_min(h, 20),
    "path": lambda h, w: h if h > w else 2 * w,
    "equal": lambda h, w: 1 if h == w else h,
    "whole": lambda h, w: h if h % 4 == 0 else h + 4 - h % 4,
    "number": lambda h, w: int(h) * w,
    "root": lambda h, w: math.floor(torch.sym_sqrt(h)) * w,
    "negative": lambda h, w: abs(-h) + abs(w - h),
}
POINTS = [(h, w) for h in (1, 2, 5, 16, 49, 64, 97, 100) for w in (1, 3, 16, 50, 64, 121)]


@pytest.mark.parametrize("name", COMPUTED)
@pytest.mark.parametrize("hints", [(64, 96), (49, 49), (7, 5)], ids=str)
def test_as_python_computes(name: str, hints: tuple[int, int]) -> None:
    """Wherever its conditions hold, the expression is what the function gives for ints; at the hints they do."""
    function = COMPUTED[name]
    scope = Scope({"H": hints[0], "W": hints[1]})
    found = unwrapped(function(wrapped(scope.symbol("H")), wrapped(scope.symbol("W"))))
    met = []
    for h, w in [hints, *POINTS]:
        point = {"H": h, "W": w}
        if allows(scope, point):
            met.append(point)
            assert evaluate(found, point) == function(h, w), (point, found)
    assert met[0] == {"H": hints[0], "W": hints[1]}


def test_few_of_them_need_conditions() -> None:
    """Paths and numbers do, arithmetic does not."""
    with_conditions = set()
    for name, function in COMPUTED.items():
        scope = Scope({"H": 64, "W": 96})
        function(wrapped(scope.symbol("H")), wrapped(scope.symbol("W")))
        if scope.conditions:
            with_conditions.add(name)
    paths = {"larger", "path", "equal", "whole", "number", "root"}
    # Floating point may be on the other side of a whole number.
    assert with_conditions == paths | {"scaled by a third", "scaled by 1.1", "there and back"}


# Views ---------------------------------------------------------------------------------------------


def _steps(draws: random.Random) -> Iterator[Callable[[Any, Any, Any], Any]]:
    """Views of x, which has sizes of h and w."""
    while True:
        axis, other, number = draws.randrange(-1, 4), draws.randrange(3), draws.randrange(1, 4)
        yield draws.choice(
            (
                lambda x, h, w, a=axis, b=other: x.transpose(a % x.dim(), b % x.dim()),
                lambda x, h, w: x.permute(*reversed(range(x.dim()))),
                lambda x, h, w: x.t() if x.dim() == 2 else x,
                lambda x, h, w, a=axis: x.unsqueeze(a % (x.dim() + 1)),
                lambda x, h, w, a=axis: x.narrow(a % x.dim(), 0, x.shape[a % x.dim()] - 1),
                lambda x, h, w, n=number: x[..., n:],
                lambda x, h, w, n=number: x[..., :-n],
                lambda x, h, w, n=number: x[n::2],
                lambda x, h, w: x[..., : x.shape[-1] // 2],
                lambda x, h, w, a=axis: x.select(a % x.dim(), -1) if x.dim() > 2 else x,
                lambda x, h, w: x.flatten(0, 1),
                lambda x, h, w, n=number: x.unfold(0, n, 2),
                lambda x, h, w: x[None].expand(h, *([-1] * x.dim())),
                lambda x, h, w, a=axis: x.chunk(1, a % x.dim())[0],
                lambda x, h, w, a=axis: x.split([2, x.shape[a % x.dim()] - 2], a % x.dim())[1],
                lambda x, h, w: x.reshape(-1, x.shape[-1]),
                lambda x, h, w: x.contiguous().view(x.shape[0], -1),
                lambda x, h, w: x.diagonal(0, 0, 1) if x.dim() > 2 else x,
                lambda x, h, w: x.unflatten(0, (1, -1)).squeeze(0),
            )
        )


def _taken(chain: list[Callable[[Any, Any, Any], Any]], h: Any, w: Any) -> Any:
    x = torch.empty((h, 6, w), device="meta")
    for step in chain:
        x = step(x, h, w)
    return x


@pytest.mark.parametrize("seed", range(60))
def test_views_as_torch_takes_them(seed: int) -> None:
    """Shape, strides and offset of random chains of views, at the hints and wherever the conditions hold."""
    draws = random.Random(seed)  # noqa: S311 - not for secrets
    chain = [step for step, _ in zip(_steps(draws), range(4), strict=False)]
    scope = Scope({"H": 20, "W": 24})
    h, w = (wrapped(scope.symbol(name)) for name in "HW")
    net: TorchDispatchMode = SymbolicNet(Recorder({}))
    with torch.no_grad(), net:
        try:
            x = _taken(chain, h, w)
        except (RuntimeError, IndexError, ValueError):
            x = None
    if x is None:
        # Torch says so too.
        with pytest.raises((RuntimeError, IndexError, ValueError)):
            _taken(chain, 20, 24)
        return
    met = 0
    for height, width in [(20, 24), (13, 9), (31, 50), (8, 8), (64, 21)]:
        point = {"H": height, "W": width}
        if not allows(scope, point):
            continue
        met += 1
        y = _taken(chain, height, width)
        found = [[evaluate(unwrapped(one), point) for one in sizes] for sizes in (x.shape, x.stride())]
        shape, strides = list(y.shape), list(y.stride())
        assert found[0] == shape
        # The stride of an axis of one element is any number.
        assert [one for one, size in zip(found[1], shape, strict=True) if size != 1] == [
            one for one, size in zip(strides, shape, strict=True) if size != 1
        ]
        if y.numel():
            assert evaluate(unwrapped(x.storage_offset()), point) == y.storage_offset()
    assert met >= 1


def test_a_quotient_that_is_no_whole_number() -> None:
    """3H // 2H is 1 for every H."""
    height: Any = Scope({"H": 64}).symbol("H")
    assert quotient(3 * height, 2 * height) == 1
    assert quotient(4 * height, 2 * height) == 2

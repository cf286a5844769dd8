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
from flopcalc.pytorch.tracing.nodes import Node, wrapped
from flopcalc.pytorch.tracing.on_symbols import SymbolicNet
from flopcalc.pytorch.tracing.reals import Real
from flopcalc.pytorch.tracing.symbolic_functions import RULES
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
    "there and back over a size": lambda h, w: math.floor(h * w / (49 * w) * 49),
    "there and back, then over a size": lambda h, w: math.floor(h / 49 * 49 * w / w),
    "there and back of a sum": lambda h, w: math.floor((h + 49 * w) / 49 * 49),
    "ratio": lambda h, w: math.floor(h * w / w),
    "ratio, scaled": lambda h, w: math.floor(h * w / w * 3),
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
    back = {name for name in COMPUTED if name.startswith("there and back")}
    assert with_conditions == paths | back | {"scaled by a third", "scaled by 1.1"}


# Statements of statements, as torch and forwards make them, and those of them that hold at all sizes or at none.
STATEMENTS: dict[str, Callable[[Any, Any], Any]] = {
    "and": lambda h, w: (h > 20) & (w < 50),
    "or": lambda h, w: (h > 20) | (w < 50),
    "neither": lambda h, w: torch.sym_not((h > 20) | (w < 50)),
    "not equal": lambda h, w: torch.sym_not(h == w),
    "a constant": lambda h, w: (h >= w) & (1 < 2),  # noqa: PLR0133 (as a forward of plain numbers may have it)
    "thirds": lambda h, w: (h / 3 > w / 2) | (h / 3 == w / 2),
}
CERTAIN: dict[str, tuple[Callable[[Any, Any], Any], bool]] = {
    "at least one": (lambda h, w: h >= 1, True),
    "one more": (lambda h, w: h + w >= 2, True),
    "less than one": (lambda h, w: h < 1, False),
    "none": (lambda h, w: h == 0, False),
    "not none": (lambda h, w: h != 0, True),
    "negative": (lambda h, w: -h >= 0, False),
    "at most": (lambda h, w: 1 - h <= 0, True),
    "less": (lambda h, w: 1 - h > 0, False),
    "itself": (lambda h, w: h == h + w - w, True),
    "not itself": (lambda h, w: h != h + w - w, False),
    "halves": (lambda h, w: h / 2 >= 0.5, True),
    "or": (lambda h, w: (w > 9) | (h >= 1), True),
    "and": (lambda h, w: (w > 9) & (h < 1), False),
    "both": (lambda h, w: (w >= 1) & (h >= 1), True),
    "not": (lambda h, w: torch.sym_not(h < 1), True),
    "neither": (lambda h, w: torch.sym_not((w > 9) | (h >= 1)), False),
    "finite": (lambda h, w: h < math.inf, True),
    "finite, the other way": (lambda h, w: h > -math.inf, True),
    "endless": (lambda h, w: h / 2 >= math.inf, False),
    "not a number": (lambda h, w: h == math.nan, False),  # noqa: PLW0177 (as a forward may have it)
    "a bool": (lambda h, w: h + 1 == True, False),  # noqa: E712 (as a forward may have it)
}


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("hints", [(64, 96), (64, 16), (7, 96), (7, 16), (20, 30), (16, 16)], ids=str)
def test_statements_of_statements(name: str, hints: tuple[int, int]) -> None:
    """The answer is that for ints, at the hints and wherever the conditions hold; asking alone records nothing."""
    statement = STATEMENTS[name]
    scope: Any = Scope({"H": hints[0], "W": hints[1]})
    found = statement(wrapped(scope.symbol("H")), wrapped(scope.symbol("W")))
    assert not found.node.statically_known_true("", 0)
    assert not scope.conditions
    answer = bool(found)
    assert scope.conditions
    met = [(h, w) for h, w in [hints, *POINTS] if allows(scope, {"H": h, "W": w})]
    assert hints in met
    assert [bool(statement(h, w)) for h, w in met] == [answer] * len(met)


@pytest.mark.parametrize("name", CERTAIN)
def test_what_is_certain_is_no_condition(name: str) -> None:
    """At all sizes from 1 on; torch asks so before it takes a shorter path."""
    statement, expected = CERTAIN[name]
    scope: Any = Scope({"H": 20, "W": 30})
    found = statement(wrapped(scope.symbol("H")), wrapped(scope.symbol("W")))
    assert found.node.statically_known_true("", 0) is expected
    assert bool(found) is expected
    assert not scope.conditions


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


@pytest.mark.parametrize(
    ("bottom", "hint", "expected"),
    [
        (lambda w: w - 5, 9, range(6, 19)),
        (lambda w: w - 5, 3, range(1, 5)),
        (lambda w: w - 1, 9, range(2, 15)),
        (lambda w: w / 2, 9, range(1, 20)),
        (lambda w: -w, 9, range(1, 20)),
    ],
)
def test_the_sign_of_what_a_size_is_divided_by(bottom: Callable[[Any], Any], hint: int, expected: range) -> None:
    """It is decided where it is not known: the comparison of the quotient with 3 is that of the sizes on this side."""
    scope: Any = Scope({"W": hint, "H": 40})
    answer = bool(wrapped(scope.symbol("H")) / bottom(wrapped(scope.symbol("W"))) > 3)
    met = [size for size in range(1, 20) if allows(scope, {"H": 40, "W": size})]
    assert met == list(expected)
    assert [40 / bottom(size) > 3 for size in met] == [answer] * len(met)


def test_a_number_that_floating_point_may_round_is_fixed() -> None:
    """Its size is one condition; its sign needs no other."""
    scope: Any = Scope({"H": 20})
    assert unwrapped(math.trunc(10 - wrapped(scope.symbol("H")) / 3)) == 3
    assert [(str(one.expression), one.relation) for one in scope.conditions] == [("(-H + 20)/3", "==")]


def test_a_limit_that_is_endless() -> None:
    """The smaller one is the size, the larger one is the limit; nothing is decided."""
    scope: Any = Scope({"H": 20})
    h = wrapped(scope.symbol("H"))
    assert unwrapped(min(h, math.inf)) is unwrapped(h)
    assert unwrapped(max(-math.inf, h)) is unwrapped(h)
    assert max(h, math.inf) == math.inf
    assert not scope.conditions


def test_a_quotient_that_is_no_whole_number() -> None:
    """3H // 2H is 1 for every H."""
    height: Any = Scope({"H": 64}).symbol("H")
    assert quotient(3 * height, 2 * height) == 1
    assert quotient(4 * height, 2 * height) == 2


def test_a_quotient_of_sizes_that_conditions_fix() -> None:
    """Where H is 28, or a multiple of 7: whole numbers, never floats."""
    scope: Any = Scope({"H": 28, "W": 42})
    height, width = scope.symbol("H"), scope.symbol("W")
    assert height % 7 == 0
    assert quotient(height // 7 * 7 * width, height) == width
    scope.fix(height // 7)
    for top, found in ((height // 7 * 7, 1), (height * height, 28), (height * 3, 3)):
        share = quotient(top, height)
        assert type(share) is not float
        assert evaluate(share, {"H": 28}) == found


def test_numbers_with_a_fraction_divided_down() -> None:
    """(H / 2) // 4 and (H / 3) % 4 at many sizes, without a condition; eighths and 1024ths are exact."""
    scope: Any = Scope({"H": 64})
    half = Real(scope.symbol("H") / 2, scope)
    third = Real(scope.symbol("H"), scope, over=3)
    assert (half.at, third.at) == (64 / 2, 64 / 3)
    for of, by in ((half, 2), (third, 3)):
        for size in (1, 7, 8, 64, 97):
            down, rest = of.int_floordiv(Node(4, scope)), of.mod(Node(4, scope))
            assert evaluate(down.value, {"H": size}) == size // (4 * by)
            # The rest is a number of halves, or of thirds.
            assert evaluate(rest.value * by / rest.over, {"H": size}) == size % (4 * by)
    height: Any = wrapped(scope.symbol("H"))
    for factor in (1 / 8, 1 / 1024, 3 / 2**15):
        found = unwrapped(math.floor(height * factor))
        assert [evaluate(found, {"H": size}) for size in (7, 64, 5000)] == [int(n * factor) for n in (7, 64, 5000)]
    assert not scope.conditions


def _on_symbols(function: Callable[..., Any], **hints: int) -> tuple[Any, Any]:
    """What a function of two sizes makes on symbolic sizes, and their scope."""
    scope: Any = Scope(hints)
    net: TorchDispatchMode = SymbolicNet(Recorder({}))
    with torch.no_grad(), net:
        return function(*(wrapped(scope.symbol(name)) for name in hints)), scope


@pytest.mark.parametrize("place", range(-4, 4))
def test_a_new_axis_has_torchs_stride(place: int) -> None:
    """Also that of its one element, which a forward may read; nothing is decided."""
    x, scope = _on_symbols(lambda h, w: torch.empty((h, 6, w), device="meta").unsqueeze(place), H=20, W=24)
    y = torch.empty((20, 6, 24), device="meta").unsqueeze(place)
    point = {"H": 20, "W": 24}
    found = [tuple(evaluate(unwrapped(one), point) for one in sizes) for sizes in (x.shape, x.stride())]
    assert found == [tuple(y.shape), y.stride()]
    assert not scope.conditions


def test_a_view_for_all_sizes_decides_nothing() -> None:
    """An axis of H * W split into both, in the middle and in front, and joined again."""

    def views(h: Any, w: Any) -> Any:
        x = torch.empty((2, 6, h * w), device="meta").view(2, 6, h, w)
        y = torch.empty((h * w, w), device="meta").view(h, w, w)
        return x, y, x.view(2, 6 * h, w), y.view(-1, w), x.view(12, h * w)

    found, scope = _on_symbols(views, H=20, W=24)
    assert not scope.conditions
    strides = [[evaluate(unwrapped(one), {"H": 3, "W": 5}) for one in x.stride()] for x in found]
    assert strides == [[90, 15, 5, 1], [25, 5, 1], [90, 5, 1], [5, 1], [15, 1]]


@pytest.mark.parametrize("hint", [20, 21, 15])
def test_the_last_piece_is_what_is_left(hint: int) -> None:
    """Three pieces of 7 are of 15 to 21, whatever the size of the last one at the reference point."""
    pieces, scope = _on_symbols(lambda h: torch.empty((h, 6), device="meta").split(7), H=hint)
    met = [size for size in range(1, 40) if allows(scope, {"H": size})]
    assert met == list(range(15, 22))
    for size in met:
        assert [evaluate(unwrapped(one.shape[0]), {"H": size}) for one in pieces] == [7, 7, size - 14]


@pytest.mark.parametrize("given", [((2, -1),), ([2, -1],), (2, -1), (torch.Size((2, -1)),)], ids=str)
def test_a_shape_in_one_argument_or_in_several(given: Any) -> None:
    """For a view, and for a map that must be copied."""

    def reshaped(h: Any) -> Any:
        x = torch.empty((h, 6), device="meta")
        return [RULES[torch.Tensor.reshape](Recorder({}), one, *given) for one in (x, x.t())]

    found, _ = _on_symbols(reshaped, H=20)
    assert [[evaluate(unwrapped(one), {"H": 4}) for one in x.shape] for x in found] == [[2, 12], [2, 12]]

"""Closed forms in sizes that must be multiples: simpler, valid at the same sizes, with the same costs."""

import random
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from helpers import WriteNetwork

from flopcalc.analysis import closed_forms
from flopcalc.analysis.assumptions import assumed
from flopcalc.analysis.closed_forms import network_form
from flopcalc.analysis.form_record import python_source
from flopcalc.analysis.multiples import in_multiples
from flopcalc.analysis.network_form import NetworkForm, changed, points_of
from flopcalc.symbolic.conditions import Divisor, FixedSize, Requirement, divisors, requirements
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Scope
from flopcalc.symbolic.writing import text
from flopcalc.targets.spec import from_texts

# A map that is halved twice, and joined with the larger ones: both halves must be whole.
JOINED = """
input: [4, 32, 32]
layers:
  - a: {op: conv, out: 8, bias: false}
  - b: {op: maxpool, k: 2, stride: 2}
  - c: {op: conv, out: 16, bias: false}
  - d: {op: maxpool, k: 2, stride: 2}
  - e: {op: conv, out: 16, bias: false}
  - f: {op: upsample, scale: 2}
  - g: {op: concat, from: [c, f]}
  - h: {op: upsample, scale: 2}
  - i: {op: concat, from: [a, h]}
  - j: {op: conv, out: 2, k: 1, bias: false}
"""


def _conditions(form: NetworkForm) -> list[str]:
    return [one.condition for one in form.requirements]


def test_a_network_of_halves(write_network: WriteNetwork) -> None:
    """9*4*8 at full size, 9*8*16 at a quarter, 9*16*16 at a sixteenth, 40*2 at full size: 288 + 288 + 144 + 80."""
    form = network_form(from_texts(write_network(JOINED)))
    assert text(form.cost["macs"]) == "800*N*H*W"
    assert sorted(_conditions(form)) == ["H % 4 == 0", "W % 4 == 0"]
    source: dict[str, Any] = {}
    exec(python_source(form), source)  # noqa: S102 - our own text
    assert source["macs"](2, 12, 8) == 800 * 2 * 12 * 8
    assert source["holds"](2, 12, 8)
    assert not source["holds"](2, 12, 10)


def test_a_baseline_has_the_same_divisors(write_network: WriteNetwork) -> None:
    """Ghost, s = 2, has c_in k^2 + 9 for each of half of the channels: 180 + 648/4 + 1224/16 + 49 = 467.5."""
    form = network_form(from_texts(write_network(JOINED), replace_texts=["ghost"]))
    assert text(form.cost["macs"]) == "935*N*H*W/2"
    assert form.baseline is not None
    assert text(form.baseline.cost["macs"]) == "800*N*H*W"
    assert form.baseline.scope is form.scope


def test_assumed_multiples(write_network: WriteNetwork) -> None:
    """With H = 2 h, the map is halved twice where h is even; 800 for each position as before, in both networks."""
    plain = network_form(from_texts(write_network(JOINED), replace_texts=["ghost"]))
    form = assumed(plain, ["H = 2 h", "W = 12 w"])
    assert _conditions(form) == ["h % 2 == 0"]
    assert form.baseline is not None
    assert [text(one.cost["macs"]) for one in (form, form.baseline)] == ["11220*N*h*w", "19200*N*h*w"]


def _unsimplified(monkeypatch: pytest.MonkeyPatch, name: str, vary: tuple[str, ...] | None) -> NetworkForm:
    with monkeypatch.context() as patched:
        patched.setattr(closed_forms, "in_multiples", lambda form: form)
        return network_form(from_texts(name), vary)


@pytest.mark.parametrize(
    ("name", "vary"),
    [
        *((name, None) for name in ("hrnet_w18", "yolov3", "yolox", "swin_t", "mobilevit_s", "own")),
        ("yolox", ("batch", "height", "set.width")),
    ],
    ids=str,
)
def test_the_same_form(
    name: str, vary: tuple[str, ...] | None, write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the form with its rounding: where it holds, and all kinds of cost of the network and its layers."""
    name = write_network(JOINED) if name == "own" else name
    before, after = _unsimplified(monkeypatch, name, vary), network_form(from_texts(name), vary)
    draws, met = random.Random(0), 0  # noqa: S311 - not for secrets
    for _ in range(300):
        step = draws.choice((1, 4, 32))
        point = {
            one.symbol: Fraction(draws.randrange(1, 12), 8)
            if isinstance(one.hint, Fraction)
            else draws.randrange(1, 20) * (1 if one.kind == "batch" else step)
            for one in before.variables
        }
        assert before.allows(point) == after.allows(point), point
        if after.allows(point):
            met += 1
            assert before.at(point) == after.at(point), point
            known: dict[int, Any] = {}
            for one, other in zip(before.layers, after.layers, strict=True):
                assert evaluate(one.cost["macs"], point) == evaluate(other.cost["macs"], point, known), (
                    one.name,
                    point,
                )
    assert met > 20


CONDITIONS: dict[str, tuple[Callable[[Any, Any], bool], dict[str, int]]] = {
    "one": (lambda h, w: h // 32 * 32 == h, {"H": 32}),
    "an odd one": (lambda h, w: h // 3 * 3 == h, {"H": 3}),
    "each of two": (lambda h, w: h // 32 * 32 == h and w // 8 * 8 == w, {"H": 32, "W": 8}),
    "both at once": (lambda h, w: 64 * (h // 8) * (w // 8) == h * w, {"H": 8, "W": 8}),
    "both, of different sizes": (lambda h, w: 512 * (h // 32) * (w // 16) == h * w, {"H": 32, "W": 16}),
    "a factor": (lambda h, w: 192 * (h // 8) * (w // 8) == 3 * h * w, {"H": 8, "W": 8}),
    "two of one": (lambda h, w: h // 4 * 4 == h and h // 6 * 6 == h, {"H": 12}),
    "alike": (lambda h, w: h // 8 == w // 8, {}),
    "one product": (lambda h, w: h * w // 64 * 64 == h * w, {}),
    "even after rounding up": (lambda h, w: -(-h // 4) * 2 == -(-h // 2), {}),
    "of no multiple": (lambda h, w: h // 8 * 8 != h + 1, {}),
    "large": (lambda h, w: h > 100, {}),
}


@pytest.mark.parametrize("kind", CONDITIONS)
def test_divisors(kind: str) -> None:
    """What is found is true: wherever the conditions hold, sizes are multiples; and the largest such numbers."""
    decide, expected = CONDITIONS[kind]
    scope = Scope({"H": 192, "W": 192})
    decided = decide(scope.symbol("H"), scope.symbol("W"))
    assert decided
    assert divisors(scope) == {name: Divisor(divisor, "") for name, divisor in expected.items()}
    for name, divisor in expected.items():
        true = [h if name == "H" else w for h, w in product(range(1, 200), range(96, 200)) if decide(h, w)]
        assert {size % divisor for size in true} == {0}


def test_an_equality_of_three_sizes_says_nothing() -> None:
    """It holds where H and W are multiples of 8, and where the two differences meet."""
    scope = Scope({"N": 1, "H": 64, "W": 64})
    batch, height, width = (scope.symbol(name) for name in "NHW")
    assert batch * (height // 8 * 8 - height) == width - width // 8 * 8
    assert divisors(scope) == {}
    assert len(requirements(scope)[0]) == 1


def test_bounds_are_those_of_multiples() -> None:
    """Of the multiples of 8, those above 9 begin at 16, those that are not 8 too; at most 50 is at most 48."""
    cases: list[tuple[Callable[[Any], bool], list[str]]] = [
        (lambda h: h > 9, ["H >= 16", "H % 8 == 0"]),
        (lambda h: h > 3, ["H % 8 == 0"]),
        (lambda h: h != 8, ["H % 8 == 0", "H >= 16"]),
        (lambda h: h <= 50, ["H % 8 == 0", "H <= 48"]),
        (lambda h: h * h <= 10**9, ["H % 8 == 0", "H <= 31616"]),
        (lambda h: -(-h // 4) * 2 == -(-h // 2), ["H % 8 == 0"]),
    ]
    for decide, expected in cases:
        scope = Scope({"H": 32})
        height = scope.symbol("H")
        assert height // 8 * 8 == height
        assert decide(height)
        assert [one.condition for one in requirements(scope)[0]] == expected


def test_a_condition_on_multiples_of_two_sizes() -> None:
    """Multiples of 8 have a product of 64 or more, and of more than 64 but for 8 x 8."""
    scope = Scope({"H": 32, "W": 32})
    height, width = scope.symbol("H"), scope.symbol("W")
    assert 64 * (height // 8) * (width // 8) == height * width
    assert height * width > 63
    assert height * width > 64
    assert [one.condition for one in requirements(scope)[0]] == ["H % 8 == 0", "W % 8 == 0", "H*W > 64"]


def test_a_ceiling_stays_one(write_network: WriteNetwork) -> None:
    """A pool of an even map gives ceil(H/4), and not floor((H + 2)/4)."""
    name = write_network(
        "input: [4, 32, 32]\nlayers:\n"
        "  - a: {op: maxpool, k: 2, stride: 2}\n  - b: {op: upsample, scale: 2}\n  - c: {op: add, from: [input, b]}\n"
        "  - d: {op: depthwise, stride: 4, bias: false}\n"
    )
    assert text(network_form(from_texts(name)).cost["macs"]) == "36*N*ceil(H/4)*ceil(W/4)"


def test_it_is_compared_where_few_sizes_are_left(write_network: WriteNetwork) -> None:
    """Multiples of 24 with at most 50,000 positions: a size at random is one of 576."""
    scope = Scope({"N": 1, "H": 48, "W": 48})
    height, width = scope.symbol("H"), scope.symbol("W")
    assert 576 * (height // 24) * (width // 24) == height * width
    assert height * width <= 50_000
    form = network_form(from_texts(write_network(JOINED)))
    points = points_of(changed(form, scope=scope), 12)
    assert len(points) == 12
    assert all(not one["H"] % 24 and not one["W"] % 24 and one["H"] * one["W"] <= 50_000 for one in points)


def test_the_only_multiple_is_a_fixed_size(write_network: WriteNetwork) -> None:
    """Of the multiples of 4 up to 7 there is one, also where it only shows once the other size is known to be one."""
    scope = Scope({"N": 1, "H": 4, "W": 32})
    height, width = scope.symbol("H"), scope.symbol("W")
    assert 16 * (height // 4) * (width // 4) == height * width
    assert height <= 7
    assert requirements(scope) == ([Requirement("W % 4 == 0", "")], [FixedSize("H", 4, "")])
    form = network_form(from_texts(write_network(JOINED)))
    assert in_multiples(changed(form, scope=scope, fixed=())).fixed == (FixedSize("H", 4, ""),)
    pinned = FixedSize("H", 4, "the layer that needs it")
    assert in_multiples(changed(form, scope=scope, fixed=(pinned,))).fixed == (pinned,)


def test_an_option_that_may_be_zero(write_network: WriteNetwork) -> None:
    """0 is a multiple of 4: 4 (4 + max(0, 3)) is 28, and 4 (4 + max(8, 3)) is 48. And no condition is left out."""
    options = "options:\n  extra: {default: 8, least: 0, help: more channels}\n"
    layer = "input: [4, 32, 32]\nlayers:\n  - a: {op: conv, bias: false, "
    vary = ("height", "width", "set.extra")
    name = write_network(f'{options}{layer}out: "4 + max(extra, 3)", k: "1 if extra % 4 == 0 else 3"}}\n')
    form = network_form(from_texts(name), vary)
    assert _conditions(form) == ["extra % 4 == 0"]
    for extra, expected in ((0, 28), (4, 32), (8, 48)):
        assert form.at({"H": 32, "W": 32, "extra": extra})["params"] == expected
    name = write_network(f'{options}{layer}out: 8, k: "1 if extra == 0 else 3"}}\n')
    assert _conditions(network_form(from_texts(name), vary)) == ["extra >= 1"]

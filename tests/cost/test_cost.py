"""Totals of parts, and the critical path through them."""

import numpy as np
import pytest
import sympy
import torch

from flopcalc.cost.cost import DTYPE_BYTES, Cost, Part, in_bytes, own_steps
from flopcalc.cost.parts import INPUT, NOTHING, transposed_conv
from flopcalc.symbolic.scope import Scope

# Numbers whose sums are all different.
PARTS = (
    Part("first", "conv", params=1, macs=10, adds=200, muls=3_000, other=40_000, activations=5, reads=60, writes=700),
    Part("second", "act", params=2, macs=20, adds=400, muls=6_000, other=80_000, activations=7, reads=80, writes=900),
)


def test_totals() -> None:
    """Each kind by itself, and all at once."""
    expected = {
        "params": 3,
        "macs": 30,
        "flops": 2 * 30 + 600 + 9_000 + 120_000,
        "activations": 12,
        "steps": 2,
        "adds": 600,
        "muls": 9_000,
        "other": 120_000,
        "traffic": 140 + 1_600,
    }
    assert Cost(PARTS).totals() == expected
    assert {kind: Cost(PARTS).total(kind) for kind in expected} == expected
    assert Cost(()).totals() == dict.fromkeys(expected, 0)


def test_the_text_of_a_cost() -> None:
    """How many parts it has, and its three figures."""
    assert repr(Cost(PARTS[:1])) == "<Cost of 1 part: 1 params, 10 MACs, 43,220 FLOPs>"
    assert repr(Cost(PARTS)) == "<Cost of 2 parts: 3 params, 30 MACs, 129,660 FLOPs>"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10**20, "100,000,000,000,000,000,000"),  # 27 characters
        (10**21, "about 10^21"),
        (sympy.Symbol("x" * 27), "x" * 27),
        (sympy.Symbol("x" * 28), "x" * 26 + "…"),
    ],
)
def test_the_text_of_long_figures(value: object, text: str) -> None:
    """Up to 27 characters in full."""
    assert Cost((Part("a", "conv", params=value),)).headline.startswith(f"{text} params, 0 MACs")


def test_bytes_of_an_element() -> None:
    """As torch has them."""
    assert {name: getattr(torch, name).itemsize for name in DTYPE_BYTES} == DTYPE_BYTES
    assert in_bytes({"traffic": 3, "macs": 5}, "float64") == {"traffic": 3 * 8, "macs": 5}


def _part(name: str, after: tuple[str, ...] | None = None, steps: int = 1) -> Part:
    return Part(name, "conv", steps=steps, after=after)


@pytest.mark.parametrize(
    ("parts", "own", "after_5_and_2"),
    [
        ([_part("one")], 1, 6),
        ([_part("one"), _part("two", steps=3)], 4, 9),
        # Two in parallel, and one that waits for the longer one.
        ([_part("one", INPUT), _part("two", INPUT, 3), _part("join", ("one", "two"))], 4, 9),
        # Work on weights is done by the time that the input is there, or takes longer.
        ([_part("one", INPUT), _part("weights", NOTHING, 2), _part("join", ("one", "weights"))], None, 7),
        ([_part("weights", NOTHING, 9), _part("join", ("weights", "input1"))], None, 10),
        # The second input is ready earlier.
        ([_part("one", ("input1",))], None, 5),
        ([_part("one", ("input1",), 4), _part("two")], None, 7),
        ([_part("one", ("input0",))], None, 6),
        ([_part("one", INPUT, 2), _part("two", ("one", "input0"))], None, 8),
        # A part that a structural option left out causes no delay.
        ([_part("one", ("left out",))], 1, 6),
        ([], 0, 5),
    ],
)
def test_critical_path(parts: list[Part], own: int | None, after_5_and_2: int) -> None:
    """By itself, and after inputs that are ready at steps 5 and 2."""
    assert own_steps(tuple(parts)) == own
    assert Cost(tuple(parts)).steps_after((5, 2)) == after_5_and_2


def test_a_bias_in_calflops_needs_the_positions() -> None:
    """Of a transposed convolution: 2 * 9 * 4 * 6 at each of 25 positions, and 6 at each of the positions given."""
    without = transposed_conv("x", 4, 6, 9, 25, 100, bias=True)
    assert without.extra[1] == 2 * 9 * 4 * 6 * 25
    assert transposed_conv("x", 4, 6, 9, 25, 100, p_other=16, bias=True).extra[1] == without.extra[1] + 6 * 16


def test_the_figures_of_a_short_text() -> None:
    """Numbers with commas, long ones by their magnitude; expressions and arrays on one line, cut off where long."""
    h = Scope({"H": 9}).symbol("H")
    for value, shown in (
        (1234567, "1,234,567 MACs"),
        (3 * 10**24, "about 10^24 MACs"),
        (h * h + 1, "H^2 + 1 MACs"),
        (np.array([[1, 2], [3, 4]]), "[[1 2] [3 4]] MACs"),
        (np.arange(30), "[ 0 1 2 3 4 5 6 7 8 9 10 1\u2026 MACs"),
    ):
        assert f", {shown}, " in repr(Cost((Part("one", "conv", macs=value),)))

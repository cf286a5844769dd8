"""The functions that formulas are written with."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from flopcalc.cost import folds, parts
from flopcalc.cost.cost import PREVIOUS, Part

KERNELS = [
    one for one in vars(parts).values() if inspect.isfunction(one) and "after" in inspect.signature(one).parameters
]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda one: one.__name__)
def test_what_a_kernel_waits_for(kernel: Callable[..., Part]) -> None:
    """The part before it, or those that are named; nothing else of the cost changes."""
    sizes = [12 for one in inspect.signature(kernel).parameters.values() if one.kind is not one.KEYWORD_ONLY][1:]
    alone, named = kernel("x", *sizes), kernel("x", *sizes, after=("first", "second"))
    assert (alone.name, alone.after) == ("x", PREVIOUS)
    assert named == alone._replace(after=("first", "second"))


def test_windows_beyond_the_map() -> None:
    """3x3 windows of 2x2 on a map of 5x5 hold 36 elements, 11 of them beyond it, in each of 3 channels."""
    part = parts.pool_to_stride("pool", 3, 25, 9, 4)
    assert part.extra == (3 * 11,)
    # Each element of the map is added once, and each window divided.
    assert folds.ultralytics_thop(part, 1) == 3 * (25 + 9)
    assert parts.pool_to_stride("pool", 3, 36, 9, 4).extra == (0,)


def test_upsampling_to_a_size() -> None:
    """2 samples of 5 channels from 3x3 to 6x6: DeepSpeed's profiler counts the 36 pixels alone."""
    part = parts.upsample_to("up", 5, 2 * 9, 2 * 36, 2)
    assert (part.reads, part.writes) == (5 * 2 * 9, 5 * 2 * 36)
    assert folds.deepspeed(part, 2) == 36


def test_a_counter_of_softmax_looks_at_the_sums() -> None:
    """THOP counts for each of 2 rows of 5 elements 5 exponentials, 4 additions and 5 divisions."""
    part = parts.called("Softmax", parts.softmax("softmax", 10, 2))
    assert folds.thop(part, 1) == 2 * (5 + 4 + 5)
    for several in (parts.times, parts.parallel):
        assert folds.thop(several(3, part), 1) == 3 * 2 * (5 + 4 + 5)
    # It is not given the number of rows.
    assert parts.softmax("softmax", 10).extra == ()


FIRST = Part("a", "conv", 1, 20, 300, 4_000, 50_000, 6, 70, 800, 2, ("before",), "own module", (9,))
SECOND = Part("b", "add", 2, 30, 400, 5_000, 60_000, 7, 80, 900, 3, ("a",), "", (1,))
COSTS = Part._fields[2:10]


def test_two_kernels_in_a_row() -> None:
    """Every cost is the sum; they are one part to others."""
    both = parts.chain("both", FIRST, SECOND)
    expected = {"params": 3, "macs": 50, "adds": 700, "muls": 9_000, "other": 110_000}
    expected |= {"activations": 13, "reads": 150, "writes": 1_700, "steps": 5}
    assert {name: getattr(both, name) for name in expected} == expected
    assert (both.name, both.work, both.after, both.call, both.extra) == (
        "both",
        "conv",
        ("before",),
        "own module",
        (9,),
    )


def test_a_kernel_several_times() -> None:
    """Every cost as often; one after the other they take as many times the steps."""
    for made, steps in ((parts.times(3, FIRST), 6), (parts.parallel(3, FIRST), 2)):
        assert [getattr(made, name) for name in COSTS] == [3 * getattr(FIRST, name) for name in COSTS]
        assert made.steps == steps
        assert made[:2] + made[11:] == (*FIRST[:2], ("before",), "own module", (27,))


def test_a_structural_option_is_true_or_false() -> None:
    """A comparison of arrays or symbols would choose one of both for all."""
    assert [*parts.when(True, lambda: (FIRST,)), *parts.when(False, lambda: (SECOND,))] == [FIRST]
    flags: tuple[Any, ...] = (1, np.True_, np.array([True]), None)
    for flag in flags:
        with pytest.raises(TypeError, match="a structural flag must be a bool, not"):
            parts.when(flag, lambda: (FIRST,))

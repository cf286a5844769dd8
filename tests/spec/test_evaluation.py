"""An operator on a shape, as Python users see it: a short repr, and sizes of any integer type."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from flopcalc import FlopcalcError, layer
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.spec.operator import Operator


def test_repr() -> None:
    """Operator, shape and the three figures: 64 * 64 * 9 weights at 56 * 56 positions."""
    macs = 64 * 64 * 9 * 56 * 56
    text = f"<Evaluation conv 64->64 3x3 56x56: 36,864 params, {macs:,} MACs, {2 * macs:,} FLOPs>"
    assert repr(layer("conv", 64)) == text
    assert repr(lookup.get("conv")) == "<operator conv>"


@pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)
def test_repr_fits_on_two_lines(operator: Operator) -> None:
    """Of 100 columns, for each operator."""
    assert all(len(repr(evaluation)) <= 200 for evaluation in cases(operator))


def test_repr_of_huge_sizes() -> None:
    """Sizes of a hundred digits, and many options."""
    assert len(repr(layer("conv", 10**100, hw=10**100))) <= 200
    assert len(repr(layer("sic", 2**15, dims=(2,) * 15, neighbourhood=(2,) * 15, b=1))) <= 200


def test_numpy_sizes() -> None:
    """Integers, pairs, arrays and flags of NumPy give what Python's give, as Python ints."""
    ours = layer("conv", 64, 128, k=(3, 5), hw=(14, 28), stride=2, groups=4, batch=2, bias=True)
    i = np.int64
    shapes: dict[str, Any] = {"k": (i(3), i(5)), "hw": np.array([14, 28]), "stride": np.uint8(2), "groups": i(4)}
    shapes |= {"batch": i(2), "bias": np.bool_(True)}
    theirs = layer("conv", np.int32(64), i(128), **shapes)
    assert theirs.geometry == ours.geometry
    assert theirs.cost == ours.cost
    assert all(type(size) is int for size in theirs.geometry)
    assert all(type(getattr(part, kind)) is int for part in theirs.cost for kind in ("params", "macs", "traffic"))


def test_numpy_options() -> None:
    """Whole numbers, lists of them, and decimals by the digits that are shown."""
    assert layer("ghost", 64, s=np.int64(4)).cost == layer("ghost", 64, s=4).cost
    assert layer("spconv", 64, alpha=np.float64(0.25)).options["alpha"] == Fraction(1, 4)
    assert layer("sic", 24, dims=(np.int64(4), np.int64(6))).options["dims"] == (4, 6)
    # 200 * 2 does not fit in eight bits.
    assert layer("depthwise", np.uint8(200), multiplier=2).geometry.c_out == 400


@pytest.mark.parametrize("value", [np.float64(64), np.bool_(True), True, 64.0, "64", None, np.array([1, 2, 3])])
def test_other_types_are_refused(value: Any) -> None:
    """Floats and flags are not sizes, NumPy's neither."""
    with pytest.raises(FlopcalcError, match="c_in is"):
        layer("conv", value)
    with pytest.raises(FlopcalcError, match="c_in is"):
        layer("depthwise", value)


def test_other_types_of_options_are_refused() -> None:
    """A flag is not a number, and a number is not a flag."""
    for name, options in (("ghost", {"s": np.bool_(True)}), ("ghost", {"norm": np.int64(1)}), ("ghost", {"s": 2.0})):
        with pytest.raises(FlopcalcError, match="option"):
            layer(name, 64, **options)


def test_equal_evaluations_are_one_member_of_a_set() -> None:
    """Another option makes another one."""
    one, same, other = (layer("ghost", c_in=64, **options) for options in ({}, {}, {"s": 4}))
    assert one == same
    assert len({one, same, other}) == 2

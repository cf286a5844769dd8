"""Options of networks as numbers of other packages: the decimal that they show."""

from decimal import Decimal
from fractions import Fraction

import pytest

from flopcalc import FlopcalcError, network

np = pytest.importorskip("numpy")


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, Decimal, Fraction])
def test_a_factor(kind: type) -> None:
    assert network("mobilenet_v2", width=kind("0.1")).params == network("mobilenet_v2", width=0.1).params


@pytest.mark.parametrize("value", [np.float32("inf"), np.float64("nan"), Decimal("NaN"), 1j, np.True_])
def test_no_factor(value: object) -> None:
    with pytest.raises(FlopcalcError, match="a positive number"):
        network("mobilenet_v2", width=value)  # type: ignore[arg-type]


def test_a_list() -> None:
    assert network("resnet50", blocks=np.array([3, 4, 23, 3])).params == network("resnet101").params
    with pytest.raises(FlopcalcError, match="whole numbers"):
        network("resnet50", blocks=np.array([3.5]))

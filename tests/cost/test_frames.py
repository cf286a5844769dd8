"""How a column must be given to pandas and polars, so that no number changes."""

from typing import Any

import pytest

from flopcalc.cost.frames import _kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "plain"),
        ([1, None], "ints with gaps"),
        ([2**63 - 1, -(2**63)], "plain"),
        # Beyond 64 bits, whatever else there is.
        ([2**63, 1], "objects"),
        ([1, -(2**63) - 1, None], "objects"),
        # A float holds each whole number up to 2^53.
        ([2**53, -(2**53), 0.5], "floats"),
        ([2**53 + 1, 0.5], "objects"),
        ([-(2**53) - 1, 0.5, None], "objects"),
    ],
)
def test_the_kind_of_a_column(values: list[Any], kind: str) -> None:
    assert _kind(values) == kind

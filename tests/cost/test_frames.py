"""How a column must be given to pandas and polars, so that no number changes."""

from typing import Any

import numpy as np
import pytest

from flopcalc.cost.frames import _kind, pandas_frame, polars_frame


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
        ([1, 2**53 + 1, 0.5], "objects"),
        (["a", None], "plain"),
        ([3, "none"], "texts"),
        ([{"x": 1}, None], "objects"),
    ],
)
def test_the_kind_of_a_column(values: list[Any], kind: str) -> None:
    assert _kind(values) == kind


def test_a_gap_stays_one() -> None:
    """Next to numbers with and without a point, and next to numbers and texts."""
    polars = pytest.importorskip("polars")
    frame = polars_frame({"numbers": [1, 2.5, None], "mixed": [3, "none", None]})
    assert frame["numbers"].to_list() == [1.0, 2.5, None]
    assert frame["mixed"].to_list() == ["3", "none", None]
    assert (frame["numbers"].dtype, frame["mixed"].dtype) == (polars.Float64, polars.String)
    pytest.importorskip("pandas")
    assert pandas_frame({"numbers": [1, 2.5, None]})["numbers"].isna().tolist() == [False, False, True]


def test_arrays() -> None:
    """Numbers keep the type of the array, even where there are none; objects are what a list of them is."""
    polars = pytest.importorskip("polars")
    small: Any = np.array([1, 2], dtype=np.int16)
    none: Any = np.zeros(0, dtype=np.int64)
    objects: Any = np.array([1, 2], dtype=object)
    for array, kind in ((small, polars.Int16), (none, polars.Int64), (objects, polars.Int64)):
        column = polars_frame({"a": array})["a"]
        assert (column.dtype, column.to_list()) == (kind, array.tolist())
    pytest.importorskip("pandas")
    for array in (small, none):
        assert pandas_frame({"a": array})["a"].dtype == array.dtype

"""The rows and data frames of an answer: numbers are numbers, and texts stay texts."""

from typing import Any

import pytest

import flopcalc
from flopcalc.analysis.solving.solution import Solution


def _solution(*values: Any) -> Solution:
    front = tuple({"value": {"x": value}, "cost": {"macs": 1}} for value in values)
    return Solution("net", "x", (), None, None, exact=True, method="", front=front)


@pytest.mark.parametrize(
    ("value", "row"),
    [
        ("715", 715),
        ("0.65", 0.65),
        ("1/4", 0.25),
        ("1/3", "1/3"),
        ("3x224x224", "3x224x224"),
        ("true", "true"),
        ("9007199254740993", 9007199254740993),
        (None, None),
    ],
)
def test_a_value_is_a_number_where_it_is_exactly_one(value: Any, row: Any) -> None:
    found = _solution(value).to_rows()[0]["x"]
    assert found == row
    assert type(found) is type(row)


def test_frames_can_be_sorted_by_the_value() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    found = _solution("96", "128", "1024")
    assert found.to_pandas()["x"].max() == found.to_polars()["x"].max() == 1024
    assert pandas.api.types.is_integer_dtype(found.to_pandas()["x"])
    assert found.to_polars().schema["x"] == polars.Int64


def test_json_keeps_the_text_that_the_command_line_takes() -> None:
    found = flopcalc.solve("mobilenet_v2", "width", "macs <= 300M")
    assert found.to_dict()["value"] == found.value == str(found.to_rows()[0]["width"])

"""Texts in pictures: their widths, their places, and numbers with units."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flopcalc.charts import axes
from flopcalc.charts.labels import _spread, place_labels
from flopcalc.charts.theme import COLOURS, FONT, MOST_SERIES, TITLE, is_dark, look, shades, text_width
from flopcalc.charts.wrapping import NAME_ROOM, name_lines, shortened, wrapped

TEXTS = [
    "spatial_bottleneck, k=3, alpha=0.125",
    "resnet50 with spconv",
    "layer4.2.downsample.1 (backward)",
    "The quick brown fox jumps over the lazy dog",
    "0123456789.,:;-+/()[]{}<>=!?@#$%&*",
    "WAVE MIXED Case Qq Zz Jj",
]


@pytest.mark.parametrize("text", TEXTS)
def test_widths_are_those_that_are_drawn(text: str) -> None:
    """The converter lays a title out by its own measure: the picture is as wide as the text."""
    vl_convert = pytest.importorskip("vl_convert")
    size = 40
    spec = {
        "width": 1,
        "height": 1,
        "data": {"values": [{}]},
        "mark": {"type": "text", "text": text, "fontSize": size, "align": "left", "font": FONT},
        "encoding": {"x": {"value": 0}},
        "config": {"view": {"stroke": None}, "padding": 0},
    }
    drawn = vl_convert.vegalite_to_svg(spec)
    width = float(drawn.partition('width="')[2].partition('"')[0])
    assert width == pytest.approx(text_width(text, size), rel=0.03, abs=3)


@given(st.lists(st.tuples(st.floats(-50, 300), st.floats(8, 30)), min_size=1, max_size=9))
def test_names_at_the_ends_of_lines_do_not_overlap(items: list[tuple[float, float]]) -> None:
    """In their order, inside the plot, at the wanted place where that is free."""
    items.sort()
    wanted, heights = [one for one, _ in items], [height for _, height in items]
    length = sum(heights) + 20
    found = _spread(wanted, heights, length)
    edges = [(at - height / 2, at + height / 2) for at, height in zip(found, heights, strict=True)]
    assert all(top >= -1e-6 and bottom <= length + 1e-6 for top, bottom in edges)
    assert all(one[1] <= other[0] + 1e-6 for one, other in pairwise(edges))
    if all(b - a >= (h + g) / 2 for (a, h), (b, g) in pairwise(items)) and all(
        h / 2 <= a <= length - h / 2 for a, h in items
    ):
        assert found == pytest.approx(wanted)


def test_labels_avoid_points_and_each_other() -> None:
    """Texts near five points in a row; the one without room is not shown, and says so."""
    rows: list[dict[str, Any]] = [{"x": float(x), "y": 5.0, "text": f"point {x}"} for x in range(1, 10, 2)]
    spec = {"width": 150.0, "height": 60.0, "datasets": {"texts": rows}}
    layout = {
        "axes": {"x": [0, 10], "y": [0, 10], "log": [False, False]},
        "labels": {"data": "texts", "around": ["texts"]},
    }
    place_labels(spec, layout)
    shown = [row for row in rows if row["shown"]]
    assert len(shown) == 5
    boxes = []
    for row in shown:
        x, y, half = row["lx"] * 15, 60 - row["ly"] * 6, text_width(row["text"]) / 2
        boxes.append((x - half, y - 5, x + half, y + 5))
        assert x - half >= 0
        assert x + half <= 150
    for index, one in enumerate(boxes):
        for other in boxes[:index]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        for row in rows:
            x, y = row["x"] * 15, 30
            assert not (one[0] < x < one[2] and one[1] < y < one[3])
    spec = {"width": 12.0, "height": 12.0, "datasets": {"texts": rows}}
    place_labels(spec, layout)
    assert not any(row["shown"] for row in rows)


@given(st.text("abcdefgh ,_=.-", max_size=60), st.floats(20, 200))
def test_wrapped_lines(text: str, room: float) -> None:
    """No letter is lost, and no line is too wide; a word is broken only where it has no room."""
    lines = wrapped(text, room)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(text_width(line) <= room for line in lines)
    if all(text_width(word) <= room for word in text.split(" ")):
        assert all(line.endswith("_") or f"{line} {after.split(' ')[0]}" in text for line, after in pairwise(lines))


@given(st.text("abcWi /_.", min_size=1, max_size=200))
def test_names_on_axes_have_room(name: str) -> None:
    """At most three lines with the start and the end of the name; shortened names are one line."""
    lines = name_lines(name)
    assert len(lines) <= 3
    assert all(text_width(line) <= NAME_ROOM for line in lines)
    short = shortened(name, NAME_ROOM)
    assert text_width(short) <= NAME_ROOM
    if short != name:
        left, _, right = short.partition("...") if "..." not in name else ("", "", "")
        assert name.startswith(left)
        assert name.endswith(right)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "", "0"), (7, "", "7"), (999, "", "999"), (1000, "", "1k"), (1234, "", "1.23k"), (999_499, "", "999k"),
        (999_600, "", "1M"), (4_089_184_256, "", "4.09G"), (1.07e15, "", "1.07P"), (1e21, "", "1.00e+21"),
        (96_337_920, "B", "96.3 MB"), (1500, "B", "1.5 KB"), (12, "B", "12 B"), (3.35e12, "B", "3.35 TB"),
        (0.0123, "s", "12.3 ms"), (4.5e-6, "s", "4.5 us"), (1.5, "s", "1.5 s"), (1234.0, "s", "1,234 s"),
        (0.9996, "s", "1 s"), (2e-9, "s", "2 ns"),
    ],
)  # fmt: skip
def test_numbers_with_units(value: float, unit: str, text: str) -> None:
    assert axes.human(value, unit) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (20_000_000.0, "", "20M"), (1e9, "", "1G"), (500.0, "", "500"), (0.25, "", "0.25"), (2e13, "", "20T"),
        (2e6, "B", "2 MB"), (500_000.0, "B", "500 KB"), (0.0, "B", "0 B"), (2e-5, "s", "20 us"), (0.004, "s", "4 ms"),
    ],
)  # fmt: skip
def test_labels_of_axes(value: float, unit: str, text: str) -> None:
    """As Vega writes them: the expression is run by the converter."""
    vl_convert = pytest.importorskip("vl_convert")
    spec = {
        "data": {"values": [{"x": value}]},
        "mark": "point",
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "scale": {"domain": [value - 1, value + 1]},
                "axis": axes.axis("", unit, values=[value]),
            }
        },
    }
    drawn = vl_convert.vegalite_to_svg(spec)
    assert f">{text}</text>" in drawn, drawn


@pytest.mark.parametrize(("low", "high"), [(1, 1e12), (3, 7), (16, 512), (0.02, 5000), (1e-6, 1e-5)])
def test_ticks_of_log_axes(low: float, high: float) -> None:
    """From 1 to 9 round numbers inside the axis, in order."""
    found = axes.log_ticks(low, high)
    assert all(low <= one <= high for one in found)
    assert 1 <= len(found) <= 14
    assert found == sorted(set(found))
    assert all(f"{one:.2e}"[:4] in {"1.00", "1.50", "2.00", "3.00", "4.00", "5.00", "6.00", "8.00"} for one in found)


@pytest.mark.parametrize(
    ("low", "high"), [(103_000_000.0, 129_000_000.0), (7.1, 7.9), (0.041, 0.05), (21, 22), (90, 110)]
)
def test_ticks_of_short_log_axes(low: float, high: float) -> None:
    """An axis around one cost has numbers too."""
    found = axes.log_ticks(low, high)
    assert all(low <= one <= high for one in found)
    assert 2 <= len(found) <= 11
    assert found == sorted(set(found))
    assert all(float(f"{one:.3g}") == one for one in found)


def test_titles_of_axes() -> None:
    """A ratio has no unit; a vertical axis has a long title in lines that a low plot has room for."""
    assert axes.title_of("traffic") == "memory traffic (bytes)"
    title = axes.title_of("ratio(traffic)")
    assert title == "memory traffic, ratio to the plain convolution"
    lines = axes.in_lines(title)
    assert isinstance(lines, list)
    assert " ".join(lines) == title
    assert all(text_width(line, TITLE) <= 140 for line in lines)
    assert axes.in_lines("MACs") == "MACs"


def test_looks_differ_without_colour() -> None:
    """No two of the lines that a picture may have agree in dash and shape; none is pale."""
    looks = [look(index) for index in range(MOST_SERIES)]
    assert len({(one.dash, one.shape) for one in looks}) == MOST_SERIES
    assert len({(one.colour, one.dash) for one in looks}) == MOST_SERIES
    for colour in COLOURS:
        assert _contrast(colour, "#ffffff") >= 2.2, colour


def test_text_on_shades_is_readable() -> None:
    """The better one of black and white, at a contrast of 4 or more."""
    for colour in shades("#08306b", "#c6dbef", 12):
        ink = "#ffffff" if is_dark(colour) else "#1a1a1a"
        assert _contrast(colour, ink) >= 4, colour


def test_shades_get_lighter() -> None:
    """In grey the order of stages is that of the key."""
    found = shades("#08306b", "#c6dbef", 9)
    assert len(found) == 9
    assert [_luminance(one) for one in found] == sorted(_luminance(one) for one in found)
    assert (found[0], found[-1]) == ("#08306b", "#c6dbef")
    assert shades("#08306b", "#c6dbef", 1) == ["#08306b"]


def _luminance(colour: str) -> float:
    """Relative luminance, by the definition of WCAG 2."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_names_on_axes_are_data() -> None:
    """A name cannot end the expression that it is part of."""
    expression = axes.wrapped_names(['a"]; alert(1); ["', "b\\"])
    text = expression.removeprefix("(").removesuffix(")[datum.label]")
    assert json.loads(text) == {'a"]; alert(1); ["': ['a"]; alert(1); ["'], "b\\": ["b\\"]}

"""The page on measured times: its figures by hand, and a picture that can be read."""

import re
import xml.etree.ElementTree as ET
from types import ModuleType

import pytest
from helpers import ROOT, script

SVG = "{http://www.w3.org/2000/svg}"
PAGE = (ROOT / "docs" / "fewer-flops.md").read_text(encoding="utf-8")
PICTURE = ET.fromstring((ROOT / "docs" / "fewer-flops.svg").read_text(encoding="utf-8"))  # noqa: S314


@pytest.fixture(scope="module")
def source() -> ModuleType:
    """docs/fewer_flops.py, which is not a package."""
    found: ModuleType = script(ROOT / "docs" / "fewer_flops.py")
    return found


def test_rank_correlation(source: ModuleType) -> None:
    """By hand: equal, reversed, one exchange (1 - 6 x 2 / (4 x 15)), and a tie, which has the mean rank."""
    assert source.spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert source.spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert source.spearman([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(0.8)
    # Ranks 1.5, 1.5, 3 and 1, 2, 3: 1.5 / sqrt(1.5 x 2).
    assert source.spearman([5, 5, 9], [1, 2, 3]) == pytest.approx(1.5 / 3**0.5)


def test_figures_of_the_measurements() -> None:
    """SPConv with 0.71 of the MACs takes 0.99 to 3.05 times as long at batch 32; their ranks 0.43 to 0.66."""
    graph, eager = PAGE.split("Eager, time by batch")[:2]
    assert "| `spconv` | 0.711 | 1.36 | 1.91 | 0.99 | 1.63 |" in graph
    assert "| `spconv` | 0.711 | 1.83 | 2.09 | 1.05 | 3.05 |" in eager
    ranks = re.findall(r"^\| \d+ \| float\d\d \| \d+ \| (\S+) \| (\S+) \|$", PAGE, flags=re.MULTILINE)
    assert [min(one) for one in zip(*ranks, strict=True)] == ["0.43", "0.33"]
    assert [max(one) for one in zip(*ranks, strict=True)] == ["0.66", "0.65"]


def test_scipy_has_the_same_rank_correlation(source: ModuleType) -> None:
    """On the measured operators, with their ties."""
    stats = pytest.importorskip("scipy.stats")
    rows = [row for row in source.operators() if (row.batch, row.dtype) == (32, "float16")]
    macs, times = [row.macs for row in rows], [row.graph for row in rows]
    assert len(set(macs)) < len(macs)
    assert source.spearman(macs, times) == pytest.approx(stats.spearmanr(macs, times)[0])


def test_places_in_the_picture(source: ModuleType) -> None:
    """A point for each dtype of each operator that is shown, where its ratios are; above the line at 1 where slower."""
    points = {(float(one.get("cx", 0)), float(one.get("cy", 0))) for one in PICTURE.iter(f"{SVG}circle")}
    shown = [one for one in source.replaced() if one.is_changed and one.name not in source._LEFT_OUT]
    assert len(shown) > 10
    for one in shown:
        for dtype in ("float32", "float16"):
            time = one.times.get((32, dtype, "graph"))
            if time is not None:
                place = round(source._x(one.macs), 1), round(source._y(time), 1)
                assert place in points, one.name
    assert source._x(1.2) == source._WIDTH - source._RIGHT
    assert source._y(2) < source._y(1) < source._y(0.5)


def test_labels_are_apart_and_inside(source: ModuleType) -> None:
    """Each operator is named once; no name covers another one or a point."""
    size = float(PICTURE.get("width", 0)), float(PICTURE.get("height", 0))
    assert 600 <= size[0] <= 800
    names = {one.name for one in source.replaced()}
    boxes = {}
    for text in PICTURE.iter(f"{SVG}text"):
        if text.text is not None and text.text in names:
            assert text.text not in boxes
            x, y, width = float(text.get("x", 0)), float(text.get("y", 0)), len(text.text) * source._CHARACTER
            left = x - width if text.get("text-anchor") == "end" else x
            boxes[text.text] = (left, y - 10, left + width, y + 3)
    assert len(boxes) > 10
    points = [(float(one.get("cx", 0)), float(one.get("cy", 0))) for one in PICTURE.iter(f"{SVG}circle")]
    others = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    for name, box in boxes.items():
        assert 0 < box[0] < box[2] < size[0], name
        assert not any(source._overlap(box, other) for other in others), name
        assert not any(source._overlap(box, other) for one, other in boxes.items() if one != name), name


def test_the_picture_needs_no_colour() -> None:
    """Grey only."""
    for one in PICTURE.iter():
        for key in ("fill", "stroke"):
            colour = one.get(key, "white")
            digits = colour.removeprefix("#")
            parts = {digits[i : i + len(digits) // 3] for i in range(0, len(digits), len(digits) // 3)}
            assert colour == "white" or len(parts) == 1, colour

"""docs/counting.md shows what counters report; the figures of those that are installed here are those of the page."""

import importlib.util
import re
from functools import cache
from typing import Any

import pytest
from helpers import ROOT, script

pytest.importorskip("torch")

PAGE = (ROOT / "docs" / "counting.md").read_text()


@cache
def benchmark() -> Any:
    """benchmarks/other_counters.py."""
    return script(ROOT / "benchmarks" / "other_counters.py")


def table() -> tuple[list[str], dict[str, list[str]]]:
    """The titles of the page's table, and its cells by construction."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")
    ]
    start = next(index for index, row in enumerate(rows) if row[0] == "construction")
    return rows[start], {row[0]: row[1:] for row in rows[start + 1 :]}


@pytest.mark.parametrize(
    "name", ["flopcalc", "FlopCounterMode", "on meta", "fvcore", "ptflops", "thop", "torchinfo", "calflops"]
)
def test_the_page_shows_what_is_measured(name: str) -> None:
    """Every figure of every counter that has the version in the header."""
    titles, rows = table()
    package, counter = benchmark().COUNTERS[name]
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    title = next(title for title in titles if title.startswith(name))
    version = benchmark().version(package).partition("+")[0] if package else ""
    if version not in (title if package != "torch" else PAGE):
        pytest.skip(f"the page has {title}, and this is {version}")
    column = titles.index(title) - 1
    benchmark().declare()
    assert {case.what: rows[case.what][column] for case in benchmark().CASES} == {
        case.what: benchmark().figure(case, counter) for case in benchmark().CASES
    }


def test_the_figures_by_hand_and_the_sums() -> None:
    """The page has the script's figures, and the last row is the number of bold ones."""
    _, rows = table()
    assert {case.what: f"{case.macs:,}" for case in benchmark().CASES} == {
        what: cells[0] for what, cells in rows.items() if what != "right"
    }
    bold = [sum(cells[i].startswith("**") for what, cells in rows.items() if what != "right") for i in range(1, 9)]
    assert list(map(int, rows["right"])) == [len(rows) - 1, *bold]


def test_ours_is_right_or_says_that_it_is_not() -> None:
    """All but the user's kernel, which is flagged."""
    for case in benchmark().CASES:
        found = benchmark().figure(case, benchmark().flopcalc)
        assert re.fullmatch(r"\*\*[\d,]+\*\*", found) or (case.what == "kernel of the user's" and "flagged" in found)

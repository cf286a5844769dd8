"""`flopcalc explain` on the command line."""

import csv
import io

import pytest
from helpers import Runner


def test_each_line_of_a_csv_file_names_its_counter(run: Runner) -> None:
    """In a table only the first one does."""
    rows = list(csv.DictReader(io.StringIO(run("explain", "resnet18", "--format", "csv").out)))
    assert all(row["counter"] for row in rows)
    macs = next(row for row in rows if row["line"] == "MACs")["amount"]
    fvcore = [row for row in rows if row["counter"] == "fvcore"]
    assert fvcore[0]["amount"] == macs
    assert sum(int(row["amount"]) for row in fvcore[:-1]) == int(fvcore[-1]["amount"])


def test_a_tool_that_is_named_twice_is_shown_once(run: Runner) -> None:
    assert run("explain", "resnet18", "--tool", "thop", "--tool", "thop").out.count("= thop") == 1


def test_the_ways_of_counting_are_explained(run: Runner) -> None:
    """A name such as mmcv says little."""
    shown = run("explain", "resnet18", "--figure", "1.82G").out
    assert "\nWays of counting\n" in shown
    assert "fvcore 0.1.5: MACs" in shown
    assert "1 reading of 1,814,073,344" in run("explain", "resnet18", "--figure", "1,814,073,344").out.replace(
        "\n", " "
    )


@pytest.mark.parametrize("option", [("--tool", "thop"), ("--run",)])
def test_options_that_do_not_go_together(run: Runner, option: tuple[str, ...]) -> None:
    """They would have no effect."""
    wrong = run("explain", "resnet18", "--figure", "1.8G", *option)
    assert (wrong.code, f"{option[0]} does not apply to --figure" in wrong.err) == (2, True)

"""`flopcalc explain` on the command line."""

import csv
import io
import json

import pytest
from helpers import Runner


def test_the_lines_of_one_counter(run: Runner) -> None:
    """From the MACs to the number, in a table."""
    done = run("explain", "resnet18", "--tool", "fvcore")
    assert done.code == 0
    assert "1,814,073,344 MACs" in done.out
    assert "batch norm, 2 per element (20 layers" in done.out
    assert "= fvcore 0.1.5" in done.out
    assert "1,819,065,856" in done.out


def test_all_counters_by_default(run: Runner) -> None:
    """Every convention that is named after a counter, and the doubled MACs."""
    record = json.loads(run("explain", "resnet18", "--format", "json").out)
    tools = [row["tool"] for row in record["rows"]]
    assert {"fvcore", "thop", "ptflops", "torchinfo", "deepspeed", "two-per-mac"} <= set(tools)
    for row in record["rows"]:
        assert record["macs"] + sum(step["amount"] for step in row["steps"]) == row["figure"], row["tool"]


def test_rows_of_csv_name_their_counter(run: Runner) -> None:
    """So that a program can read them."""
    rows = list(csv.DictReader(io.StringIO(run("explain", "resnet18", "--tool", "thop", "--format", "csv").out)))
    assert {row["counter"] for row in rows} == {"thop"}
    assert int(rows[-1]["amount"]) == sum(int(row["amount"]) for row in rows[:-1])


def test_a_printed_figure_backwards(run: Runner) -> None:
    """ResNet-50: 8.2G is 2 x 4.089 GMACs, and 4.11G is fvcore's."""
    for figure, convention in (("8.2G", "two-per-mac"), ("4.11G", "fvcore")):
        record = json.loads(run("explain", "resnet50", "--figure", figure, "--params", "25.6M", "--format", "json").out)
        first = record["readings"][0]
        assert (first["convention"], first["input"], first["agrees"]) == (convention, "3x224x224", True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("resnet50", "--params", "25M"), "--params has no effect without --figure"),
        (("resnet50", "--figure", "abc"), "cannot read the figure 'abc'"),
        (("resnet50", "--figure", "4.1G", "--run"), "--run does not apply to --figure"),
        (("resnet50", "--tool", "nosuch"), "unknown convention 'nosuch'"),
        (("nosuch",), "unknown network 'nosuch'"),
    ],
)
def test_wrong_usage(run: Runner, words: tuple[str, ...], message: str) -> None:
    """One line that says what is wrong, one that says what to do."""
    done = run("explain", *words)
    assert done.code == 2
    assert done.err.startswith(f"error: {message}")
    assert len(done.err.strip().splitlines()) == 2


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


def test_options_are_shown_on_narrow_terminals(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings may differ in an option alone, and the heading names the network. The stride of v1 gives 3.86G."""
    monkeypatch.setenv("COLUMNS", "60")
    shown = run("explain", "resnet50", "--figure", "3.86G").out
    first = next(line for line in shown.splitlines() if line.startswith("macs"))
    assert "stride_in=v1" in first
    assert "not shown at 60 columns: network, params" in " ".join(shown.split())


@pytest.mark.parametrize("option", [("--tool", "thop"), ("--run",)])
def test_options_that_do_not_go_together(run: Runner, option: tuple[str, ...]) -> None:
    """They would have no effect."""
    wrong = run("explain", "resnet18", "--figure", "1.8G", *option)
    assert (wrong.code, f"{option[0]} does not apply to --figure" in wrong.err) == (2, True)


@pytest.mark.parametrize("options", [(), ("--set", "stride_in=v1"), ("--replace", "ghost"), ("--batch", "2")])
def test_a_tool_runs_on_the_network_that_is_described(run: Runner, options: tuple[str, ...]) -> None:
    """With an option, it is no longer the one that torchvision has, even with as many parameters."""
    pytest.importorskip("fvcore")
    words = ("resnet50", "--input", "3x64x64", "--tool", "fvcore", "--run", *options, "--format", "json")
    (row,) = json.loads(run("explain", *words).out)["rows"]
    assert (row["measured"], row["exact"]) == (row["figure"], True)

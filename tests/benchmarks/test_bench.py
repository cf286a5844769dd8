"""`make bench`: its quick form runs, its arithmetic is right, its page follows from its JSON. No test reads a time."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, import_torchvision

pytest.importorskip("torch")

import in_process
import page
import peers
import processes
import start_up
from peer_worker import BUILD, BUILD_CPU, COMMAND, FLOPCALC, INPUTS

# Of each step: four gates of 512 units from 256 inputs, then from 512, with 512 recurrent ones; then 512 -> 1000.
LSTM_MACS = 128 * (4 * 512 * (256 + 512) + 4 * 512 * (512 + 512) + 512 * 1000)


def quick(tmp_path: Path, *more: str) -> tuple[Any, str]:
    """The JSON and the text of a quick run."""
    out = tmp_path / "results.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "bench.py"), "--quick", "-o", str(out), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stdout


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    """The comparison with other counters, of the LSTM, with two tools that need no other package."""
    only = ("--only", "peers", "formulas", "descriptions", "depth", "--tools", BUILD, FLOPCALC, COMMAND, "flop-counter")
    return quick(tmp_path_factory.mktemp("bench"), *only)


def test_the_figures_are_those_of_the_tools(counted: tuple[Any, str]) -> None:
    """Both ways to run flopcalc give the MACs by hand, and FlopCounterMode twice as many FLOPs."""
    (model,) = counted[0]["peers"]
    assert (model["model"], model["input"]) == ("lstm", [1, 128, 256])
    rows = {row["tool"]: row for row in model["rows"]}
    assert {name: row.get("figure") for name, row in rows.items()} == {
        BUILD: None,
        FLOPCALC: LSTM_MACS,
        COMMAND: LSTM_MACS,
        "flop-counter": 2 * LSTM_MACS,
    }
    for name, row in rows.items():
        assert row["whole_wall_s"] > 0
        # torch alone takes more than 50 MiB; the model is on the meta device.
        assert 50 * 2**20 < row["peak_bytes"] < 2 * 2**30
        assert ("wall_s" in row) == (name in (FLOPCALC, "flop-counter"))
    assert "torch" in counted[0]["versions"]


def test_the_text_has_every_part(counted: tuple[Any, str]) -> None:
    """The tables are printed, with the date and the machine."""
    found, text = counted
    assert found["schema"] == "flopcalc/benchmarks/1"
    assert found["quick"] is True
    for part in ("# Benchmarks", "## Next to other counters", "## Described networks", "## Formulas", "## Depth"):
        assert part in text
    for word in (found["date"], found["machine"]["processor"], f"{LSTM_MACS:,}", f"{2 * LSTM_MACS:,}"):
        assert word in text


def test_start_up_and_sweeps(tmp_path: Path) -> None:
    """The other parts: floors and commands are measured, and the sweeps give the rows of the code by hand."""
    pytest.importorskip("sympy")
    found, text = quick(tmp_path, "--only", "start_up", "sweep")
    assert {row["what"] for row in found["start_up"]} == {*start_up.FLOORS, *start_up.COMMANDS}
    for row in found["start_up"]:
        assert (row["ratio"] is not None) == (row["what"] in start_up.COMMANDS)
        assert row["cpu_s"] > 0
    assert [row["operator"] for row in found["sweep"]] == ["conv", "ghost", "spconv"]
    assert all(row["combinations"] == 128 * 128 * 4 * 8 * 2 for row in found["sweep"])
    assert "| `python -c pass` |" in text


def test_python_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of a file; a package that is not installed is named."""
    missing = start_up.Job("no_such_package", "no:thing", "3", "", "None")
    monkeypatch.setattr(start_up, "JOBS", (start_up.JOBS[0], missing))
    one, other = start_up.models(1)
    assert one["what"] == "net.py:net"
    assert one["ratio"] == one["cpu_s"] / one["floor_cpu_s"]
    assert other == {"what": "no:thing", "why_not": "no_such_package is not installed"}


def test_a_tool_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that does not exist; a process that ends; a process that takes too long."""
    monkeypatch.setitem(INPUTS, "no_such_model", (1, 3, 8, 8))
    import_torchvision()
    found = peers.run("flop-counter", "no_such_model", seconds=0, least=1)
    assert "no_such_model" in found["why_not"]
    row = peers.merged([found])
    assert row["why_not"] == found["why_not"]
    assert "flop-counter" in "\n".join(page._peer_table([row])) or "FlopCounterMode" in "\n".join(
        page._peer_table([row])
    )
    monkeypatch.setattr(peers, "SECONDS", 0.01)
    assert peers.run(BUILD, "lstm", seconds=0, least=1)["why_not"] == "not finished after 0.01 s"
    monkeypatch.setattr(peers, "SECONDS", 60)
    monkeypatch.setattr(peers, "WORKER", Path("no_such_worker.py"))
    assert peers.run(BUILD, "lstm", seconds=0, least=1)["why_not"].startswith("the process ended:")


def test_large_models_are_never_given_values() -> None:
    """LLaMA is built on the meta device by every tool."""
    assert BUILD_CPU not in list(peers.tools_of("llama_70b", peers.TOOLS))
    from peer_worker import build, device_of

    assert {device_of(tool, "llama_70b") for tool in peers.TOOLS if tool != BUILD_CPU} == {"meta"}
    with pytest.raises(MemoryError):
        build("llama_70b", "cpu")


def test_the_slope() -> None:
    """Of power laws: 3 n^2, 5 n, n^(3/2)."""
    sizes = (10, 100, 1000, 5000)
    for factor, power in ((3, 2.0), (5, 1.0), (1, 1.5)):
        assert math.isclose(in_process.slope(sizes, [factor * n**power for n in sizes]), power)


def test_repetitions() -> None:
    """At least the number that is asked for, unless they are slow; each call has an argument of its own."""
    given: list[int] = []
    found = processes.repeated(given.append, lambda: len(given), 0.001, 3)
    assert found["calls"] >= 1
    assert given == list(range(len(given)))
    assert found["wall_s"] <= found["wall_median_s"]
    slow = processes.repeated(lambda _: sum(range(3_000_000)), lambda: None, 1e-9, 3)
    assert slow["calls"] == 1


def test_merging_takes_the_minimum() -> None:
    """Of each time over the processes of a tool; the calls add up."""
    rounds: list[dict[str, Any]] = [
        {"tool": FLOPCALC, "device": "meta", "figure": 7, "whole_wall_s": 3.0, "wall_s": 0.1, "calls": 3},
        {"tool": FLOPCALC, "device": "meta", "figure": 7, "whole_wall_s": 2.0, "wall_s": 0.4, "calls": 4},
    ]
    row = peers.merged(rounds)
    assert (row["whole_wall_s"], row["whole_median_s"], row["wall_s"], row["calls"]) == (2.0, 2.5, 0.1, 7)


def test_the_page_follows_from_the_results() -> None:
    """docs/benchmarks.md is what `python benchmarks/page.py` writes from benchmarks/results.json."""
    found = json.loads(page.RESULTS.read_text())
    assert page.PAGE.read_text() == page.text(found), "run `python benchmarks/page.py`"
    assert found["quick"] is False
    assert {model["model"] for model in found["peers"]} == set(INPUTS)


def test_the_published_figures_agree() -> None:
    """In the results: flopcalc gives one figure in both ways, and FlopCounterMode two FLOPs for each MAC."""
    for model in json.loads(page.RESULTS.read_text())["peers"]:
        figures = {row["tool"]: row.get("figure") for row in model["rows"]}
        assert figures[FLOPCALC] == figures[COMMAND] is not None, model["model"]
        assert figures["flop-counter"] == 2 * figures[FLOPCALC], model["model"]

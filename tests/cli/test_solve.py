"""`flopcalc solve` on the command line: the contract, exit codes, tables, and wrong usage."""

import csv
import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from helpers import Runner, fresh

from flopcalc import network
from flopcalc.cost.kinds import KINDS

KEYS = {
    "schema",
    "target",
    "for",
    "limits",
    "objective",
    "value",
    "cost",
    "exact",
    "method",
    "alternatives",
    "next",
    "why_not",
    "nearest",
    "front",
    "choices",
    "closed_form",
    "command",
    "notes",
}
WIDTH = ("solve", "mobilenet_v2", "--for", "width", "--target", "macs <= 300M")


def _json(run: Runner, *words: str, code: int = 0) -> dict[str, Any]:
    done = run(*words, "--format", "json")
    assert done.code == code, done.err
    record: dict[str, Any] = json.loads(done.out)
    assert set(record) == KEYS
    assert record["schema"] == "flopcalc/solve/1"
    return record


def test_the_contract(run: Runner) -> None:
    """`flopcalc/solve/1`: value as --set takes it, exact costs, an interval with its ends."""
    record = _json(run, *WIDTH)
    assert (record["target"], record["for"], record["value"]) == ("mobilenet_v2", "width", "0.98")
    assert record["exact"] is True
    assert record["why_not"] is None
    assert set(record["cost"]) == set(KINDS)
    net = network("mobilenet_v2", width=record["value"])
    assert record["cost"]["macs"] == net.macs
    assert record["cost"]["traffic"] == 4 * net.traffic
    assert record["alternatives"] == [
        {"from": "0.975", "to": "0.9875", "from_included": True, "to_included": False, "complete": True}
    ]
    assert record["next"]["value"] == "0.9875"
    assert record["next"]["cost"]["macs"] > 300_000_000


@pytest.mark.parametrize(
    "words",
    [
        WIDTH,
        ("solve", "mobilenet_v2", "--for", "input", "--target", "macs <= 100M", "--batch", "2"),
        ("solve", "sic", "--cin", "64", "--for", "b", "--target", "ratio(conv) < 1"),
        ("solve", "conv", "--for", "cin", "--target", "macs <= 1G", "--hw", "14", "-k", "5"),
        ("solve", "resnet50", "--for", "alpha", "--target", "macs <= 2.9G", "--replace", "spconv:norm=true"),
        ("solve", "resnet50", "--choose", "ghost,dsc,keep", "--maximise", "params", "--subject", "macs <= 2G"),
        ("solve", "mobilenet_v2", "--for", "width,input", "--target", "macs <= 50M", "--among", "input=64:224:32"),
    ],
    ids=" ".join,
)
def test_the_command_shows_the_cost(run: Runner, words: tuple[str, ...]) -> None:
    """What the answer names runs, and gives the numbers of the answer."""
    record = _json(run, *words)
    done = run(*shlex.split(record["command"])[1:], "--format", "json")
    assert done.code == 0, done.err
    again = json.loads(done.out)
    assert {kind: again[kind] for kind in ("params", "macs", "flops")} == {
        kind: record["cost"][kind] for kind in ("params", "macs", "flops")
    }


def test_no_solution_is_exit_code_1(run: Runner) -> None:
    """Value null, the reason, and the nearest value with its cost."""
    record = _json(run, "solve", "mobilenet_v2", "--for", "width", "--target", "macs <= 1M", code=1)
    assert (record["value"], record["cost"]) == (None, None)
    assert "no width meets macs <= 1M" in record["why_not"]
    assert record["nearest"]["cost"]["macs"] == network("mobilenet_v2", width="0.001").macs
    choice = _json(
        run, "solve", "resnet18", "--choose", "ghost", "--minimise", "macs", "--subject", "params <= 1K", code=1
    )
    assert choice["nearest"]["cost"]["params"] > 1000


def test_tables(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """All numbers that are shown are whole at any width."""
    for words in (WIDTH, ("solve", "resnet18", "--choose", "ghost,keep", "--minimise", "macs")):
        for columns in ("40", "60", "80", "120"):
            monkeypatch.setenv("COLUMNS", columns)
            done = run(*words)
            assert done.code == 0
    done = run(*WIDTH)
    assert "299,896,192" in done.out
    assert "0.975 <= width < 0.9875" in done.out
    assert "flopcalc model mobilenet_v2 --set width=0.98" in done.out
    sic = run("solve", "sic", "--cin", "64", "--for", "b", "--target", "ratio(conv) < 1")
    assert "b < k^2*n/(k^2 + n); with n = c_in; < 7.89 at c_in = 64, k = 3" in " ".join(sic.out.split())


def test_csv(run: Runner) -> None:
    """One row for the answer and one for the next value; all kinds of cost, exact."""
    rows = list(csv.DictReader(io.StringIO(run(*WIDTH, "--format", "csv").out)))
    assert [row["which"] for row in rows] == ["answer", "next, fails"]
    assert [row["width"] for row in rows] == ["0.98", "0.9875"]
    assert set(KINDS) <= set(rows[0])
    assert int(rows[0]["macs"]) == network("mobilenet_v2", width="0.98").macs


@pytest.mark.parametrize("fmt", ["markdown", "latex", "html"])
def test_other_formats(run: Runner, fmt: str) -> None:
    """They have the numbers too."""
    assert "299,896,192" in run(*WIDTH, "--format", fmt).out


WRONG = [
    (("solve", "mobilenet_v2", "--for", "widht", "--target", "macs <= 1G"), "did you mean width"),
    (("solve", "mobilenet_v2", "--for", "width"), "write for example --target"),
    (("solve", "mobilenet_v2", "--target", "macs <= 1G"), "--for width"),
    (("solve", "mobilenet_v2", "--for", "width", "--target", "macs <= 1G", "--cin", "3"), "leave out --cin"),
    (
        ("solve", "sic", "--cin", "8", "--for", "b", "--target", "macs <= 1G", "--replace", "ghost"),
        "leave out --replace",
    ),
    (("solve", "sic", "--cin", "8", "--for", "cin", "--target", "macs <= 1G"), "searched for"),
    (
        ("solve", "mobilenet_v2", "--for", "width", "--target", "peak_memory <= 24G"),
        "memory is limited for --for batch",
    ),
    (("solve", "resnet50", "--choose", "ghost", "--minimise", "macs", "--for", "width"), "does not go with"),
    (("solve", "resnet50", "--choose", "ghost", "--minimise", "macs", "--replace", "ghost"), "behind --choose"),
    (
        ("solve", "mobilenet_v2", "--for", "width,input", "--target", "macs <= 1G", "--among", "1,2"),
        "--among width=1,2",
    ),
    (("solve", "mobilenet_v2", "--for", "width", "--target", "macs <= 1G", "--among", "input=1,2"), "not searched for"),
    (("solve", "mobilenet_v2", "--for", "width", "--target", "macs <= 1G", "--where", "k == 3"), "without replace"),
    (("solve", "gohst", "--for", "s", "--target", "macs <= 1G"), "did you mean ghost"),
]


@pytest.mark.parametrize(("words", "match"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_wrong_usage(run: Runner, words: tuple[str, ...], match: str) -> None:
    """Two lines and exit code 2."""
    done = run(*words)
    assert done.code == 2
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 2
    assert match in done.err


def test_nothing_heavy_is_loaded() -> None:
    """A described network needs neither torch nor SymPy nor NumPy; an operator is solved without SymPy too."""
    for words in (
        list(WIDTH),
        ["solve", "resnet50", "--for", "alpha", "--target", "macs <= 2.9G", "--replace", "spconv"],
    ):
        done = fresh(
            "import sys\nfrom flopcalc.cli.main import main\n"
            f"code = main({words!r})\n"
            "sys.exit(9 if {'torch', 'sympy', 'numpy', 'scipy'} & set(sys.modules) else code)"
        )
        assert done.code == 0, done.err
    done = fresh(
        "import sys\nsys.modules['sympy'] = None\nfrom flopcalc.cli.main import main\n"
        "sys.exit(main(['solve', 'sic', '--cin', '64', '--for', 'b', '--target', 'ratio(conv) < 1']))"
    )
    assert done.code == 0
    assert "b = 7" in done.out
    assert "closed form" not in done.out


FACTORY = """\
import torch
from torch import nn

BUILT = []

class Net(nn.Module):
    def __init__(self, width=16, factor=1.0):
        super().__init__()
        BUILT.append((width, factor))
        c = max(1, int(width * factor))
        self.conv = nn.Conv2d(3, c, 3, padding=1, bias=False)
        self.out = nn.Conv2d(c, c, 3, padding=1, bias=False)

    def forward(self, x):
        return self.out(self.conv(x))
"""


def test_python_models(run: Runner, tmp_path: Path) -> None:
    """A factory is built for a few values only; its answer is that of the formula by hand."""
    pytest.importorskip("torch")
    path = tmp_path / "net.py"
    path.write_text(FACTORY)
    what = f"{path}:Net"
    shape = ("--input", "3x32x32")

    def macs(channels: int, size: int = 32) -> int:
        return size * size * 9 * (3 * channels + channels**2)

    best = max(c for c in range(1, 200) if macs(c) <= 20_000_000)
    record = _json(run, "solve", what, "--for", "width", "--set", "width=16", "--target", "macs <= 20M", *shape)
    assert record["value"] == str(best)
    assert record["cost"]["macs"] == macs(best)
    assert "only rises at the" in record["method"]
    record = _json(run, "solve", what, "--for", "factor", "--set", "factor=1.0", "--target", "macs <= 20M", *shape)
    assert int(16 * float(record["value"])) == best
    assert int(16 * (float(record["value"]) + 0.01)) > best
    size = max(s for s in range(1, 400) if macs(16, s) <= 20_000_000)
    assert _json(run, "solve", what, "--for", "input", "--target", "macs <= 20M", *shape)["value"] == f"3x{size}x{size}"
    record = _json(run, "solve", what, "--for", "batch", "--target", "macs <= 20M", *shape)
    assert record["value"] == str(20_000_000 // macs(16))
    listed = _json(run, "solve", what, "--for", "width", "--among", "8:64:8", "--target", "macs <= 20M", *shape)
    assert listed["value"] == str(best // 8 * 8)
    # Without a start the search begins at the default.
    record = _json(run, "solve", what, "--for", "width", "--target", "macs <= 20M", *shape)
    assert record["value"] == str(best)
    done = run("solve", what, "--for", "widht", "--set", "widht=1", "--target", "macs <= 20M", *shape)
    assert done.code == 2


def test_objects_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class, and a module: no command names them."""
    pytest.importorskip("torch")
    from importlib import import_module

    from flopcalc import solve

    (tmp_path / "solved_net.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(str(tmp_path))
    net = import_module("solved_net").Net
    found = solve(net, "width", "macs <= 20M", width=16, input=(3, 32, 32))
    assert (found.target, found.value, found.command) == ("Net", "45", None)
    assert 32 * 32 * 9 * (3 * 45 + 45**2) <= 20_000_000 < 32 * 32 * 9 * (3 * 46 + 46**2)
    assert solve(net(), "batch", "macs <= 20M", input=(3, 32, 32)).value == str(20_000_000 // (1024 * 9 * (48 + 256)))

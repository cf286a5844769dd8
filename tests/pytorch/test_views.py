"""What `flopcalc model` shows of a counted model: repeated calls, shared modules, unused parameters."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Run

pytest.importorskip("torch")

Runner = Callable[..., Run]

SOURCE = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(16, 16, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(1))
        self.spare = nn.Parameter(torch.ones(7))

    def forward(self, x):
        return x + self.scale * self.conv(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.block = Block()
        self.again = self.block
        self.aux = nn.Sequential(nn.Conv2d(16, 16, 1), nn.ReLU())
        self.head = nn.Linear(16, 10)
        self.other = nn.Linear(16, 10)
        self.other.weight = self.head.weight
        self.act = nn.ReLU()

    def forward(self, x):
        x = self.act(self.stem(x))
        for _ in range(50):
            x = self.block(x)
        x = self.act(self.again(x[..., ::2]))
        return self.head(x.mean((2, 3)))
"""
# By hand: 16 -> 16 channels, 3x3, on 32x32, and once on 32x16.
CONV = 16 * 16 * 9 * 32 * 32
CONV_PARAMS = 16 * 16 * 9 + 16
STEM = 3 * 16 * 9 * 32 * 32


@pytest.fixture
def target(tmp_path: Path) -> tuple[str, ...]:
    """The model above, with its input."""
    path = tmp_path / "net.py"
    path.write_text(SOURCE)
    return f"{path}:Net", "--input", "3x32x32"


def record(run: Runner, *arguments: str) -> dict[str, Any]:
    """The JSON of `flopcalc model`."""
    done = run("model", *arguments, "--format", "json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_json_keeps_every_call(target: tuple[str, ...], run: Runner) -> None:
    """51 calls of one convolution, each with its inputs; the parameters count at the first one."""
    data = record(run, *target)
    calls = [layer for layer in data["layers"] if layer["module"] == "block.conv"]
    assert [layer["name"] for layer in calls[:2]] == ["block.conv", "block.conv#2"]
    assert [layer["macs"] for layer in calls] == [CONV] * 50 + [CONV // 2]
    assert [layer["params"] for layer in calls] == [CONV_PARAMS] + [0] * 50
    assert {layer["calls"] for layer in calls} == {51}
    assert [layer["weights_of"] for layer in calls[:2]] == [None, "block.conv"]
    assert calls[0]["inputs"] == ["act"]
    assert calls[1]["inputs"] == ["block"]
    modules = {one["name"]: one for one in data["modules"]}
    assert (modules["block"]["calls"], modules["block"]["also"]) == (51, ["again"])
    assert (modules["act"]["calls"], modules["aux"]["calls"]) == (2, 0)
    assert (modules["block"]["in"], modules["block"]["type"]) == ([16, 32, 32], "Block")


def test_equal_calls_are_one_row(target: tuple[str, ...], run: Runner) -> None:
    """By layer: 50 equal calls, and the one on half the width. The rows still add up to the total."""
    out = run("model", *target, "--by", "layer").out
    line = next(line for line in out.splitlines() if line.startswith("block.conv, 50 calls"))
    assert f"{50 * CONV:,}" in line
    assert f"{CONV_PARAMS:,}" in line
    half = next(line for line in out.splitlines() if line.startswith("block.conv#51"))
    assert f"{CONV // 2:,}" in half
    assert f"{STEM + 50 * CONV + CONV // 2 + 160:,}" in out
    rows = list(csv.DictReader(io.StringIO(run("model", *target, "--by", "layer", "--format", "csv").out)))
    assert sum(row["module"] == "block.conv" for row in rows) == 51
    chosen = run("model", *target, "--by", "layer", "--columns", "layer,calls").out
    assert "block.conv, 50 calls     50\n" in chosen


def test_the_most_expensive_are_modules(target: tuple[str, ...], run: Runner) -> None:
    """The convolution that is called 50 times comes first, with the cost of its calls."""
    data = record(run, *target, "--top", "1")
    (row,) = data["top"]["rows"]
    assert (row["name"], row["macs"], row["count"]) == ("block.conv", 50 * CONV, 50)
    # stem, act twice (two shapes), the other size of conv, block at both, (model), its slice, head, aux.0, other.
    shown = {
        line.partition("  ")[0] for line in run("model", *target, "--by", "layer").out.split("total")[0].splitlines()
    }
    rows = {name for name in shown if name and name[0] in "(abhos"} - {"block.conv, 50 calls"}
    others = next(line for line in run("model", *target, "--top", "1").out.splitlines() if "others" in line)
    assert others.startswith(f"{len(rows)} others")


def test_counts_of_types_are_calls(target: tuple[str, ...], run: Runner) -> None:
    """A module that goes on after its child, as Block does, is one layer for each call."""
    rows = {
        row["type"]: row
        for row in csv.DictReader(io.StringIO(run("model", *target, "--by", "type", "--format", "csv").out))
    }
    assert [rows[kind]["layers"] for kind in ("conv", "relu", "Block", "linear")] == ["53", "2", "51", "2"]


def test_the_tree_is_of_modules(target: tuple[str, ...], run: Runner) -> None:
    """Rows are modules, not calls; notes say what is remarkable; the levels add up, unused parameters too."""
    rows = record(run, *target, "--by", "tree")["tree"]["rows"]
    named = {row["name"]: row for row in rows}
    assert list(named) == [
        "stem", "act", "block", "block.(own)", "block.conv", "(model)", "head", "aux", "aux.0", "other",
    ]  # fmt: skip
    assert named["block.conv"]["macs"] == 50 * CONV + CONV // 2
    assert [named[name]["unused"] for name in ("block", "block.(own)", "block.conv", "aux", "other")] == [
        7,
        7,
        0,
        272,
        10,
    ]
    assert (named["aux"]["type"], named["aux"]["calls"]) == ("Sequential", 0)
    out = run("model", *target, "--by", "tree").out
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert lines["block"].endswith("51 calls, also again")
    assert lines["conv"].endswith("51 calls")
    assert lines["(own)"].endswith("7 params unused")
    assert lines["other"].endswith("params unused")
    # Expanded, the row of the parent leaves the note to its child.
    assert "unused" not in lines["aux"]
    assert "unused" in run("model", *target, "--by", "tree", "--depth", "1").out.split("\naux")[1].splitlines()[0]


@pytest.mark.parametrize("depth", ["1", "2", "3"])
def test_each_level_adds_up(depth: str, target: tuple[str, ...], run: Runner) -> None:
    """The rows of a level sum to their parent, those of the first level to the model; unused parameters do as well."""
    data = record(run, *target, "--depth", depth)
    rows = data["tree"]["rows"]
    total = {kind: data[kind] for kind in ("params", "macs", "flops", "traffic")} | {"unused": 289}
    for kind in total:
        assert sum(row[kind] for row in rows if row["level"] == 1) == total[kind]
        for row in rows:
            below = [one for one in rows if one["name"].rpartition(".")[0] == row["name"]]
            assert not below or sum(one[kind] for one in below) == row[kind]


def test_notes_on_sharing_and_unused_parameters(target: tuple[str, ...], run: Runner) -> None:
    """Exactly: 7 of the block, 16 * 16 + 16 of aux.0, the bias of `other`, whose weight the head uses."""
    notes = record(run, *target)["notes"]
    assert "shared modules, whose parameters count once: again is block" in notes
    assert "shared parameters, which count once: other.weight is head.weight" in notes
    assert any(note.startswith("289 of the parameters were not used") for note in notes)


def test_a_parameter_that_is_the_output_is_used(run: Runner, tmp_path: Path) -> None:
    """CLIP gives its scale out as it is; a buffer is not a parameter."""
    path = tmp_path / "net.py"
    path.write_text(
        "import torch\nfrom torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.scale = nn.Parameter(torch.ones(3))\n"
        "        self.register_buffer('table', torch.ones(9))\n"
        "    def forward(self, x):\n"
        "        return x + 1, self.scale\n"
    )
    assert record(run, f"{path}:Net", "--input", "4")["notes"] == []


def test_diff_of_calls(run: Runner, tmp_path: Path) -> None:
    """One more call of an activation in the middle is one added layer; the calls after it moved on by one."""
    source = (
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, twice):\n"
        "        super().__init__()\n"
        "        self.a, self.b, self.act = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 16, 3), nn.ReLU()\n"
        "        self.twice = twice\n"
        "    def forward(self, x):\n"
        "        x = self.act(self.a(self.act(x) if self.twice else x))\n"
        "        return self.act(self.b(x))\n"
        "def one(): return Net(False)\n"
        "def two(): return Net(True)\n"
    )
    path = tmp_path / "net.py"
    path.write_text(source)
    done = run("diff", f"{path}:one", f"{path}:two", "--input", "3x9x9", "--format", "json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["counts"] == {"same": 2, "renamed": 2, "changed": 0, "removed": 0, "added": 1}
    (added,) = [row for row in found["layers"] if row["status"] == "added"]
    assert (added["name"], added["b"]["in"]) == ("act", [3, 9, 9])


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (f"layer block.conv: macs <= {50 * CONV + CONV // 2}", True),
        (f"layer block.conv: macs < {50 * CONV + CONV // 2}", False),
        (f"layer block.conv: params == {CONV_PARAMS}", True),
        (f"layer block.conv#*: macs <= {CONV}", True),
        (f"layer block.conv#51: macs == {CONV // 2}", True),
        (f"layer block.conv#51: macs < {CONV // 2}", False),
        (f"layer act: other == {16 * 32 * 32 + 16 * 32 * 16}", True),
    ],
)
def test_limits_on_layers_that_are_called_often(
    limit: str, kept: bool, run: Runner, target: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer is a module, with the sum of its calls; with the number of a call it is that call."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flopcalc.yaml").write_text(
        f"targets:\n  - {{network: 'net.py:Net', input: 3x32x32, limits: ['{limit}', 'layer *: macs <= locked']}}\n"
    )
    assert run("lock").code == 0
    done = run("check")
    assert (done.code == 0) == kept, done.out + done.err


VALUES = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.b(x) if x.sum().item() < 0 else self.a(x)
"""
NOTES = ("counted on real values", "20 of the parameters were not used in this pass: b")


@pytest.mark.parametrize("fmt", ["table", "json", "markdown", "latex", "html", "csv"])
def test_notes_are_in_every_format(fmt: str, run: Runner, tmp_path: Path) -> None:
    """CSV has no place for them, so they are on stderr; everywhere else stderr is empty."""
    path = tmp_path / "net.py"
    path.write_text(VALUES)
    for command in (("model", f"{path}:Net"), ("diff", f"{path}:Net", f"{path}:Net")):
        done = run(*command, "--input", "4", "--format", fmt)
        text, other = (done.err, done.out) if fmt == "csv" else (done.out, done.err)
        words = " ".join(text.split())
        assert all(note in words for note in NOTES), text
        assert not any(note in other for note in NOTES)
        assert (fmt == "csv") == bool(done.err)


def test_a_module_that_goes_on_after_its_child_is_called_once(run: Runner, tmp_path: Path) -> None:
    """Two blocks, each with work before and after its convolution: four layers, and two calls."""
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\n"
        "class Block(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(4, 4, 1)\n"
        "    def forward(self, x):\n"
        "        return x + self.conv(x * 2)\n"
        "def net():\n"
        "    return nn.Sequential(Block(), Block())\n"
    )
    arguments = (f"{path}:net", "--input", "4x8x8")
    names = [layer["name"] for layer in record(run, *arguments)["layers"]]
    assert names == ["0", "0.conv", "0#2", "1", "1.conv", "1#2"]
    rows = csv.DictReader(io.StringIO(run("model", *arguments, "--by", "type", "--format", "csv").out))
    assert {row["type"]: row["layers"] for row in rows} == {"Block": "2", "conv": "2"}
    assert "calls" not in run("model", *arguments, "--by", "layer").out

"""`model --by tree`: the module hierarchy with sums."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Run

Runner = Callable[..., Run]


def _tree(run: Runner, *arguments: str) -> list[dict[str, Any]]:
    done = run("model", *arguments, "--by", "tree", "--format", "json")
    assert done.code == 0, done.err
    rows: list[dict[str, Any]] = json.loads(done.out)["tree"]["rows"]
    return rows


def _children(rows: list[dict[str, Any]], place: int) -> list[dict[str, Any]]:
    """The rows one level below a row."""
    found = []
    for row in rows[place + 1 :]:
        if row["level"] <= rows[place]["level"]:
            break
        found += [row] if row["level"] == rows[place]["level"] + 1 else []
    return found


@pytest.mark.parametrize("target", ["resnet50", "mobilenet_v1", "swin_t", "densenet121"])
@pytest.mark.parametrize("depth", [1, 2, 3, 9])
def test_each_level_adds_up(target: str, depth: int, run: Runner) -> None:
    """The rows of a level sum to their parent, and those of the first level to the network."""
    data = json.loads(run("model", target, "--by", "tree", "--depth", str(depth), "--format", "json").out)
    rows = data["tree"]["rows"]
    assert data["tree"]["depth"] == depth
    assert max(row["level"] for row in rows) <= depth
    for kind in ("params", "macs", "cost", "flops", "traffic"):
        assert sum(row[kind] for row in rows if row["level"] == 1) == data[kind]
        for place, row in enumerate(rows):
            if below := _children(rows, place):
                assert sum(child[kind] for child in below) == row[kind], row["name"]


def test_the_hierarchy_of_resnet(run: Runner) -> None:
    """layer1 by hand: three bottlenecks of 256 channels; names are indented by level."""
    rows = {row["name"]: row for row in _tree(run, "resnet50")}
    first = 64 * 64 + 64 * 64 * 9 + 64 * 256 + 64 * 256 + 2 * (64 + 64 + 256 + 256)
    others = 256 * 64 + 64 * 64 * 9 + 64 * 256 + 2 * (64 + 64 + 256)
    assert rows["layer1.0"]["params"] == first
    assert rows["layer1"]["params"] == first + 2 * others
    assert (rows["layer1"]["type"], rows["layer1.0.conv2"]["type"]) == (None, "conv")
    assert rows["layer1"]["out"] == [256, 56, 56]
    out = run("model", "resnet50", "--by", "tree").out
    assert "\nlayer1 " in out
    assert "\n  0 " in out
    assert "\n    conv2 " in out
    assert out.count("\ntotal ") == 1
    assert run("model", "resnet50", "--depth", "3").out == out


def test_full_names_in_files(run: Runner) -> None:
    """CSV has the dotted name and the level, since indentation means nothing there."""
    text = run("model", "resnet50", "--depth", "2", "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["module"], row["level"]) for row in rows[4:6]] == [("layer1", "1"), ("layer1.0", "2")]
    assert "layer1.0 " in run("model", "resnet50", "--depth", "2", "--format", "markdown").out


def test_work_of_a_module_outside_its_children(run: Runner, tmp_path: Path) -> None:
    """A real module that adds its input has a row of its own among its children, so that the level adds up."""
    pytest.importorskip("torch")
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\n"
        "class Block(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(4, 4, 3, padding=1)\n"
        "    def forward(self, x):\n"
        "        return x + self.conv(x)\n"
        "def net():\n"
        "    return nn.Sequential(Block(), nn.ReLU())\n"
    )
    arguments = (f"{path}:net", "--input", "4x8x8", "--convention", "flops")
    rows = _tree(run, *arguments)
    named = {row["name"]: row for row in rows}
    assert named["0.(own)"]["cost"] == 4 * 8 * 8
    assert named["0"]["cost"] == named["0.conv"]["cost"] + 4 * 8 * 8
    assert named["0"]["type"] == "Block"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--by", "tree", "--depth", "0"),
        ("--depth", "-1"),
        ("--depth", "x"),
        ("--by", "layer", "--depth", "2"),
        ("--by", "tree", "--top", "3"),
    ],
)
def test_wrong_options(arguments: tuple[str, ...], run: Runner) -> None:
    """An error with a hint, exit code 2."""
    done = run("model", "resnet50", *arguments)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 2)

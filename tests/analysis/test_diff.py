"""`flopcalc diff`: matching of layers on lists made by hand, and whole networks on the command line."""

import csv
import json
import random
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from helpers import Runner, import_torchvision

from flopcalc.analysis.diff import match_layers

Layers = list[dict[str, Any]]


def _layers(*items: tuple[str, str, int]) -> Layers:
    """(name, type, size): the size is used for both shape and cost."""
    return [
        {
            "name": name,
            "type": kind,
            "in": [size, 8, 8],
            "out": [size, 8, 8],
            "params": size,
            "macs": 10 * size,
            "flops": 20 * size,
            "activations": size,
            "traffic": size,
            "steps": 1,
            "cost": 10 * size,
            "stage": "s",
        }
        for name, kind, size in items
    ]


def _told(one: Layers, other: Layers) -> list[tuple[str, str | None, str | None]]:
    return [
        (m.status, m.first["name"] if m.first else None, m.second["name"] if m.second else None)
        for m in match_layers(one, other)
    ]


def test_same_changed_added_removed() -> None:
    """By name; the removed layer keeps its place."""
    a = _layers(("a", "conv", 4), ("b", "conv", 4), ("c", "relu", 4), ("d", "linear", 2))
    b = _layers(("a", "conv", 4), ("c", "relu", 4), ("d", "linear", 3), ("e", "softmax", 3))
    assert _told(a, b) == [
        ("same", "a", "a"),
        ("removed", "b", None),
        ("same", "c", "c"),
        ("changed", "d", "d"),
        ("added", None, "e"),
    ]
    changed = match_layers(a, b)[3]
    assert changed.changes == ("in", "out", "params", "macs", "flops", "activations", "traffic", "cost")
    assert (changed.delta("params"), changed.delta("macs")) == (1, 10)
    assert match_layers(a, b)[1].delta("params") == -4
    assert match_layers([], []) == []
    assert _told(a[:1], []) == [("removed", "a", None)]
    assert _told([], a[:1]) == [("added", None, "a")]


def test_a_replaced_layer_has_changed() -> None:
    """Another type under the same name, also where names are numbers."""
    a = _layers(("0", "conv", 4), ("1", "relu", 4), ("2", "conv", 4))
    b = _layers(("0", "spconv", 4), ("1", "relu", 4), ("2", "spconv", 4))
    assert _told(a, b) == [("changed", "0", "0"), ("same", "1", "1"), ("changed", "2", "2")]


def test_renamed_layers() -> None:
    """A wrapper's prefix; two layers that swapped their names are two changes, not two renames."""
    a = _layers(("conv1", "conv", 4), ("conv2", "conv", 8), ("fc", "linear", 2))
    b = _layers(("net.conv1", "conv", 4), ("net.conv2", "conv", 8), ("net.extra", "relu", 8), ("net.fc", "linear", 2))
    assert _told(a, b) == [
        ("renamed", "conv1", "net.conv1"),
        ("renamed", "conv2", "net.conv2"),
        ("added", None, "net.extra"),
        ("renamed", "fc", "net.fc"),
    ]
    swapped = _layers(("conv2", "conv", 4), ("conv1", "conv", 8), ("fc", "linear", 2))
    assert sorted(status for status, *_ in _told(a, swapped)) == ["changed", "changed", "same"]


def test_an_insertion_into_a_list_moves_the_rest() -> None:
    """features.3 is a position: the layer in it moved on by one."""
    a = _layers(("f.0", "conv", 4), ("f.1", "relu", 4), ("f.2", "conv", 8), ("f.3", "relu", 8))
    b = _layers(("f.0", "conv", 4), ("f.1", "batchnorm", 4), ("f.2", "relu", 4), ("f.3", "conv", 8), ("f.4", "relu", 8))
    assert _told(a, b) == [
        ("same", "f.0", "f.0"),
        ("added", None, "f.1"),
        ("renamed", "f.1", "f.2"),
        ("renamed", "f.2", "f.3"),
        ("renamed", "f.3", "f.4"),
    ]


def test_every_layer_is_in_one_match() -> None:
    """With layers shuffled, dropped and renamed: each layer of both sides is in one match, and deltas add up."""
    for seed in range(300):
        rng = random.Random(seed)  # noqa: S311
        a = _layers(*((f"l{i}", rng.choice("xyz"), rng.randint(1, 3)) for i in range(rng.randint(0, 12))))
        b = [dict(layer) for layer in a if rng.random() < 0.8]
        for layer in b:
            if rng.random() < 0.3:
                layer["name"] = f"{rng.randint(0, 99)}.{layer['name']}.{rng.randint(0, 3)}"
            if rng.random() < 0.2:
                layer["params"] += 1
        if rng.random() < 0.3:
            rng.shuffle(b)
        b = list({layer["name"]: layer for layer in b}.values())
        matches = match_layers(a, b)
        assert sorted(m.first["name"] for m in matches if m.first) == sorted(layer["name"] for layer in a)
        assert [m.second["name"] for m in matches if m.second] == [layer["name"] for layer in b]
        whole = sum(x["params"] for x in b) - sum(x["params"] for x in a)
        assert sum(m.delta("params") for m in matches) == whole
        for m in matches:
            assert (m.status == "same") == (m.first is not None and m.first == m.second)


def test_many_equal_layers_take_no_time() -> None:
    """Ten thousand layers under other names, with a hundred put between them."""
    kinds = [("conv", 8), ("norm", 8), ("relu", 8)]
    a = _layers(*((f"a{i}", *kinds[i % 3]) for i in range(10_000)))
    b = _layers(*((f"b{i}", *kinds[i % 3]) for i in range(10_000)))
    for place in range(9_950, 0, -100):
        b[place:place] = _layers((f"new{place}", "gelu" if place % 200 else "relu", 8))
    start = time.process_time()
    matches = match_layers(a, b)
    assert time.process_time() - start < 10
    assert sum(m.status == "renamed" for m in matches) == 10_000
    assert sum(m.status == "added" for m in matches) == 100


def test_large_networks_far_apart_are_still_complete() -> None:
    """Beyond the limit of the exact algorithm the result is coarser, but complete."""
    rng = random.Random(0)  # noqa: S311
    a, b = (_layers(*((f"{side}{i}", "conv", rng.randint(1, 300)) for i in range(3_000))) for side in "ab")
    matches = match_layers(a, b)
    assert sum(m.first is not None for m in matches) == sum(m.second is not None for m in matches) == 3_000


def _longest(a: str, b: str) -> int:
    """The length of a longest common subsequence, by the textbook algorithm."""
    row = [0] * (len(b) + 1)
    for x in a:
        left = 0
        for j, y in enumerate(b):
            row[j + 1], left = (left + 1 if x == y else max(row[j], row[j + 1])), row[j + 1]
    return row[-1]


def test_as_many_layers_as_can_be_are_renamed() -> None:
    """Compared with the quadratic algorithm, on random sequences of three kinds of layers."""
    for seed in range(500):
        rng = random.Random(seed)  # noqa: S311
        one, other = ("".join(rng.choice("xyz") for _ in range(rng.randint(0, 12))) for _ in range(2))
        a, b = (
            _layers(*((f"{n}{i}", kind, 4) for i, kind in enumerate(word))) for n, word in (("a", one), ("b", other))
        )
        matches = match_layers(a, b)
        assert sum(m.status == "renamed" for m in matches) == _longest(one, other), (one, other)


# Whole networks -------------------------------------------------------------------------------------


def test_a_replacement_as_json(run: Runner) -> None:
    """The contract flopcalc/diff/1; figures of ResNet-50 are torchvision's, SPConv's 16 layers its policy."""
    done = run("diff", "resnet50", "resnet50 --replace spconv --set classes=10", "--format", "json")
    data = json.loads(done.out)
    assert set(data) == {"schema", "a", "b", "difference", "ratio", "counts", "layers", "dtype", "convention"}
    assert (data["schema"], data["convention"]) == ("flopcalc/diff/1", "macs")
    assert (data["a"]["params"], data["a"]["macs"]) == (25_557_032, 4_089_184_256)
    assert data["counts"] == {"same": 158, "renamed": 0, "changed": 17, "removed": 0, "added": 0}
    single = json.loads(run("model", "resnet50", "--replace", "spconv", "--set", "classes=10", "--format", "json").out)
    assert {key: data["b"][key] for key in ("params", "macs", "replace")} == {
        key: single[key] for key in ("params", "macs", "replace")
    }
    assert data["difference"]["params"] == single["params"] - 25_557_032
    assert data["ratio"]["macs"] == single["macs"] / 4_089_184_256
    assert sum(row["difference"]["macs"] for row in data["layers"]) == data["difference"]["macs"]
    fc = data["layers"][-1]
    assert (fc["name"], fc["status"], fc["was"]) == ("fc", "changed", None)
    assert fc["difference"]["params"] == -990 * 2049
    assert set(data["layers"][0]) == {"status", "name", "was", "changes", "difference", "a", "b"}
    assert (fc["a"]["out"], fc["b"]["out"]) == ([1000], [10])


def test_options_of_both_and_of_one(run: Runner) -> None:
    """--input and --batch apply to both sides, unless a side has its own."""
    options = ("--input", "3x64x64", "--batch", "2", "--format", "json")
    data = json.loads(run("diff", "resnet50", "resnet50 --input 3x32x32 --batch 3", *options).out)
    assert (data["a"]["input"], data["a"]["batch"]) == ([3, 64, 64], 2)
    assert (data["b"]["input"], data["b"]["batch"]) == ([3, 32, 32], 3)
    where = json.loads(
        run("diff", "resnet50", "resnet50 --replace 'spconv where policy and c_in == 64'", "--format", "json").out
    )
    assert where["counts"]["changed"] == 3
    folded = json.loads(run("diff", "resnet50", "resnet50", "--convention", "fvcore", "--format", "json").out)
    assert folded["a"]["cost"] > folded["a"]["macs"]


def test_the_table(run: Runner) -> None:
    """Changed layers, one line for the others, totals that add up; 80 columns."""
    out = run("diff", "resnet50", "resnet50 --replace spconv").out
    assert "conv -> spconv" in out
    assert "159 equal layers" in out
    assert "bn1" not in out
    assert max(map(len, out.splitlines())) <= 80
    rows = [line.split() for line in out.splitlines() if "conv -> spconv" in line]
    (total,) = [line.split() for line in out.splitlines() if line.startswith("total   ") and "params" not in line]
    for column in (-2, -1):
        assert sum(int(row[column].replace(",", "")) for row in rows) == int(total[column].replace(",", ""))
    everything = run("diff", "resnet50", "resnet50 --replace spconv", "--all").out
    assert "layer4.2.bn3" in everything
    assert "equal layers" not in everything
    same = run("diff", "resnet50", "resnet50")
    assert (same.code, "equal, layer by layer" in same.out) == (0, True)


def test_a_replacement_that_replaces_nothing(run: Runner) -> None:
    """It is said so, in the table and where a format has no notes; so is what became of biases."""
    note = "nothing was replaced: no convolution of vit_b_16 was taken by spconv"
    done = run("diff", "vit_b_16", "vit_b_16 --replace spconv")
    assert "| equal, layer by layer" in done.out
    assert "nothing replaced by spconv" in done.out
    assert f"Notes on B\n  - {note}\n" in done.out
    assert run("diff", "vit_b_16", "vit_b_16 --replace spconv", "--format", "csv").err == f"note: {note}\n"
    data = json.loads(run("diff", "vgg11", "vgg11 --replace ghost", "--format", "json").out)
    assert data["b"]["replaced"] == data["counts"]["changed"]
    assert any("bias" in text for text in data["b"]["notes"])


@pytest.mark.parametrize("fmt", ["markdown", "latex", "html", "csv"])
def test_formats(fmt: str, run: Runner, tmp_path: Path) -> None:
    """Each shows the layer that changed; files too."""
    done = run("diff", "resnet50", "resnet50 --set classes=10", "--format", fmt)
    assert done.code == 0
    assert "fc" in done.out
    path = tmp_path / "diff.csv"
    assert run("diff", "resnet50", "resnet50 --set classes=10", "-o", str(path)).code == 0
    rows = list(csv.DictReader(StringIO(path.read_text())))
    assert len(rows) == 175
    assert rows[-1]["status"] == "changed"
    assert (rows[-1]["params A"], rows[-1]["params B"], rows[-1]["out B"]) == ("2049000", "20490", "10")


BAD = {
    "unknown network": (("resnet50", "resnet5"), "'resnet5'"),
    "unknown option": (("resnet50", "resnet50 --frob"), "no such option '--frob'"),
    "open quote": (("resnet50", "resnet50 'x"), "no closing quotation"),
    "empty": (("resnet50", ""), "missing argument"),
    "two names": (("resnet50", "resnet50 resnet50"), "unexpected extra argument"),
    "bad batch": (("resnet50", "resnet50 --batch x"), "--batch is 'x'"),
    "bad operator": (("resnet50", "resnet50 --replace nothing"), "'nothing'"),
    "one side": (("resnet50",), "compares two networks, and one is given"),
    "python without input": (("resnet50", "net.py:Net"), "needs the shape of its input"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_sides(name: str, run: Runner) -> None:
    """One line, one hint, exit code 2."""
    arguments, says = BAD[name]
    done = run("diff", *arguments)
    assert (done.code, done.out) == (2, "")
    error, hint = done.err.splitlines()
    assert says in error
    assert hint.startswith("hint:")


NET = """
import torch
from torch import nn
from parts import WIDTH
class Net(nn.Module):
    def __init__(self, bias=False):
        super().__init__()
        self.{name} = nn.Conv2d(3, WIDTH, 3, bias=bias)
        self.head = nn.Linear(WIDTH, 2)
    def forward(self, x):
        return self.head(torch.linalg.matrix_exp(self.{name}(x)).mean((2, 3)))
"""


def test_two_versions_of_a_file(run: Runner, tmp_path: Path) -> None:
    """Each file imports the module next to it; a renamed layer is shown as renamed; --strict checks both sides."""
    pytest.importorskip("torch")
    for folder, name, width in (("old", "conv", 4), ("new", "stem", 4), ("wide", "stem", 6)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").write_text(NET.format(name=name))
        (tmp_path / folder / "parts.py").write_text(f"WIDTH = {width}\n")
    old, new, wide = (f"{tmp_path / folder / 'net.py'}:Net" for folder in ("old", "new", "wide"))
    options = ("--input", "3x8x8", "--format", "json")
    data = json.loads(run("diff", old, new, *options).out)
    assert data["counts"] == {"same": 2, "renamed": 1, "changed": 0, "removed": 0, "added": 0}
    assert [(row["was"], row["name"]) for row in data["layers"] if row["status"] == "renamed"] == [("conv", "stem")]
    table = run("diff", old, new, "--input", "3x8x8").out
    assert "conv -> stem" in table
    assert "Not counted in A" in table
    data = json.loads(run("diff", new, wide, *options).out)
    assert data["difference"]["params"] == 2 * 27 + 2 * 2
    assert {row["name"]: row["status"] for row in data["layers"]} == {
        "stem": "changed",
        "(model)": "changed",
        "head": "changed",
    }
    bias = json.loads(run("diff", new, f"{new} --set bias=true", *options).out)
    assert bias["difference"]["params"] == 4
    assert run("diff", old, new, "--input", "3x8x8", "--strict").code == 1


def test_a_description_and_its_module(run: Runner) -> None:
    """All layers with parameters are equal, and the totals."""
    pytest.importorskip("torch")
    import_torchvision()
    data = json.loads(run("diff", "resnet50", "torchvision:resnet50 --input 3x224x224", "--format", "json").out)
    assert all(value == 0 for value in data["difference"].values())
    statuses = {row["status"] for row in data["layers"] if (row["a"] or row["b"])["params"]}
    assert statuses == {"same"}
    assert data["counts"]["changed"] == 0


def test_batch_norms_put_into_a_vgg(run: Runner) -> None:
    """torchvision's VGG-11 with and without: eight layers came, and the rest moved on."""
    pytest.importorskip("torch")
    import_torchvision()
    data = json.loads(
        run("diff", "torchvision:vgg11", "torchvision:vgg11_bn", "--input", "3x224x224", "--format", "json").out
    )
    assert data["counts"] == {"same": 7, "renamed": 20, "changed": 0, "removed": 0, "added": 8}
    assert {row["b"]["type"] for row in data["layers"] if row["status"] == "added"} == {"batchnorm"}
    # torchvision's documentation: 132,863,336 and 132,868,840 parameters.
    assert data["difference"]["params"] == 132_868_840 - 132_863_336

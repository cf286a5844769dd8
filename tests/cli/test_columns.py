"""`--columns` of `layer` and `model`, and the columns of CSV."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Run

Runner = Callable[..., Run]

BY_LAYER = (
    "layer,type,out,params,MACs,share,in,kernel,stride,padding,dilation,groups,FLOPs,traffic_bytes,intensity,"
    "activations,elementwise,steps"
)


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_by_layer_has_all_columns(run: Runner) -> None:
    """conv1 of ResNet-50 by hand: 64 filters of 3x7x7 on 112x112 positions; it reads 3x224x224 and its weights."""
    out = run("model", "resnet50", "--format", "csv").out
    assert out.splitlines()[0] == BY_LAYER
    conv1, bn1, _, pool = _rows(out)[:4]
    macs, elements = 64 * 3 * 7 * 7 * 112 * 112, 3 * 224 * 224 + 64 * 3 * 7 * 7 + 64 * 112 * 112
    expected = {
        "in": "3x224x224",
        "kernel": "7x7",
        "stride": "2",
        "padding": "3",
        "dilation": "1",
        "groups": "1",
        "MACs": str(macs),
        "FLOPs": str(2 * macs),
        "traffic_bytes": str(4 * elements),
    }
    assert {key: conv1[key] for key in expected} == expected
    assert float(conv1["intensity"]) == pytest.approx(2 * macs / (4 * elements))
    assert [bn1[key] for key in ("kernel", "stride", "padding", "dilation", "groups")] == [""] * 5
    assert [pool[key] for key in ("kernel", "stride", "padding", "groups")] == ["3x3", "2", "1", ""]


def test_layers_of_the_json_have_a_window(run: Runner) -> None:
    """Lists of sizes; null for layers without them. The depthwise layers of MobileNet have a group for each channel."""
    layers = json.loads(run("model", "mobilenet_v1", "--format", "json").out)["layers"]
    found = {layer["name"]: [layer[key] for key in ("kernel", "stride", "padding", "groups")] for layer in layers}
    assert found["Conv2d_2_depthwise.conv"] == [[3, 3], [2, 2], [1, 1], 64]
    assert found["Conv2d_2_pointwise.conv"] == [[1, 1], [1, 1], [0, 0], 1]
    assert found["Conv2d_2_pointwise.BatchNorm"] == [None] * 4
    layers = json.loads(run("model", "resnet50", "--format", "json").out)["layers"]
    flat = next(layer for layer in layers if layer["type"] == "linear")
    assert (flat["kernel"], flat["groups"]) == (None, None)


def test_chosen_columns(run: Runner) -> None:
    """In the order given, in every format; with the convention `macs`, cost and macs are one column."""
    out = run("model", "resnet50", "--by", "layer", "--columns", "kernel, Layer,groups,traffic", "--format", "csv").out
    assert out.splitlines()[:2] == ["kernel,layer,groups,traffic_bytes", "7x7,conv1,1,3851008"]
    table = run("model", "resnet50", "--by", "layer", "--columns", "layer,kernel,stride,intensity").out
    assert "layer                  kernel  stride  FLOPs/byte\n" in table
    assert "conv1                  7x7     2            61.29\n" in table
    both = run("model", "resnet50", "--by", "layer", "--columns", "layer,macs,cost", "--format", "csv").out
    assert both.splitlines()[0] == "layer,MACs"
    folded = ("--convention", "fvcore", "--by", "layer", "--columns", "layer,macs,cost", "--format", "csv")
    assert run("model", "resnet50", *folded).out.splitlines()[2] == "bn1,0,1605632"


def test_totals_add_up_and_steps_are_the_critical_path(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last row is the sum of each kind; of the steps it is the longest chain, which is shorter than the sum."""
    columns = "layer,params,flops,traffic,activations,elementwise,steps"
    arguments = ("model", "resnet50", "--by", "layer", "--columns", columns)
    rows = _rows(run(*arguments, "--format", "csv").out)
    monkeypatch.setenv("COLUMNS", "160")
    sums = [sum(int(row[key]) for row in rows) for key in rows[0] if key != "layer"]
    total = next(line for line in run(*arguments).out.splitlines() if line.startswith("total"))
    shown = [int(cell.replace(",", "")) for cell in total.split()[1:]]
    assert shown[:-1] == sums[:-1]
    assert shown[-1] == json.loads(run("model", "resnet50", "--format", "json").out)["steps"] < sums[-1]


def test_columns_of_groups(run: Runner) -> None:
    """By stage and by type, the columns that add up."""
    header = run("model", "resnet50", "--by", "stage", "--format", "csv").out.splitlines()[0].split(",")
    assert {"stage", "layers", "out", "traffic_bytes", "intensity"} <= set(header)
    assert not {"steps", "kernel"} & set(header)
    done = run("model", "resnet50", "--by", "stage", "--columns", "kernel")
    assert (done.code, done.out) == (2, "")
    assert "unknown column 'kernel'" in done.err


def test_parts_of_a_layer(run: Runner) -> None:
    """Ghost on 64 channels by hand: 32 of 3x3 primary maps, then 32 cheap 3x3 maps, in float16."""
    out = run("layer", "ghost", "--cin", "64", "--dtype", "float16", "--format", "csv").out
    assert out.splitlines()[0] == (
        "part,params,MACs,share,elementwise,written,steps,FLOPs,reads_bytes,writes_bytes,traffic_bytes,intensity"
    )
    primary = _rows(out)[0]
    reads, writes = 64 * 56 * 56 + 32 * 64 * 9, 32 * 56 * 56
    assert [int(primary[key]) for key in ("reads_bytes", "writes_bytes")] == [2 * reads, 2 * writes]
    assert float(primary["intensity"]) == pytest.approx(32 * 64 * 9 * 56 * 56 / (reads + writes))
    data = json.loads(run("layer", "ghost", "--cin", "64", "--dtype", "float16", "--format", "json").out)
    assert data["parts"][0]["traffic"] == 2 * (reads + writes)
    assert data["intensity"] == pytest.approx(data["flops"] / data["traffic"])
    table = run("layer", "ghost", "--cin", "64", "--columns", "part,traffic,intensity").out
    assert "traffic (bytes)" in table
    assert "FLOPs per byte" in " ".join(table.split())


@pytest.mark.parametrize("command", [("layer", "conv", "--cin", "8"), ("model", "resnet50", "--by", "layer")])
def test_an_unknown_column(command: tuple[str, ...], run: Runner) -> None:
    """An error with a suggestion; an empty list is an error too."""
    done = run(*command, "--columns", "params,trafic")
    assert (done.code, done.out) == (2, "")
    assert "unknown column 'trafic'" in done.err
    assert "did you mean traffic" in done.err
    assert run(*command, "--columns", ",").code == 2


def test_top_keeps_params_and_shapes(run: Runner) -> None:
    """The most expensive layer of ResNet-50 with its parameters and its output."""
    row = _rows(run("model", "resnet50", "--top", "1", "--format", "csv").out)[0]
    assert [row[key] for key in ("layer", "params", "out", "kernel")] == ["conv1", "9408", "64x112x112", "7x7"]


def test_counted_modules_have_a_window(run: Runner, tmp_path: Path) -> None:
    """Kernel, stride, padding, dilation and groups of convolutions and pooling in a real module."""
    pytest.importorskip("torch")
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\n"
        "def net():\n"
        "    return nn.Sequential(\n"
        "        nn.Conv2d(4, 8, (3, 5), stride=2, padding=(1, 2), groups=2),\n"
        "        nn.MaxPool2d(3, 2, 1), nn.ReLU(),\n"
        "        nn.Conv2d(8, 8, 3, padding='same', dilation=2), nn.AvgPool2d(2), nn.ConvTranspose2d(8, 4, 2, 2))\n"
    )
    done = run("model", f"{path}:net", "--input", "4x32x32", "--format", "json")
    assert done.code == 0, done.err
    keys = ("kernel", "stride", "padding", "dilation", "groups")
    assert [[layer[key] for key in keys] for layer in json.loads(done.out)["layers"]] == [
        [[3, 5], [2, 2], [1, 2], [1, 1], 2],
        [[3, 3], [2, 2], [1, 1], [1, 1], None],
        [None] * 5,
        [[3, 3], [1, 1], [2, 2], [2, 2], 1],
        [[2, 2], [2, 2], [0, 0], [1, 1], None],
        [[2, 2], [2, 2], [0, 0], [1, 1], 1],
    ]


@pytest.mark.parametrize("width", [40, 50, 60, 70])
@pytest.mark.parametrize("operator", ["spconv", "mbconv", "dynet"])
def test_the_headline_is_left_out_last(run: Runner, monkeypatch: pytest.MonkeyPatch, operator: str, width: int) -> None:
    """Of all columns, MACs and params are shown however narrow the terminal is."""
    monkeypatch.setenv("COLUMNS", str(width))
    out = run("layer", operator, "--cin", "64", "--columns", "all").out
    header = next(line for line in out.splitlines() if line.startswith("part "))
    assert {"params", "MACs"} <= set(header.split())

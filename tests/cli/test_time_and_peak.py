"""Columns `time`, `bound` and `peak` of `compare` and `model`."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from helpers import Runner

import flopcalc

H200 = ("--device", "h200")


def test_model_has_the_figures_of_roofline_and_memory(run: Runner) -> None:
    """Totals, layers and before replacement, each as the other commands give it."""
    more = ("--batch", "8", "--replace", "ghost", "--dtype", "float16", "--execution", "graph")
    done = run("model", "resnet18", "--columns", "time,peak", *H200, *more, "--format", "json")
    data = json.loads(done.out)
    asked: dict[str, Any] = {"device": "h200", "batch": 8, "dtype": "float16", "execution": "graph"}
    after = flopcalc.roofline("resnet18", replace="ghost", **asked)
    before = flopcalc.roofline("resnet18", **asked)
    assert (data["device"], data["execution"], data["dtype"]) == ("h200", "graph", "float16")
    assert (data["estimate_s"], data["bound_s"]) == (after.estimate_s, after.bound_s)
    assert data["limited_by"] == after.limited_by
    assert data["baseline"]["estimate_s"] == before.estimate_s
    assert data["baseline"]["bound_s"] == before.bound_s
    times = {layer["name"]: layer["estimate_s"] for layer in data["layers"]}
    assert {one.name: one.estimate_s for one in after.layers}.items() <= times.items()
    peak = flopcalc.memory("resnet18", batch=8, dtype="float16", replace="ghost")
    assert (data["activations_peak_bytes"], data["activations_peak_at"]) == (peak.activations_peak, peak.activations_at)
    assert max(layer["live_bytes"] for layer in data["layers"]) == peak.activations_peak
    plain = flopcalc.memory("resnet18", batch=8, dtype="float16")
    assert data["baseline"]["activations_peak_bytes"] == plain.activations_peak
    shown = run("model", "resnet18", "--columns", "time,peak", *H200, *more).out
    assert f"{peak.activations_peak:,}" in shown
    assert f"{after.estimate_s * 1e6:.3g} us expected on h200 in float16, graph" in shown


def test_stages_sum_times_and_not_bytes(run: Runner) -> None:
    """The time of a stage is the sum of its layers, its peak the largest of them."""
    asked = ("model", "resnet18", "--columns", "stage,time,bound,peak", *H200, "--format", "csv", "--by")
    stages = list(csv.DictReader(io.StringIO(run(*asked, "stage").out)))
    data = json.loads(run("model", "resnet18", "--columns", "time,bound,peak", *H200, "--format", "json").out)
    for row in stages:
        layers = [layer for layer in data["layers"] if layer["stage"] == row["stage"]]
        assert float(row["estimate_s"]) == pytest.approx(sum(layer["estimate_s"] for layer in layers))
        assert float(row["bound_s"]) == pytest.approx(sum(layer["bound_s"] for layer in layers))
        assert int(row["activations_peak_bytes"]) == max(layer["live_bytes"] for layer in layers)
    assert len(stages) == 6


def test_compare_has_the_figures_of_roofline(run: Runner) -> None:
    """An operator's time; the peak of one convolution is its output, that of two is both outputs."""
    asked = ("compare", "conv", "dsc", "--cin", "64", "--hw", "28", "--columns", "time,peak", *H200)
    rows = json.loads(run(*asked, "--format", "json").out)["rows"]
    for row in rows:
        found = flopcalc.roofline(row["type"], cin=64, hw=28, device="h200")
        assert (row["estimate_s"], row["bound_s"]) == (found.estimate_s, found.bound_s)
    out = 4 * 64 * 28 * 28
    # While the pointwise convolution runs, both outputs are alive.
    assert [row["activations_peak_bytes"] for row in rows] == [out, 2 * out]
    lines = list(csv.DictReader(io.StringIO(run(*asked, "--format", "csv").out)))
    assert [float(line["estimate_s"]) for line in lines] == [row["estimate_s"] for row in rows]
    assert lines[0]["operator"] == "conv"
    assert "expected on h200 in float32, eager" in run(*asked).out


@pytest.mark.parametrize("fmt", ["table", "markdown", "latex", "html"])
def test_formats(run: Runner, fmt: str) -> None:
    """A time has its unit wherever people read it."""
    for command in (("compare", "conv", "--cin", "64"), ("model", "resnet18")):
        done = run(*command, "--columns", "time,peak", *H200, "--format", fmt)
        assert done.code == 0
        assert " us" in done.out or " ms" in done.out
        assert "peak (bytes)" in " ".join(done.out.split())


def test_chosen_columns_of_compare(run: Runner) -> None:
    """In the order given; both ratios have a name of their own."""
    asked = ("compare", "conv", "ghost", "--cin", "64", "--format", "csv", "--columns")
    assert run(*asked, "operator,ratio,params_ratio,peak").out.splitlines()[0] == (
        "operator,MACs_ratio,params_ratio,activations_peak_bytes"
    )
    every = run(*asked, "all").out.splitlines()[0]
    assert every == "operator,params,params_ratio,MACs,MACs_ratio,elementwise,bytes,steps,FLOPs,activations"
    rows = json.loads(run("compare", "conv", "ghost", "--cin", "64", "--format", "json").out)["rows"]
    lines = list(csv.DictReader(io.StringIO(run(*asked, "flops,macs,activations,cost", "--convention", "flops").out)))
    assert list(lines[0]) == ["FLOPs", "MACs", "activations"]
    for line, row in zip(lines, rows, strict=True):
        assert [int(value) for value in line.values()] == [row["flops"], row["macs"], row["activations"]]
    assert run(*asked, "all", *H200).out.splitlines()[0] == f"{every},estimate_s,bound_s"
    wrong = run(*asked, "tme")
    assert (wrong.code, "unknown column" in wrong.err) == (2, True)


def test_without_these_columns_nothing_changes(run: Runner) -> None:
    """No key is added, and no device is needed."""
    data = json.loads(run("model", "resnet18", "--format", "json").out)
    assert not {"estimate_s", "device", "activations_peak_bytes"} & {*data, *data["layers"][0]}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--columns", "time"), "the column time needs a device"),
        (("--columns", "params,bound"), "the column bound needs a device"),
        (("--columns", "peak", *H200), "--device has no effect"),
        (H200, "--device has no effect"),
        (("--execution", "graph"), "--execution is about a device"),
        (("--columns", "time", "--device", "h20"), "unknown device"),
        (("--columns", "time", "--device", "xeon-8380", "--dtype", "float16"), "has no peak for float16"),
    ],
)
def test_errors(run: Runner, options: tuple[str, ...], error: str) -> None:
    """One line and a hint, in both commands."""
    for command in (("compare", "conv", "--cin", "8"), ("model", "resnet18")):
        done = run(*command, *options)
        assert done.code == 2
        assert error in done.err.splitlines()[0]
        assert done.err.splitlines()[1].startswith("hint:")


def test_no_peak_of_training(run: Runner) -> None:
    """The peak is that of inference."""
    done = run("model", "resnet18", "--mode", "training", "--columns", "peak")
    assert (done.code, "the column peak is for inference" in done.err) == (2, True)


def test_time_of_training(run: Runner) -> None:
    """That of both passes, also before replacement."""
    asked = ("model", "resnet18", "--mode", "training", "--replace", "ghost", "--columns", "time", *H200)
    data = json.loads(run(*asked, "--format", "json").out)
    found = flopcalc.roofline("resnet18", device="h200", mode="training", replace="ghost")
    assert data["estimate_s"] == found.estimate_s
    assert found.before is not None
    assert data["baseline"]["estimate_s"] == found.before.estimate_s
    assert sum(layer["estimate_s"] for layer in data["layers"]) == pytest.approx(
        sum(layer.estimate_s for layer in found.layers)
    )


MODULE = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)

    def forward(self, x):
        return torch.linalg.svdvals(self.conv(x))
"""


def test_at_least_where_a_kernel_was_not_counted(run: Runner, tmp_path: Path) -> None:
    """The time is a lower bound then; the tensors are known."""
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text(MODULE)
    done = run(
        "model", f"{tmp_path}/net.py:Net", "--input", "3x8x8", "--columns", "layer,time,peak", "--by", "layer", *H200
    )
    assert done.code == 0
    assert "expected on h200" in done.out
    assert "at least" in next(line for line in done.out.splitlines() if line.startswith("  time"))
    assert "total, at least" in done.out


def test_a_peak_that_is_not_that_of_the_module_has_a_note(run: Runner) -> None:
    """It says why; others have none."""
    out = " ".join(run("compare", "conv", "winograd", "--cin", "16", "--columns", "peak").out.split())
    assert "winograd: its peak is that of its parts: a part counts the sums of both passes" in out
    assert "conv: its peak" not in out.replace("winograd: its peak", "")

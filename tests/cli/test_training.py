"""`--mode training` on the command line and in the file of targets."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Run

import flopcalc

FIRST = 64 * 3 * 49 * 112**2


def test_json(run: Callable[..., Run]) -> None:
    """The contract: forward and backward are added, and the totals are those of both."""
    plain = json.loads(run("model", "resnet50", "--format", "json").out)
    record = json.loads(run("model", "resnet50", "--mode", "training", "--format", "json").out)
    assert plain.keys() < record.keys()
    assert "mode" not in plain
    assert record["mode"] == "training"
    assert record["forward"]["macs"] == plain["macs"]
    assert record["backward"]["macs"] == 2 * plain["macs"] - FIRST
    assert record["macs"] == record["forward"]["macs"] + record["backward"]["macs"] == record["cost"]
    assert record["params"] == plain["params"]
    back = record["backward"]
    assert back["input_gradient_macs"] + back["weight_gradient_macs"] + back["recomputed"] == back["macs"]
    assert back["weight_gradient_macs"] == plain["macs"]
    for which in ("input_gradient", "weight_gradient"):
        assert sum(layer[f"{which}_macs"] for layer in record["layers"]) == back[f"{which}_macs"]
    for which in ("forward", "backward"):
        assert sum(layer[f"{which}_macs"] for layer in record["layers"]) == record[which]["macs"]


@pytest.mark.parametrize("by", ["layer", "stage", "type", "tree"])
def test_rows_add_up(run: Callable[..., Run], by: str) -> None:
    """In every view there are columns of both passes."""
    done = run("model", "alexnet", "--mode", "training", "--by", by, "--format", "csv")
    assert done.code == 0
    header = done.out.splitlines()[0].split(",")
    assert {"forward_macs", "backward_macs", "input_gradient_macs", "weight_gradient_macs"} <= set(header)
    rows = list(csv.DictReader(io.StringIO(done.out)))
    rows = [row for row in rows if row[header[0]] != "total" and row.get("level", "1") == "1"]
    record = json.loads(run("model", "alexnet", "--mode", "training", "--format", "json").out)
    for which in ("input_gradient_macs", "weight_gradient_macs"):
        assert sum(int(row[which]) for row in rows) == record["backward"][which]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--freeze", "conv1"], "--freeze applies to training only"),
        (["--mode", "training", "--freeze", "conv99"], "unknown layer 'conv99'"),
        (["--mode", "training", "--convention", "fvcore"], "defined for inference"),
        (["--mode", "training", "--bits", "w8a8"], "--bits is for inference"),
    ],
)
def test_errors(run: Callable[..., Run], options: list[str], says: str) -> None:
    """One line that says what is wrong, and exit code 2."""
    done = run("model", "resnet50", *options)
    assert done.code == 2
    assert says in done.err


def test_layer(run: Callable[..., Run]) -> None:
    """An operator has both passes; its parts add up, and the plain convolution is in training, too."""
    asked = ("layer", "ghost", "--cin", "64", "--hw", "28")
    plain = json.loads(run(*asked, "--format", "json").out)
    record = json.loads(run(*asked, "--mode", "training", "--format", "json").out)
    assert plain.keys() < record.keys()
    back = record["backward"]
    assert record["forward"] == {kind: plain[kind] for kind in record["forward"]}
    assert (back["input_gradient_macs"], back["weight_gradient_macs"]) == (plain["macs"], plain["macs"])
    assert record["macs"] == 3 * plain["macs"] == sum(part["macs"] for part in record["parts"])
    assert record["steps"] == record["forward"]["steps"] + back["steps"]
    assert record["baseline"]["macs"] == 3 * plain["baseline"]["macs"]
    assert record["equations"] == plain["equations"]
    assert [part["pass"] for part in record["parts"]] == ["forward"] * 3 + ["backward"] * 5
    first = json.loads(run(*asked, "--mode", "training", "--first", "--format", "json").out)["backward"]
    # The cheap convolution reads the primary one, and the input of that needs no gradient.
    cheap = 32 * 9 * 28 * 28
    assert (first["input_gradient_macs"], first["weight_gradient_macs"]) == (cheap, plain["macs"])


def test_compare(run: Callable[..., Run]) -> None:
    """Each row has both passes, and the ratio is that of both."""
    asked = ("compare", "conv", "ghost", "deform_conv", "--cin", "64", "--hw", "28", "--mode", "training")
    rows = json.loads(run(*asked, "--format", "json").out)["rows"]
    assert [row["backward"]["macs"] for row in rows] == [2 * row["forward"]["macs"] for row in rows]
    lines = list(csv.DictReader(io.StringIO(run(*asked, "--format", "csv").out)))
    assert [int(line["backward_macs"]) for line in lines] == [row["backward"]["macs"] for row in rows]
    assert float(lines[1]["MACs_ratio"]) == pytest.approx(rows[1]["macs"] / rows[0]["macs"])
    timed = run(*asked, "--columns", "time,bound", "--device", "h200", "--format", "json")
    found = json.loads(timed.out)["rows"][1]["estimate_s"]
    assert found == flopcalc.roofline("ghost", cin=64, hw=28, device="h200", mode="training").estimate_s


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--first"], "--first applies to training only"),
        (["--fused"], "--fused applies to training only"),
        (["--mode", "training", "--convention", "thop"], "defined for inference"),
        (["--mode", "training", "--bits", "w8a8"], "--bits is for inference"),
    ],
)
def test_errors_of_operators(run: Callable[..., Run], options: list[str], says: str) -> None:
    """The same in both commands."""
    for command in (("layer", "ghost"), ("compare", "ghost")):
        done = run(*command, "--cin", "64", *options)
        assert done.code == 2
        assert says in done.err.splitlines()[0]
    done = run("compare", "ghost", "--cin", "64", "--mode", "training", "--columns", "peak")
    assert (done.code, "the column peak is for inference" in done.err) == (2, True)


def test_limits(run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They apply to both passes, also where they compare with another network."""
    monkeypatch.chdir(tmp_path)
    rows = "network: resnet18, mode: training, freeze: [conv1, bn1, 'layer*']"
    # The forward, and the gradient of the weights of the last layer.
    exact = 1_814_073_344 + 512_000
    Path("flopcalc.yaml").write_text(f"targets:\n  - {{{rows}, limits: [macs == {exact}, ratio(resnet50) < 0.2]}}\n")
    assert run("check").code == 0
    Path("flopcalc.yaml").write_text("targets:\n  - {network: resnet18, freeze: conv1, limits: [macs <= 1]}\n")
    done = run("check")
    assert done.code == 2
    assert "freeze applies to training only" in done.err

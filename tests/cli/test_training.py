"""`--mode training` on the command line and in the file of targets."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Run

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
    for which in ("forward", "backward"):
        assert sum(layer[f"{which}_macs"] for layer in record["layers"]) == record[which]["macs"]


@pytest.mark.parametrize("by", ["layer", "stage", "type", "tree"])
def test_rows_add_up(run: Callable[..., Run], by: str) -> None:
    """In every view there are columns of both passes."""
    done = run("model", "alexnet", "--mode", "training", "--by", by, "--format", "csv")
    assert done.code == 0
    header = done.out.splitlines()[0].split(",")
    assert {"forward_macs", "backward_macs"} <= set(header)


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

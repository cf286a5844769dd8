"""`flopcalc roofline`: the contract, the table, and errors."""

import json
from collections.abc import Callable

import pytest
from helpers import Run

KEYS = {
    "schema",
    "target",
    "device",
    "dtype",
    "batch",
    "mode",
    "execution",
    "fused",
    "at_least",
    "bound_s",
    "estimate_s",
    "limited_by",
    "macs",
    "flops",
    "traffic_bytes",
    "intensity",
    "kernels",
    "measured_s",
    "peak_flops",
    "bandwidth",
    "before",
    "layers",
    "uncounted",
    "notes",
}


def test_json(run: Callable[..., Run]) -> None:
    """The keys of design section 7 and more."""
    done = run("roofline", "resnet50", "--device", "h100", "--dtype", "float16", "--batch", "64", "--format", "json")
    data = json.loads(done.out)
    assert (done.code, set(data), data["schema"]) == (0, KEYS, "flopcalc/roofline/1")
    assert (data["target"], data["device"], data["batch"], data["mode"]) == ("resnet50", "h100", 64, "inference")
    assert set(data["limited_by"]) == {"compute", "memory", "launch"}
    assert sum(data["limited_by"].values()) == pytest.approx(data["estimate_s"])
    layer = data["layers"][0]
    assert set(layer) == {
        "name",
        "macs",
        "traffic_bytes",
        "intensity",
        "kernels",
        "bound_s",
        "estimate_s",
        "limited_by",
    }
    assert layer["name"] == "conv1"
    assert layer["intensity"] == pytest.approx(2 * layer["macs"] / layer["traffic_bytes"])
    assert data["before"] is None


def test_before_and_after(run: Callable[..., Run]) -> None:
    """With the measured figures, which are on file, and sentences on the difference."""
    arguments = ("--device", "h200", "--batch", "32", "--dtype", "float16", "--execution", "graph")
    done = run("roofline", "resnet50", "--replace", "spconv", *arguments, "--format", "json")
    data = json.loads(done.out)
    assert data["macs"] < 0.75 * data["before"]["macs"]
    assert (data["before"]["measured_s"], data["measured_s"]) == (2.3205e-03, 3.7935e-03)
    assert data["estimate_s"] > data["before"]["estimate_s"]
    assert any("MACs are 71 %" in note for note in data["notes"])
    table = run("roofline", "resnet50", "--replace", "spconv", *arguments).out
    assert "Before and after" in table
    assert "3.79 ms" in table


def test_an_operator(run: Callable[..., Run]) -> None:
    """Its parts are the layers."""
    done = run("roofline", "ghost", "--cin", "64", "--device", "rtx4090", "--format", "csv")
    lines = done.out.splitlines()
    assert lines[0] == "name,macs,traffic_bytes,intensity,kernels,bound_s,estimate_s,share,limited_by"
    assert [line.split(",")[0] for line in lines[1:]] == ["primary", "cheap", "join"]


def test_the_rows_of_an_operator_are_parts(run: Callable[..., Run]) -> None:
    """In the table and in the notes; a training step has one row of both passes, and a network has layers."""
    operator = ("roofline", "ghost", "--cin", "64", "--device", "h100", "--top", "2")
    out = run(*operator).out
    assert "The 2 slowest of 3 parts\npart " in out
    assert "in 2 parts with larger windows" in " ".join(out.split())
    assert "in 1 layer with larger windows" in " ".join(run(*operator, "--mode", "training").out.split())
    assert "The 2 slowest of 68 layers\nlayer " in run("roofline", "resnet18", "--device", "h100", "--top", "2").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "h10"], "unknown device 'h10'"),
        (["--device", "t4", "--dtype", "bfloat16"], "t4 has no peak for bfloat16"),
        (["--device", "h100", "--dtype", "half-ish"], "unknown dtype 'half-ish'"),
        (["--device", "h100", "--cin", "3"], "--cin is for operators"),
        (["--device", "h100", "--top", "0"], "--top is 0"),
        ([], "missing option '--device'"),
    ],
)
def test_errors(run: Callable[..., Run], arguments: list[str], message: str) -> None:
    """Exit code 2, one line of error and one of hint."""
    done = run("roofline", "resnet18", *arguments)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 2


def test_an_operator_needs_its_channels(run: Callable[..., Run]) -> None:
    """As in `flopcalc layer`; network options are refused."""
    assert "missing option '--cin'" in run("roofline", "ghost", "--device", "h100").err
    done = run("roofline", "ghost", "--cin", "8", "--device", "h100", "--replace", "spconv")
    assert "--replace is for networks" in done.err


def test_other_formats(run: Callable[..., Run]) -> None:
    """Markdown, LaTeX and HTML come out."""
    for fmt in ("markdown", "latex", "html"):
        done = run("roofline", "resnet18", "--device", "a100", "--format", fmt)
        assert done.code == 0
        assert "layer1.0.conv1" in done.out.replace("\\_", "_")

"""A model that runs no kernel: every command says so, or shows zeros."""

from pathlib import Path

import pytest
from helpers import Runner

pytest.importorskip("torch")

MODEL = """
from torch import nn

class Net(nn.Module):
    def forward(self, x):
        return x
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(MODEL)
    return f"{tmp_path}/net.py:Net"


@pytest.mark.parametrize(
    "command",
    [
        ("model",),
        *(("model", "--by", by) for by in ("layer", "stage", "type", "tree")),
        ("model", "--replace", "ghost"),
        ("model", "--columns", "time,bound,peak", "--device", "h100"),
        ("memory",),
        ("memory", "--order", "best"),
        ("roofline", "--device", "h100"),
        ("explain",),
        ("formula",),
        ("report", "--format", "markdown"),
        ("report", "--format", "html"),
        ("report", "--format", "html", "--replace", "ghost", "--device", "h100"),
    ],
)
def test_zeros(command: tuple[str, ...], net: str, tmp_path: Path, run: Runner) -> None:
    """Without a place where there is none: neither `at None` nor `at ,`."""
    for package in ("sympy", "jinja2", "latex2mathml", "altair", "vl_convert"):
        pytest.importorskip(package)
    name, *options = command
    done = run(name, net, "--input", "3x8x8", *options, "-o", str(tmp_path / "found.txt"))
    assert (done.code, done.err) == (0, "")
    text = (tmp_path / "found.txt").read_text()
    assert "at None" not in text
    assert "at ," not in text
    assert "at :" not in text


def test_a_share_of_nothing_is_nothing(net: str, run: Runner) -> None:
    assert "100.0%" not in run("model", net, "--input", "3x8x8").out


@pytest.mark.parametrize(
    "options",
    [(), ("--replace", "ghost"), ("--kind", "memory"), ("--device", "h100")],
)
def test_no_picture(options: tuple[str, ...], net: str, tmp_path: Path, run: Runner) -> None:
    for package in ("altair", "vl_convert"):
        pytest.importorskip(package)
    done = run("plot", net, "--input", "3x8x8", *options, "-o", str(tmp_path / "figure.svg"))
    assert done.code == 2
    assert "error: " in done.err
    assert "hint:  draw another network" in done.err

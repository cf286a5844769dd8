"""The search for a keyword of a Python model starts at its default, which shows the type."""

from pathlib import Path

import pytest
from helpers import Runner

pytest.importorskip("torch")

NET = """
from torch import nn

def net(width=32, scale=1.0, depth=None):
    return nn.Conv2d(3, int(width * scale), 3)

built = net()
"""


@pytest.fixture
def target(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(NET)
    return f"{tmp_path}/net.py"


@pytest.mark.parametrize(("name", "value"), [("width", "35"), ("scale", "1.12")])
def test_the_default_is_the_start(name: str, value: str, target: str, run: Runner) -> None:
    asked = ("--input", "3x8x8", "--for", name, "--target", "params <= 1000")
    done = run("solve", f"{target}:net", *asked, "--format", "json")
    assert done.code == 0, done.err
    start = run(
        "solve", f"{target}:net", *asked, "--format", "json", "--set", f"{name}={32 if name == 'width' else 1.0}"
    )
    assert done.out == start.out
    assert f'"value": "{value}' in done.out


@pytest.mark.parametrize(
    ("place", "name", "why"),
    [
        ("net", "wdith", "net does not take 'wdith'"),
        ("net", "depth", "the type of depth is not known"),
        ("built", "width", "a module that is already built"),
    ],
)
def test_no_default(place: str, name: str, why: str, target: str, run: Runner) -> None:
    done = run("solve", f"{target}:{place}", "--input", "3x8x8", "--for", name, "--target", "params <= 1000")
    assert done.code == 2
    assert why in done.err

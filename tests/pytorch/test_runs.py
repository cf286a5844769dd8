"""How often the forward of a user's model runs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Run

pytest.importorskip("torch")

NET = """
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(16, 16, 3, padding=1)
    def forward(self, x):
        with open({log!r}, "a") as log:
            log.write("x")
        return self.conv(x)
net = Net()
"""


@pytest.mark.parametrize(("options", "times"), [((), 1), (("--replace", "spconv"), 2)])
@pytest.mark.parametrize("name", ["Net", "net"])
def test_runs_of_the_forward(
    options: tuple[str, ...], times: int, name: str, tmp_path: Path, run: Callable[..., Run]
) -> None:
    """Once for a count; with a replacement once before and once after."""
    log = tmp_path / "log"
    (tmp_path / "net.py").write_text(NET.format(log=str(log)))
    done = run("model", f"{tmp_path / 'net.py'}:{name}", "--input", "16x8x8", "--format", "json", *options)
    assert done.code == 0, done.err
    assert len(log.read_text()) == times
    data = json.loads(done.out)
    if options:
        assert (data["baseline"]["macs"], data["replaced"]) == (64 * 16 * 16 * 9, 1)

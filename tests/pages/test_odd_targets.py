"""Reports of targets at the edge: a replacement of nothing, equal stages, one layer, kernels without a rule."""

import re
from pathlib import Path

import pytest
from helpers import Runner

pytest.importorskip("torch")
pytest.importorskip("sympy")
pytest.importorskip("jinja2")
pytest.importorskip("latex2mathml")
pytest.importorskip("altair")
pytest.importorskip("vl_convert")

MODEL = """
import torch
from torch import nn

class One(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)

    def forward(self, x):
        return self.conv(x)

class Unknown(One):
    def forward(self, x):
        return torch.linalg.svd(super().forward(x))[0]

def equal():
    return nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(70)])
"""


@pytest.fixture
def made(tmp_path: Path, run: Runner):  # type: ignore[no-untyped-def]
    """A function that reports a model of MODEL, and returns the text."""
    (tmp_path / "net.py").write_text(MODEL)

    def make(name: str, *options: str) -> str:
        done = run("report", f"{tmp_path}/net.py:{name}", "--input", "3x16x16", *options)
        assert (done.code, done.err) == (0, "")
        return done.out

    return make

"""Constructors as projects write them: they set weights, read values, and name a GPU that is not there."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("numpy")

from helpers import Runner

NETS = """
import numpy as np
import torch
from torch import nn
from torch.nn.utils import vector_to_parameters

class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.make()
    def forward(self, x):
        return self.linear(x) + self.more if hasattr(self, "more") else self.linear(x)

class SetsDataOfAnOldConstructor(Base):
    def make(self):
        # As EDSR does for the mean of its images.
        std = torch.Tensor((1.0,) * 8)
        self.linear.weight.data = torch.eye(8).view(8, 8) / std.view(8, 1)
        self.linear.bias.data = -255 * torch.Tensor((0.5,) * 8) / std

class SetsDataOfNumPy(Base):
    def make(self):
        self.linear.weight.data = torch.from_numpy(np.eye(8, dtype=np.float32))

class SetsDataOnTheCPU(Base):
    def make(self):
        self.linear.weight.data = torch.randn(8, 8, device="cpu")

class SetsAllFromAVector(Base):
    def make(self):
        vector_to_parameters(torch.Tensor(72).zero_(), self.linear.parameters())

class Compares(Base):
    def make(self):
        assert torch.equal(torch.eye(8), torch.eye(8).t())

class SharesMemory(Base):
    def make(self):
        self.linear.weight.share_memory_()

class ReadsAfterIt(Base):
    def make(self):
        # Built on real values: a GPU is no device there either.
        assert torch.eye(8).sum().item() == 8
        self.more = torch.zeros(8).cuda()
        self.cuda()

class OnAGPU(Base):
    def make(self):
        self.more = torch.zeros(8, device="cuda") + torch.ones(8).cuda()
        self.to("cuda")

class OfATypeOnAGPU(Base):
    def make(self):
        self.more = torch.zeros(8).type("torch.cuda.FloatTensor") + torch.ones(8).type(torch.cuda.FloatTensor)
        self.type(torch.cuda.FloatTensor)
"""
NAMES = [line.split("(")[0].removeprefix("class ") for line in NETS.splitlines() if "(Base)" in line]
# 8 x 8 weights; one product each for a row.
PARAMS, MACS = 72, 64


@pytest.mark.parametrize("name", NAMES)
def test_a_constructor(name: str, tmp_path: Path, run: Runner) -> None:
    """On the meta device and on real values."""
    path = tmp_path / "nets.py"
    path.write_text(NETS)
    for on in ("meta", "cpu"):
        done = run("model", f"{path}:{name}", "--input", "8", "--on", on, "--format", "json")
        assert done.code == 0, done.err
        found = json.loads(done.out)
        assert (found["params"], found["macs"]) == (PARAMS, MACS)

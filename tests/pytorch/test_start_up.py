"""Counting a Python model loads what the model needs and little more; a fresh interpreter proves it."""

from pathlib import Path

import pytest
from helpers import fresh

pytest.importorskip("torch")

NETS = """
from torch import nn

def net():
    block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    return nn.Sequential(nn.Conv2d(3, 8, 3), block, nn.MaxPool2d(2), head)

def text():
    return nn.Sequential(nn.Embedding(10, 8), nn.LayerNorm(8), nn.Linear(8, 8), nn.GELU())
"""
# Loaded by torch's own kernels for the meta device, and of no use for a count.
HEAVY = ("torch._dynamo", "sympy", "torch.fx.experimental.symbolic_shapes")
# Of flopcalc, only for other requests.
OTHERS = (
    "flopcalc.pytorch.layers.spconv",
    "flopcalc.pytorch.build",
    "flopcalc.pytorch.replacing.swap",
    "flopcalc.pytorch.loading.transformers_models",
    "flopcalc.algebra",
    "rich",
    "transformers",
)


MODELS = pytest.mark.parametrize("arguments", [("net", "3x32x32"), ("text", "7:int64")], ids=" ".join)


@MODELS
def test_nothing_for_other_requests(arguments: tuple[str, str], tmp_path: Path) -> None:
    _loads_none(OTHERS, arguments, tmp_path)


@MODELS
def test_nothing_of_torch_that_a_count_does_not_need(arguments: tuple[str, str], tmp_path: Path) -> None:
    _loads_none(HEAVY, arguments, tmp_path)


def _loads_none(unwanted: tuple[str, ...], arguments: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    name, shape = arguments
    words = ["model", f"{tmp_path}/nets.py:{name}", "--input", shape, "--format", "json"]
    source = (
        "import sys\nfrom flopcalc.cli.main import main\n"
        f"code = main({words!r})\n"
        f"loaded = [name for name in {unwanted!r} if name in sys.modules]\n"
        "print(loaded, file=sys.stderr)\n"
        "sys.exit(9 if loaded else code)"
    )
    done = fresh(source)
    assert done.code == 0, done.err

"""Presets next to the counters that they are named after, run on a spread of modules.

`benchmarks/counters.py` does the same for all operators, networks and models.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import counters as sweep
from helpers import for_author, import_torchvision
from torch import nn

from flopcalc.catalog import lookup
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.pytorch.counters import COUNTERS, version_of


@cache
def tools() -> list[str]:
    """The installed counters that have a preset, in the version of the preset."""
    found = []
    for name, counter in COUNTERS.items():
        version = version_of(counter.package)
        if name in CONVENTIONS and version and version.startswith(CONVENTIONS[name].counter.split()[-1]):
            found.append(name)
    return found


def test_every_tool_is_compared() -> None:
    """Where all counters are installed, in the versions of constraints.txt, each has a preset of its version."""
    if not all(version_of(counter.package) for counter in COUNTERS.values()):
        pytest.skip("not all counters are installed")
    assert set(tools()) == set(COUNTERS) - {"flop-counter-cpu"}


def check(case: sweep.Module, what: str) -> None:
    """No preset differs from its tool without a remark that names the difference."""
    figures = sweep.figures(case, tools())
    found = sweep.differences(sweep.as_counted(case), figures, tools())
    assert [one for one in found if not one.remark] == [], for_author(
        what,
        "the convention that is named after this counter gives another figure than the counter; correct its rules in "
        "flopcalc/presets, or let the output name the layer, the amount and the reason",
        "docs/conventions.md",
    )


@cache
def primitives() -> list[sweep.Case]:
    """Each primitive by itself."""
    return list(sweep.of_primitives())


@pytest.mark.parametrize("part", range(4))
def test_primitives(part: int) -> None:
    """Each primitive by itself, at batch 2."""
    for target, make in primitives()[part::4]:
        check(sweep.built(make), target)


@pytest.mark.parametrize("name", [operator.name for operator in lookup.every()])
def test_operators(name: str) -> None:
    """The cheapest case of each operator."""
    target, make = next(sweep.of_operators([lookup.get(name)]))
    check(sweep.built(make), target)


class Blocks(nn.Module):
    """What counters see at different levels: modules, functions, operators between tensors, sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 24, batch_first=True), 2)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.recurrent = nn.LSTM(16, 8, bidirectional=True, batch_first=True)
        self.up = nn.ConvTranspose1d(16, 8, 3, stride=2, groups=4)
        self.norm = nn.GroupNorm(2, 8)
        self.act = nn.ReLU6()
        self.shared = nn.Linear(8, 8)

    def forward(self, x: Any) -> Any:
        """(n, tokens, 16) -> (n, tokens, 8)."""
        x = self.encoder(x)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        x = self.recurrent(x)[0]
        y = self.act(self.norm(self.up(x.mT))).mT
        y = self.shared(self.shared(y)) * torch.sigmoid(y)
        weights = torch.matmul(y, y.transpose(1, 2)).softmax(-1)
        return nn.functional.gelu(torch.einsum("bij,bjc->bic", weights, y)) @ self.shared.weight


def _blocks() -> sweep.Module:
    return sweep.Module(Blocks(), ((2, 6, 16),), {}, "2x6x16")


class Recurrent(nn.Module):
    """Recurrent layers that torch runs as one kernel on the CPU, and others; steps in both orders."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 8, num_layers=2, batch_first=True)
        self.projected = nn.LSTM(8, 6, proj_size=4, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(8, 4, batch_first=True)
        self.rnn = nn.RNN(4, 5, bidirectional=True)
        self.cells = nn.ModuleList([nn.GRUCell(10, 3), nn.LSTMCell(10, 3), nn.RNNCell(10, 3)])

    def forward(self, x: Any) -> Any:
        """(2, 5, 4) -> (2, 3)."""
        x = self.gru(self.projected(self.lstm(x)[0])[0])[0]
        steps = self.rnn(x.transpose(0, 1).contiguous())[0]
        gru, lstm, rnn = self.cells
        return gru(steps[0]) + lstm(steps[1])[0] + rnn(steps[2])


def _recurrent() -> sweep.Module:
    return sweep.Module(Recurrent(), ((2, 5, 4),), {}, "2x5x4")


def _torchvision(name: str, size: int, **options: Any) -> sweep.Module:
    models = import_torchvision().models
    return sweep.Module(models.get_model(name, weights=None, **options), ((1, 3, size, size),), {}, str(size))


def _vision_transformer() -> sweep.Module:
    import_torchvision()
    from torchvision.models import VisionTransformer

    module = VisionTransformer(16, 4, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5)
    return sweep.Module(module, ((1, 3, 16, 16),), {}, "16")


def _swin() -> sweep.Module:
    import_torchvision()
    from torchvision.models import SwinTransformer

    module = SwinTransformer([4, 4], 16, [2, 2], [2, 4], [4, 4], num_classes=5)
    return sweep.Module(module, ((1, 3, 32, 32),), {}, "32")


def _transformers(kind: str, **sizes: int) -> sweep.Module:
    import_torchvision()
    pytest.importorskip("transformers")
    from transformers import AutoConfig, AutoModel

    module: nn.Module = AutoModel.from_config(AutoConfig.for_model(kind, **sizes))  # type: ignore[no-untyped-call]
    return sweep.Module(module, (), {"input_ids": torch.zeros(1, 6, dtype=torch.long)}, "6 tokens")


def _timm(name: str, size: int) -> sweep.Module:
    import_torchvision()
    pytest.importorskip("timm")
    return sweep._timm(name, size)


_BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 50}
MODULES: dict[str, Callable[[], sweep.Module]] = {
    "blocks of many kinds": _blocks,
    "torchvision:mobilenet_v3_small": lambda: _torchvision("mobilenet_v3_small", 64),
    "torchvision:shufflenet_v2_x0_5": lambda: _torchvision("shufflenet_v2_x0_5", 64),
    "recurrent layers": _recurrent,
    "a small vision transformer": _vision_transformer,
    "a small Swin": _swin,
    "timm:test_vit": lambda: _timm("test_vit", 160),
    "transformers:bert": lambda: _transformers("bert", **_BERT),
    "transformers:llama": lambda: _transformers("llama", **_BERT),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str) -> None:
    """Networks of torchvision, timm and transformers at small sizes."""
    check(sweep.built(MODULES[name]), name)

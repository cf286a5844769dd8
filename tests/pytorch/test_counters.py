"""Running other counters: their figures, on a copy, and nothing left behind."""

import importlib
import logging
import sys
from contextlib import suppress
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from pytorch import snapshots
from torch import nn

from flopcalc import FlopcalcError
from flopcalc.pytorch.counters import COUNTERS, Figure, run_counter, version_of
from flopcalc.pytorch.counters import run as run_file
from flopcalc.pytorch.counters.guard import guarded

# A linear layer from 4 to 3 features with bias, at 2 positions: 24 MACs, 6 additions of the bias. ptflops averages over
# the batch, torchinfo multiplies the 15 parameters by it.
LINEAR: dict[str, tuple[int, int | None]] = {
    "fvcore": (24, None),
    "ptflops": (15, None),
    "ptflops-aten": (30, None),
    "thop": (24, None),
    "ultralytics-thop": (24, None),
    "torchinfo": (30, None),
    "calflops": (48, 24),
    "deepspeed": (48, 24),
    "torchprofile": (24, None),
    "flop-counter": (48, None),
    "flop-counter-cpu": (48, None),
}


def installed(name: str) -> None:
    """Skip the test where the counter is not installed."""
    if not version_of(COUNTERS[name].package):
        pytest.skip(f"{COUNTERS[name].package} is not installed")


def figure(name: str, module: nn.Module, args: Any, named: Any = None, on: Any = "auto") -> Figure:
    """The figure of a counter that must have one."""
    installed(name)
    found = run_counter(name, module, args, named, on=on)
    assert isinstance(found, Figure), found
    return found


class Encoder(nn.Module):
    """Layers of many kinds: those that torch may fuse, and those that counters see by a hook or by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.recurrent = nn.LSTM(8, 8, batch_first=True)
        self.convolution = nn.ConvTranspose1d(8, 8, 3, groups=2)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x: Any, scale: Any = None) -> Any:
        """(n, tokens, 8) -> (n, 8, more tokens)."""
        x = self.layer(x)
        x = self.attention(x, x, x)[0] + x
        x = self.recurrent(x)[0]
        out = torch.relu(self.norm(self.convolution(x.mT)))
        return {"out": out if scale is None else out * scale}


class Fails(nn.Module):
    """A forward that changes much and fails."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.seen: list[Any] = []
        self.error = error

    def forward(self, x: Any) -> Any:
        """Raise."""
        self.seen.append(nn.functional.relu(self.linear(x)) @ torch.rand(4, 4))
        logging.warning("a message")
        raise self.error("stop")


@pytest.mark.parametrize("name", COUNTERS)
def test_figures_by_hand(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The tool's figure of one layer, its version, and nothing printed."""
    found = figure(name, nn.Linear(4, 3), ((2, 4),))
    assert (found.value, found.macs) == LINEAR[name]
    assert (found.tool, found.version) == (name, version_of(COUNTERS[name].package))
    assert found.on == COUNTERS[name].on
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", [name for name, one in COUNTERS.items() if one.on == "meta" and one.no_grad])
def test_the_meta_device_gives_the_same_figure(name: str) -> None:
    """Where a counter runs there by default, its figure is that of the CPU, also with layers that torch fuses."""
    both = [figure(name, Encoder(), ((2, 5, 8),), on=on) for on in ("meta", "cpu")]
    assert [one.on for one in both] == ["meta", "cpu"]
    assert both[0].value == both[1].value > 0


@pytest.mark.parametrize("name", COUNTERS)
def test_nothing_is_left_behind(name: str) -> None:
    """Neither where the forward runs, with an input by name and a dict as output, nor where it fails."""
    installed(name)
    module, inputs = Encoder().train(), {"x": torch.rand(2, 5, 8), "scale": torch.ones(1)}
    run_counter(name, module, (), inputs)
    _unchanged(name, module, (), inputs)
    for error in (ValueError, KeyboardInterrupt):
        _unchanged(name, Fails(error), (torch.rand(2, 4),), {})


def _unchanged(name: str, module: nn.Module, args: Any, named: Any) -> None:
    logging.getLogger().handlers[:] = before = list(logging.getLogger().handlers)
    everything = (module, args, named)
    was = {step: snapshots.of_module(one) for step, one in enumerate(everything) if one}
    process, imported = snapshots.of_process(), {key for key in sys.modules if key.partition(".")[0] == "thop"}
    try:
        found = run_counter(name, module, args, named)
        assert isinstance(found, Figure) or "stop" in found, found
    except KeyboardInterrupt:
        assert isinstance(module, Fails)
    assert {step: snapshots.of_module(one) for step, one in enumerate(everything) if one} == was
    after = snapshots.of_process()
    assert {key: value for key, value in after.items() if value != process[key]} == {}
    assert logging.getLogger().handlers == before
    assert logging.root.manager.disable == logging.NOTSET
    assert {key for key in sys.modules if key.partition(".")[0] == "thop"} == imported
    assert torch._C._get_tracing_state() is None


def test_a_figure_after_a_failure() -> None:
    """A profiler that keeps lists of its own starts again with empty ones."""
    for name in ("calflops", "deepspeed", "ptflops"):
        installed(name)
        run_counter(name, Fails(ValueError), ((2, 4),))
        assert figure(name, nn.Linear(4, 3), ((2, 4),))[2:4] == LINEAR[name]


def test_a_package_that_a_counter_imports_and_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSpeed imports einops, and leaves it patched where the forward fails."""
    pytest.importorskip("einops")
    for name in [name for name in sys.modules if name.partition(".")[0] == "einops"]:
        monkeypatch.delitem(sys.modules, name)
    with suppress(ValueError), guarded(nn.Identity()):
        einops: Any = importlib.import_module("einops")
        before, einops.einsum = einops.einsum, len
        raise ValueError("the forward fails")
    assert sys.modules["einops"] is einops
    assert einops.einsum is before


def test_an_own_thop_stays() -> None:
    """The two distributions that install a package `thop` do not replace one that is imported."""
    installed("thop")
    import thop

    assert figure("ultralytics-thop", nn.LeakyReLU(), ((2, 4),)).value == 0
    assert figure("thop", nn.Linear(4, 3), ((2, 4),)).value == 24
    assert sys.modules["thop"] is thop


def test_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for a tool that is not installed or that fails, an error for an unknown name or for a class."""
    monkeypatch.setattr(run_file, "version_of", lambda _: "")
    assert run_counter("fvcore", nn.ReLU(), ((1, 3),)) == "fvcore is not installed"
    monkeypatch.undo()
    for name in COUNTERS:
        installed(name)
        assert run_counter(name, Fails(ValueError), ((2, 4),)) in {"ValueError: stop", "<class 'ValueError'>: stop"}
    with pytest.raises(FlopcalcError, match="unknown counter 'fvcor'"):
        run_counter("fvcor", nn.ReLU())
    with pytest.raises(FlopcalcError, match=r"is not an nn\.Module"):
        run_counter("fvcore", nn.ReLU)  # type: ignore[arg-type]

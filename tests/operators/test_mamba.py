"""The Mamba block, compared with that of transformers, with its recurrence, and by hand."""

from importlib import import_module
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision, random_tensor

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch import build_layer
from flopcalc.pytorch.counting.counter import count


def _mixer(channels: int, **options: Any) -> Any:
    """The block of transformers, which has no weights of its own before they are set."""
    import_torchvision()
    transformers: Any = pytest.importorskip("transformers")
    config = transformers.MambaConfig(hidden_size=channels, num_hidden_layers=1, **options)
    return import_module("transformers.models.mamba.modeling_mamba").MambaMixer(config, 0).eval()


def test_figures_of_transformers() -> None:
    """Parameters, and MACs apart from the three positions more that its convolution computes and cuts off."""
    theirs = count(_mixer(48, state_size=6, expand=2, time_step_rank=5), (2, 11, 48))
    e = layer("mamba", 48, hw=11, batch=2, state=6, dt_rank=5)
    assert e.params == theirs.total("params")
    assert e.macs == theirs.macs - 2 * 3 * 96 * 4
    assert layer("mamba", 50).derived["rank"] == _mixer(50).time_step_rank == 4


@pytest.mark.filterwarnings("ignore")
def test_output_is_that_of_transformers() -> None:
    """The same weights give the same output."""
    torch.manual_seed(0)
    theirs = _mixer(16, state_size=3)
    ours = build_layer(layer("mamba", 16, hw=7, batch=2, state=3))
    names = {
        "in_proj.weight": "in_proj.weight",
        "conv.conv.weight": "conv1d.weight",
        "conv.conv.bias": "conv1d.bias",
        "x_proj.weight": "x_proj.weight",
        "dt_proj.conv.weight": "dt_proj.weight",
        "dt_proj.conv.bias": "dt_proj.bias",
        "scan.log_rates": "A_log",
        "share.share": "D",
        "out_proj.weight": "out_proj.weight",
    }
    given = theirs.state_dict()
    assert set(given) == set(names.values())
    ours.load_state_dict({name: given[other].reshape(ours.state_dict()[name].shape) for name, other in names.items()})
    x = torch.randn(2, 16, 1, 7)
    with torch.no_grad():
        expected = theirs(x[:, :, 0].transpose(1, 2)).transpose(1, 2)[:, :, None]
        assert torch.allclose(ours(x), expected, atol=1e-6)


def test_scan_by_hand() -> None:
    """768 channels, 1536 inner ones, 16 elements of state, 1000 tokens, as in Mamba-130M.

    7 FLOPs for each token and element of the state; a product for each token and inner channel.
    """
    e = layer("mamba", 768, hw=1000)
    scan = [part for part in e.cost if part.name.startswith("scan.")]
    flops = sum(2 * part.macs + part.adds + part.muls + part.other for part in scan)
    assert flops == 1000 * 1536 * (7 * 16 + 1)
    # 3 E D^2 in the projections, as the paper says; x_proj 48 + 32, dt_proj 48, both with 1536 channels.
    assert e.params == 3 * 2 * 768**2 + 1536 * (48 + 32) + 48 * 1536 + 1536 + 1536 * 16 + 1536 + 1536 * 5
    assert e.macs == 1000 * (3 * 2 * 768**2 + 1536 * (80 + 48 + 4 + 16))
    # Twice the tokens, twice the cost; the rates are computed once.
    assert layer("mamba", 768, hw=2000).macs == 2 * e.macs


def test_earlier_tokens_only() -> None:
    """An output depends on its token and on those before it."""
    module = build_layer(layer("mamba", 8, hw=6, state=3), dtype=torch.float64)
    x = random_tensor(1, 8, 1, 6)
    changed = x.clone()
    changed[..., 4] += 1
    difference = (module(x) - module(changed)).abs().sum(1)[0, 0]
    assert (difference > 0).tolist() == [False] * 4 + [True] * 2


def test_what_does_not_apply() -> None:
    """Other channels out, and a map with several rows."""
    with pytest.raises(FlopcalcError, match="differ"):
        layer("mamba", 8, 16)
    with pytest.raises(FlopcalcError, match="works along one axis"):
        layer("mamba", 8, hw=(4, 9))


def test_the_smallest_options() -> None:
    """16 channels, 32 inside: projections 16 to 64, 32 to 3, 1 to 32 and 32 to 16; taps, rates and skips are 32."""
    e = layer("mamba", 16, hw=5, state=1, taps=1, dt_rank=1)
    assert e.params == 16 * 64 + (32 + 32) + 32 * 3 + (32 + 32) + 32 + 32 + 32 * 16
    assert layer("mamba", 16, hw=5, expansion=1).derived["inner"] == 16

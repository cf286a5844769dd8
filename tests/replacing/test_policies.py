"""The layers that operators replace in ResNet-50 by default, and the published rows that this gives."""

from typing import Any

import pytest

from flopcalc import network
from flopcalc.catalog import lookup
from flopcalc.cost import convention
from flopcalc.replacing.described import replace_convolutions


def _replaced(text: str) -> Any:
    operator, options = lookup.parse(text)
    return replace_convolutions(network("resnet50"), operator, options)


@pytest.mark.parametrize(("alpha", "params", "flops"), [("1/2", "18.34M", "2.97G"), ("1/4", "16.93M", "2.74G")])
def test_spconv_published_rows(alpha: str, params: str, flops: str) -> None:
    """SPConv's table for ResNet-50, as built (norm), by THOP of 2019. Params are printed cut, not rounded."""
    found = _replaced(f"spconv:norm=true,alpha={alpha}")
    assert len(found.replaced) == 16
    assert f"{found.network.params // 10**4 / 100:.2f}M" == params
    assert f"{found.network.fold(convention.get('thop-2019').of) / 1e9:.2f}G" == flops


def test_baseline_of_the_same_table() -> None:
    """25.56M parameters and 4.14 GFLOPs, where the MACs are 4.089 G."""
    plain = network("resnet50")
    assert f"{plain.params / 1e6:.2f}" == "25.56"
    assert f"{plain.fold(convention.get('thop-2019').of) / 1e9:.2f}" == "4.14"


@pytest.mark.parametrize(("s", "flops", "params"), [(2, "2.2", "13.95"), (4, "1.2", "8.15")])
def test_ghost_published_rows(s: int, flops: str, params: str) -> None:
    """The printed 2.2 and 1.2 GFLOPs of Ghost-ResNet-50; its printed 13.0M and 6.5M are 13.95M and 8.15M."""
    found = _replaced(f"ghost:s={s}")
    assert f"{found.network.macs / 1e9:.1f}" == flops
    assert f"{found.network.params / 1e6:.2f}" == params
    assert [name for name, _ in found.skipped] == ["conv1"]


def test_policies() -> None:
    """The layers of ResNet-50 that each operator replaces, and why not the rest."""
    counts = {name: len(_replaced(name).replaced) for name in ("conv", "dsc", "ghost", "spconv", "compconv", "sic")}
    assert counts == {"conv": 0, "dsc": 16, "ghost": 52, "spconv": 16, "compconv": 16, "sic": 13}
    reasons = dict(_replaced("sic").skipped)
    assert reasons["conv1"] == "c_in = 3 and c_out = 64 differ"
    assert reasons["layer2.0.conv2"] == "stride 2"
    assert reasons["layer1.0.conv1"] == "1x1 kernel"
    assert set(dict(_replaced("compconv").skipped)) == set(dict(_replaced("dsc").skipped))


def test_replacing_by_conv_changes_nothing() -> None:
    """Every layer is that convolution already; with a bias it is another one."""
    found = _replaced("conv")
    assert found.network.layers == network("resnet50").layers
    assert {reason for _, reason in found.skipped} == {"it is this convolution already"}
    # One bias for each output channel of the 53 convolutions.
    assert _replaced("conv:bias=true").network.params - found.network.params == 26_560


def test_stride_and_shapes_survive() -> None:
    """A replaced layer has the shapes of the one it replaces."""
    before = {layer.name: (layer.in_shape, layer.out_shape) for layer in network("resnet50").layers}
    after = {layer.name: (layer.in_shape, layer.out_shape) for layer in _replaced("spconv").network.layers}
    assert before == after


def test_replacing_nothing_is_noted() -> None:
    """An operator that replaces no convolution."""
    (note,) = _replaced("linear").notes
    assert "nothing was replaced" in note

"""Octave convolution in networks: which maps become pairs, and what it costs."""

from pathlib import Path

import pytest

from flopcalc import network
from flopcalc.networks.network import Network
from flopcalc.replacing.decide import plan
from flopcalc.replacing.described import Replacement, replace_layers

NET = """
name: small
title: two stages of convolutions
input: [4, 16, 16]
layers:
  - stem: {layers: [{conv: {op: conv, out: 8}}, {act: relu}]}
  - one:
      stage: one
      layers:
        - conv1: {op: conv, out: 8, k: 1}
        - bn: batchnorm
        - relu: relu
        - conv2: {op: conv, out: 8, stride: 2}
        - pool: {op: maxpool, k: 2}
  - two: {stage: two, layers: [{conv: {op: conv, out: 6, k: 1}}, {relu: relu}]}
  - mean: {op: global_avgpool, stage: two}
"""


def _replaced(net: Network, *what: str, keep: tuple[str, ...] = ()) -> Replacement:
    return replace_layers(net, plan(list(what), keep=keep))


@pytest.mark.parametrize(("name", "printed"), [("resnet50", 2367), ("resnet101", 3991), ("resnet152", 5615)])
def test_the_published_networks(name: str, printed: int) -> None:
    """Millions of MACs at alpha 1/2, printed by d-li14/octconv.pytorch; the weights are those of the network."""
    net = network(name)
    done = _replaced(net, "octconv")
    assert done.network.macs // 10**6 == printed
    assert done.network.params == net.params
    # The stem and the inside of the last stage stay plain; the last stage reads pairs.
    assert [kept for kept, _ in done.skipped if "layer4" not in kept] == ["conv1"]
    by = {layer.name: layer.evaluation for layer in done.network.layers}
    first, last = by["layer1.0.conv1"], by["layer4.0.conv1"]
    assert first is not None
    assert last is not None
    assert (first.named["pair_in"], first.named["pair_out"]) == (False, True)
    assert (last.named["pair_in"], last.named["pair_out"]) == (True, False)


def test_by_hand(tmp_path: Path) -> None:
    """Pairs are the output of conv1, and of the layers to the pooling; stage two writes to the mean, so it is plain.

    conv1 8 -> 4 + 4 at alpha 1/2: 8 * 4 at 256 positions, 8 * 4 at 64. conv2 at stride 2, 9 taps: 16 twice at 64
    positions, 16 twice at 16. The last, 4 + 4 -> 6 on 4 x 4: 24 at 16 positions and 24 at 4.
    """
    path = tmp_path / "small.yaml"
    path.write_text(NET)
    net = network(str(path))
    done = _replaced(net, "octconv")
    assert list(done.replaced) == ["one.conv1", "one.conv2", "two.conv"]
    macs = {layer.name: layer.cost.macs for layer in done.network.layers}
    assert macs["one.conv1"] == 32 * 256 + 32 * 64
    assert macs["one.conv2"] == 9 * (2 * 16 * 64 + 2 * 16 * 16)
    assert macs["two.conv"] == 24 * 16 + 24 * 4
    # 4 channels on 16 x 16 and 4 on 8 x 8; the pooling compares four values for each of 4 * 16 + 4 * 4 outputs.
    by = {layer.name: layer for layer in done.network.layers}
    assert by["one.relu"].cost.total("other") == 4 * 256 + 4 * 64
    assert by["one.bn"].cost.params == 16
    assert by["one.pool"].cost.total("other") == 4 * (4 * 16 + 4 * 4)
    assert by["two.relu"].cost == next(layer.cost for layer in net.layers if layer.name == "two.relu")
    torch = pytest.importorskip("torch")
    from flopcalc.pytorch import build_network
    from flopcalc.pytorch.comparison import compare_network

    # Steps are those of pairs of which both maps are awaited.
    rows = compare_network(done.network)
    assert {(row.part, kind) for row in rows for kind in row.derived if row.derived[kind] != row.counted[kind]} <= {
        ("total", "steps")
    }
    assert build_network(done.network)(torch.randn(2, 4, 16, 16)).shape == (2, 6, 1, 1)


def test_it_is_replaced_together_or_not_at_all() -> None:
    """A clause without `policy` asks for single convolutions, whose neighbours would get a pair."""
    net = network("resnet50")
    assert not _replaced(net, "octconv where k == 3").replaced
    some = _replaced(net, "octconv where policy and stage != 'layer3'")
    assert some.replaced
    assert not any(name.startswith("layer3.0.conv2") for name in some.replaced)
    kept = _replaced(net, "octconv:alpha=1/4", keep=("layer2",))
    assert all(not name.startswith("layer2") for name in kept.replaced)
    # What is kept has a plain map on the side of the pairs.
    assert {layer.kind for layer in kept.network.layers if layer.name.startswith("layer2")} >= {"conv"}
    # Other operators take what it leaves, and keep what they have.
    both = _replaced(net, "octconv:alpha=1/8 where policy and stage == 'layer1'", "spconv")
    assert {by for name, by in both.replaced_by.items() if name.startswith("layer2")} == {"spconv"}
    first = _replaced(net, "spconv", "octconv")
    assert first.replaced_by["layer1.0.conv2"] == "spconv"


def test_maps_that_cannot_be_halved_stay_plain() -> None:
    """At 232 x 232 the maps have 58, 29, 15 and 8 rows: one stage is left, and the block that reads it."""
    odd = _replaced(network("resnet50", input=(3, 232, 232)), "octconv")
    assert odd.replaced
    assert all(name.startswith(("layer1", "layer2.0")) for name in odd.replaced)
    none = _replaced(network("squeezenet1_1"), "octconv")
    assert not none.replaced
    assert "nothing was replaced" in none.notes[0]

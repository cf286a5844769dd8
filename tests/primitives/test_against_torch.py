"""Normalization, pixel shuffle, bilinear upsampling and attention of separate keys, compared with torch and by hand."""

from typing import Any

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network
from flopcalc.networks.network import Layer, Network

torch: Any = pytest.importorskip("torch")

from torch.nn import functional

from flopcalc.pytorch import build_network
from flopcalc.pytorch.counting.counter import count

KINDS = ("params", "macs", "adds", "muls", "other")


def _layer(write_network: WriteNetwork, entry: str, shape: str = "[8, 6, 9]", batch: int = 1) -> Layer:
    net = network(write_network(f"input: {shape}\nlayers:\n  - layer: {entry}\n"), batch=batch)
    return net.layers[-1]


def _named(net: Network, name: str) -> Layer:
    return next(layer for layer in net.layers if layer.name == name)


@pytest.mark.parametrize(
    ("entry", "module"),
    [
        ("{op: groupnorm, groups: 4}", torch.nn.GroupNorm(4, 8)),
        ("instancenorm", torch.nn.InstanceNorm2d(8)),
        ("{op: instancenorm, affine: true}", torch.nn.InstanceNorm2d(8, affine=True)),
        ("{op: pixel_shuffle, scale: 2}", torch.nn.PixelShuffle(2)),
        ("{op: pixel_unshuffle, scale: 3}", torch.nn.PixelUnshuffle(3)),
        ("{op: upsample_bilinear, scale: 3}", torch.nn.Upsample(scale_factor=3, mode="bilinear")),
        ("upsample_bilinear", torch.nn.UpsamplingBilinear2d(scale_factor=2)),
    ],
    ids=str,
)
def test_costs_of_torchs_modules(write_network: WriteNetwork, entry: str, module: Any) -> None:
    """All kinds of cost and the shape, at batch 3."""
    layer = _layer(write_network, entry, batch=3)
    counted = count(module, (3, 8, 6, 9))
    for kind in (*KINDS, "traffic", "steps"):
        assert layer.cost.total(kind) == counted.total(kind), kind
    assert list(map(tuple, counted.output)) == [(3, *layer.out_shape)]


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_a_shuffle_that_changes_no_order_is_a_view(write_network: WriteNetwork, groups: int) -> None:
    """Of one group, and of groups of one channel; the others are copied, 2 x 8 x 54 elements to read and to write."""
    net = network(write_network(f"input: [8, 6, 9]\nlayers:\n  - layer: {{op: channel_shuffle, groups: {groups}}}\n"))
    ran = count(build_network(net), (1, 8, 6, 9))
    expected = 2 * 8 * 54 if groups in (2, 4) else 0
    assert net.total("traffic") == ran.total("traffic") == expected


def test_rms_norm_is_that_of_torch(write_network: WriteNetwork) -> None:
    """The same numbers and the same arithmetic; torch normalises the last axis, a description the channels."""
    net = network(write_network("input: [8, 6, 9]\nlayers:\n  - layer: rmsnorm\n"))
    ours: Any = build_network(net, dtype=torch.float64)
    theirs = torch.nn.RMSNorm(8, eps=1e-6, dtype=torch.float64)
    torch.nn.init.normal_(theirs.weight)
    ours.layer.weight.data = theirs.weight.data
    x = torch.randn(2, 8, 6, 9, dtype=torch.float64)
    assert torch.allclose(ours(x), theirs(x.movedim(1, -1)).movedim(-1, 1))
    counted = count(theirs.float(), (1, 6, 9, 8))
    assert [net.total(kind) for kind in (*KINDS, "traffic")] == [counted.total(kind) for kind in (*KINDS, "traffic")]


def test_norms_by_hand(write_network: WriteNetwork) -> None:
    """8 channels on 54 positions: 432 elements.

    Three additions and two products for each element of a norm with its own statistics. RMS: a square, a share of the
    mean and two products for each element; a division, an epsilon and a root for each position.
    """
    group = _layer(write_network, "{op: groupnorm, groups: 2}").cost
    assert [group.total(kind) for kind in KINDS] == [16, 0, 3 * 432, 2 * 432, 0]
    rms = _layer(write_network, "rmsnorm").cost
    assert [rms.total(kind) for kind in KINDS] == [8, 0, 432 + 54, 2 * 432, 432 + 2 * 54]


def test_a_sum_of_three_is_two_sums(write_network: WriteNetwork) -> None:
    """Python evaluates a + b + c as (a + b) + c: the second sum waits for the first, and reads the third input."""
    text = "input: [8, 6, 9]\nlayers:\n  - one: relu\n  - two: relu\n  - layer: {op: add, from: [input, one, two]}\n"
    first, second = network(write_network(text)).layers[-1].cost.parts
    assert (first.name, first.after) == ("add1", ("input0", "input1"))
    assert (second.name, second.after) == ("add2", ("add1", "input2"))
    assert first.adds == second.adds == 8 * 54


def test_bilinear_by_hand(write_network: WriteNetwork) -> None:
    """Each of the 8 x 12 x 18 results: four products and three additions."""
    cost = _layer(write_network, "upsample_bilinear").cost
    assert [cost.total(kind) for kind in KINDS] == [0, 0, 3 * 8 * 12 * 18, 4 * 8 * 12 * 18, 0]


CROSS = """
input: [12, 1, 7]
layers:
  - context: {op: conv, out: 20, k: [1, 3], padding: 0}
  - query: {op: linear, out: 12, from: input}
  - key: {op: linear, out: 12, from: context}
  - value: {op: linear, out: 12, from: context}
  - heads: {op: dot_product_attention, heads: 3, from: [query, key, value]}
  - out: {op: linear, out: 12}
"""


def test_cross_attention_is_that_of_torch(write_network: WriteNetwork) -> None:
    """The same numbers as nn.MultiheadAttention with keys and values of another width and length."""
    net = network(write_network(CROSS), batch=2)
    ours: Any = build_network(net, dtype=torch.float64)
    theirs = torch.nn.MultiheadAttention(12, 3, kdim=20, vdim=20, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.q_proj_weight.copy_(ours.query.weight.flatten(1))
        theirs.k_proj_weight.copy_(ours.key.weight.flatten(1))
        theirs.v_proj_weight.copy_(ours.value.weight.flatten(1))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        theirs.out_proj.weight.copy_(ours.out.weight.flatten(1))
        theirs.out_proj.bias.copy_(ours.out.bias)
    x = torch.randn(2, 12, 1, 7, dtype=torch.float64)
    context, tokens = (t.flatten(2).transpose(1, 2) for t in (ours.context(x), x))
    expected, _ = theirs(tokens, context, context)
    assert torch.allclose(ours(x), expected.transpose(1, 2)[:, :, None])
    # 7 queries and 5 keys, 12 channels: two products for each sample.
    assert _named(net, "heads").cost.macs == 2 * 2 * 7 * 5 * 12
    assert net.macs - _named(net, "context").cost.macs == count(theirs, (2, 7, 12), (2, 5, 20), (2, 5, 20)).macs


def test_shared_keys_are_those_of_torch(write_network: WriteNetwork) -> None:
    """Two heads of keys and values for four heads of queries: torch's grouped-query attention."""
    text = """
input: [8, 5, 3]
layers:
  - key: {op: linear, out: 4}
  - value: {op: linear, out: 6, from: input}
  - layer: {op: dot_product_attention, heads: 4, kv_heads: 2, from: [input, key, value]}
"""
    net = network(write_network(text), batch=2)
    ours: Any = build_network(net, dtype=torch.float64)
    x = torch.randn(2, 8, 5, 3, dtype=torch.float64)
    given = (x, 4), (ours.key(x), 2), (ours.value(x), 2)
    query, key, value = (tensor.reshape(2, heads, -1, 15).transpose(2, 3) for tensor, heads in given)
    expected = functional.scaled_dot_product_attention(query, key, value, enable_gqa=True)
    assert torch.allclose(ours(x), expected.transpose(2, 3).reshape(2, 12, 5, 3))
    # The products are those of four heads: 2 channels for the scores, 3 for the values.
    assert _named(net, "layer").cost.macs == 2 * 4 * 15 * 15 * (2 + 3)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{op: groupnorm}", "its 8 channels do not divide by groups = 32"),
        ("{op: groupnorm, groups: 0}", "groups is 0"),
        ("{op: pixel_shuffle, scale: 3}", r"its 8 channels are not groups of scale\^2 = 9"),
        ("{op: pixel_unshuffle, scale: 4}", "its 6x9 positions"),
        ("{op: dot_product_attention}", "it takes queries, keys and values"),
        ("{op: dot_product_attention, heads: 3, from: [input, input]}", "8 channels of its queries"),
        ("{op: dot_product_attention, heads: 4, kv_heads: 3, from: [input, input]}", "kv_heads = 3 does not divide"),
        ("{op: dot_product_attention, heads: 4, kv_heads: 2, from: [input, input]}", "those of its keys 4"),
    ],
)
def test_what_does_not_fit(write_network: WriteNetwork, entry: str, message: str) -> None:
    """An error that names the numbers."""
    with pytest.raises(FlopcalcError, match=message):
        _layer(write_network, entry)


def test_one_position_has_no_variance(write_network: WriteNetwork) -> None:
    """Torch refuses to normalise it too."""
    with pytest.raises(FlopcalcError, match="one position"):
        _layer(write_network, "instancenorm", "[8, 1, 1]")


def test_keys_and_values_of_different_length(write_network: WriteNetwork) -> None:
    """Each key has one value."""
    text = "input: [4, 2, 3]\nlayers:\n  - few: {op: pixel_unshuffle, scale: 1}\n  - one: global_avgpool\n"
    text += "  - layer: {op: dot_product_attention, from: [input, few, one]}\n"
    with pytest.raises(FlopcalcError, match="differ in positions: 4x2x3 and 4x1x1"):
        network(write_network(text))

"""Products of rows of tokens, shifts and norms of gated attention: the function that their modules compute."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import WriteNetwork

from flopcalc import FlopcalcError, network
from flopcalc.pytorch import build_network

PRODUCTS = """
input: [6, 3, 4]
layers:
  - other: {op: conv, out: 6, k: 1, stride: 2}
  - scores: {op: matmul, from: [input, other], scaled: true}
  - values: {op: transpose, from: other}
  - mix: {op: matmul, from: [scores, values]}
"""


def test_two_products_are_attention_without_softmax(write_network: WriteNetwork) -> None:
    """Scores of 12 queries with 4 keys, and their mixtures of 4 values: written with matrices of torch."""
    torch.manual_seed(0)
    net = network(write_network(PRODUCTS), batch=2)
    module: Any = build_network(net, dtype=torch.float64)
    x = torch.rand(2, 6, 3, 4, dtype=torch.float64)
    keys = torch.nn.functional.conv2d(x, module.other.weight, stride=2).flatten(2)
    scores = torch.einsum("ncq,nck->nkq", x.flatten(2), keys) / 6**0.5
    expected = torch.einsum("nkq,nck->ncq", scores, keys)
    assert torch.allclose(module(x), expected.reshape(2, 6, 3, 4))
    macs = {layer.name: layer.cost.macs for layer in net.layers}
    assert (macs["scores"], macs["mix"]) == (2 * 12 * 4 * 6, 2 * 12 * 4 * 6)


def test_norm_and_shift(write_network: WriteNetwork) -> None:
    """x / sqrt(mean of x^2) times one number, and one number for each channel."""
    text = "input: [5, 2, 3]\nlayers:\n  - norm: scalenorm\n  - shift: channel_bias\n"
    net = network(write_network(text))
    module: Any = build_network(net, dtype=torch.float64)
    with torch.no_grad():
        module.norm.scale.fill_(3)
        module.shift.shift.copy_(torch.arange(5.0).reshape(5, 1, 1))
    x = torch.rand(1, 5, 2, 3, dtype=torch.float64)
    expected = 3 * x / x.square().mean(1, keepdim=True).sqrt() + torch.arange(5.0).reshape(5, 1, 1)
    assert torch.allclose(module(x), expected)
    assert [layer.cost.params for layer in net.layers] == [1, 5]


def test_tokens_of_different_channels_have_no_product(write_network: WriteNetwork) -> None:
    """The error names both shapes."""
    text = "input: [6, 3, 4]\nlayers:\n  - other: {op: conv, out: 5}\n  - scores: {op: matmul, from: [input, other]}\n"
    with pytest.raises(FlopcalcError, match="not tokens of equal channels: 6x3x4 and 5x3x4"):
        network(write_network(text))

"""Attention and encoder layers of torch.nn on nested tensors, whose rows have lengths of their own."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn

from flopcalc.pytorch.counting.counter import count_call

LENGTHS, CHANNELS, HIDDEN = (4, 6), 32, 48
# Four projections of each token, and two products of each pair in a row.
ATTENTION = sum(LENGTHS) * 4 * CHANNELS**2 + 2 * CHANNELS * sum(one**2 for one in LENGTHS)
LAYER = ATTENTION + sum(LENGTHS) * 2 * CHANNELS * HIDDEN


def _layer() -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(CHANNELS, 4, HIDDEN, batch_first=True)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize(
    ("module", "inputs", "macs"),
    [
        (nn.MultiheadAttention(CHANNELS, 4, batch_first=True), 3, ATTENTION),
        (_layer(), 1, LAYER),
        (nn.TransformerEncoder(_layer(), 3), 1, 3 * LAYER),
    ],
    ids=["attention", "layer", "encoder"],
)
def test_each_row_has_its_own_length(module: Any, inputs: int, macs: int) -> None:
    """Torch runs them as one kernel, and in no other way; the user's module stays as it is."""
    rows = torch.nested.nested_tensor([torch.randn(one, CHANNELS) for one in LENGTHS])
    for _ in range(2):
        found = count_call(module.eval(), (rows,) * inputs)
        assert (found.macs, found.on, dict(found.uncounted)) == (macs, "cpu", {})
    with torch.no_grad():
        assert module(*(rows,) * inputs) is not None


class _Attention(nn.Module):
    def forward(self, rows: Any) -> Any:
        turned = rows.transpose(1, 2)
        return nn.functional.scaled_dot_product_attention(turned, turned, turned)


def test_fused_attention_of_jagged_rows() -> None:
    """Two products of 8 channels for each pair of tokens in a row, in 4 heads."""
    rows = torch.nested.nested_tensor([torch.randn(one, 4, 8) for one in LENGTHS], layout=torch.jagged)
    found = count_call(_Attention(), (rows,))
    assert (found.macs, dict(found.uncounted)) == (4 * (16 + 36) * (8 + 8), {})

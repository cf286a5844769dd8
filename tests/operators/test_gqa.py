"""Grouped-query attention, compared with torch's, with that of Llama, and by hand."""

from importlib import import_module
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision, part_total, random_tensor
from torch.nn import functional

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.counting.counter import count
from flopcalc.pytorch.layers import GroupedQueryAttention2d
from flopcalc.spec.layer_record import notes


def _heads(x: Any, heads: int) -> Any:
    """(n, c, h, w) -> (n, heads, tokens, c / heads)."""
    return x.flatten(2).reshape(len(x), heads, -1, x.shape[2] * x.shape[3]).transpose(2, 3)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize(("causal", "block"), [(False, None), (True, None), (True, 1), (True, 4), (True, 40)])
def test_output_is_that_of_torch(kv_heads: int, causal: bool, block: int | None) -> None:
    """Blocks of rows change what is computed, not the result."""
    module = GroupedQueryAttention2d(
        8, 8, heads=4, kv_heads=kv_heads, causal=causal, block_size=block, bias=True, dtype=torch.float64
    )
    x = random_tensor(2, 8, 5, 3)
    query, key, value = (
        _heads(part(x), n) for part, n in ((module.query, 4), (module.key[0], kv_heads), (module.value[0], kv_heads))
    )
    expected = functional.scaled_dot_product_attention(query, key, value, is_causal=causal, enable_gqa=True)
    expected = module.projection(expected.transpose(2, 3).reshape(2, 8, 5, 3))
    assert torch.allclose(module(x), expected)


@pytest.mark.parametrize(
    ("heads", "kv_heads", "head_dim"), [(4, 2, None), (8, 1, None), (8, 8, None), (4, 2, 24)], ids=str
)
def test_figures_of_llamas_attention(heads: int, kv_heads: int, head_dim: int | None) -> None:
    """Parameters and MACs counted in the module of transformers, on a sequence of 12 tokens."""
    import_torchvision()
    pytest.importorskip("transformers")
    kind = import_module("transformers.models.llama.modeling_llama").LlamaAttention
    config = import_module("transformers").LlamaConfig(
        hidden_size=64, num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=head_dim
    )
    config._attn_implementation = "eager"
    width = head_dim or 64 // heads

    class Attention(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.attention = kind(config, 0)

        def forward(self, x: Any) -> Any:
            positions = torch.zeros(1, 12, width), torch.zeros(1, 12, width)
            return self.attention(x, position_embeddings=positions, attention_mask=None)[0]

    counted = count(Attention(), (2, 12, 64))
    e = layer("gqa", 64, hw=(1, 12), batch=2, heads=heads, kv_heads=kv_heads, head_dim=head_dim)
    assert (e.params, e.macs) == (counted.total("params"), counted.macs)


def test_llama_3_8b_by_hand() -> None:
    """4096 channels, 32 heads, 8 heads of keys, 8192 tokens: two 4096 x 4096 and two 4096 x 1024 projections.

    The products are 8192^2 pairs for 4096 channels, twice. A token keeps 2 x 1024 elements instead of 2 x 4096.
    """
    e = layer("gqa", 4096, hw=(1, 8192), heads=32, kv_heads=8)
    assert e.params == 2 * 4096**2 + 2 * 4096 * 1024 == 41_943_040
    assert e.macs == 8192 * 41_943_040 + 2 * 8192**2 * 4096
    multi_query = layer("gqa", 4096, hw=(1, 8192), heads=32, kv_heads=1)
    assert e.params - multi_query.params == 2 * 4096 * (1024 - 128)
    assert part_total(e, "scores", "macs") == part_total(multi_query, "scores", "macs")
    # Without options: 4 heads of 16, of which two share one of keys.
    assert layer("gqa", 64, hw=4).params == 2 * 64**2 + 2 * 64 * 32


def test_causal_pairs_by_hand() -> None:
    """Ten tokens: 100 pairs when dense, 55 by the mask, and in blocks of four rows 4 x 4 + 4 x 8 + 2 x 10."""
    pairs = {
        block: layer("gqa", 8, hw=(1, 10), causal=True, block_size=block).named["pairs"] for block in (None, 1, 4, 10)
    }
    assert pairs == {None: 100, 1: 55, 4: 68, 10: 100}
    e = layer("gqa", 8, hw=(1, 10), causal=True, block_size=1, batch=3)
    assert part_total(e, "scores", "macs") == part_total(e, "mix", "macs") == 3 * 55 * 8
    dense = layer("gqa", 8, hw=(1, 10), causal=True)
    assert dense.macs == layer("gqa", 8, hw=(1, 10)).macs
    # The mask: one sum for each score of each head.
    assert dense.cost.adds - layer("gqa", 8, hw=(1, 10)).cost.adds == 4 * 100


def test_what_a_cache_keeps() -> None:
    """Keys and values of the heads that have them, of 24 / 4 = 6 channels each."""
    for kv_heads in (1, 2, 4):
        text = notes(layer("gqa", 24, hw=4, kv_heads=kv_heads))[0]
        assert f"a cache keeps: {2 * 6 * kv_heads} elements; with keys for each head 48." in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kv_heads": 3}, "kv_heads = 3 does not divide heads = 4"),
        ({"heads": 3, "kv_heads": 1}, "heads = 3 does not divide the 8 channels"),
        ({"block_size": 4}, "without causal"),
    ],
)
def test_what_does_not_go_together(options: dict[str, Any], message: str) -> None:
    """Refused for the formula and for the module alike."""
    with pytest.raises(FlopcalcError, match=message):
        layer("gqa", 8, hw=4, **options)
    with pytest.raises(FlopcalcError, match=message):
        GroupedQueryAttention2d(8, 8, **options)

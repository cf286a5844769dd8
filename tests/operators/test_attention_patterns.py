"""Attention with other patterns than all pairs, compared with its definition and with published figures."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import part_total, random_tensor
from torch.nn import functional

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.layers import AxialAttention2d, CrissCrossAttention, LinearAttention2d, SlidingWindowAttention2d


def _masked(query: Any, key: Any, value: Any, heads: int, allowed: Any) -> Any:
    """torch's attention on maps of channels, where a token attends to the allowed ones: (tokens, tokens)."""
    n, c, h, w = value.shape
    q, k, v = (x.flatten(2).reshape(n, heads, -1, h * w).transpose(2, 3) for x in (query, key, value))
    out = functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
    return out.transpose(2, 3).reshape(n, c, h, w)


def _places(h: int, w: int) -> tuple[Any, Any]:
    """Row and column of each token."""
    tokens = torch.arange(h * w)
    return tokens // w, tokens % w


def test_linear_attention_is_its_definition() -> None:
    """For each query a sum over the keys, weighted by the product of their feature maps."""
    module = LinearAttention2d(6, 6, heads=2, dtype=torch.float64)
    x = random_tensor(2, 6, 4, 3)
    q, k, v = (part.flatten(2).reshape(2, 2, 3, 12) for part in (module.query(x), module.key(x), module.value(x)))
    weights = torch.einsum("nhdi,nhdj->nhij", q, k)
    expected = torch.einsum("nhij,nhdj->nhdi", weights / weights.sum(-1, keepdim=True), v)
    assert torch.allclose(module(x), module.projection(expected.reshape(2, 6, 4, 3)), rtol=1e-4)


def test_linear_attention_by_hand() -> None:
    """64 channels, 4 heads of 16, 3136 tokens: two products of 16 x 16 for each head and token, and one of 16."""
    e = layer("linear_attention", 64, hw=56)
    assert e.params == 4 * 64 * 64 + 4 * 64
    assert part_total(e, "context", "macs") == part_total(e, "mix", "macs") == 3136 * 4 * 16 * 16
    assert e.macs == 3136 * (4 * 64 * 64 + 2 * 64 * 16 + 64)
    # Twice the tokens are twice the MACs.
    assert layer("linear_attention", 64, hw=(112, 56)).macs == 2 * e.macs


@pytest.mark.parametrize("window", [1, 3, 7])
def test_sliding_window_is_torchs_attention_in_a_band(window: int) -> None:
    """The mask allows `window // 2` tokens on each side, in the order of the rows."""
    module = SlidingWindowAttention2d(6, 6, heads=2, window=window, dtype=torch.float64)
    x = random_tensor(2, 6, 4, 3)
    tokens = torch.arange(12)
    band = (tokens[:, None] - tokens).abs() <= window // 2
    expected = _masked(module.query[0](x), module.key[0](x), module.value[0](x), 2, band)
    assert torch.allclose(module(x), module.projection(expected))


def test_sliding_window_by_hand() -> None:
    """4096 tokens of 768 channels in a window of 513: 4 projections, and two products with 513 neighbours."""
    e = layer("sliding_window", 768, hw=(1, 4096), heads=12, window=513)
    assert e.macs == 4096 * (4 * 768**2 + 2 * 513 * 768)
    full = layer("attention", 768, hw=(1, 4096), heads=12)
    assert full.params == e.params
    assert full.macs - e.macs == 2 * 4096 * (4096 - 513) * 768


@pytest.mark.parametrize("recurrence", [1, 2])
def test_criss_cross_is_torchs_attention_on_row_and_column(recurrence: int) -> None:
    """Without the scale of the scores, which the paper does not have; then a factor, and the residual sum."""
    torch.manual_seed(0)
    module = CrissCrossAttention(8, 8, reduction=2, recurrence=recurrence, dtype=torch.float64)
    torch.nn.init.constant_(module.scale.factor, 0.3)
    rows, columns = _places(4, 3)
    cross = (rows[:, None] == rows) | (columns[:, None] == columns)
    x = expected = random_tensor(2, 8, 4, 3)
    for _ in range(recurrence):
        # Four channels of queries: torch divides the scores by 2.
        mixed = _masked(2 * module.query(expected), module.key(expected), module.value(expected), 1, cross)
        expected = 0.3 * mixed + expected
    assert torch.allclose(module(x), expected)


def test_published_cost_of_criss_cross_attention() -> None:
    """CCNet gives 16.5 GFLOPs for two rounds on 97 x 97 positions of 512 channels, with 2 FLOPs for each MAC.

    The same table has 108 GFLOPs for the non-local module: the three convolutions once, and all pairs of positions.
    The abstract calls this about 85 % less.
    """
    e = layer("criss_cross", 512, hw=97)
    assert round(2 * e.macs / 1e9, 1) == 16.5
    once = layer("criss_cross", 512, hw=97, recurrence=1)
    assert once.params == e.params == 512 * (64 + 64 + 512) + 64 + 64 + 512 + 1
    products = 9409 * (97 + 97) * (64 + 512)
    assert e.macs == 2 * once.macs == 2 * (9409 * 512 * 640 + products)
    all_pairs = once.macs - products + 9409**2 * (64 + 512)
    assert round(2 * all_pairs / 1e9) == 108
    assert round(100 * (1 - e.macs / all_pairs)) == 85
    assert e.derived["pairs"] == 9409 * 193


def test_axial_attention_is_torchs_attention_on_lines() -> None:
    """First among the positions of a column, then among those of a row."""
    module = AxialAttention2d(8, 8, heads=2, dtype=torch.float64)
    rows, columns = _places(4, 3)
    x = expected = random_tensor(2, 8, 4, 3)
    for part, line in ((module.columns, columns), (module.rows, rows)):
        query, key, value = part.qkv(expected).chunk(3, dim=1)
        expected = part.projection(_masked(query, key, value, 2, line[:, None] == line))
    assert torch.allclose(module(x), expected)


def test_axial_attention_by_hand() -> None:
    """A 32 x 64 map of 128 channels: each position meets 32 in its column and 64 in its row."""
    e = layer("axial_attention", 128, hw=(32, 64), heads=8)
    assert e.params == 2 * (4 * 128**2 + 4 * 128)
    assert e.macs == 2048 * (8 * 128**2 + 2 * 32 * 128 + 2 * 64 * 128)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("linear_attention", {"heads": 3}, "heads = 3"),
        ("axial_attention", {"heads": 3}, "heads = 3"),
        ("sliding_window", {"window": 4}, "window = 4 is even"),
        ("criss_cross", {"reduction": 9}, "less than one channel"),
    ],
)
def test_what_does_not_apply(name: str, options: dict[str, Any], message: str) -> None:
    """Heads that do not divide, an even window, no channel left."""
    with pytest.raises(FlopcalcError, match=message):
        layer(name, 8, hw=4, **options)

"""Attention within shifted windows and across patches, beside torchvision's and torch's own."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.hooks import count
from flopcalc.pytorch.layers import Attention2d


def _swin_attention(ours: Any, window: int, shift: int, heads: int) -> Any:
    """torchvision's module with the weights of ours; its linear layers and tables are channels last."""
    c = ours.projection.weight.shape[0]
    kind = import_torchvision().models.swin_transformer.ShiftedWindowAttention
    theirs = kind(c, [window, window], [shift, shift], heads).double().eval()
    with torch.no_grad():
        theirs.qkv.weight.copy_(ours.qkv.conv.weight.flatten(1))
        theirs.qkv.bias.copy_(ours.qkv.conv.bias)
        theirs.proj.weight.copy_(ours.projection.weight.flatten(1))
        theirs.proj.bias.copy_(ours.projection.bias)
        theirs.relative_position_bias_table.copy_(ours.position.table.T)
    return theirs


@pytest.mark.parametrize("shift", [0, 1, 2, 3])
@pytest.mark.parametrize("hw", [(8, 12), (4, 4), (4, 8), (12, 4)], ids=str)
def test_shifted_windows_are_those_of_torchvision(hw: tuple[int, int], shift: int) -> None:
    """Same weights, same output; an axis with one window is not shifted."""
    torch.manual_seed(0)
    ours = Attention2d(12, 12, heads=3, window=4, shift=shift, position_bias=True, dtype=torch.float64)
    # Far from the small numbers of a fresh table, so that a wrong index shows.
    torch.nn.init.normal_(ours.position.table)
    theirs = _swin_attention(ours, 4, shift, 3)
    x = torch.randn(2, 12, *hw, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(ours(x), theirs(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


@pytest.mark.parametrize("shift", [0, 3])
def test_figures_of_torchvisions_attention(shift: int) -> None:
    """Parameters and MACs counted in torchvision's own module, on 14x14 positions."""
    e = layer("attention", 96, hw=14, heads=3, window=7, shift=shift, position_bias=True)
    ours = Attention2d(96, 96, heads=3, window=7, shift=shift, position_bias=True, dtype=torch.float64)
    counted = count(_swin_attention(ours, 7, shift, 3), (1, 14, 14, 96))
    assert (e.cost.params, e.cost.macs) == (counted.total("params"), counted.macs)


def test_shifted_windows_by_hand() -> None:
    """A 14x14 map in windows of 7 and 2 heads: 4 windows, 49 x 49 scores for each and head.

    13 * 13 offsets for each head; a bias and a mask for each score; two rolls of 16 * 196 elements.
    """
    plain = layer("attention", 16, hw=14, heads=2, window=7).cost
    cost = layer("attention", 16, hw=14, heads=2, window=7, shift=3, position_bias=True).cost
    scores = 4 * 2 * 49 * 49
    assert cost.params - plain.params == 2 * 13 * 13
    assert cost.macs == plain.macs
    assert cost.total("adds") - plain.total("adds") == 2 * scores
    # Moves: the map twice, read and written; the table gathered by its index, read and written.
    moved = 4 * 16 * 196 + 2 * (2 * 49 * 49) + 49 * 49
    added = 2 * 2 * scores + 2 * 49 * 49 + 4 * 49 * 49
    assert cost.traffic - plain.traffic == moved + added
    # Roll, bias, mask, roll back; the gathering runs beside qkv.
    assert cost.steps == plain.steps + 4
    one_window = layer("attention", 16, hw=7, heads=2, window=7, shift=3).cost
    assert one_window.steps == plain.steps
    assert one_window.total("adds") == layer("attention", 16, hw=7, heads=2, window=7).cost.total("adds")


def test_patches_see_their_like() -> None:
    """Positions with the same place in their 2x2 patch are what torch gives for them alone."""
    torch.manual_seed(0)
    ours = Attention2d(8, 8, heads=2, patch=2, dtype=torch.float64)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.conv.weight.flatten(1))
        theirs.in_proj_bias.copy_(ours.qkv.conv.bias)
        theirs.out_proj.weight.copy_(ours.projection.weight.flatten(1))
        theirs.out_proj.bias.copy_(ours.projection.bias)
    x = torch.randn(2, 8, 6, 4, dtype=torch.float64)
    out = ours(x)
    for top in range(2):
        for left in range(2):
            tokens = x[:, :, top::2, left::2].flatten(2).transpose(1, 2)
            expected, _ = theirs(tokens, tokens, tokens)
            assert torch.allclose(out[:, :, top::2, left::2].flatten(2).transpose(1, 2), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": 1}, "a shift is that of windows"),
        ({"position_bias": True}, "a position bias is that of windows"),
        ({"window": 4, "shift": 4}, "a shift of 4 is not less"),
        ({"window": 4, "patch": 2}, "not both"),
        ({"patch": 3}, "3x3 patches"),
    ],
)
def test_what_does_not_go_together(options: dict[str, Any], message: str) -> None:
    """Refused for the formula and for the module alike; whether patches fit a map the module sees later."""
    with pytest.raises(FlopcalcError, match=message):
        layer("attention", 16, hw=16, **options)
    if options != {"patch": 3}:
        with pytest.raises(FlopcalcError, match=message):
            Attention2d(16, 16, **options)

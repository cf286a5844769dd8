"""Attention, within windows and across patches too, beside torch's and torchvision's own."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision, part_total, random_tensor

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.counting.counter import count
from flopcalc.pytorch.layers import Attention2d


def _torch_attention(module: Any, heads: int) -> Any:
    """torch's own attention with the weights of ours."""
    c = module.projection.weight.shape[0]
    theirs = torch.nn.MultiheadAttention(c, heads, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(module.qkv.conv.weight.flatten(1))
        theirs.in_proj_bias.copy_(module.qkv.conv.bias)
        theirs.out_proj.weight.copy_(module.projection.weight.flatten(1))
        theirs.out_proj.bias.copy_(module.projection.bias)
    return theirs


def test_attention_is_that_of_torch() -> None:
    """Tokens are the positions of the map, row by row."""
    module = Attention2d(8, 8, heads=2, dtype=torch.float64)
    x = random_tensor(2, 8, 5, 3)
    tokens = x.flatten(2).transpose(1, 2)
    expected, _ = _torch_attention(module, 2)(tokens, tokens, tokens)
    assert torch.allclose(module(x), expected.transpose(1, 2).reshape(x.shape))


def test_windows_see_only_themselves() -> None:
    """Each 2 x 2 window by itself is what torch gives for its four tokens."""
    module = Attention2d(8, 8, heads=4, window=2, dtype=torch.float64)
    x = random_tensor(2, 8, 4, 6)
    theirs, out = _torch_attention(module, 4), module(x)
    for top in range(0, 4, 2):
        for left in range(0, 6, 2):
            tokens = x[:, :, top : top + 2, left : left + 2].flatten(2).transpose(1, 2)
            expected, _ = theirs(tokens, tokens, tokens)
            found = out[:, :, top : top + 2, left : left + 2].flatten(2).transpose(1, 2)
            assert torch.allclose(found, expected)


def test_attention_by_hand() -> None:
    """The layer of ViT-B on its 14 x 14 patches: 12 heads of 64 channels, 196 tokens.

    4 * 768 * 768 weights and 4 * 768 biases; 196 * 4 * 768^2 MACs of the linear layers and twice
    196 * 196 * 768 of the products. Within 7 x 7 windows a token sees 49 tokens instead of 196.
    """
    e = layer("attention", 768, hw=14, heads=12)
    assert e.cost.params == 2_362_368
    assert [part_total(e, name, "macs") for name in ("qkv", "scores", "mix", "projection")] == [
        346_816_512,
        29_503_488,
        29_503_488,
        115_605_504,
    ]
    windows = layer("attention", 768, hw=14, heads=12, window=7)
    assert windows.cost.params == e.cost.params
    assert e.cost.macs - windows.cost.macs == 2 * 196 * (196 - 49) * 768
    # 12 heads, 196 x 196 scores each: an addition, an exponential and a division for each.
    assert (part_total(e, "softmax", "adds"), part_total(e, "softmax", "other")) == (460_992, 921_984)
    assert part_total(e, "scale", "muls") == 196 * 768
    # Compared with a 3x3 convolution of the same channels.
    assert e.baseline.macs == 196 * 9 * 768 * 768


def test_attention_needs_whole_heads_and_windows() -> None:
    """Ten channels make no four heads; a 14 x 14 map has no 4 x 4 windows."""
    with pytest.raises(FlopcalcError, match="heads = 4"):
        layer("attention", 10)
    with pytest.raises(FlopcalcError, match="4x4 windows"):
        layer("attention", 16, hw=14, window=4)
    with pytest.raises(FlopcalcError, match="heads = 3"):
        Attention2d(8, 8, heads=3)


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
        ({"shift": 1}, "a shift needs windows"),
        ({"position_bias": True}, "a position bias needs windows"),
        ({"window": 4, "shift": 4}, "a shift of 4 is not less"),
        ({"window": 4, "patch": 2}, "window and patch are both set"),
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

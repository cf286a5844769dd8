"""Group-equivariant convolution: numbers by hand, All-CNN-C, and equivariance."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.layers import GroupConv2d
from flopcalc.spec.layer_record import notes


def test_gconv_by_hand() -> None:
    """2 -> 3 maps, 3x3, 4x4 image. p4 later: 3 * 2 * 4 * 9 weights, (3*4) x (2*4) planes; p4m lifting: G = 8.

    The p4 bank has 12 * 8 * 9 = 864 weights: each is read, and an index of 4 * 4 * 9 = 144, and written.
    """
    later = layer("gconv", 2, 3, hw=4, bias=True)
    assert later.cost.params == 216 + 3
    assert later.cost.macs == 16 * 12 * 8 * 9
    assert later.cost.total("adds") == 12 * 16
    assert next(part for part in later.cost if part.name == "filters").traffic == 864 + 144 + 864
    assert (later.in_shape, later.out_shape, later.cost.steps) == ((8, 4, 4), (12, 4, 4), 2)
    lifting = layer("gconv", 2, 3, hw=4, group="p4m", lifting=True)
    assert (lifting.cost.params, lifting.cost.macs) == (54, 16 * 24 * 2 * 9)
    assert (lifting.in_shape, lifting.out_shape) == ((2, 4, 4), (24, 4, 4))


@pytest.mark.parametrize(
    ("group", "narrow", "params", "macs"),
    [("", 96, 1_372_254, 281.2), ("p4", 48, 1_371_006, 1119.9), ("p4m", 32, 1_219_678, 1989.4)],
)
def test_all_cnn_c(group: str, narrow: int, params: int, macs: float) -> None:
    """All-CNN-C for CIFAR-10 with c / sqrt(G) maps: printed 1.37M and 1.22M parameters, MACs in millions.

    Nine layers, each with a bias and a batch norm (two) for each map. By hand for p4, weights:
    1296 + 2 * 82944 + 165888 + 3 * 331776 + 36864 + 3840 = 1,369,104, and 3 * (3 * 48 + 5 * 96 + 10) = 1902.
    """
    wide = 2 * narrow
    plan = [
        (3, narrow, 3, 32, 1),
        (narrow, narrow, 3, 32, 1),
        (narrow, narrow, 3, 32, 2),
        (narrow, wide, 3, 16, 1),
        (wide, wide, 3, 16, 1),
        (wide, wide, 3, 16, 2),
        (wide, wide, 3, 8, 1),
        (wide, wide, 1, 8, 1),
        (wide, 10, 1, 8, 1),
    ]
    found_params, found_macs = 0, 0
    for index, (c_in, c_out, k, hw, stride) in enumerate(plan):
        options: dict[str, Any] = {"group": group, "lifting": index == 0} if group else {}
        name = "gconv" if group else "conv"
        cost = layer(name, c_in, c_out, k=k, hw=hw, stride=stride, bias=True, **options).cost
        found_params += cost.params + 2 * c_out
        found_macs += cost.macs
    assert found_params == params
    assert round(found_macs / 1e6, 1) == macs


def _turn(x: Tensor, quarter_turns: int, mirrored: bool) -> Tensor:
    out: Tensor = torch.rot90(x.flip(3) if mirrored else x, quarter_turns, (2, 3))
    return out


def _moved_maps(x: Tensor, maps: int, quarter_turns: int, mirrored: bool) -> Tensor:
    """The function on the group after the whole plane is turned: f(g) becomes f(a^-1 g).

    Written with matrices, apart from the layer's own tables. An element is (mirror, turns) as 4 m + r, the
    matrix R^r M^m; rot90 turns counterclockwise, which in (column, row) coordinates is x -> (y, -x).
    """
    order = x.shape[1] // maps
    if order == 1:
        return _turn(x, quarter_turns, mirrored)
    turn, mirror = torch.tensor([[0, 1], [-1, 0]]), torch.tensor([[-1, 0], [0, 1]])

    def matrix(element: int) -> Tensor:
        out: Tensor = torch.eye(2, dtype=torch.int64)
        for _ in range(element % 4):
            out = turn @ out
        return out @ mirror if element >= 4 else out

    acting = matrix(4 * mirrored + quarter_turns)
    planes = x.reshape(x.shape[0], maps, order, *x.shape[2:])
    moved: Tensor = torch.empty_like(planes.transpose(3, 4)) if quarter_turns % 2 else torch.empty_like(planes)
    for source in range(order):
        wanted = acting @ matrix(source)
        target = next(e for e in range(order) if torch.equal(matrix(e), wanted))
        moved[:, :, target] = _turn(planes[:, :, source], quarter_turns, mirrored)
    return moved.reshape(x.shape[0], maps * order, *moved.shape[3:])


@pytest.mark.parametrize("lifting", [True, False])
@pytest.mark.parametrize(("group", "order"), [("p4", 4), ("p4m", 8)])
@pytest.mark.parametrize(("k", "stride", "dilation", "size"), [(3, 1, 1, (5, 6)), (2, 1, 1, (4, 6)), (3, 2, 2, (9, 7))])
def test_gconv_is_equivariant(
    lifting: bool, group: str, order: int, k: int, stride: int, dilation: int, size: tuple[int, int]
) -> None:
    """Turning (and mirroring) the input turns the output and permutes its group axis, for every element."""
    module = GroupConv2d(
        2, 3, k, stride=stride, dilation=dilation, group=group, lifting=lifting, bias=True, dtype=torch.float64
    )
    x = random_tensor(2, 2 if lifting else 2 * order, *size)
    out = module(x)
    for element in range(order):
        quarter_turns, mirrored = element % 4, element >= 4
        expected = _moved_maps(out, 3, quarter_turns, mirrored)
        assert torch.allclose(module(_moved_maps(x, 2, quarter_turns, mirrored)), expected), element
    # Not by being constant: another permutation of the group axis does not fit.
    assert not torch.allclose(out.roll(1, 1), out)


def test_gconv_first_channel_is_a_plain_convolution() -> None:
    """The identity's channel uses the weights as they are; the lifting layer's second one turned by 90 degrees."""
    later = GroupConv2d(2, 3, 3, dtype=torch.float64)
    x = random_tensor(1, 8, 5, 5)
    weight = later.filters.weight.reshape(3, 8, 3, 3)
    assert torch.allclose(later(x)[:, 0::4], F.conv2d(x, weight, padding=1))
    lifting = GroupConv2d(2, 3, 3, lifting=True, dtype=torch.float64)
    turned = torch.rot90(lifting.filters.weight[:, :, 0], 1, (2, 3))
    assert torch.allclose(lifting(x[:, :2])[:, 1::4], F.conv2d(x[:, :2], turned, padding=1))


def test_gconv_says_where_it_is_not_exact() -> None:
    """Stride 2 on an even size leaves the last row out; a 3x5 kernel is refused.

    At stride 3 with padding 1, windows are at -1..1, 2..4, 5..7: a size of 7 ends there, one of 8 does not.
    """
    assert any("not exactly equivariant" in note for note in notes(layer("gconv", 2, hw=8, stride=2)))
    assert not any("not exactly equivariant" in note for note in notes(layer("gconv", 2, hw=9, stride=2)))
    assert any("not exactly equivariant" in note for note in notes(layer("gconv", 2, hw=8, stride=3)))
    assert not any("not exactly equivariant" in note for note in notes(layer("gconv", 2, hw=7, stride=3)))
    with pytest.raises(FlopcalcError, match="does not apply"):
        layer("gconv", 2, k=(3, 5))


@pytest.mark.parametrize("hw", [(7, 9), (7, 8), (8, 7), (8, 8)])
def test_the_note_says_whether_the_module_is_equivariant(hw: tuple[int, int]) -> None:
    """At stride 2, a turned image gives the turned means over the rotations only where the windows end with the map."""
    torch.manual_seed(0)
    module = GroupConv2d(1, 3, 3, stride=2, padding=1, group="p4", lifting=True, dtype=torch.float64)
    x = random_tensor(1, 1, *hw)

    def means(image: Tensor) -> Tensor:
        out: Tensor = module(image)
        return out.reshape(1, 3, 4, *out.shape[2:]).mean(2)

    # A turn to the left reverses the width, one to the right the height.
    turns = [(torch.rot90(x, turn, (2, 3)), torch.rot90(means(x), turn, (2, 3))) for turn in (1, -1)]
    exact = all(torch.allclose(means(image), expected) for image, expected in turns)
    e = layer("gconv", 1, 3, hw=hw, stride=2, group="p4", lifting=True)
    assert exact != any("not exactly equivariant" in note for note in notes(e))

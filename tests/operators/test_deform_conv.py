"""Deformable convolution: numbers by hand, the definition written out, and torchvision's module."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, import_torchvision, part_params, part_total, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.pytorch import count

SHAPES: list[dict[str, Any]] = [
    {"version": "v1"},
    {"version": "v2"},
    {"version": "v2", "stride": 2, "offset_groups": 2, "bias": True},
    {"version": "v1", "dilation": 2, "groups": 2, "bias": True},
    {"version": "v2", "k": (3, 1), "padding": 0, "offset_groups": 4},
]


def test_deform_conv_numbers() -> None:
    """64 -> 64, 3 x 3 on 28 x 28: W = 36,864; offsets 64 * 9 * 18 (v1) or * 27 (v2), with biases."""
    for version, channels, muls in (("v1", 18, 4), ("v2", 27, 5)):
        e = layer("deform_conv", 64, hw=28, version=version)
        assert part_params("deform_conv", 64, version=version) == {
            "offset": 64 * 9 * channels + channels,
            "conv": 36_864,
        }
        assert part_total(e, "conv", "macs") == 784 * 36_864
        assert part_total(e, "offset", "macs") == 784 * 576 * channels
        # 9 taps of 64 channels for each position; the kernel adds a bias of 0.
        assert part_total(e, "conv", "muls") == muls * 784 * 576
        assert part_total(e, "conv", "adds") == 3 * 784 * 576 + 784 * 64
    assert layer("deform_conv", 64, offset_groups=4).named["offset_channels"] == 4 * 27
    refused("does not divide c_in = 64", "deform_conv", 64, offset_groups=3)


def _moved(module: Any) -> Any:
    """The module with offsets and a mask that are not 0."""
    torch.manual_seed(2)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def _read(plane: Any, row: float, column: float) -> Any:
    """A plane between its positions; outside it is 0."""
    total = torch.zeros((), dtype=plane.dtype)
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            total += max(0.0, 1 - abs(row - i)) * max(0.0, 1 - abs(column - j)) * plane[i, j]
    return total


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_deform_conv_by_its_definition(version: str) -> None:
    """y(p) = sum over the taps of w_k x(p + p_k + offset_k) m_k, bilinear, with two groups of offsets."""
    module = _moved(build("deform_conv", 4, 2, k=(3, 2), padding=1, stride=2, version=version, offset_groups=2))
    x = random_tensor(1, 4, 4, 5)
    found = F.conv2d(x, module.offset.weight, module.offset.bias, stride=2, padding=1)
    out = module(x)
    expected = torch.zeros_like(out)
    for o in range(2):
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                for c in range(4):
                    for u in range(3):
                        for v in range(2):
                            place = c // 2 * 6 + u * 2 + v
                            down, across = found[0, 2 * place, i, j].item(), found[0, 2 * place + 1, i, j].item()
                            tap = _read(x[0, c], 2 * i - 1 + u + down, 2 * j - 1 + v + across)
                            if version == "v2":
                                tap = tap * torch.sigmoid(found[0, 24 + place, i, j])
                            expected[0, o, i, j] += module.conv.weight[o, c, u, v] * tap
    assert torch.allclose(out, expected)


@pytest.mark.parametrize("given", SHAPES, ids=str)
def test_deform_conv_is_that_of_torchvision(given: dict[str, Any]) -> None:
    """The same values as torchvision's module with our offsets and mask, and the same count in every kind."""
    ops = import_torchvision().ops
    module = _moved(build("deform_conv", 8, 12, hw=9, **given))
    g, bias = layer("deform_conv", 8, 12, hw=9, **given).geometry, given.get("bias", False)
    places = given.get("offset_groups", 1) * g.k_h * g.k_w

    class Theirs(torch.nn.Module):  # type: ignore[misc]
        """As users write it: a convolution, a slice, a sigmoid, and the module of torchvision."""

        def __init__(self) -> None:
            super().__init__()
            self.offset = module.offset
            self.conv = ops.DeformConv2d(8, 12, g.kernel, g.stride, g.padding, g.dilation, g.groups, bias).double()

        def forward(self, x: Any) -> Any:
            found = self.offset(x)
            mask = None if given["version"] == "v1" else found[:, 2 * places :].sigmoid()
            return self.conv(x, found[:, : 2 * places], mask)

    theirs = Theirs()
    theirs.conv.load_state_dict(module.conv.state_dict())
    x = random_tensor(2, 8, 9, 9)
    with torch.no_grad():
        from flopcalc.pytorch.loading import torchvision_operators

        with torchvision_operators.enabled():
            assert torch.allclose(module(x), theirs(x))
    ours = layer("deform_conv", 8, 12, hw=9, batch=2, **given)
    found = count(theirs, (2, 8, 9, 9))
    for kind in (*OF_A_KERNEL, "steps"):
        assert found.total(kind) == ours.cost.total(kind), kind


def test_a_new_layer_is_a_convolution() -> None:
    """Offsets start at 0: the layer is its convolution, in v2 times sigmoid(0) = 1/2."""
    x = random_tensor(2, 4, 7, 6)
    for version, factor in (("v1", 1.0), ("v2", 0.5)):
        module = build("deform_conv", 4, 6, version=version)
        assert torch.allclose(module(x), factor * F.conv2d(x, module.conv.weight, padding=1))


def test_gradients_are_right() -> None:
    """Of the input by finite differences, away from whole offsets; the output is linear in the weights."""
    module = _moved(build("deform_conv", 2, 2, version="v2", bias=True))
    x = random_tensor(1, 2, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(module, (x,))
    out = module(x).sum()
    weight, bias = torch.autograd.grad(out, [module.conv.weight, module.conv.bias])
    assert torch.allclose((weight * module.conv.weight).sum() + (bias * module.conv.bias).sum(), out)

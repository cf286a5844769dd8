"""SCConv of 2023: numbers by hand, and both units by their definition."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import build, part_params, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer, network
from flopcalc.catalog import lookup
from flopcalc.replacing.described import replace_convolutions


def test_scconv_numbers() -> None:
    """64 -> 64, 3 x 3: 32 channels in each branch, 16 after each squeeze."""
    parts = part_params("scconv", 64, hw=28)
    assert parts == {
        "sru.norm": 128,
        "squeeze_up": 32 * 16,
        "gwc": 16 * 64 * 9 // 2,
        "pwc1": 16 * 64,
        "squeeze_low": 32 * 16,
        "pwc2": 16 * 48,
    }
    e = layer("scconv", 64, hw=28)
    assert e.cost.macs == 784 * (sum(parts.values()) - 128)
    # The paper's "about 5 times": 9 C^2 to (1/8 + 9/8 + 1/4 + 1/8 + 3/16) C^2.
    assert 16 * e.cost.macs == 29 * 64 * 64 * 784
    # Eq. 11, and the scale and shift of the norm, which it leaves out; 9 / 1.8125 is about 5.
    assert 16 * (e.cost.params - 2 * 64) == 29 * 64 * 64
    assert round(9 * 64 * 64 / (e.cost.params - 2 * 64), 3) == 4.966
    # A quarter of the channels in the upper branch: 16 and 48, squeezed by 4 to 4 and 12.
    other = part_params("scconv", 64, 96, alpha="1/4", squeeze=4)
    assert (other["gwc"], other["pwc2"]) == (4 * 96 * 9 // 2, 12 * 84)
    refused("it has a stride", "scconv", 64, stride=2)
    # Of the 16 blocks of ResNet-50, each with one 3x3 convolution, 3 have a stride.
    assert len(replace_convolutions(network("resnet50"), lookup.get("scconv"), {}).replaced) == 16 - 3
    refused("multiple of 2 and of norm_groups = 16", "scconv", 40)
    refused("without channels", "scconv", 64, alpha=1)
    with pytest.raises(FlopcalcError, match="more than 0 and at most 1"):
        layer("scconv", 64, alpha="5/4")


@pytest.mark.parametrize("given", [{}, {"alpha": "1/4", "squeeze": 1, "groups_k": 1}, {"c_out": 12, "k": 5}], ids=str)
def test_scconv_by_its_definition(given: dict[str, Any]) -> None:
    """Eq. 1 to 7: the gate from normalised maps, crossed halves; the two branches, weighted by their means."""
    c_out, k = given.get("c_out", 8), given.get("k", 3)
    rest = {name: value for name, value in given.items() if name != "c_out"}
    module = build("scconv", 8, c_out, norm_groups=2, **rest)
    torch.manual_seed(3)
    torch.nn.init.uniform_(module.sru.norm.weight, 0.1, 2)
    torch.nn.init.normal_(module.sru.norm.bias)
    x = random_tensor(2, 8, 5, 6)
    groups = x.reshape(2, 2, -1)
    spread = (groups.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt()
    normal = ((groups - groups.mean(2, keepdim=True)) / spread).reshape(x.shape)
    gamma, beta = module.sru.norm.weight[:, None, None], module.sru.norm.bias[:, None, None]
    gate = torch.sigmoid((normal * gamma + beta) * gamma / gamma.sum())
    rich, poor = torch.where(gate > 0.5, 1.0, gate) * x, torch.where(gate > 0.5, 0.0, gate) * x
    y = torch.cat([rich[:, :4] + poor[:, 4:], poor[:, :4] + rich[:, 4:]], dim=1)
    up = {"1/4": 2}.get(given.get("alpha", ""), 4)
    upper = F.conv2d(y[:, :up], module.squeeze_up.weight)
    lower = F.conv2d(y[:, up:], module.squeeze_low.weight)
    first = F.conv2d(upper, module.gwc.weight, padding=k // 2, groups=given.get("groups_k", 2))
    first = first + F.conv2d(upper, module.pwc1.weight)
    second = torch.cat([F.conv2d(lower, module.pwc2.weight), lower], dim=1)
    means = torch.stack([first.mean((2, 3)), second.mean((2, 3))]).exp()
    weights = (means / means.sum(0))[:, :, :, None, None]
    assert torch.allclose(module(x), weights[0] * first + weights[1] * second)

"""Primitives of two kinds of inputs: RoIAlign against torchvision's, mixed kernels against convolutions one by one."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision

from flopcalc import FlopcalcError, layer, network
from flopcalc.pytorch import build_network
from flopcalc.pytorch.layers._mixed_conv import MixedConv2d
from flopcalc.pytorch.layers._roi_align import RoIAlign

MAPS = [(12, 9), (6, 5), (1, 3)]


def _boxes(count: int, h: int, w: int) -> Any:
    """Random boxes on a map, some of them beyond its edges or smaller than a position."""
    corner = torch.rand(count, 2, dtype=torch.float64) * torch.tensor([w, h])
    extent = torch.rand(count, 2, dtype=torch.float64) * torch.tensor([w, h]) * 0.8
    return torch.cat((corner, corner + extent), dim=1)


@pytest.mark.parametrize(("size", "sampling"), [(7, 2), (3, 1), (2, 3)])
def test_roi_align_is_that_of_torchvision(size: int, sampling: int) -> None:
    """Its own definition in Python, map by map, on the same boxes."""
    import_torchvision()
    theirs: Any = importlib.import_module("torchvision.ops.roi_align")._roi_align.__wrapped__
    torch.manual_seed(0)
    x = [torch.rand(2, 4, h, w, dtype=torch.float64) for h, w in MAPS]
    boxes = [_boxes(count, h, w) for count, (h, w) in zip((5, 0, 3), MAPS, strict=True)]
    ours = RoIAlign(MAPS, boxes, size, sampling)(*x)
    assert ours.shape == (2, 4 * size**2, 1, 8)
    expected = []
    for sample in range(2):
        rows = []
        for one, some in zip(x, boxes, strict=True):
            rois = torch.cat((torch.full((len(some), 1), float(sample), dtype=torch.float64), some), dim=1)
            if len(some):
                rows.append(theirs(one, rois, 1.0, size, size, sampling, False).flatten(1))
        expected.append(torch.cat(rows).T)
    assert torch.allclose(ours[:, :, 0], torch.stack(expected))


def test_roi_align_by_hand(tmp_path: Path) -> None:
    """Three channels, 2 boxes of 2 x 2 cells, 4 points each: 32 points a channel.

    A point has four products and three additions, and one addition for the mean of its cell; a cell one
    product: 3 * 32 * 4 + 3 * 8 products and 3 * 32 * 4 additions.
    """
    path = tmp_path / "net.yaml"
    path.write_text("input: [3, 9, 9]\nlayers:\n  - a: {op: roi_align, boxes: 2, size: 2}\n")
    for batch in (1, 2):
        (one,) = network(str(path), batch=batch).layers
        assert one.out_shape == (12, 1, 2)
        assert (one.cost.total("muls"), one.cost.total("adds")) == (batch * (384 + 24), batch * 384)
        assert (one.cost.params, one.cost.macs, one.cost.total("other")) == (0, 0, 0)


@pytest.mark.parametrize("per_channel", [False, True])
def test_mixed_kernels(per_channel: bool) -> None:
    """Each sample is convolved with the weighted sum of the kernels."""
    torch.manual_seed(0)
    g = layer("conv", 4, 6, hw=(7, 5), stride=2, groups=2).geometry
    module: Any = MixedConv2d(g, 3, per_channel, dtype=torch.float64)
    x = torch.rand(2, 4, 7, 5, dtype=torch.float64)
    given = torch.rand(2, 18 if per_channel else 3, dtype=torch.float64)
    weight, expected = module.convolution.weight, []
    for sample in range(2):
        if per_channel:
            kernel = torch.stack([sum(given[sample, 3 * o + t] * weight[o, t] for t in range(3)) for o in range(6)])
        else:
            kernel = sum(given[sample, t] * weight[t] for t in range(3))
        expected.append(torch.nn.functional.conv2d(x[sample : sample + 1], kernel, None, 2, 1, 1, 2))
    assert torch.allclose(module(x, given), torch.cat(expected))


ROUTED = """
input: [16, 10, 10]
layers:
  - pool: global_avgpool
  - flatten: flatten
  - fc: {op: linear, out: 8, bias: BIAS}
  - gate: sigmoid
  - conv: {op: mixed_conv, from: [input, gate], out: 32, stride: 2PER}
"""


SHARED = ROUTED.replace("PER", "").replace("BIAS", "true")
OWN = ROUTED.replace("PER", ", per_channel: true").replace("BIAS", "false").replace("out: 8", "out: 192")


@pytest.mark.parametrize(("name", "text"), [("condconv", SHARED), ("dynet", OWN)])
def test_a_routing_apart_is_the_operator(tmp_path: Path, name: str, text: str) -> None:
    """Routing and convolution as layers of a network cost together what the operator costs."""
    path = tmp_path / "net.yaml"
    path.write_text(text)
    net, whole = network(str(path), batch=3), layer(name, 16, 32, hw=10, stride=2, batch=3).cost
    for kind in ("params", "macs", "adds", "muls", "other", "activations", "traffic", "steps"):
        assert net.total(kind) == whole.total(kind), kind
    assert build_network(net)(torch.rand(3, 16, 10, 10)).shape == (3, 32, 5, 5)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{op: mixed_conv}", "two inputs"),
        ("{op: mixed_conv, from: [p, input]}", None),
        ("{op: mixed_conv, from: [f, p]}", "its first input is 4, it needs channels x height x width"),
        ("{op: mixed_conv, from: [input, p], k: 30, padding: 0}", "does not fit"),
        ("{op: mixed_conv, from: [input, p], out: 0}", "c_out is 0"),
        ("{op: mixed_conv, from: [input, p], groups: 3}", "groups = 3 does not divide"),
        ("{op: mixed_conv, from: [input, p], out: 3, per_channel: true}", "4 coefficients do not divide by its 3"),
        ("{op: mixed_conv, from: [input, p], per_channel: 1}", "per_channel is 1, not true or false"),
        ("{op: mixed_conv, from: [input, p], kernels: 3}", "unknown key 'kernels'"),
        ("{op: roi_align, from: [input, f]}", "are not maps of equal channels: 4x8x8, 4"),
        ("{op: roi_align, from: [input, other]}", "are not maps of equal channels: 4x8x8, 5x8x8"),
        ("{op: roi_align, boxes: 0, from: input}", "boxes is 0"),
        ("{op: roi_align, size: 1/2, from: input}", "size is"),
        ("{op: roi_align, sampling: -1, from: input}", "sampling is -1"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, entry: str, message: str | None) -> None:
    """One line with the layer and what is wrong; coefficients may be of any shape."""
    path = tmp_path / "net.yaml"
    head = "input: [4, 8, 8]\nlayers:\n  - other: {op: conv, out: 5}\n  - p: {op: global_avgpool, from: input}\n"
    path.write_text(f"{head}  - f: flatten\n  - a: {entry}\n")
    if message is None:
        assert network(str(path)).layers[-1].out_shape == (4, 1, 1)
        return
    with pytest.raises(FlopcalcError, match=re.escape(message)) as caught:
        network(str(path))
    assert "line 6: layer a" in caught.value.message
    assert "\n" not in caught.value.message

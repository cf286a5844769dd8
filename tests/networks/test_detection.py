"""The detector against torchvision's own: its parts are counted one by one, since the whole reads values."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision

from flopcalc import FlopcalcError, network
from flopcalc.catalog import lookup
from flopcalc.cost.convention import get
from flopcalc.networks.counted import counted
from flopcalc.networks.library import load
from flopcalc.pytorch import count

NAME = "fasterrcnn_resnet50_fpn"


@pytest.fixture(scope="module")
def theirs() -> Any:
    """As with the weights that it is published with: batch norm is frozen."""
    torchvision = import_torchvision()
    detection: Any = torchvision.models.detection
    with torch.device("meta"):
        body = torchvision.models.resnet50(norm_layer=torchvision.ops.misc.FrozenBatchNorm2d)
        backbone = detection.backbone_utils._resnet_fpn_extractor(body, 5)
        return detection.FasterRCNN(backbone, num_classes=91).eval()


def _macs(theirs: Any, proposals: int) -> Iterator[tuple[str, int]]:
    """MACs by the name of the module."""
    sizes = [(1, 256, side, side) for side in (200, 100, 50, 25, 13)]
    runs = (
        ("backbone", theirs.backbone, (1, 3, 800, 800)),
        ("rpn.head", theirs.rpn.head, sizes),
        ("roi_heads.box_head", theirs.roi_heads.box_head, (proposals, 256, 7, 7)),
        ("roi_heads.box_predictor", theirs.roi_heads.box_predictor, (proposals, 1024)),
    )
    for prefix, module, given in runs:
        counted = count(module, given)
        if prefix == "backbone":
            assert [tuple(shape) for shape in counted.output] == sizes
        yield from ((f"{prefix}.{name}", work.macs) for name, work in counted.work.items() if work.macs)


@pytest.mark.parametrize("proposals", [1000, 7])
def test_layer_by_layer(theirs: Any, proposals: int) -> None:
    """Params and MACs by name; the head's at all five levels together, as it is one module."""
    net = network(NAME, proposals=proposals)
    params, macs = Counter[str](), Counter[str]()
    for layer in net.layers:
        params[layer.weights_of or layer.name] += layer.cost.params
        macs[layer.weights_of or layer.name] += layer.cost.macs
    assert +macs == dict(_macs(theirs, proposals))
    found = Counter[str]()
    for name, tensor in theirs.named_parameters():
        found[name.rpartition(".")[0]] += tensor.numel()
    assert +params == found
    assert net.params == 41_755_286


def test_second_stage_grows_with_the_proposals() -> None:
    """12544 x 1024 + 1024 x 1024 + 1024 x 5 x 91 MACs for each box, and none without boxes."""
    none, some = network(NAME, proposals=0), network(NAME, proposals=300)
    assert some.macs - none.macs == 300 * (12544 * 1024 + 1024 * 1024 + 1024 * 5 * 91)
    assert not any(layer.name.startswith("roi_heads") for layer in none.layers)
    assert network(NAME, classes=2).params == 41_755_286 - 89 * 5 * 1025


def test_other_sizes() -> None:
    """Odd sizes too: the pyramid upsamples to the size of the level below."""
    net = network(NAME, input=(3, 427, 641))
    assert {layer.name: layer.out_shape for layer in net.layers}["backbone.fpn.sum0"] == (256, 107, 161)
    with pytest.raises(FlopcalcError):
        network(NAME, proposals="many")


def test_a_replaced_head_still_shares_its_weights() -> None:
    """CompConv in the pyramid's head, which runs at five levels: one module there, so its weights count once."""
    from flopcalc.pytorch.comparison import compare_network
    from flopcalc.replacing.described import replace_convolutions

    compconv = lookup.find("compconv")
    assert compconv is not None
    net = replace_convolutions(network(NAME, proposals=0), compconv, {}).network
    shared = [layer for layer in net.layers if layer.name.startswith("rpn.head") and layer.kind == "compconv"]
    assert [layer.weights_of for layer in shared] == ["", *["rpn.head.conv.0.0"] * 4]
    assert [bool(layer.cost.params) for layer in shared] == [True, False, False, False, False]
    # Each level has its own size, and a quarter of the work of the level below.
    assert shared[0].cost.macs == 4 * shared[1].cost.macs
    for row in compare_network(net):
        assert row.derived == row.counted, row.part


def test_layers_with_the_same_weights_are_replaced_or_kept_together() -> None:
    """A clause that holds at some levels only keeps the convolution at all of them."""
    from flopcalc.replacing.decide import plan
    from flopcalc.replacing.described import replace_layers

    some = replace_layers(network(NAME, proposals=0), plan("ghost where h > 20 and name == 'rpn.head.conv.0.0'"))
    assert not some.replaced
    every = replace_layers(network(NAME, proposals=0), plan("ghost where h > 1 and name == 'rpn.head.conv.0.0'"))
    assert every.replaced == ("rpn.head.conv.0.0", *(f"rpn.head{i}.conv.0.0" for i in range(1, 5)))


def test_shared_heads_have_a_remark_with_what_counters_of_modules_report() -> None:
    """By hand: five levels of 4,092 positions in all, each with a 3x3 convolution, 3 scores and 12 coordinates.

    The hooks of ptflops and calflops run once for each of five containers; thop also adds up along each of them.
    """
    detector = load(NAME, {}, (3, 192, 256))
    positions = 48 * 64 + 24 * 32 + 12 * 16 + 6 * 8 + 3 * 4
    macs, biases = positions * 256 * (9 * 256 + 3 + 12), positions * (256 + 3 + 12)
    # As 1x1 convolutions, four linear layers on 1000 proposals have a bias at each.
    linear = 1000 * (1024 + 1024 + 91 + 364)
    gaps = {
        "thop": 24 * macs,
        "ptflops": 4 * (macs + biases),
        "calflops": 4 * (2 * macs + biases) + linear,
        "deepspeed": linear,
    }
    for name, gap in gaps.items():
        found = counted(detector, get(name))
        assert f"reports {found.total + gap:,} (+{gap:,})" in found.remarks[-1], name
        assert ("weights of other layers" in found.remarks[-1]) == (name != "deepspeed")
    assert not counted(detector, get("fvcore")).remarks
    assert not counted(load("resnet50"), get("thop")).remarks

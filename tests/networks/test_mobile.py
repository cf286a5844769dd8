"""Networks for phones: their options against torchvision's own, the functions they compute, and printed shares."""

from collections import Counter
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision

from flopcalc import network
from flopcalc.pytorch import build_network, count


def _totals(module: Any) -> tuple[int, int]:
    counted = count(module.eval(), (1, 3, 96, 96))
    return counted.total("params"), counted.macs


def _ours(name: str, **options: Any) -> tuple[int, int]:
    net = network(name, input=(3, 96, 96), **options)
    return net.params, net.macs


@pytest.mark.parametrize("width", [0.1, 0.35, 0.75, 1.4])
def test_width_is_torchvisions(width: float) -> None:
    """Channels round alike, also far from what is printed; the last ones of MobileNetV2 never shrink."""
    models = import_torchvision().models
    with torch.device("meta"):
        v2 = models.mobilenet_v2(width_mult=width, num_classes=7)
        mnas = models.mnasnet.MNASNet(width, num_classes=7)
    assert _ours("mobilenet_v2", width=width, classes=7) == _totals(v2)
    assert _ours("mnasnet1_0", width=width, classes=7) == _totals(mnas)


@pytest.mark.parametrize(("width", "depth"), [(0.3, 0.7), (1.3, 1.5), (1.0, 2.2)])
def test_width_and_depth_of_efficientnet_are_torchvisions(width: float, depth: float) -> None:
    """Channels to multiples of 8, blocks rounded up."""
    theirs = import_torchvision().models.efficientnet
    setting, last = theirs._efficientnet_conf("efficientnet_b0", width_mult=width, depth_mult=depth)
    with torch.device("meta"):
        module = theirs.EfficientNet(setting, 0.2, num_classes=7, last_channel=last)
    assert _ours("efficientnet_b0", width=width, depth=depth, classes=7) == _totals(module)


def test_channels_of_shufflenet_are_torchvisions() -> None:
    """Stages and last convolution of one's own."""
    theirs = import_torchvision().models.ShuffleNetV2
    with torch.device("meta"):
        module = theirs([4, 8, 4], [24, 60, 90, 202, 300], num_classes=7)
    assert _ours("shufflenet_v2_x1_0", channels=(60, 90, 202), last=300, classes=7) == _totals(module)


def test_mobilenet_v3_is_torchvisions_where_the_tables_scale_alike() -> None:
    """At width 2 the authors' rule of expansion and torchvision's agree."""
    models = import_torchvision().models
    for name in ("mobilenet_v3_large", "mobilenet_v3_small"):
        with torch.device("meta"):
            module = getattr(models, name)(width_mult=2.0, num_classes=7)
        assert _ours(name, width=2, classes=7) == _totals(module)


@pytest.mark.parametrize(
    "name",
    [
        "efficientnet_b0",
        "efficientnet_v2_s",
        "mnasnet0_5",
        "mobilenet_v2",
        "mobilenet_v3_large",
        "mobilenet_v3_small",
        "shufflenet_v2_x0_5",
    ],
)
def test_the_same_function(name: str) -> None:
    """The module built from the description takes torchvision's weights and gives its output."""
    torch.manual_seed(0)
    theirs = getattr(import_torchvision().models, name)(weights=None).eval()
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # A description has no epsilon; statistics other than 0 and 1 tell the norms apart.
            module.eps = 1e-5
            torch.nn.init.uniform_(module.running_mean, -0.1, 0.1)
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
    ours = build_network(network(name, input=(3, 64, 64))).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = theirs(x)
        assert expected.std() > 1e-4
        assert torch.allclose(ours(x), expected, atol=1e-3 * float(expected.std()), rtol=1e-3)


def test_shares_of_mobilenet() -> None:
    """MobileNet's Table 2: what its 1x1, depthwise and last layers have of all, batch norm and biases left out.

    It prints 1.19 % for the multiply-adds of the first convolution, and all four then come to 99.29 %;
    1.91 % makes them 100.01 %.
    """
    macs: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    for layer in network("mobilenet_v1").layers:
        if layer.evaluation is not None:
            g = layer.evaluation.geometry
            depthwise = "depthwise" if g.groups > 1 else "1x1" if g.kernel == (1, 1) else "3x3"
            kind = "fc" if layer.name == "Conv2d_1c_1x1" else depthwise
            macs[kind] += layer.cost.macs
            weights[kind] += layer.cost.params - (1000 if kind == "fc" else 0)
    share = {kind: f"{100 * value / macs.total():.2f}" for kind, value in macs.items()}
    assert share == {"1x1": "94.86", "depthwise": "3.06", "3x3": "1.91", "fc": "0.18"}
    held = {kind: f"{100 * value / weights.total():.2f}" for kind, value in weights.items()}
    assert held == {"1x1": "74.59", "depthwise": "1.06", "3x3": "0.02", "fc": "24.33"}

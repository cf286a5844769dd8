"""Shipped networks at other resolutions than their own: the module that they mirror costs the same there."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision

from flopcalc import FlopcalcError, network
from flopcalc.pytorch import count

# One network of each family, since the others are the same layers with other numbers.
FAMILIES = [
    "alexnet",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_lite0",
    "efficientnet_v2_s",
    "googlenet",
    "inception_v3",
    "mixnet_s",
    "mnasnet0_5",
    "mnasnet_a1",
    "mnasnet_small",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v4_conv_small",
    "regnet_x_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_0",
    "squeezenet1_1",
    "vgg11_bn",
]


def _module(mirrors: str) -> Any:
    torchvision = import_torchvision()
    name = mirrors.rpartition(".")[2]
    # RegNet computes its widths with tensors and reads their values.
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        if mirrors.startswith("timm "):
            timm: Any = pytest.importorskip("timm")
            return timm.create_model(mirrors.removeprefix("timm ")).eval()
        more = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
        return getattr(torchvision.models, name)(weights=None, **more).eval()


@pytest.mark.filterwarnings("ignore:Mapping deprecated model name")
@pytest.mark.parametrize("name", FAMILIES)
def test_odd_and_not_square(name: str) -> None:
    """At 225x160, where strides round."""
    net = network(name, input=(3, 225, 160))
    counted = count(_module(net.mirrors), (1, 3, 225, 160))
    assert (net.params, net.macs) == (counted.total("params"), counted.macs)


@pytest.mark.parametrize("size", [(225, 160), (96, 160), (33, 47)], ids=str)
def test_maps_that_patches_do_not_divide(size: tuple[int, int]) -> None:
    """MobileViT resizes maps of an odd size to whole patches, and back."""
    counted = count(_module("timm mobilevit_xxs"), (1, 3, *size))
    net = network("mobilevit_xxs", input=(3, *size))
    assert (net.params, net.macs) == (counted.total("params"), counted.macs)


@pytest.mark.parametrize(
    ("name", "least", "too_small"),
    [("alexnet", (63, 63), (62, 63)), ("inception_v3", (75, 75), (74, 75)), ("squeezenet1_0", (21, 21), (20, 21))],
)
def test_smallest_size(name: str, least: tuple[int, int], too_small: tuple[int, int]) -> None:
    """The network runs down to the size down to which the module runs, and says at which layer it ends."""
    module = _module(network(name).mirrors)
    assert network(name, input=(3, *least)).macs == count(module, (1, 3, *least)).macs
    with pytest.raises(FlopcalcError):
        count(module, (1, 3, *too_small))
    with pytest.raises(FlopcalcError, match="does not fit"):
        network(name, input=(3, *too_small))

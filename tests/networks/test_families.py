"""Families of networks against modules of timm and rows of tables: the options give the other members of a family."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision

from flopcalc import network
from flopcalc.pytorch import count

DEEP = {"stem": "deep", "shortcut": "pool"}
BASIC = {"unit": "basic", "blocks": (2, 2, 2, 2)}
LEGACY = {"se": 16, "stride_in": "v1"}

# Our name, our options, the module of timm, and how many parameters more it has.
MODULES: list[tuple[str, dict[str, Any], str, int]] = [
    ("resnet50_d", {}, "resnet50d", 0),
    ("resnet50_d", BASIC, "resnet18d", 0),
    ("resnet50_d", {"blocks": (3, 24, 36, 3)}, "resnet200d", 0),
    ("resnet50_d", {"shortcut": "conv"}, "resnet50c", 0),
    ("se_resnet50", {}, "seresnet50", 0),
    ("se_resnet101", {}, "seresnet101", 0),
    ("resnext50_32x4d", {"se": 16}, "seresnext50_32x4d", 0),
    ("resnext50_32x4d", DEEP, "resnext50d_32x4d", 0),
    ("res2net50", {}, "res2net50_26w_4s", 0),
    ("res2net50", {"width": 14, "scale": 8}, "res2net50_14w_8s", 0),
    ("res2net50", {"width": 48, "scale": 2}, "res2net50_48w_2s", 0),
    ("res2net50", {"scale": 6}, "res2net50_26w_6s", 0),
    ("res2net50", {"width": 4, "groups": 8}, "res2next50", 0),
    ("res2net50", DEEP, "res2net50d", 0),
    ("hrnet_w18", {}, "hrnet_w18", 0),
    ("cspnext", {"depth": 0.33, "width": 0.5}, "cspnext_s", 0),
    ("darknet53", {}, "darknet53", 0),
    ("senet154", {}, "legacy_senet154", 0),
    # Its last 1x1 convolution has a bias; that of the authors has none.
    ("pp_lcnet", {"width": 0.5}, "lcnet_050", 1280),
    ("pp_lcnet", {"width": 1.5}, "lcnet_150", 1280),
    ("poolformer_s12", {}, "poolformer_s12", 0),
    ("poolformer_s12", {"depths": (6, 6, 18, 6), "widths": (96, 192, 384, 768)}, "poolformer_m36", 0),
    ("pp_lcnet_v2", {"mode": "training"}, "lcnetv2_base", 0),
    ("pp_lcnet_v2", {"mode": "training", "width": 0.75, "depths": (2, 2, 4, 2)}, "lcnetv2_small", 0),
    ("repvgg_b1", {"mode": "training", "groups": 4}, "repvgg_b1g4", 0),
    (
        "repvgg_b3",
        {"mode": "training", "se": 16, "blocks": (8, 14, 24, 1), "channels": (160, 320, 640, 2560)},
        "repvgg_d2se",
        0,
    ),
]


@pytest.mark.parametrize(("name", "options", "theirs", "more"), MODULES, ids=[row[2] for row in MODULES])
def test_totals_are_those_of_timm(name: str, options: dict[str, Any], theirs: str, more: int) -> None:
    """Parameters and MACs, at a size that is neither square nor a multiple of 64."""
    import_torchvision()
    timm: Any = pytest.importorskip("timm")
    with torch.device("meta"):
        module = timm.create_model(theirs).eval()
    net = network(name, input=(3, 96, 160), **options)
    counted = count(module, (1, 3, 96, 160))
    assert (net.params + more, net.macs) == (counted.total("params"), counted.macs)

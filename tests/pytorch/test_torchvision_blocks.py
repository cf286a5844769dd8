"""Blocks of networks against the modules of torchvision, in every kind."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision

from flopcalc import layer
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.pytorch import count

TORCHVISION: dict[str, tuple[str, str, int, int | None, dict[str, Any]]] = {
    "projection": ("resnet50", "layer2.0", 256, 512, {"stride": 2, "norm": True, "shortcut": "auto"}),
    "identity": ("resnet50", "layer2.1", 512, None, {"hw": 28, "norm": True, "shortcut": "auto"}),
    "fire": ("squeezenet1_0", "features.4", 128, None, {}),
    "fire, 32": ("squeezenet1_0", "features.5", 128, 256, {"squeeze": 32}),
    "no expansion": ("efficientnet_b0", "features.1.0", 32, 16, {"expansion": 1, "norm": True}),
    "mbconv": ("efficientnet_b0", "features.2.0", 16, 24, {"stride": 2, "norm": True}),
    "mbconv 5x5": ("efficientnet_b0", "features.5.1", 112, None, {"k": 5, "hw": 14, "norm": True}),
    "inverted residual": ("mobilenet_v2", "features.3", 24, None, {"se": 0, "norm": True}),
    "fused, single": ("efficientnet_v2_s", "features.1.0", 24, None, {"expansion": 1, "norm": True}),
    "fused": ("efficientnet_v2_s", "features.2.0", 24, 48, {"expansion": 4, "stride": 2, "norm": True}),
    "shuffle, stride": ("shufflenet_v2_x1_0", "stage2.0", 24, 116, {"stride": 2, "norm": True, "down": "torchvision"}),
    "shuffle": ("shufflenet_v2_x1_0", "stage2.1", 116, None, {"norm": True}),
    "convnext": ("convnext_tiny", "features.1.0", 96, None, {}),
}


KINDS_OF = {
    "resnet50": "bottleneck",
    "squeezenet1_0": "fire",
    "efficientnet_b0": "mbconv",
    "mobilenet_v2": "mbconv",
    "efficientnet_v2_s": "fused_mbconv",
    "shufflenet_v2_x1_0": "shuffle_unit_v2",
    "convnext_tiny": "convnext_block",
}


@pytest.mark.parametrize("case", TORCHVISION)
def test_blocks_cost_what_torchvision_builds(case: str) -> None:
    """A module that others wrote, counted, in every kind."""
    network, path, c_in, c_out, settings = TORCHVISION[case]
    e = layer(KINDS_OF[network], c_in, c_out, **settings)
    with torch.device("meta"):
        module = getattr(import_torchvision().models, network)().get_submodule(path)
    found = count(module, (1, *e.in_shape))
    for kind in (*OF_A_KERNEL, "steps"):
        assert found.total(kind) == e.cost.total(kind), kind

"""The names under which a counted model lists modules of torch."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn

from flopcalc.pytorch.counting.network import kind_of
from flopcalc.pytorch.layers._blocks import Concat


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (nn.BatchNorm1d(4), "batchnorm"),
        (nn.BatchNorm2d(4), "batchnorm"),
        (nn.BatchNorm3d(4), "batchnorm"),
        (nn.LayerNorm(4), "layernorm"),
        (nn.RMSNorm(4), "rmsnorm"),
        (nn.GroupNorm(2, 4), "groupnorm"),
        (nn.InstanceNorm2d(4), "instancenorm"),
        (nn.AdaptiveAvgPool2d(1), "global_avgpool"),
        (nn.AdaptiveAvgPool2d((1, 1)), "global_avgpool"),
        (nn.AdaptiveAvgPool2d(2), "adaptive_avgpool"),
        (nn.AdaptiveAvgPool2d((1, 2)), "adaptive_avgpool"),
        (nn.AdaptiveAvgPool2d((2, 1)), "adaptive_avgpool"),
        (nn.Upsample(scale_factor=2), "upsample"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "upsample_bilinear"),
        (nn.UpsamplingBilinear2d(scale_factor=2), "upsample_bilinear"),
        (Concat(), "concat"),
        # No primitive: with statistics of the training data, and with sixteen neighbours.
        (nn.InstanceNorm2d(4, track_running_stats=True), "InstanceNorm2d"),
        (nn.Upsample(scale_factor=2, mode="bicubic"), "Upsample"),
    ],
    ids=str,
)
def test_the_name_of_a_module(module: Any, name: str) -> None:
    """That of the primitive with the same arithmetic, else that of the class."""
    assert kind_of(module) == name

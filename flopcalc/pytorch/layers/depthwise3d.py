"""The three-dimensional depthwise convolution: that of torch, with one group for each channel."""

from typing import Any

from torch import nn

from flopcalc.operators._volume import volume_settings
from flopcalc.spec.operator import Evaluation


def build(evaluation: Evaluation, **factory: Any) -> nn.Conv3d:
    """nn.Conv3d with c_in groups, with the window of each axis."""
    g = evaluation.geometry
    settings = volume_settings(g)
    return nn.Conv3d(g.c_in, g.c_out, groups=g.c_in, bias=evaluation.named["bias"], **settings, **factory)

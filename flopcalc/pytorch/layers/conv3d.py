"""The three-dimensional convolution is that of torch."""

from typing import Any

from torch import nn

from flopcalc.operators._volume import volume_settings
from flopcalc.spec.operator import Evaluation

LAYER = nn.Conv3d


def build(evaluation: Evaluation, **factory: Any) -> nn.Conv3d:
    """nn.Conv3d, with the window of each axis."""
    g = evaluation.geometry
    settings = volume_settings(g)
    return nn.Conv3d(g.c_in, g.c_out, groups=g.groups, bias=evaluation.named["bias"], **settings, **factory)

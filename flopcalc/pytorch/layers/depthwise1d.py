"""The one-dimensional depthwise convolution: that of torch, with one group for each channel."""

from typing import Any

from torch import nn

from flopcalc.cost.geometry import SAME
from flopcalc.spec.operator import Evaluation


def build(evaluation: Evaluation, **factory: Any) -> nn.Conv1d:
    """nn.Conv1d with c_in groups. Output c * multiplier + j is filter j of channel c."""
    g = evaluation.geometry
    padding = SAME if g.uneven else g.padding_w
    return nn.Conv1d(
        g.c_in, g.c_out, g.k_w, g.stride_w, padding, g.dilation_w, g.c_in, evaluation.named["bias"], **factory
    )

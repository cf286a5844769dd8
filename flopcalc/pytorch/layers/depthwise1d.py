"""The one-dimensional depthwise convolution: that of torch, with one group for each channel."""

from typing import Any

from torch import nn

from flopcalc.spec.operator import Evaluation


def build(evaluation: Evaluation, **factory: Any) -> nn.Conv1d:
    """nn.Conv1d with c_in groups. Output c * multiplier + j is filter j of channel c."""
    g = evaluation.geometry
    return nn.Conv1d(
        g.c_in, g.c_out, g.k_w, g.stride_w, g.padding_w, g.dilation_w, g.c_in, evaluation.named["bias"], **factory
    )

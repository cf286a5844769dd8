"""The one-dimensional convolution is that of torch."""

from typing import Any

from torch import nn

from flopcalc.cost.geometry import SAME
from flopcalc.spec.operator import Evaluation

LAYER = nn.Conv1d


def build(evaluation: Evaluation, **factory: Any) -> nn.Conv1d:
    """nn.Conv1d of the evaluation's sizes, which lie on the width axis."""
    g = evaluation.geometry
    padding = SAME if g.uneven else g.padding_w
    return nn.Conv1d(
        g.c_in, g.c_out, g.k_w, g.stride_w, padding, g.dilation_w, g.groups, evaluation.named["bias"], **factory
    )

"""The fully connected layer is that of torch; on a feature map its input has channels last."""

from typing import Any

from torch import nn

from flopcalc.spec.operator import Evaluation


def build(evaluation: Evaluation, **factory: Any) -> nn.Module:
    """nn.Linear of the evaluation's sizes."""
    g = evaluation.geometry
    return nn.Linear(g.c_in, g.c_out, bias=evaluation.named["bias"], **factory)


def input_shape(evaluation: Evaluation) -> tuple[int, ...]:
    """(n, c) for a single position, else channels last."""
    g = evaluation.geometry
    return (g.n, g.c_in) if g.h == g.w == 1 else (g.n, g.h, g.w, g.c_in)

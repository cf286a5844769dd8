"""Flattened convolution: a 1x1 convolution, then one filter down and one filter across for each channel.

Written like a file of `flopcalc/operators/`. It does not import torch; `layer_file` names the module that does.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Operator, Policy, spatial
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Equation, Paper


def formula(g: Geometry) -> Iterable[Part]:
    """Lateral on the input grid, then vertical and horizontal, each with the stride of its axis."""
    between = g.batch * g.h_out * g.w
    yield parts.conv("lateral", g.c_in, g.c_out, 1, g.p_in, g.p_in)
    yield parts.conv("vertical", g.c_out, g.c_out, g.k_h, g.p_in, between, groups=g.c_out)
    yield parts.conv("horizontal", g.c_out, g.c_out, g.k_w, between, g.p_out, groups=g.c_out)


OPERATOR = Operator(
    name="flattened",
    title="Flattened convolution",
    family="compact convolutions",
    paper=Paper(
        key="jin2014flattened",
        authors=("Jin, Jonghoon", "Dundar, Aysegul", "Culurciello, Eugenio"),
        title="Flattened Convolutional Neural Networks for Feedforward Acceleration",
        venue="ICLR workshop",
        year=2015,
        arxiv="1412.5474",
    ),
    formula=formula,
    rules=(ONE_GROUP,),
    policy=Policy("every convolution with a kernel larger than 1x1", spatial),
    equations=(
        Equation(
            number="weights of F filters, not numbered",
            text="F * (C + Y + X)",
            letters={"C": "c_in", "F": "c_out", "X": "k", "Y": "k"},
            gives="params",
        ),
    ),
    layer_file="flopcalc_flattened.layer",
)

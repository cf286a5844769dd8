"""Blueprint separable convolution, BSConv-U: a 1x1 convolution, then one k x k filter for each channel.

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
    """Pointwise on the input grid, then depthwise at the layer's stride."""
    yield parts.conv("pointwise", g.c_in, g.c_out, 1, g.p_in, g.p_in)
    yield parts.conv("depthwise", g.c_out, g.c_out, g.area, g.p_in, g.p_out, groups=g.c_out)


OPERATOR = Operator(
    name="bsconv",
    title="Blueprint separable convolution (BSConv-U)",
    family="compact convolutions",
    paper=Paper(
        key="haase2020rethinking",
        authors=("Haase, Daniel", "Amthor, Manuel"),
        title="Rethinking Depthwise Separable Convolutions: How Intra-Kernel Correlations Lead to Improved MobileNets",
        venue="CVPR",
        year=2020,
        arxiv="2003.13549",
    ),
    formula=formula,
    rules=(ONE_GROUP,),
    policy=Policy("every convolution with a kernel larger than 1x1", spatial),
    equations=(
        Equation(
            number="parameters, not numbered",
            text="M * N + N * K^2",
            letters={"M": "c_in", "N": "c_out", "K": "k"},
            gives="params",
        ),
    ),
    layer_file="flopcalc_bsconv.layer",
)

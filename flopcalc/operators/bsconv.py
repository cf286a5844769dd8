"""Blueprint separable convolution: 1x1 first (with a subspace two), then one k x k filter for each output channel."""

from collections.abc import Iterable
from fractions import Fraction

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, share
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Derived, Evaluation, Named, Operator, Param, Policy, spatial
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Equation, Paper

BLUEPRINT = Paper(
    key="haase2020rethinking",
    authors=("Haase, Daniel", "Amthor, Manuel"),
    title="Rethinking Depthwise Separable Convolutions: How Intra-Kernel Correlations Lead to Improved MobileNets",
    venue="CVPR",
    year=2020,
    arxiv="2003.13549",
    doi="10.1109/CVPR42600.2020.01461",
    pages="14588-14597",
)


def subspace(g: Geometry, p: Dim) -> Dim:
    """M', the channels between the two 1x1 convolutions of BSConv-S, rounded up."""
    return -share(-p, g.c_in)


def formula(g: Geometry, mid: Dim, has_subspace: bool, norm: bool, bias: bool) -> Iterable[Part]:
    """The 1x1 convolutions work on the input grid, the depthwise one has the stride."""
    yield from parts.when(not has_subspace, lambda: _point(g, "pointwise", g.c_in, g.c_out, norm))
    yield from parts.when(has_subspace, lambda: _point(g, "reduce", g.c_in, mid, norm))
    yield from parts.when(has_subspace, lambda: _point(g, "expand", mid, g.c_out, norm))
    yield parts.conv("depthwise", g.c_out, g.c_out, g.area, g.p_in, g.p_out, groups=g.c_out, bias=bias)


def _point(g: Geometry, name: str, c_in: Dim, c_out: Dim, norm: bool) -> Iterable[Part]:
    yield parts.conv(name, c_in, c_out, 1, g.p_in, g.p_in)
    yield from parts.finish(name, c_out, g.p_in, norm, False)


def _notes(e: Evaluation) -> Iterable[str]:
    if e.geometry.strided:
        yield (
            "The 1x1 convolutions come first, on the input's grid: at a stride this costs more than dsc, which has its "
            "1x1 convolution after the stride."
        )
    if e.named["has_subspace"]:
        yield "The regularisation loss that keeps the subspace orthogonal is a cost of training, and not counted."


_LETTERS = {"M": "c_in", "N": "c_out", "K": "k", "M_1": "mid"}
_PLAIN: Named = {"norm": False, "bias": False}

OPERATOR = Operator(
    name="bsconv",
    title="Blueprint separable convolution (BSConv-U, BSConv-S)",
    family="compact convolutions",
    paper=BLUEPRINT,
    formula=formula,
    params=(
        Param(
            "variant",
            "choice",
            "u",
            "u: unconstrained, one 1x1 convolution; s: subspace, two",
            choices=("u", "s"),
            samples=("s",),
        ),
        Param(
            "p",
            "fraction",
            Fraction(1, 4),
            "channels of the subspace as a share of c_in, for variant s",
            most=Fraction(1),
            letter="p",
            samples=(Fraction(1, 6),),
        ),
        Param("norm", "bool", False, "batch norm after each 1x1 convolution", samples=(True,)),
        Param("bias", "bool", False, "a bias in the depthwise convolution", samples=(True,)),
    ),
    derived=(
        Derived(
            "mid",
            subspace,
            lambda g, v: f"channels of the subspace (variant s): ceil(p * c_in) = ceil({v['p']} * {g.c_in})",
        ),
        Derived("has_subspace", lambda g, variant: variant == "s"),
    ),
    rules=(ONE_GROUP,),
    policy=Policy("every convolution with a kernel larger than 1x1", spatial),
    equations=(
        Equation(
            "parameters of BSConv-U, not numbered",
            "M * N + N * K^2",
            _LETTERS,
            "params",
            given={**_PLAIN, "variant": "u"},
        ),
        Equation(
            "parameters of BSConv-S with M' = M_1, not numbered",
            "M * M_1 + M_1 * N + N * K^2",
            _LETTERS,
            "params",
            given={**_PLAIN, "variant": "s"},
        ),
    ),
    notes=_notes,
    samples=({"variant": "s", "p": Fraction(1, 6), "norm": True}, {"variant": "s", "bias": True}),
)

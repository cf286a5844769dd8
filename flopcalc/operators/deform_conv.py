"""Deformable convolution: each tap is read at its place plus an offset that a second convolution computes."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, exact_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, Site, spatial
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Equation, Paper

DCN_V1 = Paper(
    key="dai2017deformable",
    authors=("Dai, Jifeng", "Qi, Haozhi", "Xiong, Yuwen", "Li, Yi", "Zhang, Guodong", "Hu, Han", "Wei, Yichen"),
    title="Deformable Convolutional Networks",
    venue="ICCV",
    year=2017,
    arxiv="1703.06211",
    doi="10.1109/ICCV.2017.89",
    pages="764-773",
)
DCN_V2 = Paper(
    key="zhu2019deformable",
    authors=("Zhu, Xizhou", "Hu, Han", "Lin, Stephen", "Dai, Jifeng"),
    title="Deformable ConvNets v2: More Deformable, Better Results",
    venue="CVPR",
    year=2019,
    arxiv="1811.11168",
    doi="10.1109/CVPR.2019.00953",
    pages="9308-9316",
)


def formula(g: Geometry, offset_groups: Dim, offset_channels: Dim, modulated: bool, bias: bool) -> Iterable[Part]:
    """A convolution for the offsets (v2: and the mask), then a convolution of interpolated taps."""
    places = offset_groups * g.area
    yield parts.conv("offset", g.c_in, offset_channels, g.area, g.p_in, g.p_out, bias=True)
    yield from parts.when(modulated, lambda: (parts.called("Sigmoid", parts.act("mask", places, g.p_out)),))
    yield _sampled(g, places, modulated, bias)


def _sampled(g: Geometry, places: Dim, modulated: bool, bias: bool) -> Part:
    """The convolution itself. Each of its inputs takes 4 products and 3 sums, a mask one product more.

    The kernel always adds a bias (0 without one), and always reads a mask (of v1 one number for each sample).
    """
    plain = parts.conv("conv", g.c_in, g.c_out, g.area, g.p_in, g.p_out, groups=g.groups, bias=bias)
    taps = g.c_in * g.area * g.p_out
    size = g.c_out * g.p_out
    weights = exact_div(g.c_out * g.c_in, g.groups) * g.area
    mask = places * g.p_out * int(modulated) + g.batch * int(not modulated)
    return plain._replace(
        adds=3 * taps + size,
        muls=(4 + int(modulated)) * taps,
        reads=weights + g.c_out + g.c_in * g.p_in + 2 * places * g.p_out + mask,
        after=("offset", "mask"),
        call="torchvision.ops.deform_conv2d",
        extra=(plain.macs + plain.adds,),
    )


def _groups_of_offsets(g: Geometry, named: Named) -> str | None:
    count = named["offset_groups"]
    return f"offset_groups = {count} does not divide c_in = {g.c_in}" if g.c_in % count else None


def _refuses(site: Site) -> str | None:
    return "the first convolution stays plain" if site.first else spatial(site)


def _notes(e: Evaluation) -> Iterable[str]:
    g = e.geometry
    macs = {part.name: part.macs for part in e.cost}
    yield (
        f"The convolution for the offsets has {macs['offset']:,} MACs, "
        f"{100 * macs['offset'] / macs['conv']:.1f} % of the convolution's {macs['conv']:,}."
    )
    yield (
        f"Interpolation, element-wise work: {4 if not e.named['modulated'] else 5} products and 3 sums for each of "
        f"{g.c_in * g.area * g.p_out:,} taps. Channels share the weights of the interpolation, not counted."
    )
    yield (
        "The kernel is torchvision's. Counters that do not know it find 0 for it, so that a network seems to become "
        "cheaper when its convolutions become deformable."
    )


OPERATOR = Operator(
    name="deform_conv",
    title="Deformable convolution (DCN v1, v2)",
    family="dynamic convolutions",
    paper=DCN_V2,
    formula=formula,
    params=(
        Param(
            "version",
            "choice",
            "v2",
            "v1: two offsets for each tap; v2: also a factor in (0, 1), the mask",
            choices=("v1", "v2"),
            samples=("v1",),
        ),
        Param("offset_groups", "int", 1, "groups of channels with offsets of their own", 1, letter="d", samples=(2, 4)),
        Param("bias", "bool", False, "a bias in the convolution; that of the offsets always has one", samples=(True,)),
    ),
    derived=(
        Derived("modulated", lambda g, version: version == "v2"),
        Derived("taps", lambda g: g.area),
        Derived(
            "offset_channels",
            lambda g, offset_groups, version: {"v1": 2, "v2": 3}[version] * offset_groups * g.area,
            lambda g, v: (
                f"channels of the convolution for the offsets: {2 + v['modulated']} * offset_groups * k_h * k_w"
                f" = {2 + v['modulated']} * {v['offset_groups']} * {g.k_h} * {g.k_w}"
            ),
        ),
    ),
    rules=(
        GROUPS_DIVIDE,
        Rule(
            "offset_groups divides c_in",
            _groups_of_offsets,
            "choose offset_groups that divides --cin (--set offset_groups=1)",
        ),
    ),
    limits=(Limit({}, equals="conv", surviving=("offset", "mask")),),
    policy=Policy("every convolution with a kernel larger than 1x1, except the first", _refuses),
    equations=(
        Equation(
            "channels of the offsets, Sec. 2.1",
            "2 * N",
            {"N": "taps"},
            "offset_channels",
            given={"version": "v1", "offset_groups": 1},
            paper=DCN_V1,
        ),
        Equation(
            "channels of offsets and mask, Sec. 3.2",
            "3 * K",
            {"K": "taps"},
            "offset_channels",
            given={"version": "v2", "offset_groups": 1},
        ),
    ),
    notes=_notes,
    samples=({"version": "v1", "offset_groups": 2, "bias": True},),
)

"""Self-calibrated convolution (SCConv of 2020): half of the channels are gated by a coarser view of the map."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, exact_div, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.operators._most import MOST_TIMES
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Named, Operator, Param, Policy, Rule, Site, spatial
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Paper

SCNET = Paper(
    key="liu2020improving",
    authors=("Liu, Jiang-Jiang", "Hou, Qibin", "Cheng, Ming-Ming", "Wang, Changhu", "Feng, Jiashi"),
    title="Improving Convolutional Networks with Self-Calibrated Convolutions",
    venue="CVPR",
    year=2020,
    doi="10.1109/CVPR42600.2020.01011",
    pages="10096-10105",
)


def coarse_positions(g: Geometry, pool: Dim) -> Dim:
    """Positions of the pooled map of one sample; what is left over at the edges is not pooled."""
    return floor_div(g.h, pool) * floor_div(g.w, pool)


def formula(g: Geometry, pool: Dim, half: Dim, coarse: Dim, norm: bool, activation: bool) -> Iterable[Part]:
    """K1 on one half; K2 on the pooled other half makes a gate for K3, and K4 follows. All are half -> half."""
    full, grid = g.p_in, g.p_out
    small = g.batch * coarse
    yield _conv(g, "k1", half, full, grid, INPUT)
    yield from parts.finish("k1", half, grid, norm, activation)
    yield parts.avg_pool("pool", half, full, small, pool**2, after=INPUT)
    yield _conv(g, "k2", half, small, small, ("pool",))
    yield from parts.finish("k2", half, small, norm, False)
    yield parts.upsample_to("upsample", half, small, full, n=g.batch)
    yield parts.add("sum", half, full)
    yield parts.called("Sigmoid", parts.act("gate", half, full))
    yield _conv(g, "k3", half, full, full, INPUT)
    yield from parts.finish("k3", half, full, norm, False)
    # Both factors are whole maps.
    yield parts.scale("calibrate", half, full, full, after=("gate", "k3", "k3.norm"))
    yield _conv(g, "k4", half, full, grid, ("calibrate",))
    yield from parts.finish("k4", half, grid, norm, activation)
    ends = ("k1", "k1.norm", "k1.act", "k4", "k4.norm", "k4.act")
    yield parts.copy("join", 2 * half * grid, after=ends)


def _conv(g: Geometry, name: str, half: Dim, p_in: Dim, p_out: Dim, after: tuple[str, ...]) -> Part:
    return parts.conv(name, half, half, g.area, p_in, p_out, after=after)


def _even(g: Geometry, named: Named) -> str | None:
    return f"{g.c_in} channels have no halves" if g.c_in % 2 else None


def _large_enough(g: Geometry, named: Named) -> str | None:
    pool = named["pool"]
    return f"a map of {g.h}x{g.w} has no window of {pool}x{pool}" if g.h < pool or g.w < pool else None


def _refuses(site: Site) -> str | None:
    return "the first convolution stays plain" if site.first else spatial(site)


def _notes(e: Evaluation) -> Iterable[str]:
    ratio = e.ratio("macs")
    yield (
        f"As many parameters as the plain convolution, and {float(ratio or 0):.4f} of its MACs: K2 works on the pooled "
        "map" + (", K3 on the whole input." if e.geometry.strided else ".")
    )
    yield (
        "The gate is enlarged by repeating positions, as the authors' code does; the paper says by bilinear "
        "interpolation, which is element-wise work: 4 products and 3 sums for each position and channel."
    )
    if not e.named["norm"]:
        yield "Counted without the batch norm after K1 to K4 and the ReLU after K1 and K4: --set norm=true adds them."


OPERATOR = Operator(
    name="self_calibrated",
    title="Self-calibrated convolution (SCConv 2020)",
    family="compact convolutions",
    paper=SCNET,
    formula=formula,
    params=(
        Param(
            "pool", "int", 4, "window and stride of the pooling before K2", 1, MOST_TIMES, letter="r", samples=(2, 1)
        ),
        Param("norm", "bool", False, "batch norm after K1 to K4, as in the authors' code", samples=(True,)),
        Param("activation", "bool", AUTO, "ReLU after K1 and K4", same_as="norm", samples=(True, False)),
    ),
    derived=(
        Derived(
            "half",
            lambda g: exact_div(g.c_in, 2),
            lambda g, v: f"channels of each of the four convolutions: c_in / 2 = {g.c_in} / 2",
        ),
        Derived("coarse", coarse_positions),
    ),
    rules=(
        EQUAL_CHANNELS,
        ONE_GROUP,
        SAME_PADDING,
        Rule("an even number of channels", _even, "choose an even --cin"),
        Rule("h and w are at least pool", _large_enough, "choose a smaller pool (--set pool=1), or a larger map"),
    ),
    policy=Policy(
        "every convolution with a kernel larger than 1x1, as many channels out as in, except the first", _refuses
    ),
    equations=(
        Equation(
            "parameters, from the sizes of K_1 to K_4, Sec. 3.2",
            "4 * C / 2 * C / 2 * k_h * k_w",
            {"C": "c_in", "k_h": "k", "k_w": "k"},
            "params",
            given={"norm": False},
        ),
    ),
    notes=_notes,
    samples=({"norm": True, "pool": 3},),
)

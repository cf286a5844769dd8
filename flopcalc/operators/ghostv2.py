"""The Ghost module of GhostNetV2: its output is gated by DFC attention, which sees a row and a column of a half map."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, ceil_div, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.operators._most import MOST_TAPS, MOST_TIMES
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, Site
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Paper

GHOSTNETV2 = Paper(
    key="tang2022ghostnetv2",
    authors=("Tang, Yehui", "Han, Kai", "Guo, Jianyuan", "Xu, Chang", "Xu, Chao", "Wang, Yunhe"),
    title="GhostNetV2: Enhance Cheap Operation with Long-Range Attention",
    venue="NeurIPS",
    year=2022,
    arxiv="2211.12905",
)


def formula(
    g: Geometry, m: Dim, s: Dim, d: Dim, reach: Dim, quarter: Dim, norm: bool, activation: bool, has_cheap: bool
) -> Iterable[Part]:
    """A Ghost module; next to it a gate from the map pooled 2 x 2: k x k, then along rows, then along columns."""
    yield parts.conv("primary", g.c_in, m, g.area, g.p_in, g.p_out, after=INPUT)
    yield from parts.finish("primary", m, g.p_out, norm, activation)
    yield from parts.when(has_cheap, lambda: _ghosts(g, m, s, d, norm, activation))
    yield from _attention(g, reach, g.batch * quarter, norm)
    maps = ("primary", "primary.norm", "primary.act", "join")
    # Both factors are whole maps.
    yield parts.scale("product", g.c_out, g.p_out, g.p_out, after=(*maps, "upsample"))


def _ghosts(g: Geometry, m: Dim, s: Dim, d: Dim, norm: bool, activation: bool) -> Iterable[Part]:
    extra = m * (s - 1)
    yield parts.conv("cheap", m, extra, d * d, g.p_out, g.p_out, groups=m)
    yield from parts.finish("cheap", extra, g.p_out, norm, activation)
    yield parts.copy("join", (m + extra) * g.p_out)


def _attention(g: Geometry, reach: Dim, small: Dim, norm: bool) -> Iterable[Part]:
    c = g.c_out
    yield parts.avg_pool("pool", g.c_in, g.p_in, small, 4, after=INPUT)
    yield parts.conv("point", g.c_in, c, g.area, small, small)
    yield from parts.finish("point", c, small, norm, False)
    yield parts.conv("horizontal", c, c, reach, small, small, groups=c)
    yield from parts.finish("horizontal", c, small, norm, False)
    yield parts.conv("vertical", c, c, reach, small, small, groups=c)
    yield from parts.finish("vertical", c, small, norm, False)
    yield parts.called("Sigmoid", parts.act("gate", c, small))
    yield parts.upsample_to("upsample", c, small, g.p_out, n=g.batch)


def _unit_stride(g: Geometry, named: Named) -> str | None:
    return "it has a stride" if g.strided else None


def _odd(g: Geometry, named: Named) -> str | None:
    for name in ("d", "reach"):
        if named[name] % 2 == 0:
            return f"{name} = {named[name]} is even, and its filters need a centre"
    return f"s = {named['s']} is more than c_out = {g.c_out}" if named["s"] > g.c_out else None


def _large_enough(g: Geometry, named: Named) -> str | None:
    return f"a map of {g.h}x{g.w} has no window of 2x2" if g.h < 2 or g.w < 2 else None


def _refuses(site: Site) -> str | None:
    if site.geometry.strided:
        return "it has a stride; GhostNetV2 strides in a depthwise convolution between two modules"
    return None


def _notes(e: Evaluation) -> Iterable[str]:
    names = ("point", "horizontal", "vertical")
    macs = {part.name: part.macs for part in e.cost}
    yield (
        f"DFC attention has {sum(macs[name] for name in names):,} MACs, {macs['point']:,} of them in its first "
        "convolution. That one has c_out channels on a quarter of the positions: it is not a cheap operation."
    )
    yield (
        f"The paper's fully connected layers over a column and a row, O(H^2 W + H W^2), are depthwise convolutions of "
        f"{e.named['reach']} positions in its code: {e.named['reach']} + {e.named['reach']} MACs for each channel and "
        "position of the pooled map."
    )
    if not e.named["norm"]:
        yield "Counted without the batch norms (five, as in the authors' code) and ReLU: --set norm=true adds them."


OPERATOR = Operator(
    name="ghostv2",
    title="Ghost module with DFC attention (GhostNetV2)",
    family="compact convolutions",
    paper=GHOSTNETV2,
    formula=formula,
    params=(
        Param(
            "s",
            "int",
            2,
            "maps made from each intrinsic map, itself included",
            1,
            MOST_TIMES,
            letter="s",
            samples=(1, 3),
        ),
        Param("d", "int", 3, "kernel of the cheap depthwise filters", 1, MOST_TAPS, letter="d", samples=(1, 5)),
        Param("reach", "int", 5, "positions of a row and of a column that the gate sees", 1, MOST_TAPS, letter="f"),
        Param("norm", "bool", False, "batch norm after all convolutions, as in the authors' code", samples=(True,)),
        Param("activation", "bool", AUTO, "ReLU after both steps of the Ghost module", same_as="norm", samples=(True,)),
    ),
    derived=(
        Derived(
            "m",
            lambda g, s: ceil_div(g.c_out, s),
            lambda g, v: f"intrinsic maps: ceil(c_out / s) = ceil({g.c_out} / {v['s']})",
        ),
        Derived("quarter", lambda g: floor_div(g.h, 2) * floor_div(g.w, 2)),
        Derived("has_cheap", lambda g, s: bool(s != 1)),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule("stride is 1", _unit_stride, "leave --stride at 1; GhostNetV2 strides between two modules"),
        Rule("d and reach are odd, s is at most c_out", _odd, "choose an odd d and reach, and a smaller s"),
        Rule("h and w are at least 2", _large_enough, "use a larger map"),
    ),
    limits=(
        Limit({}, equals="ghost", surviving=("pool", "point", "horizontal", "vertical", "gate", "upsample", "product")),
    ),
    policy=Policy("every convolution without stride, 1x1 included", _refuses),
    notes=_notes,
    samples=({"norm": True, "s": 3, "reach": 3},),
)

"""The ShuffleNet V2 unit: half of the channels are convolved; at a stride both branches convolve."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.spec.operator import AUTO, NOWHERE, Derived, Evaluation, Named, Operator, Param, Rule
from flopcalc.spec.rules import SAME_PADDING
from flopcalc.spec.source import Equation, Erratum, Evidence, Paper

SHUFFLENETV2 = Paper(
    key="ma2018shufflenet",
    authors=("Ma, Ningning", "Zhang, Xiangyu", "Zheng, Hai-Tao", "Sun, Jian"),
    title="ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
    venue="ECCV",
    year=2018,
    arxiv="1807.11164",
    doi="10.1007/978-3-030-01264-9_8",
    pages="122-138",
)


def narrow(g: Geometry, mid: Dim) -> Dim:
    """Channels of the depthwise convolution of the main branch."""
    return floor_div(g.c_out, 2) if mid is None else mid


def branch(g: Geometry, down: str) -> Dim:
    """Output channels of the main branch."""
    half = floor_div(g.c_out, 2)
    rest = {"authors": g.c_out - g.c_in, "torchvision": half}[down]
    return {True: rest, False: half}[g.strided]


def source(g: Geometry, made: Dim) -> Dim:
    """Input channels of the main branch: all at a stride, else one half."""
    return {True: g.c_in, False: made}[g.strided]


def formula(
    g: Geometry,
    m: Dim,
    made: Dim,
    kept: Dim,
    read: Dim,
    bias: bool,
    norm: bool,
    activation: bool,
    strided: bool,
    shuffles: bool,
) -> Iterable[Part]:
    """1x1, depthwise k x k and 1x1 on the main branch; one copy joins all channels and another shuffles them."""
    grid = g.p_out
    yield from parts.when(strided, lambda: _shortcut(g, kept, bias, norm, activation))
    yield parts.conv("reduce", read, m, 1, g.p_in, g.p_in, bias=bias, after=INPUT)
    yield from parts.finish("reduce", m, g.p_in, norm, activation)
    yield parts.conv("depthwise", m, m, g.area, g.p_in, grid, groups=m, bias=bias)
    yield from parts.finish("depthwise", m, grid, norm, False)
    yield parts.conv("expand", m, made, 1, grid, grid, bias=bias)
    yield from parts.finish("expand", made, grid, norm, activation)
    ends = ("side", "side.norm", "side.act", "expand", "expand.norm", "expand.act")
    yield parts.copy("join", (kept + made) * grid, after=ends)
    yield from parts.when(shuffles, lambda: (parts.copy("shuffle", g.c_out * grid),))


def _shortcut(g: Geometry, kept: Dim, bias: bool, norm: bool, activation: bool) -> Iterable[Part]:
    yield parts.conv("side_depthwise", g.c_in, g.c_in, g.area, g.p_in, g.p_out, groups=g.c_in, bias=bias)
    yield from parts.finish("side_depthwise", g.c_in, g.p_out, norm, False)
    yield parts.conv("side", g.c_in, kept, 1, g.p_out, g.p_out, bias=bias)
    yield from parts.finish("side", kept, g.p_out, norm, activation)


def _shapes(g: Geometry, named: Named) -> str | None:
    if not g.strided and g.c_in != g.c_out:
        return f"at stride 1 half of the input is unchanged, and c_in = {g.c_in} is not c_out = {g.c_out}"
    if g.strided and named["made"] < 1:
        return f"the side branch has c_in = {g.c_in} channels, and c_out = {g.c_out} has no more for the main branch"
    return None


def _groups(g: Geometry, named: Named) -> str | None:
    if g.c_out % 2:
        return f"c_out = {g.c_out} is odd"
    return f"groups = {g.groups} does not divide c_out = {g.c_out}" if g.c_out % g.groups else None


def _why_made(g: Geometry, named: Named) -> str:
    if g.strided and named["down"] == "authors":
        return f"main branch: c_out - c_in = {g.c_out} - {g.c_in}"
    return f"main branch: c_out // 2 = {g.c_out} // 2"


def _notes(e: Evaluation) -> Iterable[str]:
    yield "--groups is that of the channel shuffle; only the depthwise convolutions of the unit are grouped."
    if not e.named["norm"] and not e.named["activation"]:
        yield "Counted without batch norm and ReLU: --set norm=true adds them, as in the authors' code."
    if e.geometry.strided:
        other = {"authors": "torchvision", "torchvision": "authors"}[e.named["down"]]
        named = e.operator.derive(e.geometry, {**e.options, "down": other})
        if named["made"] > 0:
            macs = e.operator.cost(e.geometry, named).macs
            yield (
                f"Its authors' side branch keeps c_in channels, torchvision's has c_out // 2: with down="
                f"{e.named['down']} {e.cost.macs:,} MACs, with down={other} {macs:,}."
            )


OPERATOR = Operator(
    name="shuffle_unit_v2",
    title="ShuffleNet V2 unit",
    family="blocks",
    paper=SHUFFLENETV2,
    formula=formula,
    params=(
        Param(
            "mid",
            "int",
            AUTO,
            "channels of the main branch's depthwise convolution",
            1,
            auto="c_out // 2",
            samples=(12,),
        ),
        Param(
            "down",
            "choice",
            "authors",
            "at a stride: the side branch has c_in (authors) or c_out // 2 output channels (torchvision)",
            choices=("authors", "torchvision"),
            samples=("torchvision",),
        ),
        Param("bias", "bool", False, "a bias in all convolutions", samples=(True,)),
        Param("norm", "bool", False, "batch norm after each convolution", samples=(True,)),
        Param("activation", "bool", AUTO, "ReLU after each 1x1 convolution", same_as="norm", samples=(True, False)),
    ),
    derived=(
        Derived(
            "m", narrow, lambda g, v: f"c_out // 2 = {g.c_out} // 2" if v["mid"] is None else "set by the option mid"
        ),
        Derived("made", branch, _why_made),
        Derived("kept", lambda g, made: g.c_out - made, lambda g, v: "side branch: the rest of c_out"),
        Derived("read", source),
        Derived("strided", lambda g: g.strided),
        Derived("shuffles", lambda g: bool(g.groups != 1) and bool(g.groups != g.c_out)),
    ),
    rules=(
        SAME_PADDING,
        Rule(
            "stride 1 and c_in = c_out, or a stride and c_out > c_in",
            _shapes,
            "at stride 1 leave --cout out; at a stride give a --cout larger than --cin",
        ),
        Rule("c_out is even, and groups divides it", _groups, "give an even --cout, and leave --groups at 2"),
    ),
    policy=NOWHERE,
    equations=(
        Equation(
            "channels that pass the channel split, Sec. 3",
            "c - cp",
            {"c": "c_in", "cp": "made"},
            "kept",
            sizes={"c_out": "c_in", "stride": 1},
        ),
    ),
    notes=_notes,
    baseline_text="conv k x k",
    shape={"groups": 2},
    samples=({"norm": True, "down": "torchvision"}, {"mid": 8, "norm": True}),
    errata=(
        Erratum(
            where="table 2, g = 8",
            printed="180 channels",
            right="184 channels; 8 groups do not divide 180",
            evidence=(
                Evidence("channels left over by 8 groups of 180", expression="180 % 8"),
                Evidence(
                    "by 8 groups of 184",
                    expression="184 % 8",
                    source="the authors confirm it: megvii-model/ShuffleNet-Series #35",
                ),
            ),
        ),
    ),
)

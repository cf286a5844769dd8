"""MobileOne's block: depthwise k x k, then 1x1; each is several branches in training and one convolution deployed."""

from collections.abc import Iterable
from fractions import Fraction

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, share
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.operators._excitation import excitation
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, spatial
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Paper

MOBILEONE = Paper(
    key="vasu2023mobileone",
    authors=(
        "Vasu, Pavan Kumar Anasosalu",
        "Gabriel, James",
        "Zhu, Jeff",
        "Tuzel, Oncel",
        "Ranjan, Anurag",
    ),
    title="MobileOne: An Improved One Millisecond Mobile Backbone",
    venue="CVPR",
    year=2023,
    arxiv="2206.04040",
    pages="7907-7917",
)

# The ends of the branches of each half, and the end of the depthwise half, whatever it has.
_ENDS = {
    "depthwise": ("depthwise.dense.norm", "depthwise.scale.norm", "depthwise.skip"),
    "pointwise": ("pointwise.dense.norm", "pointwise.skip"),
}
_MIDDLE = ("depthwise.conv", "depthwise.sum", "depthwise.se.scale", "depthwise.act")


def formula(
    g: Geometry,
    branches: Dim,
    m_in: Dim,
    m_out: Dim,
    trains: bool,
    has_scale: bool,
    skips_first: bool,
    skips_second: bool,
    excites: bool,
    activation: bool,
) -> Iterable[Part]:
    """The depthwise half, then the 1x1 half."""
    deep = parts.conv("depthwise.conv", g.c_in, g.c_in, g.area, g.p_in, g.p_out, groups=g.c_in, after=INPUT)
    yield from _half("depthwise", g, deep, branches, trains, has_scale, skips_first)
    yield from parts.when(excites, lambda: excitation("depthwise.se.", g.c_in, m_in, g.p_out, g.batch, True))
    yield from parts.when(activation, lambda: (parts.act("depthwise.act", g.c_in, g.p_out),))
    point = parts.conv("pointwise.conv", g.c_in, g.c_out, 1, g.p_out, g.p_out, after=_MIDDLE)
    yield from _half("pointwise", g, point, branches, trains, False, skips_second)
    yield from parts.when(excites, lambda: excitation("pointwise.se.", g.c_out, m_out, g.p_out, g.batch, True))
    yield from parts.when(activation, lambda: (parts.act("pointwise.act", g.c_out, g.p_out),))


def _half(name: str, g: Geometry, conv: Part, branches: Dim, trains: bool, scales: bool, skips: bool) -> Iterable[Part]:
    """One convolution with a bias, or branches of it, of a 1x1 and of the identity, each with batch norm."""
    size = conv.activations
    biased = conv._replace(params=conv.params + _channels(g, name), adds=size, reads=conv.reads + _channels(g, name))
    yield from parts.when(not trains, lambda: (biased,))
    yield from parts.when(trains, lambda: _branches(name, g, conv, branches, scales, skips))


def _channels(g: Geometry, name: str) -> Dim:
    return {"depthwise": g.c_in, "pointwise": g.c_out}[name]


def _branches(name: str, g: Geometry, conv: Part, branches: Dim, scales: bool, skips: bool) -> Iterable[Part]:
    c, grid, start = _channels(g, name), g.p_out, conv.after
    yield parts.parallel(branches, conv._replace(name=f"{name}.dense"))
    yield parts.parallel(branches, parts.norm(f"{name}.dense.norm", c, grid))
    scale = parts.conv(f"{name}.scale", c, c, 1, g.p_in, grid, groups=c, after=start)
    yield from parts.when(scales, lambda: (scale,))
    yield from parts.when(scales, lambda: (parts.norm(f"{name}.scale.norm", c, grid),))
    yield from parts.when(skips, lambda: (parts.norm(f"{name}.skip", c, grid, after=start),))
    yield parts.times(branches - 1 + int(scales) + int(skips), parts.add(f"{name}.sum", c, grid, after=_ENDS[name]))


def _some_channel(g: Geometry, named: Named) -> str | None:
    if named["excites"] and min(named["m_in"], named["m_out"]) < 1:
        return f"se = {named['se']} of {min(g.c_in, g.c_out)} channels is less than one channel"
    return None


def _notes(e: Evaluation) -> Iterable[str]:
    other = {"inference": "training", "training": "inference"}[e.named["mode"]]
    cost = e.operator.cost(e.geometry, e.operator.derive(e.geometry, {**e.options, "mode": other}))
    yield f"With mode={other}: {cost.params:,} parameters, {cost.macs:,} MACs, critical path {cost.steps}."
    yield "MobileOne-S0 has branches=4, S1 to S4 have 1; S4 has squeeze and excitation in its last blocks (se=1/16)."


OPERATOR = Operator(
    name="mobileone",
    title="MobileOne block",
    family="blocks",
    paper=MOBILEONE,
    formula=formula,
    params=(
        Param(
            "branches",
            "int",
            1,
            "branches of each convolution in training, the over-parameterisation factor",
            1,
            64,
            letter="b",
            samples=(4,),
        ),
        Param(
            "mode",
            "choice",
            "inference",
            "inference: two convolutions with biases; training: branches (only the forward pass is counted)",
            choices=("inference", "training"),
        ),
        Param(
            "se",
            "fraction",
            Fraction(0),
            "channels inside squeeze and excitation, as a share of the channels, after both halves; 0: none",
            Fraction(0),
            Fraction(1),
            samples=(Fraction(1, 16), Fraction(1, 4)),
        ),
        Param("activation", "bool", True, "ReLU after both halves", samples=(False,)),
    ),
    derived=(
        Derived("trains", lambda g, mode: mode == "training"),
        Derived("has_scale", lambda g: bool(g.k_h * g.k_w != 1)),
        Derived("skips_first", lambda g: not g.strided),
        Derived("skips_second", lambda g: bool(g.c_in == g.c_out)),
        Derived("excites", lambda g, se: bool(se != 0)),
        Derived("m_in", lambda g, se: share(se, g.c_in)),
        Derived("m_out", lambda g, se: share(se, g.c_out)),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule("se of the channels is at least 1, or se is 0", _some_channel, "set a larger se, or se=0"),
    ),
    limits=(Limit({}, equals="dsc", equals_options={"bias": True}),),
    policy=Policy("every convolution with a kernel larger than 1x1", spatial),
    notes=_notes,
    baseline_text="conv k x k",
    samples=(
        {"mode": "training"},
        {"mode": "training", "branches": 4},
        {"mode": "training", "branches": 2, "se": Fraction(1, 4), "activation": False},
    ),
)

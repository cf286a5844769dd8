"""Conv-shift-conv (ShiftNet): a 1x1 convolution to e c_out channels, a shift, a 1x1 convolution to c_out.

The stride is that of the last 1x1, so the first and the shift work on the input grid.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators.shift_only import SHIFTNET, SPATIAL, offsets_fit, shift
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Operator, Param, Policy, Rule, Site, spatial
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING


def formula(g: Geometry, mid: Dim, norm: bool, activation: bool) -> Iterable[Part]:
    """1x1, shift, 1x1; with norm a batch norm after both convolutions, ReLU only between them."""
    yield parts.conv("expand", g.c_in, mid, 1, g.p_in, g.p_in)
    yield from parts.finish("expand", mid, g.p_in, norm, activation)
    yield shift("shift", g, mid)
    yield parts.conv("project", mid, g.c_out, 1, g.p_in, g.p_out)
    yield from parts.when(norm, lambda: (parts.norm("project.norm", g.c_out, g.p_out),))


def _not_first(site: Site) -> str | None:
    return "the first convolution stays plain, as in ShiftResNet" if site.first else spatial(site)


def _notes(e: Evaluation) -> Iterable[str]:
    share = e.cost.total("traffic")
    moved = next(part.traffic for part in e.cost if part.name == "shift")
    yield f"The shift has no FLOPs and no parameters, and {100 * moved / share:.0f} % of the traffic."


OPERATOR = Operator(
    name="shift",
    title="Conv-shift-conv block",
    family="blocks",
    paper=SHIFTNET,
    formula=formula,
    params=(
        Param(
            "expansion",
            "int",
            1,
            "channels between the 1x1 convolutions, over c_out",
            1,
            1024,
            letter="e",
            samples=(3, 9),
        ),
        Param("norm", "bool", False, "batch norm after both convolutions, as in ShiftResNet", samples=(True,)),
        Param("activation", "bool", AUTO, "ReLU before the shift", same_as="norm", samples=(True, False)),
    ),
    derived=(
        Derived(
            "mid",
            lambda g, expansion: expansion * g.c_out,
            lambda g, v: f"channels that are shifted: {v['expansion']} * {g.c_out}",
        ),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule(
            "at least one shifted channel for each offset",
            lambda g, named: offsets_fit(g, named["mid"]),
            "use a smaller kernel, more channels or a larger expansion",
        ),
    ),
    policy=Policy("every convolution with a kernel larger than 1x1, except the first", _not_first),
    equations=SPATIAL,
    notes=_notes,
)

"""Squeeze and excitation by itself: a weight for each channel, without a spatial convolution."""

from collections.abc import Iterable

from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._conv3x3 import conv3x3
from flopcalc.operators._excitation import SENET, excitation_of_input
from flopcalc.spec.operator import Derived, Evaluation, Named, Operator, Param, Policy, Rule
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, single_tap
from flopcalc.spec.source import Equation


def formula(g: Geometry, m: Dim, bias: bool) -> Iterable[Part]:
    """Two 1x1 convolutions on one position; pooling and scaling are element-wise work."""
    yield from excitation_of_input("", g.c_in, m, g.p_in, g.batch, bias)


def _some_width(g: Geometry, named: Named) -> str | None:
    return f"c_in / reduction = {g.c_in} / {named['reduction']} is less than one channel" if named["m"] < 1 else None


def _notes(e: Evaluation) -> Iterable[str]:
    g, m = e.geometry, e.named["m"]
    yield (
        f"{2 * g.c_in * m:,} MACs per sample at any resolution; only the element-wise work of pooling "
        f"and scaling grows with it, {2 * g.c_in * g.h * g.w:,} operations here, which read the map twice."
    )


OPERATOR = Operator(
    name="se",
    title="Squeeze and excitation",
    family="blocks",
    paper=SENET,
    formula=formula,
    params=(
        Param(
            "reduction",
            "int",
            4,
            "c_in over the channels between the two 1x1 convolutions; the paper uses 16",
            1,
            letter="r",
            samples=(2, 1),
        ),
        Param("bias", "bool", True, "a bias in both 1x1 convolutions", samples=(False,)),
    ),
    derived=(
        Derived(
            "m",
            lambda g, reduction: floor_div(g.c_in, reduction),
            lambda g, v: (
                f"channels between the convolutions: floor(c_in / reduction) = floor({g.c_in} / {v['reduction']})"
            ),
        ),
    ),
    rules=(
        EQUAL_CHANNELS,
        ONE_GROUP,
        single_tap("squeeze and excitation has no kernel, no stride and no padding"),
        Rule(
            "at least one channel between the convolutions",
            _some_width,
            "set a smaller reduction, or use more channels",
        ),
    ),
    policy=Policy("no convolution", lambda site: "squeeze and excitation only scales channels"),
    equations=(
        Equation(
            "additional parameters of one block, after Sec. 4 of the paper",
            "2 / r * C^2",
            {"r": "reduction", "C": "c_in"},
            "params",
            given={"bias": False},
            domain=lambda g, named: bool(g.c_in % named["reduction"] == 0),
            domain_text="r divides C",
        ),
    ),
    notes=_notes,
    baseline=conv3x3,
    baseline_text="conv 3x3",
    shape={"k": 1},
)

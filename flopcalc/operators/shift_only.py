"""The shift by itself (ShiftNet): channels in groups, each moved by one of the k x k offsets. No FLOPs, no parameters.

Each offset takes floor(c / k^2) channels; the others are not moved, as those of the centre.
Zeros are moved in at the border.

Nothing is computed, but data moves: the module pads the input, then concatenates one window of
it for each offset, two kernels. A kernel written for this would read and write each element once.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Evaluation, Named, Operator, Policy, Rule
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Paper

SHIFTNET = Paper(
    key="wu2018shift",
    authors=(
        "Wu, Bichen",
        "Wan, Alvin",
        "Yue, Xiangyu",
        "Jin, Peter",
        "Zhao, Sicheng",
        "Golmant, Noah",
        "Gholaminejad, Amir",
        "Gonzalez, Joseph",
        "Keutzer, Kurt",
    ),
    title="Shift: A Zero FLOP, Zero Parameter Alternative to Spatial Convolutions",
    venue="CVPR",
    year=2018,
    arxiv="1711.08141",
    pages="9127-9135",
)


def shift(name: str, g: Geometry, c: Dim) -> Part:
    """The move of c channels on the input grid: zero padding, then one window for each offset."""
    padded = g.batch * (g.h + 2 * g.padding_h) * (g.w + 2 * g.padding_w)
    pad = Part(name, "move", reads=c * g.p_in, writes=c * padded)
    return parts.chain(name, pad, parts.copy(name, c * g.p_in))


def offsets_fit(g: Geometry, c: int) -> str | None:
    """Why there are too few channels, in words, or None."""
    return f"{c} channels are too few for {g.area} offsets" if c < g.area else None


def formula(g: Geometry) -> Iterable[Part]:
    """All channels, moved."""
    yield shift("shift", g, g.c_in)


def _unstrided(g: Geometry, named: Named) -> str | None:
    return "it has a stride, and a shift does not change the grid" if g.strided else None


def _notes(e: Evaluation) -> Iterable[str]:
    g = e.geometry
    each, left = divmod(g.c_in, g.area)
    yield f"Each of the {g.area} offsets moves {each} channels; left in place: {left}."
    yield (
        f"Traffic is that of two kernels, padding and concatenation; a kernel written for it would move "
        f"{2 * g.c_in * g.p_in:,} elements."
    )


_LETTERS = {"D_K": "k", "M": "c_in", "N": "c_out", "D_F": "h_out"}


def square_map(g: Geometry, named: Named) -> bool:
    """Whether the map is square, as the paper's letters assume."""
    return bool(g.h_out == g.w_out)


# The convolution with which the paper compares the shift.
SPATIAL = (
    Equation("parameters of a spatial convolution, Sec. 3", "D_K^2 * M * N", _LETTERS, "baseline_params"),
    Equation(
        "cost of a spatial convolution, Sec. 3",
        "D_K^2 * M * N * D_F^2",
        _LETTERS,
        "baseline_macs",
        domain=square_map,
        domain_text="h = w",
    ),
)

OPERATOR = Operator(
    name="shift_only",
    title="Shift: channels moved, nothing computed",
    family="compact convolutions",
    paper=SHIFTNET,
    formula=formula,
    rules=(
        EQUAL_CHANNELS,
        Rule("stride is 1", _unstrided, "leave --stride at 1"),
        ONE_GROUP,
        SAME_PADDING,
        Rule(
            "at least one channel for each offset",
            lambda g, named: offsets_fit(g, g.c_in),
            "use a smaller kernel or more channels",
        ),
    ),
    policy=Policy(
        "no convolution: by itself it does not mix channels",
        lambda site: "a shift by itself does not mix channels; the operator shift does",
    ),
    equations=(
        Equation("parameters of the shift, in the title", "0", {}, "params"),
        Equation("FLOPs of the shift, in the title", "0", {}, "macs"),
        *SPATIAL,
    ),
    notes=_notes,
)

"""Group-equivariant convolution: a feature map is a function on p4 (rotations) or p4m (with mirrors).

Each of c maps has G channels, one for each rotation by 90 degrees (G = 4), mirrored or not (G = 8). The
lifting layer takes a plain image; a later layer takes c_in * G channels. c_in and c_out count maps.

The weights are transformed copies of a few: part `filters` gathers them to the filter bank of a plain
convolution, (c_out G) x (c_in G) x k x k, and part `conv` is that convolution. The gather runs at every
forward; in inference the bank could be kept.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry, by, short
from flopcalc.cost.parts import NOTHING
from flopcalc.operators._slides import SLIDES
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Equation, Paper

GCNN = Paper(
    key="cohen2016group",
    authors=("Cohen, Taco S.", "Welling, Max"),
    title="Group Equivariant Convolutional Networks",
    venue="ICML",
    year=2016,
    arxiv="1602.07576",
    pages="2990-2999",
)

_ORDER = {"p4": 4, "p4m": 8}


def _channels_in(group: str, lifting: bool) -> int:
    return {True: 1, False: _ORDER[group]}[lifting]


def formula(g: Geometry, order: Dim, order_in: Dim, planar: Dim, bias: bool) -> Iterable[Part]:
    """The gather of the filter bank, the bias for all G channels of a map, and the plain convolution."""
    weights = g.c_out * g.c_in * order_in * g.area
    # For each of G transformations, where each weight of one pair of maps comes from.
    index = order * order_in * g.area
    spread = Part("spread", "move", params=g.c_out, reads=g.c_out, writes=g.c_out * order, after=NOTHING)
    filters = Part("filters", "move", params=weights, reads=planar + index, writes=planar, after=NOTHING)
    # What torchinfo makes of a module whose output has no batch.
    first = order * g.c_out
    yield filters._replace(call="own module, 2 products of sizes", extra=(first * weights,))
    yield from parts.when(bias, lambda: (spread._replace(call="own module", extra=(first * g.c_out,)),))
    conv = parts.conv(
        "conv",
        g.c_in * order_in,
        g.c_out * order,
        g.area,
        g.p_in,
        g.p_out,
        bias=bias,
        after=("filters", "spread", "input0"),
    )
    yield conv._replace(params=0, call="F.conv")


def _square(g: Geometry, named: Named) -> str | None:
    for name, pair in (("kernel", g.kernel), ("stride", g.stride), ("padding", g.padding), ("dilation", g.dilation)):
        if pair[0] != pair[1]:
            return f"the {name} {by(pair)} is not square, and the operator rotates it by 90 degrees"
    return None


def exact_under_rotation(g: Geometry) -> bool:
    """Whether the windows are symmetric on the input, so that a rotated input has rotated windows."""
    spans = ((g.h, g.padding_h, g.dilation_h, g.k_h, g.stride_h), (g.w, g.padding_w, g.dilation_w, g.k_w, g.stride_w))
    return all((size + 2 * pad - gap * (k - 1) - 1) % stride == 0 for size, pad, gap, k, stride in spans)


def _notes(e: Evaluation) -> Iterable[str]:
    g, order, order_in = e.geometry, e.named["order"], e.named["order_in"]
    yield (
        f"c_in and c_out count maps of {e.named['group']}; the tensors have {g.c_in * order_in} and "
        f"{g.c_out * order} channels. The ratio compares with a plain convolution of c_in and c_out channels."
    )
    if not e.named["lifting"]:
        yield (
            f"With c / sqrt({order}) maps instead of c channels the parameters are those of a convolution, and the "
            f"MACs {order} times as many."
        )
    if not exact_under_rotation(g):
        yield f"At stride {short(g.stride)} this size is not exactly equivariant: the windows end before the last row."


_LETTERS = {"K_l": "c_out", "K_m": "c_in", "S_l": "order", "S_m": "order_in", "n": "k"}
_NO_BIAS = {"bias": False}

OPERATOR = Operator(
    name="gconv",
    title="Group-equivariant convolution (p4, p4m)",
    family="convolutions",
    paper=GCNN,
    formula=formula,
    params=(
        Param(
            "group",
            "choice",
            "p4",
            "rotations by 90 degrees (p4), with mirrors (p4m)",
            choices=("p4", "p4m"),
            samples=("p4m",),
        ),
        Param("lifting", "bool", False, "the first layer, which takes a plain image", samples=(True,)),
        Param("bias", "bool", False, "one bias for each output map, shared by its channels", samples=(True,)),
    ),
    derived=(
        Derived("order", lambda g, group: _ORDER[group], lambda g, v: f"channels of an output map: {v['group']}"),
        Derived(
            "order_in",
            lambda g, group, lifting: _channels_in(group, lifting),
            lambda g, v: "channels of an input map" + (": a plain image" if v["lifting"] else ""),
        ),
        Derived(
            "planar",
            lambda g, order, order_in: g.c_out * order * g.c_in * order_in * g.area,
            lambda g, v: "weights of the plain convolution that computes it",
        ),
    ),
    rules=(ONE_GROUP, Rule("square kernel, stride, padding and dilation", _square, "give one number for both axes")),
    limits=(Limit({"order": 1, "order_in": 1}, equals="conv"),),
    policy=Policy(
        "no convolution: a map has several channels", lambda site: "the layers around it would need maps of the group"
    ),
    equations=(
        # The paper writes K^l, K^(l-1), S^l, S^(l-1).
        Equation("filter bank F, Sec. 7", "K_l * K_m * S_m * n * n", _LETTERS, "params", given=_NO_BIAS),
        Equation("planar filter bank F+, Sec. 7", "K_l * S_l * K_m * S_m * n * n", _LETTERS, "planar"),
        Equation(
            "slides: more maps, no more parameters",
            "K_l * K_m * n * n",
            _LETTERS,
            "params",
            status="corrected",
            right="K_l * K_m * S_m * n * n",
            why="True for the lifting layer only. A later filter has a weight for each of the G channels of an "
            "input map: All-CNN-C keeps its 1.37M parameters in p4 only by halving the maps.",
            given={"lifting": False, "bias": False},
            paper=SLIDES,
        ),
    ),
    notes=_notes,
    samples=({"group": "p4m", "lifting": True, "bias": True}, {"group": "p4m", "bias": True}),
    c_in_of=lambda channels, options: channels // _channels_in(options["group"], options["lifting"]),
    in_shape=lambda g, named: (g.c_in * named["order_in"], g.h, g.w),
    out_shape=lambda g, named: (g.c_out * named["order"], g.h_out, g.w_out),
)

"""CBAM: a weight for each channel, then a weight for each position, each from means and maxima."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import GIVEN, INPUT
from flopcalc.operators._conv3x3 import conv3x3
from flopcalc.operators._gates import POLICY, RULES
from flopcalc.operators._most import MOST_TAPS
from flopcalc.spec.operator import Derived, Evaluation, Named, Operator, Param, Rule
from flopcalc.spec.source import Equation, Paper

CBAM = Paper(
    key="woo2018cbam",
    authors=("Woo, Sanghyun", "Park, Jongchan", "Lee, Joon-Young", "Kweon, In So"),
    title="CBAM: Convolutional Block Attention Module",
    venue="ECCV",
    year=2018,
    arxiv="1807.06521",
    doi="10.1007/978-3-030-01234-2_1",
    pages="3-19",
)


def formula(g: Geometry, m: Dim, window: Dim, bias: bool, norm: bool) -> Iterable[Part]:
    """Two 1x1 convolutions on the mean and on the maximum of each channel; a convolution 2 -> 1 on the map."""
    yield from _channels(g, m, bias)
    yield from _positions(g, window, norm)


def _channels(g: Geometry, m: Dim, bias: bool) -> Iterable[Part]:
    c, p, n = g.c_in, g.p_in, g.batch
    yield parts.global_avg_pool("channel.mean", c, p, n, after=INPUT)
    yield Part("channel.max", "maxpool", other=c * p, reads=c * p, writes=n * c, after=INPUT, call="AdaptiveMaxPool")
    # Both descriptors go through the same weights.
    for_both = ("channel.mean", "channel.max")
    yield _twice(parts.conv("channel.reduce", c, m, 1, n, n, bias=bias, after=for_both))
    yield _twice(parts.act("channel.act", m, n))
    yield _twice(parts.conv("channel.expand", m, c, 1, n, n, bias=bias))
    yield parts.add("channel.sum", c, n)
    yield parts.called("Sigmoid", parts.act("channel.gate", c, n))
    yield parts.scale("channel.scale", c, p, n, after=(GIVEN, "channel.gate"))


def _twice(part: Part) -> Part:
    """The same layer on two inputs: its weights are there once."""
    return parts.parallel(2, part)._replace(params=part.params)


def _positions(g: Geometry, window: Dim, norm: bool) -> Iterable[Part]:
    c, p = g.c_in, g.p_in
    ready = ("channel.scale",)
    yield Part("spatial.mean", "other", adds=c * p, other=p, reads=c * p, writes=p, after=ready, call="mean")
    yield Part("spatial.max", "other", other=c * p, reads=c * p, writes=p, after=ready, call="amax")
    yield parts.copy("spatial.join", 2 * p, after=("spatial.mean", "spatial.max"))
    yield parts.conv("spatial.conv", 2, 1, window**2, p, p)
    yield from parts.when(norm, lambda: (parts.norm("spatial.norm", 1, p),))
    yield parts.called("Sigmoid", parts.act("spatial.gate", 1, p))
    yield Part("spatial.scale", "mul", muls=c * p, reads=c * p + p, writes=c * p)


def _some_width(g: Geometry, named: Named) -> str | None:
    if named["m"] < 1:
        return f"c_in / reduction = {g.c_in} / {named['reduction']} is less than one channel"
    return None


def _odd(g: Geometry, named: Named) -> str | None:
    return None if named["window"] % 2 else f"window = {named['window']} is even, and has no centre"


def _notes(e: Evaluation) -> Iterable[str]:
    spatial = next(part.macs for part in e.cost if part.name == "spatial.conv")
    work = sum(part.adds + part.muls + part.other for part in e.cost)
    yield (
        f"{e.cost.macs:,} MACs, {spatial:,} of them in the convolution over positions; {work:,} element-wise "
        "operations: means, maxima and products read the whole map six times."
    )
    if not e.named["norm"] or not e.named["bias"]:
        yield (
            "The authors' code has a batch norm after the convolution over positions (--set norm=true) and biases in "
            "the 1x1 convolutions (--set bias=true); the paper's text names neither."
        )


OPERATOR = Operator(
    name="cbam",
    title="CBAM: convolutional block attention module",
    family="blocks",
    paper=CBAM,
    formula=formula,
    params=(
        Param(
            "reduction",
            "int",
            16,
            "c_in over the channels between the two 1x1 convolutions",
            1,
            letter="r",
            samples=(4, 1),
        ),
        Param("window", "int", 7, "kernel of the convolution over positions", 1, MOST_TAPS, letter="f", samples=(3,)),
        Param("bias", "bool", False, "a bias in both 1x1 convolutions, as in the authors' code", samples=(True,)),
        Param("norm", "bool", False, "batch norm after the convolution over positions", samples=(True,)),
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
        *RULES,
        Rule(
            "at least one channel between the convolutions",
            _some_width,
            "set a smaller reduction, or use more channels",
        ),
        Rule("window is odd", _odd, "choose an odd window: 3, 5, 7, ..."),
    ),
    policy=POLICY,
    equations=(
        Equation(
            "sizes of W_0 and W_1, Sec. 3, after eq. 2",
            "C / r * C + C * C / r",
            {"C": "c_in", "r": "reduction"},
            "params of channel",
            given={"bias": False},
            domain=lambda g, named: bool(g.c_in % named["reduction"] == 0),
            domain_text="r divides C",
        ),
    ),
    notes=_notes,
    baseline=conv3x3,
    baseline_text="conv 3x3",
    shape={"k": 1},
    samples=({"reduction": 4, "bias": True, "norm": True},),
)

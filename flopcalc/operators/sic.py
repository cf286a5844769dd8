"""SIC: single intra-channel convolution. b times: depthwise k x k, 1x1 projection, residual, ReLU.

`form=parallel` is the earlier "bases" form: b filters for each channel at once and one projection of
b n channels to n; it has the same multiplications. With `dims` the projection is topological: the
channels are on a torus of that shape and each output reads one neighbourhood of them.

The models behind the paper's 42, 4.5 and 6.5 times fewer computations stay open: their tables were looked for in text
copies of both versions and in public repositories, and neither they nor code of the authors were found.
"""

from collections.abc import Iterable
from math import prod
from typing import Any

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._most import MOST_COPIES
from flopcalc.operators._topology import channels_of, halves, misfit, text
from flopcalc.spec.channel_map import ChannelMap, of_group, on_torus
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, spatial
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, SAME_PADDING, UNIT_STRIDE
from flopcalc.spec.source import Equation, Erratum, Evidence, Paper

WANG = Paper(
    key="wang2017factorized",
    authors=("Wang, Min", "Liu, Baoyuan", "Foroosh, Hassan"),
    title="Factorized Convolutional Neural Networks",
    venue="ICCVW",
    year=2017,
    arxiv="1608.04337",
    doi="10.1109/ICCVW.2017.71",
    pages="545-553",
)


def neighbours(dims: tuple[int, ...] | None, neighbourhood: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The neighbourhood given, or half of each dimension, rounded up; None without dims."""
    if dims is None:
        return None
    return halves(dims) if neighbourhood is None else neighbourhood


def connections(g: Geometry, near: tuple[int, ...] | None) -> Dim:
    """Input channels that each output of the projection reads."""
    return g.c_in if near is None else prod(near)


def formula(g: Geometry, b: Dim, stages: Dim, bases: Dim, connected: Dim, topological: bool) -> Iterable[Part]:
    """`stages` stages in a row, each with `bases` filters for each channel."""
    n, grid = g.c_in, g.p_out
    wide = bases * n
    inner = parts.conv("intra", n, wide, g.area, g.p_in, grid, groups=n)
    yield parts.times(stages, inner)
    # A topological projection gathers the neighbours of each output channel, then multiplies them by the weights.
    seen = bases * connected
    yield from parts.when(
        topological, lambda: (parts.times(stages, parts.copy("gather", n * seen * grid, index=n * seen)),)
    )
    inputs, groups = {True: (n * seen, n), False: (wide, 1)}[topological]
    yield parts.times(stages, parts.conv("projection", inputs, n, 1, grid, grid, groups=groups))
    yield parts.times(stages, parts.add("residual", n, grid))
    yield parts.times(stages, parts.act("activation", n, grid))


def _dims_fit(g: Geometry, named: Named) -> str | None:
    dims, near = named["dims"], named["near"]
    if dims is None:
        return "neighbourhood is given without dims" if named["neighbourhood"] is not None else None
    return misfit(dims, near, g.c_in)


def _why_near(g: Geometry, named: Named) -> str:
    if named["near"] is None:
        return f"a dense projection reads all {g.c_in} channels"
    return f"the product of the neighbourhood {text(named['near'])}"


def _notes(e: Evaluation) -> Iterable[str]:
    b, n, area = e.named["b"], e.geometry.c_in, e.geometry.area
    limit = n * area / (n + area)
    cheaper = e.cost.macs < e.baseline.macs
    if not e.named["topological"] and round(limit, 2) < area:
        yield (
            f"Cheaper than the plain convolution only for b < n k^2 / (n + k^2) = {limit:.2f}; the printed b < k^2 = "
            f"{area} is not enough. Here b = {b} is {'cheaper' if cheaper else 'not cheaper'}."
        )
    if e.named["form"] == "stacked":
        yield (
            f"The stages run one after the other: the critical path has {e.cost.steps} kernels, "
            "so fewer MACs may not run faster."
        )


def _channel_map(g: Geometry, named: Named, channel: int) -> ChannelMap:
    """That of one projection, on the outputs of the convolution before it."""
    if named["near"] is None:
        return of_group(g, channel)
    return on_torus(named["dims"], named["near"], channel)


_LETTERS = {"n": "c_in", "k": "k", "b": "b", "h": "h", "w": "w"}
_DENSE = {"dims": None}
_EXACT_RATIO = "b / k^2 + b / n"


def _always_dense(text: str, gives: str, number: str, **rest: Any) -> Equation:
    return Equation(number, text, _LETTERS, gives, given=_DENSE, **rest)


OPERATOR = Operator(
    name="sic",
    title="Single intra-channel convolution",
    family="compact convolutions",
    paper=WANG,
    formula=formula,
    params=(
        Param("b", "int", 2, "stages, or bases in the parallel form", 1, MOST_COPIES, letter="b", samples=(1, 3)),
        Param(
            "form",
            "choice",
            "stacked",
            "b stages in a row, or b bases and one projection",
            choices=("stacked", "parallel"),
            samples=("parallel",),
        ),
        Param("dims", "ints", AUTO, "shape of the channel torus of a topological projection", auto="none: dense"),
        Param(
            "neighbourhood",
            "ints",
            AUTO,
            "channels that an output reads along each of dims",
            auto="half of each of dims, rounded up",
        ),
    ),
    derived=(
        Derived("near", lambda g, dims, neighbourhood: neighbours(dims, neighbourhood)),
        Derived("connected", connections, _why_near),
        Derived("topological", lambda g, dims: dims is not None),
        Derived("stages", lambda g, b, form: {"stacked": b, "parallel": 1}[form]),
        Derived("bases", lambda g, b, form: {"stacked": 1, "parallel": b}[form]),
    ),
    rules=(
        EQUAL_CHANNELS,
        UNIT_STRIDE,
        ONE_GROUP,
        SAME_PADDING,
        Rule(
            "the product of dims is n, and neighbourhood fits in dims",
            _dims_fit,
            "give dims with the product --cin, and one neighbourhood size for each, not larger than the dim",
        ),
    ),
    limits=(Limit({"b": 1, "stages": 1, "bases": 1}, equals="dsc"),),
    policy=Policy("every convolution with a kernel larger than 1x1, as many channels out as in, stride 1", spatial),
    equations=(
        Equation("standard cost, not numbered", "n^2 * k^2 * h * w", _LETTERS, "baseline_macs"),
        _always_dense("b * (n * k^2 + n^2) * h * w", "macs", "cost of SIC, not numbered"),
        _always_dense("b * (n * k^2 + n^2)", "params", "parameters of SIC, not numbered"),
        _always_dense(
            "b * n^2 * h * w",
            "macs",
            "cost of SIC, approximated",
            status="asymptotic",
            right="b * (n * k^2 + n^2) * h * w",
            why="It leaves out b n k^2, the intra-channel part.",
        ),
        _always_dense(
            "b / k^2",
            "macs_ratio",
            "share of the standard cost",
            status="asymptotic",
            right=_EXACT_RATIO,
            why="True for n much larger than k^2. Otherwise b < k^2 does not make it cheaper: k = 3, b = 8, n = 64 "
            "costs 1.014 convolutions. The condition is b < n k^2 / (n + k^2).",
        ),
        Equation(
            "topological projection, not numbered",
            "b * n * (k^2 + c) * h * w",
            {**_LETTERS, "c": "connected"},
            "macs",
            domain=lambda g, named: named["topological"],
            domain_text="dims are given",
        ),
    ),
    notes=_notes,
    default_c_in=channels_of,
    channel_map=_channel_map,
    errata=(
        Erratum(
            where="on the number of bases",
            printed="with b < k^2 the layer is cheaper than a convolution",
            right="it is cheaper only for b < n k^2 / (n + k^2)",
            evidence=(
                Evidence(
                    "cost over a convolution, n = 64, k = 3, b = 8",
                    operator="sic",
                    shape={"c_in": 64, "b": 8},
                    field="macs_ratio",
                ),
                Evidence("the same with b = 7", operator="sic", shape={"c_in": 64, "b": 7}, field="macs_ratio"),
                Evidence("n k^2 / (n + k^2)", expression="64 * 9 / (64 + 9)"),
            ),
        ),
    ),
    samples=(
        {"dims": (4, 6)},
        {"dims": (2, 3, 4), "neighbourhood": (1, 2, 3)},
        {"dims": (24,), "neighbourhood": (24,), "form": "parallel", "b": 3},
    ),
)

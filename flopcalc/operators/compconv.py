"""CompConv: divide and conquer over channels, after the fast Fourier transform.

With p = C_prim and depth d, smallest block first:

B(d-1) = conv of the whole input, c_in -> p                                   part `primary`
B(i-1) = conv of [A(i), B(i)], 2^(d-i) p -> 2^(d-i) p, for i = d-1 .. 1        part `chain`
A(0)   = conv of B(0), 2^(d-1) p -> 2^(d-1) p                                 part `tail`
A(i)   = copies of input channels, i >= 1, consecutive, smallest first
out    = [B(d-1), A(d-1), .., B(0), A(0)]: 2 (2^d - 1) p channels, surplus cut from A(0), shuffled

The sources do not say how the copies follow a stride, nor how many groups the shuffle has; no code of the authors
was found. `identity`, `shuffle` and `shuffle_groups` choose; only the pooling and the copies depend on them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, ceil_div, floor_log2, maximum, minimum, summation
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, spatial
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Erratum, Evidence, Paper

COMPCONV = Paper(
    key="zhang2021compconv",
    authors=("Zhang, Chen", "Xu, Yinghao", "Shen, Yujun"),
    title="CompConv: A Compact Convolution Module for Efficient Feature Learning",
    venue="CVPRW",
    year=2021,
    arxiv="2106.10486",
    pages="3012-3021",
)

_RULES = {"max": maximum, "min": minimum}


def ruled_depth(g: Geometry, c0: Dim, depth_rule: str) -> Dim:
    """Eq. 6, with log2 floored where C_in / C_0 is not a power of two."""
    return _RULES[depth_rule](floor_log2(maximum(g.c_in, c0), c0) + 1, 3)


def _depth(g: Geometry, c0: Dim, depth: Dim, depth_rule: str) -> Dim:
    return ruled_depth(g, c0, depth_rule) if depth is None else depth


def prim(g: Geometry, d: Dim, plain: bool) -> Dim:
    """Eq. 5: channels of the smallest block. A depth of 0 is a plain convolution: all channels."""
    return g.c_out if plain else ceil_div(g.c_out, 2 * (2**d - 1))


def formula(
    g: Geometry,
    d: Dim,
    c_prim: Dim,
    tail: str,
    norm: bool,
    activation: bool,
    plain: bool,
    averaged: bool,
    largest: bool,
    shuffle: bool,
) -> Iterable[Part]:
    """The four steps of the module's docstring; at depth 0 a plain convolution."""
    grid = g.p_out
    yield from parts.when(averaged, lambda: (_pooled(parts.pool_to_stride, g, d, c_prim),))
    yield from parts.when(largest, lambda: (_pooled(parts.max_pool, g, d, c_prim),))
    yield parts.conv("primary", g.c_in, c_prim, g.area, g.p_in, grid, after=INPUT)
    yield from parts.finish("primary", c_prim, grid, norm, activation)
    yield from parts.when(not plain, lambda: _recursion(g, d, c_prim, tail, norm, activation))
    yield from parts.when(not plain, lambda: _joined(g, shuffle))


def _pooled(pool: Callable[..., Part], g: Geometry, d: Dim, p: Dim) -> Part:
    """The identity copies on the output's grid. A strided slice instead of a pooling is a view, without a kernel."""
    return pool("identity", (2 ** (d - 1) - 1) * p, g.p_in, g.p_out, g.stride_h * g.stride_w)


def _joined(g: Geometry, shuffle: bool) -> Iterable[Part]:
    cat, moved = parts.copy("join", g.c_out * g.p_out), parts.copy("shuffle", g.c_out * g.p_out, index=g.c_out)
    yield from parts.when(shuffle, lambda: (parts.chain("join", cat, moved),))
    yield from parts.when(not shuffle, lambda: (cat,))


def _recursion(g: Geometry, d: Dim, p: Dim, tail: str, norm: bool, activation: bool) -> Iterable[Part]:
    grid, area = g.p_out, g.area
    half = 2 ** (d - 1) * p
    levels = d - 1
    # Level j = 1 .. d - 1 concatenates and convolves 2^j p channels; all levels together are one part.
    channels = summation(lambda j: 2**j * p, 1, levels)
    weights = summation(lambda j: (2**j * p) ** 2, 1, levels) * area

    size = channels * grid
    before = ("identity", "primary", "primary.norm", "primary.act")
    yield Part("chain_join", "move", reads=size, writes=size, steps=levels, after=before)
    yield Part(
        "chain",
        "conv",
        params=weights,
        macs=weights * grid,
        activations=size,
        reads=weights + size,
        writes=size,
        steps=levels,
    )
    for part in parts.finish("chain", channels, grid, norm, activation):
        yield part._replace(steps=levels)
    yield parts.conv("tail", half, half, area, grid, grid, groups={"conv": 1, "depthwise": half}[tail])
    yield from parts.finish("tail", half, grid, norm, activation)


def channel_plan(d: int, p: int, c_out: int) -> tuple[int, int]:
    """(channels copied from the input, surplus channels cut from A(0)) at depth d >= 1."""
    return (2 ** (d - 1) - 1) * p, 2 * (2**d - 1) * p - c_out


def _feasible(g: Geometry, named: Named) -> str | None:
    if named["plain"]:
        return None
    d, p = named["d"], named["c_prim"]
    copies, surplus = channel_plan(d, p, g.c_out)
    if copies > g.c_in:
        return f"at depth {d}, {copies} input channels are copied, and the input has {g.c_in}"
    if surplus >= 2 ** (d - 1) * p:
        return f"at depth {d}, {surplus} surplus channels are not fewer than the channels of A(0), {2 ** (d - 1) * p}"
    return None


def _groups_fit(g: Geometry, named: Named) -> str | None:
    if named["shuffle"] and not named["plain"] and named["shuffle_groups"] > g.c_out:
        return f"shuffle_groups = {named['shuffle_groups']} is more than c_out = {g.c_out}"
    return None


def shuffled(channels: int, groups: int) -> list[int]:
    """The order of the channels after the shuffle: the first of each group, then the second of each, and so on.

    The channels are cut into groups of equal size; where groups does not divide them, the last group is smaller.
    """
    size = -(-channels // groups)
    return [place for first in range(size) for place in range(first, channels, size)]


def _why_depth(g: Geometry, named: Mapping[str, Any]) -> str:
    if named["depth"] is not None:
        return "set by the option depth"
    rule, c0 = named["depth_rule"], named["c0"]
    return f"eq. 6: {rule}(floor(log2(max(1, {g.c_in} / {c0}))) + 1, 3)"


def _why_prim(g: Geometry, named: Mapping[str, Any]) -> str:
    if named["plain"]:
        return "depth 0: a plain convolution"
    return f"eq. 5: ceil({g.c_out} / (2 (2^{named['d']} - 1)))"


def _notes(e: Evaluation) -> Iterable[str]:
    g, named, operator = e.geometry, e.named, e.operator
    if named["plain"]:
        return
    other_tail = {"conv": "depthwise", "depthwise": "conv"}[named["tail"]]
    other = operator.cost(g, operator.derive(g, {**e.options, "tail": other_tail}))
    form = {"conv": "corrected, squared", "depthwise": "printed, unsquared"}
    yield (
        f"Eq. 8, last term: {form[named['tail']]} here (tail={named['tail']}): {e.cost.macs:,} MACs; "
        f"{form[other_tail]} (tail={other_tail}): {other.macs:,}."
    )
    if named["depth"] is None:
        by_rule = {rule: ruled_depth(g, named["c0"], rule) for rule in _RULES}
        other_rule = {"max": "min", "min": "max"}[named["depth_rule"]]
        text = (
            f"Eq. 6 prints max, its prose (at most 3) means min: max gives d = {by_rule['max']}, "
            f"min gives d = {by_rule['min']}; depth_rule={named['depth_rule']} is used."
        )
        if by_rule["max"] != by_rule["min"]:
            other_named = operator.derive(g, {**e.options, "depth_rule": other_rule})
            text += f" With {other_rule}: {operator.cost(g, other_named).macs:,} MACs."
        yield text
    yield (
        f"Each convolution waits for the one before: the critical path has {e.cost.steps} kernels, "
        "so fewer MACs may not run faster."
    )


_COST = {"H": "h_out", "W": "w_out", "k": "k", "C_in": "c_in", "C_prim": "c_prim", "d": "d"}
_DEPTH = {"C_in": "c_in", "C_0": "c0"}
_AS_PRINTED = "H * W * k^2 * (C_in * C_prim + sum(i, 1, d - 1, (2^i * C_prim)^2) + 2^(d - 1) * C_prim)"
_SQUARED = "H * W * k^2 * (C_in * C_prim + sum(i, 1, d - 1, (2^i * C_prim)^2) + (2^(d - 1) * C_prim)^2)"
_MAX = "max(log2(max(1, C_in / C_0)) + 1, 3)"
_MIN = "min(log2(max(1, C_in / C_0)) + 1, 3)"
_PROSE = (
    "The prose limits d to at most 3, says that a larger C_0 compresses less and that depth adapts by layer: "
    "that is min. depth_rule chooses; max, as printed, is the default."
)


OPERATOR = Operator(
    name="compconv",
    title="CompConv: divide-and-conquer convolution",
    family="compact convolutions",
    paper=COMPCONV,
    formula=formula,
    # typical: eq. 6 gives 3 for every c_in up to 512.
    params=(
        Param("c0", "int", 128, "C_0 of the depth rule; the paper uses 128 for VGG and ResNet", 1, samples=(32, 512)),
        Param(
            "depth",
            "int",
            AUTO,
            "the depth d itself; 0 is a plain convolution",
            0,
            64,
            auto="by the rule",
            letter="d",
            stands_for="d",
            typical=3,
            samples=(0, 1, 2, 4),
        ),
        Param(
            "depth_rule",
            "choice",
            "max",
            "eq. 6 as printed (max) or as its prose means it (min)",
            choices=("max", "min"),
            samples=("min",),
        ),
        Param(
            "tail",
            "choice",
            "conv",
            "A(0): a convolution (eq. 8 corrected) or depthwise (eq. 8 as printed)",
            choices=("conv", "depthwise"),
            samples=("depthwise",),
        ),
        Param(
            "identity",
            "choice",
            "average",
            "the identity copies at a stride: pooled, or every stride-th position",
            choices=("average", "max", "slice"),
            samples=("max", "slice"),
        ),
        Param("shuffle", "bool", True, "the channel shuffle at the end", samples=(False,)),
        Param("shuffle_groups", "int", 2, "groups of the channel shuffle", 2, samples=(4,)),
        Param("norm", "bool", False, "batch norm after each convolution", samples=(True,)),
        Param("activation", "bool", AUTO, "ReLU after each convolution", same_as="norm", samples=(True, False)),
    ),
    derived=(
        Derived("plain", lambda g, depth: bool(depth == 0)),
        Derived("averaged", lambda g, plain, identity: g.strided and not plain and identity == "average"),
        Derived("largest", lambda g, plain, identity: g.strided and not plain and identity == "max"),
        Derived("d", _depth, _why_depth),
        Derived("c_prim", prim, _why_prim),
        Derived("channels", lambda g, d, c_prim: 2 * (2**d - 1) * c_prim),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule(
            "(2^(d-1) - 1) C_prim <= c_in, and the surplus fits A(0)",
            _feasible,
            "set a smaller depth (--set depth=1), or use more channels",
        ),
        Rule("shuffle_groups is at most c_out", _groups_fit, "set fewer groups, or --set shuffle=false"),
    ),
    limits=(Limit({"depth": 0, "plain": True, "norm": False, "activation": False}, equals="conv"),),
    policy=Policy("every convolution with a kernel larger than 1x1", spatial),
    equations=(
        Equation(
            "4",
            "sum(i, 1, d, 2^i * C_prim)",
            {"d": "d", "C_prim": "c_prim"},
            "channels",
            given={"plain": False},
            domain_text="d >= 1",
        ),
        Equation(
            "5",
            "ceil(C_out / (2 * (2^d - 1)))",
            {"C_out": "c_out", "d": "d"},
            "c_prim",
            given={"plain": False},
            domain_text="d >= 1",
        ),
        Equation("6", _MAX, _DEPTH, "d", status="open", right=_MIN, why=_PROSE, floor=True, given={"depth": None}),
        Equation(
            "7",
            "H * W * k^2 * C_in * C_out",
            {"H": "h_out", "W": "w_out", "k": "k", "C_in": "c_in", "C_out": "c_out"},
            "baseline_macs",
        ),
        Equation(
            "8",
            _AS_PRINTED,
            _COST,
            "macs",
            status="corrected",
            right=_SQUARED,
            why="The last term lacks its square: the figure draws the tail as a Conv like the others, and that "
            "costs the square of its channels. Against it: the paper's 20 % at C_in = C_out, d = 3 fits the "
            "unsquared form (17.3 to 20.5 %), not the squared one (never under 25.51 %).",
            given={"tail": "conv", "plain": False},
            domain_text="d >= 1",
        ),
        Equation("8", _AS_PRINTED, _COST, "macs", given={"tail": "depthwise", "plain": False}, domain_text="d >= 1"),
    ),
    notes=_notes,
    errata=(
        Erratum(
            where="on the depth",
            printed="the deeper the recursion, the cheaper the module",
            right="C_prim is rounded up, and so are all blocks made of it: beyond a depth the cost grows again",
            evidence=tuple(
                Evidence(
                    f"cost over a convolution, C_in = C_out = 1024, k = 3, d = {depth}",
                    operator="compconv",
                    shape={"c_in": 1024, "depth": depth},
                    field="macs_ratio",
                )
                for depth in (5, 6, 7)
            ),
        ),
    ),
)

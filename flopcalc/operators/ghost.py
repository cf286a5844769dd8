"""The Ghost module: a convolution computes a few maps, cheap depthwise filters make the others from them."""

from collections.abc import Iterable
from typing import Any

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, ceil_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._most import MOST_TAPS, MOST_TIMES
from flopcalc.operators._slides import SLIDES
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, Site
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Equation, Erratum, Evidence, Paper

GHOSTNET = Paper(
    key="han2020ghostnet",
    authors=("Han, Kai", "Wang, Yunhe", "Tian, Qi", "Guo, Jianyuan", "Xu, Chunjing", "Xu, Chang"),
    title="GhostNet: More Features from Cheap Operations",
    venue="CVPR",
    year=2020,
    arxiv="1911.11907",
    doi="10.1109/CVPR42600.2020.00165",
    pages="1577-1586",
)


def intrinsic(g: Geometry, s: Dim) -> Dim:
    """Maps that the convolution computes."""
    return ceil_div(g.c_out, s)


def formula(
    g: Geometry, s: Dim, d: Dim, m: Dim, bias: bool, norm: bool, activation: bool, has_cheap: bool
) -> Iterable[Part]:
    """The m maps of a k x k convolution and m (s - 1) of depthwise d x d filters, concatenated and cut to c_out."""
    yield parts.conv("primary", g.c_in, m, g.area, g.p_in, g.p_out, bias=bias)
    yield from parts.finish("primary", m, g.p_out, norm, activation)
    yield from parts.when(has_cheap, lambda: _ghosts(g, m, s, d, bias, norm, activation))


def _ghosts(g: Geometry, m: Dim, s: Dim, d: Dim, bias: bool, norm: bool, activation: bool) -> Iterable[Part]:
    extra = m * (s - 1)
    # m groups of s - 1 filters with d * d taps each, each on a single map.
    cheap = parts.conv("cheap", m, extra, d * d, g.p_out, g.p_out, groups=m, bias=bias)
    yield cheap
    yield from parts.finish("cheap", extra, g.p_out, norm, activation)
    yield parts.copy("join", (m + extra) * g.p_out)


def _odd_d(g: Geometry, named: Named) -> str | None:
    return None if named["d"] % 2 else f"d = {named['d']} is even, and a cheap filter needs a centre"


def _enough_maps(g: Geometry, named: Named) -> str | None:
    if named["s"] > g.c_out:
        return f"s = {named['s']} is more than c_out = {g.c_out}"
    return None


def _no_stem(site: Site) -> str | None:
    if site.first and site.geometry.strided:
        return "a strided first convolution stays plain: this fits the figures of Ghost-ResNet-50 (2.15 G, not 2.10 G)"
    return None


def _s_divides(g: Geometry, named: Named) -> bool:
    return bool(g.c_out % named["s"] == 0)


def _notes(e: Evaluation) -> Iterable[str]:
    m, s, c_out = e.named["m"], e.named["s"], e.geometry.c_out
    if m * s > c_out:
        yield f"s = {s} does not divide c_out = {c_out}: {m * s} maps are computed, {m * s - c_out} dropped."
    d, bias = e.named["d"], int(e.named["bias"])
    each = f"d^2 + 1 = {d**2 + 1}" if bias else f"d^2 = {d**2}"
    if d == 1 and bias:
        yield "The slides' 1 + 1 parameters per ghost map; the published module has d = 3 and no bias, so 9."
    else:
        yield (
            f"The slides' 1 + 1 parameters per ghost map are wrong for the published module: a ghost map has {each}."
        )


_LETTERS = {"c": "c_in", "k": "k", "d": "d", "s": "s"}
_EXACT = "(c * k * k) / (1 / s * c * k * k + (s - 1) / s * d * d)"


def _ratio(number: str, gives: str, given: Named) -> tuple[Equation, ...]:
    """The three forms in which the paper prints its ratio: exact, and simplified twice."""

    def form(step: str, text: str, **rest: Any) -> Equation:
        return Equation(
            number + step, text, _LETTERS, gives, given=given, domain=_s_divides, domain_text="s divides n", **rest
        )

    return (
        form("", _EXACT),
        form(
            ", simplified",
            "s * c / (s + c - 1)",
            status="asymptotic",
            right=_EXACT,
            why="It sets d = k. GhostNet itself has k = 1 and d = 3, where c = 16 and s = 2 give 1.28, not 1.88.",
        ),
        form(
            ", simplified again",
            "s",
            status="asymptotic",
            right=_EXACT,
            why="It also assumes that s is much smaller than c.",
        ),
    )


OPERATOR = Operator(
    name="ghost",
    title="Ghost module",
    family="compact convolutions",
    paper=GHOSTNET,
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
            samples=(1, 3, 4),
        ),
        Param("d", "int", 3, "kernel of the cheap depthwise filters", 1, MOST_TAPS, letter="d", samples=(1, 5)),
        Param("bias", "bool", False, "a bias in both steps", samples=(True,)),
        Param("norm", "bool", False, "batch norm after both steps, as in the authors' code", samples=(True,)),
        Param("activation", "bool", AUTO, "ReLU after both steps", same_as="norm", samples=(True, False)),
    ),
    derived=(
        Derived("m", intrinsic, lambda g, v: f"intrinsic maps: ceil(c_out / s) = ceil({g.c_out} / {v['s']})"),
        Derived("has_cheap", lambda g, s: bool(s != 1)),
    ),
    rules=(
        ONE_GROUP,
        Rule("d is odd", _odd_d, "choose an odd d: 1, 3, 5, ..."),
        Rule("s is at most c_out", _enough_maps, "choose a smaller s"),
    ),
    limits=(Limit({"s": 1}, equals="conv"),),
    takes_bias=False,
    policy=Policy("every convolution, 1x1 included, except a strided first one", _no_stem),
    equations=(*_ratio("4", "speedup", {}), *_ratio("5", "compression", {"norm": False, "bias": False})),
    notes=_notes,
    errata=(
        Erratum(
            where="on the Ghost module",
            printed="1 + 1 parameters for each further map",
            right="d^2 parameters, 9 at d = 3, in the published module; 1 + 1 is d = 1 with a bias",
            evidence=(
                Evidence(
                    "weights of the cheap filters, 16 -> 64 at k = 1, s = 2, for 32 further maps",
                    operator="ghost",
                    shape={"c_in": 16, "c_out": 64, "k": 1},
                    field="part:cheap",
                ),
                Evidence(
                    "the same at d = 1 with a bias",
                    operator="ghost",
                    shape={"c_in": 16, "c_out": 64, "k": 1, "d": 1, "bias": True},
                    field="part:cheap",
                ),
            ),
            paper=SLIDES,
        ),
        Erratum(
            where="on the actual inference speed",
            printed="GhostNet is faster than MobileNetV3 at the same accuracy, measured on the authors' phone",
            right="with 0.65 of the MACs it processes 0.70 to 1.05 times as many images a second on other machines",
            evidence=(
                Evidence("MACs of GhostNet 1.0x", network="ghostnet", field="macs"),
                Evidence("MACs of MobileNetV3-Large", network="mobilenet_v3_large", field="macs"),
                *(
                    Evidence(
                        f"images a second of GhostNet 1.0x over those of MobileNetV3-Large, {where}",
                        expression=f"{ghostnet} / {mobilenet}",
                        source="published benchmark results of timm",
                    )
                    for where, ghostnet, mobilenet in (
                        ("CPU i9-10940X, float32, compiled, batch 1", "122.98", "176.25"),
                        ("RTX 3090, mixed float16, eager, batch 1024", "9881.78", "11135.72"),
                        ("RTX 4090, mixed float16, compiled, batch 256", "25628.25", "24474.85"),
                    )
                ),
            ),
        ),
    ),
)

"""HetConv: each filter has k x k kernels on 1 / P of the input channels and 1x1 kernels on the others.

Filters in group i of P have k x k kernels on the channels of group i (part `gwc`, a group
convolution) and 1x1 kernels on all others. form=exact computes exactly this: the channels of the other
groups are gathered for each group and go through a grouped 1x1 convolution. form=masked is the
authors' code: a full 1x1 convolution whose weights on the own group are kept at zero.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.operators._measured import resnet50_times
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, Site, spatial
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Erratum, Evidence, Paper

HETCONV = Paper(
    key="singh2019hetconv",
    authors=("Singh, Pravendra", "Verma, Vinay Kumar", "Rai, Piyush", "Namboodiri, Vinay P."),
    title="HetConv: Heterogeneous Kernel-Based Convolutions for Deep CNNs",
    venue="CVPR",
    year=2019,
    arxiv="1903.04120",
    pages="4835-4844",
)


def formula(g: Geometry, part: Dim, gathers: bool, points: bool, seen: Dim, point_groups: Dim) -> Iterable[Part]:
    """The k x k convolution of each group, and the sum with the 1x1 kernels."""
    yield parts.conv("gwc", g.c_in, g.c_out, g.area, g.p_in, g.p_out, groups=part, after=INPUT)
    yield from parts.when(gathers, lambda: (parts.copy("gather", seen * g.p_in, index=seen, after=INPUT),))
    yield from parts.when(points, lambda: _points(g, seen, point_groups, gathers))


def _points(g: Geometry, seen: Dim, groups: Dim, gathers: bool) -> Iterable[Part]:
    conv = parts.conv("pwc", seen, g.c_out, 1, g.p_in, g.p_out, groups=groups, after=("gather",))
    masked = conv._replace(call="Conv subclass", extra=(g.batch * conv.params,))
    yield from parts.when(gathers, lambda: (conv,))
    yield from parts.when(not gathers, lambda: (masked,))
    yield parts.add("sum", g.c_out, g.p_out, after=("gwc", "pwc"))


def _seen(g: Geometry, part: Dim, form: str) -> Dim:
    # Each of the P groups reads the channels of the P - 1 others.
    return {"exact": (part - 1) * g.c_in, "masked": g.c_in}[form]


def _divides(g: Geometry, named: Named) -> str | None:
    part = named["part"]
    if g.c_in % part or g.c_out % part:
        return f"part = {part} does not divide both c_in = {g.c_in} and c_out = {g.c_out}"
    return None


def _not_first(site: Site) -> str | None:
    return "the first convolution stays plain, as in the paper's networks" if site.first else spatial(site)


def _notes(e: Evaluation) -> Iterable[str]:
    operator, g, form = e.operator, e.geometry, e.named["form"]
    other = {"exact": "masked", "masked": "exact"}[form]
    cost = operator.cost(g, operator.derive(g, {**e.options, "form": other}))
    text = {
        "exact": "1x1 kernels only on the channels without a k x k kernel, as the paper's formula counts",
        "masked": "a full 1x1 convolution with zeros on the own group, as in the authors' code: k^2 / P + 1",
    }
    yield f"form={form}: {text[form]}. {e.cost.macs:,} MACs here; form={other}: {cost.macs:,} ({text[other]})."
    if e.named["gathers"]:
        yield f"The exact form gathers {e.named['seen']} channels first, which MACs do not show."


_LETTERS = {"D_o": "h_out", "M": "c_in", "N": "c_out", "K": "k", "P": "part"}
_LETTERS_RATIO = {"K": "k", "P": "part"}
_EXACT = {"form": "exact"}
_COST = "D_o * D_o * M * N * K * K / P + D_o * D_o * N * (M - M / P)"
_RATIO = "1 / P + (1 - 1 / P) / K^2"


def _square(g: Geometry, named: Named) -> bool:
    return bool(g.h_out == g.w_out)


OPERATOR = Operator(
    name="hetconv",
    title="HetConv: heterogeneous kernels",
    family="compact convolutions",
    paper=HETCONV,
    formula=formula,
    params=(
        Param("part", "int", 4, "P: one in P input channels gets a k x k kernel", 1, letter="P", samples=(1, 2, 8)),
        Param(
            "form",
            "choice",
            "exact",
            "exact: 1x1 kernels as in the formula; masked: a full 1x1 with zeros, as in the authors' code",
            choices=("exact", "masked"),
            samples=("masked",),
        ),
    ),
    derived=(
        Derived("gathers", lambda g, part, form: bool(part != 1 and form == "exact")),
        Derived("points", lambda g, part, form: bool(part != 1 or form == "masked")),
        Derived("seen", _seen),
        Derived("point_groups", lambda g, part, form: {"exact": part, "masked": 1}[form]),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule("part divides c_in and c_out", _divides, "choose a part that divides both channel counts"),
    ),
    limits=(Limit({"part": 1}, equals="conv"),),
    policy=Policy("every convolution with a kernel larger than 1x1, except the first", _not_first),
    equations=(
        Equation(
            "cost FL_HC = FL_K + FL_1",
            _COST,
            _LETTERS,
            "macs",
            given=_EXACT,
            domain=_square,
            domain_text="a square feature map",
        ),
        Equation("ratio R_HetConv", _RATIO, _LETTERS_RATIO, "macs_ratio", given=_EXACT),
    ),
    notes=_notes,
    errata=(
        Erratum(
            where="abstract, on speed",
            printed="an improvement in speed of 3 to 8 times, based on FLOPs, at the same accuracy",
            right="FLOPs are no measure of its speed: in the form that the paper's formula counts, ResNet-50 with it "
            "was slower on a GPU; the authors' code also multiplies by 1x1 weights that it keeps at zero, which the "
            "formula leaves out",
            evidence=(
                *resnet50_times("hetconv"),
                Evidence(
                    "MACs of the authors' code over the paper's formula, 64 -> 64, k = 3, P = 4",
                    expression="(9 / 4 + 1) / (9 / 4 + 3 / 4)",
                    source="the authors confirm it: irvinxav/Efficient-HetConv-Heterogeneous-Kernel-Based-Convolutions "
                    "#2",
                ),
            ),
        ),
    ),
    samples=({"form": "masked", "part": 2}, {"form": "masked", "part": 8}),
)

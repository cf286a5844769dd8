"""GSConv: half of the output channels from a convolution, the other half from a depthwise one on those."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, exact_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._most import MOST_TAPS
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Named, Operator, Param, Policy, Rule, Site, spatial
from flopcalc.spec.source import Equation, Erratum, Evidence, Paper

SLIM_NECK = Paper(
    key="li2022slimneck",
    authors=("Li, Hulin", "Li, Jun", "Wei, Hanbing", "Liu, Zheng", "Zhan, Zhenfei", "Ren, Qiliang"),
    title="Slim-neck by GSConv: A better design paradigm of detector architectures for autonomous vehicles",
    venue="arXiv",
    year=2022,
    arxiv="2206.02424",
)


def formula(g: Geometry, half: Dim, d: Dim, norm: bool, activation: bool) -> Iterable[Part]:
    """The convolution has the stride; the depthwise d x d works on its result. Both halves are shuffled."""
    grid = g.p_out
    yield parts.conv("primary", g.c_in, half, g.area, g.p_in, grid, groups=g.groups)
    yield from parts.finish("primary", half, grid, norm, activation, "Mish")
    yield parts.conv("depthwise", half, half, d * d, grid, grid, groups=half)
    yield from parts.finish("depthwise", half, grid, norm, activation, "Mish")
    yield parts.copy("join", 2 * half * grid)
    yield parts.copy("shuffle", 2 * half * grid)


def _even(g: Geometry, named: Named) -> str | None:
    return f"c_out = {g.c_out} has no halves" if g.c_out % 2 else None


def _groups_divide(g: Geometry, named: Named) -> str | None:
    if g.c_in % g.groups or named["half"] % g.groups:
        return f"groups = {g.groups} does not divide both c_in = {g.c_in} and c_out / 2 = {named['half']}"
    return None


def _odd_d(g: Geometry, named: Named) -> str | None:
    return None if named["d"] % 2 else f"d = {named['d']} is even, and the depthwise filters need a centre"


def _refuses(site: Site) -> str | None:
    return "the first convolution stays plain" if site.first else spatial(site)


def _notes(e: Evaluation) -> Iterable[str]:
    yield (
        f"The depthwise convolution is {e.named['d']} x {e.named['d']} whatever the kernel of the first one is, as in "
        "the authors' code; the printed cost gives it the same kernel."
    )
    yield (
        "The authors use it in the neck of a detector, not in the backbone; --replace takes all convolutions with a "
        "kernel larger than 1x1, except the first."
    )
    if not e.named["norm"]:
        yield (
            "Counted without the batch norm and Mish after both convolutions: --set norm=true adds them. The authors' "
            "code for YOLOv5 and models_inPaper.py have Mish; their later code for YOLOv8 has SiLU, at the same cost."
        )


_LETTERS = {"W": "w_out", "H": "h_out", "K_1": "k", "K_2": "k", "C_1": "c_in", "C_2": "c_out", "d": "d"}

OPERATOR = Operator(
    name="gsconv",
    title="GSConv",
    family="compact convolutions",
    paper=SLIM_NECK,
    formula=formula,
    params=(
        Param("d", "int", 5, "kernel of the depthwise convolution", 1, MOST_TAPS, letter="d", samples=(3, 7)),
        Param("norm", "bool", False, "batch norm after both convolutions, as in the authors' code", samples=(True,)),
        Param(
            "activation",
            "bool",
            AUTO,
            "Mish after both convolutions, as in the authors' code for YOLOv5 (SiLU in that for YOLOv8)",
            same_as="norm",
            samples=(True, False),
        ),
    ),
    derived=(
        Derived(
            "half",
            lambda g: exact_div(g.c_out, 2),
            lambda g, v: f"channels of each half: c_out / 2 = {g.c_out} / 2",
        ),
    ),
    rules=(
        Rule("an even number of output channels", _even, "choose an even --cout; the authors' code drops one channel"),
        Rule("groups divides c_in and c_out / 2", _groups_divide, "choose groups that divides both"),
        Rule("d is odd", _odd_d, "choose an odd d: 3, 5, ..."),
    ),
    policy=Policy("every convolution with a kernel larger than 1x1, except the first", _refuses),
    equations=(
        Equation(
            "time complexity, Sec. 3",
            "W * H * K_1 * K_2 * C_2 / 2 * (C_1 + 1)",
            _LETTERS,
            "macs",
            status="corrected",
            right="W * H * C_2 / 2 * (K_1 * K_2 * C_1 + d * d)",
            why="The printed form gives the depthwise convolution the kernel K_1 x K_2 of the first one. In the "
            "authors' code it is 5 x 5 whatever K is; the two agree at K = 5 only.",
            domain=lambda g, named: bool(g.groups == 1),
            domain_text="one group",
        ),
    ),
    errata=(
        Erratum(
            where="Sec. 3, time complexity of the depthwise separable convolution",
            printed="O(W H K_1 K_2 1 C_2)",
            right="W H (K_1 K_2 C_1 + C_1 C_2): the printed term is the depthwise convolution alone",
            evidence=(
                Evidence(
                    "MACs of dsc, 64 -> 128 at 3 x 3 and 28 x 28",
                    operator="dsc",
                    shape={"c_in": 64, "c_out": 128, "hw": 28},
                    field="macs",
                ),
                Evidence("the printed term on that shape", expression="28 * 28 * 9 * 128"),
            ),
        ),
    ),
    notes=_notes,
    baseline_text="conv k x k",
)

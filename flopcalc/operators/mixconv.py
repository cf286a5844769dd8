"""MixConv (MixNet): a depthwise convolution with several kernel sizes, each for a part of the channels.

The parts are equal; the remainder goes to the first, as in the authors' code. The outputs are
concatenated, so there are as many channels out as in.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry, short
from flopcalc.cost.parts import INPUT
from flopcalc.spec.operator import Derived, Evaluation, Named, Operator, Param, Policy, Rule, Site, spatial
from flopcalc.spec.rules import EQUAL_CHANNELS, SAME_PADDING
from flopcalc.spec.source import Equation, Paper

MIXCONV = Paper(
    key="tan2019mixconv",
    authors=("Tan, Mingxing", "Le, Quoc V."),
    title="MixConv: Mixed Depthwise Convolutional Kernels",
    venue="BMVC",
    year=2019,
    arxiv="1907.09595",
)


def part_names(kernels: tuple[int, ...]) -> tuple[str, ...]:
    """A name for each part, by its kernel: 3x3, 5x5."""
    return tuple(f"{k}x{k}" for k in kernels)


def formula(g: Geometry, kernels: tuple[int, ...], c_first: Dim, c_rest: Dim, several: bool) -> Iterable[Part]:
    """One depthwise convolution for each kernel, in parallel, and the concatenation."""
    names = tuple(f"depthwise.{name}" for name in part_names(kernels))
    channels = (c_first, *(c_rest for _ in kernels[1:]))
    for name, k, c in zip(names, kernels, channels, strict=True):
        yield parts.conv(name, c, c, k * k, g.p_in, g.p_out, groups=c, after=INPUT)
    yield from parts.when(several, lambda: (parts.copy("join", g.c_out * g.p_out, after=names),))


def _kernels_fit(g: Geometry, named: Named) -> str | None:
    kernels = named["kernels"]
    if even := [k for k in kernels if k % 2 == 0]:
        return f"kernel {even[0]} is even, and all parts need the same output grid"
    if len(set(kernels)) < len(kernels):
        return f"kernels {','.join(map(str, kernels))} contain one size twice"
    if len(kernels) > g.c_in:
        return f"{len(kernels)} kernels are more than the {g.c_in} channels"
    return None


def _one_filter_per_channel(g: Geometry, named: Named) -> str | None:
    return f"groups = {g.groups}" if g.groups not in (1, g.c_in) else None


def _depthwise(site: Site) -> str | None:
    g = site.geometry
    if not g.groups == g.c_in == g.c_out:
        return "not depthwise; MixConv replaces depthwise convolutions"
    return spatial(site)


def _notes(e: Evaluation) -> Iterable[str]:
    if e.geometry.kernel != (3, 3):
        yield f"The kernels are those of the option; k = {short(e.geometry.kernel)} is that of the plain convolution."


def _square_kernel(index: int) -> Derived:
    """The kernel of one part, for the printed sizes; None where the part does not exist."""
    return Derived(f"k_{index + 1}", lambda g, kernels: dict(enumerate(kernels)).get(index))


OPERATOR = Operator(
    name="mixconv",
    title="MixConv: depthwise convolution with mixed kernels",
    family="compact convolutions",
    paper=MIXCONV,
    formula=formula,
    params=(
        Param(
            "kernels",
            "ints",
            (3, 5, 7),
            "kernel sizes, one for each part of the channels",
            samples=((3,), (3, 5, 7, 9, 11), (5, 1)),
        ),
    ),
    derived=(
        Derived(
            "c_rest",
            lambda g, kernels: floor_div(g.c_in, len(kernels)),
            lambda g, v: f"channels of each further part: floor({g.c_in} / {len(v['kernels'])})",
        ),
        Derived(
            "c_first",
            lambda g, kernels, c_rest: g.c_in - (len(kernels) - 1) * c_rest,
            lambda g, v: "channels of the first part: the remaining ones",
        ),
        Derived("several", lambda g, kernels: len(kernels) > 1),
        *(_square_kernel(index) for index in range(3)),
    ),
    rules=(
        EQUAL_CHANNELS,
        SAME_PADDING,
        Rule("groups is 1 or c_in", _one_filter_per_channel, "leave --groups at 1: every channel has its own filter"),
        Rule(
            "kernels odd, each once, no more than channels",
            _kernels_fit,
            "give different odd sizes such as --set kernels=3,5,7",
        ),
    ),
    policy=Policy("every depthwise convolution with a kernel larger than 1x1", _depthwise),
    equations=(
        # The paper gives the sizes of the g virtual kernels, and no sum; here g = 3 and multiplier 1.
        Equation(
            "virtual kernels, Sec. 3.1, g = 3",
            "k_1 * k_1 * c_1 + k_2 * k_2 * c_2 + k_3 * k_3 * c_2",
            {"k_1": "k_1", "k_2": "k_2", "k_3": "k_3", "c_1": "c_first", "c_2": "c_rest"},
            "params",
            domain=lambda g, named: len(named["kernels"]) == 3,
            domain_text="three kernels",
            given={"kernels": (3, 5, 7)},
        ),
    ),
    notes=_notes,
)

"""The fire module of SqueezeNet: a 1x1 squeeze, then a 1x1 and a 3x3 expansion side by side."""

from collections.abc import Callable, Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import AUTO, NOWHERE, Derived, Named, Operator, Param, Rule
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Paper

SQUEEZENET = Paper(
    key="iandola2016squeezenet",
    authors=(
        "Iandola, Forrest N.",
        "Han, Song",
        "Moskewicz, Matthew W.",
        "Ashraf, Khalid",
        "Dally, William J.",
        "Keutzer, Kurt",
    ),
    title="SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
    venue="arXiv preprint",
    year=2016,
    arxiv="1602.07360",
)


def squeezed(g: Geometry, squeeze: Dim) -> Dim:
    """Channels after the squeeze."""
    return floor_div(g.c_in, 8) if squeeze is None else squeeze


def expanded(g: Geometry, expand1: Dim, expand3: Dim) -> Dim:
    """Channels of the 1x1 expansion: as given, or c_out without those of the 3x3 one, or half."""
    if expand1 is not None:
        return expand1
    return floor_div(g.c_out, 2) if expand3 is None else g.c_out - expand3


# Both expansions read the output of the squeeze.
_SQUEEZED = ("squeeze", "squeeze.act")


def formula(g: Geometry, s: Dim, e1: Dim, e3: Dim, bias: bool, activation: bool) -> Iterable[Part]:
    """A 1x1 convolution to s channels, then 1x1 to e1 and 3x3 to e3 channels, concatenated."""
    grid = g.p_out
    yield parts.conv("squeeze", g.c_in, s, 1, g.p_in, grid, bias=bias)
    yield from parts.finish("squeeze", s, grid, False, activation)
    yield parts.conv("expand1", s, e1, 1, grid, grid, bias=bias, after=_SQUEEZED)
    yield from parts.finish("expand1", e1, grid, False, activation)
    yield parts.conv("expand3", s, e3, g.area, grid, grid, bias=bias, after=_SQUEEZED)
    yield from parts.finish("expand3", e3, grid, False, activation)
    yield parts.copy("join", (e1 + e3) * grid, after=("expand1", "expand1.act", "expand3", "expand3.act"))


def _three(g: Geometry, named: Named) -> str | None:
    if g.kernel != (3, 3) or g.strided:
        return f"the module has 3x3 filters at stride 1, not {g.k_h}x{g.k_w} at stride {g.stride_h}x{g.stride_w}"
    return None


def _fits(g: Geometry, named: Named) -> str | None:
    s, e1, e3 = named["s"], named["e1"], named["e3"]
    if s < 1:
        return f"c_in // 8 = {g.c_in} // 8 is 0, and the squeeze needs a channel"
    if e1 < 1 or e3 < 1:
        return f"expand1 = {e1} and expand3 = {e3} must both be at least 1"
    return f"expand1 + expand3 = {e1} + {e3} is not c_out = {g.c_out}" if e1 + e3 != g.c_out else None


def _why(option: str, text: str) -> Callable[[Geometry, Named], str]:
    return lambda g, named: f"set by the option {option}" if named[option] is not None else text


OPERATOR = Operator(
    name="fire",
    title="Fire module of SqueezeNet",
    family="blocks",
    paper=SQUEEZENET,
    formula=formula,
    params=(
        Param("squeeze", "int", AUTO, "channels after the 1x1 squeeze", 1, auto="c_in // 8", samples=(6,)),
        Param(
            "expand1",
            "int",
            AUTO,
            "channels of the 1x1 expansion",
            1,
            auto="c_out // 2, or c_out - expand3",
            samples=(8,),
        ),
        Param(
            "expand3",
            "int",
            AUTO,
            "channels of the 3x3 expansion",
            1,
            auto="c_out // 2, or c_out - expand1",
            samples=(5,),
        ),
        Param("bias", "bool", True, "a bias in all three convolutions", samples=(False,)),
        Param("activation", "bool", True, "ReLU after all three convolutions", samples=(False,)),
    ),
    derived=(
        Derived("s", squeezed, _why("squeeze", "c_in // 8")),
        Derived("e1", expanded, _why("expand1", "c_out // 2, or c_out - expand3")),
        Derived(
            "e3",
            lambda g, expand1, expand3: expanded(g, expand1=expand3, expand3=expand1),
            _why("expand3", "c_out // 2, or c_out - expand1"),
        ),
        Derived("expand", lambda g, e1, e3: e1 + e3),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule("3x3 kernel, stride 1", _three, "leave -k and --stride at their defaults"),
        Rule(
            "expand1 + expand3 is c_out, and no part is empty",
            _fits,
            "use an even --cout of at least 2 and --cin of at least 8, or set squeeze, expand1 and expand3",
        ),
    ),
    policy=NOWHERE,
    equations=(
        Equation("expand filters of a module, not numbered", "e_1x1 + e_3x3", {"e_1x1": "e1", "e_3x3": "e3"}, "expand"),
    ),
    baseline_text="conv 3x3",
    shape={"k": 3},
    samples=({"squeeze": 16, "expand1": 10, "expand3": 14}, {"bias": False, "activation": False, "squeeze": 3}),
)

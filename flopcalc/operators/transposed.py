"""The transposed convolution: each input position adds a weighted kernel to the larger output grid.

Its MACs follow the input grid: every weight is used once for each input position, whatever the stride.
"""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Cost, Part
from flopcalc.cost.geometry import Geometry, short
from flopcalc.spec.operator import Derived, Evaluation, Named, Operator, Param, Policy, Rule
from flopcalc.spec.rules import GROUPS_DIVIDE
from flopcalc.spec.source import Equation, Paper

DUMOULIN = Paper(
    key="dumoulin2016guide",
    authors=("Dumoulin, Vincent", "Visin, Francesco"),
    title="A guide to convolution arithmetic for deep learning",
    venue="arXiv preprint",
    year=2016,
    arxiv="1603.07285",
)


def transposed_size(size: Dim, kernel: Dim, stride: Dim, padding: Dim, dilation: Dim) -> Dim:
    """Output size along one axis without output padding, as torch documents it for ConvTranspose2d."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1


def formula(g: Geometry, height: Dim, width: Dim, bias: bool) -> Iterable[Part]:
    """A convolution's weights on the input grid; a bias on the output grid."""
    grid = g.batch * height * width
    yield parts.transposed_conv(
        "conv", g.c_in, g.c_out, g.area, g.p_in, grid, p_other=g.batch * _other(g), groups=g.groups, bias=bias
    )


def _other(g: Geometry) -> Dim:
    """Positions of a convolution of the input; `g.p_out` would be those of the output."""
    axes = zip((g.h, g.w), g.kernel, g.stride, g.padding, g.dilation, strict=True)
    height, width = (floor_div(size + 2 * pad - gap * (k - 1) - 1, step) + 1 for size, k, step, pad, gap in axes)
    return height * width


def _out_shape(g: Geometry, named: Named) -> tuple[int, ...]:
    return g.c_out, named["height"], named["width"]


def _same_output(g: Geometry, named: Named) -> Cost:
    grid = g.batch * named["height"] * named["width"]
    return Cost((parts.conv("conv", g.c_in, g.c_out, g.area, grid, grid, bias=named["bias"]),))


def _small_rest(g: Geometry, named: Named) -> str | None:
    extra = named["output_padding"]
    if extra >= max(g.stride_h, g.dilation_h) or extra >= max(g.stride_w, g.dilation_w):
        return (
            f"output_padding = {extra} is not less than the stride {short(g.stride)} "
            f"or the dilation {short(g.dilation)}"
        )
    return None


def _why_height(g: Geometry, named: Named) -> str:
    return (
        f"(h - 1) stride - 2 padding + dilation (k - 1) + output_padding + 1 = {g.h - 1} * {g.stride_h} - "
        f"{2 * g.padding_h} + {g.dilation_h * (g.k_h - 1)} + {named['output_padding']} + 1"
    )


def _why_width(g: Geometry, named: Named) -> str:
    return (
        f"the same along the width: {g.w - 1} * {g.stride_w} - {2 * g.padding_w} + "
        f"{g.dilation_w * (g.k_w - 1)} + {named['output_padding']} + 1"
    )


def _notes(e: Evaluation) -> Iterable[str]:
    g, named = e.geometry, e.named
    if g.strided:
        elsewhere = e.cost.macs // g.p_in * named["height"] * named["width"]
        yield (
            "MACs follow the input grid. Counters that multiply the weights by output positions instead would give "
            f"{elsewhere:,}."
        )


def _undilated(g: Geometry, named: Named) -> bool:
    return g.dilation == (1, 1)


OPERATOR = Operator(
    name="transposed",
    title="Transposed convolution",
    family="convolutions",
    paper=DUMOULIN,
    formula=formula,
    params=(
        Param("output_padding", "int", 0, "rows and columns added at one side of the output", 0, samples=(1,)),
        Param("bias", "bool", False, "one bias for each output channel", samples=(True,)),
    ),
    derived=(
        Derived("pad", lambda g: g.padding_h),
        Derived("height", lambda g, output_padding: g.h_out + output_padding, _why_height),
        Derived("width", lambda g, output_padding: g.w_out + output_padding, _why_width),
    ),
    rules=(
        GROUPS_DIVIDE,
        Rule("output_padding is less than stride or dilation", _small_rest, "choose a smaller output_padding"),
    ),
    policy=Policy("no convolution", lambda site: "a transposed convolution enlarges the grid"),
    equations=(
        Equation(
            number="Relationship 14, output size",
            text="s * (i - 1) + a + k - 2 * p",
            letters={"s": "stride", "i": "h", "a": "output_padding", "k": "k", "p": "pad"},
            gives="height",
            domain=_undilated,
            domain_text="dilation 1",
        ),
    ),
    notes=_notes,
    baseline=_same_output,
    baseline_text="conv, same output",
    size_out=transposed_size,
    out_shape=_out_shape,
    samples=({"output_padding": 1, "bias": True},),
)

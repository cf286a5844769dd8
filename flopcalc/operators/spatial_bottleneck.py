"""The spatial bottleneck: channels are mixed on a grid that is k times coarser along each axis.

x -> depthwise k x k at stride k (part `down`), 1x1 convolution on the coarse grid (`projection`),
depthwise transposed k x k at stride k (`up`): as many channels and positions out as in.

`form=full` reads "convolution" and "deconvolution" literally: both are full and mix the channels themselves, so that
no projection is between them, and cost 2 / k^2 of a k x k convolution.
"""

from collections.abc import Iterable

from flopcalc.cost import arith, parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry, by, same_padding, short
from flopcalc.operators._conv3x3 import conv3x3
from flopcalc.operators.sic import WANG
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, spatial
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP
from flopcalc.spec.source import Equation


def formula(g: Geometry, step_h: Dim, step_w: Dim, split: Dim, projected: bool) -> Iterable[Part]:
    """Weights: n k^2 (full: n^2 k^2), n^2 on the coarse grid, n k^2 (n^2 k^2) again."""
    n, grid = g.c_in, g.p_in
    coarse = g.batch * arith.exact_div(g.h, step_h) * arith.exact_div(g.w, step_w)
    yield parts.conv("down", n, n, g.area, grid, coarse, groups=split)
    yield from parts.when(projected, lambda: (parts.conv("projection", n, n, 1, coarse, coarse),))
    yield parts.transposed_conv("up", n, n, g.area, coarse, grid, groups=split)


def _same_size(size: Dim, kernel: Dim, stride: Dim, padding: Dim, dilation: Dim) -> Dim:
    return size


def _own_stride(g: Geometry, named: Named) -> str | None:
    sizes = (("stride", g.stride), ("dilation", g.dilation))
    if given := [f"{name} {short(pair)}" for name, pair in sizes if pair != (1, 1)]:
        return f"{' and '.join(given)}, and the operator has stride k inside"
    if g.padding != same_padding(g.kernel, g.dilation):
        return f"it keeps the size, and a {by(g.kernel)} convolution with padding {short(g.padding)} does not"
    if (g.h_out, g.w_out) != (g.h, g.w):
        return f"the operator keeps the size, and {g.h}x{g.w} becomes {g.h_out}x{g.w_out} here"
    return None


def _multiples(g: Geometry, named: Named) -> str | None:
    if g.h % g.k_h or g.w % g.k_w:
        return f"{g.h}x{g.w} is not a multiple of the {by(g.kernel)} kernel"
    return None


def _notes(e: Evaluation) -> Iterable[str]:
    yield "Derived from the paper's description (convolution, projection, deconvolution); no printed cost was found."
    if e.named["form"] == "full":
        yield "form=full: both convolutions mix all channels; the two together cost 2 / k^2 of a k x k convolution."
    yield "The ratio compares with a 3x3 convolution of the same channels and size, whatever k is."


OPERATOR = Operator(
    name="spatial_bottleneck",
    title="Spatial bottleneck",
    family="compact convolutions",
    paper=WANG,
    formula=formula,
    params=(
        Param(
            "form",
            "choice",
            "depthwise",
            "one filter for each channel and a projection, or a full convolution and a full deconvolution",
            choices=("depthwise", "full"),
            samples=("full",),
        ),
    ),
    derived=(
        Derived("step_h", lambda g: g.k_h),
        Derived("step_w", lambda g: g.k_w),
        Derived("projected", lambda g, form: form == "depthwise"),
        Derived("split", lambda g, form: {"depthwise": g.c_in, "full": 1}[form]),
    ),
    rules=(
        EQUAL_CHANNELS,
        ONE_GROUP,
        Rule("stride and dilation 1, padding not given", _own_stride, "leave --stride, --dilation and --padding out"),
        Rule("h and w are multiples of k", _multiples, "choose --hw as a multiple of k, such as --hw 60 for k = 3"),
    ),
    limits=(Limit({"step_h": 1, "step_w": 1}, equals="dsc", surviving=("up",)),),
    policy=Policy(
        "every convolution larger than 1x1 with as many channels out as in and stride 1, where k divides h and w",
        spatial,
    ),
    equations=(
        Equation(
            "share of a convolution, from its description",
            "2 / k^2",
            {"k": "k"},
            "macs_ratio",
            given={"form": "full"},
            sizes={"k": 3},
        ),
    ),
    notes=_notes,
    baseline=conv3x3,
    baseline_text="conv 3x3",
    shape={"hw": 60},
    size_out=_same_size,
    shapes=(
        {"c_in": 64},
        {"c_in": 128, "k": 2, "hw": 56},
        {"c_in": 24, "hw": (9, 12), "batch": 3},
        {"c_in": 16, "k": (2, 3), "hw": (8, 9)},
        {"c_in": 12, "k": 5, "hw": (10, 15)},
        {"c_in": 37, "k": 4, "hw": 8},
    ),
)

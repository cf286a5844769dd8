"""Rules that several operators share, each written once."""

from flopcalc.cost.geometry import Geometry, same_padding, short
from flopcalc.spec.operator import Named, Rule


def _groups_divide(g: Geometry, named: Named) -> str | None:
    if g.c_in % g.groups or g.c_out % g.groups:
        return f"groups = {g.groups} does not divide both c_in = {g.c_in} and c_out = {g.c_out}"
    return None


def _one_group(g: Geometry, named: Named) -> str | None:
    if g.groups == 1:
        return None
    what = "it is depthwise" if g.groups == g.c_in else f"groups = {g.groups}"
    return f"{what}, and this operator has no grouped form"


def _same_padding(g: Geometry, named: Named) -> str | None:
    if g.k_h % 2 == 0 or g.k_w % 2 == 0:
        return f"its branches need the same output grid, and a {g.k_h}x{g.k_w} kernel has no centre"
    if g.padding != (same := same_padding(g.kernel, g.dilation)):
        return f"its branches need the same output grid, which needs padding {short(same)}, not {short(g.padding)}"
    return None


def _equal_channels(g: Geometry, named: Named) -> str | None:
    return f"c_in = {g.c_in} and c_out = {g.c_out} differ" if g.c_in != g.c_out else None


def _unit_stride(g: Geometry, named: Named) -> str | None:
    return f"stride {short(g.stride)}" if g.strided else None


# The text of the rule of operators that have no window.
NO_WINDOW = "kernel 1, stride 1"


def single_tap(what: str) -> Rule:
    """The rule of an operator without a window; `what` is the reason, in words."""

    def check(g: Geometry, named: Named) -> str | None:
        return what if g.kernel != (1, 1) or g.strided or g.padding != (0, 0) else None

    return Rule(NO_WINDOW, check, "leave k, stride and padding at their defaults")


GROUPS_DIVIDE = Rule("groups divides c_in and c_out", _groups_divide, "choose groups that divides both channel counts")
ONE_GROUP = Rule("groups is 1", _one_group, "leave --groups at 1; this operator has no grouped form")
SAME_PADDING = Rule(
    "odd kernel, padding dilation * (k - 1) / 2",
    _same_padding,
    "use an odd kernel and leave the padding at its default",
)
EQUAL_CHANNELS = Rule(
    "c_in equals c_out", _equal_channels, "give --cout the value of --cin, or choose another operator"
)
UNIT_STRIDE = Rule("stride is 1", _unit_stride, "leave --stride at 1; the operator adds its input to its output")

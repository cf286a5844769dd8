"""Involution: each position has its own kernel, made from its input and shared by the channels of a group."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, exact_div, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.spec.operator import AUTO, Derived, Evaluation, Named, Operator, Param, Policy, Rule, Site, spatial
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Paper

INVOLUTION = Paper(
    key="li2021involution",
    authors=(
        "Li, Duo",
        "Hu, Jie",
        "Wang, Changhu",
        "Li, Xiangtai",
        "She, Qi",
        "Zhu, Lei",
        "Zhang, Tong",
        "Chen, Qifeng",
    ),
    title="Involution: Inverting the Inherence of Convolution for Visual Recognition",
    venue="CVPR",
    year=2021,
    arxiv="2103.06255",
    pages="12321-12330",
)

# At stride 1 this part is missing, and does not delay the others.
_POOLED = ("pool",)


def formula(
    g: Geometry,
    reduced: Dim,
    kernels: Dim,
    group_channels: Dim,
    norm: bool,
    activation: bool,
    bias: bool,
    strided: bool,
) -> Iterable[Part]:
    """Two 1x1 convolutions make `kernels` kernels for each position; each kernel is applied to its neighbourhood."""
    grid, c, area = g.p_out, g.c_in, g.area
    yield from parts.when(
        strided, lambda: (parts.pool_to_stride("pool", c, g.p_in, grid, g.stride_h * g.stride_w, after=INPUT),)
    )
    yield parts.conv("reduce", c, reduced, 1, grid, grid, after=_POOLED)
    yield from parts.finish("reduce", reduced, grid, norm, activation)
    yield parts.conv("span", reduced, area * kernels, 1, grid, grid, bias=bias)
    yield parts.copy("product.kernels", area * kernels * grid)
    # The neighbourhood of each position as one row, then in the order that the product needs.
    yield parts.unfold("unfold", c, g.p_in, grid, area, after=INPUT)
    yield parts.copy("product.patches", c * area * grid)
    # For each position and kernel (group_channels, taps) times (taps, 1).
    ready = ("product.kernels", "product.patches")
    product = parts.matmul("product", group_channels, area, 1, batch=grid * kernels, after=ready)
    yield parts.called("torch.bmm", product)


def _whole_groups(g: Geometry, named: Named) -> str | None:
    size = named["group_channels"]
    return f"group_channels = {size} does not divide the {g.c_in} channels" if g.c_in % size else None


def _enough_channels(g: Geometry, named: Named) -> str | None:
    if named["reduced"] < 1:
        return f"c_in // reduction = {g.c_in} // {named['reduction']} is 0, and at least one channel is needed"
    return None


def _refuses(site: Site) -> str | None:
    return "the first convolution stays plain" if site.first else spatial(site)


def _reduction_divides(g: Geometry, named: Named) -> bool:
    return bool(g.c_in % named["reduction"] == 0)


def _notes(e: Evaluation) -> Iterable[str]:
    product = next(part.macs for part in e.cost if part.name == "product")
    yield (
        f"The product with the neighbourhood, {product:,} of the MACs, is a matrix product here. Its authors' PyTorch "
        "code multiplies and sums element by element, which counters of MACs miss: they would find "
        f"{e.cost.macs - product:,}. The paper calls it Multiply-Add, and the printed 2.7, 4.7 and 6.8 G of "
        "RedNet-50, 101 and 152 (which include normalisation and activations) fit only with it."
    )
    if not e.named["norm"]:
        yield (
            "Counted without the batch norm and ReLU between the two 1x1 convolutions and without the bias of the "
            "second, which its authors' module has: --set norm=true adds them."
        )


_LETTERS = {"C": "c_in", "K": "k", "G": "kernels", "r": "reduction", "H": "h_out", "W": "w_out"}
_PLAIN = {"norm": False, "bias": False}
_WHOLE = "r divides C"

OPERATOR = Operator(
    name="involution",
    title="Involution",
    family="dynamic convolutions",
    paper=INVOLUTION,
    formula=formula,
    params=(
        Param("reduction", "int", 4, "kernels are made from c_in // reduction channels", 1, letter="r", samples=(1, 2)),
        Param("group_channels", "int", 16, "channels that share a kernel", 1, letter="q", samples=(1, 4, 8)),
        Param(
            "norm",
            "bool",
            False,
            "batch norm after the first 1x1 convolution, as in the authors' code",
            samples=(True,),
        ),
        Param(
            "activation", "bool", AUTO, "ReLU after the first 1x1 convolution", same_as="norm", samples=(True, False)
        ),
        Param("bias", "bool", AUTO, "the bias of the second 1x1 convolution", same_as="norm", samples=(True, False)),
    ),
    derived=(
        Derived(
            "reduced",
            lambda g, reduction: floor_div(g.c_in, reduction),
            lambda g, v: f"channels that kernels are made from: c_in // reduction = {g.c_in} // {v['reduction']}",
        ),
        Derived(
            "kernels",
            lambda g, group_channels: exact_div(g.c_in, group_channels),
            lambda g, v: f"kernels of a position: c_in / group_channels = {g.c_in} / {v['group_channels']}",
        ),
        Derived("strided", lambda g: g.strided),
    ),
    rules=(
        EQUAL_CHANNELS,
        ONE_GROUP,
        SAME_PADDING,
        Rule(
            "group_channels divides the channels",
            _whole_groups,
            "choose group_channels that divides --cin (--set group_channels=1)",
        ),
        Rule("c_in is at least reduction", _enough_channels, "choose a smaller reduction (--set reduction=1)"),
    ),
    policy=Policy(
        "every convolution with a kernel larger than 1x1, as many channels out as in, except the first", _refuses
    ),
    equations=(
        Equation("4, one multiply-add for each tap", "H * W * K^2 * C", _LETTERS, "macs of product"),
        Equation(
            "6, the sizes of W_0 and W_1",
            "C / r * C + K * K * G * C / r",
            _LETTERS,
            "params",
            given=_PLAIN,
            domain=_reduction_divides,
            domain_text=_WHOLE,
        ),
        Equation(
            "4 and 6 together",
            "H * W * (C / r * C + K * K * G * C / r) + H * W * K^2 * C",
            _LETTERS,
            "macs",
            domain=_reduction_divides,
            domain_text=_WHOLE,
        ),
    ),
    notes=_notes,
    samples=({"norm": True, "reduction": 2, "group_channels": 4},),
)

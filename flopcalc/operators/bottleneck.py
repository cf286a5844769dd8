"""The bottleneck block of ResNet: 1x1 down to a narrow width, k x k there, 1x1 up again."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, floor_div
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.parts import INPUT
from flopcalc.spec.operator import AUTO, NOWHERE, Derived, Evaluation, Named, Operator, Param, Rule
from flopcalc.spec.rules import ONE_GROUP, SAME_PADDING
from flopcalc.spec.source import Equation, Paper

RESNET = Paper(
    key="he2016deep",
    authors=("He, Kaiming", "Zhang, Xiangyu", "Ren, Shaoqing", "Sun, Jian"),
    title="Deep Residual Learning for Image Recognition",
    venue="CVPR",
    year=2016,
    arxiv="1512.03385",
    doi="10.1109/CVPR.2016.90",
    pages="770-778",
)


def narrow(g: Geometry, width: Dim) -> Dim:
    """Channels of the k x k convolution."""
    return floor_div(g.c_out, 4) if width is None else width


def takes(g: Geometry, shortcut: str) -> str:
    """The kind of shortcut: `auto` is the paper's option B, a projection only where shapes differ."""
    differs = bool(g.c_in != g.c_out) or g.strided
    return {"auto": "projection" if differs else "identity"}.get(shortcut, shortcut)


def formula(
    g: Geometry, mid: Dim, stride_in: str, norm: bool, activation: bool, projects: bool, adds_input: bool
) -> Iterable[Part]:
    """The three convolutions; the first works on the input grid if the second has the stride."""
    grid = g.p_out
    inner = {"v1.5": g.p_in, "v1": grid}[stride_in]
    yield from parts.when(projects, lambda: _projection(g, norm))
    yield parts.conv("reduce", g.c_in, mid, 1, g.p_in, inner, after=INPUT)
    yield from parts.finish("reduce", mid, inner, norm, activation)
    yield parts.conv("spatial", mid, mid, g.area, inner, grid)
    yield from parts.finish("spatial", mid, grid, norm, activation)
    yield parts.conv("expand", mid, g.c_out, 1, grid, grid)
    yield from parts.finish("expand", g.c_out, grid, norm, False)
    yield from parts.when(adds_input, lambda: (parts.add("sum", g.c_out, grid, after=_BOTH),))
    yield from parts.when(activation, lambda: (parts.act("act", g.c_out, grid),))


_BOTH = ("project", "project.norm", "expand", "expand.norm")


def _projection(g: Geometry, norm: bool) -> Iterable[Part]:
    yield parts.conv("project", g.c_in, g.c_out, 1, g.p_in, g.p_out)
    yield from parts.finish("project", g.c_out, g.p_out, norm, False)


def _some_width(g: Geometry, named: Named) -> str | None:
    return f"c_out // 4 = {g.c_out} // 4 is 0, and at least one channel is needed" if named["mid"] < 1 else None


def _identity_fits(g: Geometry, named: Named) -> str | None:
    if named["shortcut"] == "identity" and (g.c_in != g.c_out or g.strided):
        return "shortcut=identity adds the input as it is, and its shape is not that of the output"
    return None


def _why_mid(g: Geometry, named: Named) -> str:
    return "set by the option width" if named["width"] is not None else f"c_out // 4 = {g.c_out} // 4"


def _notes(e: Evaluation) -> Iterable[str]:
    if e.named["shortcut"] == "none":
        yield "Counted without the shortcut: --set shortcut=auto adds the input, or its projection where shapes differ."
    if not e.named["norm"] and not e.named["activation"]:
        yield "Counted without batch norm and ReLU: --set norm=true adds them, as in the authors' code."
    if e.geometry.strided:
        other = {"v1": "v1.5", "v1.5": "v1"}[e.named["stride_in"]]
        cost = e.operator.cost(e.geometry, e.operator.derive(e.geometry, {**e.options, "stride_in": other}))
        place = {"v1.5": "in the k x k convolution (v1.5)", "v1": "in the first 1x1 (v1)"}
        yield f"The stride is {place[e.named['stride_in']]}: {e.cost.macs:,} MACs; {place[other]}: {cost.macs:,}."


OPERATOR = Operator(
    name="bottleneck",
    title="Bottleneck block of ResNet",
    family="blocks",
    paper=RESNET,
    formula=formula,
    params=(
        Param("width", "int", AUTO, "channels of the k x k convolution", 1, auto="c_out // 4", samples=(10,)),
        Param(
            "stride_in",
            "choice",
            "v1.5",
            "the stride is in the k x k convolution (v1.5) or in the first 1x1 (v1)",
            choices=("v1.5", "v1"),
            samples=("v1",),
        ),
        Param(
            "shortcut",
            "choice",
            "none",
            "tensor that is added: none, the input, its 1x1 projection, or (auto) a projection where shapes differ",
            choices=("none", "identity", "projection", "auto"),
            samples=("projection", "identity", "auto"),
        ),
        Param("norm", "bool", False, "batch norm after each convolution", samples=(True,)),
        Param(
            "activation",
            "bool",
            AUTO,
            "ReLU after the first two convolutions and at the end",
            same_as="norm",
            samples=(True, False),
        ),
    ),
    derived=(
        Derived("mid", narrow, _why_mid),
        Derived("adds", takes, lambda g, v: "the shortcut at this shape"),
        Derived("projects", lambda g, adds: adds == "projection"),
        Derived("adds_input", lambda g, adds: adds != "none"),
    ),
    rules=(
        ONE_GROUP,
        SAME_PADDING,
        Rule("at least one channel in the middle", _some_width, "use a --cout of at least 4, or set width"),
        Rule(
            "shortcut=identity needs equal shapes",
            _identity_fits,
            "set shortcut=projection or auto, or use stride 1 and --cout equal to --cin",
        ),
    ),
    policy=NOWHERE,
    equations=(
        Equation(
            "ResNet unit, printed in Sec. 3.2 of ShuffleNet (arXiv 1707.01083)",
            "h * w * (2 * c * m + 9 * m^2)",
            {"h": "h", "w": "w", "c": "c_in", "m": "mid"},
            "macs",
            given={"shortcut": "none"},
            sizes={"c_out": "c_in", "k": 3, "stride": 1},
        ),
    ),
    notes=_notes,
    baseline_text="conv k x k",
    samples=({"norm": True, "shortcut": "auto"}, {"norm": True, "shortcut": "projection", "stride_in": "v1"}),
)

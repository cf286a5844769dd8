"""The 3x3 convolution by Winograd's minimal filtering: fewer products, and transforms of tiles around them."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, ceil_div
from flopcalc.cost.cost import PREVIOUS, Part
from flopcalc.cost.geometry import Geometry, short
from flopcalc.cost.parts import NOTHING, After
from flopcalc.operators._winograd import LARGEST, Transform, Transforms, transforms
from flopcalc.spec.operator import Derived, Evaluation, Limit, Named, Operator, Param, Policy, Rule, Site
from flopcalc.spec.rules import ONE_GROUP, UNIT_STRIDE
from flopcalc.spec.source import Equation, Paper

WINOGRAD = Paper(
    key="lavin2016fast",
    authors=("Lavin, Andrew", "Gray, Scott"),
    title="Fast Algorithms for Convolutional Neural Networks",
    venue="CVPR",
    year=2016,
    arxiv="1509.09308",
)

# The code computes the sides of the map of tiles.
_PLACES = "2 products of sizes"


def _along_both_axes(name: str, matrix: Transform, tiles: Dim, after: After = PREVIOUS) -> Iterable[Part]:
    """A transform of square tiles, along one axis and then along the other: sums, with products by constants.

    Sums, products and the copies that stack the results alternate; their steps are those of the sums.
    """
    slices = tiles * (matrix.columns + len(matrix.rows))
    stacked = len(matrix.rows)
    yield Part(
        name,
        "add",
        adds=matrix.adds * slices,
        reads=(2 * matrix.adds + stacked) * slices,
        writes=(matrix.adds + stacked) * slices,
        steps=2 * matrix.depth,
        after=after,
        call="+ and -",
        # Each element gets the sum of the gradients of all terms that it is in.
        extra=((matrix.adds + stacked - matrix.columns) * slices, matrix.signs * slices),
    )
    products = matrix.muls * slices
    yield Part(f"{name}.scale", "mul", muls=products, reads=products, writes=products, steps=0, after=(name,))


def formula(
    g: Geometry, side: Dim, rows: Dim, columns: Dim, m: int, matrices: Transforms, bias: bool
) -> Iterable[Part]:
    """Tiles of `side` positions; side^2 products of c_in x c_out for each tile; m^2 outputs for each tile."""
    tiles, pairs, taps = g.batch * rows * columns, g.c_in * g.c_out, side - m + 1
    padded = g.batch * (rows * m + taps - 1) * (columns * m + taps - 1)
    yield Part("pad", "move", reads=g.c_in * g.p_in, writes=g.c_in * padded, call=_PLACES)
    yield from _along_both_axes("data", matrices.data, g.c_in * tiles)
    weights, scale = _along_both_axes("weights", matrices.weights, pairs, after=NOTHING)
    yield weights._replace(params=pairs * taps**2)
    yield scale
    products = parts.matmul("products", g.c_out, g.c_in, tiles, batch=side**2, after=("data", "weights"))
    yield parts.called("torch.bmm", products)
    yield from _along_both_axes("output", matrices.output, g.c_out * tiles)
    yield parts.called(_PLACES, parts.copy("arrange", g.c_out * tiles * m**2))
    size = g.c_out * g.p_out
    add = Part("bias", "add", g.c_out, adds=size, reads=size + g.c_out, writes=size)
    yield from parts.when(bias, lambda: (parts.called("own module", add),))


def _kernel_fits(g: Geometry, named: Named) -> str | None:
    if g.kernel != (3, 3):
        return f"a {g.k_h}x{g.k_w} kernel, and its tiles are those of a 3x3 kernel"
    return f"dilation {short(g.dilation)}" if g.dilation != (1, 1) else None


def _whole_tiles(g: Geometry, named: Named) -> bool:
    return bool(g.h_out % named["m"] == 0 and g.w_out % named["m"] == 0)


def _three_by_three(site: Site) -> str | None:
    g = site.geometry
    if g.kernel != (3, 3):
        return f"{g.k_h}x{g.k_w} kernel"
    return f"stride {short(g.stride)}" if g.strided else None


def _notes(e: Evaluation) -> Iterable[str]:
    v = e.named
    per_output = 9 * v["m"] ** 2 / v["side"] ** 2
    found: dict[str, int] = {}
    for part in e.cost:
        name = part.name.removesuffix(".scale")
        found[name] = found.get(name, 0) + part.adds + part.muls
    yield (
        f"F({v['m']}x{v['m']}, 3x3): {v['side']}^2 = {v['side'] ** 2} products for {v['m'] ** 2} outputs instead of "
        f"{9 * v['m'] ** 2}, {per_output:.4g} times fewer; with the tiles at the edges "
        f"{e.baseline.macs / e.cost.macs:.4g} times fewer on this shape."
    )
    yield (
        f"Element-wise work around the products: data {found['data']:,}, output {found['output']:,}, weights "
        f"{found['weights']:,}; the weights can be transformed once, before inference."
    )
    yield (
        "An algorithm of the same convolution. Libraries choose one by shape and device; this is no claim about a "
        "library. Larger tiles are less exact in float16."
    )


OPERATOR = Operator(
    name="winograd",
    title="3x3 convolution by Winograd's minimal filtering",
    family="algorithms of a convolution",
    paper=WINOGRAD,
    formula=formula,
    params=(
        Param(
            "m",
            "int",
            2,
            "side of the outputs of a tile: F(m x m, 3x3)",
            1,
            LARGEST,
            samples=(4, 6, 3),
        ),
        Param("bias", "bool", False, "one bias for each output channel", samples=(True,)),
    ),
    derived=(
        Derived("side", lambda g, m: m + 2, lambda g, v: f"side of a tile: {v['m']} + 3 - 1"),
        Derived("rows", lambda g, m: ceil_div(g.h_out, m)),
        Derived("columns", lambda g, m: ceil_div(g.w_out, m)),
        Derived("products", lambda g, side: side**2, lambda g, v: f"products for each tile: {v['side']}^2"),
        Derived("matrices", lambda g, m: transforms(m)),
    ),
    rules=(
        Rule("kernel 3x3, dilation 1", _kernel_fits, "leave k and dilation at their defaults"),
        UNIT_STRIDE,
        ONE_GROUP,
    ),
    limits=(Limit({"m": 1}, equals="conv"),),
    policy=Policy("every 3x3 convolution at stride 1 without groups", _three_by_three),
    equations=(
        Equation("sec. 4", "(m + r - 1) * (n + s - 1)", {"m": "m", "n": "m", "r": "k", "s": "k"}, "products"),
        Equation(
            "sec. 4.1",
            "(m * m * r * r) / ((m + r - 1) * (m + r - 1))",
            {"m": "m", "r": "k"},
            "speedup",
            domain=_whole_tiles,
            domain_text="the outputs are whole tiles",
        ),
    ),
    notes=_notes,
    shape={"k": 3},
    shapes=({"c_in": 16, "hw": 12, "padding": 0}, {"c_in": 6, "c_out": 10, "hw": (7, 10), "batch": 2}),
    samples=({"m": 4, "bias": True}, {"m": 1}),
)

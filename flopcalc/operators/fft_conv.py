"""The convolution by Fourier transforms: one product for each frequency, whatever the kernel."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, ceil_div, floor_log2
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry, short
from flopcalc.cost.parts import INPUT, NOTHING
from flopcalc.spec.operator import Derived, Evaluation, Named, Operator, Param, Policy, Rule, Site
from flopcalc.spec.rules import ONE_GROUP, UNIT_STRIDE
from flopcalc.spec.source import Equation, Paper

FFT = Paper(
    key="mathieu2014fast",
    authors=("Mathieu, Michael", "Henaff, Mikael", "LeCun, Yann"),
    title="Fast Training of Convolutional Networks through FFTs",
    venue="ICLR",
    year=2014,
    arxiv="1312.5851",
)


def even(size: Dim) -> Dim:
    """The size, or the next even one: transforms of real numbers keep half of the frequencies."""
    return 2 * ceil_div(size, 2)


def levels(rows: Dim, columns: Dim) -> Dim:
    """ceil(log2) of both sides together; both are even, so 2 or more."""
    return floor_log2(rows - 1) + floor_log2(columns - 1) + 2


def _transform(name: str, maps: Dim, points: Dim, depth: Dim, reads: Dim, writes: Dim, call: str = "rfft2") -> Part:
    """A real transform of each map: half of 2 n log2 n muls and 3 n log2 n adds."""
    work = maps * points * depth
    return Part(name, "other", adds=3 * work // 2, muls=work, reads=maps * reads, writes=maps * writes, call=call)


def formula(g: Geometry, rows: Dim, columns: Dim, frequencies: Dim, depth: Dim, bias: bool) -> Iterable[Part]:
    """Transforms of all maps and filters, a complex product of channels for each frequency, and the inverse."""
    points, pairs = rows * columns, g.c_in * g.c_out
    maps_in, maps_out = g.batch * g.c_in, g.batch * g.c_out
    yield Part("pad", "move", reads=g.c_in * g.p_in, writes=maps_in * points, after=INPUT)
    yield _transform("spectrum", maps_in, points, depth, points, frequencies)
    # A convolution of networks is a correlation, so the filters are mirrored.
    weights = parts.copy("weights", pairs * g.area, after=NOTHING)._replace(params=pairs * g.area)
    yield parts.called("flip", weights)
    yield Part("weights.pad", "move", reads=pairs * g.area, writes=pairs * points, after=("weights",))
    spectra = _transform("weights.spectrum", pairs, points, depth, points, frequencies)
    yield spectra._replace(after=("weights.pad",))
    product = parts.matmul("products", g.c_out, g.c_in, g.batch, batch=frequencies)
    yield product._replace(macs=4 * product.macs, call="torch.bmm, complex", after=("spectrum", "weights.spectrum"))
    yield _transform("inverse", maps_out, points, depth, frequencies, points, call="irfft2")
    size = g.c_out * g.p_out
    add = Part("bias", "add", g.c_out, adds=size, reads=size + g.c_out, writes=size)
    yield from parts.when(bias, lambda: (parts.called("own module", add),))


def _no_dilation(g: Geometry, named: Named) -> str | None:
    return f"dilation {short(g.dilation)}" if g.dilation != (1, 1) else None


def _large(site: Site) -> str | None:
    g = site.geometry
    if g.kernel == (1, 1):
        return "1x1 kernel"
    return f"stride {short(g.stride)}" if g.strided else None


def _notes(e: Evaluation) -> Iterable[str]:
    g, v = e.geometry, e.named
    found = {part.name: part.adds + part.muls for part in e.cost}
    yield (
        f"Maps of {v['rows']}x{v['columns']}, {v['frequencies']:,} frequencies of a real map; a complex multiply-add "
        f"is 4 MACs. {4 * v['frequencies']:,} MACs for each pair of channels; the convolution has "
        f"{g.h_out * g.w_out * g.area:,}."
    )
    yield (
        f"Transforms, as adds and muls: maps {found['spectrum'] + found['inverse']:,}, weights "
        f"{found['weights.spectrum']:,}; those of the weights can be computed once, before inference."
    )
    yield (
        "An algorithm of the same convolution. Libraries choose one by shape and device; this is no claim about a "
        "library."
    )


OPERATOR = Operator(
    name="fft_conv",
    title="Convolution by Fourier transforms",
    family="algorithms of a convolution",
    paper=FFT,
    formula=formula,
    params=(Param("bias", "bool", False, "one bias for each output channel", samples=(True,)),),
    derived=(
        Derived(
            "rows",
            lambda g: even(g.h + 2 * g.padding_h),
            lambda g, v: f"rows of a padded map: {g.h} + 2 * {g.padding_h}, made even",
        ),
        Derived(
            "columns",
            lambda g: even(g.w + 2 * g.padding_w),
            lambda g, v: f"columns of a padded map: {g.w} + 2 * {g.padding_w}, made even",
        ),
        Derived(
            "frequencies",
            lambda g, rows, columns: rows * (ceil_div(columns, 2) + 1),
            lambda g, v: f"rows * (columns / 2 + 1) = {v['rows']} * {v['columns'] // 2 + 1}",
        ),
        Derived("depth", lambda g, rows, columns: levels(rows, columns)),
    ),
    rules=(
        UNIT_STRIDE,
        ONE_GROUP,
        Rule("dilation is 1", _no_dilation, "leave dilation at 1"),
    ),
    policy=Policy("every convolution at stride 1 with a kernel larger than 1x1, without groups", _large),
    # S images there; one here. The paper's f' is written g, its n' p.
    equations=(
        Equation(
            "sec. 2.2, one image",
            "g * f * p^2 * k^2",
            {"g": "c_out", "f": "c_in", "p": "h_out", "k": "k"},
            "baseline_macs",
            sizes={"w_out": "h_out"},
            given={"bias": False},
        ),
    ),
    notes=_notes,
    shapes=({"c_in": 16, "hw": 12, "padding": 0}, {"c_in": 6, "c_out": 10, "k": (5, 2), "hw": (7, 10), "batch": 2}),
)

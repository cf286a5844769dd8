"""Squeeze and excitation: a weight for each channel, from the means of all. Shared by several blocks."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.parts import GIVEN
from flopcalc.spec.source import Paper

SENET = Paper(
    key="hu2018squeeze",
    authors=("Hu, Jie", "Shen, Li", "Sun, Gang"),
    title="Squeeze-and-Excitation Networks",
    venue="CVPR",
    year=2018,
    arxiv="1709.01507",
    doi="10.1109/CVPR.2018.00745",
    pages="7132-7141",
)


def excitation(prefix: str, c: Dim, m: Dim, p: Dim, n: Dim, bias: bool, label: str = "") -> Iterable[Part]:
    """Means of c channels, c -> m -> c, a sigmoid, and every channel times its weight.

    p positions, batch n included. prefix: of the names of the parts, e.g. `se.`. label: how modules call the
    activation between the two, see `parts.called`.
    """
    yield parts.global_avg_pool(f"{prefix}gap", c, p, n)
    yield parts.conv(f"{prefix}reduce", c, m, 1, n, n, bias=bias)
    yield parts.called(label, parts.act(f"{prefix}act", m, n))
    yield parts.conv(f"{prefix}expand", m, c, 1, n, n, bias=bias)
    yield parts.called("Sigmoid", parts.act(f"{prefix}gate", c, n))
    yield parts.scale(f"{prefix}scale", c, p, n)


def excitation_of_input(prefix: str, c: Dim, m: Dim, p: Dim, n: Dim, bias: bool, label: str = "") -> Iterable[Part]:
    """The same of the layer's input, where no part is before it."""
    *others, scale = excitation(prefix, c, m, p, n, bias, label)
    yield from others
    yield scale._replace(after=(GIVEN, f"{prefix}gate"))

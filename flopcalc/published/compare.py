"""Printed figures compared with computed ones, digit by digit: the JSON contract `flopcalc/reproduce/1`."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from flopcalc.cost import convention
from flopcalc.cost.cost import Cost, Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.errors import FlopcalcError
from flopcalc.networks.counted import labelled
from flopcalc.networks.network import Network
from flopcalc.published.command import formula, how
from flopcalc.published.tables import QUANTITIES, Figure, Ours, Witness
from flopcalc.replacing.clause import names
from flopcalc.replacing.described import replace_layers
from flopcalc.spec.layer_record import plain_value
from flopcalc.targets.read import read_operator, read_target
from flopcalc.targets.spec import TargetSpec
from flopcalc.text.expression import evaluate

# The result of comparing a figure.
VERDICTS = {
    "agrees": "our figure rounds to the printed digits",
    "truncated": "our figure, truncated instead of rounded, gives the printed digits",
    "convention": "our figure gives the printed digits in the way of counting that is named",
    "misprint": "the source is wrong, for the reason given",
    "differs": "our figure differs; the reason is unknown or uncertain",
    "open": "cannot be compared, for the reason given",
    "unexplained": "our figure differs, and the table gives no reason",
    "stale": "the table says that our figure differs, but it agrees",
}
GOOD = ("agrees", "truncated", "convention")
# A figure of this few digits says little: one number in ten to a hundred gives it, and a source has several ways.
FEW = 2
FAILED = ("unexplained", "stale")

Kernel = tuple[Mapping[str, Any], Part]


class Comparison(NamedTuple):
    """A printed figure and the computed one. value: None for an open figure. counted: what was counted; empty for the
    plain count of the figure's quantity. plain: whether the plain count has the printed digits, None if the quantity
    has no plain count. how: what is computed, as a command or in words; empty for an open figure.

    pair: whether it is of a row of two figures (`flopcalc.published.pairs`). convention: its way of counting, if it is
    not the plain one. family: of its network, if flopcalc does not have it.
    """

    figure: Figure
    value: int | Fraction | None
    verdict: str
    why: str
    counted: str = ""
    plain: bool | None = None
    how: str = ""
    convention: str = ""
    family: str = ""
    pair: bool = False


class _Counted(NamedTuple):
    """Kernels. chosen: those that the figure is about. every: all that it counts. plain: those before replacement."""

    chosen: tuple[Part, ...]
    every: tuple[Part, ...]
    plain: tuple[Part, ...]
    batch: int


def compare(figure: Figure) -> Comparison:
    """A figure compared with the computed one. Raises FlopcalcError, with file and line, if it cannot be computed."""
    if figure.stated == "open":
        return Comparison(figure, None, "open", figure.why)
    value = value_of(figure, figure.ours, figure.gives)
    fits = figure.printed.agreement(value)
    counted, plain = _counted_as(figure, value)
    verdict: str = fits or "unexplained"
    why = figure.note
    if figure.stated:
        verdict, why = "stale" if fits else figure.stated, figure.why
    if verdict == "truncated":
        cut = f"truncated; rounded, it is {figure.printed.like(value)}"
        why = f"{cut}; {why}" if why else cut
    return Comparison(
        figure=figure,
        value=value,
        verdict=verdict,
        why=why,
        counted=counted,
        plain=plain,
        how=how(_simplest(figure, value), figure.gives),
    )


def _counted_as(figure: Figure, value: int | Fraction) -> tuple[str, bool | None]:
    """What was counted, empty for the plain count of the whole network; and whether the plain count agrees."""
    agrees = None
    if figure.quantity in QUANTITIES and figure.ours.target is not None:
        plain = value_of(figure, figure.ours._replace(only="", leaves_out=""), figure.quantity.replace("-", "_"))
        agrees = bool(figure.printed.agreement(plain))
        if plain == value:
            return "", agrees
    what = formula(_simplest(figure, value), figure.gives)
    if figure.gives != figure.quantity:
        what = f"{figure.quantity}: {what}"
    return (f"{what} ({figure.note})" if figure.note and not figure.means else what), agrees


def _simplest(figure: Figure, value: int | Fraction) -> Ours:
    """What is computed, without conditions that do not change the number."""
    for bare in (figure.ours._replace(only="", leaves_out=""), figure.ours._replace(leaves_out="")):
        if value_of(figure, bare, figure.gives) == value:
            return bare
    return figure.ours


def witnessed(figure: Figure, witness: Witness) -> int | Fraction:
    """The number of a further witness."""
    return value_of(figure, witness.ours, witness.gives)


def value_of(figure: Figure, ours: Ours, gives: str) -> int | Fraction:
    """The value of the expression for the network or operator of `ours`."""
    try:
        known = {name: found for name in names(gives) if (found := _named(ours, name)) is not None}
        value = evaluate(gives, known)
    except FlopcalcError as error:
        raise FlopcalcError("bad-table", f"{figure.place}: {error.message}", error.hint) from None
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        raise FlopcalcError("bad-table", f"{figure.place}: {gives} does not give a number", "docs/adding-a-table.md")
    return value


def _named(ours: Ours, name: str) -> int | None:
    """The value of a name: a kind of cost or a convention, as `macs`, `plain_macs` or `all_macs`; None if unknown."""
    if ours.target is None:
        return None
    prefix, _, rest = name.partition("_")
    kernels, kind = ("chosen", name) if prefix not in ("plain", "all") else ({"all": "every"}.get(prefix, prefix), rest)
    counted = _count(ours)
    found: tuple[Part, ...] = getattr(counted, kernels)
    if kind in OF_A_KERNEL:
        return int(sum(getattr(part, kind) for part in found))
    kind = kind.replace("_", "-")
    if kind not in convention.CONVENTIONS:
        return None
    return int(convention.get(kind).of(Cost(found), counted.batch))


@lru_cache(maxsize=4096)
def _count(ours: Ours) -> _Counted:
    assert ours.target is not None  # noqa: S101 - plain arithmetic counts nothing
    plain, kernels, batch = _kernels_of(ours.target)
    every = [kernel for kernel in kernels if not (ours.leaves_out and evaluate(ours.leaves_out, kernel[0]))]
    chosen = [kernel for kernel in every if not ours.only or evaluate(ours.only, kernel[0])]
    found = ([part for _, part in some] for some in (chosen, every, plain))
    return _Counted(*map(tuple, found), batch)  # type: ignore[arg-type, call-arg]


def _kernels_of(target: TargetSpec) -> tuple[list[Kernel], list[Kernel], int]:
    """The kernels before replacement (for an operator, of the plain convolution), those after it, and the batch."""
    if target.kind == "operator":
        e = read_operator(target)
        plain = _kernels("conv", "conv", e.baseline, e.geometry, False)
        return list(plain), list(_kernels(target.what, target.what, e.cost, e.geometry, False)), e.geometry.batch
    before = _network(target.without_plan())
    after = replace_layers(before, target.plan).network if target.plan else before
    return list(_walk(before)), list(_walk(after)), after.batch


@lru_cache(maxsize=4)
def _network(target: TargetSpec) -> Network:
    return read_target(target).plain


def _walk(network: Network) -> Iterator[Kernel]:
    first = True
    for layer in network.layers:
        spatial = layer.evaluation is not None and layer.kind != "linear"
        cost = Cost(tuple(labelled(layer, network.calls)))
        yield from _kernels(layer.name, layer.kind, cost, layer.geometry, first and spatial)
        first = first and not spatial


def _kernels(name: str, kind: str, cost: Cost, g: Geometry | None, first: bool) -> Iterator[Kernel]:
    """Each kernel with the names that conditions can use. A size that the layer does not have is 0."""
    facts: dict[str, Any] = {"name": name, "kind": kind, "first": first}
    sizes = ("c_in", "c_out", "groups", "h", "w", "h_out", "w_out", "k_h", "k_w")
    facts |= {size: getattr(g, size) if g else 0 for size in sizes}
    facts["k"] = facts["k_h"] if facts["k_h"] == facts["k_w"] else 0
    facts["stride"] = g.stride_h if g else 0
    for part in cost:
        yield {**facts, "work": part.work, "part": part.name}, part


def reproduce_record(comparisons: Iterable[Comparison]) -> dict[str, Any]:
    """The rows for JSON, and the number of figures with each verdict: of all, and of each source."""
    found = list(comparisons)
    rows = [_row(one) for one in found]
    counts = _counts(rows)
    by_source: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_source.setdefault(row["paper"], []).append(row)
    return {
        "schema": "flopcalc/reproduce/1",
        "checked": len(rows),
        "failed": sum(counts[verdict] for verdict in FAILED),
        "verdicts": counts,
        "own_count": sum(row["agrees"] and row["counted"] != "" and not row["plain_agrees"] for row in rows),
        "few_digits": few_digits(rows),
        "sources": [
            {"source": key, "checked": len(some), "verdicts": _counts(some), "few_digits": few_digits(some)}
            for key, some in by_source.items()
        ],
        "conventions": _conventions(found),
        "families": _families(found),
        "rows": rows,
    }


def few_digits(rows: Iterable[Mapping[str, Any]]) -> int:
    """The number of agreeing figures of one or two digits, which another number gives easily, too."""
    return sum(row["agrees"] and row["digits"] <= FEW for row in rows)


def _counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    counted = Counter(row["verdict"] for row in rows)
    return {verdict: counted[verdict] for verdict in VERDICTS}


def _conventions(found: Iterable[Comparison]) -> list[dict[str, Any]]:
    """The ways of counting of each source of rows of two figures: the number of figures that each gives.

    of: the figures of this quantity of the source whose network flopcalc has. few_digits: those of the figures that
    have one or two digits.
    """
    agree: dict[tuple[str, str], Counter[str]] = {}
    few: Counter[tuple[str, str, str]] = Counter()
    for one in found:
        if one.pair and not one.family:
            way = (one.convention or one.figure.quantity) if one.verdict in GOOD else ""
            agree.setdefault((one.figure.paper, one.figure.quantity), Counter())[way] += 1
            few[one.figure.paper, one.figure.quantity, way] += one.figure.printed.digits <= FEW
    return [
        {
            "source": source,
            "quantity": quantity,
            "convention": way,
            "figures": figures,
            "of": counted.total(),
            "few_digits": few[source, quantity, way],
        }
        for (source, quantity), counted in agree.items()
        for way, figures in counted.most_common()
        if way
    ]


def _families(found: Iterable[Comparison]) -> list[dict[str, Any]]:
    """The families of the networks that flopcalc does not have, those with most rows first."""
    rows: dict[str, set[tuple[str, str]]] = {}
    sources: dict[str, set[str]] = {}
    for one in found:
        if one.family:
            rows.setdefault(one.family, set()).add((one.figure.paper, one.figure.place))
            sources.setdefault(one.family, set()).add(one.figure.paper)
    order = sorted(rows, key=lambda family: (-len(rows[family]), family.lower()))
    return [{"family": one, "rows": len(rows[one]), "sources": sorted(sources[one])} for one in order]


def _row(one: Comparison) -> dict[str, Any]:
    figure = one.figure
    return {
        "paper": figure.paper,
        "table": figure.table,
        "row": figure.row,
        "quantity": figure.quantity,
        "printed": figure.printed.text,
        "ours": None if one.value is None else plain_value(one.value),
        "agrees": one.verdict in GOOD,
        "verdict": one.verdict,
        "why": one.why,
        "counted": one.counted,
        "means": figure.means if one.counted else "",
        "plain_agrees": one.plain,
        "how": one.how,
        "source": figure.source,
        "pair": one.pair,
        "convention": one.convention,
        "family": one.family,
        "digits": figure.printed.digits,
    }

"""Rows of parameters and FLOPs compared with counts, in the ways of counting that their source uses."""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from flopcalc.analysis.profile import Profile
from flopcalc.analysis.readings import agreements
from flopcalc.analysis.ways import PARAMS_WAYS, Way, all_ways
from flopcalc.errors import ExitCode, FlopcalcError
from flopcalc.published import counts, pairs
from flopcalc.published.command import how
from flopcalc.published.compare import Comparison
from flopcalc.published.pairs import QUANTITIES, Named, Source
from flopcalc.published.rows import Row, read_cell, without_filling
from flopcalc.published.tables import Figure, Ours
from flopcalc.targets.spec import TargetSpec
from flopcalc.text.figure import Printed

_NO_FIGURE = "the cell cannot be read as one figure"


class Fit(NamedTuple):
    """A figure next to a count. way: the way of counting; agreement: `agrees`, `truncated` or empty."""

    way: Way
    value: int
    agreement: str


def compare_source(source: Source) -> Iterator[Comparison]:
    """Two comparisons for each row, of its parameters and of its FLOPs."""
    for row in source.rows:
        yield from compare_row(source, row)


def compare_row(source: Source, row: Row) -> list[Comparison]:
    """The comparisons of one row. Raises FlopcalcError, with the line of the row, if its network cannot be read."""
    printed = {one: figure_of(source, row, one) for one in QUANTITIES}
    named = pairs.named(source, row)
    if named is None:
        family = pairs.family(source, row)
        why = f"flopcalc has no network of this name (family {family})"
        return [_open(source, row, one, printed[one], why, family) for one in QUANTITIES]
    try:
        spec, fits = _best(named, printed)
    except FlopcalcError as error:
        if error.exit_code != ExitCode.MISSING:
            place = f"{source.path}, {row.name}"
            raise FlopcalcError("bad-table", f"{place}: {error.message}", error.hint) from None
        text = counts.shown_target(named.candidates[0])
        why = f"the file of counts does not have {text}, and {error.message}"
        return [_open(source, row, one, printed[one], why) for one in QUANTITIES]
    return [_comparison(source, row, one, printed[one], spec, fits[one]) for one in QUANTITIES]


def figure_of(source: Source, row: Row, quantity: str) -> Printed | None:
    """A figure of a row; None if its cell cannot be read as one figure."""
    text, heading = (row.params, row.headings[1]) if quantity == "params" else (row.flops, row.headings[0])
    printed = read_cell(text, heading, source.rounded.get(quantity, 0), pairs.unit(source, row, quantity))
    digits = pairs.decimals(source, row)
    return without_filling(printed, digits) if printed and digits is not None else printed


class Found(NamedTuple):
    """A way of counting found from figures alone. files: a pattern of the files of the source, empty for the others.

    gives: the figures that it gives and that no way before it gives; of: all figures of these files.
    """

    source: str
    files: str
    quantity: str
    way: Way
    gives: int
    of: int


def found_ways(source: Source, quantity: str) -> Iterator[Found]:
    """The ways of counting of a source, found from its figures: the one that gives most, then those for the rest.

    Every way that flopcalc knows and those of the source are tried, on the network that each row names.
    """
    groups: dict[str, list[tuple[Profile, Printed]]] = {}
    tried = {way.name: way for way in ways_of(quantity)}
    for row in source.rows:
        named, printed = pairs.named(source, row), figure_of(source, row, quantity)
        if named is None or printed is None or named.part:
            continue
        tried |= {way.name: way for way in named.ways[quantity]}
        spec, _ = _best(named, {one: figure_of(source, row, one) for one in QUANTITIES})
        groups.setdefault(pairs.files_of(source, row.file), []).append((counts.sums_of(spec), printed))
    for files, figures in groups.items():
        of, left = len(figures), figures
        while left:
            way, gives = agreements(left, tried.values())[0]
            if not gives:
                break
            yield Found(source.key, files, quantity, way, gives, of)
            left = [(sums, printed) for sums, printed in left if not _given(way, sums, printed)]


def all_found_ways(source: Source) -> list[Found]:
    """The ways of counting of parameters and of FLOPs of a source."""
    return [found for quantity in QUANTITIES for found in found_ways(source, quantity)]


def _given(way: Way, sums: Profile, printed: Printed) -> bool:
    value = way.of(sums)
    return value is not None and bool(printed.agreement(value))


def ways_of(quantity: str) -> list[Way]:
    """The ways that flopcalc knows for parameters, or for FLOPs."""
    return list(PARAMS_WAYS.values()) if quantity == "params" else all_ways()


def _best(named: Named, printed: dict[str, Printed | None]) -> tuple[TargetSpec, dict[str, Fit]]:
    """The first of the candidates with which most figures agree, and how each of its figures agrees."""
    best: tuple[int, TargetSpec, dict[str, Fit]] | None = None
    for spec in named.candidates:
        sums = counts.sums_of(spec, named.part)
        fits = {}
        for one in QUANTITIES:
            figure = printed[one]
            found = [Fit(way, value, "") for way in named.ways[one] if (value := way.of(sums)) is not None]
            found = [fit._replace(agreement=figure.agreement(fit.value)) for fit in found] if figure else found
            if not found:
                why = f"no way of counting {one} is kept of {counts.shown_target(spec)}"
                raise FlopcalcError("bad-table", why, "define one in counting, as an expression")
            # Rounding before truncation, each in the order of the source.
            order = {"agrees": 0, "truncated": 1, "": 2}
            fits[one] = min(found, key=lambda fit: order[fit.agreement])
        # FLOPs say more of the network than parameters, which do not depend on the input.
        score = 2 * bool(fits["macs"].agreement) + bool(fits["params"].agreement)
        if best is None or score > best[0]:
            best = (score, spec, fits)
    assert best is not None  # noqa: S101 - a rule has a target
    return best[1:]


def _comparison(
    source: Source, row: Row, quantity: str, printed: Printed | None, spec: TargetSpec, fit: Fit
) -> Comparison:
    if printed is None:
        return _open(source, row, quantity, None, _NO_FIGURE)
    stated = pairs.statements(source, row, quantity)
    own = fit.way.name != quantity
    verdict = "convention" if own and fit.agreement else fit.agreement or "unexplained"
    why = ""
    if stated:
        verdict, why = "stale" if fit.agreement else stated.stated, stated.why
    elif fit.agreement == "truncated":
        why = f"truncated; rounded, it is {printed.like(fit.value)}"
    figure = _figure(source, row, quantity, printed, spec, fit.way.gives or fit.way.name.replace("-", "_"))
    figure = figure._replace(stated=stated.stated if stated else "", why=why)
    counted = f"{fit.way.name}: {fit.way.means or fit.way.gives}" if own else ""
    return Comparison(
        figure=figure,
        value=fit.value if verdict != "open" else None,
        verdict=verdict,
        why=why,
        counted=counted if verdict != "open" else "",
        plain=not own,
        how=how(figure.ours, quantity),
        convention=fit.way.name if own and verdict == "convention" else "",
        pair=True,
    )


def _open(source: Source, row: Row, quantity: str, printed: Printed | None, why: str, family: str = "") -> Comparison:
    figure = _figure(source, row, quantity, printed, None, quantity)
    why = why if printed else f"{_NO_FIGURE}; {why}" if why != _NO_FIGURE else why
    return Comparison(figure._replace(stated="open", why=why), None, "open", why, family=family, pair=True)


def _figure(
    source: Source, row: Row, quantity: str, printed: Printed | None, spec: TargetSpec | None, gives: str
) -> Figure:
    text = row.params if quantity == "params" else row.flops
    return Figure(
        paper=source.key,
        table=row.file,
        row=row.name,
        quantity=quantity,
        printed=printed or Printed(text, Fraction(0), Fraction(1), 0, ""),
        ours=Ours(spec),
        gives=gives,
        means="",
        stated="",
        why="",
        note="",
        evidence=(),
        source=f"{source.repository} {row.file}",
        place=f"{source.path}, line {row.line}",
    )

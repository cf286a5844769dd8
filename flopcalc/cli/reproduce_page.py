"""The output of `flopcalc reproduce`: totals by source, the figures of each, and what is not there yet."""

from collections.abc import Collection, Iterable, Mapping
from itertools import groupby
from typing import Any, Literal

from flopcalc.published.compare import FAILED, GOOD, VERDICTS
from flopcalc.published.pair_figures import Found
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people

Rows = list[dict[str, Any]]
Block = Table | Facts | Lines

_COLUMNS = ("table", "row", "quantity", "printed", "ours", "verdict")
# Rows of networks that flopcalc does not have are listed by family, at most this many families in a table.
_FAMILIES = 40
# Verdicts of the totals that are left out in a narrow terminal, the highest first.
_DROPPED = {"truncated": 2, "convention": 1}


def document(
    record: dict[str, Any],
    titles: Mapping[str, str],
    verdicts: Collection[str] = tuple(VERDICTS),
    flat: bool = False,
    whole: bool = True,
    summary: bool = False,
) -> Document:
    """The totals of each source, the figures with those verdicts by source (or as one table), and the families.

    whole: show every figure; otherwise, of sources with rows of two figures, only those that neither agree nor are
    missing a network. summary: only the totals.
    """
    rows = [row for row in record["rows"] if row["verdict"] in verdicts]
    if summary:
        blocks: list[Block] = [_totals(record), *([] if flat else [_legend(record)])]
    elif flat:
        blocks = [_flat(rows)]
    else:
        blocks = [_totals(record)] if len(record["sources"]) > 1 else []
        blocks += _papers(rows if whole else [row for row in rows if not _is_usual(row)], titles)
        blocks += [_convention_table(record)] if record["conventions"] else []
        blocks += [_family_table(record)] if record["families"] else []
        blocks += [_legend(record)]
    title = f"{record['checked']} printed figures: {_counts(record['rows'])}"
    if record["few_digits"]:
        good = sum(record["verdicts"][verdict] for verdict in GOOD)
        title += f"; {record['few_digits']} of the {good} that ours gives have one or two digits"
    return Document(title, blocks, {**record, "rows": rows})


def recount_document(record: dict[str, Any]) -> Document:
    """What a recount found."""
    columns = (
        Column("network", "text"),
        Column("number", "text"),
        Column("kept", "number"),
        Column("counted", "number"),
    )
    lines = [[one["network"], one["number"], one["kept"], one["counted"]] for one in record["differences"]]
    many = "wrote" if record["written"] else f"{len(lines)} differences in"
    title = f"{many} the counts of {record['networks']} Python models"
    return Document(title, [Table(columns, lines)] if lines else [], record)


def ways_document(found: Collection[Found]) -> Document:
    """The ways of counting that were found from figures alone."""
    names = ("source", "files", "quantity", "convention", "figures", "of")
    columns = tuple(Column(name, "number" if name in ("figures", "of") else "text") for name in names)
    lines: list[list[Cell]] = [[one.source, one.files, one.quantity, one.way.name, one.gives, one.of] for one in found]
    means = {one.way.name: one.way.means or one.way.gives for one in found}
    record = {"schema": "flopcalc/ways/1", "ways": [dict(zip(names, line, strict=True)) for line in lines]}
    title = "Ways of counting found from the figures: each with the figures that none before it gives"
    return Document(title, [Table(columns, lines), Facts(list(means.items()), "Ways")], record)


def _is_usual(row: dict[str, Any]) -> bool:
    """Whether a figure of a row of two figures needs no look: it agrees, or flopcalc does not have the network."""
    return row["pair"] and (row["verdict"] in GOOD or row["family"] != "")


def _totals(record: dict[str, Any]) -> Table:
    """The number of figures with each verdict, of each source."""
    shown = [verdict for verdict, count in record["verdicts"].items() if count]
    columns = (
        Column("source", "text"),
        Column("figures"),
        *(Column(one, drop=_DROPPED.get(one, 0)) for one in shown),
        Column("few digits", key="few_digits", drop=3),
    )
    lines: list[list[Cell]] = [
        [one["source"], one["checked"], *(one["verdicts"][verdict] for verdict in shown), one["few_digits"]]
        for one in record["sources"]
    ]
    total = ["all", record["checked"], *(record["verdicts"][verdict] for verdict in shown), record["few_digits"]]
    return Table(columns, lines, [total], title="Figures by source", short_records=True)


def _convention_table(record: dict[str, Any]) -> Table:
    """The ways of counting that the figures of each source have."""
    names = ("source", "quantity", "convention", "figures", "of", "few_digits")
    numbers = ("figures", "of", "few_digits")
    columns = tuple(
        Column(name.replace("_", " "), "number" if name in numbers else "text", key=name, drop=name == "few_digits")
        for name in names
    )
    lines: list[list[Cell]] = [[one[name] for name in names] for one in record["conventions"]]
    title = "Ways of counting of the sources with parameters and FLOPs"
    return Table(columns, lines, title=title, short_records=True)


def _family_table(record: dict[str, Any]) -> Table:
    """The families of networks that flopcalc does not have, those with most rows first."""
    found = record["families"]
    rest = found[_FAMILIES:]
    lines: list[list[Cell]] = [[one["family"], one["rows"], ", ".join(one["sources"])] for one in found[:_FAMILIES]]
    if rest:
        lines.append([f"{len(rest)} further families", sum(one["rows"] for one in rest), ""])
    columns = (Column("family", "text"), Column("rows", "number"), Column("sources", "text"))
    return Table(columns, lines, title="Rows of networks that flopcalc does not have, by family")


# How titles say verdicts, of one figure and of several.
_SAID = {
    "agrees": ("agrees", "agree"),
    "convention": ("agrees in another way of counting", "agree in another way of counting"),
    "misprint": ("misprint", "misprints"),
    "differs": ("differs", "differ"),
}


def _counts(rows: Rows) -> str:
    """The number of figures of each verdict, and how many of the good ones agree only if counted in another way."""
    words = []
    for verdict in VERDICTS:
        found = [row for row in rows if row["verdict"] == verdict]
        if not found:
            continue
        words.append(f"{len(found)} {_SAID.get(verdict, (verdict, verdict))[len(found) > 1]}")
        own = sum(row["counted"] != "" and not row["plain_agrees"] for row in found)
        if own and verdict in GOOD and verdict != "convention":
            words[-1] += f" ({own} of them only if counted in another way)"
    return ", ".join(words)


def _flat(rows: Rows) -> Table:
    names = ("paper", *_COLUMNS, "digits", "why", "counted", "means", "how", "source", "convention")
    lines = [[_ours(row) if name == "ours" else row[name] for name in names] for row in rows]
    return Table(tuple(Column(name, "number" if name in ("ours", "digits") else "text") for name in names), lines)


_KINDS: dict[str, Literal["number", "name", "text"]] = {"printed": "number", "ours": "number", "verdict": "name"}


def _papers(rows: Rows, titles: Mapping[str, str]) -> Iterable[Block]:
    for key, found in groupby(rows, lambda row: row["paper"]):
        group = list(found)
        notes = _notes(group)
        marks = {text: f"*{number}" for number, text in enumerate(notes, start=1)}
        # A figure that is a sentence may be wrapped.
        kinds = _KINDS if max(len(row["printed"]) for row in group) < 20 else {**_KINDS, "printed": "text"}
        yield Table(
            tuple(Column(name, kinds.get(name, "text"), drop=name == "table") for name in _COLUMNS),
            [[*_cells(row)[:-1], f"{row['verdict']} {marks.get(_what(row), '')}".rstrip()] for row in group],
            title=f"{key}: {titles[key]}; {_counts(group)}",
            short_records=True,
        )
        if notes:
            facts = [
                (marks[text], "; ".join([text, *formulas]) if formulas else text) for text, formulas in notes.items()
            ]
            yield Facts(facts, f"{key}: other ways of counting")
        reasons: dict[str, list[str]] = {}
        for row in group:
            if row["verdict"] not in GOOD and row["why"]:
                reasons.setdefault(f"{row['verdict']}: {row['why']}", []).append(f"{row['row']}, {row['quantity']}")
        if reasons:
            yield Lines(
                "Reasons" if notes else "", [f"{'; '.join(places)}: {reason}" for reason, places in reasons.items()]
            )


def _cells(row: dict[str, Any]) -> list[Cell]:
    return [_shown(row) if name == "ours" else row[name] for name in _COLUMNS]


def _what(row: dict[str, Any]) -> str:
    """What was counted, in the words of the table if it has them; empty for a plain count."""
    too = "the plain count agrees too: " if row["counted"] and row["plain_agrees"] else ""
    return f"{too}{row['means'] or row['counted']}"


def _notes(rows: Rows) -> dict[str, list[str]]:
    """Each other way of counting, with its formulas if it is described in words."""
    notes: dict[str, list[str]] = {}
    for row in rows:
        if row["counted"]:
            formulas = notes.setdefault(_what(row), [])
            if row["means"] and row["counted"] not in formulas:
                formulas.append(row["counted"])
    return notes


def _ours(row: dict[str, Any]) -> Cell:
    value: Cell = row["ours"]
    return value


def _shown(row: dict[str, Any]) -> str:
    """Our figure as it is compared: a share in per cent where the paper prints one, and all digits before the point."""
    value = row["ours"]
    if value is None:
        return ""
    if row["printed"].endswith("%"):
        return f"{100 * value:.3f}%"
    return f"{value:,.1f}" if isinstance(value, float) and value > 1000 else people(value)


def _legend(record: dict[str, Any]) -> Facts:
    shown = [verdict for verdict, count in record["verdicts"].items() if count or verdict not in FAILED]
    facts = [(verdict, VERDICTS[verdict]) for verdict in shown]
    if record["few_digits"]:
        facts.append(("few digits", "agreeing figures of one or two digits: weak evidence, as other numbers give them"))
    if any(row["counted"] for row in record["rows"]):
        facts.append(
            ("*1", "ours is not the plain count of this quantity; the note with this number says what is counted")
        )
    return Facts(facts, "Verdicts")

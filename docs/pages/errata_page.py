"""The page of errors in papers: what is printed, what is right, and the numbers that show it."""

from collections.abc import Iterator
from html import escape
from typing import Any

from flopcalc.catalog import lookup
from flopcalc.published import sources, tables
from flopcalc.published.errata import errata, wrong_figures
from flopcalc.report.document import people
from flopcalc.text.expression import to_latex
from pages.mathml import mathml

_KINDS = {
    "corrected": ("Wrong equations", "The printed equation gives a wrong number; flopcalc uses the corrected one."),
    "asymptotic": (
        "Equations that hold in a limit",
        "The printed equation is a simplification; flopcalc uses the exact one.",
    ),
    "open": ("Equations with two readings", "The evidence allows both; an option of the operator chooses."),
    "statement": ("Wrong statements", "What the text says about costs, and what is the case."),
    "figure": ("Wrong figures in tables", "Each figure is compared with ours by [`flopcalc reproduce`](published.md)."),
}
_RIGHT = {"open": "Other reading", "asymptotic": "Exact"}


def page() -> str:
    """The page in Markdown."""
    return "\n".join(_lines()) + "\n"


def rows() -> list[dict[str, Any]]:
    """All entries, as `flopcalc errata` lists them."""
    return [*errata(lookup.every()), *wrong_figures([tables.load(name) for name in tables.names()])]


def _lines() -> Iterator[str]:
    found = rows()
    yield "# Errata"
    yield ""
    yield (
        f"{len(found)} errors and open questions in {len({row['paper'] for row in found})} papers, projects and "
        "lectures. Each has evidence: numbers that are computed when this page is made, so that you can check them. "
        "`flopcalc errata` lists the same; `flopcalc errata compconv` shows those of one operator or paper. Errors of "
        "other counters are on [a page of their own](tool-errata.md)."
    )
    seen: set[str] = set()
    for kind, (title, text) in _KINDS.items():
        of_kind = [row for row in found if row["kind"] == kind]
        if not of_kind:
            continue
        yield from ("", f"## {title}", "", text)
        for row in of_kind:
            yield from _entry(row, seen)


def _entry(row: dict[str, Any], seen: set[str]) -> Iterator[str]:
    name = row["operator"] or row["source"]
    # Operators' pages link to the first entry of an operator.
    anchor = f" {{ #{name} }}" if row["operator"] and name not in seen else ""
    seen.add(name)
    yield from ("", f"### {_plain(name)}: {_plain(row['where'])}{anchor}", "", f"{_plain(row['paper'])}.", "")
    yield '<table class="equations erratum" data-search-exclude markdown="0"><tbody>'
    yield _row("Printed", _shown(row, "printed"), "printed")
    yield _row(_RIGHT.get(row["kind"], "Right"), _shown(row, "right"), "right")
    yield "</tbody></table>"
    if row["why"]:
        yield from ("", _plain(row["why"]))
    if row["evidence"]:
        yield from ("", "| evidence | value |", "|:---|---:|")
        for one in row["evidence"]:
            source = f" ({one['source']})" if one.get("source") else ""
            yield f"| {_plain(one['what'] + source)} | {people(one['value'])} |"


def _row(title: str, content: str, kind: str) -> str:
    return f'<tr><th>{title}</th><td class="{kind}">{content}</td></tr>'


def _shown(row: dict[str, Any], which: str) -> str:
    text = row[which]
    if row["kind"] in ("statement", "figure"):
        return escape(text)
    gives, _, expression = text.partition(" = ")
    return f"{escape(gives)} = {mathml(to_latex(expression))}"


def _plain(text: str) -> str:
    """Words as Markdown shows them: no mark of emphasis or of a cell in them."""
    for mark in ("\\", "*", "_", "|", "<", "`"):
        text = text.replace(mark, f"\\{mark}" if mark != "<" else "&lt;")
    return text


def counted_sources() -> int:
    """The number of sources with tables."""
    return len(sources.names())

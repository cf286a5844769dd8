"""The document of the errors of other counters."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flopcalc.published.tool_errata import ToolError
from flopcalc.report.document import Cell, Column, Document, Facts, Table, people

_CALLS = {"": "one forward on the CPU", "meta": "one forward on the meta device", "backward": "forward and backward"}


def tool_errors_document(errors: Sequence[ToolError], *, as_table: bool) -> Document:
    """The errors with their modules; as_table: one row each, without the modules."""
    rows = [_row(error) for error in errors]
    tools = Counter((error.tool, error.version) for error in errors)
    overview = [{"tool": tool, "version": version, "errors": number} for (tool, version), number in tools.items()]
    data = {"schema": "flopcalc/tool-errata/1", "tools": overview, "rows": rows}
    title = f"{len(errors)} {'error' if len(errors) == 1 else 'errors'} of other counters"
    if as_table:
        names = ("tool", "version", "what", "unit", "printed", "right", "why")
        columns = tuple(Column(name, "number" if name in {"printed", "right"} else "text") for name in names)
        return Document(title, (Table(columns, [[row[name] for name in names] for row in rows]),), data)
    columns = (Column("tool", "text"), Column("version", "text"), Column("wrong figures"))
    lines: list[list[Cell]] = [[tool, version, number] for (tool, version), number in tools.items()]
    table = Table(columns, lines, title="Tools")
    return Document(title, [table, *[Facts(_facts(error), _title(error)) for error in errors]], data)


def _title(error: ToolError) -> str:
    return f"{error.tool} {error.version}: {error.case.what}"


def _row(error: ToolError) -> dict[str, Any]:
    return {
        "tool": error.tool,
        "version": error.version,
        "what": error.case.what,
        "module": error.case.module,
        "inputs": error.case.inputs,
        "call": _CALLS[error.call],
        "unit": error.unit,
        "printed": error.printed,
        "right": error.right,
        "working": error.case.working,
        "why": error.why,
        "found": error.found,
        "script": error.script(),
    }


def _facts(error: ToolError) -> list[tuple[str, str]]:
    module = error.case.module.splitlines()
    facts = [("module", module[0]), *(("", line) for line in module[1:] if line)]
    facts.append(("inputs", error.case.inputs))
    if error.call:
        facts.append(("call", _CALLS[error.call]))
    facts.append(("printed", f"{people(error.printed)} {error.unit}"))
    facts.append(("right", f"{people(error.right)} {error.unit}: {error.case.working}"))
    return [*facts, ("why", error.why), ("found", error.found)]

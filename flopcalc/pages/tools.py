"""What other counters print for the same target, and why it is another number."""

from collections.abc import Mapping
from typing import Any

from flopcalc.cost.convention import CONVENTIONS
from flopcalc.pages.page import Tool
from flopcalc.report.document import people

ABOUT = (
    "Each number is worked out from the rules of the counter; the counters were not run. The reasons add up: MACs plus "
    "all lines of a counter are its number."
)
_NAMED = 3


def tools(record: Mapping[str, Any]) -> list[Tool]:
    """One entry for each counter of a record of `flopcalc explain`."""
    return [_tool(row, record) for row in record["rows"]]


def _tool(row: Mapping[str, Any], record: Mapping[str, Any]) -> Tool:
    return Tool(
        name=row["tool"],
        version=row["version"],
        means=CONVENTIONS[row["tool"]].text,
        figure=("at least " if record["uncounted"] else "") + people(row["figure"]),
        ratio=people(row["figure"] / record["macs"], "ratio") if record["macs"] else "",
        reasons=[(people(step["amount"], "difference"), _words(step)) for step in row["steps"]],
        doubt=row["why_not"] or "",
    )


def _words(step: Mapping[str, Any]) -> str:
    layers = step["layers"]
    if not layers:
        return str(step["what"])
    shown = ", ".join(layers[:_NAMED])
    return f"{step['what']} ({shown}{f' and {len(layers) - _NAMED:,} more' if len(layers) > _NAMED else ''})"

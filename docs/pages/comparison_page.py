"""The page that compares other counters: what they report for the same networks, and why."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flopcalc.analysis.explain import Row, explain
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.networks.library import network
from flopcalc.published.tool_errata import TOOL_ERRORS

_MINUS = "\N{MINUS SIGN} "
_FILE = Path(__file__).resolve().parent / "counters.json"


def reported() -> dict[str, Any]:
    """What the counters reported, by network, as benchmarks/comparison.py wrote it down."""
    found: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return found


def page() -> str:
    """The page in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    found = reported()
    tools = list(dict.fromkeys(row["tool"] for one in found.values() for row in one["rows"]))
    rows = {name: {row.tool: row for row in explain(network(name), tools)} for name in found}
    yield "# Other counters compared"
    yield ""
    yield (
        "Counters disagree, because they count different things and see different parts of a network. This page shows "
        f"what {len(tools)} of them report for {len(found)} networks, and leads from the multiply-accumulates (MACs) "
        "to each number. `benchmarks/comparison.py` ran the counters on the modules; the reasons are worked out by "
        "[`flopcalc explain`](cli.md#flopcalc-explain) when this page is made, from the descriptions of the networks. "
        "`flopcalc explain NETWORK --run` does the same for your own model."
    )
    yield from ("", "## What they report", "", *_matrix(found, tools))
    yield from ("", "## What each one counts", "", *_rules(rows, tools))
    yield from ("", "## Why, network by network", "")
    yield "Open a network for the exact numbers. Each one is the sum of the MACs and of the lines below it."
    for name, one in found.items():
        yield from ("", *_network(name, one, rows[name]))
    yield from ("", "## Kernel by kernel", "")
    yield (
        "[How counting works](counting.md#next-to-other-counters) has small constructions with MACs worked out by "
        "hand, and what the counters report for them. [Errors of other counters](tool-errata.md) lists "
        f"{len(TOOL_ERRORS)} wrong figures, each with the smallest module that shows it."
    )


def _matrix(found: Mapping[str, Any], tools: list[str]) -> Iterator[str]:
    yield "The reported number over the MACs of the network: 1 is equal, 2 counts each product and each sum."
    yield ""
    yield f"| network | MACs | {' | '.join(tools)} |"
    yield f"|:---|---:|{'---:|' * len(tools)}"
    for name, one in found.items():
        by_tool = {row["tool"]: row for row in one["rows"]}
        cells = [_ratio(by_tool[tool]["measured"], one["macs"]) for tool in tools]
        yield f"| `{name}` | {one['macs']:,} | {' | '.join(cells)} |"
    equal = sum(row["measured"] == row["figure"] for one in found.values() for row in one["rows"])
    ran = sum(row["measured"] is not None for one in found.values() for row in one["rows"])
    yield ""
    presets = "flopcalc's [presets](conventions.md#other-counters)"
    yield f"{presets} gave the same number, to the unit, in {equal} of {ran} cases."


def _ratio(reported_figure: int | None, macs: int) -> str:
    return "" if reported_figure is None else f"{reported_figure / macs:.3f}"


def _rules(rows: Mapping[str, Mapping[str, Row]], tools: list[str]) -> Iterator[str]:
    yield "Of these networks. A minus is work that the counter does not see or leaves out."
    yield ""
    yield "| counter | version | what it counts in addition to the MACs, or not | known errors |"
    yield "|:---|:---|:---|---:|"
    for tool in tools:
        signs: dict[str, set[bool]] = {}
        for one in rows.values():
            for step in one[tool].steps:
                signs.setdefault(step.what, set()).add(step.amount > 0)
        texts = [f"{'' if True in sign else _MINUS}{what}" for what, sign in signs.items()]
        version = next(iter(rows.values()))[tool].version
        errors = sum(one.tool == tool for one in TOOL_ERRORS)
        yield f"| `{tool}` | {version} | {'; '.join(texts) or 'nothing'} | [{errors}](tool-errata.md) |"
    yield ""
    yield "In words:"
    yield ""
    yield from (f"- **{tool}**: {CONVENTIONS[tool].text}" for tool in tools)


def _network(name: str, one: Mapping[str, Any], rows: Mapping[str, Row]) -> Iterator[str]:
    yield f'??? note "{name}, input {", ".join(one["input"])}: {one["macs"]:,} MACs"'
    yield "    | counter | line | amount |"
    yield "    |:---|:---|---:|"
    for tool, row in rows.items():
        yield f"    | `{tool}` | MACs | {one['macs']:,} |"
        for step in row.steps:
            yield f"    | | {step.what}{_where(step.layers)} | {step.amount:,} |"
        yield f"    | | **= {row.version}** | **{row.figure:,}** |"


def _where(layers: tuple[str, ...]) -> str:
    if not layers:
        return ""
    return f" (`{layers[0]}`)" if len(layers) == 1 else f" ({len(layers)} layers, `{layers[0]}` and so on)"

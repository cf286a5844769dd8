"""The block for a model card: the headline numbers with their convention, in a screen of Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flopcalc.analysis.form_record import form_record
from flopcalc.analysis.memory.record import Memory, readable
from flopcalc.analysis.roofline import Roofline
from flopcalc.pages.gather import Absent, NetworkFacts, OperatorFacts, holds_here
from flopcalc.pages.page import ModelCard
from flopcalc.pages.tools import tools
from flopcalc.report import citation
from flopcalc.report.columns import headline
from flopcalc.report.document import people, seconds
from flopcalc.report.uncounted import at_least, uncounted_lines

# Longer formulas are of no use in a card.
_LONGEST = 400


def model_card(facts: NetworkFacts | OperatorFacts) -> ModelCard:
    """What a model card says about the cost of a target."""
    record, chosen = facts.record, facts.asked.convention
    unknown: Sequence[Mapping[str, Any]] = record.get("uncounted", ())
    is_network = isinstance(facts, NetworkFacts)
    before = facts.before if isinstance(facts, NetworkFacts) else None
    title = record["title"].partition(" | ")[0] if is_network else f"{facts.operators[0].title}"
    rows = [*_rows(facts, before, headline(chosen)), *_times(facts.roofline)]
    counted = ", as counted" if unknown or (before and before["uncounted"]) else ""
    header = ["", "before", "after", f"after / before{counted}"] if before else ["", "value"]
    return ModelCard(
        title=f"Cost of {title}",
        header=header,
        rows=[row if before else (row[0], row[2]) for row in rows],
        facts=list(_network_facts(facts) if isinstance(facts, NetworkFacts) else _operator_facts(facts)),
        code=list(_formulas(facts)) if isinstance(facts, NetworkFacts) else [],
        warnings=list(uncounted_lines(unknown)),
        counters=[(tool.name, tool.figure, tool.ratio) for tool in tools(facts.tools)],
        notes=list(dict.fromkeys(record["notes"])),
        sources=list(_sources(facts)),
        command=facts.asked.command,
        version=facts.asked.version,
    )


def _rows(
    facts: NetworkFacts | OperatorFacts, before: Mapping[str, Any] | None, what: str
) -> Iterator[tuple[str, str, str, str]]:
    """Quantity, before, after, ratio; before and ratio are empty without a replacement."""
    record = facts.record
    unknown: Sequence[Mapping[str, Any]] = record.get("uncounted", ())
    kinds = [
        ("params", "Parameters"),
        ("cost", what),
        ("flops", "FLOPs"),
        ("traffic", f"Bytes moved ({record['dtype']})"),
    ]
    for key, title in kinds:
        if key == "flops" and record["convention"] == "flops":
            continue
        known = [] if key == "params" else unknown
        old = before[key] if before else None
        # Of the network before replacement, other kernels may lack a rule.
        were = before["uncounted"] if before and key != "params" else []
        yield title, at_least(people(old), were), at_least(people(record[key]), known), _ratio(record[key], old)
    if isinstance(facts, OperatorFacts):
        yield "Tensors alive at once", "", readable(facts.memory), ""
    elif isinstance(facts.memory, Memory):
        found, was = facts.memory, facts.memory_before
        old = was.peak if isinstance(was, Memory) else None
        title = f"Peak memory (inference, {found.dtype})"
        yield title, readable(old) if old else "", readable(found.peak), _ratio(found.peak, old)


def _times(found: Roofline | None) -> Iterator[tuple[str, str, str, str]]:
    if found is None:
        return
    old = found.before
    how = f"{found.device.name}, {found.dtype}, {found.execution}"
    for title, new, was in (
        (f"Expected time ({how})", found.estimate_s, old.estimate_s if old else None),
        (f"Bound of the time ({how})", found.bound_s, old.bound_s if old else None),
        (f"Measured time ({how})", found.measured_s, found.measured_before_s),
    ):
        if new is not None:
            yield title, seconds(was), at_least(seconds(new), found.uncounted), _ratio(new, was)


def _ratio(after: int | float, before: int | float | None) -> str:
    return people(after / before, "ratio") if before else ""


def _network_facts(facts: NetworkFacts) -> Iterator[tuple[str, str]]:
    record, chosen = facts.record, facts.asked.convention
    yield "Input", f"{', '.join(record['inputs'])}, batch {record['batch']}"
    yield "Counted", f"{chosen.name}: {chosen.text}"
    if record["replace"]:
        where = f" where {record['where']}" if record["where"] else ""
        count = "1 layer" if record["replaced"] == 1 else f"{record['replaced']:,} layers"
        yield "Replaced", f"{count} by {record['replace']}{where}"


def _operator_facts(facts: OperatorFacts) -> Iterator[tuple[str, str]]:
    chosen, record = facts.asked.convention, facts.record
    yield "Shape", str(facts.evaluation.geometry)
    yield "Counted", f"{chosen.name}: {chosen.text}"
    for kind, name in (("macs", "MACs"), ("params", "parameters")):
        if record["ratio"][kind] is not None:
            base = facts.evaluation.operator.baseline_text
            yield f"Ratio of {name}", f"{people(record['ratio'][kind], 'ratio')} of {base}"


def _formulas(facts: NetworkFacts) -> Iterator[tuple[str, str]]:
    """The closed form of the MACs, where it is short enough."""
    if isinstance(facts.form, Absent) or not holds_here(facts.form):
        return
    record = form_record(facts.form)
    text = record["cost"]["macs"]["exact"]
    symbols = ", ".join(f"{name} {meaning}" for name, meaning in record["symbols"].items())
    if len(text) <= _LONGEST and symbols:
        yield f"MACs{', as counted,' if facts.uncounted else ''} for {symbols}", text


def _sources(facts: NetworkFacts | OperatorFacts) -> Iterator[str]:
    if isinstance(facts, NetworkFacts) and facts.source:
        yield facts.source
    yield from dict.fromkeys(citation.text(one.paper) for one in facts.operators if one.equations or one.errata)

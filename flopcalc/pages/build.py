"""The page of a network or of an operator, from the records that were gathered."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from flopcalc.analysis.memory.record import Memory, readable
from flopcalc.analysis.roofline import Roofline
from flopcalc.cost.convention import Convention
from flopcalc.pages import pictures
from flopcalc.pages.equations import citations, provenance
from flopcalc.pages.forms import network_forms, operator_forms
from flopcalc.pages.gather import Absent, NetworkFacts, OperatorFacts
from flopcalc.pages.icicle import icicle
from flopcalc.pages.layers import layers_table, parts_table
from flopcalc.pages.page import Card, Page, Part, Replaced
from flopcalc.pages.tools import ABOUT, tools
from flopcalc.report.columns import headline, unit
from flopcalc.report.document import Column, Facts, Lines, Table, people, seconds
from flopcalc.report.layer import layer_document
from flopcalc.report.memory import memory_document
from flopcalc.report.model import View, model_document
from flopcalc.report.roofline import roofline_document
from flopcalc.report.uncounted import at_least, uncounted_lines
from flopcalc.spec.operator import Evaluation
from flopcalc.targets.model_record import grouped

# Layers in the table of the slowest.
_SLOWEST = 15
_NAMED = 6
_NEARLY_ALL = 0.95


def page(facts: NetworkFacts | OperatorFacts) -> Page:
    """All that the page of a target shows."""
    return _network_page(facts) if isinstance(facts, NetworkFacts) else _operator_page(facts)


def _network_page(facts: NetworkFacts) -> Page:
    record, chosen = facts.record, facts.asked.convention
    what = unit(chosen)
    view = model_document(record, View("stage"), chosen)
    name, _, _ = record["title"].partition(" | ")
    times = {one.name: (one.bound_s, one.estimate_s) for one in facts.roofline.layers} if facts.roofline else {}
    forms = None if isinstance(facts.form, Absent) else network_forms(facts.form)
    return Page(
        target=record["name"],
        title=name,
        subtitle=_subtitle(record),
        lead=_lead(facts),
        command=facts.asked.command,
        version=facts.asked.version,
        convention=f"{chosen.name}: {chosen.text}",
        cards=list(_cards(facts)),
        uncounted=list(uncounted_lines(record["uncounted"])),
        facts=_facts_of(view.blocks),
        tree=icicle(record["name"], record["layers"], record["modules"], what),
        stages=_stages(record, headline(chosen)),
        replaced=_replaced(facts, headline(chosen)),
        layers=layers_table(record, chosen, times, record["replaced_by"]),
        forms=forms,
        no_forms=_absent(facts.form),
        time=_time(facts.roofline),
        memory=_memory(facts.memory),
        tools=tools(facts.tools),
        tools_about=ABOUT,
        provenance=provenance(facts.operators, _used(record)),
        citations=citations(facts.operators),
        notes=list(dict.fromkeys(_notes(facts))),
        data={"source": facts.source},
    )


def _subtitle(record: Mapping[str, Any]) -> str:
    pieces = [f"input {', '.join(record['inputs'])}", f"batch {record['batch']}"]
    if record["replace"]:
        where = f" where {record['where']}" if record["where"] else ""
        pieces.append(f"{'layers' if record['replaced'] else 'no layer'} replaced by {record['replace']}{where}")
    return ", ".join(pieces)


def _facts_of(blocks: Iterable[Table | Facts | Lines]) -> list[tuple[str, str]]:
    """The labelled lines below the table of `flopcalc model`."""
    return list(next((block.items for block in blocks if isinstance(block, Facts)), ()))


def _lead(facts: NetworkFacts) -> str:
    """One sentence: what it costs, and where most of it is."""
    record = facts.record
    least = at_least(f"{people(record['cost'])} {unit(facts.asked.convention)}", record["uncounted"])
    text = f"One forward pass costs {least} with {people(record['params'])} parameters."
    for by, what in (("stage", "stage"), ("type", "type of layer")):
        rows = sorted(grouped(record["layers"], by), key=lambda row: -row["cost"])
        # That all of it is in one place says nothing, nor does one of several equal places.
        if len(rows) > 1 and rows[1]["cost"] < rows[0]["cost"] < _NEARLY_ALL * record["cost"]:
            return f"{text} The most expensive {what} is {rows[0][by]}, with {rows[0]['cost'] / record['cost']:.1%}."
    return text


def _cards(facts: NetworkFacts) -> Iterator[Card]:
    record, chosen, before = facts.record, facts.asked.convention, facts.before or {}
    unknown = record["uncounted"]

    def card(label: str, key: str, unit: str) -> Card:
        return Card(
            label,
            people(record[key], "short"),
            f"{people(record[key])} {unit}".strip(),
            bool(unknown),
            _change(record[key], before.get(key), counted=bool(unknown or before.get("uncounted"))),
        )

    # Parameters are known whatever could not be counted.
    sure = _change(record["params"], before.get("params"))
    yield card("Parameters", "params", "")._replace(least=False, before=sure)
    yield card(headline(chosen), "cost", f"by the convention {chosen.name}")
    if chosen.name != "flops":
        yield card("FLOPs", "flops", "= 2 x MACs + elementwise")
    yield card("Bytes moved", "traffic", f"bytes in {record['dtype']}")
    yield from _memory_cards(facts.memory, facts.memory_before)
    yield from _time_cards(facts.roofline)


def _short(value: int | float) -> str:
    return people(value, "short")


def _change(
    after: int | float, before: int | float | None, shown: Callable[[Any], str] = _short, *, counted: bool = False
) -> str:
    """`-28.9%, was 4.09G`; empty without a value before. counted: both are of what could be counted only."""
    if not before:
        return ""
    return f"{_percent(after, before)}{' as counted' if counted else ''}, was {shown(before)}"


def _percent(after: int | float, before: int | float) -> str:
    change = after / before - 1
    return "unchanged" if after == before else f"{change:+.1%}"


def _memory_cards(found: Memory | Absent, before: Memory | Absent | None) -> Iterator[Card]:
    if isinstance(found, Memory):
        was = _change(found.peak, before.peak, readable) if isinstance(before, Memory) else ""
        exact = f"{people(found.peak)} bytes for inference in {found.dtype}"
        yield Card("Peak memory", readable(found.peak), exact, before=was)


def _time_cards(found: Roofline | None) -> Iterator[Card]:
    if found is None:
        return
    before = found.before
    was = _change(found.estimate_s, before.estimate_s, seconds, counted=bool(found.uncounted)) if before else ""
    exact = f"expected in {found.dtype}, {found.execution}; bound {seconds(found.bound_s)}"
    yield Card(f"Time on {found.device.name}", seconds(found.estimate_s), exact, bool(found.uncounted), was)


def _stages(record: Mapping[str, Any], what: str) -> Table | None:
    """The cost by stage; None where it would be as long as the table of layers, or a single row."""
    rows = grouped(record["layers"], "stage")
    if not 1 < len(rows) <= 60:
        return None
    total = record["cost"] or 1
    largest = max(row["cost"] for row in rows) or 1
    columns = (
        Column("stage", "name"),
        Column("layers"),
        Column("output", "name"),
        Column("parameters"),
        Column(what),
        Column("share", "share"),
        Column("", "bar"),
    )
    cells = [
        [
            row["stage"] or "(no stage)",
            row["count"],
            "x".join(map(str, row["out"])),
            row["params"],
            row["cost"],
            row["cost"] / total,
            row["cost"] / largest,
        ]
        for row in rows
    ]
    name = "total, at least" if record["uncounted"] else "total"
    count = sum(row["count"] for row in rows)
    totals = [[name, count, "", record["params"], record["cost"], record["cost"] / total, None]]
    return Table(columns, cells, totals)


# Of the record of a network, in the order of the table before and after.
_COMPARED = (
    ("params", "Parameters"),
    ("cost", ""),
    ("flops", "FLOPs"),
    ("activations", "Activations"),
    ("traffic", "Bytes moved"),
    ("steps", "Kernels on the critical path"),
)


def _replaced(facts: NetworkFacts, what: str) -> Replaced | None:
    record, before = facts.record, facts.before
    replacement = facts.target.replacement
    if before is None or replacement is None:
        return None
    rows = [
        (title or what, *_both(key, before, record), _ratio(record[key], before[key]))
        for key, title in _COMPARED
        if title != "FLOPs" or record["convention"] != "flops"
    ]
    if isinstance(facts.memory, Memory) and isinstance(facts.memory_before, Memory):
        old, new = facts.memory_before.peak, facts.memory.peak
        rows.append(("Peak memory", f"{people(old)} bytes", f"{people(new)} bytes", _ratio(new, old)))
    if facts.roofline is not None and facts.roofline.before is not None:
        rows += _times(facts.roofline, facts.roofline.before)
    return Replaced(
        by=replacement.plan.text,
        as_counted=bool(record["uncounted"] or before["uncounted"]),
        rows=rows,
        summary=_summary(record),
        lines=list(_which(record)),
        charts=pictures.of_replacement(facts.target.plain, replacement.network) if record["replaced"] else [],
        notes=list(replacement.notes),
    )


def _both(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, str]:
    """A quantity before and after. Parameters are known whatever could not be counted."""
    unknown = [[] if key == "params" else record["uncounted"] for record in (before, after)]
    return at_least(people(before[key]), unknown[0]), at_least(people(after[key]), unknown[1])


def _times(after: Roofline, before: Any) -> Iterator[tuple[str, str, str, str]]:
    on = f"on {after.device.name}"
    for title, new, old in (
        (f"Expected time {on}", after.estimate_s, before.estimate_s),
        (f"Bound of the time {on}", after.bound_s, before.bound_s),
        (f"Measured time {on}", after.measured_s, after.measured_before_s),
    ):
        if new is not None and old is not None:
            least = after.uncounted
            yield title, at_least(seconds(old), least), at_least(seconds(new), least), _ratio(new, old)


def _ratio(after: int | float, before: int | float) -> str:
    return people(after / before, "ratio") if before else ""


def _summary(record: Mapping[str, Any]) -> list[str]:
    """How many layers were replaced, and how many stay."""
    count, kept = record["replaced"], len(record["skipped"])
    replaced = f"{count:,} layers were replaced" if count > 1 else f"{'1' if count else 'No'} layer was replaced"
    if not kept:
        return [f"{replaced}."]
    return [
        f"{replaced}, {'1 convolution stays as it was' if kept == 1 else f'{kept:,} convolutions stay as they were'}."
    ]


def _which(record: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """A heading and names: of replaced layers by operator, of those that stay by reason."""
    labels: Mapping[str, str] = record["replaced_by"]
    for label, count in Counter(labels.values()).items():
        yield f"{count:,} replaced by {label}", [name for name in labels if labels[name] == label]
    for reason, count in Counter(skip["reason"] for skip in record["skipped"]).items():
        yield f"{count:,} kept: {reason}", [skip["name"] for skip in record["skipped"] if skip["reason"] == reason]


def _used(record: Mapping[str, Any]) -> dict[str, str]:
    """Operator -> the layers that are of its kind, in words."""
    names: dict[str, list[str]] = {}
    for layer in record["layers"]:
        names.setdefault(layer["type"], []).append(layer["name"])
    found = {}
    for kind, layers in names.items():
        some = ", ".join(layers[:_NAMED])
        more = f" and {len(layers) - _NAMED:,} more" if len(layers) > _NAMED else ""
        found[kind] = f"{some}{more}" if len(layers) > 1 else layers[0]
    return found


def _absent(found: object) -> tuple[str, str] | None:
    return (found.why, found.hint) if isinstance(found, Absent) else None


def _time(found: Roofline | None) -> Part | None:
    if found is None:
        return None
    return Part(pictures.of_roofline(found), roofline_document(found, _SLOWEST).blocks)


def _memory(found: Memory | Absent) -> Part:
    if isinstance(found, Absent):
        return Part(absent=(found.why, found.hint))
    blocks = [block for block in memory_document(found, None).blocks if not isinstance(block, Table)]
    return Part(pictures.of_memory(found), blocks)


def _notes(facts: NetworkFacts) -> Iterator[str]:
    replacement = facts.target.replacement
    own = set(replacement.notes) if replacement else set()
    yield from (note for note in facts.record["notes"] if note not in own)


def _operator_page(facts: OperatorFacts) -> Page:
    e, record, chosen = facts.evaluation, facts.record, facts.asked.convention
    what = unit(chosen)
    view = layer_document(e, _defaulted(facts.spec.shape), chosen, record["dtype"])
    parts = [part for part in _with_cost(e, record, chosen) if any(part[key] for key in ("params", "flops", "traffic"))]
    baseline = e.operator.baseline_text
    return Page(
        target=e.label(),
        title=f"{e.operator.name}: {e.operator.title}",
        subtitle=str(e.geometry),
        lead=_operator_lead(e, record, what),
        command=facts.asked.command,
        version=facts.asked.version,
        convention=f"{chosen.name}: {chosen.text}",
        cards=list(_operator_cards(facts, headline(chosen))),
        uncounted=[],
        facts=[*_facts_of(view.blocks), *_facts_of(view.blocks[2:])],
        tree=icicle(e.operator.name, list(_as_layers(parts)), (), what),
        stages=None,
        replaced=None,
        layers=parts_table({**record, "uncounted": []}, parts, chosen),
        forms=None if isinstance(facts.form, Absent) else operator_forms(facts.form, baseline),
        no_forms=_absent(facts.form),
        time=_time(facts.roofline),
        memory=Part(blocks=[Facts(list(_operator_memory(facts)))]),
        tools=tools(facts.tools),
        tools_about=ABOUT,
        provenance=provenance(facts.operators, {}, [] if isinstance(facts.form, Absent) else facts.form["equations"]),
        citations=citations(facts.operators),
        notes=record["notes"],
        data={"source": ""},
    )


# Sizes of an operator that have a default: the name in the spec -> that in the record.
_OPTIONAL = {"c_out": "cout", **{name: name for name in ("k", "stride", "padding", "dilation", "groups", "batch")}}


def _defaulted(shape: Mapping[str, Any]) -> frozenset[str]:
    """The sizes that were not given, by their names in the record."""
    grid = () if {"hw", "h", "w"} & set(shape) else ("h", "w")
    return frozenset((*grid, *(record for name, record in _OPTIONAL.items() if name not in shape)))


def _operator_lead(e: Evaluation, record: Mapping[str, Any], what: str) -> str:
    text = f"One call costs {people(record['cost'])} {what} with {people(record['params'])} parameters."
    ratios = [(name, record["ratio"][kind]) for name, kind in (("MACs", "macs"), ("parameters", "params"))]
    known = [f"{people(ratio, 'ratio')} of its {name}" for name, ratio in ratios if ratio is not None]
    return f"{text} Compared with {e.operator.baseline_text}: {' and '.join(known)}." if known else text


def _operator_cards(facts: OperatorFacts, what: str) -> Iterator[Card]:
    record, chosen = facts.record, facts.asked.convention
    base = {"params": record["baseline"]["params"], "macs": record["baseline"]["macs"]}
    name = facts.evaluation.operator.baseline_text

    def against(kind: str) -> str:
        return f"{_percent(record[kind], base[kind])} against {name}" if base.get(kind) else ""

    yield Card("Parameters", people(record["params"], "short"), people(record["params"]), before=against("params"))
    by = f"{people(record['cost'])} by the convention {chosen.name}"
    yield Card(what, people(record["cost"], "short"), by, before=against("macs") if chosen.name == "macs" else "")
    if chosen.name != "flops":
        yield Card("FLOPs", people(record["flops"], "short"), f"{people(record['flops'])} = 2 x MACs + elementwise")
    yield Card("Bytes moved", people(record["traffic"], "short"), f"{people(record['traffic'])} in {record['dtype']}")
    yield Card("Tensors alive", readable(facts.memory), f"{people(facts.memory)} bytes, without weights and input")
    yield from _time_cards(facts.roofline)


def _operator_memory(facts: OperatorFacts) -> Iterator[tuple[str, str]]:
    element, e = facts.record["dtype"], facts.evaluation
    yield (
        "tensors",
        f"{people(facts.memory)} bytes ({readable(facts.memory)}) alive at once in {element}, without weights and "
        "input",
    )
    yield "input", "x".join(map(str, e.in_shape))
    yield "output", "x".join(map(str, e.out_shape))


def _with_cost(e: Evaluation, record: Mapping[str, Any], chosen: Convention) -> Iterator[dict[str, Any]]:
    """The parts of the record with their number in the convention."""
    fold = chosen.fold_of(e.inputs)
    for part, found in zip(e.cost, record["parts"], strict=True):
        yield {**found, "cost": fold(part, e.geometry.batch)}


def _as_layers(parts: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The parts as the picture of the tree takes layers."""
    for part in parts:
        rest = {"module": part["name"], "type": part["name"], "calls": 1, "in": [], "out": []}
        yield {**part, **rest, "activations": part["activations"]}

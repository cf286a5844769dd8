"""The closed form of a network for people, and as LaTeX."""

from collections.abc import Mapping
from typing import Any

from flopcalc.analysis.network_form import NetworkForm
from flopcalc.report.document import Column, Document, Facts, Lines, Table
from flopcalc.symbolic.writing import latex_lines, latex_symbol

_LABELS = {"params": "parameters", "macs": "MACs"}
_DIVISIBLE = "the multiple of d nearest to x, at least d and never below 0.9 x: the channels of mobile networks"
_OTHERS = ("flops", "activations", "traffic", "steps", "adds", "muls", "other")


def form_document(record: Mapping[str, Any]) -> Document:
    """The document of a record of `flopcalc.analysis.form_record`."""
    definitions = record["definitions"]
    record_of, record = record, _shortened(record, definitions)
    blocks: list[Table | Facts | Lines] = []
    symbols = ", ".join(f"{name} {meaning}" for name, meaning in record["symbols"].items())
    none = "none: the model fixes all sizes" if record["fixed"] else "none"
    facts = [("symbols", symbols or none)]
    facts += [(_LABELS[kind], record["cost"][kind]["exact"]) for kind in ("params", "macs")]
    blocks.append(Facts(facts))
    if definitions:
        blocks.append(Facts([*definitions.items(), ("divisible(x, d)", _DIVISIBLE)], "where"))
    blocks.append(Lines("Where it holds", _where(record)))
    if record["ratio"] is not None:
        blocks.append(Facts(list(_ratios(record)), f"Ratio to the network before replacement ({_replaced(record)})"))
    at = ", ".join(f"{name} = {value}" for name, value in record["reference"].items())
    at = f" at {at}" if at else ""
    if record["parts"]:
        columns = [Column(record["per"], "name"), Column("MACs", "text"), Column("share", "share")]
        rows: list[list[Any]] = [[part["name"], part["macs"], part["share"]] for part in record["parts"]]
        columns.insert(1, Column("parameters", "text", drop=1))
        for row, part in zip(rows, record["parts"], strict=True):
            row.insert(1, part["params"])
        blocks.append(Table(tuple(columns), rows, title=f"By {record['per']}; shares of MACs{at}", main=True))
    if len(record["terms"]) > 1:
        terms = [[one["term"], one["share"]] for one in record["terms"]]
        blocks.append(Table((Column("term of the MACs", "text"), Column("share", "share")), terms))
    others = [(_label(kind, record["units"]), record["cost"][kind]["exact"]) for kind in _OTHERS]
    blocks.append(Facts(others, "Other kinds"))
    if record["notes"]:
        blocks.append(Lines("Notes", record["notes"]))
    title = record["title"].removesuffix(f" | {record['target']}")
    return Document(f"{record['target']}  {title}: closed form", blocks, record_of)


def _shortened(value: Any, definitions: Mapping[str, str]) -> Any:
    """The record with the short names in the place of what they mean."""
    if isinstance(value, str):
        for name, meaning in definitions.items():
            value = value.replace(meaning, name)
        return value
    if isinstance(value, Mapping):
        return {key: _shortened(one, definitions) for key, one in value.items()}
    return [_shortened(one, definitions) for one in value] if isinstance(value, list) else value


def _label(kind: str, units: Mapping[str, str]) -> str:
    return kind if units[kind] == "operations" else f"{kind} ({units[kind]})"


def _where(record: Mapping[str, Any]) -> list[str]:
    lines = [f"{one['size']} = {one['value']} only: {_place(one['by'])} needs it" for one in record["fixed"]]
    lines += [f"{one['condition']}: {_place(one['why'])}" for one in record["valid"]]
    if not lines:
        lines = ["all sizes"]
    points = "; ".join(", ".join(map(str, point)) for point in record["checked_at"][:4])
    names = ", ".join(record["checked_symbols"])
    count = len(record["checked_at"])
    if count and record["symbols"]:
        sizes = "1 other size" if count == 1 else f"{count} other sizes"
        more = ", ..." if count > 4 else ""
        lines.append(f"compared with the cost at {sizes}: {names} = {points}{more}")
    elif not count:
        lines.append("not compared at other sizes: none was found where the conditions hold")
    return lines


def _place(layer: str) -> str:
    return layer or "a replacement"


def _replaced(record: Mapping[str, Any]) -> str:
    count = len(record["replaced"])
    return "1 layer replaced" if count == 1 else f"{count} layers replaced"


def _ratios(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for kind, ratio in record["ratio"].items():
        found.append((_LABELS[kind], ratio["exact"]))
        if ratio["at_reference"] is not None:
            found.append(("  there", f"{ratio['at_reference']:.4f}"))
        if ratio["limit"] is not None:
            found.append(("  limit", f"{ratio['limit']} = {ratio['limit_value']:.4f} for a large input"))
    return found


def form_latex(form: NetworkForm) -> str:
    """Aligned equations of all kinds of cost, ready for a paper."""
    symbols = ", ".join(rf"{name}: {meaning}" for name, meaning in form.symbols.items())
    lines = [f"% {form.target}: {symbols}"]
    lines += [f"% for {one.condition} ({one.why})" for one in form.requirements]
    lines += [f"% for {one.size} = {one.value} only ({one.by})" for one in form.fixed]
    rows = []
    for kind, value in form.cost.items():
        first, *others = latex_lines(value)
        rows.append(rf"  {latex_symbol(kind)} &= {first}")
        rows += [rf"  &\quad {other}" for other in others]
    return "\n".join([*lines, r"\begin{align}", " \\\\\n".join(rows), r"\end{align}"]) + "\n"

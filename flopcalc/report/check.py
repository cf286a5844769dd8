"""The result of a check as a document and as lines of text, from the record `flopcalc/check/1`; computes nothing."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from flopcalc.report.changes import what_changed
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people, seconds
from flopcalc.report.uncounted import RULE_HINT, kernel_text, kernels_text

Record = dict[str, Any]
# At most this number of changed layers is shown.
_SHOWN = 30
_VERDICTS = {"ok": "ok", "exceeded": "EXCEEDED", "unknown": "NOT COUNTED"}
# What to do about a limit that fails because of a kernel without a rule.
UNCOUNTED_HINT = f"{RULE_HINT}; or write uncounted: allow in the target, to check what could be counted"


def check_document(record: Record, for_csv: bool = False) -> Document:
    """The limits by target, the differences from the lock file, and a summary."""
    blocks: list[Table | Facts | Lines] = []
    if for_csv:
        blocks.append(_rows_for_csv(record))
    for target, rows in groupby(record["rows"], key=lambda row: str(row["target"])):
        blocks.append(_limits(target, list(rows)))
    for one in record["differences"]:
        blocks += difference_blocks(one)
    against = record.get("against")
    if against is not None:
        for one in against["changes"]:
            blocks += difference_blocks(one, f"Changed since {against['text']}")
    if record["formulas"]:
        blocks.append(Lines("Closed forms that are not as locked", list(_forms(record["formulas"]))))
    blocks.append(Facts(list(_summary(record))))
    if lines := list(_not_counted(record)):
        blocks.append(Lines("Not counted: kernels without a rule, so that costs are at least these", lines))
    verdict = f"{record['failed']} of {record['checked']} failed" if record["failed"] else "fine"
    since = f" against {against['text']}" if against else ""
    return Document(f"{record['file']}{since}: {verdict}", blocks, record)


def _limits(target: str, rows: list[Record]) -> Table:
    columns = (
        Column("limit", "text"),
        Column("actual"),
        Column("allowed"),
        Column("by", "text"),
        Column("", "name", key="verdict"),
    )
    cells: list[list[Cell]] = []
    for row in rows:
        limit = row["limit"] + (f" [{row['name']}]" if row["name"] else "")
        by = "" if row["verdict"] == "unknown" else by_how_much(row)
        cells.append([limit, _known(row, "actual"), _known(row, "bound"), by, _VERDICTS[row["verdict"]]])
    lower = any(row["known"]["actual"] == "at least" for row in rows)
    return Table(columns, cells, title=f"{target}: costs at least" if lower else target)


def _rows_for_csv(record: Record) -> Table:
    """Limits, then differences from the lock file: one row for each kind of cost, and one for each formula."""
    keys = ("target", "limit", "name", "quantity", "actual", "bound", "excess", "relative", "ok")
    rows: list[list[Cell]] = [
        [
            *(row[key] if key != "ok" else str(row[key]).lower() for key in keys),
            "; ".join(map(kernel_text, row["uncounted"])),
        ]
        for row in record["rows"]
    ]
    for one in record["differences"]:
        was, now = one["locked"] or {}, one["now"] or {}
        kinds = [kind for kind, value in one["difference"].items() if value] or ["layers"]
        rows += [
            [
                one["target"],
                "locked",
                "",
                kind,
                now.get(kind),
                was.get(kind),
                one["difference"].get(kind),
                None,
                "false",
                "; ".join(map(kernel_text, one["uncounted"][1] or ())),
            ]
            for kind in kinds
        ]
    rows += [
        [one["operator"], "formula", "", one["kind"], one["now"], one["locked"], one["difference"], None, "false", ""]
        for one in record["formulas"]
    ]
    return Table(tuple(Column(key, "text") for key in (*keys, "uncounted")), rows, main=True)


def _known(row: Record, key: str) -> str:
    """A number of a limit, or how much of it is known."""
    known: str = row["known"][key]
    text = _shown(row, row[key])
    if key == "bound" and row["verdict"] == "exceeded" and _reads_as(row["bound"], row["actual"]):
        text = _unlike(row["bound"], row["actual"])
    return {"exact": text, "at least": f"at least {text}"}.get(known, known)


def _reads_as(bound: float, actual: float) -> bool:
    """Whether a limit with digits after the point reads as the amount that exceeds it."""
    return bound != actual and amount(bound).removesuffix(".0") == amount(actual).removesuffix(".0")


def _unlike(value: float, other: float) -> str:
    """A number with as many digits as show that it is not the other one."""
    texts = ((f"{value:,.{digits}f}", f"{other:,.{digits}f}") for digits in range(1, 16))
    return next((text for text, of_other in texts if text != of_other), str(value))


def _shown(row: Record, value: float) -> str:
    """An amount with its unit, where it has one."""
    if not row["quantity"].startswith("time("):
        return amount(value)
    return f"{'-' if value < 0 else ''}{seconds(abs(value))}"


def amount(value: float) -> str:
    """A number of the record; a large float (0.7 * baseline) has one digit after the point."""
    return f"{value:,.1f}" if isinstance(value, float) and 1000 <= abs(value) < 10**15 else people(value)


def by_how_much(row: Record) -> str:
    """`+3,612,672 (+0.4%)`: the difference between the actual value and its limit."""
    excess = f"{'+' if row['excess'] > 0 else ''}{_shown(row, row['excess'])}"
    return excess if row["relative"] is None else f"{excess} ({row['relative']:+.1%})"


def target_limit_text(row: Record) -> str:
    """An exceeded limit, in one line."""
    return f"{row['target']}: {limit_text(row)}"


def limit_text(row: Record) -> str:
    """A limit that fails, in one line, without its target."""
    where = f" of {row['name']}" if row["name"] else ""
    why = [] if row["verdict"] == "unknown" else [by_how_much(row)]
    why += [row["reason"]] if row["reason"] else []
    return (
        f"{row['quantity']}{where} is {_known(row, 'actual')}, the limit is {_known(row, 'bound')} "
        f"({row['limit']}): {'; '.join(why)}"
    )


def difference_text(one: Record) -> str:
    """A target that differs from the lock file, in one line."""
    if one["locked"] is None:
        return f"{one['target']} is not in the lock file"
    if one["now"] is None:
        return f"{one['target']} is in the lock file, but is not a target any more"
    changed = [
        f"{kind} {people(one['locked'][kind])} -> {people(one['now'][kind])}"
        for kind, value in one["difference"].items()
        if value
    ]
    kernels = list(_kernels(one))
    return f"{one['target']}: {'; '.join([', '.join(changed)] * bool(changed) + kernels) or _without_sums(one)}"


def _kernels(one: Record) -> Iterator[str]:
    """The kernels without a rule that one of the two versions has."""
    before, after = one["uncounted"]
    for text, found, other in (("counted now, or gone", before, after), ("not counted", after, before)):
        if kernels := [kernel for kernel in found if kernel not in other]:
            yield f"{text}: {kernels_text(kernels)}"


def _without_sums(one: Record) -> str:
    """What changed in a target whose sums are as locked."""
    rest = [row for row in one["layers"] if row["status"] != "renamed"]
    if not one["layers"]:
        before, after = one["what"]
        if before != after:
            return f"it was {before}, and is {after}"
        return " and ".join(_places(one)) or "it is locked in another form"
    if rest:
        return "its layers changed, but not the sums"
    count = "1 layer" if one["renamed"] == 1 else f"{one['renamed']:,} layers"
    return " and ".join([f"{count} renamed", *_places(one)]) + (
        "" if one["moved"] or one["stages"] else ", nothing else"
    )


def _places(one: Record) -> list[str]:
    """Layers that are in another position or in another stage."""
    found = []
    if one["moved"]:
        found.append(f"the order changed: {_first(one['moved'])}")
    if one["stages"]:
        moves = [f"{stage['name']} {stage['was']} -> {stage['now']}" for stage in one["stages"]]
        found.append(f"stages changed: {_first(moves)}")
    return found


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4:,} more" if len(names) > 4 else "")


def formula_text(one: Record) -> str:
    """A closed form that differs from the locked one, in one line."""
    name = f"{one['kind']} of {one['operator']}"
    if one["locked"] is None or one["now"] is None:
        return f"{name}: {'not in the lock file' if one['locked'] is None else 'locked, and no longer there'}"
    return f"{name}: now - locked = {one['difference']}"


def difference_blocks(one: Record, title: str = "Not as locked") -> Iterator[Table | Lines]:
    """A target that differs from the lock file: what it was and is, and its layers side by side."""
    lines = [difference_text(one)]
    before, after = one["what"]
    if before and after and before != after and any(one["difference"].values()):
        lines += [f"was {before}", f"is {after}"]
    if any(one["difference"].values()):
        lines += _places(one)
    yield Lines(title, lines)
    if one["layers"]:
        yield _layers(one)


def _layers(one: Record) -> Table:
    columns = (
        Column("layer", "text"),
        Column("what", "text"),
        Column("params", "difference"),
        Column("MACs", "difference"),
    )
    layers = [row for row in one["layers"] if row["status"] != "renamed"]
    renamed = [row for row in one["layers"] if row["status"] == "renamed"]
    rows: list[list[Cell]] = [[row["name"], what_changed(row), *_deltas([row])] for row in layers[:_SHOWN]]
    if len(layers) > _SHOWN:
        rows.append([f"{len(layers) - _SHOWN:,} more", "", *_deltas(layers[_SHOWN:])])
    end: list[list[Cell]] = []
    if renamed:
        example = f"{renamed[0]['was']} -> {renamed[0]['name']}"
        shown = example if len(renamed) == 1 else f"{example}, ..."
        end.append([f"{len(renamed):,} renamed", shown, *_deltas(renamed)])
    if one["equal"]:
        end.append([f"{one['equal']:,} equal", "", 0, 0])
    total = one["difference"]
    end.append(["total", "", total["params"], total["macs"]])
    return Table(columns, rows, end, title=f"{one['target']}: now - before")


def _deltas(rows: Sequence[Record]) -> list[Cell]:
    return [sum(row["difference"][kind] for row in rows) for kind in ("params", "macs")]


def _forms(forms: list[Record]) -> Iterator[str]:
    for one in forms:
        yield formula_text(one)
        if one["locked"]:
            yield f"locked: {one['locked']}"
        if one["now"]:
            yield f"now: {one['now']}"
        for term in one["terms"]:
            yield f"where {term['name']}: {term['locked'] or 'nothing'} -> {term['now'] or 'nothing'}"


_COUNTS = {"ok": "kept", "exceeded": "exceeded", "unknown": "not known"}


def _summary(record: Record) -> Iterator[tuple[str, str]]:
    counts, rows = record["counts"], record["rows"]
    if counts["limits"]:
        found = [(sum(row["verdict"] == verdict for row in rows), text) for verdict, text in _COUNTS.items()]
        yield "limits", ", ".join(f"{count:,} {text}" for count, text in found if count or text == "kept")
    if any(row["reason"] for row in rows):
        yield "to count", UNCOUNTED_HINT
    for key, what in (("targets", "differences"), ("formulas", "formulas")):
        if counts[key]:
            wrong = len(record[what])
            partly = key == "targets" and any(one["not_counted"] for one in record["targets"].values())
            as_locked = f"{wrong:,} not as locked" if wrong else "all as locked"
            yield key, f"{counts[key]:,}, {as_locked}{', as far as they could be counted' if partly else ''}"
    yield from _since(record)
    if record["differences"] or record["formulas"]:
        yield "to accept", f"`{record['accept']}` writes the present costs to the lock file"
    if not record["checked"] and "against" not in record:
        yield "targets", f"{len(record['targets']):,} without limits; --locked compares them with the lock file"


def _since(record: Record) -> Iterator[tuple[str, str]]:
    """What was compared with another revision, and what could not be."""
    if (against := record.get("against")) is None:
        return
    now = "the working tree with changes that are not committed" if against["changed"] else "the working tree"
    many = len(against["targets"])
    yield "compared", f"{'1 target' if many == 1 else f'{many:,} targets'} of {now} with {against['text']}"
    if record["failed"]:
        yield "to accept", "tolerance: in the file says how much a cost may grow, such as tolerance: 2%"
    if against["new"]:
        label = "new"
        for name, why in against["new"].items():
            yield label, f"{name}, which cannot have grown: {why}"
            label = ""
    if against["note"]:
        yield "note", against["note"]
    if against["gone"]:
        yield "gone", f"{', '.join(against['gone'])}: in the file at {against['text']}, and not any more"


def _not_counted(record: Record) -> Iterator[str]:
    for name, target in record["targets"].items():
        for one in target["not_counted"]:
            yield f"{name}: {kernel_text(one)}"

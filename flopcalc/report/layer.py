"""Records -> documents: how layers and comparisons are laid out for people."""

from collections.abc import Iterable, Sequence
from typing import Any

from flopcalc.cost.convention import Convention
from flopcalc.cost.cost import Cost, Part
from flopcalc.cost.geometry import by, short
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people
from flopcalc.spec.equations import GIVES_TEXT, Reading, readings
from flopcalc.spec.layer_record import layer_record, notes
from flopcalc.spec.operator import Evaluation, show
from flopcalc.spec.source import STATUS_TEXT

_SPECIAL = {"macs", "flops"}


def elementwise(part: Part | Cost) -> int:
    """Additions, multiplications and other element-wise work together."""
    if isinstance(part, Cost):
        return sum(elementwise(one) for one in part)
    total: int = part.adds + part.muls + part.other
    return total


def layer_document(e: Evaluation, defaulted: frozenset[str], convention: Convention, dtype: str) -> Document:
    """What `flopcalc layer` shows."""
    record = layer_record(e, convention, dtype)
    return Document(
        title=f"{e.operator.name}  {e.operator.title} | {e.operator.paper.short}",
        blocks=(
            Facts((*_inputs(e, defaulted), *_options(e), *_derived(e))),
            _parts_table(e, convention),
            Facts(tuple(_beside(e, record, convention))),
            *_equation_blocks(e),
            *((Lines("Notes", record["notes"]),) if record["notes"] else ()),
        ),
        data=record,
    )


def _star(text: str, is_default: bool) -> str:
    return f"{text}*" if is_default else text


def _inputs(e: Evaluation, defaulted: frozenset[str]) -> Iterable[tuple[str, str]]:
    g = e.geometry
    values = {
        "cin": g.c_in,
        "cout": g.c_out,
        "k": by(g.kernel),
        "h": g.h,
        "w": g.w,
        "stride": short(g.stride),
        "padding": short(g.padding),
        "dilation": short(g.dilation),
        "groups": g.groups,
        "batch": g.n,
    }
    text = ", ".join(_star(f"{name} {value}", name in defaulted) for name, value in values.items())
    yield "input", f"{text} (* default)"
    yield "output", " x ".join(map(str, e.out_shape))


def _options(e: Evaluation) -> Iterable[tuple[str, str]]:
    shown = []
    for param in e.operator.params:
        is_default = param.name not in e.given
        value = param.auto if e.named[param.name] is None else show(e.named[param.name])
        shown.append(_star(f"{param.name} {value}", is_default))
    if shown:
        yield "options", ", ".join(shown)


def _derived(e: Evaluation) -> Iterable[tuple[str, str]]:
    label = "derived"
    for value in e.operator.derived:
        if value.why is not None:
            yield label, f"{value.name} = {show(e.named[value.name])}   {value.why(e.geometry, e.named)}"
            label = ""


def _parts_table(e: Evaluation, convention: Convention) -> Table:
    special = convention.name not in _SPECIAL
    n = e.geometry.n
    headline = "FLOPs" if convention.name == "flops" else "MACs"
    columns = [
        Column("part", "name"),
        Column("params"),
        Column(headline),
        *([Column(convention.name)] if special else []),
        Column("share", "share", drop=1),
        Column("elementwise", drop=3),
        # No room for both at 80 columns.
        *([] if special else [Column("written", drop=4)]),
        Column("steps", drop=2),
    ]
    total = convention.of(e.cost, n)

    def work(part: Part) -> list[Cell]:
        number = convention.fold(part, n)
        return [part.macs, number] if special else [number]

    def end_of(cost: Part | Cost) -> list[Cell]:
        written: list[Cell] = [] if special else [cost.activations]
        return [elementwise(cost), *written, cost.steps]

    def row(part: Part) -> list[Cell]:
        number = convention.fold(part, n)
        share = number / total if total else None
        return [part.name, part.params, *work(part), share, *end_of(part)]

    base = e.baseline
    base_total = convention.of(base, n)
    both = ([e.cost.macs, total], [base.macs, base_total]) if special else ([total], [base_total])
    ratios = [f"{a / b:.4f}" if b else "" for a, b in zip(both[0], both[1], strict=True)]
    end: list[list[Cell]] = [
        ["total", e.cost.params, *both[0], 1 if total else None, *end_of(e.cost)],
        [e.operator.baseline_text, base.params, *both[1], None, *end_of(base)],
        [
            "ratio",
            f"{e.cost.params / base.params:.4f}" if base.params else "",
            *ratios,
            None,
            *[None] * len(end_of(base)),
        ],
    ]
    rows = [row(part) for part in e.cost if any(getattr(part, kind) for kind in OF_A_KERNEL)]
    return Table(tuple(columns), rows, end)


def _beside(e: Evaluation, record: dict[str, Any], convention: Convention) -> Iterable[tuple[str, str]]:
    yield "flops", f"{people(e.cost.flops)} = 2 x MACs + elementwise"
    yield "traffic", f"{people(record['traffic'])} bytes in {record['dtype']}, each kernel by itself"
    yield "convention", f"{convention.name}: {convention.text}"


def _equation_blocks(e: Evaluation) -> Iterable[Table | Lines]:
    applied = [reading for reading in readings(e) if not reading.reason]
    if not applied:
        return
    rows = [
        [
            reading.equation.label,
            GIVES_TEXT.get(reading.equation.gives, reading.equation.gives),
            reading.equation.status,
            reading.printed,
            reading.value,
        ]
        for reading in applied
    ]
    columns = (
        Column("equation", "text"),
        Column("gives", "text"),
        Column("status", "text"),
        Column("as printed"),
        Column("used here"),
    )
    yield Table(columns, rows, title=f"Equations of {e.operator.paper.short}")
    yield Lines("As printed", list(_texts(applied)))


def _texts(applied: Sequence[Reading]) -> Iterable[str]:
    for reading in applied:
        equation = reading.equation
        name = GIVES_TEXT.get(equation.gives, equation.gives)
        yield f"{equation.label}: {name} = {equation.text}"
        if equation.right:
            label = {"corrected": "corrected", "asymptotic": "exact", "open": "other reading"}[equation.status]
            yield f"{label}: {equation.right} = {people(reading.right)}"
            yield f"{equation.status} ({STATUS_TEXT[equation.status]}): {equation.why}"


def compare_document(evaluations: Sequence[Evaluation], convention: Convention, dtype: str) -> Document:
    """What `flopcalc compare` shows: one row for each operator."""
    records = [layer_record(e, convention, dtype) for e in evaluations]
    shapes = {str(e.geometry) for e in evaluations}
    same = len(shapes) == 1
    headline = {"macs": "MACs", "flops": "FLOPs"}.get(convention.name, convention.name)
    columns = (
        Column("operator", "text"),
        # Some operators fix a size, such as the kernel of a linear layer.
        *([] if same else [Column("shape", "name")]),
        Column("params"),
        Column("ratio", "ratio", key="params_ratio", drop=1),
        Column(headline),
        Column("ratio", "ratio", key=f"{headline}_ratio"),
        Column("elementwise", "short", drop=3),
        Column("bytes", "short", drop=2),
        Column("steps", drop=4),
    )
    rows: list[list[Cell]] = []
    for e, record in zip(evaluations, records, strict=True):
        n = e.geometry.n
        number, base = convention.of(e.cost, n), convention.of(e.baseline, n)
        shape: list[Cell] = [] if same else [str(e.geometry)]
        rows.append(
            [
                e.label(),
                *shape,
                e.cost.params,
                e.ratio("params"),
                number,
                number / base if base else None,
                elementwise(e.cost),
                record["traffic"],
                e.cost.steps,
            ]
        )
    facts = [
        ("convention", f"{convention.name}: {convention.text}"),
        ("bytes", f"read and written in {dtype}, each kernel by itself"),
    ]
    if not same:
        facts.insert(0, ("shapes", "differ by row; each ratio is to the plain convolution of the row's own shape"))
    remarks = [f"{e.operator.name}: {line}" for e in evaluations for line in notes(e)]
    return Document(
        title=f"{shapes.pop()}: ratios to the plain convolution" if same else "Shapes that differ: see each row",
        blocks=(Table(columns, rows), Facts(facts), *((Lines("Notes", remarks),) if remarks else ())),
        data={"schema": "flopcalc/compare/1", "rows": records},
    )

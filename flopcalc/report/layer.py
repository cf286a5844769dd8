"""Records -> documents: the layout of `layer` and `compare`."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from flopcalc.analysis.timing.words import notes_on_estimate
from flopcalc.cost.bits import Bits
from flopcalc.cost.convention import Convention
from flopcalc.cost.cost import DTYPE_BYTES, Cost
from flopcalc.cost.geometry import by, padding_text, short
from flopcalc.cost.kinds import ELEMENTWISE, OF_A_KERNEL
from flopcalc.report.bits import add_to_layer, bops_facts, bops_field, with_bops
from flopcalc.report.channel_map import channel_blocks
from flopcalc.report.columns import Field, cell_of, choose, headline, table_of
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people
from flopcalc.report.time_and_peak import (
    NAMES,
    Asked,
    compare_facts,
    kinds_of,
    peak_notes,
    time_fields,
    with_default,
)
from flopcalc.report.time_and_peak import add_to_layer as add_time_and_peak
from flopcalc.report.totals import traffic_text
from flopcalc.report.training import GRADIENTS, pass_fields, passes_text, training_facts
from flopcalc.report.training import add_to_layer as add_passes
from flopcalc.spec.channel_map import ChannelMap
from flopcalc.spec.equations import Reading, readings
from flopcalc.spec.layer_record import Costs, intensity, layer_record, notes
from flopcalc.spec.operator import Evaluation, show
from flopcalc.spec.source import GIVES_TEXT, STATUS_TEXT

if TYPE_CHECKING:
    from flopcalc.analysis.training.training import Training


def elementwise(cost: Cost) -> int:
    """Additions, multiplications and other element-wise work together."""
    return sum(cost.total(kind) for kind in ELEMENTWISE)


def layer_document(
    e: Evaluation,
    defaulted: frozenset[str],
    convention: Convention,
    dtype: str,
    columns: str | None = None,
    bits: Bits | None = None,
    explained: ChannelMap | None = None,
    step: "Step | None" = None,
) -> Document:
    """What `flopcalc layer` shows. defaulted: inputs that were not given. columns: as `--columns` gives them.

    explained: an output channel whose inputs are shown too. step: of training, if its cost is shown.
    """
    record = _record(e, convention, dtype, step)
    if bits is not None:
        add_to_layer(record, e, bits)
    if explained is not None:
        record["explained_channel"] = explained.record()
    return Document(
        title=f"{e.operator.name}  {e.operator.title} | {e.operator.paper.short}{'' if step is None else STEP_TITLE}",
        blocks=(
            Facts((*_inputs(e, defaulted), *_options(e), *_derived(e))),
            _parts_table(e, record, convention, columns, _costs(e, step)),
            Facts(tuple(_totals(record, convention))),
            *(() if explained is None else channel_blocks(explained, e.geometry.c_in)),
            *_equation_blocks(e, "" if step is None else ", forward pass"),
            *((Lines("Notes", record["notes"]),) if record["notes"] else ()),
        ),
        data=record,
    )


STEP_TITLE = " | training step"


class Step(NamedTuple):
    """A training step of an operator. baseline: both passes of the plain convolution that it is compared with."""

    found: "Training"
    cost: Cost
    baseline: Cost


def _costs(e: Evaluation, step: Step | None) -> Costs:
    return Costs(e.cost, e.baseline) if step is None else Costs(step.cost, step.baseline)


def _record(e: Evaluation, convention: Convention, dtype: str, step: Step | None) -> dict[str, Any]:
    """The record of an operator, in inference or in training."""
    record = layer_record(e, convention, dtype, _costs(e, step))
    if step is not None:
        add_passes(record, step.found, dtype)
    return record


def _star(text: str, is_default: bool) -> str:
    return f"{text}*" if is_default else text


def _inputs(e: Evaluation, defaulted: frozenset[str]) -> Iterable[tuple[str, str]]:
    g = e.geometry
    values = {
        "cin": g.c_in,
        "cout": g.c_out,
        "k": by(g.sizes("k")),
        "h": g.h,
        "w": g.w,
        "stride": short(g.sizes("stride")),
        "padding": padding_text(g),
        "dilation": short(g.sizes("dilation")),
        "groups": g.groups,
        "batch": g.batch,
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
            yield label, f"{value.name} = {show(e.named[value.name])}, {value.why(e.geometry, e.named)}"
            label = ""


def _fields(convention: Convention, record: dict[str, Any]) -> list[Field]:
    """The columns that the parts can have, in the order of `--columns all`."""
    return [
        Field("part", Column("part", "name"), cell_of("name")),
        Field("params", Column("params"), cell_of("params")),
        # A convention that is named after a kind counts that kind.
        *([Field("macs", Column("MACs"), cell_of("macs"))] if convention.name != "flops" else []),
        Field("cost", Column(headline(convention)), cell_of("cost")),
        *bops_field(record),
        Field("share", Column("share", "share", drop=1), cell_of("share")),
        Field("elementwise", Column("elementwise", drop=3), cell_of("elementwise")),
        Field("written", Column("written", drop=4), cell_of("activations")),
        Field("steps", Column("steps", drop=2), cell_of("steps")),
        *([Field("macs", Column("MACs"), cell_of("macs"))] if convention.name == "flops" else []),
        Field("flops", Column("FLOPs"), cell_of("flops")),
        Field("reads", Column("reads (bytes)", key="reads_bytes"), cell_of("reads")),
        Field("writes", Column("writes (bytes)", key="writes_bytes"), cell_of("writes")),
        Field("traffic", Column("traffic (bytes)", key="traffic_bytes"), cell_of("traffic")),
        Field("intensity", Column("FLOPs/byte", key="intensity"), cell_of("intensity")),
    ]


def _default(convention: Convention) -> Iterable[str]:
    if convention.name in ("macs", "flops"):
        return "part", "params", "cost", "share", "elementwise", "written", "steps"
    # There is no room for both at 80 columns.
    return "part", "params", "macs", "cost", "share", "elementwise", "steps"


def _parts_table(
    e: Evaluation, record: dict[str, Any], convention: Convention, columns: str | None, costs: Costs
) -> Table:
    n, element = e.geometry.batch, DTYPE_BYTES[record["dtype"]]
    total, fold = convention.of(costs.cost, n, inputs=e.inputs), convention.fold_of(e.inputs)
    rows = []
    for part, found in zip(costs.cost, record["parts"], strict=True):
        if any(getattr(part, kind) for kind in OF_A_KERNEL):
            number = fold(part, n)
            rows.append({**found, "cost": number, "share": number / total if total else None})
    share = 1 if total else None
    all_parts = {**_sums(costs.cost, element), "name": "total", "cost": total, "share": share}
    base = costs.baseline
    plain = {**_sums(base, element), "name": e.operator.baseline_text, "cost": convention.of(base, n)}
    ratio: dict[str, Any] = {"name": "ratio"}
    bops = ["bops"] if "bops" in record else []
    for kind in bops:
        all_parts[kind], plain[kind] = record[kind], record["baseline"][kind]
    for kind in ("params", "macs", "cost", *bops):
        ratio[kind] = f"{all_parts[kind] / plain[kind]:.4f}" if plain[kind] else ""
    return table_of(
        choose(_fields(convention, record), columns, with_bops(record, tuple(_default(convention)))),
        rows,
        [all_parts, plain, ratio],
    )


def _sums(cost: Cost, element: int) -> dict[str, Any]:
    """All kinds of a cost. Steps do not add up: their total is the critical path. element: bytes of one element."""
    sums: dict[str, Any] = cost.totals()
    sums["elementwise"] = elementwise(cost)
    for kind in ("reads", "writes"):
        sums[kind] = sum(getattr(part, kind) for part in cost) * element
    sums["traffic"] *= element
    return sums | {"intensity": intensity(sums["flops"], sums["traffic"])}


def _totals(record: dict[str, Any], convention: Convention) -> Iterable[tuple[str, str]]:
    yield from training_facts(record)
    yield "flops", f"{people(record['flops'])} = 2 x MACs + elementwise"
    yield from bops_facts(record)
    yield "traffic", traffic_text(record)
    yield "convention", f"{convention.name}: {convention.text}"


def _equation_blocks(e: Evaluation, of: str) -> Iterable[Table | Lines]:
    """of: which pass they are about, if it is not plain."""
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
    # Papers have no batch.
    each = ", for each sample" if e.geometry.batch != 1 else ""
    yield Table(columns, rows, title=f"Equations of {e.operator.paper.short}{of}{each}")
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


def compare_document(
    evaluations: Sequence[Evaluation],
    convention: Convention,
    dtype: str,
    bits: Bits | None = None,
    columns: str | None = None,
    asked: Asked | None = None,
    steps: Sequence[Step] | None = None,
) -> Document:
    """What `flopcalc compare` shows: one row for each operator. columns: as `--columns` gives them.

    steps: of training, for each operator, if their costs are shown.
    """
    of_each: Sequence[Step | None] = steps or [None] * len(evaluations)
    records = [_record(e, convention, dtype, step) for e, step in zip(evaluations, of_each, strict=True)]
    for e, record in zip(evaluations, records, strict=True):
        if bits is not None:
            add_to_layer(record, e, bits)
        if asked:
            add_time_and_peak(record, e, asked)
    shapes = {str(e.geometry) for e in evaluations}
    same = len(shapes) == 1
    rows = [
        _compared_row(e, record, convention, _costs(e, step))
        for e, record, step in zip(evaluations, records, of_each, strict=True)
    ]
    fields = _compared_fields(records[0], headline(convention), same=same)
    usual = [field.name for field in fields if field.name not in (*NAMES, *GRADIENTS, *_KINDS)]
    columns, default = with_default(columns, usual)
    facts = [
        ("convention", f"{convention.name}: {convention.text}"),
        ("bytes", f"read and written in {dtype}, each kernel by itself"),
        *compare_facts(records[0]),
    ]
    if steps:
        facts.insert(0, ("passes", passes_text(records[0])))
    if bits is not None:
        facts.insert(1, ("BOPs", f"MACs x bits of weights x bits of activations ({bits.text})"))
    others = _other_baselines(evaluations)
    if not same:
        plain = "" if others else "; each ratio is to the plain convolution of the row's own shape"
        facts.insert(0, ("shapes", f"differ by row{plain}"))
    if others:
        facts.insert(0 if same else 1, ("ratio", others))
    remarks = [f"{e.operator.name}: {line}" for e in evaluations for line in notes(e)]
    if steps:
        remarks += dict.fromkeys(line for step in steps for line in step.found.remarks if "scores" not in line)
    if asked and asked.peak:
        remarks += peak_notes(evaluations)
    if asked and asked.device is not None:
        remarks += notes_on_estimate(asked.device, asked.dtype, asked.execution)
    return Document(
        title=_compared(shapes.pop() if same else "", evaluations) + (STEP_TITLE if steps else ""),
        blocks=(
            table_of(choose(fields, columns, default), rows, ()),
            Facts(facts),
            *((Lines("Notes", remarks),) if remarks else ()),
        ),
        data={"schema": "flopcalc/compare/1", "rows": records},
    )


def _compared_fields(record: dict[str, Any], counted: str, *, same: bool) -> list[Field]:
    """The columns of a comparison. record: that of one operator. same: whether all have one shape."""
    fields = [
        Field("operator", Column("operator", "text"), cell_of("operator")),
        # Some operators fix a size: a linear layer has kernel 1.
        *([] if same else [Field("shape", Column("shape", "name"), cell_of("shape"))]),
        Field("params", Column("params"), cell_of("params")),
        Field("params_ratio", Column("ratio", "ratio", key="params_ratio", drop=1), cell_of("params_ratio")),
        *pass_fields(record),
        Field("cost", Column(counted), cell_of("cost")),
        Field("ratio", Column("ratio", "ratio", key=f"{counted}_ratio"), cell_of("ratio")),
    ]
    if "bops" in record:
        ratio = Column("ratio", "ratio", key="BOPs_ratio", drop=1)
        fields += [
            Field("bops", Column("BOPs"), cell_of("bops")),
            Field("bops_ratio", ratio, cell_of("bops_ratio")),
        ]
    return [
        *fields,
        Field("elementwise", Column("elementwise", "short", drop=3), cell_of("elementwise")),
        Field("bytes", Column("bytes", "short", drop=2), cell_of("traffic")),
        Field("steps", Column("steps", drop=4), cell_of("steps")),
        *(Field(name, Column(title), cell_of(name)) for name, title in _KINDS.items()),
        *time_fields(record),
    ]


# Columns of a comparison that are not in the default table.
_KINDS = {"macs": "MACs", "flops": "FLOPs", "activations": "activations"}


def _compared_row(e: Evaluation, record: dict[str, Any], convention: Convention, costs: Costs) -> dict[str, Any]:
    """The cells of one operator, by key."""
    n = e.geometry.batch
    number, base = convention.of(costs.cost, n, inputs=e.inputs), convention.of(costs.baseline, n)
    passes = ("forward", "backward") if "backward" in record else ()
    row = {
        **{key: record[key] for key in ("traffic", *_KINDS, *kinds_of(record), *passes)},
        "operator": e.label(),
        "shape": str(e.geometry),
        "params": e.cost.params,
        "params_ratio": costs.ratio("params"),
        "cost": number,
        "ratio": number / base if base else None,
        "elementwise": elementwise(costs.cost),
        "steps": costs.cost.steps,
    }
    if "bops" in record:
        row["bops"], row["bops_ratio"] = _bops_cells(record)
    return row


# Baselines that are the plain convolution of the operator's own shape.
_PLAIN = {"plain conv", "plain conv1d", "plain conv3d", "conv k x k", "conv, same output"}


def _compared(shape: str, evaluations: Sequence[Evaluation]) -> str:
    """The title of a comparison. shape: that of all operators, if it is the same."""
    if not shape:
        return "Shapes that differ: see each row"
    baselines = {_baseline(e) for e in evaluations}
    return f"{shape}: ratios to {baselines.pop() if len(baselines) == 1 else 'the baseline of each operator'}"


def _baseline(e: Evaluation) -> str:
    text = e.operator.baseline_text
    others = {"linear": "a linear layer", "conv 3x3": "a 3x3 convolution"}
    return "the plain convolution" if text in _PLAIN else others.get(text, text)


def _other_baselines(evaluations: Sequence[Evaluation]) -> str:
    """`of cbam, eca: to a 3x3 convolution`, where not all are compared with the plain convolution of their shape."""
    names: dict[str, dict[str, None]] = {}
    for e in evaluations:
        names.setdefault(_baseline(e), {})[e.operator.name] = None
    if all(e.operator.baseline_text in _PLAIN for e in evaluations):
        return ""
    return "; ".join(f"of {', '.join(found)}: to {base}" for base, found in names.items())


def _bops_cells(record: dict[str, Any]) -> tuple[Cell, Cell]:
    """BOPs, and their ratio to those of the plain convolution."""
    base = record["baseline"]["bops"]
    return record["bops"], record["bops"] / base if base else None

"""What each result is as a document, as plain data and as rows: for notebooks and data frames.

A result is shown by the document of its command. The modules of documents are imported for the result at hand only.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from flopcalc import optional
from flopcalc.cost import convention
from flopcalc.cost.cost import Cost, Part
from flopcalc.cost.kinds import KINDS, OF_A_KERNEL
from flopcalc.errors import FlopcalcError
from flopcalc.report.columns import headline
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people
from flopcalc.report.notebook import fragment
from flopcalc.report.totals import critical_path
from flopcalc.report.uncounted import RULE_HINT, at_least, how_many, uncounted_lines

Row = dict[str, Any]
# More layers than this are shown by stage; more rows of a sweep or modules of a count are not shown.
_LAYERS = 40
_SHOWN = 20
_SLOWEST = 10
# The kinds that the table of a cost shows; its data has all.
_IN_TABLES = ("params", "macs", "flops", "activations", "traffic")


class View(NamedTuple):
    """How a result is shown and written. rows: for results that do not make their own."""

    document: Callable[[Any], Document]
    rows: Callable[[Any], list[Row]] = lambda result: []


def html(result: Any) -> str | None:
    """The result as a part of a page; None where its costs are not numbers, as those of a symbolic shape."""
    if hasattr(result, "macs") and type(result.macs) is not int:
        return None
    return fragment(_view(result).document(result), _math(result))


def record(result: Any) -> Row:
    """The result as plain data."""
    found: Row = _view(result).document(result).data
    return found


def rows(result: Any) -> list[Row]:
    """The rows of the result."""
    return _view(result).rows(result)


def _view(result: Any) -> View:
    for one in type(result).__mro__:
        if (name := f"{one.__module__}.{one.__qualname__}") in _VIEWS:
            return _VIEWS[name]
    raise TypeError(f"{type(result).__name__} has no view in flopcalc.report.results")


def _of(module: str, function: str, *arguments: Any) -> Callable[[Any], Document]:
    """The document function of a module that is imported when a result is shown."""

    def document(result: Any) -> Document:
        found: Document = getattr(import_module(f"flopcalc.report.{module}"), function)(result, *arguments)
        return found

    return document


def _kinds(parts: Iterable[Part]) -> list[Row]:
    return [
        {
            "part": part.name,
            "work": part.work,
            **{kind: getattr(part, kind) for kind in OF_A_KERNEL if kind != "traffic"},
            "traffic": part.traffic,
            "flops": 2 * part.macs + part.adds + part.muls + part.other,
            "steps": part.steps,
        }
        for part in parts
    ]


def _cost_document(cost: Cost) -> Document:
    found = _kinds(cost)
    totals = {kind: cost.total(kind) for kind in KINDS}
    data = {**totals, "parts": found}
    return Document(repr(cost)[1:-1], [_table("part", found, totals)], data)


_TITLES = {"macs": "MACs", "flops": "FLOPs", "traffic": "traffic (elements)"}


def _table(first: str, found: list[Row], totals: Mapping[str, Any], more: int = 0) -> Table:
    """Rows with their kinds of cost. more: the number of rows that are left out."""
    columns = (Column(first, "name"), *(Column(_TITLES.get(kind, kind), key=kind) for kind in _IN_TABLES))
    cells: list[list[Cell]] = [[row[first], *(row[kind] for kind in _IN_TABLES)] for row in found]
    end: list[list[Cell]] = [[f"{more:,} more", *[""] * len(_IN_TABLES)]] if more else []
    return Table(columns, cells, [*end, ["total", *(totals[kind] for kind in _IN_TABLES)]], main=True)


def _layer_document(evaluation: Any) -> Document:
    made = import_module("flopcalc.report.layer").layer_document
    found: Document = made(evaluation, frozenset(), convention.get("macs"), "float32")
    return found


def _model(network: Any) -> Row:
    found: Row = import_module("flopcalc.targets.model_record").model_record(network, None, convention.get("macs"))
    return found


def _network_document(network: Any) -> Document:
    found = _model(network)
    return _by(found)


def _by(found: Row) -> Document:
    pages = import_module("flopcalc.report.model")
    view = pages.View("stage" if len(found["layers"]) > _LAYERS else "layer")
    document: Document = pages.model_document(found, view, convention.get("macs"))
    return document


def _network_rows(network: Any) -> list[Row]:
    """The layers of `flopcalc/model/1`."""
    found: list[Row] = _model(network)["layers"]
    return found


def _training_document(training: Any) -> Document:
    found = _model(training.network)
    import_module("flopcalc.report.training").add_to_model(found, training, "float32")
    return _by(found)


def _count_rows(count: Any) -> list[Row]:
    """One row for each module that ran or has parameters, without its children's work."""
    kernels: Counter[str] = Counter()
    for (module, _), number in count.kernels.items():
        kernels[module] += number
    names = dict.fromkeys([*count.work, *(name for name, size in count.own_params.items() if size)])
    found = []
    for name in names:
        work, shapes = count.work.get(name), count.shapes.get(name)
        sums = {kind: getattr(work, kind) if work else 0 for kind in OF_A_KERNEL if kind != "params"}
        found.append(
            {
                "module": name or "(model)",
                "calls": count.times[name],
                "in": list(shapes.given) if shapes else [],
                "out": list(shapes.output) if shapes else [],
                "params": count.own_params.get(name, 0),
                "macs": sums["macs"],
                "flops": 2 * sums["macs"] + sums["adds"] + sums["muls"] + sums["other"],
                **sums,
                "kernels": kernels[name],
            }
        )
    return found


def _count_document(count: Any) -> Document:
    found = _count_rows(count)
    totals = {kind: count.total(kind) for kind in KINDS}
    unknown = [{"op": op, "module": module, "count": times} for (op, module), times in count.uncounted.items()]
    data = {**totals, "on": count.on, "uncounted": unknown, "modules": found, "notes": list(count.notes)}
    shown = sorted(found, key=lambda row: -row["macs"])[:_SHOWN] if len(found) > _SHOWN else found
    few = f"The {_SHOWN} modules with the most MACs, of {len(found):,}" if len(shown) < len(found) else ""
    table = _table("module", shown, totals, len(found) - len(shown))._replace(title=few)
    blocks: list[Table | Facts | Lines] = [table]
    blocks.append(Facts([("steps", at_least(critical_path(count.steps), unknown))]))
    if unknown:
        lines = [*uncounted_lines(unknown), f"to count them: {RULE_HINT}"]
        blocks.append(Lines("Not counted: kernels without a rule, which add nothing to the numbers above", lines))
    if count.notes:
        blocks.append(Lines("Notes", list(count.notes)))
    number = at_least(f"{count.macs:,} {headline(convention.get('macs'))}", unknown)
    title = f"One forward pass: {number}, {count.params:,} parameters"
    return Document(f"{title} | {how_many(unknown)}" if unknown else title, blocks, data)


def _replaced_rows(replaced: Any) -> list[Row]:
    """One row for each convolution: what replaced it, or why it stays."""
    changed = [{"layer": name, "operator": by, "reason": None} for name, by in replaced.replaced.items()]
    return changed + [{"layer": name, "operator": None, "reason": why} for name, why in replaced.skipped.items()]


def _replaced_document(replaced: Any) -> Document:
    data = {
        "module": type(replaced.module).__name__,
        "replaced": dict(replaced.replaced),
        "skipped": dict(replaced.skipped),
        "notes": list(replaced.notes),
    }
    blocks: list[Table | Facts | Lines] = []
    if replaced.replaced:
        blocks.append(Lines("Replaced", [f"{name} by {by}" for name, by in replaced.replaced.items()]))
    if replaced.skipped:
        blocks.append(Lines("Not replaced", [f"{name}: {why}" for name, why in replaced.skipped.items()]))
    if replaced.notes:
        blocks.append(Lines("Notes", list(replaced.notes)))
    done, kept = len(replaced.replaced), len(replaced.skipped)
    many = "1 convolution" if done == 1 else f"{done:,} convolutions"
    return Document(f"{data['module']}: {many} replaced, {kept:,} not", blocks, data)


class _Counted(NamedTuple):
    """What the table of a sweep reads of its summary."""

    combinations: int
    rows: int
    infeasible: int
    reasons: Any

    @property
    def all(self) -> int:
        return self.combinations


def _sweep_document(sweep: Any) -> Document:
    made = import_module("flopcalc.report.sweep").sweep_document
    counted = _Counted(sweep.combinations, len(sweep), sweep.infeasible, sweep.reasons)
    first = sweep.first(_SHOWN)
    same = _same(sweep) if len(sweep) > 1 else {}
    columns = [name for name in sweep.columns if name not in same]
    document: Document = made((), columns, [first._rows], counted, _SHOWN)
    facts = [("rows", f"{len(sweep):,}, of which {len(first):,} are shown; to_pandas() and to_rows() have all")]
    if len(first) == len(sweep):
        facts = [("rows", f"{len(sweep):,}")]
    if same:
        facts.append(("in all rows", ", ".join(f"{name} {people(value)}" for name, value in same.items())))
    facts.append(("combinations", f"{sweep.combinations:,}, {sweep.infeasible:,} infeasible"))
    blocks = [Facts(facts) if isinstance(block, Facts) else block for block in document.blocks]
    return Document(repr(sweep)[1:-1], blocks, None)


def _same(sweep: Any) -> dict[str, Any]:
    """The columns that have one value in all rows: sizes that were not asked for."""
    found = {}
    for name in sweep.columns:
        values = sweep.column(name)
        if values[0] is not None and not isinstance(values[0], bool) and all(one == values[0] for one in values):
            found[name] = values[0]
    return found


def _formula_document(formula: Any) -> Document:
    if formula.form is not None:
        pages = import_module("flopcalc.report.network_form")
        found: Document = pages.form_document(formula.record)
        return found
    facts = Facts(list(formula.exact.items()))
    definitions = formula.record["definitions"]
    blocks = [facts, *([Facts(list(definitions.items()), "where")] if definitions else [])]
    return Document(f"{formula.target}: closed form of its cost", blocks, formula.record)


def _math(result: Any) -> str:
    """The formula of a closed form as MathML, where it is known how to write it."""
    if not hasattr(result, "latex_of"):
        return ""
    try:
        converter = optional.load("latex2mathml.converter", "latex2mathml", "latex2mathml>=3.77", "MathML")
    except FlopcalcError:
        # The text of the formula is there in any case.
        return ""
    lines = []
    for kind in ("params", "macs"):
        first, *others = result.latex_of(kind)
        lines += [rf"\mathrm{{{kind}}} = {first}", *(rf"\quad {other}" for other in others)]
    # One element for each line: converters and browsers agree on these, and not on aligned equations.
    return f'<div class="scroll">{"".join(f"<div>{converter.convert(line)}</div>" for line in lines)}</div>'


_VIEWS = {
    "flopcalc.cost.cost.Cost": View(_cost_document, _kinds),
    "flopcalc.spec.operator.Evaluation": View(_layer_document, lambda evaluation: _kinds(evaluation.cost)),
    "flopcalc.networks.network.Network": View(_network_document, _network_rows),
    "flopcalc.pytorch.counting.record.Count": View(_count_document, _count_rows),
    "flopcalc.pytorch.replacing.swap.Replaced": View(_replaced_document, _replaced_rows),
    "flopcalc.analysis.training.training.Training": View(_training_document),
    "flopcalc.analysis.formula.Formula": View(_formula_document),
    "flopcalc.analysis.sweep.Sweep": View(_sweep_document),
    "flopcalc.analysis.solving.solution.Solution": View(_of("solve", "solve_document")),
    "flopcalc.analysis.roofline.Roofline": View(_of("roofline", "roofline_document", _SLOWEST)),
    "flopcalc.analysis.memory.record.Memory": View(_of("memory", "memory_document", None)),
    "flopcalc.analysis.bench.Bench": View(_of("bench", "bench_document")),
    "flopcalc.analysis.calibrate.Calibration": View(_of("calibrate", "calibrate_document")),
}

"""`flopcalc formula`."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import click

from flopcalc.budget.folder_rules import with_folder_rules
from flopcalc.catalog import lookup
from flopcalc.cli.completion import complete_targets
from flopcalc.cli.output import emit, format_of, output_option, write
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.target import target_options
from flopcalc.cli.training import Mode, training_options
from flopcalc.errors import FlopcalcError
from flopcalc.networks.training import read_training
from flopcalc.report.document import Document, Facts, Lines, Table
from flopcalc.spec.operator import Operator
from flopcalc.spec.source import STATUS_TEXT
from flopcalc.targets.kind import kind_of
from flopcalc.targets.spec import from_texts

_OTHER = "Other kinds, at stride 1"
_NAMES = {"params": "Parameters", "macs": "MACs"}
# What each way of writing is called as a file.
_SUFFIXES = {
    "text": {".txt": "table", ".json": "json"},
    "latex": {".tex": "table", ".json": "json"},
    "python": {".py": "table", ".json": "json"},
}
_RIGHT = {"corrected": "corrected", "asymptotic": "exact", "open": "other reading"}


@click.command("formula", epilog="Example: flopcalc formula resnet50 --assume 'H = 32 h, W = 32 w'")
@click.argument("what", metavar="OPERATOR|NETWORK", shell_complete=complete_targets)
@click.option(
    "--as",
    "style",
    type=click.Choice(("text", "latex", "python")),
    default="text",
    show_default=True,
    help="How to write the formulas.",
)
@click.option(
    "--vary",
    metavar="NAME,...",
    multiple=True,
    help="Symbols of a network's formula: batch, height, width, depth (of a volume), tokens, and numeric options of a "
    "described network (default: batch, height and width). What is not named keeps its number.",
)
@click.option(
    "--assume",
    metavar="'H = 32 h'",
    multiple=True,
    help="Write a symbol of a network's formula in others: 'H = 32 h, W = 32 w' removes most floors. Repeatable.",
)
@click.option(
    "--per",
    type=click.Choice(("stage", "layer")),
    default=None,
    help="Show the formula of each stage or each layer of a network (default: stage).",
)
@training_options
@target_options
@click.option(
    "--format",
    "fmt",
    type=click.Choice(("table", "json")),
    help="Text or JSON (default: text, or by the suffix of -o).",
)
@output_option
def command(
    what: str,
    style: str,
    vary: tuple[str, ...],
    assume: tuple[str, ...],
    per: str | None,
    mode: Mode,
    freeze: tuple[str, ...],
    checkpoint: tuple[str, ...],
    fused: bool,
    fmt: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """Cost of an operator or a network, as algebra.

    Of an operator: the printed, corrected and exact cost, which is derived from its structure; its ratio to a plain
    convolution, and the limit of that ratio for c_in = c_out -> infinity. Options are symbols unless they are set, by
    --set or behind the name: spconv:alpha=1/4.

    Of a network, described or a PyTorch model: every kind of cost as an exact expression in batch, height and width,
    with the conditions under which it holds. It is compared with the cost at other sizes before it is shown. With
    --mode training, of the forward and the backward pass together.
    """
    fmt = format_of(fmt, output, _SUFFIXES[style])
    options["training"] = read_training(mode, freeze, checkpoint, fused)
    if kind_of(what) == "operator":
        _check_no_network_options({"vary": vary, "assume": assume, "per": per, **options})
        _operator(what, style, options["settings"], fmt, output)
    else:
        _network(what, style, vary, assume, per, fmt, output, options)


_OPERATOR_OPTIONS = frozenset({"settings", "timeout"})


def _check_no_network_options(options: Mapping[str, Any]) -> None:
    """Raise FlopcalcError (bad-usage) for an option that only the formula of a network has."""
    given = next((name for name, value in options.items() if value and name not in _OPERATOR_OPTIONS), None)
    if given is not None:
        flag = {"training": "mode", "input_texts": "input", "replace_texts": "replace", "argument_texts": "arg"}.get(
            given, given
        )
        why = f"--{flag} is for the formula of a network; that of an operator has symbols for all its sizes"
        raise FlopcalcError("bad-usage", why, f"leave out --{flag}, or name a network")


def _network(
    what: str,
    style: str,
    vary: tuple[str, ...],
    assume: tuple[str, ...],
    per: str | None,
    fmt: str | None,
    output: str | None,
    options: dict[str, Any],
) -> None:
    spec = with_folder_rules(from_texts(what, **options))
    forms = import_module("flopcalc.analysis.closed_forms")
    records = import_module("flopcalc.analysis.form_record")
    names = import_module("flopcalc.analysis.variables").names_of(vary) if vary else None
    with progress_bar(what):
        form = forms.network_form(spec, names)
    if assume:
        form = import_module("flopcalc.analysis.assumptions").assumed(form, assume)
    if style == "python" and fmt != "json":
        write(f"{records.python_source(form)}\n", output)
        return
    pages = import_module("flopcalc.report.network_form")
    if style == "latex" and fmt != "json":
        write(pages.form_latex(form), output)
        return
    record = records.form_record(form, per or "stage")
    if style == "python":
        record["python"] = records.python_source(form)
    elif style == "latex":
        record["latex"] = pages.form_latex(form)
    emit(pages.form_document(record), fmt, output)


def _operator(what: str, style: str, settings: tuple[str, ...], fmt: str | None, output: str | None) -> None:
    operator, given = lookup.parse(what, settings)
    # SymPy is loaded here, so that a wrong name is reported without it.
    record_of = import_module("flopcalc.algebra.formula_record")
    record_of.check_somewhere(operator, given)
    form = import_module("flopcalc.algebra.closed_form").closed_form(operator, given)
    import_module("flopcalc.algebra.comparison").check_on_numbers(form, given)
    if style == "python":
        python = import_module("flopcalc.algebra.writing").python
        source = "\n\n\n".join(python(form, kind) for kind in record_of.QUANTITIES)
        data = {"schema": "flopcalc/formula/1", "type": operator.name, "python": source}
        if fmt == "json":
            emit(Document(operator.name, (), data), fmt, output)
        else:
            write(f"{source}\n", output)
        return
    record = record_of.formula_record(form, style)
    if style == "latex" and fmt == "table":
        _write_latex(record, output)
        return
    emit(_document(record, operator), fmt, output)


def _document(record: dict[str, Any], operator: Operator) -> Document:
    title, paper = operator.title, operator.paper.short
    ratio = f"ratio to {operator.baseline_text.removeprefix('plain ')}"
    blocks: list[Table | Facts | Lines] = []
    if not record["any_stride"]:
        blocks.append(Facts([("stride", "1; at another stride the block has other branches and another cost")]))
    if record["given"]:
        blocks.append(Facts([("fixed", ", ".join(f"{k} = {v}" for k, v in record["given"].items()))]))
    if record["fixed"]:
        at = ", ".join(f"{k} = {v}" for k, v in record["fixed"].items())
        blocks.append(Facts([("at defaults", f"{at}; --set gives another value")]))
    for kind, cost in record["cost"].items():
        facts = [("exact", cost["exact"]), (ratio, cost["ratio"])]
        limit = cost["limit"]
        if limit is None:
            blocks.append(Facts([*facts, ("limit", "none: an option that is a list fixes the channels")], _NAMES[kind]))
            continue
        if cost["limit_value"] is not None and cost["limit_at_defaults"] != limit:
            limit += f" = {cost['limit_at_defaults']} = {cost['limit_value']:.4f} at {cost['limit_where']}"
        kept = f", {' and '.join(record['kept'])} kept" if record["kept"] else ""
        facts.append(("limit", f"{limit}   for c_in = c_out -> infinity{kept}"))
        blocks.append(Facts(facts, _NAMES[kind]))
    if record["definitions"]:
        blocks.append(Facts([(k, v) for k, v in record["definitions"].items()], "where"))
    blocks.append(Facts([(_label(kind, record["units"]), cost) for kind, cost in record["kinds"].items()], _OTHER))
    if printed := list(_printed(record)):
        blocks.append(Lines(f"As printed: {paper}", printed))
    return Document(f"{record['type']}  {title}", blocks, record)


def _label(kind: str, units: dict[str, str]) -> str:
    """`traffic (elements)`: a kind with its unit, unless it counts operations."""
    return kind if units[kind] == "operations" else f"{kind} ({units[kind]})"


def _printed(record: dict[str, Any]) -> Iterable[str]:
    seen: set[tuple[str, str]] = set()
    for equation in record["equations"]:
        number = equation["label"]
        where = ", ".join(f"{k}={v}" for k, v in equation["given"].items() if v != "None")
        if equation["applies"]:
            verdict = f"equals the exact form: {'proved' if equation['printed_equals_derived'] else 'no'}"
            verdict += f", where {equation['domain']}" if equation["domain"] else ""
        else:
            verdict = f"only for {where}" if where else "not compared as algebra"
        text = f"{number}: {equation['gives']} = {equation['printed']}   [{equation['status']}; {verdict}]"
        if (number, text) in seen:
            continue
        seen.add((number, text))
        yield text
        if equation["right"]:
            proved = {True: "equals the exact form: proved", False: "does not equal it", None: "not compared"}
            yield f"{_RIGHT[equation['status']]}: {equation['right']}   [{proved[equation['right_equals_derived']]}]"
            yield f"{equation['status']} ({STATUS_TEXT[equation['status']]}): {equation['why']}"


def _write_latex(record: dict[str, Any], output: str | None) -> None:
    from flopcalc.report.formats import latex_text

    lines = [f"% {record['type']}", r"\begin{align}"]
    rows = []
    for kind, cost in record["cost"].items():
        rows.append(rf"  \mathrm{{{kind}}} &= {cost['exact']}")
        rows.append(rf"  \frac{{\mathrm{{{kind}}}}}{{\mathrm{{{kind}}}_{{\mathrm{{conv}}}}}} &= {cost['ratio']}")
        if cost["limit"] is None:
            continue
        rows.append(rf"  &\to {cost['limit']} \quad (c_{{\mathrm{{in}}}} = c_{{\mathrm{{out}}}} \to \infty)")
    rows += [f"  {symbol} &= {value}" for symbol, value in record["definitions"].items()]
    for equation in record["equations"]:
        given = ", ".join(f"{name}={value}" for name, value in equation["given"].items() if value != "None")
        where = ", ".join(filter(None, [equation["status"], given and f"for {given}", equation["domain"]]))
        label = rf"\text{{{latex_text(equation['label'])} ({latex_text(where)}): }}"
        rows.append(rf"  {label} & {equation['printed']}")
        if equation["right"]:
            rows.append(rf"  \text{{{_RIGHT[equation['status']]}: }} & {equation['right']}")
    text = "\n".join([*lines, " \\\\\n".join(rows), r"\end{align}"]) + "\n"
    write(text, output)

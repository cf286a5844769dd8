"""`flopcalc diff`."""

from importlib import import_module
from typing import Any

import click

from flopcalc.analysis.diff import diff_record
from flopcalc.cli.options import Positive, output_options
from flopcalc.cli.output import emit, format_of
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.side import side_spec
from flopcalc.cli.target import check_counted, note_remarks, note_uncounted, strict_option, timeout_option
from flopcalc.cost import convention
from flopcalc.errors import FlopcalcError
from flopcalc.report.diff import diff_document
from flopcalc.targets.model_record import model_record
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import TargetSpec, Timeout


@click.command("diff", epilog="Example: flopcalc diff resnet50 'resnet50 --replace spconv'")
@click.argument("targets", metavar="A B | TARGET...", nargs=-1)
@click.option(
    "--git",
    "revision",
    metavar="REV",
    help="Compare each TARGET with itself at REV, a revision of this git repository (default: all targets of "
    "flopcalc.yaml).",
)
@click.option(
    "--input",
    "input_texts",
    metavar="CxHxW[:DTYPE]",
    multiple=True,
    help="Input shape of both, unless A or B gives its own; repeatable for several inputs.",
)
@click.option(
    "--batch", type=Positive(), default=None, help="Batch size of both, unless one gives its own (default: 1)."
)
@timeout_option
@click.option(
    "--symbolic", is_flag=True, help="Also show B - A as an expression in batch, height and width, or in --vary."
)
@click.option(
    "--vary", metavar="NAME,...", multiple=True, help="Symbols of --symbolic, as in `flopcalc formula`; implies it."
)
@click.option("--all", "everything", is_flag=True, help="Show equal layers too.")
@strict_option
@output_options
def command(
    targets: tuple[str, ...],
    revision: str | None,
    input_texts: tuple[str, ...],
    batch: int | None,
    timeout: Timeout,
    everything: bool,
    symbolic: bool,
    vary: tuple[str, ...],
    strict: bool,
    fmt: str | None,
    output: str | None,
    convention_name: str,
    dtype: str,
) -> None:
    """Two networks, or two versions of one, layer by layer.

    With --git REV: what a target costs in the working tree, compared with the same target at another revision. A
    target is the path of a description, a Python model of the repository, or the name of a target in flopcalc.yaml.
    Your working tree is only read.

    Write A and B as for `flopcalc model`, in quotes if options follow: 'resnet50 --set classes=10',
    'old/net.py:Net --input 3x64x64'. Options: --replace, --where, --keep, --set, --input, --arg, --method, --on,
    --batch, --timeout. A layer that was only renamed is recognised.
    """
    fmt = format_of(fmt, output)
    chosen = convention.get(convention_name)
    if revision is not None:
        _check_no_symbols(symbolic, vary)
        shared = {"input_texts": input_texts, "batch": batch, "timeout": timeout}
        git = import_module("flopcalc.cli.diff_git")
        documents = git.compared(revision, targets, shared, chosen, dtype, everything=everything, fmt=fmt)
        emit(documents, fmt, output)
        uncounted = git.uncounted(documents.data)
        note_uncounted(uncounted, fmt)
        if strict:
            check_counted(uncounted)
        return
    if len(targets) != 2:
        given = "one is given" if len(targets) == 1 else f"{len(targets)} are given"
        why = f"flopcalc diff compares two networks, and {given}"
        hint = "name A and B, in quotes with their options; or one with --git REV, to compare it with another revision"
        raise FlopcalcError("bad-usage", why, hint)
    records, specs = [], []
    for text in targets:
        specs.append(side_spec(text, input_texts, batch, timeout))
        with progress_bar(specs[-1].shown):
            target = read_target(specs[-1])
        records.append(model_record(target.plain, target.replacement, chosen, dtype))
    record = diff_record(records[0], records[1], chosen)
    record["a"]["target"], record["b"]["target"] = targets
    if symbolic or vary:
        record["symbolic"] = _symbolic(specs, vary)
    emit(diff_document(record, chosen, everything, fmt == "csv"), fmt, output)
    uncounted = [*record["a"]["uncounted"], *record["b"]["uncounted"]]
    note_uncounted(uncounted, fmt)
    for one in records:
        note_remarks(one, fmt)
    if strict:
        check_counted(uncounted)


def _check_no_symbols(symbolic: bool, vary: tuple[str, ...]) -> None:
    if symbolic or vary:
        flag = "--symbolic" if symbolic else "--vary"
        hint = f"leave out {flag}, or write A and B for two files that are both here"
        raise FlopcalcError("bad-usage", f"{flag} does not apply to --git", hint)


def _symbolic(specs: list[TargetSpec], vary: tuple[str, ...]) -> dict[str, Any]:
    names = import_module("flopcalc.analysis.variables").names_of(vary) if vary else None
    network_form = import_module("flopcalc.analysis.closed_forms").network_form
    with progress_bar("closed forms"):
        forms = [network_form(spec, names) for spec in specs]
    found: dict[str, Any] = import_module("flopcalc.analysis.form_diff").form_difference(*forms)
    return found

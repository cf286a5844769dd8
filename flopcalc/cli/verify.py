"""`flopcalc verify`."""

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import click

from flopcalc.catalog import lookup, part_names
from flopcalc.catalog.cases import cases
from flopcalc.cli.completion import complete_targets
from flopcalc.cli.options import SHAPE_NAMES, optional_shape_options, output_only_options, read_shape
from flopcalc.cli.output import emit, format_of
from flopcalc.errors import ExitCode, FlopcalcError, unknown_name
from flopcalc.networks import library
from flopcalc.replacing.described import replace_convolutions
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people
from flopcalc.spec.operator import Operator
from flopcalc.targets.kind import kind_of

Rows = list[dict[str, Any]]
# The network that every operator is put into if no target is named: all networks would take an hour.
_SUBJECT = "resnet50"
# Differences in the summary.
_SHOWN = 20
# The name that a comparison gives to work that belongs to no part.
OUTSIDE = "(outside the parts)"
Job = tuple[str, Callable[[], Iterable[dict[str, Any]]]]


@click.command("verify", epilog="Example: flopcalc verify compconv --cin 256 --set tail=depthwise")
@click.argument("targets", nargs=-1, metavar="[OPERATOR[:NAME=VALUE,...]|NETWORK]...", shell_complete=complete_targets)
@optional_shape_options
@click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="Set an option of the operator, with --cin; repeatable.",
)
@output_only_options
def command(
    targets: tuple[str, ...], settings: tuple[str, ...], fmt: str | None, output: str | None, **shape: Any
) -> int:
    """Check formulas against printed equations and counted kernels.

    Without a target: every operator on many shapes with many options, every shipped network, and ResNet-50
    with each operator in it. A network that is named is also verified with each operator in it. All kinds of
    cost of all parts must be equal. With one operator and --cin: that one case in full. Exit code 1 on any
    difference.
    """
    fmt = format_of(fmt, output)
    single = _single(targets, settings, shape)
    if single is not None:
        operator, given = single
        geometry, _ = read_shape(operator, {name: shape[name] for name in SHAPE_NAMES}, given)
        evaluation = operator.evaluate(geometry, given)
        rows = list(_verify().verify_layer(evaluation))
        document = _case_document(_verify().verify_record(rows))
    else:
        _check_names(targets)
        verify = _verify()
        rows = [row for found in _with_progress(list(_jobs(targets, verify))) for row in found]
        document = _summary_document(verify.verify_record(rows))
    emit(document, fmt, output)
    return ExitCode.CHECK_FAILED if document.data["failed"] else ExitCode.OK


def _verify() -> Any:
    """The module that counts. It imports torch, or raises missing-package: after all that can be wrong without it."""
    return import_module("flopcalc.pytorch.verify")


def _single(
    targets: tuple[str, ...], settings: tuple[str, ...], shape: dict[str, Any]
) -> tuple[Operator, dict[str, Any]] | None:
    """The operator and its options if a shape is given, else None."""
    if all(value is None for value in shape.values()) and not settings:
        return None
    if len(targets) != 1 or shape["cin"] is None:
        raise FlopcalcError(
            "bad-usage",
            "a shape or an option needs exactly one operator, and --cin",
            "write for example flopcalc verify compconv --cin 256",
        )
    return lookup.parse(targets[0], settings)


def _check_names(targets: tuple[str, ...]) -> None:
    """Raise FlopcalcError for a target that is neither an operator nor a described network."""
    for name in targets:
        if ":" in name and lookup.find(name.partition(":")[0]) is not None:
            raise FlopcalcError(
                "bad-usage", f"{name}: options of an operator need a shape", f"write flopcalc verify {name} --cin 256"
            )
        if not _is_network(name) and lookup.find(name) is None:
            known = [*lookup.names(), *library.names(), *lookup.plug_ins()]
            raise unknown_name("operator or network", name, known, "`flopcalc list` shows both")


def _is_network(name: str) -> bool:
    if name.endswith((".yaml", ".yml")):
        return kind_of(name) == "network"
    return name in library.names()


def _jobs(targets: tuple[str, ...], verify: Any) -> Iterator[Job]:
    for name in targets or [*lookup.names(), *library.names()]:
        if _is_network(name):
            yield from _network_jobs(name, verify, replaced=name in targets or name == _SUBJECT)
        else:
            yield name, partial(_operator_rows, lookup.get(name), verify)


def _operator_rows(operator: Operator, verify: Any) -> Iterator[dict[str, Any]]:
    # Before any shape, of which some may not suit the formula of a file. A plug-in may have no module, and its names of
    # parts are checked all the same.
    check_module = import_module("flopcalc.pytorch.layers").check_module
    if not operator.origin:
        check_module(operator)
    if (problem := next(part_names.problems(operator), None)) is not None:
        raise FlopcalcError("unknown-part", f"{operator.name}: {problem}", "correct the operator's record")
    check_module(operator)
    for case in cases(operator):
        yield from verify.verify_layer(case)


def _network_jobs(name: str, verify: Any, replaced: bool) -> Iterator[Job]:
    network = library.load(name)
    yield name, partial(verify.verify_network, network, name)
    for operator in lookup.every() if replaced else ():
        replacement = replace_convolutions(network, operator, {})
        if replacement.replaced:
            target = f"{name} --replace {operator.name}"
            yield target, partial(verify.verify_network, replacement.network, target)


def _with_progress(jobs: list[Job]) -> Iterator[Rows]:
    """Run the jobs, with a progress bar if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield from (list(run()) for _, run in jobs)
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("verify", total=len(jobs))
        for name, run in jobs:
            progress.update(task, description=name)
            yield list(run())
            progress.advance(task)


def _summary_document(record: dict[str, Any]) -> Document:
    groups: dict[str, Rows] = {}
    for row in record["rows"]:
        groups.setdefault(_name(row), []).append(row)
    rows: list[list[Cell]] = []
    for name, found in groups.items():
        shapes = {(row["target"], row["case"]) for row in found}
        printed = [row for row in found if row["witness"] == "printed"]
        counted = [row for row in found if row["witness"] == "counted"]
        numbers = sum(len(row["derived"]) for row in counted)
        failed = sum(not row["agrees"] for row in found)
        rows.append([name, len(shapes), len(printed), len(counted), numbers, failed])
    columns = (
        Column("target", "text"),
        Column("cases"),
        Column("printed", drop=2),
        Column("parts", drop=1),
        Column("numbers"),
        Column("differ"),
    )
    table = Table(columns, rows, [["total", *(sum(row[i] for row in rows) for i in range(1, 6))]])  # type: ignore[misc]
    legend = Facts(
        (
            ("printed", "printed equations compared with the formula, as their status says"),
            ("parts", "parts of layers, or layers, compared with the count of a real module"),
            ("numbers", "figures compared: params, macs, adds, muls, other, activations, traffic, steps"),
        )
    )
    blocks: list[Table | Facts | Lines] = [table, legend]
    if record["failed"]:
        blocks += _differences(record["rows"])
    verdict = "all agree" if not record["failed"] else f"{record['failed']:,} differ"
    return Document(f"Printed, derived, counted: {record['checked']:,} comparisons, {verdict}", blocks, record)


def _name(row: dict[str, Any]) -> str:
    """The target without an operator's options."""
    target: str = row["target"]
    return target if " --replace " in target else target.split("(", maxsplit=1)[0]


def _differences(rows: Rows) -> Iterator[Table | Lines]:
    """The first differences: each part and quantity once, with its first case and the number of cases."""
    found: dict[tuple[str, str, str], list[list[Cell]]] = {}
    for row in rows:
        if not row["agrees"]:
            for quantity, *values in _values(row):
                line = [row["target"], row["case"], row["what"], quantity, *values]
                found.setdefault((_name(row), row["what"], str(quantity)), []).append(line)
    columns = (
        Column("target", "text"),
        Column("case", "text"),
        Column("what", "text"),
        Column("quantity", "text"),
        Column("derived"),
        Column("counted"),
        Column("equation"),
        Column("cases"),
    )
    lines = [[*first, 1 + len(others)] for first, *others in list(found.values())[:_SHOWN]]
    yield Table(columns, lines, title="Differences, each at its first case")
    notes = []
    if len(found) > _SHOWN:
        notes.append(f"and {people(len(found) - _SHOWN)} more; --format json has all")
    if any(row["what"] == OUTSIDE and not row["agrees"] for row in rows):
        notes.append(f"{OUTSIDE}: a kernel runs in no child of the module; run it in a child named after its part")
    if notes:
        yield Lines("Notes", notes)


def _values(row: dict[str, Any]) -> Iterator[list[Cell]]:
    """The quantities of a row that differ: the name, derived, counted, and the right form of the equation."""
    if row["witness"] == "printed":
        yield [row["quantity"], row["derived"], None, row["right"] if row["right"] is not None else row["printed"]]
        return
    for kind in sorted({*row["derived"], *row["counted"]}):
        derived, counted = row["derived"].get(kind), row["counted"].get(kind)
        if derived != counted:
            yield [kind, derived, counted, None]


def _case_document(record: dict[str, Any]) -> Document:
    first = record["rows"][0]
    printed = [row for row in record["rows"] if row["witness"] == "printed"]
    counted = [row for row in record["rows"] if row["witness"] == "counted"]
    lines: list[list[Cell]] = []
    for row in counted:
        for kind in ("params", "macs", "adds", "muls", "other", "activations", "traffic", "steps", "output"):
            derived, found = row["derived"].get(kind, 0), row["counted"].get(kind, 0)
            if derived or found:
                lines.append([row["what"], kind, derived, found, "yes" if derived == found else "NO"])
    blocks: list[Table | Facts] = [
        Table(
            (
                Column("part", "text"),
                Column("kind", "text"),
                Column("derived"),
                Column("counted"),
                Column("agree", "text"),
            ),
            lines,
            title="Formula and count",
        )
    ]
    if printed:
        rows: list[list[Cell]] = [
            [row["what"], row["quantity"], row["printed"], row["derived"], _verdict(row)] for row in printed
        ]
        columns = (
            Column("equation", "text"),
            Column("gives", "text"),
            Column("as printed"),
            Column("derived"),
            Column("agree", "text"),
        )
        blocks.append(Table(columns, rows, title="Printed equations and formula"))
    verdict = "all agree" if not record["failed"] else f"{people(record['failed'])} differ"
    return Document(f"{first['target']}  {first['case']}: {record['checked']} comparisons, {verdict}", blocks, record)


def _verdict(row: dict[str, Any]) -> str:
    if not row["agrees"]:
        return "NO"
    return "yes" if row["printed"] == row["derived"] else "as stated"

"""`flopcalc check`."""

from importlib import import_module
from typing import Any

import click

from flopcalc.analysis.diff import match_layers, match_row
from flopcalc.budget.check import Check, Row
from flopcalc.budget.config import Config, find_config, read_config
from flopcalc.budget.lock import Lock, locked, read_lock
from flopcalc.budget.measure import KINDS
from flopcalc.cli.common import FORMATS, emit, write_atomically
from flopcalc.cli.diff import what_changed
from flopcalc.errors import ExitCode, FlopcalcError
from flopcalc.report.ci import told_difference, told_formula
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people

_OF_CI = ("junit", "sarif", "github")


@click.command("check", epilog="Example: flopcalc check --format json")
@click.argument("file", required=False)
@click.option("--locked", "with_lock", is_flag=True, help="Compare with the lock file as well: any difference fails.")
@click.option("--formulas", "with_formulas", is_flag=True,
              help="Compare the closed forms of operators with those in the lock file.")  # fmt: skip
@click.option("--format", "fmt", type=click.Choice((*FORMATS, *_OF_CI)), default=None,
              help="How to write the result; github: annotations of a pull request.")  # fmt: skip
@click.option("-o", "--output", metavar="FILE", help="Write to FILE instead of the terminal.")
def command(file: str | None, with_lock: bool, with_formulas: bool, fmt: str | None, output: str | None) -> int:
    """Costs against limits: fails where something became too dear.

    FILE lists targets and limits; without it flopcalc.yaml here, or [tool.flopcalc] in pyproject.toml.
    Exit code 1 where a limit is exceeded, or with --locked or --formulas where something differs.
    """
    config = read_config(find_config(file))
    lock = read_lock(config.lock)
    if lock is None and (with_lock or with_formulas):
        raise FlopcalcError("no-lock", f"there is no lock file {config.lock}", "write it with `flopcalc lock`")
    check = Check(config, lock.targets if lock else None)
    rows = list(check.rows())
    differences = _differences(check, config, lock) if with_lock and lock else []
    forms = _formulas(config, lock) if with_formulas and lock else []
    record = {
        "schema": "flopcalc/check/1",
        "file": config.path,
        "checked": len(rows) + (len(config.targets) if with_lock else 0) + len(forms),
        "failed": sum(not row["ok"] for row in rows) + len(differences) + sum(not form["ok"] for form in forms),
        "rows": rows,
        "targets": {spec.name: {"what": check.of(spec.name).what, **check.of(spec.name).totals}
                    for spec in config.targets},
        "differences": differences,
        "formulas": [form for form in forms if not form["ok"]],
    }  # fmt: skip
    if fmt in _OF_CI:
        write = getattr(import_module("flopcalc.report.ci"), f"to_{fmt}")
        _put(write(record), output)
    else:
        emit(_document(record, with_lock, len(forms)), fmt, output)
    return ExitCode.CHECK_FAILED if record["failed"] else ExitCode.OK


def _put(text: str, output: str | None) -> None:
    if output is None:
        click.echo(text, nl=False)
    else:
        write_atomically(output, text)


def _differences(check: Check, config: Config, lock: Lock) -> list[dict[str, Any]]:
    """Targets that are not as they were locked, with their layers side by side."""
    found = []
    if lock.dtype != config.dtype:
        why = f"the lock file measures traffic in {lock.dtype}, the file of targets in {config.dtype}"
        raise FlopcalcError("stale-lock", why, "`flopcalc lock --update`")
    for spec in config.targets:
        now, was = locked(check.of(spec.name)), lock.targets.get(spec.name)
        if was == now:
            continue
        matches = match_layers(was.layers, now.layers) if was else []
        found.append(
            {
                "target": spec.name,
                "file": spec.path,
                "line": spec.line,
                "locked": dict(was.totals) if was else None,
                "now": dict(now.totals),
                "what": [was.what if was else None, now.what],
                "difference": {kind: now.totals[kind] - (was.totals[kind] if was else 0) for kind in KINDS},
                "equal": sum(match.status == "same" for match in matches),
                "layers": [match_row(match) for match in matches if match.status != "same"],
            }
        )
    for name, was in lock.targets.items():
        if name not in check.specs:
            less = {kind: -was.totals[kind] for kind in KINDS}
            found.append(
                {"target": name, "file": config.path, "line": 0, "locked": dict(was.totals), "now": None,
                 "what": [was.what, None], "difference": less, "equal": 0, "layers": []}
            )  # fmt: skip
    return found


def _formulas(config: Config, lock: Lock) -> list[dict[str, Any]]:
    if config.formulas is None:
        raise FlopcalcError(
            "bad-config", f"{config.path} names no formulas to compare", "write formulas: all, or a list of operators"
        )
    algebra = import_module("flopcalc.budget.formulas")
    return list(algebra.compare(lock.formulas, algebra.formulas(config.formulas)))


def _document(record: dict[str, Any], with_lock: bool, formulas: int) -> Document:
    rows: list[Row] = record["rows"]
    blocks: list[Table | Facts | Lines] = []
    if rows:
        blocks.append(_limits(rows))
    for one in record["differences"]:
        blocks += _difference(one)
    if record["formulas"]:
        blocks.append(Lines("Closed forms that are not as locked", list(_forms(record["formulas"]))))
    facts = []
    if rows:
        broken = sum(not row["ok"] for row in rows)
        facts.append(("limits", f"{len(rows) - broken} kept, {broken} exceeded" if broken else f"{len(rows)} kept"))
    if with_lock:
        count = len(record["differences"])
        told = f"{count} not as locked" if count else "all as locked"
        facts.append(("targets", f"{len(record['targets'])}, {told}"))
    if formulas:
        count = len(record["formulas"])
        facts.append(("formulas", f"{formulas}, {count} not as locked" if count else f"{formulas}, all as locked"))
    if not facts:
        facts.append(("targets", f"{len(record['targets'])} without limits; --locked compares them with the lock file"))
    blocks.append(Facts(facts))
    verdict = f"{record['failed']} failed" if record["failed"] else "fine"
    return Document(f"{record['file']}: {verdict}", blocks, record)


def _limits(rows: list[Row]) -> Table:
    columns = (Column("target", "text"), Column("limit", "text"), Column("actual"), Column("allowed"),
               Column("over", "text"), Column("", "text"))  # fmt: skip
    cells: list[list[Cell]] = []
    for row in rows:
        limit = row["limit"] + (f" [{row['name']}]" if row["name"] else "")
        cells.append([row["target"], limit, row["actual"], row["bound"], _over(row), "ok" if row["ok"] else "EXCEEDED"])
    return Table(columns, cells, main=True)


def _over(row: Row) -> str:
    if row["relative"] is None:
        return people(row["excess"])
    return f"{row['relative']:+.1%}"


# Of a large difference so many layers are shown.
_SHOWN = 30


def _difference(one: dict[str, Any]) -> list[Table | Facts | Lines]:
    blocks: list[Table | Facts | Lines] = [Lines("Not as locked", [told_difference(one)])]
    if one["what"][0] and one["what"][1] and one["what"][0] != one["what"][1]:
        blocks.append(Facts([("was", one["what"][0]), ("is", one["what"][1])]))
    layers = one["layers"]
    if layers:
        columns = (Column("layer", "text"), Column("what", "text"), Column("params", "difference"),
                   Column("MACs", "difference"))  # fmt: skip
        rows: list[list[Cell]] = [
            [row["name"], what_changed(row), row["difference"]["params"], row["difference"]["macs"]]
            for row in layers[:_SHOWN]
        ]
        rest = len(layers) - _SHOWN
        if rest > 0:
            rows.append([f"{rest:,} more", "", *(sum(row["difference"][kind] for row in layers[_SHOWN:])
                                                 for kind in ("params", "macs"))])  # fmt: skip
        end: list[list[Cell]] = [[f"{one['equal']:,} equal layers", "", 0, 0]] if one["equal"] else []
        total = one["difference"]
        end.append(["total", "", total["params"], total["macs"]])
        blocks.append(Table(columns, rows, end, title=f"{one['target']}: now - locked"))
    return blocks


def _forms(forms: list[dict[str, Any]]) -> list[str]:
    lines = []
    for one in forms:
        lines.append(told_formula(one))
        lines += [f"  locked  {one['locked']}"] if one["locked"] else []
        lines += [f"  now     {one['now']}"] if one["now"] else []
    return lines

"""`flopcalc check`."""

import os
from importlib import import_module
from typing import Any

import click

from flopcalc.budget.record import check_record
from flopcalc.cli.output import BY_SUFFIX, FORMATS, format_of, output_option, render, write
from flopcalc.errors import ExitCode, FlopcalcError, clip
from flopcalc.report.check import check_document

_OF_CI = ("junit", "sarif", "github")
_SUFFIXES = {**BY_SUFFIX, ".xml": "junit", ".sarif": "sarif"}


@click.command("check", epilog="Example: flopcalc check --format json")
@click.argument("file", required=False)
@click.option("--locked", "with_lock", is_flag=True, help="Compare with the lock file as well: any difference fails.")
@click.option(
    "--formulas",
    "with_formulas",
    is_flag=True,
    help="Compare the closed forms of operators with those in the lock file.",
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice((*FORMATS, *_OF_CI)),
    default=None,
    help="How to write the result (default: table, or by the suffix of -o); github: annotations of a pull request.",
)
@output_option
@click.option(
    "--report",
    "reports",
    metavar="FILE",
    multiple=True,
    help="Write the result to FILE as well, by its suffix: .xml (JUnit), .sarif, .md, .json, .csv, .html, "
    ".tex; repeatable.",
)
def command(
    file: str | None,
    with_lock: bool,
    with_formulas: bool,
    fmt: str | None,
    output: str | None,
    reports: tuple[str, ...],
) -> int:
    """Costs against limits: fails where something became too dear.

    FILE lists targets and limits; without it flopcalc.yaml here, or [tool.flopcalc] in pyproject.toml.
    Exit code 1 where a limit is exceeded, or with --locked or --formulas where something differs.
    """
    formats = [(path, _by_suffix(path)) for path in reports]
    fmt = format_of(fmt, output, _SUFFIXES)
    record = check_record(file, with_lock=with_lock, with_formulas=with_formulas)
    write(_text(record, fmt, output), output, fmt)
    for path, form in formats:
        write(_text(record, form, path), path, form)
    return ExitCode.CHECK_FAILED if record["failed"] else ExitCode.OK


def _by_suffix(path: str) -> str:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _SUFFIXES:
        raise FlopcalcError(
            "bad-usage", f"--report {clip(path)}: its suffix names no format", f"one of: {', '.join(_SUFFIXES)}"
        )
    return _SUFFIXES[suffix]


def _text(record: dict[str, Any], fmt: str, output: str | None) -> str:
    if fmt in _OF_CI:
        return str(getattr(import_module("flopcalc.report.ci"), f"to_{fmt}")(record))
    return render(check_document(record, for_csv=fmt == "csv"), fmt, output)

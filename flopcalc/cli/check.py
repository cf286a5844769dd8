"""`flopcalc check`."""

import os
from functools import partial
from importlib import import_module
from typing import Any

import click

from flopcalc.budget.record import check_record
from flopcalc.cli.output import BY_SUFFIX, FORMATS, format_of, output_option, render, write
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.target import timeout_option
from flopcalc.errors import ExitCode, FlopcalcError, clip
from flopcalc.report.check import check_document
from flopcalc.targets.spec import Timeout

_OF_CI = ("junit", "sarif", "github")
_SUFFIXES = {**BY_SUFFIX, ".xml": "junit", ".sarif": "sarif"}


@click.command("check", epilog="Example: flopcalc check --format json")
@click.argument("file", required=False)
@click.option("--locked", "with_lock", is_flag=True, help="Also compare with the lock file; any difference fails.")
@click.option(
    "--formulas",
    "with_formulas",
    is_flag=True,
    help="Also compare the closed forms of operators with those in the lock file.",
)
@click.option(
    "--against",
    "revision",
    metavar="REV",
    help="Compare with the costs at REV, a revision of this git repository, in the place of the lock file: a cost that "
    "grew beyond its tolerance fails.",
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice((*FORMATS, *_OF_CI)),
    default=None,
    help="How to write the result (default: table, or by the suffix of -o). github: annotations of a pull request.",
)
@output_option
@click.option(
    "--report",
    "reports",
    metavar="FILE",
    multiple=True,
    help="Also write the result to FILE, in the format of its suffix: .xml (JUnit), .sarif, .md, .json, .csv, .html, "
    ".tex; repeatable.",
)
@timeout_option
def command(
    file: str | None,
    with_lock: bool,
    with_formulas: bool,
    revision: str | None,
    fmt: str | None,
    output: str | None,
    reports: tuple[str, ...],
    timeout: Timeout,
) -> int:
    """Check costs against limits; exit code 1 if any is exceeded.

    FILE lists targets and limits (default: flopcalc.yaml in this folder, or [tool.flopcalc] in
    pyproject.toml). With --locked or --formulas, a difference from the lock file also gives exit code 1. With --against
    REV, so does a cost that is higher than at that revision. Your working tree is only read.
    """
    if revision is not None and (with_lock or with_formulas):
        flag = "--locked" if with_lock else "--formulas"
        why = f"--against and {flag} are both given: one compares with a revision, the other with the lock file"
        raise FlopcalcError("bad-usage", why, "run the command twice")
    formats = [(path, _by_suffix(path)) for path in reports]
    fmt = format_of(fmt, output, _SUFFIXES)
    with progress_bar(file or "targets"):
        if revision is None:
            record = check_record(file, with_lock=with_lock, with_formulas=with_formulas, timeout=timeout)
        else:
            before = partial(import_module("flopcalc.cli.check_git").costs_before, revision)
            record = check_record(file, timeout=timeout, before=before, against=revision)
    write(_text(record, fmt, output), output, fmt)
    for path, form in formats:
        write(_text(record, form, path), path, form)
    return ExitCode.CHECK_FAILED if record["failed"] else ExitCode.OK


def _by_suffix(path: str) -> str:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _SUFFIXES:
        raise FlopcalcError(
            "bad-usage", f"--report {clip(path)}: no format has this suffix", f"one of: {', '.join(_SUFFIXES)}"
        )
    return _SUFFIXES[suffix]


def _text(record: dict[str, Any], fmt: str, output: str | None) -> str:
    if fmt in _OF_CI:
        return str(getattr(import_module("flopcalc.report.ci"), f"to_{fmt}")(record))
    return render(check_document(record, for_csv=fmt == "csv"), fmt, output)

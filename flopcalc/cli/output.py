"""Writing what a command shows: to the terminal or to a file, in a format."""

import os
import sys
from collections.abc import Callable
from importlib import import_module

import click

from flopcalc.report.document import Document
from flopcalc.text.atomic_file import write_atomically

FORMATS = ("table", "json", "csv", "markdown", "latex", "html")
BY_SUFFIX = {".json": "json", ".csv": "csv", ".md": "markdown", ".tex": "latex", ".html": "html"}


def format_of(fmt: str | None, output: str | None) -> str:
    """The format of the result: as `--format` says, else by the suffix of the file, else a table."""
    return fmt or BY_SUFFIX.get(os.path.splitext(output or "")[1].lower(), "table")


def emit(document: Document, fmt: str | None, output: str | None) -> None:
    """Write a document to the terminal or, atomically, to a file."""
    fmt = format_of(fmt, output)
    if output is None:
        click.echo(render(document, fmt, terminal=True), nl=False)
    else:
        write_atomically(output, render(document, fmt, terminal=False))


def render(document: Document, fmt: str, terminal: bool) -> str:
    """The text of a document. A module is imported for its format only, Rich for terminals only."""
    writer: Callable[..., str]
    if fmt != "table":
        writer = getattr(import_module("flopcalc.report.formats"), f"to_{fmt}")
        return writer(document)
    rich = terminal and sys.stdout.isatty()
    writer = import_module("flopcalc.report.terminal" if rich else "flopcalc.report.plain").render
    return writer(document, _width())


def _width() -> int:
    """Columns: COLUMNS, else the terminal's, else 80. (shutil does this, and takes 4 ms to import.)"""
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns or 80
    except (OSError, ValueError):
        return 80

"""Writing what a command shows: to standard output or to a file, in a format."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any, TextIO

import click

from flopcalc.errors import FlopcalcError, clip
from flopcalc.report.document import Document
from flopcalc.text.atomic_file import open_atomically, write_atomically
from flopcalc.text.input_file import was_read

FORMATS = ("table", "json", "csv", "markdown", "latex", "html")
BY_SUFFIX = {".txt": "table", ".json": "json", ".csv": "csv", ".md": "markdown", ".tex": "latex", ".html": "html"}


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """-o, the same for every command that writes something."""
    return click.option(
        "-o", "--output", metavar="FILE", callback=_checked, help="Write to FILE; - is standard output (the default)."
    )(command)


def _checked(context: click.Context, option: click.Parameter, output: str | None) -> str | None:
    if output == "":
        raise FlopcalcError("bad-usage", "-o is given an empty name", "give -o a file name, or - for standard output")
    return output


def format_of(
    fmt: str | None, output: str | None, suffixes: Mapping[str, str] = BY_SUFFIX, default: str = "table"
) -> str:
    """The format that was asked for; else the one that the suffix of the file names; without a suffix the default.

    Raises:
        FlopcalcError: bad-usage, if the suffix names no format.
    """
    suffix = os.path.splitext(output or "")[1].lower()
    if fmt is not None or output == "-" or not suffix:
        return fmt or default
    if suffix not in suffixes:
        raise FlopcalcError(
            "bad-usage",
            f"-o {clip(output)}: no format has the suffix {suffix}",
            f"use {', '.join(suffixes)} or no suffix" + (", or --format" if ".csv" in suffixes else ""),
        )
    return suffixes[suffix]


def emit(document: Document, fmt: str | None, output: str | None) -> None:
    """Write a document to standard output or, atomically, to a file."""
    fmt = format_of(fmt, output)
    write(render(document, fmt, output), output, fmt)


def render(document: Document, fmt: str, output: str | None = None) -> str:
    """The text of a document. The module of a format is imported for that format only."""
    writer: Callable[..., str]
    if fmt != "table":
        writer = getattr(import_module("flopcalc.report.formats"), f"to_{fmt}")
        return writer(document)
    styled = to_stdout(output) and sys.stdout.isatty()
    writer = import_module("flopcalc.report.terminal" if styled else "flopcalc.report.plain").render
    return writer(document, _width(output))


def to_stdout(output: str | None) -> bool:
    """Whether -o names standard output."""
    return output is None or output == "-"


def write(text: str, output: str | None = None, fmt: str = "table") -> None:
    """Write text to standard output, in its encoding, or atomically to a file, in UTF-8."""
    if output is None or output == "-":
        click.echo(encodable(text, sys.stdout, fmt), nl=False)
    else:
        _check_not_read(output)
        write_atomically(output, text)


@contextmanager
def open_output(output: str, *, binary: bool = False) -> Iterator[IO[Any]]:
    """The file of -o, which is there once the block has ended. Raises FlopcalcError (bad-usage, unwritable-output)."""
    _check_not_read(output)
    with open_atomically(output, binary=binary) as file:
        yield file


def _check_not_read(output: str) -> None:
    """Raise FlopcalcError (bad-usage) if the file to write is one that the command has read: it would be lost."""
    if was_read(output):
        raise FlopcalcError(
            "bad-usage",
            f"-o {clip(output)} is a file that this command reads; nothing was written",
            "name another file",
        )


def encodable(text: str, stream: TextIO | None, fmt: str = "table") -> str:
    """The text with other characters, or escapes of the format, for those that a stream cannot write."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if text.isascii() or encoding.lower() in ("utf-8", "utf8"):
        return text
    other: Callable[[str, str, str], str] = import_module("flopcalc.report.encoding").encodable
    return other(text, encoding, fmt)


def _width(output: str | None) -> int:
    """Columns: COLUMNS, else the terminal's, else 80. (shutil does this, and takes 4 ms to import.)"""
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdigit() and 0 < len(given.lstrip("0")) < 6:
        return int(given)
    try:
        shown = to_stdout(output) and sys.__stdout__
        return (os.get_terminal_size(shown.fileno()).columns if shown else 0) or 80
    except (OSError, ValueError):
        return 80

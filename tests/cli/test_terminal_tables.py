"""The tables of every command on terminals of any width: each printed number is a whole one."""

import csv
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cache

import pytest
from helpers import ROOT

from flopcalc.cli.main import COMMANDS, main
from flopcalc.report import terminal
from flopcalc.report.document import Document, Facts, Table, people

WIDTHS = (40, 60, 80, 100, 120)
HUGE = ("--cin", "100000", "--hw", "4096")
SHOWN = [
    ("layer", "--type", "compconv", "--cin", "256"),
    ("layer", "--type", "spconv", *HUGE),
    ("layer", "--type", "conv", "--cin", "64", "--convention", "thop-2019"),
    ("compare", "conv", "ghost", "spconv", "--cin", "64"),
    ("compare", "conv", "ghost", "spconv:alpha=1/4,norm=true", "linear", *HUGE),
    ("model", "resnet50"),
    ("model", "resnet50", "--replace", "spconv"),
    ("model", "mobilenet_v2", "--by", "layer", "--batch", "4096"),
    ("model", "vit_b_16", "--by", "type"),
    ("model", "densenet201", "--top", "20"),
    ("layer", "ghost", *HUGE, "--columns", "all"),
    ("model", "mobilenet_v2", "--by", "layer", "--columns", "all"),
    ("model", "swin_t", "--by", "tree", "--depth", "4"),
    ("diff", "resnet50", "resnet50 --replace spconv"),
    ("explain", "vit_b_16"),
    ("explain", "resnet18", "--batch", "4096"),
    ("list",),
    ("list", "--matching", "--cin", "64"),
    ("list", "--matching", *HUGE),
    ("check", "--locked"),
    ("reproduce", "hetconv"),
    ("errata", "ghost"),
    ("formula", "ghost"),
    ("formula", "mobilenet_v2", "--vary", "batch,set.width"),
    ("formula", "resnet50", "--replace", "compconv", "--per", "layer"),
    ("diff", "resnet50", "resnet50 --replace spconv", "--symbolic"),
    ("sweep", "conv", "ghost", "spconv", *HUGE, "-k", "1,3,5"),
    ("solve", "mobilenet_v2", "--for", "width", "--target", "macs <= 300M"),
    ("roofline", "compconv", *HUGE, "--device", "h100"),
    ("roofline", "resnet50", "--replace", "spconv", "--device", "h200", "--dtype", "float16", "--batch", "32"),
    ("memory", "resnet50", "--order", "best"),
    ("memory", "densenet201", "--batch", "4096"),
    ("model", "resnet50", "--mode", "training"),
    ("layer", "compconv", *HUGE, "--mode", "training"),
    ("compare", "conv", "ghost", *HUGE, "--mode", "training", "--columns", "all"),
    ("bench", "ghost", "--cin", "16", "--hw", "8", "--seconds", "0.1", "--device", "xeon-8380"),
    ("verify", "spconv", "--cin", "64"),
]
HEADLINES = [one for one in SHOWN if one[0] in ("compare", "model") or "--matching" in one]
HEADLINES.remove(("model", "densenet201", "--top", "20"))
# These write no document; calibrate measures for seconds, and has tests of its own.
TEXT_ONLY = {"cite", "schema", "lock", "calibrate", "plot", "report", "doctor"}
NEEDS = {"bench": "torch", "formula": "sympy", "verify": "torch", "sweep": "numpy"}

NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def _numbers(text: str) -> list[str]:
    return NUMBER.findall(text)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@cache
def _document(command: tuple[str, ...]) -> Document:
    """What a command shows, before it is text."""
    found: list[Document] = []

    def keep(document: Document, width: int) -> str:
        found.append(document)
        return ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal, "render", keep)
        patch.setattr(sys, "stdout", Terminal())
        assert main(list(command)) == 0
    (document,) = found
    return document


def _dropped(shown: str) -> set[str]:
    """The columns that notes name."""
    notes = re.findall(r"not shown at \d+ columns: (.*?); use a wider terminal", " ".join(shown.split()))
    return {name for note in notes for name in note.split(", ")}


def _texts(document: Document, dropped: Collection[str] = ()) -> Iterator[str]:
    """Every text of a document; of tables without the dropped columns."""
    yield document.title
    for block in document.blocks:
        yield block.title
        if isinstance(block, Table):
            for row in (*block.rows, *block.totals):
                for column, cell in zip(block.columns, row, strict=True):
                    if column.kind != "bar" and column.key not in dropped and column.title not in dropped:
                        yield people(cell, column.kind)
        elif isinstance(block, Facts):
            yield from (text for item in block.items for text in item)
        else:
            yield from block.lines


def test_every_command_is_looked_at() -> None:
    assert {command[0] for command in SHOWN} == COMMANDS.keys() - TEXT_ONLY


@pytest.mark.parametrize("command", SHOWN, ids=" ".join)
def test_every_number_is_whole(command: tuple[str, ...]) -> None:
    """Each number of the document is shown, and each shown number is one of the document, or of its column titles."""
    pytest.importorskip(NEEDS.get(command[0], "flopcalc"))
    document = _document(command)
    titles = [column.key or column.title for b in document.blocks if isinstance(b, Table) for column in b.columns]
    known = {number for text in (*_texts(document), *titles) for number in _numbers(text)}
    for width in WIDTHS:
        shown = re.sub(r"\x1b\[\d*m", "", terminal.render(document, width))
        counted = Counter(_numbers(shown))
        assert counted.keys() <= known | {str(width)}, width
        expected = Counter(number for text in _texts(document, _dropped(shown)) for number in _numbers(text))
        assert expected <= counted, (width, expected - counted)
        for line in shown.splitlines():
            assert len(line) <= width or len(line.removeprefix("  - ").split()) == 1, line


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", HEADLINES, ids=" ".join)
def test_the_headline_numbers_of_the_csv_are_on_the_terminal(
    command: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """params and MACs are never left out, and are the exact ones of the CSV, a witness without a layout."""

    def run(*more: str) -> str:
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setenv("COLUMNS", str(width))
        assert main([*command, *more]) == 0
        return stream.getvalue()

    shown = Counter(_numbers(run()))
    by = () if command[0] != "model" or "--by" in command else ("--by", "stage")
    rows = list(csv.DictReader(io.StringIO(run(*by, "--format", "csv"))))
    assert rows
    for column in ("params", "MACs"):
        expected = Counter(f"{int(row[column]):,}" for row in rows if int(row[column]) < 10**15)
        assert expected <= shown, expected - shown


def _on_a_terminal(width: int, *arguments: str) -> str:
    """What a command writes to a real pseudo-terminal of a width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "flopcalc", *arguments]
    process = subprocess.Popen(command, stdout=slave, stderr=slave, cwd=ROOT, env=environment)
    os.close(slave)
    chunks = []
    try:
        while chunk := os.read(master, 65536):
            chunks.append(chunk)
    except OSError:
        pass  # the other end is closed
    os.close(master)
    assert process.wait() == 0
    return b"".join(chunks).decode().replace("\r\n", "\n")


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_real_terminal(width: int) -> None:
    """The width of the terminal is used, and the digits that were cut off in version 0.1 are there."""
    shown = _on_a_terminal(width, "compare", "conv", "ghost", "spconv", "--cin", "64")
    assert "\x1b[1m" in shown
    plain = re.sub(r"\x1b\[\d*m", "", shown)
    assert max(map(len, plain.splitlines())) <= width
    for number in ("115,605,504", "58,705,920", "41,746,432", "36,864", "18,720", "13,312"):
        assert number in _numbers(plain)


def test_a_terminal_without_styles_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in terminal.render(Document("title", [], {}), 80)

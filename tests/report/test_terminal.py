"""What a terminal shows: Rich's drawing has the words and numbers of the plain one, and colours if wanted."""

import os
import pty
import re
import subprocess
import sys

import pytest
from helpers import ROOT

from flopcalc.report import plain, terminal
from flopcalc.report.document import Column, Document, Facts, Lines, Table, people

DOCUMENT = Document(
    "A title",
    (
        Table(
            (Column("name", "name"), Column("what", "text"), Column("n"), Column("share", "share"), Column("", "bar")),
            [["a", "some words that must be folded in a narrow place", 1_234_567, 0.5, 1], ["b", "few", 7, 0.25, 0.1]],
            [["total", "", 1_234_574, 0.75, None]],
            title="Numbers",
        ),
        Facts([("label", "text " * 30), ("other", "short")]),
        Lines("Notes", ["one", "two"]),
    ),
    {},
)


def _words(text: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\u2500", "").split()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_both_writers_say_the_same(width: int) -> None:
    """The same words; no line wider than asked."""
    drawn, written = terminal.render(DOCUMENT, width), plain.render(DOCUMENT, width)
    assert sorted(_words(drawn)) == sorted(_words(written))
    assert max(map(len, written.splitlines())) <= width
    assert "\x1b[" in drawn
    assert "\x1b[" not in written


def _on_a_terminal(*arguments: str, **env: str) -> str:
    """What a command writes to a pseudo-terminal."""
    master, slave = pty.openpty()
    source = f"import sys; sys.argv = ['flopcalc', *{arguments!r}]; from flopcalc.__main__ import run; run()"
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm", **env}
    process = subprocess.Popen([sys.executable, "-c", source], stdout=slave, stderr=slave, cwd=ROOT, env=environment)
    os.close(slave)
    chunks = []
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(master)
    assert process.wait() == 0
    return b"".join(chunks).decode().replace("\r\n", "\n")


def test_colour_on_a_terminal_and_not_with_no_color() -> None:
    """NO_COLOR is respected; the numbers are the same."""
    command = ("model", "resnet50", "--replace", "spconv")
    coloured = _on_a_terminal(*command)
    bare = _on_a_terminal(*command, NO_COLOR="1")
    assert "\x1b[1m" in coloured
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", bare)
    for text in (coloured, bare):
        assert "2,907,439,104" in text
        assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in text.splitlines()) <= 80


def test_progress_goes_to_the_terminal_only() -> None:
    """A bar while it works; the result after it."""
    pytest.importorskip("torch")
    shown = _on_a_terminal("verify", "linear", "resnet50")
    assert "all agree" in shown


def test_numbers_for_people() -> None:
    """Exact up to 10^15, then three digits; ratios, shares, short forms."""
    assert people(1_234_567) == "1,234,567"
    assert people(2_822_400 * 10**58) == "2.82e+64"
    assert people(0.27252, "ratio") == "0.2725"
    assert people(0.00001234, "ratio") == "1.23e-05"
    assert people(0.5, "share") == "50.0%"
    assert people(1_210_000, "short") == "1.21M"
    assert people(999, "short") == "999"
    assert people(None) == ""

"""The progress bar: on a terminal, after a second, and gone at the end."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flopcalc.cli.progress import bar, progress_bar
from flopcalc.networks import progress_bar as shown
from flopcalc.networks.progress import progress, report


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """As a terminal does."""
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard error as a terminal, and a bar that appears at once. (pytest exchanges stderr after fixtures.)"""
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    monkeypatch.setattr(shown, "_DELAY", 0.02)
    monkeypatch.setattr(shown, "_PERIOD", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    return found


def test_it_follows_the_count_and_is_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    """First what is loaded, then the modules that have run; at the end the line is blank."""
    terminal = on_terminal(monkeypatch)
    with progress_bar("net.py:Net"):
        time.sleep(0.2)
        ran: dict[str, int] = {}
        report(ran, 4)
        ran |= {"a": 1, "b": 1}
        time.sleep(0.2)
    texts = terminal.getvalue().split("\r")
    assert "loading net.py:Net, 0 s" in texts
    assert any(text.startswith("counting net.py:Net [") and text.endswith("2 of 4 modules") for text in texts)
    assert texts[-1] == ""
    assert not texts[-2].strip()
    assert len(texts[-2]) >= max(map(len, texts[:-2]))
    assert progress.get() is None


def test_it_is_erased_when_the_count_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the error is shown."""
    terminal = on_terminal(monkeypatch)

    def fail() -> None:
        with progress_bar("net"):
            time.sleep(0.2)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert terminal.getvalue().endswith("\r")
    assert progress.get() is None


def test_none_for_a_fast_count_or_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a second, in a pipe, and on a terminal that cannot go back to the start of a line."""
    terminal = on_terminal(monkeypatch)
    monkeypatch.setattr(shown, "_DELAY", 1.0)
    with progress_bar("net"):
        pass
    assert terminal.getvalue() == ""
    monkeypatch.setattr(shown, "_DELAY", 0.01)
    monkeypatch.setenv("TERM", "dumb")
    with progress_bar("net"):
        time.sleep(0.1)
    assert terminal.getvalue() == ""
    monkeypatch.setenv("TERM", "xterm")
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with progress_bar("net"):
        time.sleep(0.1)
    assert pipe.getvalue() == ""


@pytest.mark.parametrize("width", [0, 5, 12, 20, 30, 40, 60, 72])
@pytest.mark.parametrize("total", [0, 12345])
def test_it_fits(width: int, total: int) -> None:
    """In any width, in ASCII, whatever the name is."""
    for name in (
        "net.py:Net",
        "a/long/path/to/the/folder/of/a/model/that/somebody/wrote.py:Net",
        "\u03b1\u03b2.py:Net",
    ):
        text = bar(name, 777, total, 1.5, width)
        assert text.isascii()
        assert len(text) <= width
    assert "777 of 12,345" in bar("net.py:Net", 777, 12345, 1.5, 72)


def test_a_count_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of a real count: all that ran, of all there are."""
    on_terminal(monkeypatch)
    torch = pytest.importorskip("torch")
    from flopcalc.pytorch import count

    model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Sequential(torch.nn.ReLU()))
    with progress_bar("net"):
        count(model, (1, 2))
        now = progress.get()
        assert now is not None
        assert (len(now.done), now.total) == (4, 4)


def test_on_a_real_terminal(tmp_path: Path) -> None:
    """The bar is on the terminal, and the output in the pipe is whole."""
    pty = pytest.importorskip("pty")
    source = (
        "import time\nfrom flopcalc.cli.progress import progress_bar\n"
        "with progress_bar('net'):\n    time.sleep(1.4)\nprint('done')\n"
    )
    mine, its = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        stderr=its,
        env={**os.environ, "TERM": "xterm"},
        check=False,
        timeout=60,
    )
    os.close(its)
    seen = os.read(mine, 65536).decode()
    os.close(mine)
    assert (done.returncode, done.stdout) == (0, b"done\n")
    assert seen.startswith("\rloading net, 1 s")
    assert seen.endswith("\r")

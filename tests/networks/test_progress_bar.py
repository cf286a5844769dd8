"""The bar of calls from Python: in notebooks, interactive sessions, or where the user wants it; nowhere else."""

import io
import os
import subprocess
import sys
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from helpers import ROOT, fresh

import flopcalc
from flopcalc.networks import progress_bar as bars
from flopcalc.networks.progress import progress as reported
from flopcalc.networks.progress import report
from flopcalc.networks.progress_bar import Words, bar, element, following


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """As a terminal does."""
        return True


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar that appears at once."""
    monkeypatch.setattr(bars, "_DELAY", 0.02)
    monkeypatch.setattr(bars, "_PERIOD", 0.01)
    monkeypatch.setattr(bars, "_wanted", None)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delattr(sys, "ps1", raising=False)


def _shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO) -> str:
    """What a call of 0.2 seconds writes."""
    with monkeypatch.context() as context:
        context.setattr(sys, "stderr", stream)
        with following(Words("net", "trying", "values")):
            report(range(3), 4)
            time.sleep(0.2)
    assert reported.get() is None
    return stream.getvalue()


@pytest.mark.usefixtures("quick")
def test_it_is_shown_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in a script, but in a session; `progress` says otherwise; never in a pipe."""
    assert _shown(monkeypatch, Terminal()) == ""
    with flopcalc.progress():
        text = _shown(monkeypatch, Terminal())
        assert "trying net [" in text
        assert "3 of 4 values" in text
        assert text.endswith("\r")
        assert _shown(monkeypatch, io.StringIO()) == ""
        with flopcalc.progress(False):
            assert _shown(monkeypatch, Terminal()) == ""
        assert _shown(monkeypatch, Terminal())
    assert _shown(monkeypatch, Terminal()) == ""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert _shown(monkeypatch, Terminal())
    flopcalc.progress(False)
    assert _shown(monkeypatch, Terminal()) == ""
    flopcalc.progress(None)
    assert _shown(monkeypatch, Terminal())


@pytest.mark.usefixtures("quick")
def test_one_bar_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call inside another one, or inside a command, reports to the outer bar; a steady one hears of its own only."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    with flopcalc.progress(), following(Words("outer")) as outer:
        with following(Words("inner")):
            report("abc", 5)
        assert (len(outer.done), outer.total) == (3, 5)
    with flopcalc.progress(), following(Words("outer"), steady=True) as outer:
        report("abc", 5)
        assert outer.total == 0


@pytest.mark.usefixtures("quick")
def test_calls_report_what_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep its combinations, a search that it searches, a measurement its seconds."""
    pytest.importorskip("numpy")
    monkeypatch.setattr(bars, "_DELAY", 0.0)
    monkeypatch.setattr(bars, "_PERIOD", 0.001)

    def seen(call: Any) -> str:
        stream = Terminal()
        with monkeypatch.context() as context, flopcalc.progress():
            context.setattr(sys, "stderr", stream)
            call()
        return stream.getvalue()

    # 3 x 448 sizes of a network.
    text = seen(lambda: flopcalc.sweep("resnet18", input="32:480:1", batch="1,2,3", columns="macs"))
    assert "trying sweep" in text
    assert "of 1,347 combinations" in text
    assert "searching mobilenet_v2" in seen(lambda: flopcalc.solve("mobilenet_v2", "width", "macs <= 300M"))
    torch = pytest.importorskip("torch")
    assert "measuring conv" in seen(lambda: flopcalc.bench("conv", c_in=4, hw=8, seconds=1.2))
    net = torch.nn.Sequential(*(torch.nn.Conv2d(3, 3, 3, padding=1) for _ in range(200)))
    assert "of 201 modules" in seen(lambda: flopcalc.count(net, (1, 3, 8, 8)))


@pytest.mark.parametrize(
    ("done", "total", "width", "wanted"),
    [
        # 41 places are left of 79 by the name and 30 for the words; a third of them is done.
        (1, 3, 79, f"counting resnet50 [{'#' * 13}{'.' * 28}] 1 of 3 modules"),
        (4, 3, 79, f"counting resnet50 [{'#' * 41}] 4 of 3 modules"),
        # Of long numbers the words have 8 + 28 + 6 places, so that 29 are left.
        (500_000, 1_000_000, 79, f"counting resnet50 [{'#' * 14}{'.' * 15}] 500,000 of 1,000,000 modules"),
        # A bar has 5 places or more.
        (1, 3, 43, "counting resnet50 [#....] 1 of 3 modules"),
        (1, 3, 42, "counting resnet50 1 of 3 modules"),
        # What does not fit is left out.
        (1, 3, 32, "counting resnet50 1 of 3 modules"),
        (1, 3, 31, "counting 1 of 3 modules"),
        (1, 3, 22, "33%"),
        (1, 3, 2, "33"),
        (1, 3, 0, ""),
        (1, 3, -1, ""),
        (0, 0, 79, "loading resnet50, 7 s"),
        (0, 0, 20, "loading, 7 s"),
    ],
)
def test_the_line_of_a_terminal(done: int, total: int, width: int, wanted: str) -> None:
    """It is no longer than the terminal is wide."""
    assert bar("resnet50", done, total, 7.2, width) == wanted


def test_the_element_of_a_notebook() -> None:
    """A bar with its text, closed and escaped."""
    words = Words("<b>net", "trying", "values", "loading")
    assert element(words, 3, 0, 2.4) == "<progress></progress> loading &lt;b&gt;net, 2 s"
    text = element(words, 9, 4, 2.4)
    assert text == '<progress max="4" value="4"></progress> trying &lt;b&gt;net, 4 of 4 values'
    HTMLParser().feed(text)


CELL = """\
import sys
import IPython.display
from flopcalc.networks import progress_bar as bars
bars._DELAY, bars._NOTEBOOK_PERIOD = 0.05, 0.02
shown = []
display = IPython.display.display
def noted(data, **where):
    shown.append((data, where))
    return display(data, **where)
IPython.display.display = noted
import flopcalc
found = flopcalc.bench("conv", c_in=4, hw=8, seconds=2)
assert shown[0][0]["text/html"].startswith("<progress"), shown
assert "measuring conv" in shown[-2][0]["text/html"], shown
assert shown[-1][0]["text/html"] == "" and shown[-1][1]["update"], shown
print("ipywidgets" in sys.modules)
"""
SILENT = """\
with flopcalc.progress(False):
    flopcalc.bench("conv", c_in=4, hw=8, seconds=0.5)
bars._DELAY = 60
flopcalc.network("resnet50").macs
"""


def test_in_a_real_notebook() -> None:
    """It is drawn, and empty at the end, without widgets; short calls and hidden ones leave no output at all."""
    pytest.importorskip("torch")
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in (CELL, SILENT)])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources={})
    client.execute(env=environment)
    first, second = notebook.cells
    bar, text = sorted(first.outputs, key=lambda one: one.output_type)
    assert bar.output_type == "display_data"
    assert bar.data == {"text/html": "", "text/plain": ""}
    assert text.text == "False\n"
    assert [one.output_type for one in second.outputs] == ["execute_result"]


def test_a_terminal_session(tmp_path: Any) -> None:
    """An interactive Python on a terminal has a bar, a script has none."""
    pty = pytest.importorskip("pty")
    block = "with following(Words('net')):\n    time.sleep(1.4)\n"
    source = f"import time\nfrom flopcalc.networks.progress_bar import Words, following\n{block}"
    script = tmp_path / "script.py"
    script.write_text(source)
    for words, wanted in (((), False), (("-i",), True)):
        mine, its = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, *words, str(script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=its,
            env={**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)},
        )
        process.communicate(timeout=60)
        os.write(its, b"end")
        os.close(its)
        seen = os.read(mine, 65536).decode()
        os.close(mine)
        assert ("loading net, 1 s" in seen) == wanted


def test_nothing_is_loaded_for_it() -> None:
    """Neither IPython nor tqdm nor rich, for calls in a script; `layer` does not even load the bar."""
    source = (
        "import sys, flopcalc\nflopcalc.layer('ghost', 64)\n"
        "assert 'flopcalc.networks.progress_bar' not in sys.modules\n"
        "flopcalc.sweep('conv', c_in=8)\n"
        "assert not {'IPython', 'tqdm', 'rich', 'ipywidgets'} & set(sys.modules)"
    )
    pytest.importorskip("numpy")
    done = fresh(source)
    assert done.code == 0, done.err

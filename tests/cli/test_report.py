"""`flopcalc report`: formats, files, and every kind of bad input."""

import os
import stat
from pathlib import Path

import pytest
from helpers import TINY, Runner, WriteNetwork, fresh

pytest.importorskip("jinja2")
pytest.importorskip("latex2mathml")
pytest.importorskip("altair")
pytest.importorskip("vl_convert")


def test_the_suffix_decides(tmp_path: Path, run: Runner, write_network: WriteNetwork) -> None:
    """As everywhere; without a file the page goes to standard output."""
    network = write_network(TINY)
    for name, start in (("a.html", "<!doctype html>"), ("a.htm", "<!doctype html>"), ("a.md", "## Cost of ")):
        assert run("report", network, "-o", str(tmp_path / name)).code == 0
        assert (tmp_path / name).read_text().startswith(start)
    assert run("report", network).out.startswith("<!doctype html>")
    assert run("report", network, "-o", "-").out.startswith("<!doctype html>")
    assert run("report", network, "--format", "markdown").out.startswith("## Cost of ")
    assert run("report", network, "--format", "markdown", "-o", str(tmp_path / "b.txt")).code == 0


@pytest.mark.parametrize(
    ("arguments", "what", "hint"),
    [
        (("no_such_net",), "unknown network or operator 'no_such_net'", "`flopcalc list` shows all"),
        (("resnet5",), "unknown network or operator 'resnet5'", "did you mean resnet50"),
        (("resnet50", "-o", "report.pdf"), "no format has the suffix .pdf", ".html"),
        (("resnet50", "-o", ""), "empty name", "file name"),
        (("resnet50", "-o", "no/such/folder/a.html"), "there is no folder 'no/such/folder'", "may write to"),
        (("resnet50", "-o", ".", "--format", "html"), "it is a folder", "may write to"),
        (("resnet50", "--device", "h1000"), "unknown device 'h1000'", "h100"),
        (("resnet50", "--device", "t4", "--dtype", "bfloat16"), "has no peak for bfloat16", "it has: "),
        (("resnet50", "--execution", "graph"), "--execution is about a device", "--device"),
        (("resnet50", "--dtype", "tf32"), "--dtype tf32 is about a device", "--device"),
        (("resnet50", "--cin", "3"), "--cin is for operators", "leave out --cin"),
        (("ghost", "--cin", "64", "--replace", "spconv"), "--replace is for networks", "leave out --replace"),
        (("ghost", "--cin", "64", "--vary", "height"), "--vary is for the closed form of a network", "leave out"),
        (("ghost", "--cin", "64", "--assume", "H = 2 h"), "--assume is for the closed form", "leave out"),
        (("ghost",), "missing option '--cin'", "--help"),
        (("ghost", "--cin", "0"), "--cin is '0'", "--cin 64"),
        (("resnet50", "--convention", "fvcor"), "unknown convention 'fvcor'", "fvcore"),
        (("resnet50", "--replace", "spcon"), "unknown operator 'spcon'", "spconv"),
        (("resnet50", "--format", "json"), "'json' is not one of", ""),
        (("torchvision:resnet18",), "needs the shape of its input", "--input"),
        (("resnet50", "--vary", "banana"), "banana", ""),
        (("resnet50", "--assume", "Q = 2 h"), "Q", ""),
    ],
)
def test_bad_input(
    arguments: tuple[str, ...], what: str, hint: str, tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says what is wrong, one that says what to do; nothing is written."""
    if ":" in arguments[0]:
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    done = run("report", *arguments)
    assert done.code == 2, (done.out[:200], done.err)
    assert done.out == ""
    error, how = done.err.splitlines()
    assert error.startswith("error: ")
    assert what in error
    assert hint in how
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written(tmp_path: Path, run: Runner, write_network: WriteNetwork) -> None:
    """It stays as it was."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        pytest.skip("root may write to any file")
    path = tmp_path / "page.html"
    path.write_text("mine")
    path.chmod(stat.S_IRUSR)
    done = run("report", write_network(TINY), "-o", str(path))
    assert done.code == 2
    assert "it is read-only" in done.err
    assert path.read_text() == "mine"


def test_a_page_is_not_for_a_terminal(
    run: Runner, write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal would show 80 KB of markup; `-o -` asks for it, and Markdown is for people."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    network = write_network(TINY)
    done = run("report", network)
    assert done.code == 2
    assert "standard output is a terminal" in done.err
    assert "-o report.html" in done.err
    assert run("report", network, "-o", "-").code == 0
    assert run("report", network, "--format", "markdown").code == 0


@pytest.mark.parametrize(
    ("hidden", "packages"),
    [
        (("jinja2",), ("jinja2>=3.1",)),
        (("latex2mathml",), ("latex2mathml>=3.77",)),
        (("altair", "vl_convert"), ("altair>=5.4", "vl-convert-python>=1.6")),
        (
            ("jinja2", "latex2mathml", "altair", "vl_convert"),
            ("jinja2>=3.1", "latex2mathml>=3.77", "altair>=5.4", "vl-convert-python>=1.6"),
        ),
    ],
)
def test_a_missing_package(hidden: tuple[str, ...], packages: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 3 before anything is computed, with one command that installs all that is missing."""
    path = tmp_path / "page.html"
    source = (
        f"import sys\nfor name in {hidden!r}:\n    sys.modules[name] = None\n"
        f"from flopcalc.cli.main import main\nsys.exit(main(['report', 'resnet50', '-o', {str(path)!r}]))"
    )
    done = fresh(source)
    assert done.code == 3
    error, hint = done.err.splitlines()
    assert error.startswith("error: a report as html needs ")
    assert "not installed" in error
    assert hint == "hint:  pip install " + " ".join(f'"{one}"' for one in packages)
    assert not path.exists()


def test_a_model_card_needs_no_charts() -> None:
    """Of the optional packages only jinja2; and no heavy package is loaded."""
    hidden = ("latex2mathml", "altair", "vl_convert")
    source = (
        f"import sys\nfor name in {hidden!r}:\n    sys.modules[name] = None\n"
        "from flopcalc.cli.main import main\n"
        "code = main(['report', 'resnet50', '--replace', 'spconv', '--device', 'h200', '--format', 'markdown'])\n"
        "heavy = [name for name in ('torch', 'numpy', 'sympy', 'pandas') if name in sys.modules]\n"
        "sys.exit(9 if heavy else code)"
    )
    done = fresh(source)
    assert done.code == 0, done.err
    assert done.out.startswith("## Cost of ResNet-50")


def test_the_command_on_the_page_makes_it_again(tmp_path: Path, run: Runner, write_network: WriteNetwork) -> None:
    """It is quoted for a shell."""
    import shlex

    network = write_network(TINY)
    arguments = ("report", network, "--replace", "spconv where k == 3", "--input", "3x16x16", "--batch", "2")
    first = run(*arguments, "--convention", "fvcore", "--format", "markdown").out
    line = first.rpartition("Made with flopcalc ")[2].partition(": ")[2].strip().strip("`")
    words = shlex.split(line)
    assert words[:3] == ["flopcalc", "report", network]
    assert words[-2:] == ["-o", "report.md"]
    again = run(*words[1:-2], "--format", "markdown").out
    assert again == first
    operator = run("report", "conv", "--cin", "8", "-k", "3x5", "--stride", "2x1", "--format", "markdown").out
    assert "`flopcalc report conv --cin 8 -k 3x5 --stride 2x1 -o report.md`" in operator


@pytest.mark.parametrize(
    ("sizes", "height", "width"),
    [(("--h", "20"), 20, 20), (("--w", "10"), 10, 10), (("--h", "20", "--w", "10"), 20, 10)],
)
def test_height_and_width(sizes: tuple[str, ...], height: int, width: int, run: Runner) -> None:
    """Of an operator, also in the other commands that take networks and operators: one of the two applies to both."""
    import json

    # 3x3 weights for 8 x 8 channels at each place.
    macs = 9 * 64 * height * width
    card = run("report", "conv", "--cin", "8", *sizes, "--format", "markdown").out
    assert f"| MACs | {macs:,} |" in card
    assert f"--hw {height}x{width}" in card
    time = run("roofline", "conv", "--cin", "8", *sizes, "--device", "h100", "--format", "json").out
    assert json.loads(time)["macs"] == macs


@pytest.mark.parametrize(
    "command",
    [
        ("report", "--format", "markdown"),
        ("layer",),
        ("compare",),
        ("sweep",),
        ("roofline", "--device", "h100"),
        ("solve", "--for", "c_out", "--target", "macs <= 1M"),
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("side", ["--h", "--w"])
def test_both_sizes_and_one_of_them(command: tuple[str, ...], side: str, run: Runner) -> None:
    """--hw with --h contradicts itself: in the same words in every command."""
    name, *more = command
    done = run(name, "conv", "--cin", "8", "--hw", "20", side, "10", *more)
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: --hw is given together with --h or --w\nhint:  give --hw, or --h and --w\n"

"""Where output goes: streams of any encoding, closed and full ones, files by suffix; and text without escapes."""

import json
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from helpers import ROOT, Runner

from flopcalc.errors import FlopcalcError, clip, printable, reason

HOSTILE = "a\x1b]0;owned\x07\x1b[31m\x9b1m\u202etxt\u200b\x7fé"
FORMATS = ("table", "json", "csv", "markdown", "latex", "html")


def _shell(line: str, **env: str) -> tuple[int, str, str]:
    """A line of sh; $F is the program."""
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", "F": f"{sys.executable} -m flopcalc", **env},
    )
    return done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")


@pytest.fixture
def hostile(tmp_path: Path) -> str:
    """A description with escape sequences in its title."""
    path = tmp_path / "net.yaml"
    path.write_text(
        f"name: net\ntitle: {json.dumps(HOSTILE)}\ninput: [3, 8, 8]\nlayers:\n  - a: {{op: conv, out: 8}}\n"
    )
    return str(path)


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("by", ["layer", "stage"])
def test_text_of_files_sends_no_control_characters(fmt: str, by: str, hostile: str, run: Runner) -> None:
    done = run("model", hostile, "--by", by, "--format", fmt)
    for text in (done.out, done.err):
        assert text.replace("\n", "").isprintable()
    assert done.code == 0
    if fmt == "json":
        assert json.loads(done.out)["title"] == HOSTILE


def test_errors_send_no_control_characters(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "x\x1b[31m.yaml"
    for arguments in (
        ("model", str(path)),
        ("model", HOSTILE),
        ("layer", "--type", HOSTILE, "--cin", "8"),
        ("layer", f"--{HOSTILE}"),
        (HOSTILE,),
        ("layer", "--type", "conv", "--cin", "8", "-o", f"{tmp_path}/no\x1b[31m/x.txt"),
    ):
        done = run(*arguments)
        assert done.code == 2
        assert done.err.replace("\n", "").isprintable(), done.err
        assert len(done.err.splitlines()) == 2


def test_printable() -> None:
    assert printable("plain é 卷 \n\t") == "plain é 卷 \n\t"
    assert (
        printable("a\x1b[0m\x7f\x9b\u202e\u200b\ufeff\udc80\r\0") == r"a\x1b[0m\x7f\x9b\u202e\u200b\ufeff\udc80\r\x00"
    )
    assert printable("a\u00a0b\u3000c") == "a b c"
    assert reason(ValueError("\x1b[2J")) == r"\x1b[2J"

    class Bad:
        def __repr__(self) -> str:
            return "\x1b[2J\n"

    assert "\x1b" not in clip(Bad())
    assert "\n" not in clip(Bad())


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "cp437", "utf-8"])
@pytest.mark.parametrize("fmt", FORMATS)
def test_any_encoding_of_standard_output(fmt: str, encoding: str, hostile: str) -> None:
    """The same numbers as in UTF-8; JSON and HTML lose nothing."""
    line = f'$F model "$N" --format {fmt} && $F model resnet18 --format {fmt}'
    code, out, err = _shell(line, PYTHONIOENCODING=encoding, N=hostile)
    assert (code, err) == (0, "")
    _, utf8, _ = _shell(line, PYTHONIOENCODING="utf-8", N=hostile)
    assert re.findall(r"\d[\d,]*", out) == re.findall(r"\d[\d,]*", utf8) or fmt in ("json", "html")
    if encoding == "utf-8":
        return
    if fmt == "json":
        assert out.isascii()
        assert json.loads(out.split("}\n{")[0] + "}")["title"] == HOSTILE
    if fmt == "html":
        assert out.isascii()
        assert unescape(out) == utf8.encode("latin-1").decode("utf-8")
    if fmt == "table" and encoding == "ascii":
        assert "-" * 20 in out
        assert "#####" in out
        assert "txt" in out
        assert "?" not in out


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_errors_in_any_encoding(encoding: str) -> None:
    code, _, err = _shell("$F layer --type " + "卷é" * 40 + " --cin 8", PYTHONIOENCODING=encoding)
    assert code == 2
    assert "..." in err or "\x85" in err
    assert err.count("\n") == 2


@pytest.mark.parametrize(
    "command", ["layer --type conv --cin 8", "list --format json", "cite ghost", "schema", "--help"]
)
@pytest.mark.parametrize(("where", "why"), [(">&-", "closed"), (">/dev/full", "No space left")])
def test_output_that_cannot_be_written(command: str, where: str, why: str) -> None:
    """Exit code 2 and two lines, and nothing more when the interpreter ends."""
    code, _, err = _shell(f"$F {command} {where}")
    assert code == 2
    first, second = err.splitlines()
    assert why in first
    assert second.startswith("hint:")


def test_closed_streams_that_are_not_needed(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert _shell(f"$F layer --type conv --cin 8 -o {path} >&- 2>&-")[0] == 0
    assert json.loads(path.read_text())["macs"]
    assert _shell("$F layer --type nothing --cin 8 >&- 2>&-")[0] == 2
    assert _shell("$F layer --type nothing --cin 8 2>/dev/full")[0] == 2


def test_a_reader_that_leaves_is_fine() -> None:
    for command in ("list --format json", "model resnet50 --by layer", "cite"):
        code, _, err = _shell(f'{{ $F {command}; echo "$?" >&2; }} | true')
        assert (code, err) == (0, "0\n")


WRITERS = {
    "layer --type conv --cin 8": (".txt", ".json", ".csv", ".md", ".tex", ".html"),
    "check": (".txt", ".json", ".xml", ".sarif"),
    "cite ghost": (".txt", ".bib"),
    "schema": (".json",),
    "formula conv --as text": (".txt", ".json"),
    "formula conv --as latex": (".tex", ".json"),
    "formula conv --as python": (".py", ".json"),
}


@pytest.mark.parametrize("command", WRITERS)
def test_where_output_goes(command: str, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-, no suffix, each suffix of the command; another suffix and an empty name are errors."""
    if command.startswith("formula"):
        pytest.importorskip("sympy")
    words = command.split()
    plain = run(*words)
    assert plain.code == 0
    assert run(*words, "-o", "-") == plain
    folder = tmp_path / "out"
    folder.mkdir()
    done = run(*words, "-o", str(folder / "plain"))
    assert (done.code, done.out) == (0, "")
    assert (folder / "plain").read_text() == plain.out
    for suffix in WRITERS[command]:
        assert run(*words, "-o", str(folder / f"x{suffix}")).code == 0
        assert (folder / f"x{suffix}").stat().st_size
    before = sorted(folder.iterdir())
    wrong = run(*words, "-o", str(folder / "x.pdf"))
    assert (wrong.code, wrong.out) == (2, "")
    assert all(suffix in wrong.err for suffix in WRITERS[command])
    empty = run(*words, "-o", "")
    assert (empty.code, empty.out) == (2, "")
    assert "empty" in empty.err
    assert sorted(folder.iterdir()) == before


def test_the_suffix_chooses_the_format(run: Runner, tmp_path: Path) -> None:
    pytest.importorskip("sympy")
    code = tmp_path / "f.py"
    assert run("formula", "conv", "--as", "python", "-o", str(code)).code == 0
    compile(code.read_text(), "f.py", "exec")
    assert run("formula", "conv", "-o", str(tmp_path / "f.json")).code == 0
    assert json.loads((tmp_path / "f.json").read_text())["type"] == "conv"
    assert run("cite", "ghost", "-o", str(tmp_path / "refs.bib")).code == 0
    assert (tmp_path / "refs.bib").read_text().startswith("@inproceedings{")
    assert run("layer", "--type", "conv", "--cin", "8", "-o", str(tmp_path / "X.CSV")).code == 0
    assert (tmp_path / "X.CSV").read_text().startswith("part,")
    # An explicit format needs no suffix.
    odd = tmp_path / "x.pdf"
    assert run("layer", "--type", "conv", "--cin", "8", "--format", "json", "-o", str(odd)).code == 0
    assert json.loads(odd.read_text())


@pytest.mark.parametrize("columns", ["0", "-5", "²", "9" * 5000, "wide", ""])
def test_odd_values_of_columns(columns: str, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """They count as 80."""
    expected = run("model", "resnet18").out
    from io import StringIO

    from flopcalc.cli.main import main

    monkeypatch.setenv("COLUMNS", columns)
    stream = StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["model", "resnet18"]) == 0
    assert stream.getvalue() == expected


def test_writing_is_an_error_that_names_the_path() -> None:
    from flopcalc.text.atomic_file import write_atomically

    with pytest.raises(FlopcalcError, match="cannot write"):
        write_atomically("/dev/full", "text" * 10_000)


def test_what_a_model_prints_when_the_process_ends(tmp_path: Path) -> None:
    """Standard output is the result alone, also after it: a reader such as jq takes no more."""
    pytest.importorskip("torch")
    path = tmp_path / "net.py"
    path.write_text(
        "import atexit\nfrom torch import nn\natexit.register(print, 'goodbye')\ndef net(): return nn.Linear(4, 4)\n"
    )
    code, out, err = _shell(f"$F model {path}:net --input 4 --format json")
    assert code == 0
    assert json.loads(out)["macs"] == 16
    assert err.splitlines()[-1] == "goodbye"

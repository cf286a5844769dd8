"""Every example on every page runs as printed: commands and their output, Python sessions, files.

A page's examples run in a copy of the project's examples, in order. The first YAML block of a page that has `targets:`
is there as flopcalc.yaml, so that `flopcalc check` reads the limits that the page shows.
"""

import doctest
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from helpers import ROOT, Run, for_author, fresh

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
# Pages whose console, Python and YAML examples need files around them have tests of their own, named here.
_OWN = {
    "docs/budgets.md": "tests/budget/test_ci_files.py",
    "docs/adding-an-operator.md": "tests/tools/test_new_operator.py",
}
# Python of these pages registers kernels, which stay in a process; and torch takes a library once.
_IN_A_PROCESS = ("docs/own-kernel.md", "docs/conventions.md")
_LANGUAGES = {"console", "sh", "bash", "python", "yaml", "toml", "text"}
_PACKAGES = {"--choose": "scipy", "plot": "altair", "report": "latex2mathml"}

# Models that pages name in place of the reader's.
_NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, width: int = 8):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.body = nn.Conv2d(width, 16, 3, padding=1)

    def forward(self, x):
        return self.body(self.stem(x))

class MyNet(Net):
    pass

def make_net(width: int = 8, bias: bool = True):
    return Net(width)
"""
_MODELS = ("net.py", "old/net.py", "new/net.py", "path/to/net.py", "mypackage/nets.py")


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _blocks(name: str, *languages: str) -> list[str]:
    """The fenced blocks of a page in these languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", _text(name), flags=re.DOTALL | re.MULTILINE)
    return [text for language, text in found if language in languages]


def _with(*languages: str) -> list[str]:
    return [name for name in NAMES if _blocks(name, *languages) and name not in _OWN]


@pytest.fixture
def page_folder(workplace: Path) -> Callable[[str], Path]:
    """Makes the folder in which a page's examples run."""

    def make(name: str) -> Path:
        for path in _MODELS:
            (workplace / path).parent.mkdir(parents=True, exist_ok=True)
            (workplace / path).write_text(_NET)
        (workplace / "docs").mkdir()
        for text in _blocks(name, "yaml"):
            if "targets:" in text:
                (workplace / "flopcalc.yaml").write_text(text)
                (workplace / "flopcalc.lock").unlink()
                break
        return workplace

    return make


def _need(command: str) -> None:
    """Skip where a package that the command needs is not installed."""
    pytest.importorskip("sympy")
    pytest.importorskip("torch")
    for word, package in _PACKAGES.items():
        if word in command.split():
            pytest.importorskip(package)


@pytest.mark.parametrize("name", NAMES)
def test_each_block_has_a_language_that_is_tested(name: str) -> None:
    """So that no example is left out because of its mark."""
    marks = set(re.findall(r"^```(\S*)\n.*?^```$", _text(name), flags=re.DOTALL | re.MULTILINE))
    assert marks <= _LANGUAGES, for_author(name, f"use one of {sorted(_LANGUAGES)} for {sorted(marks)}", __file__)
    assert all((ROOT / test).exists() for test in _OWN.values())


# Console ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "block"),
    [(name, block) for name in _with("console") for block in _blocks(name, "console")],
    ids=lambda value: str(value).splitlines()[0],
)
def test_console(name: str, block: str, run: Callable[..., Run], page_folder: Callable[[str], Path]) -> None:
    """The lines after `$ flopcalc ...` are its output; a line `...` matches any lines."""
    _need(block.partition("\n")[0])
    page_folder(name)
    command, _, expected = block.partition("\n")
    assert command.startswith("$ flopcalc "), command
    done = run(*shlex.split(command.removeprefix("$ flopcalc ")))
    assert done.code == 0, done.err
    lines = [line.rstrip() for line in expected.splitlines()]
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in lines)
    found = "".join(f"{line.rstrip()}\n" for line in done.out.splitlines())
    assert re.fullmatch(pattern, found), done.out


# Shells -------------------------------------------------------------------------------------------


def _commands(name: str) -> Iterator[str]:
    """The command lines of a page, without comments."""
    for block in _blocks(name, "sh", "bash"):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield shlex.join(words)


def _is_flopcalc(command: str) -> bool:
    return command.startswith("flopcalc ")


# Commands that cannot run in a test, and why.
_ELSEWHERE = (
    (r"flopcalc .*--on cuda", "needs a GPU"),
    (r"flopcalc .*--locked --report costs.xml", "part of a job"),
    (r"(uvx|pipx) ", "tests/test_package.py builds the wheel and runs it"),
    (r"eval |'?_FLOPCALC_COMPLETE=", "tests/cli/test_shells.py runs these lines in the shells"),
    (r"'?\.venv/bin/", "the command of a checkout"),
)


def _is_elsewhere(command: str) -> bool:
    return any(re.match(pattern, command) for pattern, _ in _ELSEWHERE)


def _in_a_new_process(words: Sequence[str]) -> Run:
    """For compilers: torch's imports setuptools, which has failed in a process that ran many other tests before."""
    command = [sys.executable, "-m", "flopcalc", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Run(done.returncode, done.stdout, done.stderr)


# Options with a file that a command writes.
_WRITES = ("-o", "--device-file", "--report")


@pytest.mark.parametrize("name", [name for name in _with("sh", "bash") if any(map(_is_flopcalc, _commands(name)))])
def test_commands(name: str, run: Callable[..., Run], page_folder: Callable[[str], Path]) -> None:
    """Each one runs, in the order of the page; measurements for a second and one sample only."""
    folder = page_folder(name)
    for command in filter(_is_flopcalc, _commands(name)):
        if _is_elsewhere(command):
            continue
        _need(command)
        words = shlex.split(command)[1:]
        if words[0] == "bench":
            words = [*words, "--batch", "1"]
        if words[0] in ("bench", "calibrate"):
            words = [*words, "--seconds", "1"]
        done = _in_a_new_process(words) if "compiled" in words else run(*words)
        assert done.code == 0, f"{command}\n{done.err}"
        # What a command is said to write is there.
        written = [value for flag, value in pairwise(words) if flag in _WRITES]
        assert all((folder / value).stat().st_size > 0 for value in written), command
        assert done.out or written or words[0] == "lock", f"{command} shows and writes nothing"


@pytest.mark.parametrize("name", _with("sh", "bash"))
def test_other_commands_exist(name: str) -> None:
    """Targets of make, extras of pip; other programs are listed with the reason why no test runs them."""
    targets = set(re.findall(r"^([\w-]+):", _text("Makefile"), flags=re.MULTILINE))
    extras = set(tomllib.loads(_text("pyproject.toml"))["project"]["optional-dependencies"])
    for command in _commands(name):
        if _is_flopcalc(command) or _is_elsewhere(command):
            continue
        words = shlex.split(command)
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets, command
        elif words[:2] == ["pip", "install"]:
            named = re.findall(r"\[([\w,-]+)\]", command)
            assert {one for text in named for one in text.split(",")} <= extras, command
        elif words[0] not in ("git", "cd", "pytest"):
            pytest.fail(for_author(f"{name}: {command}", "no test knows what to do with this command", __file__))


# Python -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", _with("python"))
def test_python(
    name: str, page_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Sessions give what they show; other blocks run, and so do the tests in them. A page is one session."""
    pytest.importorskip("torch")
    pytest.importorskip("scipy")
    if name in _IN_A_PROCESS:
        done = fresh(f"import sys; sys.path.insert(0, 'tests'); import test_docs_examples as t; t.run_python({name!r})")
        assert done.code == 0, done.out + done.err
        return
    page_folder(name)
    for function in run_python(name):
        function(request.getfixturevalue("flopcalc"))


def run_python(name: str) -> list[Callable[..., None]]:
    """Run the Python of a page; returns the tests that it defines."""
    found: dict[str, object] = {"__name__": "page"}
    parser, failures = doctest.DocTestParser(), 0
    for index, block in enumerate(_blocks(name, "python")):
        if ">>>" not in block:
            exec(compile(block, f"{name}, block {index}", "exec"), found)  # noqa: S102 - our own page
            continue
        test = parser.get_doctest(block, found, f"{name}, block {index}", name, 0)
        assert test.examples
        runner = doctest.DocTestRunner()
        runner.run(test, clear_globs=False)
        found = test.globs
        failures += runner.failures
    assert not failures
    return [value for key, value in found.items() if key.startswith("test_") and callable(value)]


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in NAMES if _blocks(name, "yaml", "toml")])
def test_files_can_be_read(name: str, tmp_path: Path) -> None:
    """As YAML or TOML; files of targets by the reader of flopcalc.yaml, which knows their keys."""
    from flopcalc.budget.config import read_config

    for text in _blocks(name, "toml"):
        tomllib.loads(text)
    for index, text in enumerate(_blocks(name, "yaml")):
        data = yaml.safe_load(text)
        if isinstance(data, dict) and {"targets", "kernels"} & set(data) and name not in _OWN:
            path = tmp_path / f"{index}" / "flopcalc.yaml"
            path.parent.mkdir()
            path.write_text(text if "targets" in data else f"{text}\ntargets: [{{network: resnet18}}]\n")
            assert read_config(str(path))

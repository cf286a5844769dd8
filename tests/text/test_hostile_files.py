"""Files that no editor writes: huge numbers, FIFOs, other encodings. Each is an error in two lines, at once."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers import ROOT, Run

from flopcalc.errors import clip

Runner = Callable[..., Run]

NINES = "9" * 5000
NETWORK = "input: [3, 8, 8]\noptions: {width: {default: 8}}\nlayers:\n  - conv: {op: conv, out: VALUE}\n"
OPERATOR = "name: mine\nparts:\n  - conv: {op: conv, c_out: VALUE}\n"
TARGETS = "targets:\n- operator: conv\n  cin: VALUE\n"
TOML = "[tool.flopcalc]\n[[tool.flopcalc.targets]]\noperator = 'conv'\ncin = VALUE\n"

# The command that reads the file, its name, its text, and the line of the value.
KINDS: dict[str, tuple[tuple[str, ...], str, str, int]] = {
    "network": (("model", "./net.yaml"), "net.yaml", NETWORK, 4),
    "operator": (("layer", "--type", "./mine.yaml", "--cin", "8"), "mine.yaml", OPERATOR, 3),
    "targets": (("check", "flopcalc.yaml"), "flopcalc.yaml", TARGETS, 3),
    "table": (("check", "pyproject.toml"), "pyproject.toml", TOML, 4),
}
LONG = {
    "digits": (NINES, "5,000 digits"),
    "negative": (f"-{NINES}", "5,000 digits"),
    "in a list": (f"[3, {NINES}]", "5,000 digits"),
    "in a mapping": (f"{{a: {NINES}}}", "5,000 digits"),
    "decimals": (f"0.{NINES}", "5,001 digits"),
    "zeros": ("0" * 5000, "5,000 digits"),
    "a few hundred": ("9" * 400, "400 digits"),
    "exponent": ("1e999", "too large"),
    "long exponent": (f"1e{NINES}", "too large"),
    "tiny": ("1e-999", "too small"),
}


def _name(value: object) -> str:
    return clip(value, 20)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _refused(done: Run, *words: str) -> None:
    assert (done.code, done.out) == (2, ""), done.err[:500]
    error, hint = done.err.splitlines()
    assert len(error) < 400
    assert hint.startswith("hint:  ")
    for word in words:
        assert word in error, error


@pytest.mark.parametrize("value", LONG)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "table"])
def test_a_number_that_is_too_long(kind: str, value: str, here: Path, run: Runner) -> None:
    """The error names the line."""
    command, name, text, line = KINDS[kind]
    number, words = LONG[value]
    (here / name).write_text(text.replace("VALUE", number))
    _refused(run(*command), name, f"line {line}: ", words)


@pytest.mark.parametrize("number", [NINES, f"[3, {NINES}]", f"{{a = {NINES}}}", "9" * 400, f"-{'9' * 4000}"], ids=_name)
def test_a_number_that_is_too_long_in_toml(number: str, here: Path, run: Runner) -> None:
    """Python refuses to convert some of them, without the line."""
    command, name, text, line = KINDS["table"]
    (here / name).write_text(text.replace("VALUE", number))
    _refused(run(*command), name, f"line {line}: a number of ", " digits")


@pytest.mark.parametrize("value", [NINES, "9" * 400, "1e999", "-1", "0"], ids=_name)
def test_a_number_that_is_too_long_as_a_default(value: str, here: Path, run: Runner) -> None:
    """A default becomes neither a bug report nor an infinity."""
    (here / "net.yaml").write_text(NETWORK.replace("default: 8", f"default: {value}").replace("VALUE", "width"))
    _refused(run("model", "./net.yaml"), "line 2: ")


@pytest.mark.parametrize("value", [NINES, "9" * 900, "1e999", "nan", "inf", ".nan", "2 ^ 4000"], ids=_name)
def test_a_number_that_is_too_long_in_text(value: str, here: Path, run: Runner) -> None:
    """Expressions and options of the command line have the same limits."""
    (here / "net.yaml").write_text(NETWORK.replace("VALUE", f'"{value}"'))
    _refused(run("model", "./net.yaml"), "line 4: ")
    (here / "net.yaml").write_text(NETWORK.replace("VALUE", "width"))
    assert run("model", "./net.yaml").code == 0
    _refused(run("model", "./net.yaml", "--set", f"width={value}"))


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**5000, -(10**5000), [10**5000]], ids=_name)
def test_a_number_that_is_too_long_in_a_call(value: object, here: Path) -> None:
    """An option in Python code is checked like one of the command line."""
    from flopcalc import FlopcalcError
    from flopcalc.networks.library import load

    (here / "net.yaml").write_text(NETWORK.replace("VALUE", "width"))
    with pytest.raises(FlopcalcError) as caught:
        load("./net.yaml", {"width": value})
    assert len(caught.value.message) < 300


CONTENTS = {
    "nul": (b"input: [3, 8, 8]\nlayers:\n  - a: conv\0\n", "line 3: the control character '\\x00'"),
    "escape": (b"# \x1b[31m\ninput: [3, 8, 8]\n", "line 1: the control character '\\x1b'"),
    "utf-16": ("input: [3, 8, 8]\n".encode("utf-16"), "text in UTF-16, not in UTF-8"),
    "utf-16 without mark": ("input: [3, 8, 8]\n".encode("utf-16-le"), "line 1: the control character '\\x00'"),
    "utf-32": ("input: [3, 8, 8]\n".encode("utf-32"), "not in UTF-8"),
    "latin-1": ("a: 1\nb: é\n".encode("latin-1"), "not text in UTF-8 (see line 2)"),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_bytes_that_are_not_text(kind: str, content: str, here: Path, run: Runner) -> None:
    """The error names the character or the encoding."""
    command, name, _, _ = KINDS[kind]
    data, words = CONTENTS[content]
    (here / name).write_bytes(data)
    _refused(run(*command), name, *([] if "control" in words and kind == "table" else [words]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_byte_order_mark_is_ignored(kind: str, here: Path, run: Runner) -> None:
    """Editors on Windows write one."""
    command, name, text, _ = KINDS[kind]
    (here / name).write_bytes(b"\xef\xbb\xbf" + text.replace("VALUE", "8").encode())
    assert run(*command).code == 0


@pytest.fixture
def special(here: Path) -> Iterator[Callable[[str, str], None]]:
    """Makes something that is not a file."""
    listener = socket.socket(socket.AF_UNIX)

    def make(kind: str, name: str) -> None:
        if kind == "a FIFO":
            os.mkfifo(name)
        elif kind == "a folder":
            (here / name).mkdir()
        elif kind == "a socket":
            listener.bind(name)
        else:
            os.symlink("/dev/zero", name)

    yield make
    listener.close()


@pytest.mark.skipif(sys.platform == "win32", reason="FIFOs and devices are files of POSIX")
@pytest.mark.parametrize("what", ["a FIFO", "a folder", "a socket", "a device"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_a_file_ends_at_once(kind: str, what: str, special: Callable[[str, str], None]) -> None:
    """A FIFO that no program writes to would block for ever, and /dev/zero has no end."""
    command, name, _, _ = KINDS[kind]
    special(what, name)
    done = subprocess.run(
        [sys.executable, "-m", "flopcalc", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    words = {"a folder": "older" if kind == "network" else "irectory", "a socket": "such device"}.get(what, what)
    _refused(Run(done.returncode, done.stdout, done.stderr), name, words)


def test_a_deep_file(here: Path, run: Runner) -> None:
    """Nesting has a limit, in block style too."""
    (here / "net.yaml").write_text("\n".join(f"{' ' * depth}a:" for depth in range(50)))
    _refused(run("model", "./net.yaml"), "line 41: nested more than 40 deep")

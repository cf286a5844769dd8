"""The hint of every error about a damaged lock file works: its command is taken from the hint and run."""

import importlib
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import TINY, Run, Runner, write_targets

pytest_plugins = ["pytester"]

_COMMAND = re.compile(r"`(flopcalc lock[^`]*)`")


def _damages(good: bytes) -> Iterator[tuple[str, bytes]]:
    for end in range(0, len(good), 10):
        yield f"cut at {end}", good[:end]
    for place in range(3, len(good), 37):
        for mask in (0x01, 0x80):
            yield f"byte {place} ^ {mask}", good[:place] + bytes([good[place] ^ mask]) + good[place + 1 :]
    lines = good.decode().splitlines(keepends=True)
    # Each start of the file with several errors in the rest of it.
    for name, text in {
        "as it is": good.decode(),
        "first line removed": "".join(lines[1:]),
        "all comments removed": "".join(line for line in lines if not line.startswith("#")),
        "first line indented": " " + good.decode(),
        "a blank line first": "\n" + good.decode(),
    }.items():
        yield name, text.encode()
        yield f"{name}, CRLF", text.replace("\n", "\r\n").encode()
        yield f"{name}, another layer", text.replace("layer conv1 ", "layer conv9 ").encode()
        yield f"{name}, no target", text[: text.index("target ")].encode()
        yield f"{name}, other costs", text.replace("macs ", "macs 1").encode()
        yield f"{name}, bad total", text.replace("total params ", "total params 1").encode()
        yield f"{name}, another version", text.replace("version 1", "version 99").encode()
        yield f"{name}, another dtype", text.replace("dtype float32", "dtype float16").encode()
        yield f"{name}, a target twice", (text + text[text.index("target ") :]).encode()
        yield f"{name}, huge number", text.replace("params ", f"params {'9' * 5000}").encode()
        yield f"{name}, large number", text.replace("params ", f"params {'9' * 900}").encode()
        yield f"{name}, conflict", f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n".encode()
        yield f"{name}, conflict inside", text.replace("dtype", "<<<<<<< HEAD\n=======\n>>>>>>> x\ndtype").encode()
        yield f"{name}, UTF-16", text.encode("utf-16")
        yield f"{name}, Latin-1", text.encode() + "é".encode("latin-1")
        yield f"{name}, byte order mark", b"\xef\xbb\xbf" + text.encode() + b"?"
        yield f"{name}, NUL", text.encode() + b"\0\0"
    yield "only spaces", b"  \n \n"
    yield "binary", bytes(range(256)) * 10
    yield "another file", b"# Mine\n"
    yield "too large", good + b"# " + b"x" * 20_000_000


def _follow(hint: str, lock: Path, run: Runner) -> Run:
    """Do what a hint says: remove the lock file if the hint asks for that, and run the command."""
    commands = _COMMAND.findall(hint)
    assert len(commands) == 1, hint
    if "remove" in hint:
        if lock.is_dir():
            shutil.rmtree(lock)
        else:
            lock.unlink()
    return run(*shlex.split(commands[0])[1:])


def _repaired(checking: list[str], lock: Path, run: Runner, what: str) -> int:
    """Check, follow the advice if the check does not pass, and check again. Returns the first exit code."""
    first = run(*checking)
    if first.code == 0:
        return 0
    assert first.code in (1, 2), (what, first)
    hint = first.err.splitlines()[1] if first.code == 2 else first.out[first.out.index("to accept") :]
    done = _follow(" ".join(hint.split()), lock, run)
    assert done.code == 0, (what, hint, done)
    again = run(*checking)
    assert again.code == 0, (what, hint, again)
    return int(first.code)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two files of targets, each with a lock file of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "tiny.yaml").write_text(TINY)
    write_targets(tmp_path)
    write_targets(tmp_path, name="other targets.yaml")
    other = tmp_path / "other targets.yaml"
    other.write_text("lock: other.lock\n" + other.read_text())
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "name"), [([], "flopcalc.lock"), (["other targets.yaml"], "other.lock")], ids=["default", "FILE"]
)
def test_the_hint_repairs_a_damaged_lock(arguments: list[str], name: str, project: Path, run: Runner) -> None:
    """Whatever the damage is, with and without the name of the file of targets."""
    assert run("lock", *arguments).code == 0
    lock = project / name
    good = lock.read_bytes()
    codes = []
    for what, content in _damages(good):
        lock.write_bytes(content)
        codes.append(_repaired(["check", "--locked", *arguments], lock, run, what))
    assert all(codes.count(code) > 3 for code in (0, 1, 2)), codes
    lock.unlink()
    assert _repaired(["check", "--locked", *arguments], lock, run, "missing") == 2
    lock.unlink()
    lock.mkdir()
    assert _repaired(["check", "--locked", *arguments], lock, run, "a directory") == 2


def test_the_hint_repairs_damaged_formulas(project: Path, run: Runner) -> None:
    """The closed forms too, with the name of the file of targets."""
    pytest.importorskip("sympy")
    config = project / "other targets.yaml"
    config.write_text("formulas: [ghost]\n" + config.read_text())
    arguments = ["other targets.yaml"]
    assert run("lock", *arguments).code == 0
    lock = project / "other.lock"
    good = lock.read_bytes()
    start = good.index(b"formula ghost")
    codes = []
    for end in range(start, len(good), 40):
        lock.write_bytes(good[:end])
        codes.append(_repaired(["check", "--locked", "--formulas", *arguments], lock, run, f"cut at {end}"))
    for old, new in ((b"c_in", b"c_in c_in"), (b"formula ghost", b"formula"), (b"macs ", b"macs 9^9^9^9 * ")):
        lock.write_bytes(good[:start] + good[start:].replace(old, new))
        codes.append(_repaired(["check", "--formulas", *arguments], lock, run, str(new)))
    assert {1, 2} <= set(codes)
    write_targets(project)
    assert run("lock").code == 0
    done = run("check", "--formulas")
    assert (done.code, "run `flopcalc lock --update`" in done.err) == (2, True)


def test_a_limit_on_the_locked_cost_names_the_command(project: Path, run: Runner) -> None:
    """A limit that reads the lock file, without one and without the target in it."""
    config = project / "other targets.yaml"
    config.write_text(config.read_text() + "    limits: [macs <= locked]\n")
    lock = project / "other.lock"
    assert _repaired(["check", config.name], lock, run, "missing") == 2
    assert run("lock", "--update", config.name).code == 0
    text = lock.read_text()
    lock.write_text(text[: text.index("target ")])
    assert _repaired(["check", config.name], lock, run, "without the target") == 2


def test_a_file_that_is_not_ours_stays(project: Path, run: Runner) -> None:
    """The hint does not tell a user to remove a file that flopcalc did not write."""
    (project / "README.md").write_text("# Mine\n")
    (project / "flopcalc.yaml").write_text("lock: README.md\ntargets: [{network: tiny.yaml}]\n")
    done = run("check", "--locked")
    assert done.code == 2
    assert "if it is a lock file, remove it" in done.err
    assert "if not, name another file after lock:" in done.err
    assert run("lock", "--update").code == 2
    assert (project / "README.md").read_text() == "# Mine\n"


def test_the_hint_repairs_a_snapshot(pytester: pytest.Pytester) -> None:
    """The command is that of pytest, and it works after the file was removed if the hint asks for that."""
    pytester.makepyfile("def test_it(flopcalc):\n    flopcalc.assert_unchanged('squeezenet1_1')\n")

    # Loaded here, so that pytest does not forget it after each run: a second copy does not work with PyYAML's C parser.
    importlib.import_module("yaml")

    def run(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)

    run("--flopcalc-update").assert_outcomes(passed=1)
    (lock,) = pytester.path.glob("__flopcalc__/*/*.lock")
    good = lock.read_bytes()
    lines = good.splitlines(keepends=True)
    damages = (b"", good[:30], good[:-5], b"".join(lines[1:]) + b"?", bytes(range(256)), good.replace(b"\n", b"\r\n?"))
    for content in damages:
        lock.write_bytes(content)
        done = run()
        done.assert_outcomes(failed=1)
        # The summary at the end repeats it where pytest does not shorten lines (CI=true).
        (hint,) = {line for line in done.outlines if line.startswith("E ") and "`pytest --flopcalc-update`" in line}
        if "remove it" in hint:
            lock.unlink()
        run("--flopcalc-update").assert_outcomes(passed=1)
        assert lock.read_bytes() == good
    lock.unlink()
    lock.mkdir()
    done = run()
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*remove the directory and run `pytest --flopcalc-update`*"])

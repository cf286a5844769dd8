"""Full disks, folders that are gone, interrupts in the middle, two writers: nothing lost, and the right exit code."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, Runner
from hostile import prepare, state

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits, signals and folders of POSIX")

# As in the foreground; with a limit on the size of files if FLOPCALC_LIMIT is set.
PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
if limit := os.environ.get("FLOPCALC_LIMIT"):
    import resource
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
sys.argv[0] = "flopcalc"
import flopcalc.__main__ as program
if "STARTED" in os.environ:
    open(os.environ["STARTED"], "w").close()
program.run()
"""


LOCK = "# Costs, layer by layer, as flopcalc found them.\nversion 1\ndtype float32\n"


def start(words: str, folder: Path, **env: str) -> "subprocess.Popen[bytes]":
    """Start a command in a process and session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **env},
        start_new_session=True,
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that command lines name."""
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    return tmp_path


def _is_refused(code: int, err: str, *words: str) -> None:
    first, second = err.splitlines()
    assert code == 2
    assert first.startswith("error: "), err
    assert second.startswith("hint:  "), err
    for word in words:
        assert word in first


@pytest.mark.parametrize(
    ("words", "package"),
    [
        ("layer conv --cin 8 -o old", ""),
        ("sweep conv ghost --cin 8:80:8 -o old.csv", "numpy"),
        ("sweep conv --cin 8:80:8 -o old.parquet", "pyarrow"),
        ("check --report old.xml", ""),
        ("lock --update", ""),
        ("schema -o old.json", ""),
    ],
)
def test_a_full_disk(words: str, package: str, here: Path) -> None:
    """What was there is there, and nothing else: a limit on the size of files is a disk that is full."""
    if package:
        pytest.importorskip(package)
    for name in ("old", "old.csv", "old.parquet", "old.xml", "old.json"):
        (here / name).write_text("what was there\n")
    (here / "flopcalc.lock").write_text(LOCK)
    before = state(here)
    process = start(words, here, FLOPCALC_LIMIT="64")
    _, err = process.communicate()
    _is_refused(process.returncode, err.decode(), "cannot write", "large")
    assert state(here) == before


@pytest.mark.parametrize("words", ["layer conv --cin 8", "list conventions", "model resnet18 --by type"])
def test_a_folder_that_was_removed(words: str, here: Path) -> None:
    """What needs no folder works in one that is gone."""
    _in_a_removed_folder(here, words, 0, "")


@pytest.mark.parametrize("words", ["check", "lock", "layer conv --cin 8 -o x.json"])
def test_files_of_a_folder_that_was_removed(words: str, here: Path) -> None:
    _in_a_removed_folder(here, words, 2, "")


def test_a_model_in_a_folder_that_was_removed(here: Path) -> None:
    """A library of PyTorch would end the process with a message of its own."""
    pytest.importorskip("torch")
    _in_a_removed_folder(here, f"model {here}/net.py:Net --input 3x8x8", 2, "folder")


def _in_a_removed_folder(here: Path, words: str, code: int, word: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'cd "$D" && rmdir "$D" && exec "$@"', "sh", sys.executable, "-m", "flopcalc", *words.split()],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "D": str(_made(here / "gone"))},
    )
    assert done.returncode == code, done.stderr
    if code:
        _is_refused(code, done.stderr, word)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


INTERRUPTED = {
    "sweep conv ghost spconv octconv --cin 1:20000:1 -o out.csv": "numpy",
    "sweep conv ghost --cin 1:40000:1 --jobs 2 -o out.parquet": "pyarrow",
    "solve resnet50 --choose spconv,ghost,keep --minimise macs --subject macs>=1 -o out.json": "scipy",
    "check --report out.xml": "",
    "lock": "",
    "model net.py:Net --input 3x64x64 -o out.json": "torch",
    "formula resnet152 -o out.txt": "sympy",
}


@pytest.mark.parametrize("words", INTERRUPTED)
@pytest.mark.parametrize("seconds", [0.5, 1.2])
def test_an_interrupt_in_the_middle(
    words: str, seconds: float, here: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of the command and all processes that it started: no message, no file. Or it was written before, and is whole."""
    if package := INTERRUPTED[words]:
        pytest.importorskip(package)
    (here / "flopcalc.yaml").write_text("targets:\n" + "".join(f"  - {{network: resnet{n}}}\n" for n in (18, 34, 152)))
    before = state(here)
    started = tmp_path_factory.mktemp("started") / "now"
    process = start(words, here, STARTED=str(started))
    # What comes before is the start of Python, whose traceback no program can prevent.
    while not started.exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (0, 130, -signal.SIGINT), err
    if process.returncode:
        after = state(here)
        changed = {name for name in after if after[name] != before.get(name)}
        assert changed <= {words.rpartition(" ")[2] if " " in words else "flopcalc.lock"}
        assert before.keys() <= after.keys()
        # The notes of what was written.
        assert err.startswith(b"note: ") if changed and err.strip() else err.strip() == b"", err
        for name in changed:
            assert after[name].endswith((b"PAR1", b"\n", b">"))


def test_two_processes_write_one_lock(here: Path, run: Runner) -> None:
    """The file is whole, whoever was the last."""
    assert run("lock").code == 0
    good = (here / "flopcalc.lock").read_text()
    for words in ("lock", "lock --update"):
        (here / "flopcalc.lock").unlink()
        processes = [start(words, here) for _ in range(3)]
        codes = [process.wait(60) for process in processes]
        for process in processes:
            process.communicate()
        assert 0 in codes
        # One that found the file of another: it is the same, or it changed meanwhile.
        assert set(codes) <= {0, 2}
        assert (here / "flopcalc.lock").read_text() == good
    assert not [path for path in here.iterdir() if path.suffix == ".tmp"]


def test_a_lock_that_changes_meanwhile(here: Path, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a user or another process, between reading and writing: it stays as it is now."""
    from flopcalc.cli import lock

    path, text = here / "flopcalc.lock", lock._text
    other = LOCK.replace("float32", "float64")

    def meanwhile(config: Any) -> str:
        path.write_text(other)
        return text(config)

    monkeypatch.setattr(lock, "_text", meanwhile)
    for before in (None, LOCK):
        for words in (("lock",), ("lock", "--update")):
            path.unlink(missing_ok=True)
            if before is not None:
                path.write_text(before)
            done = run(*words)
            assert path.read_text() == other
            if words == ("lock",) and before is not None:
                # Not to be written in any case.
                assert done.code == 1
            else:
                _is_refused(done.code, done.err, "changed while")
    monkeypatch.undo()


def test_a_lock_behind_a_link(here: Path, run: Runner) -> None:
    """The link stays a link; what it names is written."""
    (here / "flopcalc.lock").symlink_to("folder/real.lock")
    assert run("lock").code == 0
    assert (here / "flopcalc.lock").is_symlink()
    assert (here / "folder" / "real.lock").read_text().count("target ") == 2
    assert [path.name for path in (here / "folder").iterdir()] == ["real.lock"]
    (here / "flopcalc.lock").unlink()
    (here / "flopcalc.lock").symlink_to("flopcalc.lock")
    for words in (("lock",), ("lock", "--update"), ("check", "--locked")):
        done = run(*words)
        _is_refused(done.code, done.err)


@pytest.mark.parametrize(
    "words",
    [
        "model tiny.yaml --format json -o tiny.yaml",
        "model tiny.yaml --format json -o folder/same",
        "check --format json -o ./flopcalc.yaml",
        "layer mine.yaml --cin 8 --format csv -o mine.yaml",
        "sweep ./tiny.yaml --input 8:16:8 --format csv -o tiny.yaml",
        "sweep ./tiny.yaml --input 8:16:8 --format parquet -o tiny.yaml",
        "roofline tiny.yaml --device device.yaml --format json -o device.yaml",
        "formula net.py:Net --input 3x8x8 --as python -o net.py",
        "plot ./tiny.yaml --kind stage --format svg -o tiny.yaml",
        "report ./tiny.yaml --format markdown -o tiny.yaml",
    ],
)
def test_output_onto_its_own_input(words: str, here: Path, run: Runner) -> None:
    """It would be lost: under its own name, and under that of a link."""
    for name, package in (
        *(("sweep", "numpy"), ("parquet", "pyarrow"), ("net.py", "torch")),
        *(("plot", "altair"), ("plot", "vl_convert"), ("report", "jinja2")),
    ):
        if name in words:
            pytest.importorskip(package)
    (here / "folder" / "same").symlink_to(here / "tiny.yaml")
    before = state(here)
    done = run(*words.split())
    _is_refused(done.code, done.err, "reads")
    assert state(here) == before

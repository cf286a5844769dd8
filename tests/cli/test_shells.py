"""Completion in real shells, with the lines of docs/installing.md. Shells that are not installed are skipped."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import ROOT

GUIDE = (ROOT / "docs" / "installing.md").read_text()


def _shell(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose command `flopcalc` is this checkout's, with an empty home folder."""
    script = tmp_path / "bin" / "flopcalc"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flopcalc "$@"\n')
    script.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    path = os.pathsep.join([str(script.parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if name not in ("ZDOTDIR", "XDG_CONFIG_HOME")}
    return {**kept, "PATH": path, "HOME": str(home), "PYTHONPATH": str(ROOT), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def line(mark: str) -> str:
    """The line of the guide for a shell."""
    (found,) = re.findall(rf"^.*{mark}_source flopcalc(?:\)\"| \| source)$", GUIDE, flags=re.MULTILINE)
    return str(found)


def test_bash(environment: dict[str, str]) -> None:
    """The function that the line defines, called as bash calls it."""
    script = (
        f"{line('bash')}\n"
        "COMP_WORDS=(flopcalc layer gho); COMP_CWORD=2\n"
        "$(complete -p flopcalc | sed 's/.*-F \\([^ ]*\\).*/\\1/') flopcalc gho layer\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    command = [_shell("bash"), "--norc", "--noprofile", "-c", script]
    # $(...) as a command runs in a subshell only for its name; the function itself runs here.
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.split() == ["ghost", "ghostv2"], done.stderr


def test_fish(environment: dict[str, str]) -> None:
    """fish loads the file of the guide by itself, and lists completions with their descriptions."""
    shell = _shell("fish")
    folder = Path(environment["HOME"]) / ".config" / "fish" / "completions"
    folder.mkdir(parents=True)
    assert "~/.config/fish/completions/flopcalc.fish" in GUIDE
    (folder / "flopcalc.fish").write_text(line("fish") + "\n")
    for words, expected in (("flopcalc layer gho", {"ghost", "ghostv2"}), ("flopcalc doc", {"doctor"})):
        done = subprocess.run(
            [shell, "-c", f"complete -C '{words}'"], capture_output=True, text=True, check=False, env=environment
        )
        assert {one.split("\t")[0] for one in done.stdout.splitlines()} == expected, done.stderr


def test_zsh(environment: dict[str, str]) -> None:
    """In an interactive shell on a pseudo-terminal: Tab completes the only name that fits."""
    shell = _shell("zsh")
    home = Path(environment["HOME"])
    assert "autoload -U compinit && compinit" in GUIDE
    (home / ".zshrc").write_text(f"PS1='> '\nautoload -U compinit && compinit -u\n{line('zsh')}\n")
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [shell, "-i"], stdin=inside, stdout=inside, stderr=inside, env=environment, start_new_session=True
    )
    try:
        _until(terminal, b"> ")
        os.write(terminal, b"flopcalc layer ghostv\t")
        assert b"ghostv2" in _until(terminal, b"ghostv2")
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        os.close(inside)


def _until(terminal: int, wanted: bytes, seconds: float = 60) -> bytes:
    """What a shell writes until the wanted bytes come, or the time is over."""
    found, end = b"", time.monotonic() + seconds
    while wanted not in found and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            found += os.read(terminal, 4096)
    return found

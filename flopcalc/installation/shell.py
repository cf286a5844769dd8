"""The user's shell and terminal: whether completion is installed, and which characters can be written."""

import os
import sys
from typing import NamedTuple

_FILES = {
    "bash": (
        "~/.bashrc",
        "~/.bash_profile",
        "~/.bash_completion",
        "~/.local/share/bash-completion/completions/flopcalc",
    ),
    "zsh": ("{zdotdir}/.zshrc", "{zdotdir}/.zshenv"),
    "fish": ("{config}/fish/config.fish", "{config}/fish/completions/flopcalc.fish"),
}
LINES = {
    "bash": 'eval "$(_FLOPCALC_COMPLETE=bash_source flopcalc)"',
    "zsh": 'eval "$(_FLOPCALC_COMPLETE=zsh_source flopcalc)"',
    "fish": "_FLOPCALC_COMPLETE=fish_source flopcalc | source",
}
# A line above, the script that it evaluates, or a line that loads the script from the file of docs/installing.md.
_MARKS = ("_FLOPCALC_COMPLETE", ".flopcalc-completion")


class Completion(NamedTuple):
    """Whether the shell completes flopcalc's names.

    shell: from SHELL; empty where it is none of bash, zsh and fish. file: where completion is installed, or the file
    to add `line` to. installed: whether one of the shell's files has it.
    """

    shell: str
    installed: bool
    file: str
    line: str


def completion() -> Completion:
    """Look into the configuration of the user's shell; a file that cannot be read has nothing."""
    shell = os.path.basename(os.environ.get("SHELL", "")).removesuffix(".exe")
    if shell not in _FILES:
        return Completion("", False, "", "")
    home = os.path.expanduser("~")
    folders = {
        "zdotdir": os.environ.get("ZDOTDIR") or home,
        "config": os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"),
    }
    files = [os.path.expanduser(one.format(**folders)) for one in _FILES[shell]]
    for file in files:
        try:
            with open(file, encoding="utf-8", errors="replace") as text:
                lines = text.read().splitlines()
        except OSError:
            continue
        if any(mark in line for mark in _MARKS for line in lines if not line.lstrip().startswith("#")):
            return Completion(shell, True, file, LINES[shell])
    where = files[-1] if shell == "fish" else files[0]
    return Completion(shell, False, where, LINES[shell])


class Terminal(NamedTuple):
    """How standard output is written. lines: whether the lines and bars of tables can be; else they are replaced."""

    encoding: str
    lines: bool
    is_terminal: bool
    columns: int


def terminal() -> Terminal:
    """What standard output is."""
    encoding = getattr(sys.stdout, "encoding", None) or "unknown"
    try:
        "\u2500\u2588\u2026".encode(encoding)
        lines = True
    except (LookupError, UnicodeEncodeError):
        lines = False
    try:
        is_terminal = sys.stdout.isatty()
        columns = os.get_terminal_size(sys.stdout.fileno()).columns if is_terminal else 0
    except (OSError, ValueError, AttributeError):
        is_terminal, columns = False, 0
    return Terminal(encoding, lines, is_terminal, columns)

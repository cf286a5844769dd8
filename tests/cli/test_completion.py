"""Shell completion: names of commands, options, operators, plug-ins, networks and conventions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from helpers import ROOT

from flopcalc.cli.main import COMMANDS, cli
from flopcalc.cost.convention import CONVENTIONS


def _complete(*words: str) -> set[str]:
    completer = BashComplete(cli, {}, "flopcalc", "_FLOPCALC_COMPLETE")
    return {item.value for item in completer.get_completions(list(words[:-1]), words[-1])}


@pytest.mark.parametrize(
    ("words", "some"),
    [
        (("compare", "g"), {"ghost", "gconv", "group"}),
        (("compare", "conv", "sp"), {"spconv", "spatial_bottleneck"}),
        (("layer", "gh"), {"ghost"}),
        (("layer", "--type", "gh"), {"ghost"}),
        (("formula", "comp"), {"compconv"}),
        (("model", "resnet1"), {"resnet101", "resnet18"}),
        (("model", "resnet50", "--replace", "spc"), {"spconv"}),
        (("verify", "m"), {"mbconv", "mobilenet_v2"}),
        (("layer", "conv", "--convention", "t"), {"thop", "thop-2019", "torchinfo", "torchvision"}),
        (("cite", "spc"), {"spconv"}),
        (("model", "resnet50", "--dtype", "float1"), {"float16"}),
        (("model", "--inp"), {"--input"}),
        (("layer", "ghost", "--str"), {"--stride"}),
    ],
)
def test_names(words: tuple[str, ...], some: set[str]) -> None:
    """What begins as the word does, and nothing else."""
    found = _complete(*words)
    assert some <= found
    assert all(name.startswith(words[-1]) for name in found)


def test_commands() -> None:
    """All commands with an empty word; those that begin as a word does."""
    assert set(COMMANDS) <= _complete("")
    assert _complete("l") == {"layer", "lock", "list"}
    assert set(CONVENTIONS) == _complete("model", "resnet50", "--convention", "")


def test_files_where_no_name_fits() -> None:
    """The shell completes paths of YAML files."""
    completer = BashComplete(cli, {}, "flopcalc", "_FLOPCALC_COMPLETE")
    assert [item.type for item in completer.get_completions(["model"], "./my")] == ["file"]


def test_places_of_python_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The places, and configuration files and folders after hf: (the shell completes the names of other files)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.json").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "config.json").touch()
    assert _complete("model", "h") >= {"hf:"}
    assert _complete("model", "tim") == {"timm:"}
    assert _complete("model", "hf:") == {"hf:small.json", "hf:models/"}
    assert _complete("model", "hf:models/c") == {"hf:models/config.json"}
    assert _complete("model", "hf:missing/c") == set()


def test_nothing_after_an_unknown_command() -> None:
    """And no error on the terminal."""
    assert _complete("nonsense", "x") == set()


def _bash(words: str, path: Path | None = None) -> list[str]:
    """A shell's own call, with the loaded modules on stderr."""
    source = (
        "import sys, atexit\n"
        "heavy = ('torch', 'sympy', 'numpy', 'rich')\n"
        "atexit.register(lambda: print([m for m in heavy if m in sys.modules], file=sys.stderr))\n"
        "from flopcalc.__main__ import run\n"
        "sys.argv = ['flopcalc']\n"
        "run()"
    )
    env = {**os.environ, "_FLOPCALC_COMPLETE": "bash_complete", "COMP_WORDS": words}
    env["COMP_CWORD"] = str(len(words.split()) - 1)
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([str(path)] if path else [])])
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False, env=env, cwd=ROOT
    )
    assert done.stderr.splitlines()[-1] == "[]", done.stderr
    return done.stdout.splitlines()


def test_a_shell_s_call() -> None:
    """As bash calls it: one line for each item, and no heavy package is loaded."""
    assert "plain,ghost" in _bash("flopcalc compare g")
    assert "plain,resnet50" in _bash("flopcalc model res")


def test_plug_ins_are_completed(tmp_path: Path) -> None:
    """By their entry points: they are not imported."""
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flopcalc.operators]\nzzz_mine = absent_module:OPERATOR\n")
    assert _bash("flopcalc compare zzz", tmp_path) == ["plain,zzz_mine"]

"""What machines run: the hooks, the action, and the examples of docs/budgets.md."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import ROOT, TINY, Run, Runner, write_targets

from flopcalc.budget.config import read_config
from flopcalc.cli.main import COMMANDS

GUIDE = (ROOT / "docs" / "budgets.md").read_text()
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


def test_hooks() -> None:
    """Each hook is a command of ours with options that it has, and is given no file names."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["flopcalc-check", "flopcalc-locked"]
    for hook in hooks:
        program, command, *options = hook["entry"].split()
        assert (program, hook["language"], hook["pass_filenames"]) == ("flopcalc", "python", False)
        assert command in COMMANDS
        assert set(options) <= {"--locked"}
        assert hook["id"] in GUIDE


def test_a_hook_runs(tmp_path: Path) -> None:
    """Its entry, as a command in the root of a repository."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    write_targets(tmp_path, "macs <= 10k")
    done = subprocess.run(
        [sys.executable, "-m", "flopcalc", "check"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    assert "EXCEEDED" in done.stdout


def _scripts() -> list[dict[str, Any]]:
    return [step for step in ACTION["runs"]["steps"] if "run" in step]


def test_the_action_is_well_formed() -> None:
    """Inputs are described and used, and reach the shell by the environment alone: none is pasted into a script."""
    assert ACTION["runs"]["using"] == "composite"
    text = (ROOT / "action.yml").read_text()
    for name, given in ACTION["inputs"].items():
        assert given["description"]
        assert f"inputs.{name} }}}}" in text
        assert name in GUIDE
    for step in _scripts():
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"
        done = subprocess.run(["bash", "-n"], input=step["run"], capture_output=True, text=True, check=False)  # noqa: S607
        assert done.returncode == 0, done.stderr
    assert set(re.findall(r"steps\.(\w+)\.", text)) == {step["id"] for step in _scripts() if "id" in step}


def _run_step(step: dict[str, Any], folder: Path, **given: str) -> Run:
    """As the runner does it, with a fake summary and output file. The inputs not given have their defaults."""
    inputs = {name: str(one["default"]) for name, one in ACTION["inputs"].items()} | given
    environment = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: inputs[match[1]], value)
        for name, value in step["env"].items()
    }
    (folder / "temp").mkdir(exist_ok=True)
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],  # noqa: S607
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            **environment,
            "PYTHONPATH": str(ROOT),
            "RUNNER_TEMP": str(folder / "temp"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_WORKSPACE": str(folder),
        },
    )
    return Run(done.returncode, done.stdout, done.stderr)


def test_the_check_step(tmp_path: Path) -> None:
    """Annotations on stdout, the tables in the summary, the exit code of the check, whatever it is."""
    (step,) = [step for step in _scripts() if step.get("id") == "check"]
    (tmp_path / "tiny.yaml").write_text(TINY)
    write_targets(tmp_path, "macs <= 14k")
    python = {"python": sys.executable}
    fine = _run_step(step, tmp_path, **python)
    assert (fine.code, fine.err) == (0, "")
    assert fine.out.startswith("::notice title=flopcalc::")
    missing = _run_step(step, tmp_path, locked="true", **python)
    assert missing.code == 2
    assert "no lock file" in missing.err
    error, hint = missing.err.splitlines()
    assert missing.out == f"::error title=flopcalc::{error}%0A{hint}\n"
    summary = (tmp_path / "summary.md").read_text()
    assert summary.endswith(f"## flopcalc: nothing was checked\n\n    {error}\n    {hint}\n")
    assert "## flopcalc.yaml: fine" in summary
    subprocess.run(
        [sys.executable, "-m", "flopcalc", "lock"],
        cwd=tmp_path,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    (tmp_path / "tiny.yaml").write_text(TINY.replace("out: 8", "out: 16"))
    name = "costs; touch owned.yaml"
    (tmp_path / "flopcalc.yaml").rename(tmp_path / name)
    broken = _run_step(step, tmp_path, locked="true", file=name, **python)
    assert broken.code == 1
    assert broken.out.startswith("::error file=costs; touch owned.yaml,line=4,")
    added = (tmp_path / "summary.md").read_text().removeprefix(summary)
    assert "| conv1 | out 8x8x8 -\\> 16x8x8 | +224 | +13,824 |" in added
    assert (tmp_path / "output").read_text().split() == ["failed=0", "failed=2"]
    assert not (tmp_path / "owned.yaml").exists()


def test_what_an_annotation_cannot_hold_is_escaped(tmp_path: Path) -> None:
    """Percent, carriage return and line feed, of the last two lines; the exit status stays, whichever it is."""
    (step,) = [step for step in _scripts() if step.get("id") == "check"]
    fake = tmp_path / "python"
    for code in (2, 3):
        fake.write_text(f"#!/bin/sh\nprintf 'a warning\\nerror: 5%%0A of\\r x\\nhint:  `y` & z\\n' >&2\nexit {code}\n")
        fake.chmod(0o755)
        done = _run_step(step, tmp_path, python=str(fake))
        assert done.code == code
        assert done.out == "::error title=flopcalc::error: 5%250A of%0D x%0Ahint:  `y` & z\n"
        assert "a warning" in done.err


def test_the_install_step(tmp_path: Path) -> None:
    """pip is given this folder with the extras that are needed; here a stand-in tells what it was called with."""
    step = _scripts()[0]
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for given, wanted in (
        ({}, f"{ROOT}"),
        ({"formulas": "true"}, f"{ROOT}[symbolic]"),
        ({"extras": "torch"}, f"{ROOT}[torch]"),
        ({"extras": "torch", "formulas": "true"}, f"{ROOT}[torch,symbolic]"),
    ):
        done = _run_step(step, tmp_path, python=str(fake), **given)
        assert (done.code, done.out.split()[-1]) == (0, wanted)
    assert {"torch", "symbolic"} <= set(extras)


def test_the_examples_of_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Runner) -> None:
    """The first file gives the first table; every file of targets reads; the difference is the one that is shown."""
    monkeypatch.chdir(tmp_path)
    files = [block for block in _blocks("yaml") if "targets:" in block]
    assert len(files) == 5
    for index, text in enumerate([*files, *_blocks("toml")]):
        path = tmp_path / f"{index}.{'toml' if 'tool.' in text else 'yaml'}"
        path.write_text(text)
        assert read_config(str(path)).targets
    (tmp_path / "flopcalc.yaml").write_text(files[0])
    first, second = _blocks("console")
    _matches(first, run("check").out)
    # The larger file, with what it names made to be there.
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "tiny.yaml").write_text(TINY)
    (tmp_path / "package").mkdir()
    (tmp_path / "costs").mkdir()
    (tmp_path / "package" / "module.py").write_text("from torch import nn\nNet = lambda: nn.Conv2d(3, 8, 3)\n")
    (tmp_path / "flopcalc.yaml").write_text(files[1].replace("formulas: all", "formulas: [ghost]"))
    pytest.importorskip("torch")
    pytest.importorskip("sympy")
    assert run("lock").code == 0
    done = run("check", "--locked", "--formulas")
    assert (done.code, done.err) == (0, ""), done.out
    (tmp_path / "tiny.yaml").write_text(TINY)
    write_targets(tmp_path)
    assert run("lock").code == 0
    (tmp_path / "tiny.yaml").write_text(TINY.replace("out: 8", "out: 16"))
    _matches(second, run("check", "--locked").out)


def _matches(block: str, out: str) -> None:
    _, _, expected = block.partition("\n")
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line.rstrip()) + r"\n" for line in expected.splitlines()
    )
    assert re.fullmatch(pattern, out), out


def test_the_tests_of_the_guide(tmp_path: Path) -> None:
    """They pass, once the snapshot is written."""
    pytest.importorskip("torch")
    (block,) = _blocks("python")
    (tmp_path / "test_guide.py").write_text(block)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "flopcalc.pytest_plugin", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for more in (["--flopcalc-update"], []):
        done = subprocess.run(
            [*command, *more], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert "3 passed" in done.stdout, done.stdout


def test_workflows_of_the_guide_are_yaml() -> None:
    """And give the action no input that it has not."""
    texts = [yaml.safe_load(block) for block in _blocks("yaml")]
    (workflow,) = [text for text in texts if "jobs" in text]
    step = workflow["jobs"]["costs"]["steps"][-1]
    assert set(step["with"]) <= set(ACTION["inputs"])
    (gitlab,) = [text for text in texts if "costs" in text]
    assert gitlab["costs"]["artifacts"]["reports"]["junit"] in gitlab["costs"]["script"][1]

"""The section `kernels` of flopcalc.yaml and pyproject.toml: who gets its rules, and where its errors point."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers import TINY, Runner

from flopcalc.budget.assertions import Costs
from flopcalc.budget.config import read_config
from flopcalc.budget.folder_rules import with_folder_rules
from flopcalc.errors import FlopcalcError
from flopcalc.targets.spec import TargetSpec, from_texts

YAML = """\
kernels:
  mylib::scan:
    macs: 4 * x.numel
    other: 7
targets:
  - {network: 'net.py:Net', name: a, input: 3x8x8}
  - {network: tiny.yaml, name: b, limits: [macs <= 1M]}
"""
TOML = """\
[tool.flopcalc.kernels]
"mylib::scan" = {macs = "4 * x.numel", other = 7}
"mylib::blend" = {macs = "1"}

[[tool.flopcalc.targets]]
network = "tiny.yaml"
limits = ["macs <= 1M"]
"""


def _read(section: Mapping[str, Any]) -> tuple[Any, ...]:
    """A reader like that of the catalogue, with errors that name a key, a kernel, or two kernels."""
    for name, rule in section.items():
        if not isinstance(rule, dict):
            raise FlopcalcError("bad-kernel", f"the rule of {name} is not a mapping", "do this")
        for key in rule:
            if key == "bad":
                raise FlopcalcError("bad-kernel", f"{name}: unknown key {key!r}", "do that")
    if len(section) > 2:
        raise FlopcalcError("bad-kernel", "too many", "write fewer")
    return tuple(section.items())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, and a reader of rules in the place of the catalogue's: its syntax is tested there."""
    reader = ModuleType("flopcalc.catalog.kernels")
    reader.read_kernel_rules = _read  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "flopcalc.catalog.kernels", reader)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


RULES: Any = (("mylib::scan", {"macs": "4 * x.numel", "other": 7}),)


def test_targets_of_the_file_get_the_rules(here: Path, run: Runner) -> None:
    """As values, in the record of each network; the file is checked as ever."""
    (here / "flopcalc.yaml").write_text(YAML)
    assert [one.target.kernels for one in read_config("flopcalc.yaml").targets] == [RULES, RULES]
    (here / "pyproject.toml").write_text(TOML)
    (one,) = read_config("pyproject.toml").targets
    assert one.target.kernels == (*RULES, ("mylib::blend", {"macs": "1"}))
    assert run("check", "pyproject.toml").code == 0


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("    other: 7", "    bad: 7", "flopcalc.yaml, line 4: kernels: mylib::scan: unknown key 'bad'"),
        (
            "    macs: 4 * x.numel\n    other: 7\n",
            "    7\n",
            "flopcalc.yaml, line 2: kernels: the rule of mylib::scan is not a mapping",
        ),
        ("targets:", "  a: {}\n  b: {}\ntargets:", "flopcalc.yaml, line 1: kernels: too many"),
        (
            "kernels:\n  mylib::scan:\n    macs: 4 * x.numel\n    other: 7\n",
            "kernels: [1]\n",
            "flopcalc.yaml, line 1: kernels is [1], not a mapping of kernels to their rules",
        ),
        (
            "kernels:\n  mylib::scan:\n    macs: 4 * x.numel\n    other: 7\n",
            "kernels:\n",
            "flopcalc.yaml, line 1: kernels is None, not a mapping of kernels to their rules",
        ),
    ],
)
def test_errors_name_the_line(old: str, new: str, error: str, here: Path, run: Runner) -> None:
    """Of the key, of the kernel, or of the section; for `check`, and for a model that is counted in this folder."""
    (here / "flopcalc.yaml").write_text(YAML.replace(old, new))
    for command in (("check",), ("model", "net.py:Net", "--input", "3x8x8"), ("diff", "net.py:Net", "tiny.yaml")):
        done = run(*command)
        assert done.code == 2
        assert done.err.startswith(f"error: {error}"), done.err
    # A described network has no kernels of its own.
    assert run("model", "tiny.yaml").code == 0


def test_errors_name_the_line_in_toml(here: Path, run: Runner) -> None:
    """That of the kernel."""
    (here / "pyproject.toml").write_text(TOML.replace('{macs = "1"}', "{bad = 1}"))
    assert run("check").err.startswith("error: pyproject.toml, line 3: kernels: mylib::blend: unknown key 'bad'")


@pytest.mark.parametrize("name", ["flopcalc.yaml", "flopcalc.yml", "pyproject.toml"])
def test_a_model_gets_the_rules_of_the_folder(name: str, here: Path) -> None:
    """A Python model by text or as an object; not a described network, nor an operator; only that section counts."""
    python, text = from_texts("net.py:Net"), from_texts("tiny.yaml")
    assert with_folder_rules(python) == python
    assert with_folder_rules(python).kernels == ()
    if name.endswith(".toml"):
        (here / name).write_text('[tool.flopcalc.kernels]\n"mylib::scan" = {macs = "4 * x.numel", other = 7}\n')
    else:
        (here / name).write_text(YAML[: YAML.index("targets")] + "targets: 7\nnonsense: 3\n")
    assert with_folder_rules(python).kernels == RULES
    assert with_folder_rules(TargetSpec("network", object())).kernels == RULES
    assert with_folder_rules(text).kernels == ()
    assert with_folder_rules(TargetSpec("operator", "conv")).kernels == ()


def test_a_file_without_rules_is_not_parsed(here: Path) -> None:
    """Its mistakes do not matter to a model."""
    (here / "flopcalc.yaml").write_text("targets: [")
    assert with_folder_rules(from_texts("net.py:Net")).kernels == ()
    (here / "flopcalc.yaml").write_text("kernels: [")
    with pytest.raises(FlopcalcError, match=r"flopcalc\.yaml"):
        with_folder_rules(from_texts("net.py:Net"))


def test_assertions_get_the_rules_of_the_project(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the folder that pytest calls its root, wherever the tests run."""
    found: list[TargetSpec] = []

    def measure(name: str, spec: TargetSpec, dtype: str) -> Any:
        found.append(spec)
        raise FlopcalcError("stop", "stop", "")

    monkeypatch.setattr("flopcalc.budget.assertions.measure_target", measure)
    (here / "flopcalc.yaml").write_text(YAML)
    (here / "tests").mkdir()
    monkeypatch.chdir(here / "tests")
    costs = Costs(str(here / "tests" / "test_it.py"), "test_it", update=False, folder=str(here))
    with pytest.raises(pytest.fail.Exception):
        costs.assert_cost("net.py:Net", (3, 8, 8), macs=1)
    assert found[0].kernels == RULES

"""An error in a target names the line of the key that is wrong, in YAML and in TOML."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Run

Runner = Callable[..., Run]

YAML = """\
targets:
- network: resnet50
  limits: [macs <= 5G]
- network: mobilenet_v2
  input: 3x224x224
  {key}: {value}
  limits: [macs <= 1G]
"""
OPERATOR = """\
targets:
- operator: ghost
  c_in: 64
  k: 3
  {key}: {value}
"""
TOML = """\
[[tool.flopcalc.targets]]
network = "resnet50"
set = {{classes = 10}}
[[tool.flopcalc.targets]]
network = "mobilenet_v2"
{key} = {value}
[[tool.flopcalc.targets]]
network = "resnet18"
set = {{classes = 10}}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


CASES = {
    "an option": (YAML, "set", "{width: 1, clases: 10}", 6, "clases"),
    "the value of an option": (YAML, "set", "\n    width: 1\n    classes: none", 8, "classes"),
    "a key": (YAML, "inputs", "3", 6, "inputs"),
    "a replacement": (YAML, "replace", "spconf", 6, "spconf"),
    "a clause": (YAML, "replace", "spconv\n  where: kk == 3", 7, "kk"),
    "a batch": (YAML, "batch", "0", 6, "batch"),
    "an operator's size": (OPERATOR, "stride", "0", 5, "stride"),
    "an operator's size by its flag": (OPERATOR, "cout", "-4", 5, "c_out"),
    "an operator's option": (OPERATOR, "set", "{s: 0}", 5, "s is"),
    "an unknown option": (OPERATOR, "set", "{q: 3}", 5, "'q'"),
}
IN_TOML = {
    "an option": ("set", "{clases = 10}", "clases"),
    "the value of an option": ("set", '{classes = "none"}', "classes"),
    "a key": ("inputs", "3", "inputs"),
    # Its letter is in the lines above.
    "a short key": ("k", "3", "'k'"),
    "a batch": ("batch", "0", "batch"),
}


@pytest.mark.parametrize("case", CASES)
def test_lines_in_yaml(case: str, here: Path, run: Runner) -> None:
    """Also where the mistake is found only when the target is computed."""
    text, key, value, line, words = CASES[case]
    (here / "flopcalc.yaml").write_text(text.format(key=key, value=value))
    _is_at(run("check"), f"flopcalc.yaml, line {line}: ", words)


@pytest.mark.parametrize("case", IN_TOML)
def test_lines_in_toml(case: str, here: Path, run: Runner) -> None:
    """The parser gives no lines; a key of the same name in another target is not taken for it."""
    key, value, words = IN_TOML[case]
    (here / "pyproject.toml").write_text(TOML.format(key=key, value=value))
    _is_at(run("check"), "pyproject.toml, line 6: ", words)


def _is_at(done: Run, place: str, words: str) -> None:
    error, _ = done.err.splitlines()
    assert done.code == 2
    assert place in error, error
    assert words in error, error

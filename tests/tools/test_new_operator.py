"""`make new-operator`: both files work as they are, and a name that cannot be used is refused."""

import ast
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from helpers import ROOT, fresh, script

from flopcalc.catalog.cases import cases
from flopcalc.spec.operator import Operator


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The script."""
    found: ModuleType = script(ROOT / "tools" / "new_operator.py")
    return found


@pytest.fixture(scope="module")
def checkout(tool: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with a new operator in it."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "flopcalc", root / "flopcalc", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "configs").symlink_to(ROOT / "configs")
    (root / "tests").symlink_to(ROOT / "tests")
    tool.write("my_conv", root)
    return root


def test_the_skeleton_has_the_marks_filled_in(checkout: Path) -> None:
    """And is Python of the name that was given."""
    for folder in ("operators", "pytorch/layers"):
        text = (checkout / "flopcalc" / folder / "my_conv.py").read_text()
        assert "@" not in text
        ast.parse(text)
    operator: Operator = script(checkout / "flopcalc" / "operators" / "my_conv.py").OPERATOR
    # 64 -> 128 with half of the channels in between, on 56 x 56.
    e = operator.evaluate(operator.geometry(64, 128))
    assert (e.cost.params, e.cost.macs) == (64 * 32 + 32 * 128 * 9, (64 * 32 + 32 * 128 * 9) * 56 * 56)
    assert len(list(cases(operator))) > 30


def test_it_is_verified_and_replaces(checkout: Path) -> None:
    """Formula against module, part by part; and in a network."""
    pytest.importorskip("torch")
    for arguments in (["verify", "my_conv"], ["model", "resnet50", "--replace", "my_conv"], ["formula", "my_conv"]):
        source = f"import sys\nfrom flopcalc.cli.main import main\nsys.exit(main({arguments!r}))"
        done = fresh(f"import os, sys\nos.chdir({str(checkout)!r})\nsys.path.insert(0, {str(checkout)!r})\n{source}")
        assert done.code == 0, done.err
        assert "my_conv" in done.out
        assert "all agree" in done.out or arguments[0] != "verify"


def test_the_tests_over_all_operators_pass_for_it(checkout: Path) -> None:
    """With nothing but the two files."""
    pytest.importorskip("torch")
    source = (
        f"import os, sys\nos.chdir({str(checkout)!r})\nsys.path.insert(0, {str(checkout)!r})\nimport pytest\n"
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:flopcalc', '--rootdir', '.', '-k', 'my_conv', "
        f"'-c', {str(ROOT / 'pyproject.toml')!r}, '--import-mode=importlib', "
        "'tests/operators/test_registry.py', 'tests/operators/test_registry_modules.py']))"
    )
    done = fresh(source)
    assert done.code == 0, done.out
    assert " passed" in done.out
    assert "failed" not in done.out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conv", "is the name of an operator"),
        ("resnet50", "is the name of a network"),
        ("relu", "is the name of a primitive layer"),
        ("MyConv", "is not a name of lower-case letters"),
        ("my-conv", "is not a name"),
        ("_conv", "does not begin with a letter"),
        ("2d", "does not begin with a letter"),
        ("lambda", "is a keyword of Python"),
        ("../conv2", "is not a name"),
        ("", "usage"),
    ],
)
def test_other_names_are_refused(name: str, message: str, tool: ModuleType, capsys: Any) -> None:
    """Exit code 2, and no file."""
    assert tool.main([name]) == 2
    assert message in capsys.readouterr().err
    assert tool.main([]) == 2


def test_files_are_never_overwritten(tool: ModuleType, checkout: Path) -> None:
    """Not even one of the two."""
    (checkout / "flopcalc" / "operators" / "my_conv2.py").write_text("# mine")
    with pytest.raises(FileExistsError):
        tool.write("my_conv2", checkout)
    assert not (checkout / "flopcalc" / "pytorch" / "layers" / "my_conv2.py").exists()
    (checkout / "flopcalc" / "operators" / "my_conv2.py").unlink()

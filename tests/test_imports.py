"""Start-up is fast because of what is not imported; a fresh interpreter proves it."""

import ast
import sys
from pathlib import Path

import pytest
from helpers import ROOT, fresh

HEAVY = ("torch", "sympy", "numpy")

COMMANDS = [
    ["layer", "--type", "compconv", "--cin", "256"],
    ["layer", "--type", "spconv", "--cin", "256", "--format", "json"],
    ["model", "resnet50", "--replace", "spconv"],
    ["model", "resnet50", "--format", "csv"],
    ["model", "resnet50", "--top", "3"],
    ["diff", "resnet50", "resnet50 --replace spconv"],
    ["compare", "conv", "ghost", "--cin", "64"],
    ["list"],
    ["check", "--locked"],
    ["reproduce", "spconv"],
    ["errata", "ghost"],
    ["--help"],
    ["formula", "--help"],
    ["verify", "--help"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_heavy_import(command: list[str]) -> None:
    """Neither torch nor SymPy nor NumPy is loaded."""
    source = (
        "import sys\n"
        "from flopcalc.cli.main import main\n"
        f"code = main({command!r})\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(9 if loaded else code)"
    )
    done = fresh(source)
    assert done.code == 0, done.err


def test_json_loads_no_rich() -> None:
    """Rich is for tables."""
    source = (
        "import sys\nfrom flopcalc.cli.main import main\n"
        "main(['layer', '--type', 'conv', '--cin', '8', '--format', 'json'])\n"
        "sys.exit(9 if 'rich' in sys.modules else 0)"
    )
    assert fresh(source).code == 0


def test_importing_the_package_loads_nothing() -> None:
    """`import flopcalc` alone, then one public name."""
    source = (
        "import sys\nbefore = set(sys.modules)\nimport flopcalc\n"
        "extra = {m for m in set(sys.modules) - before if m.startswith('flopcalc')}\n"
        "assert extra == {'flopcalc'}, extra\n"
        "assert flopcalc.layer('conv', 8).cost.macs\n"
        "assert all(getattr(flopcalc, name) for name in flopcalc.__all__)\n"
        "assert 'click' not in sys.modules and 'rich' not in sys.modules"
    )
    done = fresh(source)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("hidden", "command", "package"),
    [
        ("sympy", ["formula", "conv"], "sympy"),
        ("torch", ["verify", "conv"], "torch"),
        ("torch", ["verify", "conv", "--cin", "8"], "torch"),
    ],
)
def test_a_missing_package_is_named(hidden: str, command: list[str], package: str) -> None:
    """Exit code 3 and the pip command that mends it; all else still works."""
    hide = f"import sys\nsys.modules[{hidden!r}] = None\nfrom flopcalc.cli.main import main\n"
    done = fresh(hide + f"sys.exit(main({command!r}))")
    assert done.code == 3
    error, hint = done.err.strip().splitlines()
    assert error.startswith("error:")
    assert "not installed" in error
    assert f'pip install "{package}>=' in hint
    for works in (["layer", "--type", "sic", "--cin", "24"], ["model", "resnet50"], ["list"]):
        assert fresh(hide + f"sys.exit(main({works!r}))").code == 0


def _imports(path: Path) -> set[str]:
    """All modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


# Each layer may import those before it.
ORDER = [
    ["errors", "arith"],
    ["files"],
    ["geometry", "cost", "expression", "yamlfile"],
    ["parts", "convention", "provenance", "param"],
    ["operator"],
    ["rules"],
    ["operators"],
    ["registry"],
    ["composed"],
    ["networks", "api"],
    ["published"],
    ["analysis"],
    ["targets", "symbolic"],
    ["budget"],
    ["report"],
    ["testing"],
    ["pytest_plugin", "cli"],
]


def test_imports_point_one_way() -> None:
    """errors, arith -> ... -> operators -> registry -> networks -> published -> analysis -> report -> cli."""
    rank = {name: index for index, names in enumerate(ORDER) for name in names}
    package = ROOT / "flopcalc"
    checked = 0
    for path in package.rglob("*.py"):
        place = path.relative_to(package).parts[0].removesuffix(".py")
        if place not in rank:
            assert place in ("__init__", "__main__", "pytorch"), f"{path}: where does it stand?"
            continue
        for module in _imports(path):
            pieces = module.split(".")
            if pieces[0] != "flopcalc" or len(pieces) < 2 or pieces[1] == "__version__":
                continue
            assert pieces[1] in rank, f"{path.name} imports {module}"
            assert rank[pieces[1]] <= rank[place], f"{path.name} imports {module}"
            checked += 1
    assert checked > 50


def test_heavy_packages_have_one_room_each() -> None:
    """torch in pytorch/, SymPy in symbolic.py (and one function of expression.py), NumPy nowhere."""
    package = ROOT / "flopcalc"
    for path in package.rglob("*.py"):
        place = path.relative_to(package).as_posix()
        roots = {module.split(".")[0] for module in _imports(path)}
        assert "numpy" not in roots, place
        assert "torch" not in roots or place.startswith("pytorch/"), place
        assert "sympy" not in roots or place == "symbolic.py", place


def test_no_file_is_too_long() -> None:
    """About 400 lines at most."""
    for path in (ROOT / "flopcalc").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path


def test_python_is_new_enough() -> None:
    """As the metadata says."""
    assert sys.version_info >= (3, 11)

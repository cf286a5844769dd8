"""Start-up is fast because of what is not imported; a fresh interpreter proves it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import ROOT, fresh

HEAVY = ("torch", "sympy", "numpy", "altair", "vl_convert")

COMMANDS = [
    ["layer", "--type", "compconv", "--cin", "256"],
    ["layer", "--type", "spconv", "--cin", "256", "--format", "json"],
    ["model", "resnet50", "--replace", "spconv"],
    ["model", "resnet50", "--format", "csv"],
    ["model", "resnet50", "--top", "3"],
    ["diff", "resnet50", "resnet50 --replace spconv"],
    ["compare", "conv", "ghost", "--cin", "64"],
    ["list"],
    ["list", "devices"],
    ["check", "--locked"],
    ["reproduce", "spconv"],
    ["errata", "ghost"],
    ["solve", "mobilenet_v2", "--for", "width", "--target", "macs <= 300M"],
    ["compare", "conv", "ghost", "--cin", "64", "--columns", "time,peak", "--device", "h200"],
    ["model", "resnet50", "--replace", "spconv", "--columns", "time,peak", "--device", "h200"],
    ["roofline", "resnet50", "--device", "h200", "--mode", "training"],
    ["roofline", "resnet50", "--device", "h200", "--replace", "spconv"],
    ["roofline", "ghost", "--cin", "64", "--device", "h100", "--format", "json"],
    ["memory", "resnet50", "--order", "best"],
    ["doctor"],
    ["--help"],
    ["formula", "--help"],
    ["verify", "--help"],
    ["solve", "--help"],
    ["sweep", "--help"],
    ["memory", "--help"],
    ["plot", "--help"],
    ["report", "resnet50", "--replace", "spconv", "--format", "markdown"],
    ["report", "--help"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_heavy_import(command: list[str]) -> None:
    """Neither torch nor SymPy, NumPy, Altair or vl-convert is loaded."""
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
        ("torch", ["bench", "resnet50"], "torch"),
        ("torch", ["calibrate", "--from", "i9-10940x"], "torch"),
        ("torch", ["memory", "resnet50", "--mode", "training"], "torch"),
        ("torch", ["verify", "conv", "--cin", "8"], "torch"),
        ("numpy", ["sweep", "conv", "--cin", "8"], "numpy"),
        ("altair", ["plot", "conv", "--cin", "8:64:8", "-o", "figure.svg"], "altair"),
        ("vl_convert", ["plot", "resnet18", "-o", "figure.svg"], "vl-convert-python"),
        ("pyarrow", ["sweep", "conv", "--cin", "8", "-o", "sweep.parquet"], "pyarrow"),
        ("jinja2", ["report", "resnet50"], "jinja2"),
        ("latex2mathml", ["report", "resnet50"], "latex2mathml"),
        ("altair", ["report", "resnet50"], "altair"),
        (
            "scipy",
            ["solve", "resnet18", "--choose", "ghost,keep", "--minimise", "macs", "--subject", "macs>=1"],
            "scipy",
        ),
        ("distributed", ["sweep", "conv", "--cin", "8", "--scheduler", "tcp://127.0.0.1:9"], "distributed"),
    ],
)
def test_a_missing_package_is_named(hidden: str, command: list[str], package: str) -> None:
    """Exit code 3 and the pip command that installs it; everything else still works."""
    hide = f"import sys\nsys.modules[{hidden!r}] = None\nfrom flopcalc.cli.main import main\n"
    done = fresh(hide + f"sys.exit(main({command!r}))")
    assert done.code == 3
    error, hint = done.err.strip().splitlines()
    assert error.startswith("error:")
    assert "not installed" in error
    assert f'pip install "{package}>=' in hint
    for works in (["layer", "--type", "sic", "--cin", "24"], ["model", "resnet50"], ["list"]):
        assert fresh(hide + f"sys.exit(main({works!r}))").code == 0


@pytest.mark.parametrize(
    ("broken", "error", "command"),
    [
        ("sympy", "ImportError", ["formula", "conv"]),
        ("torch", "RuntimeError", ["verify", "conv"]),
        ("numpy", "AttributeError", ["sweep", "conv", "--cin", "8"]),
        ("latex2mathml", "OSError", ["report", "resnet50"]),
        ("yaml", "ImportError", ["model", "resnet50"]),
    ],
)
def test_a_broken_package_is_not_called_missing(broken: str, error: str, command: list[str], tmp_path: Path) -> None:
    """Installing it again is no advice for a package that is there: its own error is shown."""
    (tmp_path / f"{broken}.py").write_text(f"raise {error}('libx.so is missing')\n")
    source = (
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nfrom flopcalc.cli.main import main\n"
        f"sys.exit(main({command!r}))"
    )
    done = fresh(source)
    what, hint = done.err.strip().splitlines()
    assert (done.code, done.out) == (3, "")
    assert "cannot be imported" in what
    assert "libx.so is missing" in what
    assert "not installed" not in what
    assert "pip install" not in hint


def _imports(path: Path, *, top_level: bool = False) -> set[str]:
    """All modules that a file loads, wherever in it; what only type checkers read is not loaded."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    unread = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in tree.body if top_level else ast.walk(tree):
        if node in unread:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


# The rooms, from the bottom to the top: each imports only rooms before it.
ROOMS = [
    "errors",
    "interrupts",
    "optional",
    "symbolic",
    "presets",
    "cost",
    "text",
    "spec",
    "operators",
    "primitives",
    "catalog",
    "installation",
    "networks",
    "replacing",
    "algebra",
    "pytorch",
    "targets",
    "analysis",
    "published",
    "report",
    "charts",
    "pages",
    "budget",
    "__init__",
    "cli",
    "testing",
    "pytest_plugin",
    "__main__",
]
# Reached by import_module or inside functions only, since they load SymPy and torch.
LAZY = {"algebra": "sympy", "pytorch": "torch"}
_IMPORT_MODULE = ("import_module", "importlib.import_module")


def _modules() -> dict[str, Path]:
    package = ROOT / "flopcalc"
    names = {}
    for path in package.rglob("*.py"):
        pieces = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(pieces[:-1] if pieces[-1] == "__init__" else pieces)] = path
    return names


MODULES = _modules()


def _targets(node: ast.AST) -> Iterator[str]:
    """The modules of ours that a statement or a call imports, inside functions and under TYPE_CHECKING too."""
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "flopcalc":
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            yield full if full in MODULES else node.module
    elif isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "flopcalc")
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in _IMPORT_MODULE:
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.startswith("flopcalc"):
                # Of an f-string the part before the first brace.
                yield part.value.rstrip(".")


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def _edges(*, top_level: bool = False) -> Iterator[tuple[str, str]]:
    for name, path in MODULES.items():
        tree = ast.parse(path.read_text())
        nodes = tree.body if top_level else ast.walk(tree)
        yield from ((name, target) for node in nodes for target in _targets(node))


def test_imports_go_one_way_between_rooms() -> None:
    """Lazy imports included."""
    rank = {name: index for index, name in enumerate(ROOMS)}
    edges = list(_edges())
    assert len(edges) > 500
    for source, target in edges:
        for module in (source, target):
            assert _room(module) in rank, f"{module}: add its room to ROOMS in this test, and to docs/decisions.md"
        assert rank[_room(target)] <= rank[_room(source)], f"{source} imports {target}, which is a room above it"


def test_no_modules_import_each_other() -> None:
    """Inside a room neither: no cycle of any length, imports inside functions included."""
    graph: dict[str, set[str]] = {}
    for source, target in _edges():
        if source != target and target in MODULES:
            graph.setdefault(source, set()).add(target)
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"a cycle: {' -> '.join((*path[path.index(module) :], module))}"
        if module not in done:
            for target in graph.get(module, ()):
                visit(target, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


def test_heavy_packages_have_one_room_each() -> None:
    """torch in pytorch/, SymPy in algebra/, NumPy for sweeps in functions; no other room imports them at its top."""
    for name, path in MODULES.items():
        roots = {module.split(".")[0] for module in _imports(path)}
        assert "numpy" not in roots or name.startswith("flopcalc.analysis.sweep"), name
        assert "numpy" not in {module.split(".")[0] for module in _imports(path, top_level=True)}, name
        assert "torch" not in roots or _room(name) == "pytorch", name
        assert "sympy" not in roots or _room(name) == "algebra", name
        assert not roots & {"altair", "vl_convert"} or _room(name) == "charts", name
    for source, target in _edges(top_level=True):
        if _room(target) in LAZY and _room(source) != _room(target):
            assert source == "flopcalc.budget.operator_formulas", (
                f"{source} loads {LAZY[_room(target)]} when it is imported"
            )


def test_the_root_is_small() -> None:
    """At most eight names besides the rooms."""
    files = {path.name for path in (ROOT / "flopcalc").iterdir() if path.is_file()}
    assert len(files) <= 8, files


def test_no_file_is_too_long() -> None:
    """At most 400 lines."""
    for path in (ROOT / "flopcalc").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path


def test_python_is_new_enough() -> None:
    """As the metadata says."""
    assert sys.version_info >= (3, 11)


def test_the_package_imports_nothing_before_ctrl_c_is_quiet() -> None:
    """Python imports `flopcalc` before the program can set the action of the signal; `typing` took 6 ms."""
    done = fresh("import sys; before = set(sys.modules); import flopcalc; print(*sorted(set(sys.modules) - before))")
    assert done.out == "flopcalc\n"
    # Type checkers read the names there.
    assert "if TYPE_CHECKING:" in (ROOT / "flopcalc" / "__init__.py").read_text()

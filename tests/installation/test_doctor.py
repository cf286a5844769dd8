"""`flopcalc doctor`: what is installed is seen without importing it, and what is broken is found and named."""

import json
import os
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, Run, Runner, for_author, fresh

from flopcalc.cli.main import COMMANDS
from flopcalc.installation.distributions import at_least, bounds
from flopcalc.installation.requirements import COUNTERS, FEATURES, OPTIONAL, REQUIRED

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Extras for those who work on flopcalc itself.
OWN_WORK = {"all", "test", "site", "lint"}


def doctor(folder: Path | None = None, *more: str, before: str = "", env: dict[str, str] | None = None) -> Run:
    """Run the command in a fresh interpreter, as JSON. folder: comes first on the path."""
    source = (
        "import sys\n"
        f"{'' if folder is None else f'sys.path.insert(0, {str(folder)!r})'}\n"
        f"{before}\n"
        "from flopcalc.cli.main import main\n"
        f"sys.exit(main(['doctor', '--format', 'json', *{more!r}]))"
    )
    return fresh(source, env=env)


def read(done: Run, code: int) -> Any:
    """The record, after checking the exit code."""
    assert done.code == code, done.out + done.err
    return json.loads(done.out)


def errors(found: Any) -> list[str]:
    """What is broken."""
    return [one["what"] for one in found["problems"] if one["severity"] == "error"]


def package(found: Any, name: str) -> Any:
    """The row of a package."""
    return next(one for one in found["packages"] if one["name"] == name)


def install(folder: Path, name: str, metadata: str | None, module: str | None = None) -> None:
    """Write an installed package as pip leaves it."""
    info = folder / f"{name.replace('-', '_')}-0.dist-info"
    info.mkdir(parents=True)
    if metadata is not None:
        (info / "METADATA").write_text(metadata)
    if module is not None:
        (folder / f"{module}.py").write_text("")


@pytest.mark.parametrize(
    ("found", "least", "expected"),
    [
        ("8.1", "8.1", True),
        ("8.1.0", "8.1", True),
        ("8.0.9", "8.1", False),
        ("10.0", "9.2", True),
        ("1.26rc1", "1.26", False),
        ("1.27.0.dev3", "1.26", True),
        ("2.13.0+cpu", "2.4", True),
        ("0.1.5.post20221221", "0.1.5", True),
        ("1!0.1", "2", True),
        ("2024.1", "2024.1.0", True),
        ("unreadable", "1", None),
    ],
)
def test_versions(found: str, least: str, expected: bool | None) -> None:
    """The order of PEP 440, as `packaging` has it too."""
    assert at_least(found, least) is expected
    if expected is not None:
        packaging = pytest.importorskip("packaging.version")
        assert (packaging.Version(found) >= packaging.Version(least)) is expected


def test_requirements_are_those_of_the_project() -> None:
    """The table of the command and pyproject.toml have the same packages, versions and extras."""
    assert sorted(one.requirement for one in REQUIRED) == sorted(PROJECT["dependencies"])
    listed = {(one.extra, one.requirement) for one in (*OPTIONAL, *COUNTERS)}
    names = {bounds(one.requirement)[0]: one.requirement for one in (*OPTIONAL, *COUNTERS)}
    for extra, requirements in PROJECT["optional-dependencies"].items():
        for requirement in requirements if extra not in OWN_WORK else ():
            name, _ = bounds(requirement)
            if name.startswith("flopcalc[") or (extra, name) == ("peers", "einops"):
                continue
            advice = "write the same requirement in flopcalc/installation/requirements.py"
            assert names.get(name) == requirement, for_author(requirement, advice, "pyproject.toml")
    for extra, requirement in listed:
        if extra:
            assert requirement in PROJECT["optional-dependencies"][extra], requirement
    for one in OPTIONAL:
        name, least = bounds(one.requirement)
        if not one.extra and least:
            assert one.requirement in PROJECT["optional-dependencies"]["test"], one.requirement


def test_every_hint_names_the_same_version() -> None:
    """Errors about missing packages name the requirements of the table."""
    known = {bounds(one.requirement)[0]: one.requirement for one in (*REQUIRED, *OPTIONAL, *COUNTERS)}
    import ast

    checked = 0
    for path in (ROOT / "flopcalc").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "optional.load":
                requirement = node.args[2]
                if isinstance(requirement, ast.Constant):
                    written = requirement.value
                    assert isinstance(written, str)
                    name, least = bounds(written)
                    checked += 1
                    assert known[name] in (requirement.value, name) or not least, f"{path}: {ast.unparse(requirement)}"
    assert checked >= 6


def test_features_name_commands_and_packages() -> None:
    """Each feature begins with commands that exist, and needs packages of the table."""
    known = {bounds(one.requirement)[0] for one in (*REQUIRED, *OPTIONAL)}
    commands = set(COMMANDS) | set(PROJECT["optional-dependencies"])
    for feature in FEATURES:
        assert set(feature.needs) <= known
        if "()" not in feature.commands and "pytest" not in feature.commands:
            for piece in feature.commands.split(", "):
                assert piece.split()[0] in commands, feature


def test_an_installation_that_works() -> None:
    """The record: versions, features, contents; nothing heavy is loaded."""
    heavy = ("torch", "sympy", "numpy", "scipy", "altair", "pandas", "polars", "pyarrow", "jinja2", "transformers")
    check = (
        f"import atexit; atexit.register(lambda: print([one for one in {heavy!r} if one in sys.modules], "
        "file=sys.stderr))"
    )
    done = doctor(before=check)
    found = read(done, 0)
    assert done.err.splitlines()[-1] == "[]"
    assert (found["schema"], found["ok"], errors(found)) == ("flopcalc/doctor/1", True, [])
    assert package(found, "click")["version"] == version("click")
    assert package(found, "rich")["required"]
    assert found["operators"] == len(list((ROOT / "flopcalc" / "operators").glob("[!_]*.py")))
    assert found["networks"] == len(list((ROOT / "configs" / "networks").glob("*.yaml")))
    for feature in found["features"]:
        assert feature["works"] == (not feature["missing"]) == (feature["install"] is None)


def test_torch_is_described_without_importing_it() -> None:
    """Its version, and what it was built for."""
    torch = pytest.importorskip("torch")
    found = read(doctor(), 0)
    assert package(found, "torch")["version"] == version("torch")
    wanted = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    assert found["torch"]["build"] == wanted


def test_a_missing_package(tmp_path: Path) -> None:
    """It is not broken: the feature is off, and the command that installs it is shown."""
    hide = (
        "import importlib.metadata as m, importlib.util as u\n"
        "real, spec = m.distributions, u.find_spec\n"
        "def without(**how):\n"
        "    return iter(()) if how.get('name') == 'scipy' else real(**how)\n"
        "m.distributions = without\n"
        "u.find_spec = lambda name, *more: None if name == 'scipy' else spec(name, *more)\n"
    )
    found = read(doctor(before=hide), 0)
    assert not package(found, "scipy")["installed"]
    feature = next(one for one in found["features"] if one["commands"] == "solve --choose")
    assert (feature["works"], feature["missing"], feature["install"]) == (
        False,
        ["scipy"],
        'pip install "scipy>=1.11"',
    )


BROKEN = {
    "too old": (
        "Metadata-Version: 2.1\nName: sympy\nVersion: 1.5\n",
        "sympy",
        "sympy 1.5 is installed; flopcalc needs",
    ),
    "no version": ("Metadata-Version: 2.1\nName: sympy\n", "sympy", "sympy"),
    "no metadata file": (None, "sympy", "the metadata of sympy"),
    "not text": ("\x00\xff", "sympy", "sympy"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_package(kind: str, tmp_path: Path) -> None:
    """It is named, with what to do; exit code 1 and no traceback."""
    metadata, module, message = BROKEN[kind]
    install(tmp_path, "sympy", metadata, module)
    done = doctor(tmp_path)
    found = read(done, 1)
    assert "Traceback" not in done.err
    (problem,) = [one for one in found["problems"] if one["severity"] == "error"]
    assert message in problem["what"]
    assert "sympy" in problem["fix"]
    assert not next(one for one in found["features"] if one["commands"].startswith("formula"))["works"]


def test_metadata_without_code(tmp_path: Path) -> None:
    """An interrupted uninstallation leaves them."""
    install(tmp_path, "latex2mathml", "Metadata-Version: 2.1\nName: latex2mathml\nVersion: 9.0\n")
    hide = "import importlib.util as u\nspec = u.find_spec\n"
    hide += "u.find_spec = lambda name, *more: None if name == 'latex2mathml' else spec(name, *more)\n"
    found = read(doctor(tmp_path, before=hide), 1)
    assert "Python does not find its module latex2mathml" in errors(found)[0]


def test_two_versions_in_one_folder(tmp_path: Path) -> None:
    """An interrupted upgrade leaves them."""
    install(tmp_path, "sympy", "Metadata-Version: 2.1\nName: sympy\nVersion: 1.14\n", "sympy")
    (tmp_path / "sympy-1.13.dist-info").mkdir()
    (tmp_path / "sympy-1.13.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: sympy\nVersion: 1.13\n")
    (what,) = errors(read(doctor(tmp_path), 1))
    assert "1.13 and 1.14" in what


def test_a_plug_in_that_does_not_load(tmp_path: Path) -> None:
    """Its package and the reason."""
    install(tmp_path, "mine", "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (tmp_path / "mine-0.dist-info" / "entry_points.txt").write_text(
        "[flopcalc.operators]\nmine = absent_module:OPERATOR\n[flopcalc.kernels]\nmine = other_absent:RULES\n"
    )
    found = errors(read(doctor(tmp_path), 1))
    assert any("mine 1.0, absent_module:OPERATOR" in one for one in found)
    assert any("other_absent" in one for one in found)


def test_missing_shipped_files(tmp_path: Path) -> None:
    """A wheel without its configs."""
    gone = (
        "from flopcalc.text import shipped_files\n"
        "real = shipped_files.folder\n"
        f"shipped_files.folder = lambda name: {str(tmp_path / 'none')!r} if name == 'devices' else real(name)\n"
    )
    (what,) = errors(read(doctor(before=gone), 1))
    assert str(tmp_path / "none") in what


def test_a_package_that_cannot_be_imported(tmp_path: Path) -> None:
    """Only --imports finds it, since nothing is imported otherwise."""
    install(tmp_path, "latex2mathml", "Metadata-Version: 2.1\nName: latex2mathml\nVersion: 99.0\n")
    (tmp_path / "latex2mathml.py").write_text("raise RuntimeError('a library\\nis missing')\n")
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    assert read(doctor(env=env), 0)["imported"] is False
    # Importing all other packages takes half a minute.
    only = (
        "import flopcalc.installation.doctor as d\n"
        "real = d.import_problem\n"
        "d.import_problem = lambda one: real(one) if one.requirement[:5] in ('latex', 'click', 'timm') else ''\n"
    )
    found = read(doctor(None, "--imports", before=only, env=env), 1)
    (what,) = errors(found)
    assert what == "latex2mathml is installed, but cannot be imported: RuntimeError: a library is missing"


def test_it_works_without_rich_and_yaml() -> None:
    """The command that says that they are missing needs neither."""
    source = (
        "import sys\nsys.modules['rich'] = sys.modules['yaml'] = None\n"
        "sys.stdout.isatty = lambda: True\n"
        "from flopcalc.cli.main import main\nsys.exit(main(['doctor']))"
    )
    done = fresh(source)
    assert done.code == 1, done.err
    for name in ("rich", "pyyaml"):
        assert f"Python does not find its module {'yaml' if name == 'pyyaml' else name}" in " ".join(done.out.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, tmp_path: Path) -> None:
    """Not installed, with the line to add; and installed, as docs/installing.md describes it."""
    env = {"HOME": str(tmp_path), "SHELL": f"/bin/{shell}", "ZDOTDIR": "", "XDG_CONFIG_HOME": ""}
    found = read(doctor(env=env), 0)["completion"]
    assert (found["shell"], found["installed"]) == (shell, False)
    guide = (ROOT / "docs" / "installing.md").read_text()
    assert found["line"] in guide
    file = Path(found["file"])
    assert file.is_relative_to(tmp_path)
    assert str(file).replace(str(tmp_path), "~") in guide
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"# {found['line']}\n")
    assert not read(doctor(env=env), 0)["completion"]["installed"]
    file.write_text(f"{found['line']}\n")
    assert read(doctor(env=env), 0)["completion"]["installed"]


def test_an_encoding_without_lines() -> None:
    """A note, and not an error."""
    found = read(doctor(env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}), 0)
    assert found["terminal"]["encoding"].lower() in ("ascii", "us-ascii")
    assert any("standard output is written in ascii" in one["what"] for one in found["problems"])


def test_the_text(run: Runner) -> None:
    """The table names every package and feature, also on a terminal of 40 columns."""
    done = run("doctor")
    assert done.code == 0, done.out
    for one in (*REQUIRED, *OPTIONAL, *COUNTERS):
        assert bounds(one.requirement)[0] in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert f"CPython {sys.version.split()[0]}" in done.out

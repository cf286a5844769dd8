"""Operators from other packages: found on a miss, usable wherever a name is, and clear when broken."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT, fresh

EXAMPLE = ROOT / "examples" / "flopcalc-flattened"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder into which pip has installed the example package."""
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("site")
    copy = tmp_path_factory.mktemp("source") / "example"
    shutil.copytree(EXAMPLE, copy)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(folder), str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return str(folder)


def _run(site: str, *arguments: str) -> tuple[int, str, str]:
    done = fresh(
        "import sys\nfrom flopcalc.cli.main import main\n" + f"sys.exit(main({list(arguments)!r}))",
        env={"PYTHONPATH": site},
    )
    return done.code, done.out, done.err


def test_the_example_works_wherever_a_name_does(site: str) -> None:
    """layer, compare, model, list, and a network's description; 64 -> 128: 128 * (64 + 3 + 3)."""
    code, out, err = _run(site, "layer", "--type", "flattened", "--cin", "64", "--cout", "128", "--format", "json")
    assert code == 0, err
    data = json.loads(out)
    assert (data["params"], data["macs"]) == (128 * 70, 128 * 70 * 56 * 56)
    assert data["equations"][0]["printed"] == data["params"]
    for command in (
        ["compare", "conv", "flattened", "--cin", "8"],
        ["model", "resnet50", "--replace", "flattened"],
        ["formula", "flattened"],
        ["formula", "resnet18", "--replace", "flattened"],
        ["cite", "flattened", "--as", "bibtex"],
    ):
        code, out, err = _run(site, *command)
        assert (code, err) == (0, ""), command
    assert "flattened" in _run(site, "list")[1]
    listed = json.loads(_run(site, "list", "--format", "json")[1])
    origins = {one["name"]: one["plug_in"] for one in listed["operators"] if one["plug_in"]}
    assert origins == {"flattened": "flopcalc-flattened 0.1.0, flopcalc_flattened:OPERATOR"}
    assert listed["notes"] == []
    # A near miss suggests it.
    assert "flattened" in _run(site, "layer", "--type", "flatened", "--cin", "8")[2]


def test_the_example_is_verified_like_our_own(site: str) -> None:
    """Formula, printed equations and count, over all shapes."""
    pytest.importorskip("torch")
    code, out, _ = _run(site, "verify", "flattened")
    assert code == 0, out
    assert "all agree" in out


def test_known_names_scan_nothing() -> None:
    """The metadata of installed packages is read for unknown names only."""
    source = (
        "import sys\nfrom flopcalc.cli.main import main\n"
        "main(['layer', '--type', 'conv', '--cin', '8', '--format', 'json'])\n"
        "main(['model', 'resnet50', '--replace', 'spconv', '--format', 'json'])\n"
        "sys.exit(9 if 'importlib.metadata' in sys.modules else 0)"
    )
    assert fresh(source).code == 0


def _install(folder: Path, content: str, name: str = "myop", package: str = "broken") -> str:
    """A package with one plug-in, as pip would leave it."""
    (folder / f"{package}_plug_in.py").write_text(content)
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[flopcalc.operators]\n{name} = {package}_plug_in:OPERATOR\n")
    return str(folder)


BROKEN = {
    "raise RuntimeError('a\\nb')": "RuntimeError: a b",
    "OPERATOR = 3": "is of type int, not an Operator",
    "from flopcalc.catalog import lookup\nOPERATOR = lookup.get('conv')": "the name of its operator is 'conv'",
    "from flopcalc.catalog import lookup\nOPERATOR = lookup.get('conw')": "unknown operator 'conw'",
    "": "AttributeError",
    "import sys\nsys.exit()": "SystemExit",
    "import sys\nsys.exit(0)": "SystemExit: 0",
    "raise BaseException('x')": "BaseException: x",
    "def f(: pass": "SyntaxError",
}


@pytest.mark.parametrize(("content", "message"), BROKEN.items())
def test_a_broken_plug_in_is_named(content: str, message: str, tmp_path: Path) -> None:
    """Where it is asked for: one line and a hint, exit code 2. Other commands work."""
    site = _install(tmp_path, content)
    code, out, err = _run(site, "layer", "--type", "myop", "--cin", "8")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 2
    assert message in err
    assert "the plug-in myop (broken 1.0, broken_plug_in:OPERATOR) cannot be used" in err


@pytest.mark.parametrize("arguments", [["list"], ["list", "operators"], ["list", "--matching", "--cin", "64"]])
def test_a_broken_plug_in_does_not_stop_a_listing(arguments: list[str], tmp_path: Path) -> None:
    """The operators are listed, and a note names the plug-in with the reason."""
    site = _install(tmp_path, "import sys\nprint('hello')\nsys.exit(3)")
    code, out, err = _run(site, *arguments, "--format", "json")
    data = json.loads(out)
    assert (code, err) == (0, "hello\n")
    assert data["notes"] == ["the plug-in myop (broken 1.0, broken_plug_in:OPERATOR) cannot be used: SystemExit: 3"]
    code, out, _ = _run(site, *arguments)
    assert code == 0
    assert "ghost" in out
    assert "SystemExit: 3" in " ".join(out.split())


@pytest.mark.parametrize(
    "arguments", [["compare", "conv", "ghost", "--cin", "8"], ["layer", "--type", "convv", "--cin", "8"]]
)
def test_a_broken_plug_in_is_not_loaded_for_others(arguments: list[str], tmp_path: Path) -> None:
    """Nothing of it is seen, a near miss of another name included."""
    code, _, err = _run(_install(tmp_path, "raise SystemExit('seen')"), *arguments)
    assert code == (0 if arguments[0] == "compare" else 2)
    assert "seen" not in err


def test_what_a_plug_in_prints_is_not_output(tmp_path: Path) -> None:
    """It goes to stderr: JSON on stdout stays JSON."""
    printing = "print('hello')\nfrom dataclasses import replace\nfrom flopcalc.catalog import lookup\n"
    site = _install(tmp_path, printing + "OPERATOR = replace(lookup.get('conv'), name='myop')")
    code, out, err = _run(site, "layer", "--type", "myop", "--cin", "8", "--format", "json")
    assert (code, err) == (0, "hello\n")
    assert json.loads(out)["params"] == 8 * 8 * 9


def test_a_formula_that_fails_is_the_plug_ins_error(tmp_path: Path) -> None:
    """Not a bug of flopcalc: exit code 2, with the plug-in's name."""
    failing = (
        "from dataclasses import replace\nfrom flopcalc.catalog import lookup\n"
        "def formula(g):\n    raise ValueError('no such size')\n    yield\n"
        "OPERATOR = replace(lookup.get('conv'), name='myop', formula=formula)"
    )
    code, out, err = _run(_install(tmp_path, failing), "layer", "--type", "myop", "--cin", "8")
    assert (code, out) == (2, "")
    assert "myop (broken 1.0" in err
    assert "ValueError: no such size" in err


@pytest.mark.parametrize("content", ["import sys\nsys.exit(0)", "import no_such_package", "LAYER = 1 / 0"])
def test_a_module_that_fails_is_the_plug_ins_error(content: str, tmp_path: Path) -> None:
    """Its cost is known by formula; what needs the module names the plug-in, exit code 2."""
    pytest.importorskip("torch")
    (tmp_path / "broken_layer.py").write_text(f"print('hello')\n{content}")
    copied = "from dataclasses import replace\nfrom flopcalc.catalog import lookup\n"
    site = _install(tmp_path, copied + "OPERATOR = replace(lookup.get('conv'), name='myop', layer_file='broken_layer')")
    assert _run(site, "layer", "--type", "myop", "--cin", "8")[0] == 0
    code, out, err = _run(site, "verify", "myop", "--cin", "8", "--format", "json")
    assert (code, out) == (2, "")
    assert "the plug-in myop (broken_layer) cannot be used" in err
    assert "hello" in err


def test_a_plug_in_cannot_take_the_name_of_our_operators(tmp_path: Path) -> None:
    """Ours is used, and the listing says so. Of two plug-ins of one name neither is used."""
    site = _install(tmp_path, "raise SystemExit", name="ghost")
    assert _run(site, "layer", "--type", "ghost", "--cin", "8")[0] == 0
    assert "flopcalc has an operator of that name" in " ".join(_run(site, "list")[1].split())
    _install(tmp_path, "raise SystemExit", name="relu", package="relu")
    code, _, err = _run(site, "layer", "--type", "relu", "--cin", "8")
    assert code == 2
    assert "flopcalc has a primitive layer of that name" in err
    assert _run(site, "model", "resnet18")[0] == 0
    _install(tmp_path, "OPERATOR = 1", package="one")
    _install(tmp_path, "OPERATOR = 2", package="two")
    code, _, err = _run(site, "layer", "--type", "myop", "--cin", "8")
    assert code == 2
    assert "has the same name" in err


def test_damaged_metadata_of_another_package_stop_nothing(site: str, tmp_path: Path) -> None:
    """The other plug-ins are found."""
    info = tmp_path / "damaged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: damaged\n")
    (info / "entry_points.txt").write_text("[console_scripts]\nnonsense\n")
    code, out, err = _run(f"{tmp_path}:{site}", "layer", "--type", "flattened", "--cin", "8", "--format", "json")
    assert code == 0, err
    assert json.loads(out)["type"] == "flattened"


COPY = "from dataclasses import replace\nfrom flopcalc.catalog import lookup\nfrom flopcalc.cost import parts\n"


def test_a_plug_in_without_a_module_is_checked_too(tmp_path: Path) -> None:
    """`verify` cannot count it, and names a part that no shape and no option has."""
    pytest.importorskip("torch")
    made = f"{COPY}def formula(g):\n    yield parts.act('a', g.c_in, g.p_in, after=('b',))\n"
    made += "OPERATOR = replace(lookup.get('linear'), name='myop', limits=(), equations=(), params=(), formula=formula)"
    site = _install(tmp_path, made)
    code, out, err = _run(site, "verify", "myop")
    assert (code, out) == (2, "")
    assert "`after` of part a names 'b'; its parts are a" in err
    assert "did you mean myop?" in _run(site, "verify", "myopp")[2]


WRONG_NUMBERS = {
    "parts.conv('a', -1, g.c_out, 1, 1, 1)": "params of part a is -8, less than 0",
    "parts.conv('a', 10**301, g.c_out, 1, 1, 1)": "params of part a is more than 10^300",
    "parts.conv('a', g.c_in * 1.0, 1, 1, 1, 1)": "params of part a is 8.0, not an int",
    "parts.act('a', g.c_in * 1.0, 1)": "other of part a is 8.0, not an int",
    "parts.act('a', 1, 1, after='b')": "`after` of part a is 'b', not a tuple of names",
}


@pytest.mark.parametrize(("part", "message"), WRONG_NUMBERS.items())
def test_a_cost_that_is_not_a_count(part: str, message: str, tmp_path: Path) -> None:
    """A negative number, a float, or a text for `after`: the plug-in cannot be used, exit code 2."""
    made = f"{COPY}def formula(g):\n    yield {part}\n"
    made += "OPERATOR = replace(lookup.get('conv'), name='myop', formula=formula)"
    code, out, err = _run(_install(tmp_path, made), "layer", "--type", "myop", "--cin", "8")
    assert (code, out) == (2, "")
    assert "the plug-in myop (broken 1.0, broken_plug_in:OPERATOR) cannot be used" in err
    assert message in err


FAILING = {
    "formula": "formula=lambda g: [1 / 0]",
    "rule": "rules=(Rule('x', lambda g, named: 1 / 0, 'x'),)",
    "policy": "policy=Policy('x', lambda site: 1 / 0)",
    "shape": "out_shape=lambda g, named: 1 / 0",
}


@pytest.mark.parametrize("change", FAILING.values(), ids=FAILING)
def test_a_plug_in_that_fails_is_not_a_reason(change: str, tmp_path: Path) -> None:
    """A convolution does not stay because the operator fails: exit code 2. A listing has a note."""
    made = COPY + "from flopcalc.spec.operator import Policy, Rule\n"
    site = _install(tmp_path, f"{made}OPERATOR = replace(lookup.get('conv'), name='myop', {change})")
    code, out, err = _run(site, "model", "resnet18", "--replace", "myop")
    assert (code, out) == (2, "")
    assert "the plug-in myop" in err
    assert "ZeroDivisionError" in err
    code, out, _ = _run(site, "list", "--matching", "--cin", "64", "--format", "json")
    assert code == 0
    assert "ZeroDivisionError" in json.loads(out)["notes"][0]


def test_errata_of_plug_ins(tmp_path: Path) -> None:
    """Without names: all operators, those of plug-ins included; one that cannot be used is a note."""
    site = _install(tmp_path, COPY + "OPERATOR = replace(lookup.get('ghost'), name='myop')", package="good")
    _install(tmp_path, "raise SystemExit", name="other")
    code, out, err = _run(site, "errata", "--format", "json")
    assert (code, err) == (0, "")
    data = json.loads(out)
    assert {"ghost", "myop"} <= {row["operator"] for row in data["rows"]}
    assert ["the plug-in other" in note for note in data["notes"]] == [True]


LAYER = """
from torch import nn
class LAYER(nn.Module):
    def __init__(self, c_in, c_out, k, stride=1, padding=0, dilation=1, groups=1, *{bias}, device=None, dtype=None):
        super().__init__()
        self.{child} = nn.Conv2d(c_in, c_out, k, stride, padding, dilation, groups, bias, device=device, dtype=dtype)
    def forward(self, x):
        return {forward}
"""
CONV = "self.conv(x)"


def _with_module(folder: Path, record: str = "", **fields: str) -> str:
    (folder / "my_layer.py").write_text(
        LAYER.format(**{"bias": ", bias=False", "child": "conv", "forward": CONV, **fields})
    )
    return _install(folder, f"{COPY}OPERATOR = replace(lookup.get('conv'), name='myop', layer_file='my_layer'{record})")


def test_arguments_that_a_module_does_not_take(tmp_path: Path) -> None:
    """The hint names the file of the module and what it takes."""
    pytest.importorskip("torch")
    site = _with_module(tmp_path, bias=", biases=False", child="conv")
    code, _, err = _run(site, "verify", "myop", "--cin", "8")
    assert code == 2
    assert "unexpected keyword argument 'bias'" in err
    assert "my_layer.py: the module takes the arguments of nn.Conv2d, and the operator's options" in err


def test_a_kernel_outside_the_parts(tmp_path: Path) -> None:
    """The difference is explained once, with what to do."""
    pytest.importorskip("torch")
    site = _with_module(tmp_path, forward=f"{CONV} + 1")
    code, out, _ = _run(site, "verify", "myop")
    assert code == 1
    assert "a kernel runs in no child of the module" in " ".join(out.split())
    assert len(out.splitlines()) < 150


def test_a_part_that_does_not_exist(tmp_path: Path) -> None:
    """verify names it, since a cost of a part that is missing would be 0."""
    pytest.importorskip("torch")
    wrong = ", equations=(lookup.get('conv').equations[0]._replace(gives='params of cnov'),)"
    code, out, err = _run(_with_module(tmp_path, wrong), "verify", "myop")
    assert (code, out) == (2, "")
    assert "gives 'params of cnov'; its parts are conv" in err


def test_a_plug_in_where_a_network_is_expected(site: str) -> None:
    """The hint says so, as it does for an operator of flopcalc."""
    code, _, err = _run(site, "model", "flattened")
    assert code == 2
    assert "flattened is an operator: see flopcalc layer" in err

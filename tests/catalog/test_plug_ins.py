"""Operators from other packages: found on a miss, usable wherever a name is, and clear when broken."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT, fresh

EXAMPLE = ROOT / "examples" / "flopcalc-bsconv"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder into which pip has installed the example package."""
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
    """layer, compare, model, list, and a network's description; 64 -> 128: 64 * 128 + 128 * 9."""
    code, out, err = _run(site, "layer", "--type", "bsconv", "--cin", "64", "--cout", "128", "--format", "json")
    assert code == 0, err
    data = json.loads(out)
    assert (data["params"], data["macs"]) == (64 * 128 + 128 * 9, (64 * 128 + 128 * 9) * 56 * 56)
    assert data["equations"][0]["printed"] == data["params"]
    for command in (
        ["compare", "conv", "bsconv", "--cin", "8"],
        ["model", "resnet50", "--replace", "bsconv"],
        ["formula", "bsconv"],
        ["cite", "bsconv", "--as", "bibtex"],
    ):
        code, out, err = _run(site, *command)
        assert (code, err) == (0, ""), command
    assert "bsconv" in _run(site, "list")[1]
    # A near miss suggests it.
    assert "bsconv" in _run(site, "layer", "--type", "bsconw", "--cin", "8")[2]


def test_the_example_is_verified_like_our_own(site: str) -> None:
    """Formula, print and count, over all shapes."""
    pytest.importorskip("torch")
    code, out, _ = _run(site, "verify", "bsconv")
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("raise RuntimeError('a\\nb')", "RuntimeError: a b"),
        ("OPERATOR = 3", "it is a int"),
        ("from flopcalc.catalog import lookup\nOPERATOR = lookup.get('conv')", "calls itself 'conv'"),
        ("", "AttributeError"),
    ],
)
def test_a_broken_plug_in_is_named(content: str, message: str, tmp_path: Path) -> None:
    """One line and a hint, exit code 2."""
    (tmp_path / "broken_plug_in.py").write_text(content)
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flopcalc.operators]\nmyop = broken_plug_in:OPERATOR\n")
    code, out, err = _run(str(tmp_path), "layer", "--type", "myop", "--cin", "8")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 2
    assert message in err
    assert "myop (broken_plug_in:OPERATOR)" in err

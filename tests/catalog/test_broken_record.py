"""A mistake in the file of an operator in flopcalc: an error that names the file, and listings work."""

import json
from pathlib import Path

import pytest
from helpers import Run, fresh

COPY = "from dataclasses import replace\nfrom flopcalc.catalog import lookup\n"
BROKEN = {
    "syntax": ("def f(: pass", "SyntaxError"),
    "no operator": ("", "AttributeError"),
    "another name": (COPY + "OPERATOR = lookup.get('conv')", "it must define OPERATOR, an Operator with the name"),
    "another type": ("OPERATOR = 3", "it must define OPERATOR, an Operator with the name 'regroup'"),
    "unknown argument": (
        COPY + "OPERATOR = replace(lookup.get('conv'), name='regroup', formula=lambda g, wide: ())",
        "reads wide",
    ),
    "bad default": (
        COPY + "from flopcalc.spec.operator import Param\n"
        "OPERATOR = replace(lookup.get('conv'), name='regroup', params=(Param('bias', 'bool', 'maybe', 'x'),))",
        "option bias",
    ),
    "an error of flopcalc": (COPY + "lookup.get('conw')", "unknown operator 'conw'"),
    "an exit": ("raise SystemExit(0)", "SystemExit"),
}


def _run(folder: Path, content: str, *arguments: str) -> Run:
    """A command of a flopcalc that has one more operator; its index is out of date, as after each change."""
    (folder / "regroup.py").write_text(content)
    return fresh(
        f"import sys\nfrom flopcalc import operators\noperators.__path__.append({str(folder)!r})\n"
        "from flopcalc.targets import index\nindex.checksum = lambda: '0'\n"
        f"from flopcalc.cli.main import main\nsys.exit(main({list(arguments)!r}))"
    )


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_the_file_is_named(content: str, message: str, tmp_path: Path) -> None:
    """Where the operator is asked for: one line and a hint, exit code 2."""
    done = _run(tmp_path, content, "layer", "--type", "regroup", "--cin", "8")
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 2
    assert "flopcalc/operators/regroup.py cannot be used: " in done.err
    assert message in done.err


@pytest.mark.parametrize(
    "arguments", [["list"], ["list", "networks"], ["list", "--matching", "--cin", "64"], ["errata"]], ids=" ".join
)
def test_listings_have_a_note(arguments: list[str], tmp_path: Path) -> None:
    """The other operators are shown."""
    done = _run(tmp_path, "x = 1 / 0", *arguments, "--format", "json")
    assert (done.code, done.err) == (0, "")
    data = json.loads(done.out)
    assert data["notes"] == ["flopcalc/operators/regroup.py cannot be used: ZeroDivisionError: division by zero"]
    assert "ghost" in done.out or arguments == ["list", "networks"]


def test_other_commands_do_not_load_it(tmp_path: Path) -> None:
    """Of cite, only the paper is missing."""
    assert _run(tmp_path, "x = 1 / 0", "layer", "--type", "ghost", "--cin", "8").code == 0
    assert _run(tmp_path, "x = 1 / 0", "cite").code == 0

"""The command line: golden texts, the JSON contracts, every format, and every kind of bad input."""

import csv
import io
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from helpers import ROOT, Runner, for_author, fresh

from flopcalc.cli.main import COMMANDS, cli
from flopcalc.errors import FlopcalcError

GOLDEN = {
    "layer_compconv": ["layer", "--type", "compconv", "--cin", "256"],
    "layer_spconv_thop": [
        "layer",
        "--type",
        "spconv",
        "--cin",
        "64",
        "--stride",
        "2",
        "--set",
        "norm=true",
        "--convention",
        "thop-2019",
    ],
    "layer_ghost_markdown": ["layer", "--type", "ghost", "--cin", "64", "--format", "markdown"],
    "layer_huge": ["layer", "--type", "conv", "--cin", str(10**30)],
    "compare": ["compare", "conv", "ghost", "spconv", "compconv", "--cin", "256", "--cout", "256", "--hw", "28"],
    "compare_latex": ["compare", "conv", "dsc:bias=true", "--cin", "64", "--format", "latex"],
    "model": ["model", "resnet50"],
    "model_spconv": ["model", "resnet50", "--replace", "spconv:alpha=1/4"],
    "model_by_type": ["model", "resnet50", "--by", "type", "--convention", "fvcore"],
    "model_by_layer": ["model", "resnet50", "--by", "layer"],
    "list": ["list"],
    "help": ["--help"],
}
GOLDEN_SYMPY = {
    "formula_compconv": ["formula", "compconv"],
    "formula_ghost_latex": ["formula", "ghost", "--as", "latex"],
    "formula_spconv_python": ["formula", "spconv", "--as", "python"],
}


@pytest.mark.parametrize("name", [*GOLDEN, *GOLDEN_SYMPY])
def test_golden(name: str, run: Runner, request: pytest.FixtureRequest) -> None:
    """The text is the one that was last reviewed; --golden-update rewrites it."""
    if name in GOLDEN_SYMPY:
        pytest.importorskip("sympy")
    done = run(*(GOLDEN | GOLDEN_SYMPY)[name])
    assert (done.code, done.err) == (0, "")
    path = ROOT / "tests" / "golden" / f"{name}.txt"
    if request.config.getoption("--golden-update"):
        path.write_text(done.out)
    assert done.out == path.read_text()
    if "latex" not in name and "markdown" not in name and "python" not in name:
        assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [GOLDEN["model"], GOLDEN["model_by_layer"], GOLDEN["model_spconv"]])
def test_printed_rows_add_up(arguments: list[str], run: Runner) -> None:
    """The numbers of each shown column sum to the shown total."""
    data = json.loads(run(*arguments, "--format", "json").out)
    by = () if "--by" in arguments else ("--by", "stage")
    rows = list(csv.DictReader(io.StringIO(run(*arguments, *by, "--format", "csv").out)))
    assert sum(int(row["params"]) for row in rows) == data["params"]
    assert sum(int(row["MACs"]) for row in rows) == data["macs"]
    table = run(*arguments).out
    assert f"{data['params']:,}" in table
    assert f"{data['macs']:,}" in table
    for row in rows:
        assert f"{int(row['MACs']):,}" in table


def test_layer_json(run: Runner) -> None:
    """The contract flopcalc/layer/1: names, kinds of values, and the values of the README's command."""
    data = json.loads(run("layer", "--type", "compconv", "--cin", "256", "--format", "json").out)
    expected: dict[str, Any] = {
        "schema": "flopcalc/layer/1",
        "type": "compconv",
        "derived": {"d": 3, "c_prim": 19},
        "params": 160_740,
        "macs": 504_080_640,
        "flops": 1_008_161_280,
        "activations": (19 * (1 + 2 + 4 + 4) + 0) * 56 * 56,
        "steps": 8,
        "baseline": {"type": "conv", "params": 589_824, "macs": 1_849_688_064},
        "ratio": {"params": 160_740 / 589_824, "macs": 504_080_640 / 1_849_688_064},
        "convention": "macs",
    }
    assert {key: data[key] for key in expected} == expected
    assert data["inputs"] == {
        "cin": 256,
        "cout": 256,
        "k": 3,
        "h": 56,
        "w": 56,
        "stride": 1,
        "padding": 1,
        "dilation": 1,
        "groups": 1,
        "batch": 1,
    }
    assert data["options"] == {
        "c0": 128,
        "depth": None,
        "depth_rule": "max",
        "tail": "conv",
        "identity": "average",
        "shuffle": True,
        "shuffle_groups": 2,
        "norm": False,
        "activation": False,
    }
    assert sum(part["macs"] for part in data["parts"]) == data["macs"]
    assert {"name", "params", "macs"} <= set(data["parts"][0])
    eighth = [equation for equation in data["equations"] if equation["number"] == "8"]
    assert [(e["status"], e["printed"], e["value"]) for e in eighth] == [
        ("corrected", 343_203_840, 504_080_640),
        ("printed", None, None),
    ]
    assert all(isinstance(note, str) for note in data["notes"])


def test_layer_json_pairs_and_fractions(run: Runner) -> None:
    """Non-square kernels and strides are lists; fractions are text."""
    command = ["layer", "--type", "spconv", "--cin", "64", "-k", "3x5", "--stride", "2x1", "--hw", "9x8"]
    data = json.loads(run(*command, "--format", "json").out)
    assert (data["inputs"]["k"], data["inputs"]["stride"], data["inputs"]["padding"]) == ([3, 5], [2, 1], [1, 2])
    assert (data["inputs"]["h"], data["inputs"]["w"], data["output"]) == (9, 8, [64, 5, 8])
    assert data["options"]["alpha"] == "1/2"


def test_model_json(run: Runner) -> None:
    """The contract flopcalc/model/1."""
    data = json.loads(run("model", "resnet50", "--replace", "spconv", "--format", "json").out)
    assert {
        "schema",
        "name",
        "input",
        "replace",
        "params",
        "macs",
        "flops",
        "activations",
        "baseline",
        "replaced",
        "skipped",
        "layers",
        "uncounted",
        "convention",
    } <= set(data)
    assert (data["schema"], data["name"], data["input"]) == ("flopcalc/model/1", "resnet50", [3, 224, 224])
    assert (data["replace"], data["replaced"], len(data["skipped"])) == ("spconv", 16, 37)
    assert data["baseline"] | {} == {"params": 25_557_032, "macs": 4_089_184_256, "cost": 4_089_184_256}
    layer = next(layer for layer in data["layers"] if layer["name"] == "layer1.0.conv2")
    # L M (k^2 / 4 + 1) = 64 * 64 * 3.25.
    assert (layer["type"], layer["params"], layer["macs"]) == ("spconv", 13_312, 13_312 * 56 * 56)
    assert (layer["in"], layer["out"]) == ([64, 56, 56], [64, 56, 56])
    assert sum(layer["params"] for layer in data["layers"]) == data["params"]
    plain = json.loads(run("model", "resnet50", "--format", "json").out)
    assert (plain["replace"], plain["baseline"], plain["replaced"], plain["skipped"]) == (None, None, 0, [])


def test_compare_json(run: Runner) -> None:
    """The contract flopcalc/compare/1: rows are layer objects."""
    data = json.loads(run("compare", "conv", "spconv:alpha=1/4", "--cin", "64", "--format", "json").out)
    assert data["schema"] == "flopcalc/compare/1"
    assert [row["schema"] for row in data["rows"]] == ["flopcalc/layer/1"] * 2
    assert data["rows"][1]["options"]["alpha"] == "1/4"


def test_verify_json_and_exit_codes(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract flopcalc/verify/1; 0 when all agree, 1 on any difference."""
    pytest.importorskip("torch")
    done = run("verify", "spconv", "--cin", "64", "--format", "json")
    data = json.loads(done.out)
    assert (done.code, data["schema"], data["failed"]) == (0, "flopcalc/verify/1", 0)
    assert data["checked"] == len(data["rows"]) > 5
    assert all(row["agrees"] for row in data["rows"])
    # Break the formula: the same command must notice, name the part, and exit with 1.
    from flopcalc.cost import parts

    real = parts.conv
    monkeypatch.setattr(parts, "conv", lambda *a, **k: real(*a, **k)._replace(macs=real(*a, **k).macs + 1))
    done = run("verify", "dsc", "--cin", "64")
    assert done.code == 1
    assert "NO" in done.out
    done = run("verify", "dsc")
    assert done.code == 1
    assert "Differences" in done.out
    # One line for each part and quantity, not for each case.
    assert len(done.out.splitlines()) < 60
    # 23 shapes, with the defaults and six options one at a time.
    assert done.out.count(f"cases     {23 * 7}") == 3


def test_verify_everything(run: Runner) -> None:
    """The command that CI runs: every operator and network, in all three ways."""
    pytest.importorskip("torch")
    done = run("verify")
    assert done.code == 0, done.out
    for name in ("compconv", "conv", "dsc", "ghost", "sic", "spconv", "resnet50 --replace spconv"):
        assert name in done.out


@pytest.mark.parametrize("fmt", ["table", "json", "csv", "markdown", "latex", "html"])
@pytest.mark.parametrize("command", ["layer", "compare", "model", "list", "reproduce"])
def test_every_format(command: str, fmt: str, run: Runner, tmp_path: Path) -> None:
    """On the terminal and into a file, the same content; the file ends in a newline."""
    arguments = {
        "layer": ["layer", "--type", "sic", "--cin", "64"],
        "compare": ["compare", "conv", "sic", "--cin", "64"],
        "model": ["model", "resnet50", "--replace", "ghost"],
        "list": ["list"],
        "reproduce": ["reproduce", "hetconv"],
    }[command]
    shown = run(*arguments, "--format", fmt)
    assert shown.code == 0
    path = tmp_path / "out.txt"
    assert run(*arguments, "--format", fmt, "-o", str(path)).out == ""
    written = path.read_text()
    assert written.endswith("\n")
    if fmt != "table":
        assert written == shown.out
    if fmt == "json":
        json.loads(written)
    if fmt == "html":
        assert written.count("<table>") == written.count("</table>") >= 1
        assert "<script" not in written
    if fmt == "latex":
        assert written.count(r"\begin{tabular}") == written.count(r"\end{tabular}") >= 1
    assert list(tmp_path.iterdir()) == [path]


def test_the_suffix_chooses_the_format(run: Runner, tmp_path: Path) -> None:
    """-o table.csv writes CSV."""
    for suffix, start in ((".json", "{"), (".csv", "operator,"), (".md", "##"), (".tex", "%"), (".html", "<!doctype")):
        path = tmp_path / f"out{suffix}"
        assert run("compare", "conv", "--cin", "8", "-o", str(path)).code == 0
        assert path.read_text().startswith(start)


SHAPE = ["--type", "conv", "--cin", "64"]
BAD = {
    "zero channels": (["layer", "--type", "conv", "--cin", "0"], "--cin is '0'"),
    "negative channels": (["layer", "--type", "conv", "--cin", "-3"], "--cin is '-3'"),
    "no number": (["layer", "--type", "conv", "--cin", "abc"], "'abc'"),
    "a fraction": (["layer", "--type", "conv", "--cin", "2.5"], "'2.5'"),
    "too large": (["layer", "--type", "conv", "--cin", "9" * 150], "10^100"),
    "absurdly large": (["layer", "--type", "conv", "--cin", "9" * 100_000], "whole number"),
    "alpha above one": (["layer", "--type", "spconv", "--cin", "64", "--set", "alpha=3/2"], "alpha is '3/2'"),
    "odd spconv": (["layer", "--type", "spconv", "--cin", "63"], "divisible"),
    "unequal sic": (["layer", "--type", "sic", "--cin", "64", "--cout", "32"], "c_in = 64 and c_out = 32"),
    "sic dims": (["layer", "--type", "sic", "--cin", "64", "--set", "dims=4,6"], "24 channels"),
    "sic neighbourhood": (
        ["layer", "--type", "sic", "--cin", "24", "--set", "dims=4,6", "--set", "neighbourhood=5,1"],
        "fit",
    ),
    "compconv 3 to 64": (
        ["layer", "--type", "compconv", "--cin", "3", "--cout", "64", "--set", "depth=3"],
        "15 input channels",
    ),
    "unknown operator": (["layer", "--type", "compcon", "--cin", "64"], "'compcon'"),
    "a path as operator": (["layer", "--type", "../operators/conv", "--cin", "64"], "unknown operator"),
    "a private file as operator": (["layer", "--type", "_slides", "--cin", "64"], "unknown operator"),
    "unknown network": (["model", "resnet5"], "'resnet5'"),
    "unknown command": (["lyer"], "'lyer'"),
    "unknown flag": (["layer", *SHAPE, "--stirde", "2"], "--stirde"),
    "unknown option": (["layer", "--type", "ghost", "--cin", "64", "--set", "q=2"], "'q'"),
    "option without value": (["layer", "--type", "ghost", "--cin", "64", "--set", "s"], "name=value"),
    "option twice": (["layer", "--type", "ghost", "--cin", "64", "--set", "s=2", "--set", "s=3"], "twice"),
    "wrong type": (["layer", "--type", "ghost", "--cin", "64", "--set", "norm=3"], "norm"),
    "even cheap kernel": (["layer", "--type", "ghost", "--cin", "64", "--set", "d=2"], "even"),
    "groups": (["layer", *SHAPE, "--groups", "3"], "groups = 3"),
    "kernel": (["layer", *SHAPE, "-k", "3x3x3"], "'3x3x3'"),
    "kernel too large": (["layer", *SHAPE, "-k", "9", "--hw", "3", "--padding", "0"], "does not fit"),
    "even kernel": (["layer", "--type", "spconv", "--cin", "64", "-k", "4"], "no centre"),
    "two sizes": (["layer", *SHAPE, "--hw", "8", "--h", "7"], "--hw"),
    "format": (["layer", *SHAPE, "--format", "xml"], "xml"),
    "convention": (["layer", *SHAPE, "--convention", "flop"], "'flop'"),
    "missing cin": (["layer", "--type", "conv"], "--cin"),
    "missing type": (["layer", "--cin", "3"], "--type"),
    "output in no folder": (["layer", *SHAPE, "-o", "/nonexistent/x.json"], "cannot write"),
    "output is a folder": (["layer", *SHAPE, "-o", "."], "cannot write"),
    "output name with NUL": (["layer", *SHAPE, "-o", "a\0b"], "cannot write"),
    "replace option": (["model", "resnet50", "--replace", "spconv:alpha=3/2"], "alpha"),
    "replace name": (["model", "resnet50", "--replace", "spconw"], "'spconw'"),
    "replace with nothing": (["model", "resnet50", "--replace", ""], "unknown operator"),
    "network option": (["model", "resnet50", "--set", "width=2"], "'width'"),
    "network option value": (["model", "resnet50", "--set", "classes=0"], "classes is '0'"),
    "network choice": (["model", "resnet50", "--set", "stride_in=v3"], "v1.5"),
    "network setting": (["model", "resnet50", "--set", "classes"], "name=value"),
    "input": (["model", "resnet50", "--input", "3x224"], "channels x height x width"),
    "input text": (["model", "resnet50", "--input", "axbxc"], "channels x height x width"),
    "batch": (["model", "resnet50", "--batch", "0"], "--batch is '0'"),
    "absent file": (["model", "./absent.yaml"], "cannot read"),
    "verify name": (["verify", "spconw"], "'spconw'"),
    "verify shape without operator": (["verify", "--cin", "8"], "exactly one operator"),
    "verify shape with two": (["verify", "conv", "dsc", "--cin", "8"], "exactly one operator"),
    "formula option": (["formula", "spconv", "--set", "alpha=2"], "alpha"),
    "compare one that cannot": (["compare", "conv", "sic", "--cin", "8", "--cout", "9"], "sic does not apply"),
    "tiny exponent": (["layer", "--type", "spconv", "--cin", "4", "--set", "alpha=1e-9999999999"], "alpha"),
    "small exponent": (["layer", "--type", "spconv", "--cin", "4", "--set", "alpha=1e-99999"], "alpha"),
    "underscores": (["layer", "--type", "conv", "--cin", "1_000"], "'1_000'"),
    "other digits": (["layer", "--type", "conv", "--cin", "\uff11\uff12"], "whole number"),
    "zero dims": (["layer", "--type", "sic", "--cin", "4", "--set", "dims=0,1"], "positive"),
    "input too large": (["model", "resnet50", "--input", "3x100000000000x7"], "10^9"),
    "formula where an operator does not apply": (["formula", "ghost", "--set", "d=2"], "even"),
    "formula of no torus": (["formula", "sic", "--set", "neighbourhood=3,3"], "without dims"),
    "formula too deep": (["formula", "compconv", "--set", "depth=64"], "depth 64"),
    "too large to build": (["verify", "conv", "--cin", str(10**30)], "cannot build"),
    "compare nothing": (["compare", "--cin", "8"], "OPERATOR"),
    "reproduce an unknown paper": (["reproduce", "ghostnett"], "'ghostnett'"),
    "reproduce an unknown verdict": (["reproduce", "--only", "right"], "'right'"),
    "reproduce an absent file": (["reproduce", "./absent.yaml"], "cannot read"),
    "errata of nothing": (["errata", "shiftnett"], "'shiftnett'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says what is wrong, one that says what to do, exit code 2, nothing written."""
    monkeypatch.chdir(tmp_path)
    if name == "too large to build":
        pytest.importorskip("torch")
    arguments, message = BAD[name]
    done = run(*arguments)
    assert done.code == 2
    assert done.out == ""
    lines = done.err.splitlines()
    assert len(lines) == 2, done.err
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint:  ")
    assert len(lines[1]) > 10
    assert message in lines[0]
    assert len(lines[0]) < 300
    assert list(tmp_path.iterdir()) == []


def test_an_error_has_one_line_and_one_hint() -> None:
    """Whatever text of a user is put into it; also after pickling."""
    error = pickle.loads(pickle.dumps(FlopcalcError("bad-x", "x is 'a\x0cb'\n", "write\r\n  2\u2028:4")))  # noqa: S301
    assert (error.message, error.hint) == ("x is 'a b'", "write 2 :4")


def test_no_newline_reaches_an_error(run: Runner, tmp_path: Path) -> None:
    """Names with newlines are shown on one line, and do not break tables or LaTeX."""
    path = tmp_path / "net.yaml"
    path.write_text(
        'input: [3, 8, 8]\nblocks: {x: {args: {"a\\nb": 1}, layers: [{c: relu}]}}\nlayers:\n  - y: {block: x}\n'
    )
    done = run("model", str(path))
    assert (done.code, len(done.err.splitlines())) == (2, 2)
    path.write_text('title: "x\\n\\\\input{x}"\ninput: [3, 8, 8]\nlayers:\n  - a: {op: relu, stage: "p\\nq|r"}\n')
    written = run("model", str(path), "--format", "latex").out
    assert all("input{" not in line or line.startswith("%") for line in written.splitlines())
    assert r"p q\textbar{}r" in written
    assert "p q|r" in run("model", str(path)).out


def test_output_to_links_and_special_files(run: Runner, tmp_path: Path) -> None:
    """A link is followed; a device stays a device."""
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    assert run("layer", *SHAPE, "-o", str(link)).code == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["type"] == "conv"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert run("layer", *SHAPE, "--format", "json", "-o", str(pipe)).code == 0
    assert json.loads(os.read(reader, 1 << 20))["type"] == "conv"
    os.close(reader)
    assert pipe.is_fifo()


def test_a_full_disk_is_no_bug_of_ours() -> None:
    """Writing the result fails: exit code 2, two lines."""
    source = (
        "import subprocess, sys\n"
        "with open('/dev/full', 'w') as full:\n"
        "    p = subprocess.run([sys.executable, '-m', 'flopcalc', 'layer', '--type', 'conv', '--cin', '8'],"
        " stdout=full, stderr=subprocess.PIPE, text=True)\n"
        "print(p.returncode, len(p.stderr.splitlines()), p.stderr)"
    )
    assert fresh(source).out.startswith("2 2 error: cannot write the output: No space left")


def test_compare_shows_shapes_that_differ(run: Runner) -> None:
    """A linear layer has kernel 1 of its own; the table says so, and CSV has each column once."""
    done = run("compare", "linear", "conv", "--cin", "8")
    assert "Shapes that differ" in done.out
    assert "8->8 1x1 1x1" in done.out
    assert "8->8 3x3 56x56" in done.out
    header = run("compare", "conv", "dsc", "--cin", "8", "--format", "csv").out.splitlines()[0].split(",")
    assert len(header) == len(set(header))
    assert {"params_ratio", "MACs_ratio"} <= set(header)


def test_suggestions(run: Runner) -> None:
    """The nearest name is in the hint."""
    assert "compconv" in run("layer", "--type", "compcon", "--cin", "64").err.splitlines()[1]
    assert "resnet50" in run("model", "resnet5").err.splitlines()[1]
    assert "alpha" in run("layer", "--type", "spconv", "--cin", "64", "--set", "alhpa=1").err.splitlines()[1]
    assert "layer" in run("lyer").err.splitlines()[1]


def test_a_bad_network_file(run: Runner, tmp_path: Path) -> None:
    """File, line, layer and both shapes; a Python tag is refused and runs nothing."""
    path = tmp_path / "net.yaml"
    marker = tmp_path / "ran"
    path.write_text(f"x: !!python/object/apply:os.mkdir ['{marker}']\n")
    done = run("model", str(path))
    assert done.code == 2
    assert "line 1" in done.err
    assert not marker.exists()
    path.write_text("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, out: 4}\n  - b: {op: add, from: [a, input]}\n")
    done = run("model", str(path))
    assert (done.code, len(done.err.splitlines())) == (2, 2)
    assert f"{path}, line 4: layer b (add): its inputs differ in shape: 4x8x8 and 3x8x8" in done.err


def test_an_interrupted_write_leaves_the_old_file(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written whole or not at all."""
    path = tmp_path / "out.json"
    path.write_text("old")

    def fails(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fails)
    done = run("layer", *SHAPE, "-o", str(path))
    assert done.code == 2
    assert "No space left" in done.err
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(run: Runner, tmp_path: Path) -> None:
    """Refused with the reason of the system."""
    tmp_path.chmod(0o500)
    assert "ermission" in run("layer", *SHAPE, "-o", str(tmp_path / "x.json")).err


def test_a_bug_is_reported_without_traceback(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 70; --debug shows the traceback."""
    from flopcalc.cli import layer

    def broken(*_: object) -> None:
        raise RuntimeError("a\nb")

    monkeypatch.setattr(layer, "emit", broken)
    done = run("layer", *SHAPE)
    assert done.code == 70
    assert done.err.splitlines()[0] == "error: a bug in flopcalc (RuntimeError: a b)"
    assert "Traceback" not in done.err
    done = run("layer", *SHAPE, "--debug")
    assert done.code == 70
    assert done.err.startswith("Traceback")
    assert "RuntimeError: a" in done.err


def test_debug_shows_the_traceback_of_an_error(run: Runner) -> None:
    """At any place of the command line; the exit code is that of the error, since 1 means that a check failed."""
    done = run("layer", "--type", "nope", "--cin", "3", "--debug")
    assert done.code == 2
    assert done.err.startswith("Traceback")
    assert "unknown operator 'nope'" in done.err
    done = run("layer", "--nope", "--debug")
    assert (done.code, done.err[:9]) == (2, "Traceback")


def test_a_closed_pipe_is_no_error() -> None:
    """flopcalc ... | head."""
    source = (
        "import os, subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-m', 'flopcalc', 'model', 'resnet50', '--by', 'layer'],"
        " stdout=subprocess.PIPE, stderr=subprocess.PIPE)\n"
        "p.stdout.close()\n"
        "err = p.stderr.read().decode()\n"
        "sys.exit(err or p.wait())"
    )
    done = fresh(source)
    assert (done.code, done.err) == (0, "")


def test_no_colour_in_a_pipe(run: Runner) -> None:
    """No escape codes unless a terminal is there."""
    assert "\x1b" not in run("model", "resnet50").out


def test_summaries_are_the_commands_own() -> None:
    """The table that --help reads says what each command says of itself; each help has an example."""
    context = click.Context(cli)
    for name, summary in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None, for_author(
            name, "the list of commands has it; write its module", "the other commands in flopcalc/cli"
        )
        assert (command.help or "").splitlines()[0] == summary, for_author(
            name,
            f"its help begins otherwise than its line in the list of commands, {summary!r}; write both alike",
            "the other commands in flopcalc/cli",
        )
        assert (command.epilog or "").startswith(f"Example: flopcalc {name}"), for_author(
            name,
            f"give it an epilog, `Example: flopcalc {name} ...`, with a command that runs",
            "the other commands in flopcalc/cli",
        )


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("name", COMMANDS)
def test_examples_of_the_help_run(name: str, run: Runner) -> None:
    """The example in each help is a command that works, in a copy of the project; -h and --help are the same."""
    import shlex

    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    example = (command.epilog or "").removeprefix("Example: flopcalc ")
    if name in ("formula", "verify"):
        pytest.importorskip("sympy")
    if name in ("bench", "calibrate", "formula", "verify"):
        pytest.importorskip("torch")
    # Measurements for a second only.
    short = ("--seconds", "1") if name in ("bench", "calibrate") else ()
    assert run(*shlex.split(example), *short).code == 0
    assert run(name, "-h").out == run(name, "--help").out != ""


def test_version(run: Runner) -> None:
    """The version of the package."""
    from flopcalc import __version__

    assert run("--version").out == f"flopcalc {__version__}\n"


def test_module_entry_point() -> None:
    """python -m flopcalc."""
    source = (
        "import runpy, sys; sys.argv = ['flopcalc', '--version']; runpy.run_module('flopcalc', run_name='__main__')"
    )
    done = fresh(source)
    assert done.out.startswith("flopcalc ")
    assert sys.version_info >= (3, 11)

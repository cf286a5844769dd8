"""`flopcalc.lock`: exact, stable, strict and never written half-way; formulas as algebra; between two commits."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, TINY, TINY_MACS, TINY_PARAMS, Run, Runner, for_author, write_targets
from hypothesis import given
from hypothesis import strategies as st

from flopcalc.budget.lock import Formula, Locked, locked, read_lock, write_lock
from flopcalc.budget.measure import Measured
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tiny network, a file of targets and its lock."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    write_targets(tmp_path, "macs <= 1M")
    from flopcalc.cli.main import main

    assert main(["lock"]) == 0
    return tmp_path


def test_the_text(here: Path, run: Runner) -> None:
    """Small and readable: figures by hand; traffic is 4 bytes for each element read or written."""
    positions = 8 * 8
    traffic = 4 * (216 + 8 + 3 * positions + 8 * positions)
    lines = (here / "flopcalc.lock").read_text().splitlines()
    assert lines[2:6] == ["version 1", "dtype float32", "", 'target tiny.yaml "tiny.yaml, input 3x8x8, batch 1"']
    assert lines[6].startswith(f"total params {TINY_PARAMS} macs {TINY_MACS} activations {8 * positions + 10} ")
    assert lines[7] == (
        f"layer conv1 conv conv1 3x8x8 8x8x8 params 224 macs {TINY_MACS - 80} activations {8 * positions} "
        f"traffic {traffic} steps 1 adds {8 * positions}"
    )
    assert len(lines) == 11
    # Once more, and by whoever: the same bytes.
    before = (here / "flopcalc.lock").read_bytes()
    assert "up to date" in run("lock").out
    assert run("lock", "--update").code == 0
    assert (here / "flopcalc.lock").read_bytes() == before


def test_a_small_change_is_a_small_difference(here: Path, run: Runner) -> None:
    """One layer more: one line more, and that of the total."""
    before = (here / "flopcalc.lock").read_text().splitlines()
    (here / "tiny.yaml").write_text(TINY.replace("  - pool", "  - act: relu\n  - pool"))
    done = run("lock")
    assert (done.code, done.out) == (1, "")
    assert "--update" in done.err
    assert (here / "flopcalc.lock").read_text().splitlines() == before
    assert run("lock", "--update").code == 0
    after = (here / "flopcalc.lock").read_text().splitlines()
    assert len([line for line in after if line not in before]) == 2


def test_the_difference_layer_by_layer(here: Path, run: Runner) -> None:
    """What changed, came, went, and what only has another name; cheaper fails as well."""
    (here / "tiny.yaml").write_text(TINY.replace("conv1: {op: conv, out: 8", "stem: {op: conv, out: 8"))
    done = run("check", "--locked")
    assert done.code == 1
    assert "1 layer renamed, nothing else" in done.out
    assert "conv1 -> stem" in done.out
    (here / "tiny.yaml").write_text(TINY.replace("out: 10", "out: 9"))
    done = run("check", "--locked")
    assert done.code == 1
    assert re.search(r"fc +out 10 -> 9 +-9 +-8\n", done.out)
    assert "params 314 -> 305, macs 13,904 -> 13,896" in done.out
    assert "`flopcalc lock --update` writes the present costs" in done.out
    assert run("check").code == 0
    assert run("lock", "--update").code == 0
    assert run("check", "--locked").code == 0


def test_targets_come_and_go(here: Path, run: Runner) -> None:
    """A target without a lock, and a lock without its target, both fail --locked; another dtype is stale."""
    write_targets(here, more="name: other")
    done = run("check", "--locked", "--format", "json")
    data = json.loads(done.out)
    assert done.code == 1
    assert [(one["target"], one["locked"] is None, one["now"] is None) for one in data["differences"]] == [
        ("other", True, False),
        ("tiny.yaml", False, True),
    ]
    assert (data["checked"], data["failed"]) == (2, 2)
    text = run("check", "--locked").out
    assert "other is not in the lock file" in text
    assert "not a target any more" in text
    (here / "flopcalc.yaml").write_text("dtype: float16\ntargets: [{network: tiny.yaml}]")
    stale = run("check", "--locked")
    assert stale.code == 2
    assert "float32" in stale.err


_names = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_sums = st.fixed_dictionaries({kind: st.sampled_from([0, 1, 7, 10**18, 10**600]) for kind in KINDS if kind != "flops"})


def _with_flops(sums: dict[str, int]) -> dict[str, int]:
    return {**sums, "flops": 2 * sums["macs"] + sums["adds"] + sums["muls"] + sums["other"]}


@given(
    _names.filter(str.strip), _names, st.lists(st.tuples(_names, _names, _names, st.lists(st.integers(0, 99)), _sums))
)
def test_what_is_written_is_read(tmp_path_factory: Any, name: str, what: str, layers: list[Any]) -> None:
    """Names of any text, costs of any size: the same again, as one line each."""
    rows = tuple(
        {"name": a, "type": b, "stage": c, "in": shape, "out": [], **_with_flops(sums)}
        for a, b, c, shape, sums in layers
    )
    totals = {kind: sum(row[kind] for row in rows) for kind in KINDS} | {"uncounted": 2}
    kernels = [{"op": name, "module": what, "count": 1}, {"op": "aten.det", "module": "(model)", "count": 1}]
    was = locked(Measured(name, what, totals, rows, uncounted=tuple(kernels)))
    path = tmp_path_factory.getbasetemp() / "round.lock"
    path.write_text(write_lock([was], [Formula("conv", "params", "c_in*k^2", {"m": "ceil(c/2)"})], "float16"), "utf-8")
    lock = read_lock(str(path))
    assert lock is not None
    assert lock.targets == {was.name: was}
    assert (lock.dtype, lock.formulas) == ("float16", (Formula("conv", "params", "c_in*k^2", {"m": "ceil(c/2)"}),))


def test_a_byte_order_mark(here: Path, run: Runner) -> None:
    """It is read, and written again without it."""
    write_targets(here)
    assert run("lock").code == 0
    path = here / "flopcalc.lock"
    good = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + good)
    done = run("check", "--locked")
    assert (done.code, done.err) == (0, "")
    assert run("lock", "--update").code == 0
    assert path.read_bytes() in (good, b"\xef\xbb\xbf" + good)
    path.write_bytes(b"\xef\xbb\xbf" + good.replace(b"params 314", b"params 315"))
    assert run("lock", "--update").code == 0
    assert path.read_bytes() == good


def test_an_unknown_dtype_in_a_lock(here: Path, run: Runner) -> None:
    """With file and line."""
    write_targets(here)
    assert run("lock").code == 0
    path = here / "flopcalc.lock"
    path.write_text(path.read_text().replace("dtype float32", "dtype floaty"))
    done = run("check", "--locked")
    assert done.code == 2
    assert "flopcalc.lock, line 4: dtype is 'floaty', not one of float64, float32" in done.err


def test_windows_line_ends(here: Path, run: Runner) -> None:
    """A checkout that turned the line ends is the same lock."""
    path = here / "flopcalc.lock"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert run("check", "--locked").code == 0
    assert "up to date" in run("lock").out


_REFUSED = (
    "future",
    "huge int",
    "negative",
    "float",
    "superscript",
    "kind",
    "kind twice",
    "sum",
    "shape",
    "joined",
    "quote",
    "glued",
    "escape",
    "twice",
    "target twice",
    "huge",
    "empty",
    "binary",
    "latin",
    "no version",
)


def _broken(text: str) -> dict[str, bytes]:
    """A lock file, broken in every line and in every way that files break."""
    lines = text.splitlines()
    macs = "macs 80"
    found: dict[str, bytes] = {
        "empty": b"",
        "binary": bytes(range(256)) * 100,
        "latin": "é".encode("latin-1"),
        "no version": b"dtype float32\n",
        "huge": (text + "# " + "x" * 21_000_000).encode(),
        "twice": (text + text).encode(),
        "target twice": (text + text[text.index("target") :]).encode(),
        "conflict": ("<<<<<<< HEAD\n" + text + "=======\n" + text + ">>>>>>> other\n").encode(),
    }
    edits = {
        "future": ("version 1", "version 2"),
        "huge int": (macs, "macs " + "9" * 5000),
        "negative": (macs, "macs -80"),
        "float": (macs, "macs 80.0"),
        "superscript": (macs, "macs 8²"),
        "kind": (macs, "mac 80"),
        "kind twice": (macs, "macs 40 macs 40"),
        "sum": (macs, "macs 81"),
        "shape": ("3x8x8 8x8x8", "3xx8 8x8x8"),
        "joined": ("layer fc linear", 'layer "fc"xlinear'),
        "quote": ("layer fc", 'layer "fc'),
        "glued": ("layer fc", 'layer "f"c'),
        "escape": ("layer fc", 'layer "\\q"'),
    }
    for what, (old, new) in edits.items():
        assert old in text
        found[what] = text.replace(old, new).encode()
    for number, line in enumerate(lines):
        if not line or line.startswith("#"):
            continue
        rest = lines[:number], lines[number + 1 :]
        for what, new in (
            ("cut", line[: len(line) // 2]),
            ("words", " ".join(reversed(line.split()))),
            ("junk", "?" * 99),
        ):
            found[f"{what} {number}"] = "\n".join([*rest[0], new, *rest[1]]).encode()
        found[f"gone {number}"] = "\n".join([*rest[0], *rest[1]]).encode()
        found[f"conflict {number}"] = "\n".join(
            [*rest[0], "<<<<<<< HEAD", line, "=======", line, ">>>>>>> x", *rest[1]]
        ).encode()
    return found


def test_broken_lock_files(here: Path, run: Runner) -> None:
    """Each is an error with its line, or a reported difference; never a traceback, and --update fixes our own."""
    text = (here / "flopcalc.lock").read_text()
    reported = 0
    for what, content in _broken(text).items():
        (here / "flopcalc.lock").write_bytes(content)
        done = run("check", "--locked")
        if what in ("gone 3", "words 3"):
            assert done.code in (0, 2), what  # the dtype: without its line it is the usual one
            continue
        assert done.code in ((2,) if what in _REFUSED or "conflict" in what else (1, 2)), (what, done)
        assert ("unresolved merge conflict" in done.err) is ("conflict" in what), what
        if done.code == 2:
            reported += 1
            assert done.out == ""
            error, hint = done.err.splitlines()
            assert re.match(r"error: flopcalc\.lock, line \d+: ", error), what
            assert len(error) < 250, what
            assert "run `flopcalc lock`" in hint or "with `flopcalc lock --update`" in hint, what
    assert reported > 30
    (here / "flopcalc.lock").write_text("<<<<<<< HEAD\n" + text)
    assert run("lock").code == 2
    assert run("lock", "--update").code == 0
    assert (here / "flopcalc.lock").read_text() == text


def test_nothing_else_is_overwritten(here: Path, run: Runner) -> None:
    """A lock: that names another file, a folder, or a place that is not there."""
    (here / "README.md").write_text("# Mine\n")
    for name, words in (("README.md", "is not a lock file"), (".", "directory"), ("nowhere/x.lock", "No such file")):
        (here / "flopcalc.yaml").write_text(f"targets: [{{network: tiny.yaml}}]\nlock: {name}")
        done = run("lock", "--update")
        assert (done.code, done.out) == (2, "")
        assert words in done.err
        assert "lock:" in done.err.splitlines()[1]
    assert (here / "README.md").read_text() == "# Mine\n"
    assert sorted(os.listdir(here)) == ["README.md", "flopcalc.lock", "flopcalc.yaml", "tiny.yaml"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", ["replace", "fsync"])
def test_an_interrupted_run_leaves_the_old_file(
    error: BaseException, at: str, here: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole or not at all, and nothing is left beside it."""
    before = (here / "flopcalc.lock").read_bytes()
    (here / "tiny.yaml").write_text(TINY.replace("out: 8", "out: 9"))

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(f"flopcalc.text.atomic_file.os.{at}", fail)
    assert run("lock", "--update").code in (2, 130)
    monkeypatch.undo()
    assert (here / "flopcalc.lock").read_bytes() == before
    assert sorted(os.listdir(here)) == ["flopcalc.lock", "flopcalc.yaml", "tiny.yaml"]


# Formulas ---------------------------------------------------------------------------------------


@pytest.fixture
def forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Runner) -> Path:
    """A lock of the closed forms of a few operators."""
    pytest.importorskip("sympy")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flopcalc.yaml").write_text(
        "formulas: [ghost, spconv, compconv]\ntargets: [{operator: ghost, cin: 8}]\n"
    )
    assert run("lock").code == 0
    assert run("check", "--formulas").code == 0
    return tmp_path / "flopcalc.lock"


def _edit(lock: Path, old: str, new: str) -> None:
    text = lock.read_text()
    assert old in text
    lock.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        # As if the formula had been edited since it was locked: now - locked.
        ("params c_in*k^2*m + d^2*m*(s - 1)", "params c_in*k^2*m + d^2*m*s", "-d^2*ceil(c_out/s)"),
        ("params c_in*k^2*m + d^2*m*(s - 1)", "params m*(c_in*k^2 + d^2*s - d^2)", None),
        ("where m ceil(c_out/s)", "where m floor(c_out/s)", "ceil"),
        ("where m ceil(c_out/s)", "where q ceil(c_out/s)\nwhere m q", None),
        ("params c_in*k^2*m", "params c_in*groups*m", "groups"),
    ],
)
def test_a_changed_formula_is_a_difference_in_algebra(
    old: str, new: str, difference: str | None, forms: Path, run: Runner
) -> None:
    """Another form of the same function is the same; anything else is shown as now - locked."""
    _edit(forms, old, new)
    done = run("check", "--formulas", "--format", "json")
    wrong = json.loads(done.out)["formulas"]
    if difference is None:
        assert (done.code, wrong) == (0, [])
        return
    assert done.code == 1
    assert {one["operator"] for one in wrong} == {"ghost"}
    (params,) = [one for one in wrong if one["kind"] == "params"]
    assert difference in params["difference"]
    assert params["locked"].startswith(new.split("\n", maxsplit=1)[0].partition(" ")[2][:4]) or new.startswith("where")
    assert "now - locked = " in run("check", "--formulas").out
    assert "now - locked" in run("check", "--formulas", "--format", "github").out


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("dtype float32", "cannot read 'dtype float32'"),
        ("formula ghost", "the formulas of 'ghost' are listed twice"),
        ("where m ceil(c_out/s)", "cannot read 'where m ceil(c_out/s)'"),
        ("steps 3", "steps of 'ghost' is listed twice"),
    ],
)
def test_a_line_that_is_there_twice(line: str, why: str, forms: Path, run: Runner) -> None:
    """As a merge leaves it. Of two formulas one was compared, and the other was not."""
    lines = forms.read_text().splitlines()
    at = lines.index(line)
    again = lines[at:] if line.startswith("formula") else [line]
    forms.write_text("\n".join([*lines[:at], *again, *lines[at:]]) + "\n")
    done = run("check", "--formulas", "--locked")
    assert (done.code, done.out) == (2, "")
    assert re.match(r"error: flopcalc\.lock, line \d+: ", done.err)
    assert why in done.err


def test_a_floor_of_a_ratio_is_not_lost(forms: Path, run: Runner) -> None:
    """alpha is no whole number: floor(alpha * c) and its ceiling differ, and so does leaving the floor away."""
    text = forms.read_text()
    start = text.index("formula spconv")
    rounded = re.search(r"floor\([^()]*alpha[^()]*\)", text[start:])
    assert rounded, text[start : start + 500]
    for other in (rounded[0].replace("floor", "ceil"), rounded[0].removeprefix("floor")):
        forms.write_text(text[:start] + text[start:].replace(rounded[0], other))
        done = run("check", "--formulas", "--format", "json")
        assert done.code == 1, other
        assert {one["operator"] for one in json.loads(done.out)["formulas"]} == {"spconv"}


def test_another_form_with_a_ratio_is_the_same(forms: Path, run: Runner) -> None:
    """Where an option is a fraction as well."""
    text = forms.read_text()
    start = text.index("params ", text.index("formula spconv"))
    forms.write_text(
        f"{text[:start]}params (2 * ({text[start:].replace('params ', '', 1).replace(chr(10), ')) / 2' + chr(10), 1)}"
    )
    done = run("check", "--formulas")
    assert done.code == 0, done.out


def test_an_edit_of_the_code_shows(forms: Path, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The formula itself is changed: one convolution more of d x d, for params and MACs."""
    from flopcalc.cost.cost import Cost
    from flopcalc.cost.parts import conv
    from flopcalc.spec.operator import Operator

    cost = Operator.cost

    def more_expensive(self: Operator, g: Any, named: Any) -> Cost:
        found = cost(self, g, named)
        if self.name != "ghost":
            return found
        return Cost((*found.parts, conv("extra", 1, 1, named["d"] ** 2, g.p_in, g.p_out)))

    monkeypatch.setattr(Operator, "cost", more_expensive)
    done = run("check", "--formulas", "--format", "json")
    assert done.code == 1
    found = {(one["operator"], one["kind"]): one["difference"] for one in json.loads(done.out)["formulas"]}
    assert found["ghost", "params"] == "d^2"
    assert found["ghost", "macs"] == "d^2*h_out*w_out"


def test_operators_that_come_and_go(forms: Path, run: Runner) -> None:
    """In the lock only, or in the file only."""
    config = forms.parent / "flopcalc.yaml"
    config.write_text(config.read_text().replace("spconv", "dsc"))
    data = json.loads(run("check", "--formulas", "--format", "json").out)
    assert {(one["operator"], one["locked"] is None) for one in data["formulas"]} == {("spconv", False), ("dsc", True)}
    config.write_text("formulas: [ghst]\ntargets: [{operator: ghost, cin: 8}]\n")
    done = run("check", "--formulas")
    assert done.code == 2
    assert "flopcalc.yaml, line 1" in done.err
    assert "did you mean ghost" in done.err
    config.write_text("targets: [{operator: ghost, cin: 8}]\n")
    assert "names no formulas" in run("check", "--formulas").err


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch owned')",
        "\"__import__('os').system('touch owned')\"",
        "max(c_in, \"__import__('os').system('touch owned')\")",
        "c_in if 1 else 'a'",
        "c_in ==",
        "(" * 5000,
        "(c_in + c_out + m + s + k + d)^500",
        "*".join(["(c_in + c_out + m + s)"] * 40),
        "9^9^9^9",
        "c_in / 0",
        "sum(i, 1, 10^9, c_in)",
        "c_in == 3",
        "-" * 990 + "1",
        "log2(" * 150 + "c_in" + ")" * 150,
    ],
    ids=range(14),
)
def test_hostile_formulas_in_a_lock_file(text: str, forms: Path, run: Runner) -> None:
    """Nothing is executed, and nothing takes long."""
    _edit(forms, "params c_in*k^2*m + d^2*m*(s - 1)", f"params {text}")
    done = run("check", "--formulas")
    if text == "c_in / 0":  # infinite, and so another formula
        assert done.code == 1
    else:
        assert done.code == 2, done
        assert "the params of ghost in the lock file" in done.err
        assert len(done.err.splitlines()) == 2
    assert not (forms.parent / "owned").exists()


def test_every_operator_reads_back() -> None:
    """The text in the lock, read again, is the formula: so a difference is one of the formula."""
    pytest.importorskip("sympy")
    from flopcalc.algebra import reading
    from flopcalc.budget import formulas
    from flopcalc.budget.config import Config, LockedFormulas

    checked = 0
    for one in formulas.formulas(Config("", (), "", "float32", LockedFormulas("all"))):
        again = reading.read(one.formula.text, one.formula.terms, one.symbols)
        assert reading.subtract(one.value, again) == 0, for_author(
            one.formula,
            "the text in the lock does not read back as the formula; write the formula with the functions of "
            "arith.py, and teach the reader of locked formulas what is new",
        )
        checked += 1
    assert checked > 200


# Between two commits ------------------------------------------------------------------------------


def _git(folder: Path, *arguments: str) -> str:
    config = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *config, *arguments],  # noqa: S607
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def _flopcalc(folder: Path, *arguments: str, hide: str = "") -> Run:
    """The command line in a process of its own; hide: a package that is not installed there."""
    source = f"import sys; {f'sys.modules[{hide!r}] = None; ' if hide else ''}from flopcalc.__main__ import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
    )
    return Run(done.returncode, done.stdout, done.stderr)


NET = """\
from torch import nn

def make(width=8):
    print("building")
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Flatten(), nn.Linear(width * 64, 10))
"""


@pytest.mark.parametrize("python", [False, True], ids=["described", "python"])
def test_a_pull_request_that_is_more_expensive(python: bool, tmp_path: Path) -> None:
    """Two commits in a real repository: fine, then reported layer by layer, then accepted; and without torch."""
    if python:
        pytest.importorskip("torch")
    hide = "" if python else "torch"
    name, text = ("net.py", NET) if python else ("tiny.yaml", TINY)
    target = "net:make\n    input: 3x8x8" if python else "tiny.yaml"
    # 216 weights of 3x3 at 64 positions; the biases add no MACs.
    head = 8 * 64 * 10 if python else 80
    _git(tmp_path, "init", "--quiet")
    # As any project has it; whether Python writes bytecode depends on the environment.
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    (tmp_path / name).write_text(text)
    (tmp_path / "flopcalc.yaml").write_text(f"targets:\n  - network: {target}\n    limits: [macs <= 25k]\n")
    assert _flopcalc(tmp_path, "lock", hide=hide).code == 0
    first = _flopcalc(tmp_path, "check", "--locked", hide=hide)
    assert first.code == 0, first.err
    assert f"{216 * 64 + head:,}" in first.out
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "-m", "first")

    (tmp_path / name).write_text(text.replace("width=8", "width=16").replace("out: 8", "out: 16"))
    second = _flopcalc(tmp_path, "check", "--locked", hide=hide)
    assert second.code == 1, second.err
    assert "EXCEEDED" in second.out
    assert re.search(r"out 8x8x8 -> 16x8x8 +\+224 +\+13,824\n", second.out), second.out
    assert f"macs {216 * 64 + head:,} -> {2 * (216 * 64 + head):,}" in second.out
    assert _git(tmp_path, "status", "--porcelain").split() == ["M", name]
    assert _flopcalc(tmp_path, "lock", "--update", hide=hide).code == 0
    assert _flopcalc(tmp_path, "check", "--locked", hide=hide).code == 1  # the limit is still there
    (tmp_path / "flopcalc.yaml").write_text(f"targets:\n  - network: {target}\n    limits: [macs <= 50k]\n")
    assert _flopcalc(tmp_path, "check", "--locked", hide=hide).code == 0
    # The conv, the head and the total; and in the description what pools and flattens.
    changed = _git(tmp_path, "diff", "--numstat", "flopcalc.lock").split()
    assert changed[0] == changed[1]
    assert int(changed[0]) <= 5
    if python:
        missing = _flopcalc(tmp_path, "check", hide="torch")
        assert missing.code == 3
        assert 'pip install "torch' in missing.err


def test_a_locked_target_is_like_a_measured_one() -> None:
    """Both give parts by name."""
    layer = {"name": "a", "type": "conv", "stage": "s", "in": [1], "out": [2], **dict.fromkeys(KINDS, 1)}
    found = Measured("t", "w", {**dict.fromkeys(KINDS, 2), "uncounted": 0}, (layer, {**layer, "name": "b"}))
    was = locked(found)
    assert isinstance(was, Locked)
    assert was.parts("stage") == found.parts("stage") == {"s": dict.fromkeys(KINDS, 2)}
    assert set(was.parts("layer")) == {"a", "b"}


def test_an_unreadable_lock_is_no_missing_lock(here: Path, run: Runner) -> None:
    """A folder in its place."""
    (here / "flopcalc.lock").unlink()
    (here / "flopcalc.lock").mkdir()
    for command in (["check"], ["check", "--locked"], ["lock"], ["lock", "--update"]):
        done = run(*command)
        assert (done.code, len(done.err.splitlines())) == (2, 2)
    with pytest.raises(FlopcalcError):
        read_lock("flopcalc.lock")


MOVED = """
input: [8, 8, 8]
layers:
  - conv1: {op: conv, stage: s}
  - bn1: {op: batchnorm, stage: s}
  - conv2: {op: conv, stage: s}
  - relu: {op: relu, stage: s}
  - conv3: {op: conv, stage: t}
"""


def _locked_project(path: Path, limits: str = "[]") -> Path:
    net = path / "net.yaml"
    net.write_text(MOVED)
    (path / "flopcalc.yaml").write_text(f"targets: [{{network: net.yaml, limits: {limits}}}]\n")
    return net


def test_layers_that_moved_and_stages_that_changed_are_named(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sums are the same; the report says what happened."""
    monkeypatch.chdir(tmp_path)
    net = _locked_project(tmp_path)
    assert run("lock").code == 0
    relu = "  - relu: {op: relu, stage: s}\n"
    before_conv2 = MOVED.replace(relu, "").replace("  - conv2", f"{relu}  - conv2")
    net.write_text(before_conv2)
    done = run("check", "--locked")
    assert done.code == 1
    assert "net.yaml: the order changed: relu" in done.out
    assert "stage" not in done.out
    net.write_text(MOVED.replace("stage: t", "stage: u"))
    assert "net.yaml: stages changed: conv3 t -> u" in run("check", "--locked").out
    # A spreadsheet tells too what is not as locked.
    net.write_text(MOVED.replace("conv3: {op: conv", "conv3: {op: conv, bias: true"))
    rows = run("check", "--locked", "--format", "csv").out.splitlines()
    # Three times 8 * 8 * 9 and 16 of the norm; eight biases more, and eight additions at each of 64 places.
    assert "net.yaml,locked,,params,1752,1744,8,,false," in rows
    assert any(row.startswith("net.yaml,locked,,adds,") and row.endswith(",512,,false,") for row in rows)
    assert "conv: other params, traffic" in run("check", "--locked").out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("targets: [{network: net.yaml, baseline: nope}]", "unknown target or network 'nope'"),
        ("targets: [{network: net.yaml}]\nformulas: [gohst]", "unknown operator or target 'gohst'"),
        ("targets:\n  - {network: net.yaml, replace: spconv where k == 99}", "replaces nothing"),
    ],
)
def test_what_is_named_and_means_nothing_is_an_error(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    """Also where no limit reads it: the target would guard something else."""
    monkeypatch.chdir(tmp_path)
    _locked_project(tmp_path)
    (tmp_path / "flopcalc.yaml").write_text(text)
    done = run("check")
    assert (done.code, len(done.err.splitlines())) == (2, 2)
    assert message in done.err
    assert "flopcalc.yaml, line" in done.err


def test_a_lock_that_is_no_file(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device is not read without end."""
    monkeypatch.chdir(tmp_path)
    _locked_project(tmp_path)
    (tmp_path / "flopcalc.yaml").write_text("targets: [{network: net.yaml}]\nlock: /dev/zero\n")
    for arguments in (["lock"], ["lock", "--update"], ["check", "--locked"]):
        done = run(*arguments)
        assert (done.code, "not a regular file" in done.err) == (2, True), arguments


def test_another_form_of_the_same_costs_is_up_to_date(here: Path, run: Runner) -> None:
    """`lock` and `check --locked` agree: comments, blank lines and a byte order mark are not costs."""
    path = here / "flopcalc.lock"
    text = path.read_text()
    for other in (f"\ufeff{text}", f"{text}\n# mine\n", text.replace("\ntotal", "\n\ntotal"), text.rstrip("\n")):
        path.write_text(other, encoding="utf-8")
        done = run("lock")
        assert (done.code, done.err) == (0, ""), other
        assert "up to date" in done.out
        assert run("check", "--locked").code == 0
    path.write_text(text.replace("224", "225"))
    assert run("lock").code != 0

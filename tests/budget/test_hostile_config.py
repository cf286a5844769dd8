"""Files of targets that mean harm or are nonsense: an error in two lines, soon, and never a traceback."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from helpers import TINY, Runner, define_kernels
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flopcalc.budget import config
from flopcalc.budget.config import read_config
from flopcalc.errors import FlopcalcError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the tiny network."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


def _bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    return "\n".join([*lines, "targets: *a11"])


HOSTILE: dict[str, tuple[str, str, str]] = {
    "alias bomb": ("flopcalc.yaml", _bomb(), "anchors and aliases"),
    "merge bomb": ("flopcalc.yaml", "a: &a {b: 1}\ntargets: [{<<: *a}]", "anchors and aliases"),
    "tag": ("flopcalc.yaml", "targets: !!python/object/apply:os.system ['touch owned']", "is not allowed"),
    "large": ("flopcalc.yaml", "# " + "x" * 1_000_001 + "\ntargets: []", "larger than"),
    "very large": ("flopcalc.yaml", "x" * 50_000_000, "larger than"),
    "brackets": ("flopcalc.yaml", "[" * 100_000, "deep"),
    "braces": ("flopcalc.yaml", "targets: " + "{a: " * 100_000, "deep"),
    "dashes": ("flopcalc.yaml", "- " * 100_000, "deep"),
    "two documents": ("flopcalc.yaml", "targets: []\n---\ntargets: []", "more than one document"),
    "tabs": ("flopcalc.yaml", "targets:\n\t- a", "line 2: a tab in the indentation"),
    "many targets": ("flopcalc.yaml", "targets:\n" + "- a\n" * 1001, "more than 1000 targets"),
    "many limits": (
        "flopcalc.yaml",
        "targets:\n- network: resnet50\n  limits:\n" + "  - macs <= 1\n" * 5001,
        "than 5000 limits",
    ),
    "long name": ("flopcalc.yaml", "targets:\n- {network: resnet50, name: " + "a" * 1000 + "}", "not a short string"),
    "toml brackets": ("pyproject.toml", "[tool.flopcalc]\ntargets = " + "[" * 100_000, "nested too deeply"),
    "toml braces": ("pyproject.toml", "[tool.flopcalc]\na = " + "{a=" * 50_000, "nested too deeply"),
    "toml dots": ("pyproject.toml", "[tool.flopcalc]\n" + "a." * 100_000 + "a = 1", "more than 50 pieces (at line 2)"),
    "toml large": ("pyproject.toml", "[tool.flopcalc]\n# " + "x" * 1_000_001, "larger than"),
    "toml int": ("pyproject.toml", "[tool.flopcalc]\ntargets = " + "9" * 10_000, "line 2: a number of 10,000 digits"),
    "toml broken": ("pyproject.toml", "[tool.flopcalc]\ntargets = [{network = }]", "line 2"),
    "toml date": ("pyproject.toml", "[tool.flopcalc]\ntargets = 1979-05-27", "targets must be a list"),
    "toml nan": ("pyproject.toml", "[tool.flopcalc]\ntargets = [{network = nan}]", "network is nan"),
    "toml table": ("pyproject.toml", "[tool]\nflopcalc = 3", "not a mapping"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files(what: str, here: Path, run: Runner) -> None:
    """Refused by name, in a few seconds on any machine."""
    name, text, words = HOSTILE[what]
    (here / name).write_text(text)
    start = time.process_time()
    for command in ("check", "lock"):
        done = run(command)
        assert (done.code, done.out) == (2, ""), done.err[:500]
        error, hint = done.err.splitlines()
        assert name in error, error
        assert words in done.err, done.err[:500]
        assert len(error) < 400
        assert hint.startswith("hint:  ")
    assert time.process_time() - start < 20
    assert not (here / "owned").exists()
    assert not (here / "flopcalc.lock").exists()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00" * 100, "targets: é".encode("latin-1")])
def test_no_text(content: bytes, here: Path, run: Runner) -> None:
    """Bytes that are no text, in both kinds of file; a folder and a file that is not there."""
    for name in ("flopcalc.yaml", "other.toml"):
        (here / name).write_bytes(content)
        done = run("check", name)
        assert (done.code, len(done.err.splitlines())) == (2, 2)
    for name in (str(here), "nowhere.yaml", "nowhere.toml", "a\0b"):
        done = run("check", name)
        assert (done.code, len(done.err.splitlines())) == (2, 2), name


FACTORIES = """\
import os
import sys

from torch import nn

def raises():
    raise RuntimeError("no weights\\n\\x1b[31m" + "x" * 10000)

def exits():
    sys.exit(0)

def needs(width, *, depth):
    return nn.Conv2d(3, width, depth)

def prints():
    print("hello from the factory")
    os.write(1, b"and from below\\n")
    return nn.Conv2d(3, 8, 3, padding=1, bias=False)

def nothing():
    return None

def recurses():
    return recurses()

class Exits(nn.Module):
    def forward(self, x):
        sys.exit(0)

class Strange(BaseException):
    def __str__(self):
        raise ValueError

def strange():
    raise Strange

def interrupted():
    raise GeneratorExit

def large():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 10**9, bias=False))
"""
FAILURES = {
    "raises": "RuntimeError: no weights",
    "exits": "calls sys.exit",
    "needs": "needs width, depth",
    "nothing": "returned None",
    "recurses": "RecursionError",
    "Exits": "SystemExit",
    "strange": "Strange",
    "interrupted": "GeneratorExit",
    "missing": "has no 'missing'",
    "os": "is a Python module",
}


@pytest.fixture
def factories(here: Path) -> Path:
    """A Python file with factories of every sort."""
    pytest.importorskip("torch")
    (here / "net.py").write_text(FACTORIES)
    return here


@pytest.mark.parametrize("name", FAILURES)
def test_factories_that_fail(name: str, factories: Path, run: Runner) -> None:
    """One line with the file of targets, its line, and what the factory did; exit code 2, never 0 by sys.exit."""
    (factories / "flopcalc.yaml").write_text(
        f"targets:\n  - {{network: 'net.py:{name}', input: 3x8x8, limits: [macs <= 1]}}\n"
    )
    for command in (["check"], ["lock"]):
        done = run(*command)
        assert (done.code, done.out) == (2, ""), done
        error, _ = done.err.splitlines()
        assert error.startswith(f"error: flopcalc.yaml, line 2: target net.py:{name}: ")
        assert FAILURES[name] in error
        assert len(error) < 500
        assert "\x1b" not in error
    assert not (factories / "flopcalc.lock").exists()


def test_factories_that_work(
    factories: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one prints does not reach the JSON; one of 700 GB takes no memory; one that needs arguments gets them."""
    from flopcalc.cli.main import main

    (factories / "flopcalc.yaml").write_text("""\
targets:
  - {network: 'net:prints', input: 3x8x8, limits: [macs == 13824]}
  - {network: 'net.py:large', input: 3x8x8, limits: [params == 192000000000]}
  - {network: 'net:needs', input: [3, 8, 8], set: {width: 4, depth: 3}, limits: [params == 112]}
""")
    assert main(["check", "--format", "json"]) == 0
    captured = capfd.readouterr()
    data = json.loads(captured.out)
    assert [row["actual"] for row in data["rows"]] == [13824, 192 * 10**9, 4 * 27 + 4]
    assert "hello from the factory" in captured.err
    assert "and from below" in captured.err


def test_kernels_that_could_not_be_counted_are_listed(factories: Path, run: Runner) -> None:
    """Kernels without a rule are listed, and `uncounted <= 0` makes them a failure."""
    define_kernels()
    (factories / "odd.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n"
        "    def forward(self, x):\n        return torch.ops.flopcalctest.scan(x)\n"
    )
    (factories / "flopcalc.yaml").write_text(
        "targets:\n  - {network: 'odd.py:Net', input: 3x8x8, limits: [uncounted <= 0]}\n"
    )
    done = run("check")
    assert done.code == 1
    assert "Not counted" in done.out
    assert "odd.py:Net: " in done.out
    assert run("lock").code == 0
    assert " uncounted " in (factories / "flopcalc.lock").read_text()
    (factories / "odd.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return x + 1\n"
    )
    assert "uncounted 1 -> 0" in " ".join(run("check", "--locked").out.split())


# Nonsense ---------------------------------------------------------------------------------------

_words = st.sampled_from(
    [
        "targets",
        "network",
        "operator",
        "resnet50",
        "tiny.yaml",
        "ghost",
        "conv",
        "cin",
        "cout",
        "k",
        "hw",
        "h",
        "set",
        "limits",
        "input",
        "replace",
        "where",
        "keep",
        "baseline",
        "batch",
        "name",
        "macs <= 1M",
        "params <= locked",
        "layer *: macs <= 1",
        "ratio(conv) <= 2",
        "3x8x8",
        "formulas",
        "lock",
        "dtype",
        "all",
        "spconv",
        "k == 3",
        "",
        "1/4",
        "macs <= baseline",
        "params <= 1 / 0",
        "ratio(tiny.yaml, steps) < 1",
    ]
)
_scalars = st.none() | st.booleans() | st.integers(-3, 10**6) | st.floats() | _words | st.text(max_size=5)
_keys = _words | st.text(max_size=4)
_trees = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4), max_leaves=12
)
# Mostly what fits, so that much of it is read to the end, and now and then anything.
_fitting: dict[str, list[Any]] = {
    "name": ["x", 3],
    "set": [{}],
    "batch": [1, 2],
    "input": ["3x9x9", [3, 8, 8]],
    "replace": ["spconv", ["dsc"]],
    "where": ["k == 3"],
    "keep": ["fc"],
    "baseline": ["tiny.yaml"],
}
_of_operators: dict[str, list[Any]] = {
    "cout": [8, 16],
    "k": [3, [3, 5]],
    "hw": [9],
    "stride": [1, 2],
    "set": [{}],
    "batch": [2],
    "name": ["y"],
}
_BOTH = ["macs <= 1k", "params <= 10", "steps > 3", "macs <= 1G"]


def _any(fitting: dict[str, list[Any]], base: dict[str, Any], *more: str) -> st.SearchStrategy[dict[str, Any]]:
    options = {key: st.sampled_from(values) | st.sampled_from(values) | _trees for key, values in fitting.items()}
    wanted = st.lists(st.sampled_from([*_BOTH, *more]), min_size=1, max_size=2)
    limits = {"limits": wanted | wanted | st.lists(_words | _trees, max_size=2)}
    few = {key: options[key] for key in list(options)[:2]}
    whole = st.fixed_dictionaries(limits, optional=few) | st.fixed_dictionaries({}, optional=options | limits)
    return whole.map(lambda drawn: {**base, **drawn})


_target = _any(_fitting, {"network": "tiny.yaml"}, "layer *: macs <= 1") | _any(
    _of_operators, {"operator": "ghost", "cin": 8}, "ratio(conv) <= 2", "params <= baseline"
)
_files = st.fixed_dictionaries({"targets": st.lists(_target, min_size=1, max_size=2)}) | st.fixed_dictionaries(
    {"targets": st.lists(_target, max_size=3) | _trees},
    optional={"lock": _trees, "dtype": _scalars, "formulas": st.none() | st.booleans() | _trees},
)


_seen: list[int] = []


def _quiet(*arguments: str) -> tuple[int, str]:
    from flopcalc.cli.main import main

    err = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(err):
        return main(list(arguments)), err.getvalue()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(_files)
def test_any_data_at_all(here: Path, data: Any) -> None:
    """JSON is YAML: exit code 0, 1 or 2, and two lines at most."""
    (here / "flopcalc.yaml").write_text(json.dumps(data, allow_nan=True))
    code, err = _quiet("check")
    _seen.append(code)
    assert code in (0, 1, 2), (data, err)
    assert len(err.splitlines()) == (2 if code == 2 else 0), (data, err)


def test_the_nonsense_is_mixed() -> None:
    """Of what was drawn above, some is fine, some exceeded, and some refused."""
    assert min(_seen.count(code) for code in (0, 1, 2)) >= 10 if _seen else True


def _toml(data: Any) -> Iterator[str]:
    for key, value in data.items():
        if isinstance(value, int | str) and not isinstance(value, bool):
            yield f"{json.dumps(key)} = {json.dumps(value, ensure_ascii=False)}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(_words, _scalars, max_size=5), max_size=3))
def test_any_toml(here: Path, targets: list[dict[str, Any]]) -> None:
    """The same of TOML."""
    lines = [line for one in targets for line in ("[[tool.flopcalc.targets]]", 'network = "tiny.yaml"', *_toml(one))]
    (here / "pyproject.toml").write_text("\n".join(lines))
    code, err = _quiet("check", "pyproject.toml")
    assert code in (0, 1, 2), (targets, err)
    assert len(err.splitlines()) == (2 if code == 2 else 0)


def test_every_key_is_read() -> None:
    """No key of a target is accepted and forgotten: each has a value of a wrong sort that is refused."""
    wrong: Any = {"a": {"b": []}}
    for kind, keys in (("network", config._NETWORK), ("operator", config._OPERATOR)):
        for key in keys:
            spec = {kind: "x", "cin": 3, key: wrong} if kind == "operator" else {kind: "x", key: wrong}
            reader = config._Reader("f", None)
            with pytest.raises(FlopcalcError):
                reader.target([spec], 0)
    with pytest.raises(FlopcalcError):
        read_config("/nowhere/at/all.yaml")

"""`flopcalc check`: limits, their arithmetic, the JSON contract, the formats of machines, and its configuration."""

import json
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, TINY, TINY_MACS, TINY_PARAMS, Runner, write_targets

from flopcalc.budget.check import number
from flopcalc.errors import FlopcalcError
from flopcalc.networks import library
from flopcalc.targets.limits import read_limit
from flopcalc.text.expression import evaluate


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the tiny network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


def rows(run: Runner, *arguments: str, code: int) -> list[dict[str, Any]]:
    """The rows of `flopcalc check --format json`."""
    done = run("check", *arguments, "--format", "json")
    assert done.code == code, done.err + done.out
    found = json.loads(done.out)["rows"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (f"params <= {TINY_PARAMS}", True),
        (f"params < {TINY_PARAMS}", False),
        (f"params >= {TINY_PARAMS}", True),
        (f"params > {TINY_PARAMS}", False),
        (f"params == {TINY_PARAMS}", True),
        (f"params == {TINY_PARAMS + 1}", False),
        (f"params <= {TINY_PARAMS - 1}", False),
        ("params<=0.314k", True),
        ("params <= 0.3139 k", False),
        ("macs <= 13.904k", True),
        ("macs <= 0.013904M", True),
        ("macs <= 0.013903999M", False),
        ("macs <= 1e4 + 3904", True),
        ("flops <= 2 * macs + adds + muls + other", True),
        ("flops < 2 * macs + adds + muls + other", False),
        ("macs <= min(params, 1G)", False),
        ("macs <= max(params, 13904)", True),
        ("uncounted <= 0", True),
        ("'layer conv*: macs <= 13824'", True),
        ("'layer conv*: macs <= 13823'", False),
        ("'layer *: params <= 224'", True),
        ("layer fc: macs == 80", True),
        ("'stage *: params <= 224'", True),
    ],
)
def test_limits(limit: str, kept: bool, here: Path, run: Runner) -> None:
    """Each is kept or not, by figures from the shapes: 216 weights + 8 and 80 + 10; 216 * 64 + 80 MACs."""
    assert (TINY_PARAMS, TINY_MACS) == (314, 13904)
    write_targets(here, limit)
    done = run("check")
    assert (done.code, done.err) == (0 if kept else 1, "")
    assert ("EXCEEDED" in done.out) is not kept


def test_by_how_much(here: Path, run: Runner) -> None:
    """Limit, actual value, excess, exact and relative; all that break a limit, else the nearest to it."""
    write_targets(
        here,
        "params <= 300",
        "macs <= 2/3 * 10000",
        "'layer *: params <= 50'",
        "'layer *: params >= 1M'",
        "'layer *: params <= 1k'",
    )
    found = rows(run, code=1)
    assert [
        (row["name"], row["actual"], row["excess"], row["ok"]) for row in found if row["limit"].endswith("300")
    ] == [("", 314, 14, False)]
    assert found[0]["relative"] == pytest.approx(14 / 300)
    assert found[1]["exact"] == {"actual": "13904", "bound": "20000/3", "excess": "21712/3"}
    assert found[1]["bound"] == pytest.approx(20000 / 3)
    broken = [row["name"] for row in found if row["limit"] == "layer *: params <= 50"]
    assert broken == ["conv1", "fc"]
    assert len([row for row in found if row["limit"] == "layer *: params >= 1M"]) == 4
    (nearest,) = [row for row in found if row["limit"] == "layer *: params <= 1k"]
    assert (nearest["name"], nearest["actual"], nearest["ok"]) == ("conv1", 224, True)
    text = run("check").out
    assert "+14 (+4.7%)" in text
    assert "6 exceeded" not in text.replace("8 exceeded", "")


@pytest.mark.parametrize("less", ["0.01", "0.4", "0.0001", "0.96"])
def test_a_limit_is_not_rounded_to_what_exceeds_it(less: str, here: Path, run: Runner) -> None:
    """No row says that the allowed number was exceeded by itself."""
    limits = [f"{kind} <= {most} - {less}" for kind, most in (("params", TINY_PARAMS), ("macs", TINY_MACS))]
    write_targets(here, *limits)
    exceeded = [line for line in run("check").out.splitlines() if "EXCEEDED" in line]
    assert len(exceeded) == 2
    for line in exceeded:
        actual, allowed = (Fraction(word.replace(",", "")) for word in line.partition(less)[2].split()[:2])
        assert allowed < actual, line


def test_the_nearest_layer_of_a_least_limit_is_the_smallest(here: Path, run: Runner) -> None:
    """For `>=` the smallest value is the one nearest to breaking it."""
    write_targets(here, "'layer [cf][oc]*: macs >= 1'")
    (row,) = rows(run, code=0)
    assert (row["name"], row["actual"]) == ("fc", 80)


def test_baseline_is_the_network_before_replacement(here: Path, run: Runner) -> None:
    """`baseline`: before replacement, or what `baseline:` names; of a layer, the same layer."""
    full = library.load("resnet50")
    text = """\
targets:
  - network: resnet50
  - {network: resnet50, name: half, replace: spconv, limits: [
      macs <= baseline, macs <= 0.5 * baseline, ratio(resnet50) <= 1, "layer layer1.0.conv2: params < baseline"]}
  - {network: resnet50, name: small, input: 3x160x160, baseline: half, limits: [
      params > baseline, "ratio(half, params) > 1"]}
  - {network: tiny.yaml, name: large, input: 3x16x16, baseline: resnet50, limits: [ratio(tiny.yaml) == 1]}
"""
    (here / "flopcalc.yaml").write_text(text)
    found = rows(run, code=1)
    assert [row["bound"] for row in found][:2] == [full.macs, full.macs / 2]
    assert [row["ok"] for row in found] == [True, False, True, True, True, True, True]
    conv2 = next(layer for layer in full.layers if layer.name == "layer1.0.conv2")
    assert found[3]["bound"] == conv2.cost.params == 64 * 64 * 9
    ratio = Fraction(found[2]["exact"]["actual"])
    assert ratio == Fraction(found[0]["actual"], full.macs)
    # A network that is no target of its own is compared at the same input.
    assert found[6]["exact"]["actual"] == "1"


def test_baseline_of_an_operator_is_the_plain_convolution(here: Path, run: Runner) -> None:
    """ratio(NAME) compares with another operator on the same shape: ghost of s = 2 with d = 3 by hand."""
    (here / "flopcalc.yaml").write_text(
        "targets:\n  - {operator: ghost, cin: 64, hw: 14, limits: [macs <= baseline, ratio(conv) < 1, "
        "'ratio(\"ghost:s=2\", params) == 1', ratio(depthwise) >= 1]}\n"
    )
    found = rows(run, code=0)
    conv, ghost = 64 * 64 * 9 * 14 * 14, (32 * 64 * 9 + 32 * 9) * 14 * 14
    assert (found[0]["bound"], found[0]["actual"]) == (conv, ghost)
    assert Fraction(found[1]["exact"]["actual"]) == Fraction(ghost, conv)
    assert Fraction(found[3]["exact"]["actual"]) == Fraction(ghost, 64 * 9 * 14 * 14)


def test_locked_and_new_layers(here: Path, run: Runner) -> None:
    """`locked` is the lock's figure, also for a renamed layer; a layer that was not there cost nothing."""
    write_targets(
        here, "macs <= locked", "'layer *: params <= locked'", "params <= 1.1 * baseline", "stage *: macs <= locked"
    )
    missing = run("check")
    assert missing.code == 2
    assert "line 4" in missing.err
    assert "flopcalc lock" in missing.err
    assert run("lock").code == 0
    assert {row["bound"] for row in rows(run, code=0)} >= {TINY_MACS, 345.4}
    (here / "tiny.yaml").write_text(TINY.replace("fc:", "head:"))
    renamed = {row["limit"]: row["ok"] for row in rows(run, code=1)}
    # A stage of another name is another stage; a layer is recognised.
    assert renamed == {
        "macs <= locked": True,
        "layer *: params <= locked": True,
        "params <= 1.1 * baseline": True,
        "stage *: macs <= locked": False,
    }
    (here / "tiny.yaml").write_text(TINY + "  - extra: {op: linear, out: 10, bias: true}\n")
    found = rows(run, code=1)
    assert [(row["name"], row["actual"], row["bound"]) for row in found if "layer" in row["limit"]] == [
        ("extra", 110, 0)
    ]
    assert found[0]["excess"] == 100  # MACs, without the bias


def test_the_json_contract(here: Path, run: Runner) -> None:
    """flopcalc/check/1: names and kinds of values."""
    write_targets(here, f"macs <= {TINY_MACS - 4}", "params <= 1k")
    assert run("lock").code == 0
    (here / "tiny.yaml").write_text(TINY.replace("out: 8", "out: 16"))
    done = run("check", "--locked", "--format", "json")
    data = json.loads(done.out)
    wide = 3 * 16 * 9
    params, macs = wide + 16 + 160 + 10, wide * 64 + 160
    assert list(data) == [
        "schema",
        "file",
        "lock",
        "dtype",
        "checked",
        "failed",
        "counts",
        "rows",
        "targets",
        "differences",
        "formulas",
        "accept",
    ]
    assert {key: data[key] for key in list(data)[:7]} == {
        "schema": "flopcalc/check/1",
        "file": "flopcalc.yaml",
        "lock": "flopcalc.lock",
        "dtype": "float32",
        "checked": 3,
        "failed": 2,
        "counts": {"limits": 2, "targets": 1, "formulas": 0},
    }
    assert data["rows"][0] == {
        "target": "tiny.yaml",
        "limit": f"macs <= {TINY_MACS - 4}",
        "name": "",
        "quantity": "macs",
        "actual": macs,
        "bound": TINY_MACS - 4,
        "excess": macs - TINY_MACS + 4,
        "relative": (macs - TINY_MACS + 4) / (TINY_MACS - 4),
        "exact": {"actual": str(macs), "bound": str(TINY_MACS - 4), "excess": str(macs - TINY_MACS + 4)},
        "ok": False,
        "file": "flopcalc.yaml",
        "line": 4,
        "verdict": "exceeded",
        "known": {"actual": "exact", "bound": "exact"},
        "uncounted": [],
        "reason": None,
    }
    target = data["targets"]["tiny.yaml"]
    assert (target["params"], target["macs"], target["not_counted"]) == (params, macs, [])
    (difference,) = data["differences"]
    assert set(difference) == {
        "target",
        "file",
        "line",
        "locked",
        "now",
        "what",
        "uncounted",
        "difference",
        "equal",
        "renamed",
        "moved",
        "stages",
        "layers",
    }
    assert (difference["locked"]["macs"], difference["now"]["macs"]) == (TINY_MACS, macs)
    assert difference["difference"]["params"] == params - TINY_PARAMS
    assert [row["name"] for row in difference["layers"]] == ["conv1", "pool", "flat", "fc"]
    assert difference["layers"][0]["changes"] == ["out", "params", "macs", "flops", "activations", "traffic", "cost"]
    assert all(type(value) is int for value in difference["difference"].values())


def test_large_numbers_stay_exact(here: Path, run: Runner) -> None:
    """Beyond floats: ints of 600 digits are shown in full, and nothing overflows."""
    write_targets(here, "macs <= 10^330", "params <= 10^-330", "params >= 10^330 / 3")
    (here / "flopcalc.yaml").write_text((here / "flopcalc.yaml").read_text().replace("10^-330", "1 / 10^330"))
    found = rows(run, code=1)
    assert found[0]["bound"] == 10**330
    assert found[1]["relative"] is None
    assert found[2]["bound"] == round(Fraction(10**330, 3))
    assert run("check").code == 1
    assert number(Fraction(1, 10**400)) == 0.0


def test_formats_of_machines(here: Path, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """JUnit parses and counts, SARIF has the line, GitHub's commands are escaped; all tell the same."""
    write_targets(here, "params <= 300", "macs <= 1M", more="name: 'a, b: 100%'")
    assert run("lock").code == 0
    (here / "tiny.yaml").write_text(TINY.replace("out: 10", "out: 20"))
    done = run("check", "--locked", "--format", "junit")
    assert done.code == 1
    suite = ET.fromstring(done.out)[0]  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    assert [case.get("name") for case in suite if len(case)] == ["params <= 300", "as locked"]
    sarif = json.loads(run("check", "--locked", "--format", "sarif").out)
    results = sarif["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == ["limit", "locked"]
    place = results[0]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("flopcalc.yaml", 5)
    out = run("check", "--locked", "--format", "github").out.splitlines()
    assert out[0].startswith(
        "::error file=flopcalc.yaml,line=5,title=flopcalc%3A A target costs more than its limit allows::"
    )
    assert "100%25: params is 404, the limit is 300 (params <= 300): +104 (+34.7%25)" in out[0]
    assert "%0Afc: out 10 -> 20, params +90, macs +80" in out[1]
    assert out[2] == "flopcalc: 3 checked, 2 failed"
    monkeypatch.setenv("GITHUB_WORKSPACE", str(here.parent))
    assert f"file={here.name}/flopcalc.yaml," in run("check", "--format", "github").out
    write_targets(here, "params <= 1M")
    fine = run("check", "--format", "github")
    assert (fine.code, fine.out) == (0, "::notice title=flopcalc::flopcalc: 1 checked, 0 failed\n")


def test_reports_next_to_the_table(here: Path, run: Runner) -> None:
    """--report writes other formats by their suffix, also where the check fails; -o as well."""
    write_targets(here, "params <= 300")
    done = run("check", "--report", "r.xml", "--report", "r.md", "--report", "r.sarif", "--report", "r.csv")
    assert done.code == 1
    assert "EXCEEDED" in done.out
    assert ET.parse("r.xml").getroot().get("failures") == "1"  # noqa: S314 - our own
    assert "| params \\<= 300 | 314 | 300 |" in (here / "r.md").read_text()
    assert json.loads((here / "r.sarif").read_text())["version"] == "2.1.0"
    assert (here / "r.csv").read_text().splitlines()[1].startswith("tiny.yaml,params <= 300,,params,314,300,14,")
    assert run("check", "-o", "o.xml").out == ""
    assert (here / "o.xml").read_text() == (here / "r.xml").read_text()
    wrong = run("check", "--report", "r.doc")
    assert wrong.code == 2
    assert ".xml" in wrong.err


def test_toml(here: Path, run: Runner) -> None:
    """[tool.flopcalc] of pyproject.toml is the same; errors tell the line of the right target."""
    good = '[project]\nname = "x"\n\n[[tool.flopcalc.targets]]\nnetwork = "resnet50"\nlimits = ["params <= 26M"]\n'
    second = '\n[[tool.flopcalc.targets]]\nnetwork = "resnet50"\nname = "two"\n'
    second += 'limits = [\n  "params <= 26M",\n  "params <= 1k",\n]\n'
    (here / "pyproject.toml").write_text(good + second)
    found = rows(run, code=1)
    assert [(row["target"], row["line"], row["ok"]) for row in found] == [
        ("resnet50", 6, True),
        ("two", 12, True),
        ("two", 13, False),
    ]
    (here / "pyproject.toml").write_text(good + second.replace("params <= 1k", "prams <= 1k"))
    done = run("check")
    assert done.code == 2
    assert done.err.startswith("error: pyproject.toml, line 13: the limit 'prams <= 1k': unknown quantity 'prams'\n")
    assert "did you mean params" in done.err
    # A table in one line, and none at all.
    (here / "pyproject.toml").write_text(
        'tool.flopcalc.targets = [{network = "resnet50", limits = ["params <= 26M"]}]\n'
    )
    assert rows(run, code=0)[0]["line"] == 1
    (here / "pyproject.toml").write_text("[project]\nname = 'flopcalc-user'\n")
    none = run("check")
    assert none.code == 2
    assert "no flopcalc.yaml and no pyproject.toml" in none.err
    assert "no table [tool.flopcalc]" in run("check", "pyproject.toml").err


def test_paths_are_those_of_the_file(here: Path, run: Runner) -> None:
    """Networks and the lock file are looked for beside the file of targets, wherever one stands."""
    folder = here / "sub"
    folder.mkdir()
    (here / "tiny.yaml").rename(folder / "net.yaml")
    (folder / "flopcalc.yaml").write_text("targets: [{network: net.yaml, limits: [ratio(net.yaml) == 1]}]\n")
    assert run("lock", "sub/flopcalc.yaml").code == 0
    assert (folder / "flopcalc.lock").exists()
    done = run("check", "sub/flopcalc.yaml", "--locked")
    assert (done.code, done.err) == (0, "")
    assert Path.cwd() == here


CONFIG_ERRORS = {
    "targets: []": ("line 1", "targets must be a list"),
    "network: resnet50": ("line 1", "unknown key 'network'"),
    "targets: [3]": ("line 1", "the target is 3, not a mapping"),
    "targets: [{}]": ("line 1", "either network or operator"),
    "targets: [{network: a, operator: b}]": ("line 1", "either network or operator"),
    "targets:\n- network: 3": ("line 2", "network is 3, not a name"),
    "targets:\n- network: resnet5": ("line 2", "did you mean"),
    "targets:\n- operator: ghost": ("line 2", "has no c_in"),
    "targets:\n- operator: ghst\n  cin: 3": ("line 2", "did you mean ghost"),
    "targets:\n- operator: ghost\n  cin: 8\n  baseline: x": ("line 4", "unknown key 'baseline'"),
    "targets:\n- {operator: ghost, cin: 8, hw: 3, h: 3}": ("line 2", "hw is given together with h or w"),
    "targets:\n- {operator: ghost, cin: 0}": ("line 2", "c_in is 0"),
    "targets:\n- {operator: ghost, cin: true}": ("line 2", "cin is True, not a whole number"),
    "targets:\n- {operator: ghost, cin: [3, 4]}": ("line 2", "cin is [3, 4], not a whole number"),
    "targets:\n- {operator: ghost, cin: 8, k: [1, 2, 3]}": ("line 2", "k is [1, 2, 3]"),
    "targets:\n- {operator: ghost, cin: 8, set: {q: 1}}": ("line 2", "unknown option"),
    "targets:\n- {network: resnet50, set: [1]}": ("line 2", "set is [1]"),
    "targets:\n- {network: resnet50, set: {classes: many}}": ("line 2", "classes"),
    "targets:\n- {network: resnet50, input: 3x}": ("line 2", "3x"),
    "targets:\n- {network: resnet50, input: [3, x]}": ("line 2", "input is"),
    "targets:\n- {network: resnet50, replace: 3}": ("line 2", "replace is 3"),
    "targets:\n- {network: resnet50, replace: nothing}": ("line 2", "nothing"),
    "targets:\n- {network: resnet50, where: k == 3}": ("line 2", "given without replace"),
    "targets:\n- network: resnet50\n\n  replace: spconv:alfa=1": ("line 4", "did you mean alpha"),
    "targets:\n- network: resnet50\n  input: 8x8\n  replace: [ghost, spconv where q == 3]": (
        "line 4",
        "unknown field 'q'",
    ),
    "targets:\n- {network: resnet50, batch: 0}": ("line 2", "batch"),
    "targets:\n- {network: resnet50, limits: 3}": ("line 2", "limits is 3, not a list"),
    "targets:\n- network: resnet50\n  limits:\n  - macs <= 1G\n  - 3": ("line 5", "the limit is 3"),
    "targets:\n- {network: resnet50}\n- {network: resnet50}": ("line 3", "two targets have the name 'resnet50'"),
    "targets:\n- {network: resnet50, name: {}}": ("line 2", "the name of the target is {}"),
    "targets: [{network: resnet50}]\nlock: 3": ("line 2", "lock is 3"),
    "targets: [{network: resnet50}]\ndtype: [1]": ("line 2", "dtype is [1]"),
    "targets: [{network: resnet50}]\nformulas: 1": ("line 2", "formulas is 1"),
    "- a": ("flopcalc.yaml", "not a mapping"),
    "": ("flopcalc.yaml", "not a mapping"),
    "targets: &a [*a]": ("line 1", "anchors"),
}


@pytest.mark.parametrize("text", CONFIG_ERRORS)
def test_errors_of_the_file_tell_line_and_example(text: str, here: Path, run: Runner) -> None:
    """Two lines: what is wrong where, and what to write."""
    (here / "flopcalc.yaml").write_text(text)
    done = run("check")
    assert (done.code, done.out) == (2, ""), done
    error, hint = done.err.splitlines()
    place, words = CONFIG_ERRORS[text]
    assert place in error
    assert words in done.err
    assert error.startswith("error: flopcalc.yaml")
    assert hint.startswith("hint:  ")


LIMIT_ERRORS = [
    "params",
    "params <=",
    "<= 3",
    "params 3",
    "params <= 3 <= 4",
    "params != 3",
    "params <= x",
    "params <= 'a'",
    "params <= True",
    "params <= (1 < 2)",
    "params <= [3]",
    "params <= params.real",
    "params <= abs(3)",
    "3 <= params",
    "params and macs <= 3",
    "ratio() <= 1",
    "ratio(a, b) <= 1",
    "ratio('') <= 1",
    "x <= 3",
    "layer a: ratio(b) <= 1",
    "layer a: uncounted <= 1",
    "layer: params <= 3",
    "params <= 3;",
    "params <= 5Q",
    "params <= __import__('os')",
    "params <= " + "(" * 300 + "1" + ")" * 300,
    "params <= " + "-" * 980 + "1",
    "params <= " + "9" * 5000,
    "ratio(a <= 1",
    "ratio(a, b, c) <= 1",
    "ratio(a,) <= 1",
    "params <= 1 if 1 else 2",
    "params <= sum(params, 1, 2, 3)",
    "a" * 10**5,
]


@pytest.mark.parametrize("text", LIMIT_ERRORS, ids=range(len(LIMIT_ERRORS)))
def test_wrong_limits_are_refused_when_they_are_read(text: str) -> None:
    """With the limit and an example."""
    with pytest.raises(FlopcalcError) as caught:
        read_limit(text, "network")
    assert caught.value.code == "bad-limit"
    assert caught.value.hint


NEAR_LIMITS = {
    "params => 5M": ("'=>'", "write >="),
    "params =< 5M": ("'=<'", "write <="),
    "params = 5M": ("'='", "write =="),
    "params ≤ 26M": ("'≤'", "write <="),
    "layer a: macs ≥ 2": ("'≥'", "write >="),
    "params <= 5m": ("unknown unit 'm'", "k, M, G, B (as G), T"),
    "params <= 5Mi": ("'Mi' is a unit of memory", "k, M, G"),
    "macs <= 5 GiB": ("'GiB' is a unit of memory", "peak_memory <= 24 GiB"),
    "macs <= 2M bytes": ("'bytes' is a unit of memory", "peak_memory <= 24 GiB"),
    "macs <= 5 ms": ("'ms' is a unit of time", "time(h200) <= 5 ms"),
    "time(h200) <= 5 M": ("'M' is not a unit of time", "s, ms, us"),
    "params <= 5 MB": ("unknown unit 'MB'", "k, M, G"),
    "params <= 1e3q": ("unknown unit 'q'", "k, M, G"),
    "params <= 5,000": ("'5,000' has a comma", "write 5000"),
    "params <= 1,250,000 + macs": ("'1,250,000' has a comma", "write 1250000"),
    "layers *: macs <= 1": ("'layers' is not a selector", "write layer PATTERN:"),
    "ratio(conv": ("a bracket is not closed", '"ratio(conv, params) < 1/2"'),
    "params <= 5 5": ("it is not a comparison", "for example"),
    "params <= 5M M": ("it is not a comparison", ""),
    "params <= 5 macs": ("it is not a comparison", "for example"),
    "params <= max()": ("'max' takes at least one value", "max(macs, 1M)"),
    "params <= 1 + min(max(), 2)": ("'max' takes at least one value", "max(macs, 1M)"),
}


@pytest.mark.parametrize("text", NEAR_LIMITS)
def test_the_error_of_a_limit_that_is_almost_right_says_what_to_write(text: str) -> None:
    """The operator, the unit, the number, the selector."""
    with pytest.raises(FlopcalcError) as caught:
        read_limit(text, "network")
    words, hint = NEAR_LIMITS[text]
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_yaml_splits_a_limit_at_its_comma(here: Path, run: Runner) -> None:
    """As the guide says: in quotes it is one limit."""
    text = "targets: [{network: tiny.yaml, limits: [ratio(tiny.yaml, params) <= 1]}]\n"
    (here / "flopcalc.yaml").write_text(text)
    done = run("check")
    assert done.code == 2
    assert "in quotes" in done.err
    (here / "flopcalc.yaml").write_text(text.replace("[ratio", '["ratio').replace("1]", '1"]'))
    assert run("check").code == 0


@pytest.mark.parametrize("name", ["min", "max"])
def test_an_extreme_of_nothing(name: str) -> None:
    """In the words of an expression, not of Python."""
    with pytest.raises(FlopcalcError, match=f"{name} takes at least one value"):
        evaluate(f"{name}()", {})


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("params <= 1 / 0", "division by zero"),
        ("params <= macs / (params - 314)", "division by zero"),
        ("params <= 2 ^ 0.5", "not an exact number"),
        ("params == (0 - 8) ^ 0.5", "not a real number"),
        ("params <= 9 ^ (9 ^ 9)", "too large"),
        ("layer nothing*: params <= 1", "unknown layer 'nothing*'"),
        ("stage nothing*: params <= 1", "unknown stage 'nothing*'"),
        ("ratio(reznet50) <= 1", "did you mean resnet50"),
        ("ratio(tiny.yam) <= 1", "unknown network 'tiny.yam'"),
        ("ratio(tiny.yaml,uncounted) <= 1", "has no uncounted"),
        ("macs <= locked", "there is no lock file"),
        ("macs <= baseline", "there is no lock file"),
    ],
)
def test_limits_without_an_answer_are_errors(limit: str, words: str, here: Path, run: Runner) -> None:
    """Exit code 2 with the line: neither kept nor exceeded."""
    write_targets(here, f"'{limit}'")
    done = run("check")
    assert done.code == 2
    assert words in done.err
    assert "flopcalc.yaml, line " in done.err
    assert len(done.err.splitlines()) == 2


def test_without_limits(here: Path, run: Runner) -> None:
    """A file of targets alone serves the lock; check says so."""
    write_targets(here)
    done = run("check")
    assert done.code == 0
    assert "without limits" in done.out
    missing = run("check", "--locked")
    assert missing.code == 2
    assert "write it with `flopcalc lock`" in missing.err


def test_the_projects_own_contract(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """flopcalc.yaml and flopcalc.lock of this repository hold."""
    monkeypatch.chdir(ROOT)
    done = run("check", "--locked")
    assert (done.code, done.err) == (0, ""), done.out

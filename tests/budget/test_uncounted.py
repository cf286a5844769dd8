"""Unknown is not zero: with a kernel that has no rule, limits fail, and every output names the kernel."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from helpers import TINY, Runner, define_kernels

from flopcalc.budget.assertions import Costs

pytest.importorskip("torch")

define_kernels()

# A convolution 3 -> 8 of 3x3 on 8x8, and kernels of the user: 216 weights, 216 * 64 MACs.
MACS = 216 * 64
NET = """\
import torch


class Scan(torch.nn.Module):
    def __init__(self, times):
        super().__init__()
        self.times = times

    def forward(self, x):
        for _ in range(self.times):
            x = torch.ops.flopcalctest.scan(x)
        return x


class Net(torch.nn.Module):
    def __init__(self, times=2):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.scan = Scan(times)

    def forward(self, x):
        return self.scan(self.conv(x))


class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)

    def forward(self, x):
        return self.conv(x)
"""
KERNEL = "flopcalctest.scan in scan, 2 times"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Runner) -> Path:
    """A folder with a model whose kernel has no rule, and a wide terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


def targets(folder: Path, *limits: str, more: str = "", network: str = "net.py:Net", other: str = "") -> None:
    lines = ["targets:", f"  - network: {network}", "    input: 3x8x8", *(f"    {line}" for line in more.splitlines())]
    lines += ["    limits:", *(f"      - '{limit}'" for limit in limits)] if limits else []
    (folder / "flopcalc.yaml").write_text("\n".join([*lines, other]) + "\n")


def checked(run: Runner, *arguments: str) -> dict[str, Any]:
    found = json.loads(run("check", *arguments, "--format", "json").out)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        ("macs <= 1M", "unknown"),
        (f"macs <= {MACS}", "unknown"),
        # More can only make it worse.
        (f"macs <= {MACS - 1}", "exceeded"),
        (f"macs < {MACS}", "exceeded"),
        (f"macs == {MACS - 1}", "exceeded"),
        (f"macs == {MACS}", "unknown"),
        (f"macs == {MACS + 1}", "unknown"),
        ("macs >= 1", "unknown"),
        ("macs > 1M", "unknown"),
        ("params <= 1M", "unknown"),
        ("layer conv: macs <= 1M", "unknown"),
        ("layer *: macs <= 1M", "unknown"),
        ("layer conv: macs <= 1", "exceeded"),
        ("stage *: macs <= 1M", "unknown"),
        ("macs <= flops", "unknown"),
        ("flops <= macs", "unknown"),
        ("ratio(tiny.yaml) <= 2", "unknown"),
        ("ratio(tiny.yaml) <= 1/100", "exceeded"),
        ("uncounted <= macs", "unknown"),
    ],
)
def test_every_limit_fails(limit: str, verdict: str, here: Path, run: Runner) -> None:
    """Whatever the counted part is; it is called exceeded only where no further cost could keep the limit."""
    targets(here, limit)
    done = run("check", "--format", "json")
    assert done.code == 1
    (row,) = json.loads(done.out)["rows"]
    assert (row["ok"], row["verdict"]) == (False, verdict)
    assert row["reason"] == f"not counted: {KERNEL}"
    assert row["uncounted"] == [{"op": "flopcalctest.scan", "module": "scan", "count": 2, "of": ""}]


@pytest.mark.parametrize(
    ("limit", "code"),
    [("uncounted <= 2", 0), ("uncounted <= 1", 1), ("uncounted == 1 + 1", 0), ("uncounted < 2", 1)],
)
def test_a_limit_on_the_kernels_themselves_is_known(limit: str, code: int, here: Path, run: Runner) -> None:
    """Two runs of one kernel."""
    targets(here, limit)
    done = run("check", "--format", "json")
    (row,) = json.loads(done.out)["rows"]
    assert (done.code, row["actual"], row["reason"]) == (code, 2, None)


@pytest.mark.parametrize(
    ("limit", "code"),
    [("macs <= 1M", 0), (f"macs <= {MACS - 1}", 1), ("layer conv: macs <= 1M", 0), ("params == 216", 0)],
)
def test_a_target_may_allow_them(limit: str, code: int, here: Path, run: Runner) -> None:
    """The limits then apply to what could be counted, and the output still names the kernel."""
    targets(here, limit, more="uncounted: allow")
    done = run("check")
    assert done.code == code
    assert KERNEL in done.out
    assert "at least" in done.out
    (row,) = checked(run)["rows"]
    assert (row["verdict"], row["reason"]) == ("exceeded" if code else "ok", None)
    assert row["known"]["actual"] == "at least"


def test_in_pyproject(here: Path, run: Runner) -> None:
    """The same key in TOML."""
    (here / "pyproject.toml").write_text(
        '[[tool.flopcalc.targets]]\nnetwork = "net.py:Net"\ninput = "3x8x8"\nuncounted = "allow"\n'
        'limits = ["macs <= 1M"]\n'
    )
    assert run("check").code == 0
    (here / "pyproject.toml").write_text((here / "pyproject.toml").read_text().replace('"allow"', '"fail"'))
    assert run("check").code == 1


@pytest.mark.parametrize("value", ["3", "yes", "[allow]", "{allow: true}", "true"])
def test_other_values_are_refused(value: str, here: Path, run: Runner) -> None:
    """With the line of the key."""
    targets(here, "macs <= 1M", more=f"uncounted: {value}")
    done = run("check")
    assert done.code == 2
    assert "flopcalc.yaml, line 4: uncounted is " in done.err
    (here / "flopcalc.yaml").write_text("targets:\n  - operator: conv\n    cin: 4\n    uncounted: allow\n")
    assert "unknown key 'uncounted'" in run("check").err


def test_a_baseline_or_a_ratio_that_is_not_known(here: Path, run: Runner) -> None:
    """The target is counted in full, and what it is compared with is not: neither bound nor ratio is known."""
    other = "  - {network: 'net.py:Net', name: odd, input: 3x8x8}"
    for limit, number in (("macs <= baseline", "bound"), ("ratio(odd) <= 2", "actual")):
        targets(here, limit, "macs <= 1M", more="baseline: odd", network="net.py:Plain", other=other)
        first, second = checked(run)["rows"]
        of = "the baseline" if number == "bound" else "odd"
        assert first["reason"] == f"not counted: {KERNEL}, of {of}"
        assert first["known"][number] == "unknown"
        assert (first["verdict"], second["verdict"]) == ("unknown", "ok")
    targets(here, "macs <= baseline", more="baseline: odd\nuncounted: allow", network="net.py:Plain", other=other)
    assert run("check").code == 0


def test_a_locked_cost_that_is_not_known(here: Path, run: Runner) -> None:
    """The lock file has kernels without a rule, and the model has none any more."""
    targets(here, "macs <= locked", network="net.py:Net", more="name: it")
    assert run("lock").code == 0
    targets(here, "macs <= locked", network="net.py:Plain", more="name: it")
    (row,) = checked(run)["rows"]
    assert row["reason"] == f"not counted: {KERNEL}, of the lock file"
    # A lock file of 0.1 has their number only.
    lock = here / "flopcalc.lock"
    lock.write_text("".join(line for line in lock.read_text().splitlines(True) if not line.startswith("uncounted ")))
    (row,) = checked(run)["rows"]
    assert "kernels that the lock file does not name, 2 times" in row["reason"]


def test_the_lock_file_records_them(here: Path, run: Runner) -> None:
    """Each kernel has a line; another kernel, with the same number and the same cost, is a difference."""
    targets(here, more="name: it")
    assert run("lock").code == 0
    lock = (here / "flopcalc.lock").read_text()
    assert "\nuncounted flopcalctest.scan scan 2\n" in lock
    same = run("check", "--locked")
    assert same.code == 0
    assert "all as locked, as far as they could be counted" in same.out
    (here / "net.py").write_text(NET.replace("flopcalctest.scan(x)", "flopcalctest.blend(x)"))
    done = run("check", "--locked", "--format", "json")
    assert done.code == 1
    (one,) = json.loads(done.out)["differences"]
    assert [[kernel["op"] for kernel in side] for side in one["uncounted"]] == [
        ["flopcalctest.scan"],
        ["flopcalctest.blend"],
    ]
    text = run("check", "--locked").out
    assert f"it: counted now, or gone: {KERNEL}; not counted: flopcalctest.blend in scan, 2 times" in text
    (here / "flopcalc.lock").write_text(lock.replace("scan scan 2", "scan scan 1"))
    assert "do not add up" in run("check", "--locked").err


def test_one_row_for_all_layers(here: Path, run: Runner) -> None:
    """A limit on every layer fails once, not once for each layer; layers above it are named as ever."""
    targets(here, "layer *: macs <= 1M", "layer *: macs <= 1")
    first, second = checked(run)["rows"]
    assert (first["name"], first["verdict"]) == ("conv", "unknown")
    assert (second["name"], second["verdict"]) == ("conv", "exceeded")


# Formats ----------------------------------------------------------------------------------------------------


def test_the_table(here: Path, run: Runner) -> None:
    """The reason, the lower bound, the kernel, and what to do."""
    targets(here, "macs <= 1M")
    done = run("check")
    lines = done.out.splitlines()
    (row,) = (line for line in lines if line.startswith("macs <= 1M"))
    assert row.split() == ["macs", "<=", "1M", "at", "least", "13,824", "1,000,000", "NOT", "COUNTED"]
    assert "net.py:Net: costs at least" in lines
    assert f"  - net.py:Net: {KERNEL}" in lines
    for remedy in ("register_kernel", "kernels:", "uncounted: allow"):
        assert remedy in done.out


@pytest.mark.parametrize("form", ["markdown", "html", "latex", "csv", "json"])
def test_documents_name_the_kernel(form: str, here: Path, run: Runner) -> None:
    """Also those for pages and spreadsheets."""
    targets(here, "macs <= 1M")
    done = run("check", "--format", form)
    assert done.code == 1
    assert "flopcalctest.scan" in done.out.replace("\\_", "_")
    if form == "csv":
        head, row = done.out.splitlines()
        assert dict(zip(head.split(","), row.split(","), strict=False))["uncounted"] == '"flopcalctest.scan in scan'


def test_junit(here: Path, run: Runner) -> None:
    """A failure with the kernel; where it is allowed, a test that passes, with the kernel in its output."""
    targets(here, "macs <= 1M")
    failure = ET.fromstring(run("check", "--format", "junit").out).find(".//failure")  # noqa: S314
    assert failure is not None
    assert KERNEL in failure.attrib["message"]
    assert "uncounted: allow" in (failure.text or "")
    targets(here, "macs <= 1M", more="uncounted: allow")
    root = ET.fromstring(run("check", "--format", "junit").out)  # noqa: S314
    assert root.attrib["failures"] == "0"
    note = root.find(".//testcase/system-out")
    assert note is not None
    assert KERNEL in (note.text or "")


def test_sarif(here: Path, run: Runner) -> None:
    """An error at the line of the limit; where it is allowed, a note at the line of the target."""
    targets(here, "macs <= 1M")
    (run_,) = json.loads(run("check", "--format", "sarif").out)["runs"]
    (one,) = run_["results"]
    assert (one["ruleId"], one["level"]) == ("uncounted", "error")
    assert KERNEL in one["message"]["text"]
    assert one["locations"][0]["physicalLocation"]["region"]["startLine"] == 5
    assert "uncounted" in {rule["id"] for rule in run_["tool"]["driver"]["rules"]}
    targets(here, "macs <= 1M", more="uncounted: allow")
    (one,) = json.loads(run("check", "--format", "sarif").out)["runs"][0]["results"]
    assert (one["ruleId"], one["level"]) == ("uncounted", "note")
    assert KERNEL in one["message"]["text"]
    assert one["locations"][0]["physicalLocation"]["region"]["startLine"] == 2


def test_github(here: Path, run: Runner) -> None:
    """An error annotation; where it is allowed, a notice."""
    targets(here, "macs <= 1M")
    error, summary = run("check", "--format", "github").out.splitlines()
    assert error.startswith("::error file=flopcalc.yaml,line=5,title=flopcalc%3A A kernel has no counting rule")
    assert KERNEL in error
    assert summary == "flopcalc: 1 checked, 1 failed"
    targets(here, "macs <= 1M", more="uncounted: allow")
    notice, summary = run("check", "--format", "github").out.splitlines()
    assert notice.startswith("::notice file=flopcalc.yaml,line=2,")
    assert KERNEL in notice
    assert summary.startswith("::notice title=flopcalc::")


def _net(folder: Path) -> Any:
    scope: dict[str, Any] = {}
    exec((folder / "net.py").read_text(), scope)  # noqa: S102
    return scope["Net"]()


def test_assert_cost(here: Path) -> None:
    """In pytest: the kernel and what to do; `allow`, alone and with a limit on the number of kernels."""
    costs = Costs(str(here / "test_it.py"), "test_it", update=False)
    net = _net(here)
    with pytest.raises(pytest.fail.Exception) as caught:
        costs.assert_cost(net, (3, 8, 8), macs="<= 1M")
    assert KERNEL in str(caught.value)
    assert "at least 13,824" in str(caught.value)
    assert 'uncounted="allow"' in str(caught.value)
    assert "register_kernel" in str(caught.value)
    assert costs.assert_cost(net, (3, 8, 8), macs=MACS, uncounted="allow")["uncounted"] == 2
    costs.assert_cost(net, (3, 8, 8), macs="<= 1M", uncounted=["allow", "<= 2"])
    costs.assert_cost(net, (3, 8, 8), uncounted=2)
    with pytest.raises(pytest.fail.Exception, match="uncounted is 2, the limit is 1"):
        costs.assert_cost(net, (3, 8, 8), macs="<= 1M", uncounted=["allow", "<= 1"])
    with pytest.raises(pytest.fail.Exception, match="the limit is 13,823"):
        costs.assert_cost(net, (3, 8, 8), macs="< 13824", limits="macs <= 13823", uncounted="allow")
    with pytest.raises(pytest.fail.Exception, match="given no limit"):
        costs.assert_cost(net, (3, 8, 8), uncounted="allow")


# Headlines --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["table", "markdown", "html", "latex"])
@pytest.mark.parametrize("by", ["stage", "layer", "type", "tree"])
def test_the_headline_of_a_model(form: str, by: str, here: Path, run: Runner) -> None:
    """`at least`, and why; in the title and in the sums."""
    out = run("model", "net.py:Net", "--input", "3x8x8", "--by", by, "--format", form).out
    assert "at least 13,824 MACs: 2 kernels were not counted" in out
    assert "total, at least" in out
    assert "flopcalctest.scan in scan, 2 times" in out
    plain = run("model", "net.py:Plain", "--input", "3x8x8", "--by", by, "--format", form).out
    assert "at least" not in plain


def test_the_headline_follows_the_convention(here: Path, run: Runner) -> None:
    """One MAC is two FLOPs."""
    out = run("model", "net.py:Net", "--input", "3x8x8", "--convention", "flops").out
    assert f"at least {2 * MACS:,} FLOPs" in out


def test_the_headline_of_a_difference(here: Path, run: Runner) -> None:
    """The side that is not known is named, and the difference is that of the counted parts."""
    out = run("diff", "net.py:Plain", "net.py:Net", "--input", "3x8x8").out
    assert "B costs at least this, 2 kernels were not counted" in out.splitlines()[0]
    assert any(line.startswith("B, at least") for line in out.splitlines())
    assert any(line.startswith("B - A, as counted") for line in out.splitlines())
    same = run("diff", "net.py:Net", "net.py:Net", "--input", "3x8x8").out
    assert "equal, layer by layer, as far as counted" in same
    assert "at least" not in run("diff", "net.py:Plain", "net.py:Plain", "--input", "3x8x8").out


@pytest.mark.parametrize("command", [("model", "net.py:Net"), ("diff", "net.py:Plain", "net.py:Net")])
def test_a_spreadsheet_has_no_headline(command: tuple[str, ...], here: Path, run: Runner) -> None:
    """So the note is on stderr, and the file has the layers only."""
    done = run(*command, "--input", "3x8x8", "--format", "csv")
    assert done.err == f"note: at least these costs: 2 kernels were not counted: {KERNEL}\n"
    assert "note" not in done.out
    assert run(command[0], *["net.py:Plain"] * (len(command) - 1), "--input", "3x8x8", "--format", "csv").err == ""


def test_the_objects_say_at_least(here: Path) -> None:
    """The short texts of a network and of a count."""
    from flopcalc import count
    from flopcalc.pytorch.counting.network import counted_network

    net = _net(here)
    assert "216 params, at least 13,824 MACs" in repr(counted_network(net, (3, 8, 8)))
    assert "macs at least 13,824" in repr(count(net, (1, 3, 8, 8)))
    assert "at least" not in repr(counted_network(net.conv, (3, 8, 8)))


# Rules ------------------------------------------------------------------------------------------------------


def test_a_rule_of_the_file_counts_the_kernel(here: Path, run: Runner) -> None:
    """16 MACs for each of 8 * 64 elements, two times; for the targets of the file and for a model in its folder."""
    targets(here, f"macs == {MACS + 2 * 16 * 8 * 64}", "uncounted == 0")
    path = here / "flopcalc.yaml"
    path.write_text("kernels:\n  flopcalctest::scan: 16 * x_numel\n" + path.read_text())
    done = run("check")
    assert done.code == 0, done.out
    done = run("model", "net.py:Net", "--input", "3x8x8", "--strict", "--format", "json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["macs"] == MACS + 2 * 16 * 8 * 64
    done = run(
        "model", "net.py:Net", "--input", "3x8x8", "--replace", "dsc where k == 3", "--strict", "--format", "json"
    )
    assert done.code == 0, done.err
    # Depthwise 3x3 on 3 channels, then 3 -> 8 at each of 64 places.
    assert json.loads(done.out)["macs"] == (27 + 24) * 64 + 2 * 16 * 8 * 64
    path.unlink()
    done = run("model", "net.py:Net", "--input", "3x8x8", "--strict")
    assert done.code == 1
    assert "kernels: in flopcalc.yaml" in done.err

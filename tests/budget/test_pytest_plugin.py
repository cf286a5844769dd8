"""The pytest plugin: limits, snapshots, what a failure tells, and that it costs nothing when unused."""

import os
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from helpers import ROOT, TINY, fresh

from flopcalc.testing import snapshot_path

pytest_plugins = ["pytester"]

# Where the package is installed, its entry point has loaded the plugin already.
LOADED = bool(entry_points(group="pytest11", name="flopcalc"))
PLUGIN = () if LOADED else ("-p", "flopcalc.pytest_plugin")


@pytest.fixture(scope="module", autouse=True)
def _loaded() -> None:
    """Load torch, with what it loads late: what a run in process loads is forgotten after it, and torch loads once."""
    with suppress(ImportError):
        import torch

        from flopcalc.pytorch import count

        count(torch.nn.Conv2d(1, 1, 1), (1, 1, 2, 2))


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with the tiny network, and tests to come."""
    (pytester.path / "tiny.yaml").write_text(TINY)
    # Of this checkout, wherever the tests run.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return pytester


def go(project: pytest.Pytester, source: str, *arguments: str, **outcomes: int) -> str:
    """Run tests of the given source, in process; the text of the run."""
    (project.path / "test_it.py").write_text(source)
    result = project.runpytest_inprocess(*PLUGIN, "-p", "no:cacheprovider", "-p", "no:cov", *arguments)
    result.assert_outcomes(**outcomes)
    return result.stdout.str()


NAMED = """
def test_cost(flopcalc):
    found = flopcalc.assert_cost("tiny.yaml", macs="<= 13.904k", params=314, limits="layer *: params <= 224")
    assert found["macs"] == 13904

def test_too_dear(flopcalc):
    flopcalc.assert_cost("tiny.yaml", macs="<= 10k", params=["<= 1k", ">= 1"])
"""


def test_limits_and_the_message(project: pytest.Pytester) -> None:
    """Limit, actual, by how much, and the most expensive layers with their shares; this file is not shown."""
    text = go(project, NAMED, passed=1, failed=1)
    assert "Failed: macs is 13,904, the limit is 10,000 (macs <= 10k): +3,904 (+39.0%)" in text
    assert "Most expensive layers by macs" in text
    assert "conv1  conv    13,824     224  99.4%" in text
    assert "testing.py" not in text
    assert not (project.path / "__flopcalc__").exists()


def test_limits_on_the_whole_come_first(project: pytest.Pytester) -> None:
    """However many layers are over theirs."""
    source = (
        "def test_it(flopcalc):\n    flopcalc.assert_cost('resnet50', macs='<= 4G', limits=['layer *: params <= 1k'])\n"
    )
    text = go(project, source, failed=1)
    assert "Failed: macs is 4,089,184,256, the limit is 4,000,000,000" in text
    assert " more" in text


def test_integers_of_numpy(project: pytest.Pytester) -> None:
    """A quantity is exactly a whole number, of any type."""
    pytest.importorskip("numpy")
    source = "import numpy as np\ndef test_it(flopcalc):\n    flopcalc.assert_cost('tiny.yaml', params=np.int64(314))\n"
    go(project, source, passed=1)


def test_snapshots(project: pytest.Pytester) -> None:
    """Missing, written, compared, changed, written again; assert_cost also shows what changed."""
    source = (
        "import pytest\n@pytest.mark.parametrize('size', ['3x8x8', '3x16x16'])\ndef test_same(flopcalc, size):\n"
        "    flopcalc.assert_unchanged('tiny.yaml', size)\n"
        "def test_cost(flopcalc):\n    flopcalc.assert_cost('tiny.yaml', params='<= 330', macs='<= locked')\n"
        "    flopcalc.assert_unchanged('tiny.yaml', name='by name')\n"
    )
    text = go(project, source, failed=3)
    assert "there is no snapshot __flopcalc__/test_it/test_same[3x8x8].lock" in text.replace("\\", "/")
    assert "--flopcalc-update" in text
    assert not (project.path / "__flopcalc__").exists()
    go(project, source, "--flopcalc-update", passed=3)
    folder = project.path / "__flopcalc__" / "test_it"
    assert len(list(folder.iterdir())) == 4
    assert "layer conv1 conv conv1 3x16x16" in (folder / "test_same[3x16x16].lock").read_text()
    before = {path: path.read_text() for path in folder.iterdir()}
    go(project, source, passed=3)
    assert {path: path.read_text() for path in folder.iterdir()} == before
    (project.path / "tiny.yaml").write_text(TINY.replace("out: 8", "out: 16"))
    text = go(project, source, failed=3)
    assert "params 314 -> 618" in text
    assert "conv1  out 8x8x8 -> 16x8x8" in text
    assert "accept it with `pytest --flopcalc-update`" in text
    cost = text[text.index("_ test_cost _") :]
    assert "params is 618, the limit is 330 (params <= 330): +288" in cost
    assert "macs is 27,808, the limit is 13,904 (macs <= locked)" in cost
    assert "Changed since the snapshot __flopcalc__" in cost
    # A limit stays a limit when snapshots are written.
    go(project, source, "--flopcalc-update", passed=2, failed=1)
    (project.path / "tiny.yaml").write_text(TINY)
    go(project, source, failed=2, passed=1)


def test_no_snapshot_without_a_request(project: pytest.Pytester) -> None:
    """Plain limits write none; `locked` does, so does `baseline` without a replacement, and one there is renewed."""
    folder = project.path / "__flopcalc__" / "test_it"

    def files(*calls: str) -> list[str]:
        body = "".join(f"    flopcalc.{call}\n" for call in calls)
        go(project, f"def test_a(flopcalc):\n{body}", "--flopcalc-update", passed=1)
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    plain = "assert_cost('tiny.yaml', macs='<= 14k')"
    assert files(plain, "assert_cost('tiny.yaml', params=314, name='n')") == []
    assert files("assert_cost('tiny.yaml', replace='dsc where k == 3', macs='<= 2 * baseline')") == []
    assert files(plain, "assert_unchanged('tiny.yaml')", plain, "assert_unchanged('tiny.yaml', name='n')") == [
        "n.lock",
        "test_a.lock",
    ]
    first, wide = (folder / "test_a.lock").read_text(), "assert_unchanged('tiny.yaml', '3x16x16')"
    assert files("assert_unchanged('tiny.yaml')", wide)[1:] == ["test_a-2.lock", "test_a.lock"]
    assert (folder / "test_a.lock").read_text() == first
    both = ("assert_cost('tiny.yaml', macs='<= locked')", "assert_cost('tiny.yaml', '3x16x16', macs='<= baseline')")
    assert set(files(*both, "assert_unchanged('tiny.yaml')")) >= {"test_a-cost.lock", "test_a-cost-2.lock"}
    assert (folder / "test_a.lock").read_text() == first
    # What is there is renewed, by a plain limit too.
    (project.path / "tiny.yaml").write_text(TINY.replace("out: 8", "out: 16"))
    files("assert_cost('tiny.yaml', params=618, name='n')")
    assert "params 618" in (folder / "n.lock").read_text()


def test_broken_snapshots(project: pytest.Pytester) -> None:
    """Reported in the terms of the plugin, fixed by --flopcalc-update; other files are not overwritten."""
    source = "def test_same(flopcalc):\n    flopcalc.assert_unchanged('tiny.yaml')\n"
    go(project, source, "--flopcalc-update", passed=1)
    path = project.path / "__flopcalc__" / "test_it" / "test_same.lock"
    good = path.read_text()
    path.write_text(good.replace("version 1", "version 9"))
    text = go(project, source, failed=1)
    assert "line 3: it has version '9'" in text
    assert "pytest --flopcalc-update" in text
    go(project, source, "--flopcalc-update", passed=1)
    assert path.read_text() == good
    path.write_text("precious")
    assert "is not a snapshot; nothing was written" in go(project, source, "--flopcalc-update", failed=1)
    assert path.read_text() == "precious"
    path.write_text(good.replace("float32", "float16"))
    assert "measures traffic in float16" in go(project, source, failed=1)


WRONG = {
    "assert_cost('tiny.yaml')": "was given no limit",
    "assert_cost('tiny.yaml', mac=3)": "assert_cost has no quantity 'mac'",
    "assert_cost('tiny.yaml', macs=True)": "macs is True",
    "assert_cost('tiny.yaml', macs='300M')": "macs is '300M'",
    "assert_cost('tiny.yaml', macs='<= x')": "unknown name 'x'",
    "assert_cost('tiny.yaml', macs='<= baseline')": "there is no snapshot",
    "assert_cost('tiny.yam', macs=1)": "unknown network 'tiny.yam'",
    "assert_cost('tiny.yaml', (3, 'x'), macs=1)": "the input is (3, 'x')",
    "assert_cost('tiny.yaml', 3.5, macs=1)": "the input is 3.5",
    "assert_cost('tiny.yaml', macs=1, dtype='int3')": "dtype is 'int3'",
    "assert_cost('tiny.yaml', macs=1, dtype=['int8'])": "dtype is ['int8']",
    "assert_cost('tiny.yaml', macs=1, name=3)": "name is 3, not text",
    "assert_unchanged('tiny.yaml', name=b'x')": "name is b'x', not text",
    "assert_cost('tiny.yaml', limits=4)": "limits is 4, not a text or a list of texts",
    "assert_cost('tiny.yaml', macs='>= 1', params=[])": "params is empty: it limits nothing",
    "assert_cost('tiny.yaml', macs=1, where='k == 3')": "given without replace",
}


def test_wrong_calls_are_failures_in_two_lines(project: pytest.Pytester) -> None:
    """What is wrong, and what to write; no traceback of ours."""
    source = "\n".join(f"def test_{n}(flopcalc):\n    flopcalc.{call}\n" for n, call in enumerate(WRONG))
    text = go(project, source, failed=len(WRONG))
    for words in WRONG.values():
        assert words in text, words
    assert "assertions.py" not in text


MODULES = """
import pytest
torch = pytest.importorskip("torch")
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1)
        self.fc = nn.Linear(width, 10)
    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))

class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(100, 16)
    def forward(self, ids):
        return self.table(ids)

def broken():
    raise ValueError("no such width")

def test_module(flopcalc):
    net = Net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    # 216 weights at 64 positions, 80 behind them.
    flopcalc.assert_cost(net, (3, 8, 8), params=314, macs=13904, limits=["layer conv: macs == 13824"])
    flopcalc.assert_cost(net, (3, 8, 8), batch=4, macs=4 * 13904)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())

def test_class_and_function(flopcalc):
    flopcalc.assert_cost(Net, torch.Size([3, 8, 8]), set={"width": 16}, params=618)
    flopcalc.assert_cost(lambda: Net(16), [(3, 8, 8)], params=618)
    flopcalc.assert_cost(Words(), "77:int64", params=1600)

def test_replaced(flopcalc):
    flopcalc.assert_cost(Net(8), (3, 8, 8), replace="dsc where k == 3", macs="< baseline")

def test_named(flopcalc):
    flopcalc.assert_cost("test_it:Net", (3, 8, 8), params=314)

def test_failing(flopcalc):
    flopcalc.assert_cost(broken, (3, 8, 8), params=314)

def test_batch_in_the_shape(flopcalc):
    flopcalc.assert_cost(Net(), (1, 3, 8, 8), params=314)

def test_no_module(flopcalc):
    flopcalc.assert_cost(3, (3, 8, 8), params=314)
"""


def test_modules(project: pytest.Pytester) -> None:
    """A module, a class, a function, token ids, replacement; each failure is reported."""
    pytest.importorskip("torch")
    text = go(project, MODULES, passed=4, failed=3)
    assert "broken failed: ValueError: no such width" in text
    assert "the target is 3, not a name, a path or a PyTorch model" in text
    assert "input_shape is without the batch" in text


def test_loading_it_imports_nothing(tmp_path: Path) -> None:
    """Neither torch nor SymPy nor NumPy nor our own modules, at start-up and collection of tests that do not use it."""
    (tmp_path / "test_plain.py").write_text(
        "import sys\nseen = set(sys.modules)\ndef test_plain():\n"
        "    heavy = {'torch', 'sympy', 'numpy', 'rich', 'click', 'yaml'} & seen\n    assert not heavy\n"
        "    ours = {name for name in seen if name.split('.')[0] == 'flopcalc'}\n"
        "    assert ours == {'flopcalc', 'flopcalc.pytest_plugin'}\n"
        "def test_named(flopcalc):\n    flopcalc.assert_cost('resnet50', params=25557032)\n"
        "    assert not {'torch', 'sympy', 'numpy', 'rich', 'click'} & set(sys.modules)\n"
    )
    source = (
        "import os, sys, pytest\nos.environ['PYTEST_DISABLE_PLUGIN_AUTOLOAD'] = '1'\n"
        f"sys.exit(pytest.main(['-q', '-p', 'flopcalc.pytest_plugin', '-p', 'no:cacheprovider', {str(tmp_path)!r}]))"
    )
    done = fresh(source)
    assert done.code == 0, done.out + done.err
    assert "2 passed" in done.out


def test_the_entry_point(tmp_path: Path) -> None:
    """As pyproject.toml declares it, in an environment where the package is installed: found, listed, no warning."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    info = tmp_path / "flopcalc-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flopcalc\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        "[pytest11]\n" + "".join(f"{name} = {value}\n" for name, value in declared.items())
    )
    modules = [path.relative_to(ROOT).as_posix() for path in (ROOT / "flopcalc").rglob("*.py")]
    (info / "RECORD").write_text("".join(f"{module},,\n" for module in modules))
    (tmp_path / "test_one.py").write_text(NAMED)
    (tmp_path / "tiny.yaml").write_text(TINY)
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin", "COLUMNS": "100"}
    command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "--cov", "flopcalc"]
    done = subprocess.run(
        [*command, "--cov-report=", "test_one.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr
    listed = subprocess.run(
        [*command, "--help"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "--flopcalc-update" in listed.stdout


def test_each_name_has_a_file_of_its_own() -> None:
    """Also where the names differ only in what a file name cannot have, and whatever their length."""
    names = ["a b", "a_b", "a/b", "a", "A::b", "x" * 300, "x" * 301, "..", "../../etc", ""]
    paths = [snapshot_path("/tests/test_x.py", name) for name in names]
    assert len(set(paths)) == len(names)
    for path in paths:
        assert os.path.dirname(os.path.normpath(path)) == "/tests/__flopcalc__/test_x"
        assert len(os.path.basename(path)) < 130


def test_side_by_side(project: pytest.Pytester) -> None:
    """Several processes write snapshots at once: one file for each."""
    pytest.importorskip("xdist")
    source = (
        "import pytest\n@pytest.mark.parametrize('n', range(12))\ndef test_same(flopcalc, n):\n"
        "    flopcalc.assert_unchanged('tiny.yaml', f'3x{8 + n}x8')\n"
    )
    (project.path / "test_it.py").write_text(source)
    base = [*PLUGIN, "-p", "no:cov", "-n", "3"]
    project.runpytest_subprocess(*base, "--flopcalc-update").assert_outcomes(passed=12)
    assert len(list((project.path / "__flopcalc__" / "test_it").iterdir())) == 12
    project.runpytest_subprocess(*base).assert_outcomes(passed=12)

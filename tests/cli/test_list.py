"""`flopcalc list` reads an index; the index is what the operators and networks themselves give."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import ROOT, Run, fresh

from flopcalc.analysis.timing.library import device
from flopcalc.catalog import entry_points, lookup
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.networks import library
from flopcalc.targets import index
from flopcalc.text import shipped_files

Runner = Callable[..., Run]


def test_the_index_is_up_to_date() -> None:
    """configs/index.json is what the operators and networks give. `make docs` writes it."""
    assert (ROOT / "configs" / "index.json").read_text() == index.index_text(), "run `make docs`"


def test_list_loads_no_operator_and_no_network(run: Runner) -> None:
    """By what was loaded: no operator's file, no YAML, no metadata of installed packages."""
    source = (
        "import sys\nfrom flopcalc.cli.main import main\ncode = main(['list', '--format', 'json'])\n"
        "heavy = [m for m in sys.modules if m.startswith('flopcalc.operators.')]\n"
        "heavy += [m for m in ('yaml', 'importlib.metadata', 'flopcalc.networks.description') if m in sys.modules]\n"
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = fresh(source)
    assert (done.code, done.err) == (0, "")
    data = json.loads(done.out)
    assert {"conv", "ghost"} <= {row["name"] for row in data["operators"]}
    assert next(row for row in data["networks"] if row["name"] == "resnet50")["macs"] == 4_089_184_256


def test_a_stale_index_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index with another checksum, a damaged one and a missing one: the files are read instead."""
    good = index.build()
    wrong = {**good, "checksum": "0", "networks": [], "operators": []}
    path = tmp_path / "index.json"
    monkeypatch.setattr(index, "_path", lambda: str(path))
    expected = {key: good[key] for key in ("operators", "networks")}
    for content in (json.dumps(wrong), "{", "", "[]", json.dumps({"checksum": good["checksum"]})):
        path.write_text(content)
        assert index.shipped() == (expected, [])
    path.unlink()
    assert index.shipped() == (expected, [])


def test_the_checksum_sees_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed, a renamed and a new file change it; other line ends do not."""
    networks = tmp_path / "networks"
    networks.mkdir()
    monkeypatch.setattr("flopcalc.text.shipped_files.folder", lambda kind: str(networks))
    (networks / "a.yaml").write_bytes(b"x: 1\ny: 2\n")
    first = index.checksum()
    (networks / "a.yaml").write_bytes(b"x: 1\r\ny: 2\r\n")
    assert index.checksum() == first
    (networks / "a.yaml").write_bytes(b"x: 1\ny: 3\n")
    changed = index.checksum()
    (networks / "a.yaml").rename(networks / "b.yaml")
    renamed = index.checksum()
    (networks / "c.yaml").write_bytes(b"")
    assert len({first, changed, renamed, index.checksum()}) == 4


def test_conventions_are_listed(run: Runner) -> None:
    """All of them, also alone."""
    data = json.loads(run("list", "conventions", "--format", "json").out)
    assert [row["name"] for row in data["conventions"]] == list(CONVENTIONS)
    assert (data["operators"], data["networks"]) == ([], [])
    assert "torchinfo" in run("list").out
    assert "torchinfo" not in run("list", "operators").out
    assert run("list", "conventions", "--matching", "--cin", "8").code == 2


def test_devices_are_listed(run: Runner) -> None:
    """By name among the rest, and with their figures alone."""
    names = shipped_files.names("devices")
    data = json.loads(run("list", "devices", "--format", "json").out)
    assert [row["name"] for row in data["devices"]] == names
    assert (data["operators"], data["networks"], data["conventions"]) == ([], [], [])
    h200 = next(row for row in data["devices"] if row["name"] == "h200")
    assert h200["peaks"] == device("h200").peaks
    assert (h200["bandwidth"], h200["kind"]) == (4.8e12, "gpu")
    assert [row["name"] for row in json.loads(run("list", "--format", "json").out)["devices"]] == names
    text = run("list", "devices").out
    assert "NVIDIA H200" in text
    assert "66.91" in text
    assert ", h200, " in " ".join(run("list").out.split())
    rows = list(csv.DictReader(run("list", "devices", "--format", "csv").out.splitlines()))
    assert float(next(row for row in rows if row["name"] == "h200")["float32"]) == h200["peaks"]["float32"]
    assert "h200" not in run("list", "networks").out


def test_plug_ins_are_seen_without_importlib_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points in a folder, in an egg and in a zip file; other groups are not ours."""
    group = "flopcalc.test-group"
    monkeypatch.setattr("sys.path", [str(tmp_path), str(tmp_path / "absent"), str(tmp_path / "some.zip")])
    assert not entry_points.may_have(group)
    for folder in ("one-1.0.dist-info", "two.egg-info", "three.egg/EGG-INFO"):
        path = tmp_path / folder
        path.mkdir(parents=True)
        (path / "entry_points.txt").write_text("[console_scripts]\nx = y:z\n")
        assert not entry_points.may_have(group)
        (path / "entry_points.txt").write_text(f"[{group}]\nx = y:z\n")
        assert entry_points.may_have(group)
        (path / "entry_points.txt").unlink()
    import zipfile

    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("one-1.0.dist-info/entry_points.txt", f"[{group}]\nx = y:z\n")
    assert entry_points.may_have(group)


def test_csv_has_everything(run: Runner) -> None:
    """One table of all kinds: a script would not miss what a second table holds."""
    rows = list(csv.DictReader(run("list", "--format", "csv").out.splitlines()))
    names = {
        kind: [row["name"] for row in rows if row["kind"] == kind]
        for kind in ("operator", "network", "convention", "device")
    }
    assert set(names["operator"]) >= set(lookup.names())
    assert names["network"] == library.names()
    assert names["convention"] == list(CONVENTIONS)
    assert "h200" in [row["name"] for row in rows if row["kind"] == "device"]
    only = list(csv.DictReader(run("list", "operators", "--format", "csv").out.splitlines()))
    assert [row["name"] for row in only] == names["operator"]
    assert all(row["title"] for row in rows)

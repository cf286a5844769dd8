"""The shipped devices, and reading one of the user's own."""

from pathlib import Path

import pytest
import yaml

from flopcalc import FlopcalcError
from flopcalc.analysis.timing.device import EXECUTIONS
from flopcalc.analysis.timing.library import device, names
from flopcalc.analysis.timing.schema import device_schema
from flopcalc.text import shipped_files


@pytest.mark.parametrize("name", names())
def test_every_figure_has_a_source(name: str) -> None:
    """Peaks are units x operations x clock, and each figure says where it is from."""
    found = device(name)
    assert found.name == name
    assert set(found.sources) >= {"bandwidth"}
    assert {"peaks", "operations"} & set(found.sources)
    assert found.efficiency.source
    assert all(found.efficiency.launch[one] > 0 for one in EXECUTIONS)
    for dtype in found.peaks:
        rates, _ = found.rates(dtype)
        assert all(0 < share <= 1 for share in (*rates.rate.values(), *rates.bandwidth.values()))


@pytest.mark.parametrize(
    ("name", "dtype", "peak"),
    [
        ("h100", "float16", 132 * 4096 * 1.98e9),
        ("h100", "float32", 66.9e12),
        ("h200", "tf32", 494.7e12 * 1.98 / 1.83),
        ("a100", "float16", 312e12),
        ("a100", "tf32", 156e12),
        ("a100", "float32", 19.5e12),
        ("l4", "float16", 121e12),
        ("t4", "float16", 65e12),
        ("rtx3090", "float32", 35.6e12 * 2100 / 1695),
        ("rtx4090", "float16", 330.3e12 * 3105 / 2520),
        ("rtx5090", "float32", 104.8e12 * 3090 / 2407),
    ],
)
def test_peaks_of_data_sheets(name: str, dtype: str, peak: float) -> None:
    """At the highest clock, not at the clock of the data sheet."""
    assert device(name).peak(dtype) == pytest.approx(peak, rel=0.005)


@pytest.mark.parametrize("name", names())
def test_files_follow_the_schema(name: str) -> None:
    """As an editor checks them, and as any reader of YAML sees them."""
    jsonschema = pytest.importorskip("jsonschema")
    path = Path(shipped_files.folder("devices")) / f"{name}.yaml"
    jsonschema.validate(yaml.safe_load(path.read_text()), device_schema())


def test_bandwidths() -> None:
    """Of the variants that the names stand for."""
    found = {name: device(name).bandwidth for name in ("h100", "h200", "a100", "h100-pcie", "rtx4090")}
    assert found == {"h100": 3.35e12, "h200": 4.8e12, "a100": 2.039e12, "h100-pcie": 2.0e12, "rtx4090": 1.008e12}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("peaks: {float32: 1.0e13}\nbandwidth: 1.0e11\nspeed: 3\n", "unknown key 'speed'"),
        ("peaks: {float32: 1.0e13}\n", "bandwidth is missing"),
        ("bandwidth: 1.0e11\n", "there is no peak"),
        ("operations: {float32: 100}\nbandwidth: 1.0e11\n", "operations need units and clock"),
        ("operations: {float32: 100}\nclock: 1.0e9\nbandwidth: 1.0e11\n", "operations need units and clock"),
        (
            "operations: {float32: 100}\nunits: 2.5\nclock: 1.0e9\nbandwidth: 1.0e11\n",
            "units is 2.5, not a whole number",
        ),
        (
            "operations: {float32: 100}\nunits: 2\nclock: 1.0e9\npeaks: {float32: 1.0e13}\nbandwidth: 1.0e11\n",
            "float32 has operations and a peak",
        ),
        ("peaks: {float32: 1.0e13}\nunits: 0\nbandwidth: 1.0e11\n", "units is 0; it must be larger"),
        ("peaks: {float32: fast}\nbandwidth: 1.0e11\n", "float32 is 'fast', not a number"),
        ("peaks: {float33: 1.0e13}\nbandwidth: 1.0e11\n", "unknown key 'float33'"),
        ("kind: tpu\npeaks: {float32: 1.0e13}\nbandwidth: 1.0e11\n", "kind is 'tpu'"),
        ("peaks: {float32: 1.0e13}\nbandwidth: 1.0e11\nefficiency: {like: h1000}\n", "like is 'h1000'"),
        (
            "peaks: {float32: 1.0e13}\nbandwidth: 1.0e11\nefficiency: {float32: {rate: {conv: 0}}}\n",
            "rate of conv is 0",
        ),
        ("- 1\n", "not a mapping"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, message: str) -> None:
    """The error names the file and what is wrong."""
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(FlopcalcError, match=r"mine\.yaml") as error:
        device(str(path))
    assert message in error.value.message


def test_a_missing_file(tmp_path: Path) -> None:
    """Is not looked for among the shipped ones."""
    with pytest.raises(FlopcalcError, match="cannot read the device"):
        device(str(tmp_path / "none.yaml"))


def test_a_device_of_three_lines(tmp_path: Path) -> None:
    """Takes the efficiencies of the device that was measured, and says so."""
    from flopcalc import roofline

    path = tmp_path / "mine.yaml"
    path.write_text("peaks: {float32: 1.0e13}\nbandwidth: 1.0e11\n")
    found = roofline("resnet18", device=path)
    assert found.device.name == "mine"
    assert any("mine was not measured; its efficiencies are those of h200" in note for note in found.notes)

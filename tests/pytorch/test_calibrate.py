"""A device file of the user's own: what it has, what it is fitted on, and errors. No test depends on a time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Run

from flopcalc import FlopcalcError, roofline
from flopcalc.analysis.calibrate import FEWEST, Given, calibrate
from flopcalc.analysis.timing.library import device as find_device

torch = pytest.importorskip("torch")

from flopcalc.analysis.timing.fitting import Measured, estimates
from flopcalc.analysis.timing.kernels import of_evaluation, of_network
from flopcalc.networks.network import Network
from flopcalc.pytorch.measuring import run as measuring
from flopcalc.pytorch.measuring.clock import times_of

# The machine of these tests: the estimate of this device, and twice the time for each launch.
TRUE = find_device("i9-10940x")
TRUE = TRUE._replace(
    efficiency=TRUE.efficiency._replace(launch={**TRUE.efficiency.launch, "eager": 2 * TRUE.efficiency.launch["eager"]})
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A machine whose times are known exactly; no module is run. Holds the passes that were measured."""
    found: list[Any] = []

    def known(subjects: Any, place: Any, seconds: float) -> Any:
        found.extend(subjects)
        (one,) = subjects
        layers = of_network(one) if isinstance(one, Network) else of_evaluation(one)
        return [times_of(estimates(TRUE, [Measured("", layers, place.dtype, 1.0)]), 1)]

    monkeypatch.setattr(measuring, "measure_described", known)
    return found


def test_the_fit_finds_what_is_different(machine: list[Any], tmp_path: Path) -> None:
    """From a device whose launches take half as long as they do here."""
    path = tmp_path / "mine.yaml"
    found = calibrate(path, given=Given("i9-10940x"), seconds=5)
    assert len(found.cases) == len(machine) > 100
    assert found.error("before_s") > 0.25
    assert found.error() < 0.03
    assert found.error("left_out_s") < 0.1
    launch = find_device(path).efficiency.launch["eager"] / TRUE.efficiency.launch["eager"]
    assert launch == pytest.approx(1, rel=0.15)


@pytest.mark.usefixtures("machine")
def test_the_file_is_read_back(tmp_path: Path) -> None:
    """`roofline` has the estimate that the report shows; figures of the base stay, and each has its source."""
    path = tmp_path / "mine.yaml"
    found = calibrate(path, given=Given("i9-10940x", {"float32": 9e12}), seconds=1e-3)
    device = find_device(path)
    assert (device.name, device.peaks["float32"], device.bandwidth) == ("mine", 9e12, TRUE.bandwidth)
    assert (device.units, device.cache) == (TRUE.units, TRUE.cache)
    assert device.sources["peaks"] == "given by the user"
    assert device.efficiency.source.endswith("by flopcalc calibrate")
    assert "float32" in device.efficiency.source
    assert f"torch {torch.__version__}" in device.efficiency.source
    assert not device.efficiency.like
    ours = roofline("resnet18", device=path)
    (case,) = [one for one in found.cases if one.name == "mobilenet_v2"]
    assert roofline("mobilenet_v2", device=path).estimate_s == pytest.approx(case.estimate_s, rel=0.02)
    assert any("by flopcalc calibrate" in note for note in ours.notes)


@pytest.mark.usefixtures("machine")
def test_peaks_of_the_user(tmp_path: Path) -> None:
    """Without another device; units are the threads. Passes that are faster than the bound get a note."""
    path = tmp_path / "mine.yaml"
    found = calibrate(path, given=Given(None, {"float32": 1e9}, 5e9), seconds=1e-3)
    device = find_device(path)
    assert (device.peaks, device.bandwidth, device.kind) == ({"float32": 1e9}, 5e9, "cpu")
    assert device.units == torch.get_num_threads()
    assert device.sources == {"peaks": "given by the user", "bandwidth": "given by the user"}
    assert len(found.cases) >= FEWEST
    assert "faster than their bound" in found.notes[0]


def test_a_real_machine(run: Callable[..., Run], tmp_path: Path) -> None:
    """With the smallest budget: JSON, and the command that the report names."""
    path = tmp_path / "mine.yaml"
    arguments = ("--from", "xeon-8380", "--device-file", str(path), "--seconds", "0.001")
    done = run("calibrate", *arguments, "--format", "json")
    data = json.loads(done.out)
    assert (done.code, data["schema"], data["device"]) == (0, "flopcalc/calibrate/1", "mine")
    assert (data["file"], data["base"], data["on"]) == (str(path), "xeon-8380", "cpu")
    assert len(data["rows"]) >= FEWEST
    assert all(row["measured_s"] > 0 and row["estimate_s"] > 0 and row["left_out_s"] > 0 for row in data["rows"])
    assert run("roofline", "resnet50", "--device", str(path)).code == 0
    table = run("calibrate", *arguments, "--force").out
    assert "left out" in table
    # A long path is broken into lines.
    assert f"flopcalcroofline resnet50 --device {path}".replace(" ", "") in "".join(table.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "the peak of the device is not known"),
        (("--peak", "float32=1e12"), "the bandwidth of the device is not known"),
        (("--peak", "float32=fast"), "is not a number"),
        (("--peak", "float32"), "not of the form name=value"),
        (("--from", "i9-10940x", "--peak", "float33=1e12"), "unknown dtype"),
        (("--from", "i9-10940x", "--bandwidth", "-1"), "bandwidth is -1"),
        (("--from", "i9-10940x", "--dtype", "bfloat16"), "has no peak for bfloat16"),
        (("--from", "i9"), "unknown device"),
        (("--from", "i9-10940x", "--device-file", "mine.txt"), "the device file is 'mine.txt'"),
        (("--from", "i9-10940x", "--device-file", "no/such/mine.yaml"), "not a folder"),
        (("--from", "i9-10940x", "--seconds", "0"), "seconds is 0"),
    ],
)
@pytest.mark.usefixtures("machine", "workplace")
def test_errors(run: Callable[..., Run], arguments: tuple[str, ...], words: str) -> None:
    """One line and a hint; no file is left."""
    done = run("calibrate", *arguments)
    assert done.code == 2
    error, hint = done.err.strip().splitlines()
    assert words in error
    assert hint.startswith("hint:")
    assert not list(Path().glob("*my-device*"))


def test_nothing_is_written_where_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that exists stays, with --force too, until all is measured and fitted."""
    path = tmp_path / "mine.yaml"
    path.write_text("mine\n")
    with pytest.raises(FlopcalcError, match="exists"):
        calibrate(path, given=Given("i9-10940x"), seconds=1e-3)

    def fails(*_: Any) -> Any:
        raise FlopcalcError("unmeasurable-module", "no kernel", "")

    monkeypatch.setattr(measuring, "measure_described", fails)
    with pytest.raises(FlopcalcError, match="only 0 passes could be measured"):
        calibrate(path, given=Given("i9-10940x"), seconds=1e-3, force=True)
    assert [one.name for one in tmp_path.iterdir()] == ["mine.yaml"]
    assert path.read_text() == "mine\n"


def test_shipped_files_are_written_as_they_are() -> None:
    """The section that the writer makes is the one in the file of a fitted device."""
    from helpers import ROOT

    from flopcalc.analysis.timing.device_file import efficiency_lines

    text = (ROOT / "configs" / "devices" / "rtx3090.yaml").read_text(encoding="utf-8")
    assert text.endswith("\n".join(efficiency_lines(find_device("rtx3090").efficiency)) + "\n")

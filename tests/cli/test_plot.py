"""`flopcalc plot`: which picture the options mean, its file, and errors."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, Runner

from flopcalc import layer, network
from flopcalc.charts import files

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytest.importorskip("numpy")


LINES = {"points", "curves", "crossings", "ends", "key", "notes"}
FRONT = {"points", "front", "steps", "key", "notes"}
ROOF = {"roof", "slope", "flat", "layers", "names", "key", "notes"}


def _as_wide_as_estimated(spec: Any) -> str:
    return f'<svg width="{spec["width"] + spec["usermeta"]["flopcalc"]["beside"]}" height="1"'


@pytest.fixture
def drawn(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The specification that a command writes. Only its data matters here, so that nothing is drawn."""
    monkeypatch.setattr(files, "_vega", _as_wide_as_estimated)
    path = tmp_path / "figure.json"

    def call(*args: str) -> Any:
        done = run("plot", *args, "-o", str(path))
        assert (done.code, done.out, done.err) == (0, "", "")
        return json.loads(path.read_text())

    return call


@pytest.mark.parametrize(
    ("command", "data"),
    [
        (("conv", "ghost", "--cin", "16:64:16"), LINES),
        (("conv", "--cin", "64"), LINES),
        (("resnet18", "--input", "128:224:32"), LINES),
        (("mobilenet_v2", "--set", "width=0.5:1:0.25"), LINES),
        (("conv", "ghost", "--cin", "16:64:16", "--pareto", "macs,-c_out"), FRONT),
        (("resnet18",), {"stages", "totals", "key", "notes"}),
        (("resnet18", "resnet34", "--replace", "ghost"), {"stages", "totals", "key", "notes"}),
        (("resnet18", "--replace", "ghost"), {"bars", "ratios", "key", "notes"}),
        (("resnet18", "--device", "h100"), ROOF),
        (("ghost", "--cin", "64", "--device", "h100"), ROOF),
        (("resnet18", "--kind", "memory"), {"layers", "peak", "stretches", "bounds", "key", "notes"}),
        (("resnet18", "--mode", "inference"), {"layers", "peak", "stretches", "bounds", "key", "notes"}),
    ],
)  # fmt: skip
def test_the_kind_follows_from_the_options(drawn: Any, command: tuple[str, ...], data: set[str]) -> None:
    assert set(drawn(*command)["datasets"]) == data


def test_costs_and_sizes(drawn: Any) -> None:
    """--cost, --over, options of operators, and the size of the axis."""
    spec = drawn("spconv:alpha=1/4", "--cin", "32,64", "-k", "3,5,7", "--over", "c_in", "--cost", "params")
    rows = spec["datasets"]["points"]
    found = {(row["series"], row["x"]): row["y"] for row in rows}
    assert found == {
        (f"spconv:alpha=1/4, k={k}", c): layer("spconv", c, k=k, alpha="1/4").params
        for k in (3, 5, 7)
        for c in (32, 64)
    }


def test_a_ratio(drawn: Any) -> None:
    rows = drawn("ghost", "--cin", "16:64:16", "--cost", "ratio(macs)")["datasets"]["points"]
    for row in rows:
        c = int(row["x"])
        assert row["y"] == pytest.approx(layer("ghost", c).macs / layer("conv", c).macs)


def test_a_convention(drawn: Any) -> None:
    """The title names it; the cost is that of `flopcalc sweep --convention`."""
    spec = drawn("conv", "--cin", "16:64:16", "--convention", "two-per-mac")
    assert [row["y"] for row in spec["datasets"]["points"]] == [2 * layer("conv", c).macs for c in (16, 32, 48, 64)]
    assert spec["layer"][0]["encoding"]["y"]["axis"]["title"] == "cost, convention two-per-mac"
    spec = drawn("resnet18", "--convention", "fvcore")
    assert spec["layer"][0]["encoding"]["x"]["axis"]["title"] == "cost, convention fvcore"


def test_targets_with_options_of_their_own(drawn: Any) -> None:
    """In quotes; the names of the bars tell them apart."""
    spec = drawn("resnet18", "resnet18 --replace ghost", "resnet18 --set classes=10", "--cost", "params")
    totals = {row["name"]: row["end"] for row in spec["datasets"]["totals"]}
    assert list(totals) == ["resnet18", "resnet18 with ghost", "resnet18, classes=10"]
    assert totals["resnet18"] == network("resnet18").params
    assert totals["resnet18, classes=10"] == network("resnet18", classes=10).params
    assert totals["resnet18 with ghost"] < totals["resnet18"]


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        (("resnet18", "resnet18 --input 3x256x256"), ["resnet18", "resnet18, input 3x256x256"]),
        (("resnet18 --batch 2", "resnet18 --batch 3"), ["resnet18, batch 2", "resnet18, batch 3"]),
        (
            ("resnet18 --replace ghost", "resnet18 --replace ghost --keep layer1 --where 'k == 3'", "resnet18"),
            ["resnet18 with ghost", "resnet18 with ghost, where k == 3, keep layer1", "resnet18"],
        ),
        # What does not tell bars apart is not in their names.
        (("resnet18 --batch 2", "resnet34 --batch 2"), ["resnet18", "resnet34"]),
    ],
)
def test_a_network_with_other_options_has_a_bar_of_its_own(
    drawn: Any, targets: tuple[str, ...], names: list[str]
) -> None:
    assert [row["name"] for row in drawn(*targets)["datasets"]["totals"]] == names


def test_a_stage_picture_of_one_replaced_network_has_both(drawn: Any) -> None:
    spec = drawn("resnet18", "--replace", "ghost", "--kind", "stage")
    assert [row["name"] for row in spec["datasets"]["totals"]] == ["resnet18", "resnet18 with ghost"]


def test_layers_of_a_clause(drawn: Any) -> None:
    """--where and --keep choose layers; --by layer shows them."""
    spec = drawn(
        "resnet18", "--replace", "ghost", "--where", 'stage == "layer4"', "--keep", "layer4.1", "--by", "layer"
    )
    names = {row["name"] for row in spec["datasets"]["bars"]}
    assert names == {"layer4.0.conv1", "layer4.0.conv2", "layer4.0.downsample.0"}
    assert any("Not drawn: other layers, " in row["text"] for row in spec["datasets"]["notes"])


def test_rows_of_a_condition(drawn: Any) -> None:
    spec = drawn("conv", "--cin", "16:64:16", "--where", "macs < 20M", "--linear")
    assert [row["x"] for row in spec["datasets"]["points"]] == [16]
    assert spec["layer"][0]["encoding"]["y"]["scale"]["type"] == "linear"


def test_title_and_width(drawn: Any) -> None:
    spec = drawn("resnet18", "--title", "My network", "--width", "84mm")
    assert spec["title"]["text"] == "My network"
    assert spec["width"] == pytest.approx(84 * 96 / 25.4 - spec["usermeta"]["flopcalc"]["beside"], abs=1)


def test_a_python_model(drawn: Any) -> None:
    pytest.importorskip("torch")
    spec = drawn("torch.nn:Conv2d", "--set", "in_channels=3", "--set", "out_channels=8", "--set", "kernel_size=3",
                 "--input", "3x16x16")  # fmt: skip
    assert spec["datasets"]["totals"][0]["end"] == 3 * 8 * 9 * 14 * 14


def test_standard_output(capsysbinary: Any) -> None:
    """-o - writes SVG, or what --format names."""
    from flopcalc.cli.main import main

    assert main(["plot", "resnet18", "-o", "-", "--width", "60mm"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"<svg")
    assert main(["plot", "resnet18", "-o", "-", "--format", "png", "--width", "60mm"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"\x89PNG")


def test_the_format_can_be_named(run: Runner, tmp_path: Path) -> None:
    """For a file without a usual suffix."""
    path = tmp_path / "figure.picture"
    done = run("plot", "resnet18", "-o", str(path), "--format", "pdf", "--width", "60mm")
    assert done.code == 0
    assert path.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("conv", "--cin", "16:64:16"), "no file is named"),
        (("conv", "--cin", "16:64:16", "-o", "figure.bmp"), "no picture has the suffix .bmp"),
        (("conv", "--cin", "16:64:16", "-o", "figure"), "the name has no suffix"),
        (("conv", "--cin", "16:64:16", "-o", "missing/figure.svg"), "cannot write"),
        (("conv", "--cin", "16:64:16", "-o", "a.svg", "--width", "84"), "not a length"),
        (("conv", "--cin", "16:64:16", "-o", "a.svg", "--width", "5mm"), "is not from 40 mm"),
        (("conv", "--cin", "16:65:16", "-o", "a.svg"), "the steps do not reach 65"),
        (("conv", "-o", "a.svg"), "--cin is missing"),
        (("conv", "--cin", "1:1000000:1", "-o", "a.svg"), "1,000,000 combinations are more than a picture needs"),
        (("conv", "--cin", "1:1000", "-k", "1:999:2", "--pareto", "macs,k", "-o", "a.svg"), "500,000 combinations"),
        (("nonsense", "-o", "a.svg"), "unknown network or operator"),
        (("conv", "resnet18", "--cin", "8", "-o", "a.svg"), "is an operator"),
        (("conv", "--cin", "8", "--kind", "stage", "-o", "a.svg"), "--cin does not apply"),
        (("conv", "--kind", "stage", "-o", "a.svg"), "is an operator, and this picture is of networks"),
        (("conv", "--cin", "8", "--cost", "nonsense", "-o", "a.svg"), "unknown column"),
        (("resnet18", "--cost", "nonsense", "-o", "a.svg"), "unknown kind"),
        (("resnet18", "--cost", "steps", "-o", "a.svg"), "does not add up"),
        (("resnet18", "--cost", "macs", "--convention", "fvcore", "-o", "a.svg"), "both given"),
        (("resnet18", "--linear", "-o", "a.svg"), "--linear does not apply"),
        (("resnet18", "--kind", "replacement", "-o", "a.svg"), "nothing is replaced"),
        (("resnet18", "--kind", "roofline", "-o", "a.svg"), "needs a device"),
        (("resnet18", "resnet34", "--device", "h100", "-o", "a.svg"), "is of one target"),
        (("resnet18", "--device", "nonsense", "-o", "a.svg"), "unknown device"),
        (("ghost", "--cin", "8,16", "--device", "h100", "-o", "a.svg"), "--cin is '8,16'"),
        (("resnet18", "--cin", "8", "--device", "h100", "-o", "a.svg"), "--cin is for operators"),
        (("resnet18", "--batch", "0", "-o", "a.svg"), "batch"),
        (("resnet18", "--kind", "memory", "--dtype", "tf32", "-o", "a.svg"), "--dtype is 'tf32'"),
        (("resnet18", "--optimizer", "adam", "-o", "a.svg"), "--optimizer is about training"),
        (("resnet18 --replace", "-o", "a.svg"), "'resnet18 --replace'"),
        (("conv", "--cin", "8:16:8", "--pareto", "macs", "-o", "a.svg"), "not two columns"),
        (("conv", "--cin", "8:16:8", "--pareto", "macs,nonsense", "-o", "a.svg"), "unknown column"),
    ],
)  # fmt: skip
def test_errors(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], message: str
) -> None:
    """One line on what is wrong, one on what to do, exit code 2, and no file."""
    monkeypatch.chdir(tmp_path)
    done = run("plot", *command)
    assert done.code == 2
    assert done.out == ""
    error, hint = done.err.strip().splitlines()
    assert error.startswith("error: ")
    assert message in error
    assert hint.startswith("hint:  ")
    assert list(tmp_path.iterdir()) == []


def test_the_pictures_of_the_guide(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each picture that the guide shows has the texts that its command draws now."""
    import re
    import shlex

    from chart_pictures import texts_of

    text = (ROOT / "docs" / "plotting.md").read_text()
    monkeypatch.chdir(tmp_path)
    found = re.findall(r"```console\n\$ flopcalc (plot [^\n]*-o (\S+\.svg)[^\n]*)\n```\n\n!\[[^\]]*\]\(([^)]*)\)", text)
    assert len(found) >= 6
    for command, path, shown in found:
        assert path == shown
        assert run(*shlex.split(command)).code == 0
        kept = [one.text for one in texts_of((ROOT / "docs" / shown).read_text())]
        assert [one.text for one in texts_of(Path(path).read_text())] == kept, f"run in docs/: flopcalc {command}"

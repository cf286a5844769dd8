"""Limits of time in `check`: `time(h200) <= 5 ms`."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from helpers import TINY, Runner, write_targets

import flopcalc
from flopcalc import FlopcalcError
from flopcalc.targets.limits import read_limit, read_time


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tiny network."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "time", "bound"),
    [
        ("time(h200) <= 5 ms", ("h200", "eager"), Fraction(5, 1000)),
        ("time(h200) <= 5ms", ("h200", "eager"), Fraction(5, 1000)),
        ("time(h200, graph) < 1.5 us", ("h200", "graph"), Fraction(3, 2_000_000)),
        ("time( h100-pcie , compiled ) <= 2 s", ("h100-pcie", "compiled"), Fraction(2)),
        ('time("my card.yaml") <= 0.25', ("my card.yaml", "eager"), Fraction(1, 4)),
        ("time(cards/mine.yaml) <= 2 s / 4 ms * 1 ms", ("cards/mine.yaml", "eager"), Fraction(1, 2)),
        ("time(h200) <= min(5 ms, 2 * 10 us)", ("h200", "eager"), Fraction(20, 10**6)),
    ],
)
def test_units(text: str, time: tuple[str, str], bound: Fraction) -> None:
    """Seconds, exact."""
    limit = read_limit(text, "network")
    assert read_time(limit.quantity) == time
    assert limit.bound({}) == bound


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("time <= 5 ms", "a time needs a device"),
        ("time <= 5", "a time needs a device"),
        ("time() <= 5", "write a time as time"),
        ("layer *: time(h200) <= 5 ms", r"a layer has no time\(h200\)"),
        ("time(h200) <= 1.1 * locked", "the lock file has no time"),
        ("time(h200) <= 5 min", "'min' is not a unit of time"),
        ("2 * time(h200) <= 5", "its left side is not a quantity"),
        ("time(h200) * 2 <= 5 ms", "its left side is not a quantity"),
        ("ratio(resnet18, time) <= 1", "a time needs a device"),
    ],
)
def test_limits_that_make_no_sense(text: str, error: str) -> None:
    """They are refused when the file is read."""
    with pytest.raises(FlopcalcError, match=error):
        read_limit(text, "network")


def test_check(folder: Path, run: Runner) -> None:
    """The estimate of `roofline`, at the dtype and the batch of the target; a little less is exceeded."""
    (folder / "flopcalc.yaml").write_text(
        "dtype: float16\n"
        "targets:\n"
        "  - {network: resnet18, batch: 64, limits: [time(h200) <= NEAR us, 'time(h200, graph) <= LESS us']}\n"
    )
    near, less = (
        flopcalc.roofline("resnet18", device="h200", dtype="float16", batch=64, execution=one).estimate_s * 1e6
        for one in ("eager", "graph")
    )
    text = (folder / "flopcalc.yaml").read_text()
    (folder / "flopcalc.yaml").write_text(
        text.replace("NEAR", f"{near * 1.001:.4f}").replace("LESS", f"{less * 0.999:.4f}")
    )
    done = run("check")
    assert (done.code, "1 of 2 failed" in done.out) == (1, True)
    data = json.loads(run("check", "--format", "json").out)
    assert [row["ok"] for row in data["rows"]] == [True, False]
    assert [row["quantity"] for row in data["rows"]] == ["time(h200)", "time(h200, graph)"]
    assert [row["actual"] * 1e6 for row in data["rows"]] == [pytest.approx(near), pytest.approx(less)]
    # People read units.
    assert " ms" in done.out or " us" in done.out
    assert "e-" not in done.out


def test_baseline(folder: Path, run: Runner) -> None:
    """Fewer MACs, and not faster: what this limit is for."""
    (folder / "flopcalc.yaml").write_text(
        "dtype: float16\n"
        "targets:\n"
        "  - {network: resnet50, batch: 32, replace: spconv, limits: [macs < baseline, time(h200) < baseline]}\n"
    )
    rows = json.loads(run("check", "--format", "json").out)["rows"]
    before = flopcalc.roofline("resnet50", device="h200", batch=32, dtype="float16")
    assert [row["ok"] for row in rows] == [True, False]
    assert rows[1]["bound"] == pytest.approx(before.estimate_s)


def test_operators(folder: Path, run: Runner) -> None:
    """An operator has a time; the plain convolution that it is compared with has none."""
    found = flopcalc.roofline("ghost", cin=64, hw=28, device="h200").estimate_s
    file = folder / "flopcalc.yaml"
    target = "targets:\n  - {operator: ghost, cin: 64, hw: 28, limits: [LIMIT]}\n"
    file.write_text(target.replace("LIMIT", "time(h200) <= 1 s"))
    done = run("check", "--format", "json")
    assert json.loads(done.out)["rows"][0]["actual"] == pytest.approx(found)
    file.write_text(target.replace("LIMIT", "time(h200) <= baseline"))
    done = run("check")
    assert (done.code, "the plain convolution has no time" in done.err) == (2, True)


def test_training(folder: Path, run: Runner) -> None:
    """The time of a target that is trained is that of both passes, as `flopcalc roofline` has it."""
    (folder / "flopcalc.yaml").write_text(
        "targets:\n"
        "  - network: resnet18\n"
        "    mode: training\n"
        "    freeze: [conv1, bn1]\n"
        "    checkpoint: layer4\n"
        "    replace: ghost\n"
        "    limits: [time(h200) <= baseline]\n"
    )
    row = json.loads(run("check", "--format", "json").out)["rows"][0]
    found = flopcalc.roofline(
        "resnet18", device="h200", mode="training", freeze=["conv1", "bn1"], checkpoint="layer4", replace="ghost"
    )
    assert found.before is not None
    assert row["actual"] == pytest.approx(found.estimate_s)
    assert row["bound"] == pytest.approx(found.before.estimate_s)


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        ("time(h20) <= 5 ms", "unknown device"),
        ("time(h200, fast) <= 5 ms", "execution is 'fast'"),
        ("time(h200) <= baseline", "the lock file has no time"),
    ],
)
def test_errors_name_the_place(folder: Path, run: Runner, limit: str, error: str) -> None:
    """File and line."""
    write_targets(folder, limit)
    done = run("check")
    assert done.code == 2
    assert error in done.err
    assert "flopcalc.yaml, line" in done.err


@pytest.mark.parametrize("name", ["roofline_spec", "memory_of"])
def test_neither_time_nor_memory_is_computed_where_no_limit_reads_it(
    name: str, folder: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check of other limits costs what it did."""
    import flopcalc.budget.computed as module

    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(module, name, fail)
    write_targets(folder, "macs <= 1M")
    assert run("check").code == 0


def test_solve_has_no_times() -> None:
    """One line says so."""
    with pytest.raises(FlopcalcError, match="a time is known to `flopcalc check` only"):
        flopcalc.solve("resnet18", "width", "time(h200) <= 5 ms")


@pytest.mark.parametrize("text", ["quantum <= 1k", "2 * macs <= 1k"])
def test_the_hint_on_the_left_side_names_times(text: str) -> None:
    """With the other quantities."""
    with pytest.raises(FlopcalcError) as caught:
        read_limit(text, "network")
    assert caught.value.hint.startswith("quantities: params, ")
    assert caught.value.hint.endswith(", time(DEVICE), ratio(NAME)")

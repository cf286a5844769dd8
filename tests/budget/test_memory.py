"""Limits of memory in `check`, and the largest batch that meets one."""

from pathlib import Path

import pytest
from helpers import TINY, Runner, write_targets

import flopcalc
from flopcalc import FlopcalcError, memory
from flopcalc.targets.limits import read_limit


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tiny network."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("peak_memory <= 2M bytes", 2_000_000),
        ("peak_memory <= 24G", 24_000_000_000),
        ("weights_bytes <= 100 MiB", 100 * 2**20),
        ("training_peak < 1.5Gi bytes", 3 * 2**29),
        ("traffic <= 3k bytes", 3000),
    ],
)
def test_bounds_in_bytes(text: str, bound: int) -> None:
    """Units of 1000 and of 1024, with or without the word."""
    assert read_limit(text, "network").bound({}) == bound


@pytest.mark.parametrize(
    ("text", "kind", "error"),
    [
        ("layer *: peak_memory <= 1M", "network", "a layer has no peak_memory"),
        ("peak_memory <= 1M", "operator", "an operator has no peak_memory"),
        ("peak_memory <= 1.1 * locked", "network", "the lock file has no memory"),
        ("peak_memory <= 2M bits", "network", "unknown unit 'bits'"),
    ],
)
def test_limits_that_make_no_sense(text: str, kind: str, error: str) -> None:
    """They are refused when the file is read."""
    with pytest.raises(FlopcalcError, match=error):
        read_limit(text, kind)


def test_check(folder: Path, run: Runner) -> None:
    """Memory is a quantity like others: of the network, as `flopcalc memory` shows it."""
    found = memory(str(folder / "tiny.yaml"))
    write_targets(
        folder,
        f"peak_memory <= {found.peak}",
        f"peak_memory <= {found.peak - 1} bytes",
        f"weights_bytes == {4 * flopcalc.network(str(folder / 'tiny.yaml')).params}",
        "peak_memory <= 10 * weights_bytes",
    )
    done = run("check")
    assert done.code == 1
    assert "1 of 4 failed" in done.out
    assert f"{found.peak:,}" in done.out


def test_training_is_a_limit(folder: Path, run: Runner) -> None:
    """With SGD, which has no state."""
    pytest.importorskip("torch")
    peak = memory(str(folder / "tiny.yaml"), mode="training").peak
    write_targets(folder, f"training_peak == {peak}")
    assert run("check").code == 0


def _training_target(folder: Path, keys: str, *limits: str) -> None:
    texts = ", ".join(f'"{one}"' for one in limits)
    (folder / "flopcalc.yaml").write_text(
        f"targets:\n  - {{network: tiny.yaml, mode: training, {keys}, limits: [{texts}]}}\n"
    )


def test_a_target_says_how_it_is_trained(folder: Path, run: Runner) -> None:
    """Optimizer, dtypes, accumulation, checkpoints and frozen layers are those of `flopcalc memory`."""
    pytest.importorskip("torch")
    where = str(folder / "tiny.yaml")
    for keys, options in (
        ("optimizer: adamw", {"optimizer": "adamw"}),
        ("optimizer: adam, optimizer_dtype: float16", {"optimizer": "adam", "optimizer_dtype": "float16"}),
        ("autocast: bfloat16, accumulate: 2", {"autocast": "bfloat16", "accumulate": 2}),
        ("freeze: [fc], checkpoint: conv1", {"freeze": "fc", "checkpoint": "conv1"}),
    ):
        peak = memory(where, mode="training", **options).peak
        _training_target(folder, keys, f"training_peak == {peak}")
        done = run("check")
        assert done.code == 0, done.out + done.err
    # AdamW keeps two numbers for each parameter, and makes one more in its step.
    plain, adamw = (memory(where, mode="training", optimizer=one).peak for one in ("sgd", "adamw"))
    assert adamw > plain


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("optimizer: adamx", "unknown optimizer 'adamx'"),
        ("optimizer: 3", "optimizer is 3, not a string"),
        ("accumulate: 0", "accumulate is 0; it must be"),
        ("autocast: float32", "unknown autocast 'float32'"),
        ("optimizer_dtype: int8", "unknown optimizer_dtype 'int8'"),
    ],
)
def test_mistakes_in_how_a_target_is_trained(folder: Path, run: Runner, keys: str, error: str) -> None:
    """One line with file and line, and a hint, before anything is computed."""
    _training_target(folder, keys, "macs <= 1")
    done = run("check")
    assert done.code == 2
    assert "flopcalc.yaml, line 2" in done.err.splitlines()[0]
    assert error in done.err.splitlines()[0]
    assert done.err.splitlines()[1].startswith("hint:")


def test_an_optimizer_belongs_to_training(folder: Path, run: Runner) -> None:
    """Without `mode: training` it is an error, not ignored."""
    (folder / "flopcalc.yaml").write_text("targets:\n  - {network: tiny.yaml, optimizer: adam, limits: [macs <= 1]}\n")
    done = run("check")
    assert (done.code, "optimizer is about training" in done.err) == (2, True)
    assert "write mode: training" in done.err


def test_the_largest_batch(run: Runner) -> None:
    """The next batch needs more; an answer at most as large as the bound."""
    found = flopcalc.solve("resnet18", "batch", "peak_memory <= 1G")
    assert found.exact
    batch = int(found.value)
    assert found.cost is not None
    assert memory("resnet18", batch=batch).peak == found.cost["peak_memory"] <= 10**9
    assert memory("resnet18", batch=batch + 1).peak > 10**9
    done = run("solve", "resnet18", "--for", "batch", "--target", "peak_memory <= 1M")
    assert done.code == 1
    assert "a batch of 1 needs" in done.out


@pytest.mark.parametrize(
    ("for_", "limit", "error"),
    [
        ("input", "peak_memory <= 1G", "memory is limited for --for batch"),
        ("batch", "peak_memory >= 1G", "is not an upper bound"),
        ("batch", "peak_memory <= 2 * baseline", "compares with another target"),
    ],
)
def test_questions_that_make_no_sense(for_: str, limit: str, error: str) -> None:
    """They are errors of one line."""
    with pytest.raises(FlopcalcError, match=error):
        flopcalc.solve("resnet18", for_, limit)

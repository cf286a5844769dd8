"""Measured times: what is measured, the order statistics, and that nothing else is changed. No test reads a clock."""

import gc
import json
import random
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers import Run

import flopcalc
from flopcalc import FlopcalcError, bench
from flopcalc.analysis.bench import read_seconds
from flopcalc.cli.progress import bar
from flopcalc.networks.progress import Progress, progress

torch = pytest.importorskip("torch")

from torch import Tensor, nn

from flopcalc.pytorch import count
from flopcalc.pytorch.measuring import clock, execution
from flopcalc.pytorch.measuring import run as measuring
from flopcalc.pytorch.measuring.execution import executed
from flopcalc.pytorch.measuring.place import Place
from flopcalc.pytorch.measuring.subject import Pass

# A budget that ends after the fewest runs.
LITTLE = 1e-4
KEYS = {
    *("schema", "target", "on", "machine", "threads", "torch", "dtype", "batch", "mode", "execution", "channels_last"),
    *("seconds", "device", "macs", "median_s", "lower_quartile_s", "upper_quartile_s", "least_s", "runs", "warm_up"),
    *("bound_s", "estimate_s", "before", "ratio", "notes"),
}


class Net(nn.Module):
    """Two convolutions, and a module that draws random numbers and would change the flags of the process."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout()
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) -> (n, 8, h, w)."""
        self.calls += 1
        torch.rand(1)
        random.random()  # noqa: S311
        torch.set_num_threads(1)
        out: Tensor = self.conv2(self.drop(self.norm(self.conv1(x))))
        return out


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """The passes of each measurement."""
    found: list[list[Any]] = []

    def spy(runs: Any, budget: float, on: str) -> Any:
        found.append([getattr(run, "__self__", run) for run in runs])
        return clock.in_turns(runs, budget, on)

    monkeypatch.setattr(measuring, "in_turns", spy)
    return found


def test_json(run: Callable[..., Run]) -> None:
    """Its keys, and the figures of a described network."""
    done = run("bench", "resnet18", "--input", "3x32x32", "--seconds", str(LITTLE), "--format", "json", "--batch", "2")
    data = json.loads(done.out)
    assert (done.code, set(data), data["schema"]) == (0, KEYS, "flopcalc/bench/1")
    assert (data["target"], data["on"], data["batch"], data["before"]) == ("resnet18", "cpu", 2, None)
    assert 0 < data["least_s"] <= data["lower_quartile_s"] <= data["median_s"] <= data["upper_quartile_s"]
    assert data["runs"] >= clock.LEAST
    assert data["threads"] == torch.get_num_threads()


def test_what_is_measured_has_the_macs_of_the_record(measured: list[list[Any]]) -> None:
    """Before and after replacement, of a description, a module and an operator; with the bound of a device."""
    module = Net()
    for what, options in (
        ("resnet18", {"input": (3, 32, 32), "replace": "ghost"}),
        (module, {"input": (3, 8, 8), "replace": "dsc where k == 3"}),
    ):
        found = bench(what, seconds=LITTLE, device="i9-10940x", **options)  # type: ignore[arg-type]
        assert found.before is not None
        assert found.before.macs > found.times.macs > 0
        assert found.times.bound_s is not None
        assert 0 < found.times.bound_s <= found.times.estimate_s  # type: ignore[operator]
        assert found.ratio == found.times.median_s / found.before.median_s
        macs = [count(one.module, *one.args).macs for one in measured[-1]]
        assert macs == [found.before.macs, found.times.macs]
    found = bench("octconv", c_in=16, hw=8, seconds=LITTLE)
    assert (found.before, found.times.bound_s) == (None, None)
    assert found.median_s == found.times.median_s


def test_the_module_and_the_process_stay(measured: list[list[Any]]) -> None:
    """The module is not called, nor changed; random numbers, threads, modes and flags are as before."""
    module = Net()
    module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    torch.manual_seed(3)
    random.seed(3)

    def state() -> Any:
        flags = torch.get_num_threads(), torch.is_grad_enabled(), torch.backends.cudnn.allow_tf32
        return torch.get_rng_state().tolist(), random.getstate(), flags

    kept = state()
    bench(module, input=(3, 8, 8), seconds=LITTLE, replace="ghost where k == 3")
    bench("conv", c_in=8, hw=8, seconds=LITTLE)
    assert state() == kept
    assert module.calls == 0
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    for one in measured[0]:
        assert one.module is not module
        assert not one.module.training
    # The copy has the values of the module.
    assert torch.equal(measured[0][0].module.conv1.weight, module.conv1.weight)


def test_order_statistics() -> None:
    """By hand, whatever the order; one run is all of them."""
    assert clock.times_of([5.0, 1.0, 2.0, 4.0, 3.0], 7) == (3.0, 2.0, 4.0, 1.0, 5, 7)
    assert clock.times_of([1.0, 2.0], 1)[:3] == (1.5, 1.25, 1.75)
    assert clock.times_of([2.0], 1)[:4] == (2.0, 2.0, 2.0, 2.0)


def test_versions_take_turns() -> None:
    """After a warm-up of each; with no time left each has the fewest runs."""
    order: list[str] = []
    times = clock.in_turns([lambda: order.append("a"), lambda: order.append("b")], 1e-9, "cpu")
    assert "".join(order) == "ab" + "ab" * clock.LEAST
    assert [one.runs for one in times] == [clock.LEAST] * 2
    assert [one.warm_up for one in times] == [1, 1]


def test_dtype_and_order_of_the_tensors(measured: list[list[Any]]) -> None:
    """Weights and inputs are in the dtype; channels last where asked for."""
    bench(Net(), input=(3, 8, 8), seconds=LITTLE, dtype="bf16", channels_last=True)
    (one,) = measured[0]
    assert one.module.conv1.weight.dtype is one.args[0].dtype is torch.bfloat16
    assert one.args[0].is_contiguous(memory_format=torch.channels_last)
    bench(Net(), input=(3, 8, 8), seconds=LITTLE)
    assert measured[1][0].args[0].is_contiguous()


def test_a_python_file(run: Callable[..., Run], tmp_path: Path) -> None:
    """Built with real values; table, CSV and markdown."""
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\n\n\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())\n"
    )
    arguments = ("bench", f"{path}:net", "--input", "3x8x8", "--seconds", str(LITTLE))
    done = run(*arguments, "--format", "csv", "--device", "h100")
    head, row = done.out.splitlines()
    assert head.startswith("version,macs,median_s,lower_quartile_s,upper_quartile_s,least_s,bound_s,estimate_s,runs")
    assert row.startswith("forward,13824,")
    table = run(*arguments, "--replace", "dsc where k == 3").out
    assert "before" in table
    assert "ratio" in table
    assert "times the time before" in table
    assert "| forward |" in run(*arguments, "--format", "markdown").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resnet18", "--seconds", "0"), "seconds is 0"),
        (("resnet18", "--seconds", "nan"), "seconds is nan"),
        (("resnet18", "--dtype", "int8"), "int8 cannot be measured"),
        (("resnet18", "--dtype", "tf32"), "tf32 cannot be measured on cpu"),
        (("resnet18", "--device", "h101"), "unknown device"),
        (("resnet81",), "unknown network or operator"),
        (("resnet18", "--cin", "3"), "--cin is for operators"),
        (("resnet18", "--replace", "ghost where k == 99"), "replaces nothing"),
        (("conv", "--cin", "8", "--replace", "ghost"), "--replace is for networks"),
        (("conv", "--cin", "8", "--execution", "graph"), "--execution graph is a CUDA graph"),
    ],
)
def test_errors(run: Callable[..., Run], arguments: tuple[str, ...], words: str) -> None:
    """One line and a hint."""
    done = run("bench", *arguments)
    assert done.code == 2
    error, hint = done.err.strip().splitlines()
    assert words in error
    assert hint.startswith("hint:")


def test_a_forward_that_fails() -> None:
    """Its error is one line."""

    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if not x.is_meta and x.dtype is torch.bfloat16:
                raise ValueError("no such kernel")
            return x * 2

    with pytest.raises(FlopcalcError, match=r"the forward of Broken failed on cpu in bfloat16: ValueError: no such"):
        bench(Broken(), input=(3, 8, 8), seconds=LITTLE, dtype="bfloat16")


def test_without_cuda(run: Callable[..., Run]) -> None:
    """A line says that there is none."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = run("bench", "resnet18", "--on", "cuda")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: PyTorch has no CUDA device on this machine")


def test_seconds() -> None:
    """Numbers only."""
    assert read_seconds(2) == 2.0
    for wrong in (True, "2", -1, float("inf")):
        with pytest.raises(FlopcalcError, match="seconds is"):
            read_seconds(wrong)


def test_a_kernel_without_a_rule_gets_a_note() -> None:
    """The time is that of all kernels, the MACs are not."""

    class Sums(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = torch.special.bessel_j0(torch.linalg.matrix_exp(x))
            return out

    found = bench(Sums(), input=(8, 8), seconds=LITTLE)
    assert any("have no counting rule" in note for note in found.notes)


def test_training(run: Callable[..., Run], measured: list[list[Any]]) -> None:
    """A run is a forward in training mode and a backward pass; the MACs are those of both, the input needs nothing."""
    module = Net()
    module.conv1.requires_grad_(False)
    found = bench(module, input=(3, 8, 8), batch=2, seconds=LITTLE, mode="training", device="h200")
    assert found.times.macs == flopcalc.training(module, input=(3, 8, 8), batch=2).macs
    assert found.times.bound_s is not None
    (one,) = measured[0]
    assert one.module.training
    # Of the last run.
    assert {name for name, parameter in one.module.named_parameters() if parameter.grad is not None} == {
        *("norm.weight", "norm.bias", "conv2.weight", "conv2.bias")
    }
    assert all(parameter.grad is None for parameter in module.parameters())
    data = json.loads(
        run("bench", "conv", "--cin", "8", "--mode", "training", "--seconds", str(LITTLE), "--format", "json").out
    )
    assert (data["mode"], data["execution"]) == ("training", "eager")
    assert data["macs"] == 2 * flopcalc.layer("conv", 8).macs
    assert "training step" in repr(found)
    assert found.to_rows()[0]["version"] == "step"


def test_gradients_do_not_add_up() -> None:
    """Each run starts without them, as after `zero_grad`; auxiliary outputs have no loss."""

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main, self.other = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"out": self.main(x), "aux": self.other(x)}

    made = Pass(Heads(), [torch.ones(3, 4)], {}, "forward", training=True)
    for _ in range(3):
        made.run()
        assert torch.equal(made.module.main.bias.grad, torch.full((2,), 3.0))  # type: ignore[union-attr]
        assert made.module.other.weight.grad is None  # type: ignore[union-attr]


def test_nothing_to_train() -> None:
    """One line."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3)).requires_grad_(False)
    with pytest.raises(FlopcalcError, match="no output depends on a parameter"):
        bench(module, input=(3, 8, 8), mode="training", seconds=LITTLE)


def test_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed calls the compiled module; compiling is not timed. An error names what it needs."""
    compiled: list[Any] = []

    def of(call: Any, *, dynamic: bool) -> Any:
        def made(*args: Any, **named: Any) -> Any:
            compiled.append(call)
            return call(*args, **named)

        assert not dynamic
        return made

    monkeypatch.setattr(torch, "compile", of)
    found = bench(Net(), input=(3, 8, 8), execution="compiled", seconds=LITTLE)
    assert len(compiled) == 1 + found.times.warm_up + found.times.runs
    assert found.to_dict()["execution"] == "compiled"

    def fails(call: Any, **_: Any) -> Any:
        def made(*args: Any) -> Any:
            raise RuntimeError("no compiler found")

        return made

    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(FlopcalcError, match=r"torch.compile failed: RuntimeError: no compiler found") as caught:
        bench(Net(), input=(3, 8, 8), execution="compiled", seconds=LITTLE)
    assert "needs a C++ compiler" in caught.value.hint


class _Graphs:
    """The parts of torch.cuda that a capture uses: what happens is written into `events`."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        graphs = self

        class CUDAGraph:
            def replay(self) -> None:
                graphs.events.append("replay")

        class Stream:
            def wait_stream(self, other: Any) -> None:
                graphs.events.append("wait")

        self.CUDAGraph = CUDAGraph
        self.usual, self.side = Stream(), Stream()

    def current_device(self) -> int:
        return 0

    def current_stream(self) -> Any:
        return self.usual

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        assert stream is self.side
        self.events.append("side stream")
        yield
        self.events.append("usual stream")

    @contextmanager
    def graph(self, graph: Any, stream: Any) -> Iterator[None]:
        assert stream is self.side
        self.events.append("capture")
        yield
        self.events.append("captured")


def test_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three runs on a stream of their own, then one that is captured, without gradients of before; then replays."""
    events: list[str] = []
    fake = _Graphs(events)
    for name in ("CUDAGraph", "current_device", "current_stream", "stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, getattr(fake, name))
    monkeypatch.setattr(execution, "capture_stream", lambda device: fake.side)

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def forward(self, x: Tensor) -> Tensor:
            events.append("run" if self.weight.grad is None else "run with gradients")
            return x * self.weight

    one = Pass(Watched(), [torch.ones(2)], {}, "forward", training=True)
    run = executed(one, Place("cuda", "float32", False, "graph", True))
    assert events == ["wait", "side stream", "run", "run", "run", "usual stream", "wait", "capture", "run", "captured"]
    events.clear()
    run()
    run()
    assert events == ["replay", "replay"]

    class Reads(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("operation not permitted when stream is capturing")

    with pytest.raises(FlopcalcError, match="captured in a CUDA graph: RuntimeError: operation not") as caught:
        executed(Pass(Reads(), [torch.ones(2)], {}, "forward"), Place("cuda", "float32", False, "graph"))
    assert "--execution eager" in caught.value.hint


def test_progress() -> None:
    """The seconds that have passed of the budget."""
    shown = Progress()
    token = progress.set(shown)
    try:
        clock.in_turns([lambda: None], 1e-9, "cpu")
    finally:
        progress.reset(token)
    assert (len(shown.done), shown.total, shown.words) == (0, 1, ("measuring", "seconds"))
    assert bar("net", 3, 20, 3.2, 70, "measuring", "seconds").endswith("3 of 20 seconds")


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError, ValueError])
def test_a_run_that_fails_holds_no_tensors(kind: type[Exception]) -> None:
    """Those without memory not even by their error, and no other reading of the input is tried; all without cycles."""
    seen: list[weakref.ref[Tensor]] = []

    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if not x.is_meta:
                seen.append(weakref.ref(x))
                raise kind("no more")
            return x

    found: Any = None
    gc.disable()
    try:
        bench(Fails(), input=(3, 8, 8), seconds=LITTLE)
    except FlopcalcError as error:
        found = error.code, len(seen), seen[0]() is None
    finally:
        gc.enable()
    if kind is ValueError:
        assert found[0] == "unmeasurable-module"
    else:
        assert found == ("out-of-memory", 1, True)
    assert {one() for one in seen} == {None}

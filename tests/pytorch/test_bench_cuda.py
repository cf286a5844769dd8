"""Measured times on a GPU: eager, graphs, compiled and training steps. Skipped on a machine without one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Run

import flopcalc
from flopcalc import FlopcalcError, bench

torch = pytest.importorskip("torch")

from torch import Tensor, nn

from flopcalc.analysis.calibrate import Given, calibrate
from flopcalc.networks.training import MODES

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch has no CUDA device on this machine")

# A budget that ends after the fewest runs.
LITTLE = 1e-4


class Small(nn.Sequential):
    """A few layers, which a compiler is done with soon."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(), nn.Conv2d(16, 16, 3))


def state() -> Any:
    """What a measurement must leave as it was."""
    cuda = torch.backends.cuda
    flags = cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.is_grad_enabled()
    return torch.get_rng_state().tolist(), torch.cuda.get_rng_state().tolist(), flags


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("execution", ["eager", "graph", "compiled"])
@pytest.mark.parametrize("dtype", ["float32", "tf32", "float16"])
def test_all_ways(mode: str, execution: str, dtype: str) -> None:
    """Each gives a time of each version, and leaves the process as it was."""
    module = Small()
    before = state()
    found = bench(
        module, input=(3, 32, 32), batch=4, on="cuda", dtype=dtype, execution=execution, mode=mode,
        replace="dsc where k == 3", seconds=LITTLE, device="h100",
    )  # fmt: skip
    assert state() == before
    assert found.before is not None
    assert found.before.median_s > 0
    assert found.times.median_s > 0
    assert found.machine == torch.cuda.get_device_name()
    assert found.channels_last is (dtype == "float16")


def test_a_graph_saves_the_launches() -> None:
    """Small layers take less time in a graph than when the host launches them."""
    eager = bench("mobilenet_v2", on="cuda", seconds=0.5)
    graph = bench("mobilenet_v2", on="cuda", seconds=0.5, execution="graph")
    assert graph.median_s < 0.7 * eager.median_s


def test_the_memory_is_given_back() -> None:
    """Of modules, inputs, gradients and graphs."""
    bench("resnet18", on="cuda", seconds=LITTLE)
    before = _allocated()
    for execution in ("eager", "graph"):
        for mode in MODES:
            bench("resnet18", on="cuda", execution=execution, mode=mode, seconds=LITTLE)
    assert _allocated() - before < 20e6


def _allocated() -> int:
    """Without what cuBLAS keeps for each stream and thread: 33.6 MB four times, on an H100."""
    torch._C._cuda_clearCublasWorkspaces()
    return int(torch.cuda.memory_allocated())


def test_a_module_of_the_user_stays_on_the_cpu() -> None:
    """The copy goes to the GPU."""
    module = Small().train()
    bench(module, input=(3, 32, 32), on="cuda", mode="training", seconds=LITTLE)
    assert {one.device.type for one in module.state_dict().values()} == {"cpu"}
    assert all(one.grad is None for one in module.parameters())


class Reads(nn.Module):
    """The host reads a value, which a graph cannot."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        return x * 2 if x.sum().item() > 0 else x * 3


def test_a_value_that_the_host_reads() -> None:
    """A graph cannot be captured; the next measurement works."""
    with pytest.raises(FlopcalcError, match="cannot be captured in a CUDA graph") as caught:
        bench(Reads(), input=(3, 8, 8), on="cuda", execution="graph", seconds=LITTLE)
    assert "--execution eager" in str(caught.value.hint)
    assert bench(Reads(), input=(3, 8, 8), on="cuda", seconds=LITTLE).median_s > 0
    assert bench("resnet18", input=(3, 64, 64), on="cuda", execution="graph", seconds=LITTLE).median_s > 0


def test_more_than_the_memory(run: Callable[..., Run]) -> None:
    """One line, and the memory is free again. The output of the first layer alone is too large."""
    batch = torch.cuda.get_device_properties(0).total_memory // (64 * 224 * 224 * 4) + 1
    done = run("bench", "vgg16", "--on", "cuda", "--batch", str(batch), "--seconds", "1")
    assert done.code == 2
    error, hint = done.err.strip().splitlines()
    assert "does not fit into the memory of the GPU" in error
    assert "smaller --batch" in hint
    assert torch.cuda.memory_allocated() < 1e9


def test_command(run: Callable[..., Run]) -> None:
    """The JSON of an operator in a graph."""
    done = run(
        *("bench", "ghost", "--cin", "64", "--on", "cuda", "--dtype", "float16", "--execution", "graph"),
        *("--seconds", "0.1", "--device", "h100", "--format", "json"),
    )
    data = json.loads(done.out)
    assert (done.code, data["on"], data["execution"], data["channels_last"]) == (0, "cuda", "graph", True)
    assert data["macs"] == flopcalc.layer("ghost", 64).macs


def test_calibrate(tmp_path: Path) -> None:
    """A device file that roofline reads, fitted on passes of both dtypes."""
    path = tmp_path / "mine.yaml"
    found = calibrate(path, given=Given("h100"), on="cuda", dtypes=("float32", "float16"), seconds=20)
    assert found.machine == torch.cuda.get_device_name()
    assert {one.dtype for one in found.cases} == {"float32", "float16"}
    assert found.error() < 0.5
    assert flopcalc.roofline("resnet18", device=str(path), dtype="float16").estimate_s > 0

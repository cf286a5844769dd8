"""The errors of other counters: what the installed tools report, and the right figures."""

import contextlib
import io
import warnings
from typing import Any

import pytest

from flopcalc import FlopcalcError
from flopcalc.published.tool_errata import TOOL_ERRORS, ToolError, tool_errors

torch = pytest.importorskip("torch")

from helpers import import_torchvision
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from flopcalc.pytorch import count
from flopcalc.pytorch.counters import COUNTERS, Figure, run_counter, version_of

# Right figures that are not MACs, or 2 FLOPs for each MAC, worked out by hand.
BY_HAND = {
    "backward pass of a grouped convolution": 2 * 2 * (4 * 8 * 8 * 9),
    "bias of a transposed convolution": 2 * 9 * 4 * 4 * 8 + 8 * 6 * 6,
    "bias of a linear layer": 2 * 5 * 4 * 3 + 5 * 3,
    "torch.addmm with a bias": {"MACs": 5 * 4 * 3 + 5 * 3, "FLOPs": 2 * 5 * 4 * 3 + 5 * 3},
    "torch.matmul for a batch of 2": 5 * 4 * 3,
    "product by the operator `*`": 3 * 4,
    "torch.mul that broadcasts": 3 * 4,
    "nn.ReLU": 6 * 4,
    "nn.LayerNorm": 2 * 6 * 4,
    "nn.BatchNorm2d": 2 * 4 * 8 * 8,
    "nn.MaxPool2d": 4 * 4 * 4,
    "nn.AvgPool2d": (2 * 2 + 1) * 4 * 2 * 2,
    "pooling with overlapping windows": 3 * 3 * 4 * 6 * 6 + 4 * 6 * 6,
    "adaptive pooling with uneven windows": (2 + 3 + 2) ** 2 + 9,
    "nn.Upsample": 4 * 8 * 8,
    "nn.Upsample, trilinear": 31 * 4 * 8 * 8 * 8,
    "F.interpolate by a factor": 4 * 8 * 8,
    "F.interpolate to a size": 4 * 8 * 8,
    "grid_sample with mode='nearest'": 0,
    "linear layer of complex numbers": 2 * 4 * 5 * 4 * 3,
    # Scale, projections, biases, products, softmax of 2 heads.
    "nn.MultiheadAttention with softmax": 5 * 8 + 4 * 5 * 8 * 8 + 4 * 5 * 8 + 2 * 5 * 5 * 8 + 2 * 5 * 5,
    "nn.MultiheadAttention without bias": 5 * 8 + 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8 + 2 * 5 * 5,
    "nn.MultiheadAttention with smaller keys": (
        5 * 8 + 2 * 5 * 8 * 8 + 2 * 5 * 4 * 8 + 4 * 5 * 8 + 2 * 5 * 5 * 8 + 2 * 5 * 5
    ),
    "attention of timm": 5 * 8 + 4 * 5 * 8 * 8 + 5 * 8 + 2 * 5 * 5 * 8 + 2 * 5 * 5,
    # thop counts 8 for a gate's sum, 5 x 8 element-wise; ptflops 10 x 8 element-wise.
    "nn.LSTM with proj_size, thop": 5 * (4 * ((4 + 3) * 8 + 8) + 8 * 3 + 4 * 8),
    "nn.LSTM with the steps first": 5 * (4 * 8 * (4 + 8) + 10 * 8),
    "nn.LSTM on sequences of 5 and 2 steps, thop": 7 * (4 * ((4 + 8) * 8 + 8) + 4 * 8),
    "nn.LSTM with proj_size, ptflops": 5 * (4 * 8 * (4 + 3) + 8 * 3 + 10 * 8),
}


def made(error: ToolError) -> tuple[nn.Module, tuple[Any, ...]]:
    """The module of an error, and its inputs."""
    if "timm" in error.case.module:
        import_torchvision()
        pytest.importorskip("timm")
    space: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "__name__": "errata"}
    exec(error.case.module, space)  # noqa: S102
    return space["module"].eval(), eval(error.case.inputs, space)  # noqa: S307


def installed(error: ToolError) -> None:
    """Skip the test where the tool is not installed in that version."""
    version = version_of(COUNTERS[error.tool].package)
    if version != error.version:
        pytest.skip(f"{error.tool} {error.version} is not installed")


@pytest.mark.parametrize("error", TOOL_ERRORS, ids=lambda one: f"{one.tool}: {one.case.what}")
def test_what_the_tool_reports(error: ToolError) -> None:
    """The installed tool reports the wrong figure."""
    installed(error)
    module, inputs = made(error)
    if error.call == "backward":
        with FlopCounterMode(display=False) as counter:
            module(*inputs).sum().backward()
        assert counter.get_total_flops() == error.printed
        return
    name = "flop-counter-cpu" if error.tool == "flop-counter" else error.tool
    found = run_counter(name, module, inputs, on="meta" if error.call == "meta" else "auto")
    assert isinstance(found, Figure), found
    assert (found.macs if error.unit == "MACs" and found.macs is not None else found.value) == error.printed


@pytest.mark.parametrize("error", TOOL_ERRORS, ids=lambda one: f"{one.tool}: {one.case.what}")
def test_the_right_figure(error: ToolError) -> None:
    """By hand, or by counting the kernels."""
    assert error.printed != error.right
    what = error.case.what
    for key in (what, f"{what}, {error.tool}", f"{what} with softmax" if error.tool == "ptflops" else what):
        if key in BY_HAND:
            right: Any = BY_HAND[key]
            assert (right[error.unit] if isinstance(right, dict) else right) == error.right
            return
    module, inputs = made(error)
    macs = count(module, *inputs).macs
    assert (2 * macs if error.unit == "FLOPs" else macs) == error.right


PLAIN = ("fvcore", "ptflops", "ptflops-aten", "thop", "torchinfo", "torchprofile", "flop-counter")


@pytest.mark.parametrize("tool", dict.fromkeys(one.tool for one in TOOL_ERRORS))
def test_scripts_run(tool: str) -> None:
    """The script of an error prints the tool's figure; every script can be compiled."""
    errors = tool_errors((tool,))
    for error in errors:
        compile(error.script(), error.case.what, "exec")
    if tool in PLAIN:
        for error in errors[:2]:
            installed(error)
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(error.script(), {"__name__": "errata"})  # noqa: S102
            assert int(printed.getvalue()) == error.printed


def test_unknown_tools() -> None:
    """A name that no error has."""
    with pytest.raises(FlopcalcError, match="unknown tool 'fvcor'"):
        tool_errors(("fvcor",))


def test_each_error_once() -> None:
    """No two errors of a tool are of the same case and unit."""
    keys = [(one.tool, one.case.what, one.case.module, one.unit) for one in TOOL_ERRORS]
    assert len(set(keys)) == len(keys)

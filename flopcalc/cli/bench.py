"""`flopcalc bench`."""

from collections.abc import Callable
from typing import Any

import click

from flopcalc.analysis.bench import PLACES, bench_spec, way
from flopcalc.analysis.timing.device import EXECUTIONS
from flopcalc.cli.any_target import any_spec, one_batch
from flopcalc.cli.completion import complete_targets
from flopcalc.cli.options import device_option, optional_shape_options, output_only_options
from flopcalc.cli.output import emit, format_of
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.target import target_options
from flopcalc.networks.training import MODES
from flopcalc.report.bench import bench_document


def _without_on(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option --on of targets says where a model is counted; here it says where it is measured."""
    params = command.__click_params__  # type: ignore[attr-defined]
    params[:] = [param for param in params if param.name != "on"]
    return command


on_option = click.option(
    "--on",
    "place",
    type=click.Choice(PLACES),
    default="cpu",
    show_default=True,
    help="Measure on the CPU, or on the CUDA device that PyTorch uses.",
)


@click.command("bench", epilog="Example: flopcalc bench resnet18 --replace ghost --seconds 10")
@click.argument("name", metavar="OPERATOR|TARGET", shell_complete=complete_targets)
@on_option
@click.option(
    "--dtype",
    metavar="DTYPE",
    default="float32",
    show_default=True,
    help="Element type of all tensors: float32 (without TF32), float16, bfloat16, float64; with CUDA also tf32.",
)
@click.option(
    "--execution",
    type=click.Choice(EXECUTIONS),
    default="eager",
    show_default=True,
    help="eager: the host launches each kernel. graph: a CUDA graph is captured once and replayed; needs --on cuda. "
    "compiled: by torch.compile, which needs a C++ compiler, or Triton with CUDA.",
)
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="inference",
    show_default=True,
    help="The time of a forward pass, or of the forward and the backward pass of one training step.",
)
@click.option(
    "--seconds",
    type=float,
    default=5.0,
    show_default=True,
    help="Budget of the measurement; with --replace both versions share it. At least three runs are timed.",
)
@click.option(
    "--channels-last/--contiguous",
    "channels_last",
    default=None,
    help="Order of tensors with four axes (default: channels last for half precision with CUDA).",
)
@device_option("Show the bound and the estimate of this device next to the measured time.")
@one_batch
@_without_on
@target_options
@optional_shape_options
@output_only_options
def command(
    name: str,
    place: str,
    dtype: str,
    execution: str,
    mode: str,
    seconds: float,
    channels_last: bool | None,
    device_name: str | None,
    fmt: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """Measure how long an operator or a network takes on this machine.

    Runs the forward without gradients, or a training step without an optimizer, after a warm-up, and shows the median
    and the quartiles. With --replace it measures the network before and after in turns. OPERATOR is one that `flopcalc
    layer` takes, TARGET a network or a Python model as in `flopcalc model`. Needs PyTorch.
    """
    fmt = format_of(fmt, output)
    asked = way(place, dtype, seconds, channels_last, device_name, execution, mode)
    spec = any_spec(name, {**options, "on": None})
    with progress_bar(name):
        found = bench_spec(spec, asked)
    emit(bench_document(found, flat=fmt == "csv"), fmt, output)

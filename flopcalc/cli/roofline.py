"""`flopcalc roofline`."""

from typing import Any

import click

from flopcalc.analysis.roofline import roofline_spec
from flopcalc.analysis.timing.device import EXECUTIONS, read_dtype, read_execution
from flopcalc.analysis.timing.library import device as find_device
from flopcalc.cli.any_target import any_spec, one_batch
from flopcalc.cli.completion import complete_targets
from flopcalc.cli.options import Whole, device_option, optional_shape_options, output_only_options
from flopcalc.cli.output import emit, format_of
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.target import check_counted, note_uncounted, strict_option, target_options
from flopcalc.cli.training import step_options
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.training import MODES, read_training
from flopcalc.report.roofline import roofline_document

_TOP = 15


@click.command("roofline", epilog="Example: flopcalc roofline resnet50 --device h200 --replace spconv --batch 32")
@click.argument("name", metavar="OPERATOR|TARGET", shell_complete=complete_targets)
@device_option("A device that flopcalc ships, such as h100, or the path of a YAML file.", required=True)
@click.option(
    "--dtype",
    metavar="DTYPE",
    default="float32",
    show_default=True,
    help="Element type of all tensors: float32 (without TF32), tf32, float16, bfloat16, float8, int8, float64.",
)
@click.option(
    "--execution",
    type=click.Choice(EXECUTIONS),
    default="eager",
    show_default=True,
    help="eager: the host launches each kernel. graph: a CUDA graph. compiled: element-wise kernels are merged.",
)
@click.option(
    "--fused",
    is_flag=True,
    help="Bound of a compiler: element-wise kernels cost nothing. Implied by --execution compiled.",
)
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="inference",
    show_default=True,
    help="The time of a forward pass, or of the forward and the backward pass of one training step.",
)
@step_options
@click.option(
    "--top",
    type=Whole(),
    default=None,
    help=f"Layers (of an operator: parts) in the table, the slowest first (default: {_TOP}).",
)
@one_batch
@target_options
@optional_shape_options
@strict_option
@output_only_options
def command(
    name: str,
    device_name: str,
    dtype: str,
    execution: str,
    fused: bool,
    mode: str,
    freeze: tuple[str, ...],
    checkpoint: tuple[str, ...],
    top: int | None,
    strict: bool,
    fmt: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """How long an operator or a network takes on a device, and what limits it.

    Shows a bound that no execution beats, by the peaks of the data sheet, and an estimate of what to expect, for each
    layer and in sum. With --replace, both before and after. OPERATOR is one that `flopcalc layer` takes, TARGET a
    network or a Python model as in `flopcalc model`.
    """
    fmt = format_of(fmt, output)
    if top is not None and top < 1:
        raise FlopcalcError("bad-option", f"--top is {clip(top)}; it must be 1 or more", "write --top 10")
    device, kind = find_device(device_name), read_dtype(dtype)
    device.peak(kind)
    step = read_training(mode, freeze, checkpoint)
    spec = any_spec(name, options)._replace(training=step)
    with progress_bar(name):
        found = roofline_spec(spec, device, kind, read_execution(execution), fused=fused)
    emit(roofline_document(found, _TOP if top is None else top, flat=fmt == "csv"), fmt, output)
    uncounted = [dict(one) for one in found.uncounted]
    note_uncounted(uncounted, fmt)
    if strict:
        check_counted(uncounted)

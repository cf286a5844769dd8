"""`flopcalc memory`."""

from collections.abc import Callable
from typing import Any

import click

from flopcalc.analysis.memory.memory import memory_of
from flopcalc.analysis.memory.question import FLOATS, HALF, MODES, OPTIMIZERS, ORDERS, RULES, question
from flopcalc.budget.folder_rules import with_folder_rules
from flopcalc.cli.completion import complete_networks
from flopcalc.cli.options import Whole, output_only_options
from flopcalc.cli.output import emit, format_of
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.target import target_options
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.report.memory import memory_document
from flopcalc.targets.spec import from_texts


def step_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is kept and computed in a training step: --optimizer, --autocast, --checkpoint, ..., and --rules."""
    options = (
        click.option(
            "--optimizer", type=click.Choice(OPTIMIZERS), default=None, help="Whose state is kept (default: sgd)."
        ),
        click.option(
            "--optimizer-dtype",
            type=click.Choice(FLOATS),
            default=None,
            help="Element type of the optimizer's state (default: that of the weights).",
        ),
        click.option(
            "--autocast",
            type=click.Choice(HALF),
            default=None,
            help="Compute products in this type; weights and gradients stay float32.",
        ),
        click.option(
            "--checkpoint",
            metavar="PATTERN",
            multiple=True,
            help="Compute these modules again in the backward instead of keeping their tensors, such as 'layer*'; "
            "repeatable.",
        ),
        click.option("--accumulate", type=Whole(), default=None, help="Add the gradients of N batches (default: 1)."),
        click.option(
            "--rules",
            type=click.Choice(RULES),
            default=None,
            help="Follow the kernels of this device; for a described network this needs torch (default: cuda).",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("memory", epilog="Example: flopcalc memory resnet50 --batch 8 --order best")
@click.argument("name", metavar="NETWORK", shell_complete=complete_networks)
@target_options
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="inference",
    show_default=True,
    help="Training adds gradients, optimizer state and what autograd keeps for the backward.",
)
@click.option(
    "--dtype",
    type=click.Choice(tuple(DTYPE_BYTES)),
    default=None,
    help="Element type of weights and activations (default: float32, or that of the Python model).",
)
@step_options
@click.option(
    "--order",
    type=click.Choice(ORDERS),
    default="given",
    show_default=True,
    help="best: also search for the least possible peak over all orders of the layers.",
)
@click.option(
    "--by",
    type=click.Choice(("layer", "stage")),
    default=None,
    help="What each row is (default: stage for more than 40 layers; layer for CSV).",
)
@output_only_options
def command(
    name: str,
    mode: str,
    dtype: str | None,
    optimizer: str | None,
    optimizer_dtype: str | None,
    autocast: str | None,
    checkpoint: tuple[str, ...],
    accumulate: int | None,
    rules: str | None,
    order: str,
    by: str | None,
    fmt: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """What a network needs in memory, for inference or training.

    NETWORK is a name that `flopcalc list` shows, the path of a YAML description, or a PyTorch model, as in `flopcalc
    model`. Shows the bytes of weights, buffers, input and activations, the layer at the peak, and the bytes that are
    alive during each layer. Training follows autograd on a copy of the module, and needs torch.
    """
    fmt = format_of(fmt, output)
    asked = question(
        mode=mode,
        dtype=dtype,
        optimizer=optimizer,
        optimizer_dtype=optimizer_dtype,
        rules=rules or "cuda",
        autocast=autocast,
        checkpoint=checkpoint,
        accumulate=accumulate,
        order=order,
    )
    with progress_bar(name):
        found = memory_of(with_folder_rules(from_texts(name, **options)), asked, by_module=rules is not None)
    emit(memory_document(found, by, flat=fmt == "csv"), fmt, output)

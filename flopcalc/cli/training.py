"""The options of the commands that can show the cost of training."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import click

from flopcalc.cost.convention import Convention
from flopcalc.errors import FlopcalcError
from flopcalc.networks.training import MODES, read_training
from flopcalc.report.training import check_convention
from flopcalc.spec.operator import Evaluation

if TYPE_CHECKING:
    from flopcalc.report.layer import Step

Mode = Literal["inference", "training"]


_MODE = click.option(
    "--mode",
    type=click.Choice(MODES),
    default="inference",
    show_default=True,
    help="Count the forward pass, or the forward and the backward pass of one training step.",
)
_FUSED = click.option(
    "--fused",
    is_flag=True,
    help="Count fused attention, which computes its scores again in the backward pass. Needs --mode training.",
)


_FREEZE = click.option(
    "--freeze",
    metavar="PATTERN",
    multiple=True,
    help="Do not train these layers, or all layers of these modules: layer1, features.*; repeatable. Needs --mode "
    "training.",
)
_CHECKPOINT = click.option(
    "--checkpoint",
    metavar="PATTERN",
    multiple=True,
    help="Run the forward pass of these modules again in the backward pass (activation checkpointing); repeatable. "
    "Needs --mode training.",
)


def step_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--freeze, --checkpoint: what is trained, and what runs twice."""
    return _FREEZE(_CHECKPOINT(command))


def operator_training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--mode, --first, --fused: of commands about operators."""
    first = click.option(
        "--first",
        is_flag=True,
        help="The operator is the first layer of a network: its input needs no gradient. Needs --mode training.",
    )
    for option in (_FUSED, first, _MODE):
        command = option(command)
    return command


def read_step(
    evaluations: Sequence[Evaluation], mode: str, first: bool, fused: bool, chosen: Convention
) -> "list[Step] | None":
    """The training steps of operators; None for inference. Raises FlopcalcError (bad-usage)."""
    options = read_training(mode, (), (), fused)
    if options is None:
        if first:
            raise FlopcalcError("bad-usage", "--first applies to training only", "add --mode training")
        return None
    check_convention(chosen)
    # Only training needs it.
    from flopcalc.analysis.training.training import baseline_step, operator_training, step_cost
    from flopcalc.report.layer import Step

    found = [operator_training(e, options, first=first) for e in evaluations]
    pairs = zip(evaluations, found, strict=True)
    return [Step(one, step_cost(one), baseline_step(e, first=first)) for e, one in pairs]


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--mode, --freeze, --checkpoint, --fused."""
    options = (
        _MODE,
        _FREEZE,
        _CHECKPOINT,
        _FUSED,
    )
    for option in reversed(options):
        command = option(command)
    return command

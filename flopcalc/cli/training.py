"""The options of the commands that can show the cost of training."""

from collections.abc import Callable
from typing import Any, Literal

import click

from flopcalc.errors import FlopcalcError
from flopcalc.networks.training import TrainingOptions

Mode = Literal["inference", "training"]


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--mode, --freeze, --checkpoint, --fused."""
    options = (
        click.option(
            "--mode",
            type=click.Choice(("inference", "training")),
            default="inference",
            show_default=True,
            help="Count the forward pass, or the forward and the backward pass of one training step.",
        ),
        click.option(
            "--freeze",
            metavar="PATTERN",
            multiple=True,
            help="Do not train these layers, or all layers of these modules: layer1, features.*; repeatable. Needs "
            "--mode training.",
        ),
        click.option(
            "--checkpoint",
            metavar="PATTERN",
            multiple=True,
            help="Run the forward pass of these modules again in the backward pass (activation checkpointing); "
            "repeatable. Needs --mode training.",
        ),
        click.option(
            "--fused",
            is_flag=True,
            help="Count fused attention, which computes its scores again in the backward pass. Needs --mode training.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_training(
    mode: Mode, freeze: tuple[str, ...], checkpoint: tuple[str, ...], fused: bool
) -> TrainingOptions | None:
    """How the network is trained; None for inference. Raises FlopcalcError (bad-usage)."""
    if mode == "training":
        return TrainingOptions(freeze, checkpoint, fused)
    for flag, value in (("--freeze", freeze), ("--checkpoint", checkpoint), ("--fused", fused)):
        if value:
            raise FlopcalcError("bad-usage", f"{flag} is for training", "add --mode training")
    return None

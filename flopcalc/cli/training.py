"""The options of the commands that can show the cost of training."""

from collections.abc import Callable
from typing import Any, Literal

import click

from flopcalc.networks.training import MODES

Mode = Literal["inference", "training"]


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--mode, --freeze, --checkpoint, --fused."""
    options = (
        click.option(
            "--mode",
            type=click.Choice(MODES),
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

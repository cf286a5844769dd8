"""One side of `flopcalc diff`: a target with its options, written as for `flopcalc model`."""

import shlex
from typing import Any

import click
from click.core import ParameterSource

from flopcalc.budget.folder_rules import with_folder_rules
from flopcalc.cli.target import target_options
from flopcalc.errors import FlopcalcError, clip
from flopcalc.targets.spec import TargetSpec, Timeout, from_texts

_HOW = "write it as for `flopcalc model`, in quotes: 'resnet50 --replace spconv --set classes=10'"


@click.command("flopcalc diff", add_help_option=False)
@click.argument("name", metavar="NETWORK")
@target_options
def _side(**given: Any) -> dict[str, Any]:
    """The options of one side. Its help is never shown."""
    return given


def read_side(text: str) -> tuple[str, dict[str, Any]]:
    """`resnet50 --replace spconv` -> the name and the target options."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise FlopcalcError("bad-usage", f"{clip(text)} cannot be read: {str(error).lower()}", _HOW) from None
    command = click.get_current_context(silent=True)
    try:
        context = _side.make_context("flopcalc diff", words, obj=command and command.find_root().obj)
    except click.UsageError as error:
        why = " ".join(error.format_message().split()).rstrip(".")
        raise FlopcalcError("bad-usage", f"{clip(text)}: {why[:1].lower()}{why[1:]}", _HOW) from None
    options = context.params
    if context.get_parameter_source("timeout") is not ParameterSource.COMMANDLINE:
        # The limit of the command applies.
        options["timeout"] = None
    return options.pop("name"), options


def side_spec(text: str, inputs: tuple[str, ...], batch: int | None, timeout: Timeout) -> TargetSpec:
    """The target that a side names. inputs, batch, timeout: of the command, where the side has none of its own."""
    name, options = read_side(text)
    options["input_texts"] = options["input_texts"] or inputs
    options["batch"] = batch if options["batch"] is None else options["batch"]
    options["timeout"] = options["timeout"] or timeout
    return with_folder_rules(from_texts(name, **options))

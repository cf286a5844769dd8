"""One side of `flopcalc diff`: a target with its options, written as for `flopcalc model`."""

import shlex
from typing import Any

import click
from click.core import ParameterSource

from flopcalc.cli.target import target_options
from flopcalc.errors import FlopcalcError, clip

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

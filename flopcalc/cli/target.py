"""The options that every command with a network takes, and what it tells of kernels that were not counted."""

from collections.abc import Callable, Iterator
from typing import Any

import click

from flopcalc.cli.options import Whole
from flopcalc.cli.replacing import replace_options
from flopcalc.errors import ExitCode, FlopcalcError


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--replace, --where, --keep, --set, --input, --batch."""
    options = (
        click.option(
            "--set",
            "settings",
            metavar="NAME=VALUE",
            multiple=True,
            help="An option of the network, or a keyword of the Python factory; repeatable.",
        ),
        click.option(
            "--input",
            "input_texts",
            metavar="CxHxW[:DTYPE]",
            multiple=True,
            help="Input shape without the batch (default: the described network's own); repeatable for several inputs.",
        ),
        click.option("--batch", type=Whole(), default=None, help="Batch size (default: 1)."),
    )
    for option in reversed(options):
        command = option(command)
    return replace_options(command)


strict_option = click.option(
    "--strict", is_flag=True, help="Exit code 1 where something could not be counted (Python models)."
)


def uncounted_lines(uncounted: list[dict[str, Any]]) -> Iterator[str]:
    """One sentence for each kernel without a rule."""
    for one in uncounted:
        times = "once" if one["count"] == 1 else f"{one['count']:,} times"
        yield f"{one['op']} in {one['module']}, {times}"


def check_counted(uncounted: list[dict[str, Any]]) -> None:
    """For --strict. Raises FlopcalcError (uncounted), exit code 1."""
    if uncounted:
        names = ", ".join(dict.fromkeys(f"{one['op']} in {one['module']}" for one in uncounted[:4]))
        more = f" and {len(uncounted) - 4} more" if len(uncounted) > 4 else ""
        raise FlopcalcError(
            "uncounted",
            f"--strict: not everything could be counted: {names}{more}",
            "without --strict these kernels are listed, and add nothing to the numbers",
            ExitCode.CHECK_FAILED,
        )

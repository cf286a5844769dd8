"""The options of every command that takes a network, and the error for kernels that were not counted."""

from collections.abc import Callable
from typing import Any

import click

from flopcalc.cli.main import OWN_PROCESS
from flopcalc.cli.options import ParamType, Positive
from flopcalc.cli.replacing import replace_options
from flopcalc.errors import ExitCode, FlopcalcError
from flopcalc.report.uncounted import RULE_HINT, how_many, kernels_text
from flopcalc.targets.spec import Timeout, read_timeout


class Seconds(ParamType):
    """A limit of time: a number of seconds."""

    name = "SECONDS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Timeout:
        """The limit; it may end the process only if flopcalc itself started it."""
        own = ctx is not None and ctx.find_root().obj == OWN_PROCESS
        return value if isinstance(value, Timeout) else read_timeout(value, ends_process=own)


timeout_option = click.option(
    "--timeout",
    type=Seconds(),
    default="120",
    help="Limit the time for loading and building a Python model (default: 120). The forward pass is not limited.",
)


def target_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--replace, --where, --keep, --set, --input, --arg, --method, --on, --batch, --timeout."""
    options = (
        click.option(
            "--set",
            "settings",
            metavar="NAME=VALUE",
            multiple=True,
            help="Set an option of the network, a keyword argument of the Python factory, or a field of the "
            "configuration of an hf: model; repeatable.",
        ),
        click.option(
            "--input",
            "input_texts",
            metavar="[NAME=]CxHxW[:DTYPE]",
            multiple=True,
            help="Input shape without the batch (default: that of the description); repeatable for several inputs. "
            "With NAME it is a keyword argument of the forward.",
        ),
        click.option(
            "--arg",
            "argument_texts",
            metavar="NAME=VALUE",
            multiple=True,
            help="Pass a value that is not a tensor to the forward of a Python model, such as return_dict=false or "
            "size=16,16; repeatable.",
        ),
        click.option("--method", metavar="NAME", help="Count this method of a Python model (default: forward)."),
        click.option(
            "--on",
            type=click.Choice(("meta", "cpu")),
            default=None,
            help="Run a Python model on the meta device, where nothing is computed, or on real values on the CPU "
            "(default: meta, then cpu if the model reads values).",
        ),
        click.option("--batch", type=Positive(), default=None, help="Batch size (default: 1)."),
        timeout_option,
    )
    for option in reversed(options):
        command = option(command)
    return replace_options(command)


def note_uncounted(uncounted: list[dict[str, Any]], fmt: str) -> None:
    """Write to stderr that the costs are lower bounds, where the format has no headline that says so."""
    if uncounted and fmt == "csv":
        click.echo(f"note: at least these costs: {how_many(uncounted)}: {kernels_text(uncounted)}", err=True)


def note_remarks(record: dict[str, Any], fmt: str) -> None:
    """Write to stderr what a reader must know of a counted model or a replacement, where the format has no place."""
    if fmt == "csv":
        for note in record["notes" if record["modules"] else "replace_notes"]:
            click.echo(f"note: {note}", err=True)


strict_option = click.option(
    "--strict", is_flag=True, help="Exit code 1 if a kernel could not be counted (Python models)."
)


def check_counted(uncounted: list[dict[str, Any]]) -> None:
    """Raises FlopcalcError (uncounted, exit code 1) if a kernel was not counted: for --strict."""
    if uncounted:
        names = ", ".join(dict.fromkeys(f"{one['op']} in {one['module']}" for one in uncounted[:4]))
        more = f" and {len(uncounted) - 4} more" if len(uncounted) > 4 else ""
        raise FlopcalcError(
            "uncounted",
            f"--strict: not everything could be counted: {names}{more}",
            f"{RULE_HINT}; without --strict these kernels are listed, and the costs are at least those shown",
            ExitCode.CHECK_FAILED,
        )

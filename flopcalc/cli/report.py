"""`flopcalc report`."""

import os
import sys
from typing import Any

import click

from flopcalc import __version__
from flopcalc.analysis.timing.device import EXECUTIONS, read_execution
from flopcalc.analysis.timing.library import device as find_device
from flopcalc.analysis.variables import names_of
from flopcalc.cli.any_target import any_spec, one_batch
from flopcalc.cli.completion import complete_targets
from flopcalc.cli.options import convention_option, device_option, optional_shape_options
from flopcalc.cli.output import format_of, output_option, write
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.target import check_counted, strict_option, target_options
from flopcalc.cost import convention
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.errors import FlopcalcError, clip
from flopcalc.pages.build import page
from flopcalc.pages.card import model_card
from flopcalc.pages.command import command as command_of
from flopcalc.pages.gather import Asked, NetworkFacts, OperatorFacts, gather
from flopcalc.pages.render import check_packages, html, markdown

FORMATS = ("html", "markdown")
BY_SUFFIX = {".html": "html", ".htm": "html", ".md": "markdown"}
# Products in tf32 are of float32 tensors; a report has one dtype for times and for memory.
_DTYPES = (*DTYPE_BYTES, "tf32")


@click.command("report", epilog="Example: flopcalc report resnet50 --replace spconv --device h200 -o report.html")
@click.argument("name", metavar="OPERATOR|TARGET", shell_complete=complete_targets)
@device_option(
    "Also show the time on this device and its roofline: one that flopcalc ships, such as h100, or the path "
    "of a YAML file."
)
@click.option(
    "--dtype",
    type=click.Choice(_DTYPES),
    default=None,
    help="Element type of all tensors (default: float32; for the memory of a Python model, its own).",
)
@click.option(
    "--execution",
    type=click.Choice(EXECUTIONS),
    default=None,
    help="How kernels are launched on the device, as in `flopcalc roofline` (default: eager).",
)
@click.option(
    "--vary",
    metavar="NAME,...",
    multiple=True,
    help="Symbols of the closed form of a network, as in `flopcalc formula` (default: batch, height and width).",
)
@click.option(
    "--assume",
    metavar="'H = 32 h'",
    multiple=True,
    help="Write a symbol of the closed form in others, which removes most floors; repeatable.",
)
@one_batch
@target_options
@optional_shape_options
@convention_option("the headline")
@strict_option
@click.option(
    "--format",
    "fmt",
    type=click.Choice(FORMATS),
    default=None,
    help="A page for a browser, or a block for a model card (default: html, or by the suffix of -o).",
)
@output_option
def command(
    name: str,
    device_name: str | None,
    dtype: str | None,
    execution: str | None,
    vary: tuple[str, ...],
    assume: tuple[str, ...],
    convention_name: str,
    strict: bool,
    fmt: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """A report of an operator or a network to send to others.

    One page that needs nothing else: summary, where the cost is, what a replacement did, all layers, the closed form,
    memory, the time on a device, what other counters report and why, equations with their sources, citations. It works
    offline, and has a table that can be sorted and filtered. With --format markdown, a short block for a model card.
    OPERATOR is one that `flopcalc layer` takes, TARGET a network or a Python model as in `flopcalc model`.
    """
    fmt = format_of(fmt, output, BY_SUFFIX, "html")
    _check_output(fmt, output)
    check_packages(fmt)
    chosen = convention.get(convention_name)
    if device_name is None and (execution is not None or dtype == "tf32"):
        given = "--execution" if execution is not None else "--dtype tf32"
        raise FlopcalcError("bad-usage", f"{given} is about a device", "write for example --device h200")
    device = None if device_name is None else find_device(device_name)
    if device is not None:
        # Before a model is built, which can take long.
        device.peak(dtype or "float32")
    spec = any_spec(name, options)
    if spec.kind == "operator" and (vary or assume):
        given = "--vary" if vary else "--assume"
        why = f"{given} is for the closed form of a network; that of an operator has symbols for all its sizes"
        raise FlopcalcError("bad-usage", why, f"leave out {given}")
    names = names_of(vary) if vary else None
    flags = [("--device", device_name), ("--dtype", dtype), ("--execution", execution)]
    flags += [*(("--vary", one) for one in vary), *(("--assume", one) for one in assume)]
    flags.append(("--convention", None if convention_name == "macs" else convention_name))
    line = command_of(spec, flags, fmt)
    asked = Asked(chosen, dtype, device, read_execution(execution or "eager"), line, __version__, names, assume)
    with progress_bar(name):
        facts = gather(spec, asked)
        content = _written(facts, fmt)
    write(content, output)
    if strict and isinstance(facts, NetworkFacts):
        check_counted(facts.uncounted)


def _written(facts: NetworkFacts | OperatorFacts, fmt: str) -> str:
    return html(page(facts)) if fmt == "html" else markdown(model_card(facts))


def _check_output(fmt: str, output: str | None) -> None:
    """Raise FlopcalcError where the report could not be written, before it is made."""
    if output is None and fmt == "html" and sys.stdout.isatty():
        why = "a page is for a browser, and standard output is a terminal"
        raise FlopcalcError("bad-usage", why, "write -o report.html, or --format markdown")
    if output is None or output == "-":
        return
    folder = os.path.dirname(output) or "."
    if not os.path.isdir(folder) or os.path.isdir(output):
        why = "it is a folder" if os.path.isdir(output) else f"there is no folder {clip(folder)}"
        hint = "give -o a file in a folder that you may write to"
        raise FlopcalcError("unwritable-output", f"cannot write {clip(output)}: {why}", hint)

"""`flopcalc explain`."""

from collections.abc import Callable
from typing import Any

import click

from flopcalc.analysis.explain import explain, explain_record
from flopcalc.budget.folder_rules import with_folder_rules
from flopcalc.cli.completion import complete_conventions, complete_networks
from flopcalc.cli.options import output_only_options
from flopcalc.cli.output import emit, format_of
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.target import target_options
from flopcalc.cost import convention
from flopcalc.errors import FlopcalcError
from flopcalc.networks.network import Network
from flopcalc.report.explain import explain_document
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import TargetSpec, from_texts

# Shown without --tool: every other counter, and the doubled MACs of many tables.
_SHOWN = tuple(name for name, one in convention.CONVENTIONS.items() if one.counter or name == "two-per-mac")


@click.command("explain", epilog="Example: flopcalc explain resnet50 --figure 8.2G --params 25.6M")
@click.argument("name", metavar="NETWORK", shell_complete=complete_networks)
@target_options
@click.option(
    "--tool",
    "tools",
    metavar="NAME",
    multiple=True,
    shell_complete=complete_conventions,
    help="Only this counter or convention; repeatable (default: all counters).",
)
@click.option("--run", is_flag=True, help="Run the counters that are installed, and show what they report.")
@click.option(
    "--figure",
    metavar="FIGURE",
    help="A printed number of operations, such as 4.11G: find the convention, input or variant that gives it.",
)
@click.option("--params", metavar="FIGURE", help="The number of parameters printed with it, such as 25.6M.")
@output_only_options
def command(
    name: str,
    tools: tuple[str, ...],
    run: bool,
    figure: str | None,
    params: str | None,
    fmt: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """Why counters report different numbers for a network, line by line.

    Each counter's number is worked out from the MACs: what it does not see, what it counts twice, and what it counts in
    addition. With --figure it works backwards.
    """
    fmt = format_of(fmt, output)
    if params is not None and figure is None:
        raise FlopcalcError("bad-usage", "--params has no effect without --figure", "write --figure 4.11G as well")
    if run and figure is not None:
        raise FlopcalcError("bad-usage", "--run does not apply to --figure", "leave out one of them")
    if tools and figure is not None:
        raise FlopcalcError(
            "bad-usage", "--tool does not apply to --figure: every way of counting is tried", "leave out one of them"
        )
    chosen = list(dict.fromkeys(convention.get(tool).name for tool in tools)) or list(_SHOWN)
    spec = with_folder_rules(from_texts(name, **options))
    with progress_bar(name):
        network = read_target(spec).network
        rows = explain(network, chosen, _runner(network, spec) if run else None) if figure is None else []
        found = None if figure is None else _readings(spec, figure, params)
    record = explain_record(network, name, rows, found)
    emit(explain_document(record, figure, params, flat=fmt in ("csv", "latex")), fmt, output)


def _runner(network: Network, spec: TargetSpec) -> Callable[[str], tuple[int, str] | str]:
    """Runs a counter on the module that was counted, or on one that a description stands for."""
    if network.replay is not None:
        return network.replay.figure
    from importlib import import_module

    runner: Callable[[str], tuple[int, str] | str] = import_module("flopcalc.pytorch.described").runner(network)
    return runner


def _readings(spec: TargetSpec, figure: str, params: str | None) -> list[dict[str, Any]]:
    from flopcalc.analysis.readings import readings
    from flopcalc.text.figure import read_printed

    printed = read_printed(figure)
    return [one.record() for one in readings(spec, printed, read_printed(params) if params is not None else None)]

"""`flopcalc sweep`."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from flopcalc.cli.completion import complete_operators
from flopcalc.cli.options import Whole, convention_option
from flopcalc.cli.output import BY_SUFFIX, FORMATS, emit, encodable, format_of, open_output, output_option, to_stdout
from flopcalc.cli.progress import progress_bar
from flopcalc.errors import FlopcalcError
from flopcalc.networks.progress import report_number
from flopcalc.targets.spec import split_settings

if TYPE_CHECKING:
    from flopcalc.analysis.sweeping.outcome import Rows
    from flopcalc.analysis.sweeping.run import Summary, Sweeping

_FORMATS = (*FORMATS, "jsonl", "parquet")
_SUFFIXES = {**BY_SUFFIX, ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
# Formats that are written row by row; the others are pages.
_STREAMED = ("csv", "json", "jsonl")

_RANGE = "RANGE"
_SIZES = (
    (("--cin", "c_in"), "Input channels: 64, 16,32,64, or 16:1024:16 with both ends included."),
    (("--cout", "c_out"), "Output channels (default: those of the operator, mostly --cin)."),
    (("-k", "--kernel", "k"), "Kernel sizes (default: 3), such as 3,5 or 3x3,1x7."),
    (("--hw", "hw"), "Input heights and widths (default: 56)."),
    (("--h", "h"), "Input heights."),
    (("--w", "w"), "Input widths."),
    (("--stride", "stride"), "Strides (default: 1)."),
    (("--padding", "padding"), "Paddings, or same (default: dilation * (k - 1) / 2)."),
    (("--dilation", "dilation"), "Dilations (default: 1)."),
    (("--groups", "groups"), "Groups (default: 1)."),
    (("--batch", "batch"), "Batch sizes (default: 1); also of networks."),
)


def size_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Ranges of the sizes of a layer: --cin, --cout, -k, --hw, ..., --batch."""
    for names, text in reversed(_SIZES):
        command = click.option(*names, metavar=_RANGE, help=text)(command)
    return command


@click.command("sweep", epilog="Example: flopcalc sweep conv ghost --cin 16:64:16 -k 3,5 --pareto macs,-c_out")
@click.argument(
    "targets",
    nargs=-1,
    required=True,
    metavar="OPERATOR[:NAME=VALUE,...]... | NETWORK...",
    shell_complete=complete_operators,
)
@size_options
@click.option(
    "--set",
    "settings",
    metavar="NAME=VALUES",
    multiple=True,
    help="Values of an option: depth_rule=max,min, alpha=1/8,1/4 or width=0.25:1.5:0.25. Lists are separated by "
    "semicolons: 'kernels=3,5;3,5,7'. auto is the value that a rule decides. Repeatable; each target takes the options "
    "that it has.",
)
@click.option(
    "--input",
    "inputs",
    metavar="RANGE",
    multiple=True,
    help="Inputs of networks: heights and widths such as 128:448:32, or shapes such as 3x128:256:64x320.",
)
@click.option(
    "--replace",
    metavar="OPERATOR,...",
    multiple=True,
    shell_complete=complete_operators,
    help="Replace convolutions of networks by each of these operators in turn: spconv,ghost,none. Each may have "
    "options and a clause, as in flopcalc model. Repeated, one of each is applied together.",
)
@click.option("--keep", metavar="NAME", multiple=True, help="Keep this layer of a network, as in flopcalc model.")
@click.option(
    "--where",
    metavar="CONDITION",
    multiple=True,
    help="Keep the rows for which this holds, such as 'macs < 300M and ratio(params) <= 1/2 and k == 3'. Repeatable; "
    "all must hold.",
)
@click.option(
    "--pareto",
    metavar="A,B,...",
    help="Keep the rows that no other row beats in these columns, such as macs,params. Smaller is better; with a minus "
    "larger: macs,-c_out.",
)
@click.option(
    "--sort", metavar="A,B,...", help="Order the rows by these columns; with a minus the largest first: -macs."
)
@click.option("--limit", type=Whole(), help="Only the first N rows.")
@click.option(
    "--columns",
    metavar="A,B,...",
    help="Columns, or all: sizes, options, derived values, kinds of cost, and ratio(KIND), the cost divided by that of "
    "the plain convolution or of the network before replacement.",
)
@convention_option("the column cost")
@click.option("--jobs", metavar="N", default="1", show_default=True, help="Use N processes.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="Let the workers of this Dask scheduler do the work: tcp://HOST:8786."
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice(_FORMATS),
    default=None,
    help="How to write the rows (default: table, or by the suffix of -o).",
)
@output_option
def command(
    targets: tuple[str, ...],
    settings: tuple[str, ...],
    inputs: tuple[str, ...],
    replace: tuple[str, ...],
    keep: tuple[str, ...],
    where: tuple[str, ...],
    pareto: str | None,
    sort: str | None,
    limit: int | None,
    columns: str | None,
    convention_name: str,
    jobs: str,
    scheduler: str | None,
    fmt: str | None,
    output: str | None,
    **sizes: str | None,
) -> None:
    """Cost of all combinations of shapes and options.

    Of one or several operators, with the sizes of a layer, or of described networks, with --input, --set and --replace.
    Every number is exact; traffic is in bytes of float32. Combinations that do not apply are counted, with the rule
    that they break. Needs NumPy.
    """
    from flopcalc.analysis.sweep import started
    from flopcalc.analysis.sweeping.asked import ask

    fmt = format_of(fmt, output, _SUFFIXES)
    _check_format(fmt, output)
    sweeping = ask(
        targets,
        sizes=sizes,
        settings=split_settings(settings),
        inputs=inputs,
        replace=replace,
        keep=keep,
        where=where,
        sort=sort,
        pareto=pareto,
        limit=limit,
        columns=columns,
        convention=convention_name,
        short=fmt not in (*_STREAMED, "parquet"),
    )

    summary, parts = started(sweeping, _whole(jobs), scheduler, report_number)
    if fmt in _STREAMED and to_stdout(output) and sys.stdout.isatty():
        # The bar would be drawn among the rows.
        _write(sweeping, summary, parts, fmt, output)
    else:
        with progress_bar("sweep", "trying", "combinations"):
            _write(sweeping, summary, parts, fmt, output)
    if fmt in ("csv", "jsonl", "parquet") and summary.infeasible:
        _note(summary)


def _whole(text: str) -> Any:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _check_format(fmt: str, output: str | None) -> None:
    """Raise FlopcalcError before anything is computed."""
    if fmt == "parquet":
        from flopcalc.report.sweep import check_parquet

        if output is None or (output == "-" and sys.stdout.isatty()):
            raise FlopcalcError("bad-usage", "--format parquet needs a file", "write -o FILE.parquet")
        check_parquet()


def _write(sweeping: "Sweeping", summary: "Summary", parts: "Iterator[Rows]", fmt: str, output: str | None) -> None:
    from flopcalc.report import sweep as writers

    columns = sweeping.columns
    if fmt == "parquet":
        if output == "-":
            writers.write_parquet(sys.stdout.buffer, sweeping.types(), parts)
        else:
            with open_output(str(output), binary=True) as file:
                writers.write_parquet(file, sweeping.types(), parts)
        return
    if fmt not in _STREAMED:
        shown = writers.SHOWN if fmt == "table" and sweeping.request.limit is None else None
        targets = sweeping.request.targets
        emit(writers.sweep_document(targets, columns, parts, summary, shown), fmt, output)
        return
    pieces: Iterable[str]
    if fmt == "json":
        pieces = writers.json_pieces(columns, parts, summary)
    else:
        pieces = (writers.csv_pieces if fmt == "csv" else writers.json_line_pieces)(columns, parts)
    if to_stdout(output):
        for piece in pieces:
            click.echo(encodable(piece, sys.stdout, "json" if fmt != "csv" else "csv"), nl=False)
    else:
        with open_output(str(output)) as file:
            for piece in pieces:
                file.write(piece)


def _note(summary: "Summary") -> None:
    from flopcalc.report.sweep import notes

    share = f"{summary.infeasible:,} of {summary.combinations:,} combinations do not apply"
    click.echo(f"note: {share}", err=True)
    for line in notes(summary):
        click.echo(f"note: {line}", err=True)

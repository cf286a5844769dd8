"""`flopcalc layer`."""

from typing import Any

import click

from flopcalc.cli.completion import complete_operators
from flopcalc.cli.operator_argument import METAVAR, read_operator
from flopcalc.cli.options import (
    BITS_HELP,
    SHAPE_NAMES,
    Whole,
    bits_option,
    default_c_in,
    optional_shape_options,
    output_options,
    read_shape,
)
from flopcalc.cli.output import emit, format_of
from flopcalc.cli.training import Mode, operator_training_options, read_step
from flopcalc.cost import bits, convention
from flopcalc.errors import FlopcalcError
from flopcalc.report.columns import ALL
from flopcalc.report.layer import layer_document
from flopcalc.spec.explained import channel_map


@click.command("layer", epilog="Example: flopcalc layer compconv --cin 256 --set depth=2")
@click.argument("operator_text", metavar=f"[{METAVAR}]", required=False, shell_complete=complete_operators)
@click.option(
    "--type",
    "type_name",
    metavar=METAVAR,
    shell_complete=complete_operators,
    help="The operator, if it is not given as an argument; `flopcalc list` shows all.",
)
@optional_shape_options
@click.option(
    "--set", "settings", metavar="NAME=VALUE", multiple=True, help="Set an option of the operator; repeatable."
)
@click.option(
    "--columns",
    metavar="A,B,...",
    help="Columns of the parts, or all: part, params, macs, cost, share, elementwise, written, steps, flops, reads, "
    "writes, traffic, intensity. CSV has all of them.",
)
@bits_option(BITS_HELP)
@click.option(
    "--explain-channel",
    "channel",
    metavar="N",
    type=Whole(),
    help="Show which input channels the output channel N reads, numbered from 0.",
)
@operator_training_options
@output_options
def command(
    operator_text: str | None,
    type_name: str | None,
    settings: tuple[str, ...],
    columns: str | None,
    bits_text: str | None,
    channel: int | None,
    mode: Mode,
    first: bool,
    fused: bool,
    fmt: str | None,
    output: str | None,
    convention_name: str,
    dtype: str,
    **shape: Any,
) -> None:
    """Cost of one operator on one shape.

    Shows the inputs, the derived values with their rules, the cost of each part, the ratio to the plain
    convolution, and the paper's equations with their printed and corrected values. Options of the operator
    follow its name, or --set: spconv:alpha=1/4,norm=true.
    """
    chosen = convention.get(convention_name)
    width = None if bits_text is None else bits.read_one(bits_text)
    operator, given = read_operator(operator_text, type_name, settings, "layer")
    if shape["cin"] is None:
        shape["cin"] = default_c_in(operator, given)
    geometry, defaulted = read_shape(operator, {name: shape[name] for name in SHAPE_NAMES}, given)
    if columns is None and format_of(fmt, output) == "csv":
        columns = ALL
    evaluation = operator.evaluate(geometry, given)
    steps = read_step([evaluation], mode, first, fused, chosen)
    if steps and width is not None:
        raise FlopcalcError("bad-usage", "--bits is for inference", "leave out --bits or --mode training")
    explained = None if channel is None else channel_map(evaluation, channel)
    step = steps[0] if steps else None
    emit(layer_document(evaluation, defaulted, chosen, dtype, columns, width, explained, step), fmt, output)

"""`flopcalc compare`."""

from typing import Any

import click

from flopcalc.catalog import lookup
from flopcalc.cli.completion import complete_operators
from flopcalc.cli.operator_argument import METAVAR
from flopcalc.cli.options import BITS_HELP, SHAPE_NAMES, bits_option, output_options, read_shape, shape_options
from flopcalc.cli.output import emit
from flopcalc.cli.time_and_peak import device_options, read_asked
from flopcalc.cli.training import Mode, operator_training_options, read_step
from flopcalc.cost import bits, convention
from flopcalc.errors import FlopcalcError
from flopcalc.report.layer import compare_document


@click.command("compare", epilog="Example: flopcalc compare conv ghost spconv:alpha=1/4 compconv --cin 256 --hw 28")
@click.argument("types", nargs=-1, required=True, metavar=f"{METAVAR}...", shell_complete=complete_operators)
@shape_options
@click.option(
    "--columns",
    metavar="A,B,...",
    help="Columns to show, or all: operator, shape, params, params_ratio, cost, ratio, elementwise, bytes, steps, "
    "macs, flops, activations. Also time and bound, with --device, and peak (tensors alive in inference); if only "
    "these are named, they are added to the default columns.",
)
@device_options
@bits_option(BITS_HELP)
@operator_training_options
@output_options
def command(
    types: tuple[str, ...],
    columns: str | None,
    device_name: str | None,
    execution: str | None,
    bits_text: str | None,
    mode: Mode,
    first: bool,
    fused: bool,
    fmt: str | None,
    output: str | None,
    convention_name: str,
    dtype: str,
    **shape: Any,
) -> None:
    """Several operators on one shape, side by side.

    Options of an operator follow its name: spconv:alpha=1/4,norm=true.
    """
    chosen = convention.get(convention_name)
    width = None if bits_text is None else bits.read_one(bits_text)
    asked = read_asked(columns, device_name, execution, dtype)
    evaluations = []
    for text in types:
        operator, given = lookup.parse(text)
        geometry, _ = read_shape(operator, {name: shape[name] for name in SHAPE_NAMES}, given)
        evaluations.append(operator.evaluate(geometry, given))
    steps = read_step(evaluations, mode, first, fused, chosen)
    if steps and width is not None:
        raise FlopcalcError("bad-usage", "--bits is for inference", "leave out --bits or --mode training")
    if steps and asked.peak:
        raise FlopcalcError("bad-usage", "the column peak is for inference", "leave out peak or --mode training")
    emit(compare_document(evaluations, chosen, dtype, width, columns, asked, steps), fmt, output)

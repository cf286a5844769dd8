"""`flopcalc layer`."""

from typing import Any

import click

from flopcalc.catalog import lookup
from flopcalc.cli.options import SHAPE_NAMES, output_options, read_shape, shape_options
from flopcalc.cli.output import emit
from flopcalc.cost import convention
from flopcalc.report.layer import layer_document


@click.command("layer", epilog="Example: flopcalc layer --type compconv --cin 256 --set depth=2")
@click.option("--type", "type_name", metavar="OPERATOR", required=True, help="Operator; `flopcalc list` shows all.")
@shape_options
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="An option of the operator; repeatable.")
@output_options
def command(
    type_name: str,
    settings: tuple[str, ...],
    fmt: str | None,
    output: str | None,
    convention_name: str,
    dtype: str,
    **shape: Any,
) -> None:
    """Cost of one operator on one shape.

    Prints the inputs, the derived values with their rules, each part's cost, the ratio to the plain
    convolution, and the paper's equations with their printed and corrected values.
    """
    chosen = convention.get(convention_name)
    operator = lookup.get(type_name)
    given = lookup.read_settings(operator, list(settings))
    geometry, defaulted = read_shape(operator, {name: shape[name] for name in SHAPE_NAMES}, given)
    emit(layer_document(operator.evaluate(geometry, given), defaulted, chosen, dtype), fmt, output)

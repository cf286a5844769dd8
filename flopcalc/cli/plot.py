"""`flopcalc plot`."""

import sys
from typing import Any

import click
from click.core import ParameterSource

from flopcalc.analysis.timing.device import EXECUTIONS
from flopcalc.charts.files import FORMATS, content, format_of, load_packages
from flopcalc.charts.lengths import millimetres
from flopcalc.cli.completion import complete_operators, complete_targets
from flopcalc.cli.memory import memory_step_options
from flopcalc.cli.options import convention_option, device_option
from flopcalc.cli.output import open_output, output_option, to_stdout
from flopcalc.cli.pictures import KINDS, Asked, chart_of, kind_of
from flopcalc.cli.sweep import size_options
from flopcalc.cli.target import timeout_option
from flopcalc.errors import FlopcalcError
from flopcalc.networks.training import MODES


@click.command("plot", epilog="Example: flopcalc plot conv ghost spconv --cin 16:512:16 -o figure.svg --width 84mm")
@click.argument("targets", nargs=-1, required=True, metavar="OPERATOR... | TARGET...", shell_complete=complete_targets)
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default=None,
    help="size: cost against a size, a line for each operator. front: all rows of a sweep with the Pareto front. "
    "stage: a stacked bar for each network. replacement: before and after. roofline: the layers under the roof of a "
    "device. memory: the bytes alive during each layer. Default: front with --pareto, roofline with --device, memory "
    "with --optimizer and the like, size for operators and for ranges, replacement with --replace, else stage.",
)
@click.option("--over", metavar="COLUMN", help="size: the horizontal axis (default: the size with the most values).")
@click.option(
    "--cost",
    "cost_kind",
    metavar="KIND",
    help="The cost that is drawn: params, macs, flops, activations, traffic, ... (default: macs). size: also a column "
    "of a sweep, such as 'ratio(macs)'.",
)
@convention_option("the cost")
@click.option(
    "--pareto",
    metavar="X,Y",
    help="front: the two columns, such as macs,params. Smaller is better; with a minus larger: macs,-c_out.",
)
@click.option("--by", type=click.Choice(("stage", "layer")), help="replacement: what each row is (default: stage).")
@size_options
@click.option(
    "--set",
    "settings",
    metavar="NAME=VALUES",
    multiple=True,
    help="Set an option of the operators or networks; several values, as in flopcalc sweep, are lines or points of "
    "their own. Repeatable.",
)
@click.option(
    "--input",
    "inputs",
    metavar="SHAPE|RANGE",
    multiple=True,
    help="Input shape of networks, such as 3x224x224; size and front: heights and widths such as 128:448:32.",
)
@click.option(
    "--replace",
    metavar="OPERATOR[:NAME=VALUE,...]",
    multiple=True,
    shell_complete=complete_operators,
    help="Replace convolutions of networks, as in flopcalc model; size and front: alternatives, as in flopcalc sweep.",
)
@click.option(
    "--where",
    metavar="CONDITION",
    multiple=True,
    help="size, front: draw the rows for which this holds, such as 'macs < 300M'. Others: replace the layers that this "
    "clause selects. Repeatable; all must hold.",
)
@click.option("--keep", metavar="NAME", multiple=True, help="Keep this layer of a network, as in flopcalc model.")
@click.option("--arg", "argument_texts", metavar="NAME=VALUE", multiple=True, help="As in flopcalc model; repeatable.")
@click.option("--method", metavar="NAME", help="Call this method of a Python model (default: forward).")
@click.option(
    "--on", type=click.Choice(("meta", "cpu")), default=None, help="Where to run a Python model, as in flopcalc model."
)
@timeout_option
@device_option("roofline: a device that flopcalc ships, such as h100, or the path of a YAML file.")
@click.option("--dtype", metavar="DTYPE", help="roofline, memory: the element type of all tensors (default: float32).")
@click.option("--execution", type=click.Choice(EXECUTIONS), help="roofline: how kernels are launched (default: eager).")
@click.option("--fused", is_flag=True, help="roofline: the bound of a compiler.")
@click.option("--mode", type=click.Choice(MODES), help="roofline, memory: inference (default) or a training step.")
@memory_step_options
@click.option("--linear", is_flag=True, help="size, front: plain axes instead of logarithmic ones.")
@click.option("--title", metavar="TEXT", help="A title above the picture (default: none).")
@click.option(
    "--width",
    "width_text",
    metavar="LENGTH",
    default="170mm",
    show_default=True,
    help="Width of the whole picture, in mm, cm, in, pt or px: 84mm is a column of many papers. Text keeps its size "
    "of 7 to 8 points from 55mm on.",
)
@click.option("--format", "fmt", type=click.Choice(FORMATS), default=None, help="Default: by the suffix of -o.")
@output_option
def command(
    targets: tuple[str, ...],
    kind: str | None,
    title: str | None,
    width_text: str,
    fmt: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """Draw costs as a picture: SVG, PDF, PNG, or an interactive page.

    OPERATOR is one that `flopcalc layer` takes, with ranges of sizes as in `flopcalc sweep`. TARGET is a network or a
    Python model as in `flopcalc model`, in quotes if options of its own follow: 'resnet50 --replace spconv'. The suffix
    of -o decides the format: .svg, .pdf, .png, .html (interactive, works without a network), .json (Vega-Lite).
    Needs Altair and vl-convert.
    """
    if output is None:
        raise FlopcalcError(
            "bad-usage", "no file is named for the picture", "write -o figure.svg, or .pdf, .png, .html"
        )
    chosen = fmt or ("svg" if output == "-" else format_of(output))
    if output == "-" and chosen in ("png", "pdf") and sys.stdout.isatty():
        raise FlopcalcError("bad-usage", f"a {chosen} is not text for a terminal", f"write -o figure.{chosen}")
    width = millimetres(width_text)
    load_packages()
    context = click.get_current_context()
    given = {name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    asked = Asked(targets, kind or kind_of(targets, options, given), options, given, title)
    data = content(chart_of(asked), chosen, width)
    if to_stdout(output):
        sys.stdout.buffer.write(data)
        return
    with open_output(output, binary=True) as file:
        file.write(data)

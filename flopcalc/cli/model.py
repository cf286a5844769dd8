"""`flopcalc model`."""

from typing import Any

import click

from flopcalc.budget.folder_rules import with_folder_rules
from flopcalc.cli.completion import complete_networks
from flopcalc.cli.options import BITS_HELP, Whole, bits_option, output_options
from flopcalc.cli.output import emit, format_of
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.target import check_counted, note_remarks, note_uncounted, strict_option, target_options
from flopcalc.cli.time_and_peak import device_options, read_asked
from flopcalc.cli.training import Mode, training_options
from flopcalc.cost import bits, convention
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.training import read_training
from flopcalc.report.bits import add_to_model
from flopcalc.report.columns import ALL
from flopcalc.report.model import View, model_document
from flopcalc.report.time_and_peak import add_to_model as add_time_and_peak
from flopcalc.report.training import add_to_model as add_passes
from flopcalc.report.training import check_convention
from flopcalc.targets.model_record import folded, grouped, model_record, most_expensive, tree_rows
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import from_texts

_DEPTH = 3


@click.command("model", epilog="Example: flopcalc model resnet50 --replace spconv:alpha=1/4")
@click.argument("name", metavar="NETWORK", shell_complete=complete_networks)
@target_options
@click.option(
    "--by",
    type=click.Choice(("layer", "stage", "type", "tree")),
    default=None,
    help="What each row is: a layer, a stage, a type of layer, or a module of the hierarchy with the sums of its "
    "layers (default: stage; layer for CSV and --top).",
)
@click.option(
    "--depth", type=Whole(), default=None, help=f"Levels that --by tree shows (default: {_DEPTH}). Implies --by tree."
)
@click.option("--top", type=Whole(), default=None, help="Show only the N most expensive rows.")
@click.option(
    "--columns",
    metavar="A,B,...",
    help="Columns to show, or all. By layer: layer, type, in, out, kernel, stride, padding, dilation, groups, params, "
    "macs, flops, traffic, intensity, activations, elementwise, steps, share, cost; in training also forward, "
    "backward, input_gradient, weight_gradient. CSV has all of them. Also time and bound, with --device, and peak "
    "(tensors alive in inference); if only these are named, they are added to the default columns.",
)
@device_options
@bits_option(
    f"{BITS_HELP} Other bits for the first and the last layer with weights, or for layers and modules by name: "
    "w4a4:first=w8a8,last=w8a8,*.downsample.*=w8a8."
)
@training_options
@strict_option
@output_options
def command(
    name: str,
    by: str | None,
    depth: int | None,
    top: int | None,
    columns: str | None,
    device_name: str | None,
    execution: str | None,
    bits_text: str | None,
    mode: Mode,
    freeze: tuple[str, ...],
    checkpoint: tuple[str, ...],
    fused: bool,
    strict: bool,
    fmt: str | None,
    output: str | None,
    convention_name: str,
    dtype: str,
    **options: Any,
) -> None:
    """Cost of a network, as it is or with layers replaced.

    NETWORK is a name that `flopcalc list` shows, the path of a YAML description, or a PyTorch model:
    package.module:factory, file.py:factory, torchvision:NAME, timm:NAME, or hf:NAME-OR-CONFIG.json (transformers,
    without weights), with --input.
    """
    fmt = format_of(fmt, output)
    chosen = convention.get(convention_name)
    by = _checked_by(by, depth, top)
    if columns is None and fmt == "csv":
        columns = ALL
    asked = read_asked(columns, device_name, execution, dtype)
    widths = None if bits_text is None else bits.read(bits_text)
    options["training"] = read_training(mode, freeze, checkpoint, fused)
    spec = with_folder_rules(from_texts(name, **options))
    if spec.training is not None:
        check_convention(chosen)
        if asked.peak:
            why = "the column peak is for inference"
            hint = "leave out peak; `flopcalc memory --mode training` shows the peak of training"
            raise FlopcalcError("bad-usage", why, hint)
        if widths is not None:
            raise FlopcalcError("bad-usage", "--bits is for inference", "leave out --bits or --mode training")
    with progress_bar(name):
        target = counted = read_target(spec)
        step = None
        if spec.training is not None:
            # Only training needs it.
            from flopcalc.analysis.training.training import network_training, training_target

            step = network_training(target.network, spec.training)
            target = training_target(target, spec.training)
    record = model_record(target.plain, target.replacement, chosen, dtype)
    if asked:
        add_time_and_peak(record, counted, spec, asked)
    if step is not None:
        add_passes(record, step, dtype)
    if widths is not None:
        changed = target.replacement.network if target.replacement else target.plain
        add_to_model(record, changed, target.plain, widths)
    by = by or ("layer" if fmt == "csv" or top else "stage")
    if top:
        rows = folded(record["layers"]) if by == "layer" else grouped(record["layers"], by)
        record["top"] = {"by": by, "rows": most_expensive(rows, top)}
    if by == "tree":
        levels = depth or _DEPTH
        rows = tree_rows(record["layers"], levels, record["modules"])
        record["tree"] = {"depth": levels, "rows": _with_shares(rows, record["cost"])}
    emit(model_document(record, View(by, columns, full_names=fmt != "table", fold=fmt != "csv"), chosen), fmt, output)
    note_uncounted(record["uncounted"], fmt)
    note_remarks(record, fmt)
    if strict:
        check_counted(record["uncounted"])


def _checked_by(by: str | None, depth: int | None, top: int | None) -> str | None:
    """The value of --by, as far as the options decide it. Raises FlopcalcError where they contradict each other."""
    for option, number in (("--top", top), ("--depth", depth)):
        if number is not None and number < 1:
            raise FlopcalcError("bad-option", f"{option} is {clip(number)}; it must be 1 or more", f"write {option} 3")
    if depth is not None:
        if by not in (None, "tree"):
            raise FlopcalcError("bad-usage", f"--depth does not apply to --by {by}", "write --by tree --depth 2")
        by = "tree"
    if top is not None and by == "tree":
        raise FlopcalcError(
            "bad-usage", "--top does not apply to --by tree", "write --top with --by layer, --by stage or --by type"
        )
    return by


def _with_shares(rows: list[dict[str, Any]], total: int) -> list[dict[str, Any]]:
    return [{**row, "share": row["cost"] / (total or 1)} for row in rows]

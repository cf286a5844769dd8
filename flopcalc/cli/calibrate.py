"""`flopcalc calibrate`."""

import click

from flopcalc.analysis.calibrate import Given, calibrate
from flopcalc.cli.bench import on_option
from flopcalc.cli.completion import complete_devices
from flopcalc.cli.options import output_only_options
from flopcalc.cli.output import emit, format_of
from flopcalc.errors import FlopcalcError, clip
from flopcalc.report.calibrate import calibrate_document
from flopcalc.targets.spec import split_settings


@click.command("calibrate", epilog="Example: flopcalc calibrate --from i9-10940x --device-file my-machine.yaml")
@click.option(
    "--device-file",
    "file",
    metavar="FILE",
    default="my-device.yaml",
    show_default=True,
    help="The file to write, which `flopcalc roofline --device FILE` reads.",
)
@click.option(
    "--from",
    "base",
    metavar="NAME|FILE",
    default=None,
    shell_complete=complete_devices,
    help="Take peaks, bandwidth and all else that is not measured from this device.",
)
@click.option(
    "--peak",
    "peaks",
    metavar="DTYPE=FLOP/s",
    multiple=True,
    help="Dense peak of the data sheet, such as float32=1.5e12; repeatable.",
)
@click.option("--bandwidth", type=float, default=None, help="Memory bandwidth of the data sheet in bytes a second.")
@on_option
@click.option(
    "--dtype", "dtypes", metavar="DTYPE", multiple=True, help="Element type to measure; repeatable (default: float32)."
)
@click.option(
    "--seconds", type=float, default=60.0, show_default=True, help="Budget of all measurements; the fit takes more."
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@output_only_options
def command(
    file: str,
    base: str | None,
    peaks: tuple[str, ...],
    bandwidth: float | None,
    place: str,
    dtypes: tuple[str, ...],
    seconds: float,
    force: bool,
    fmt: str | None,
    output: str | None,
) -> None:
    """Write a device file for this machine, with efficiencies fitted on measurements.

    Measures operators and networks in eager mode, and fits the parameters of the estimate. Peaks and bandwidth are
    those of a data sheet: of the device that --from names, or given by --peak and --bandwidth. Needs PyTorch.
    """
    fmt = format_of(fmt, output)
    given = Given(base, _peaks(peaks), bandwidth)
    found = calibrate(file, given=given, on=place, dtypes=dtypes or ("float32",), seconds=seconds, force=force)
    emit(calibrate_document(found, flat=fmt == "csv"), fmt, output)


def _peaks(texts: tuple[str, ...]) -> dict[str, float]:
    """The peaks by dtype. Raises FlopcalcError (bad-option)."""
    found = {}
    for name, text in split_settings(texts, "--peak").items():
        try:
            found[name] = float(text)
        except ValueError:
            why = f"--peak {name}={clip(text)} is not a number"
            raise FlopcalcError("bad-option", why, "write for example --peak float32=1.5e12") from None
    return found

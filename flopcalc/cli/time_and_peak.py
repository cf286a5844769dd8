"""The options of commands whose columns can be a time on a device and a peak of memory."""

from collections.abc import Callable
from typing import Any

import click

from flopcalc.analysis.timing.device import EXECUTIONS, read_execution
from flopcalc.analysis.timing.library import device as find_device
from flopcalc.cli.options import device_option
from flopcalc.errors import FlopcalcError
from flopcalc.report.time_and_peak import PEAK, TIME, Asked, reads, reads_time


def device_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--device, --execution."""
    options = (
        device_option(
            "The device of the columns time and bound: one that flopcalc ships, such as h100, or the path of a "
            "YAML file."
        ),
        click.option(
            "--execution",
            type=click.Choice(EXECUTIONS),
            default=None,
            help="How kernels are launched on the device, as in `flopcalc roofline` (default: eager).",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_asked(columns: str | None, device_name: str | None, execution: str | None, dtype: str) -> Asked:
    """What the columns need. Raises FlopcalcError (bad-usage, unknown-device, no-dtype)."""
    if device_name is None:
        if reads(columns, *TIME):
            name = next(name for name in TIME if reads(columns, name))
            raise FlopcalcError(
                "bad-usage", f"the column {name} needs a device", "write --device h200; see flopcalc list devices"
            )
        if execution is not None:
            raise FlopcalcError("bad-usage", "--execution is about a device", "write for example --device h200")
        return Asked(None, "eager", dtype, reads(columns, PEAK))
    if not reads_time(columns):
        why = "--device has no effect: no column shows a time"
        raise FlopcalcError("bad-usage", why, "write --columns time,peak")
    device = find_device(device_name)
    # Before a model is built, which can take long.
    device.peak(dtype)
    return Asked(device, read_execution(execution or "eager"), dtype, reads(columns, PEAK))

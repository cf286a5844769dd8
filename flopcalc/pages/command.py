"""The command line that makes a report, so that its reader can make it again."""

import shlex
from collections.abc import Iterator, Sequence

from flopcalc.analysis.sweeping.request import SIZES
from flopcalc.cost.geometry import by
from flopcalc.targets.spec import TargetSpec


def command(spec: TargetSpec, options: Sequence[tuple[str, str | None]], fmt: str) -> str:
    """`flopcalc report resnet50 --replace spconv -o report.html`. options: further flags; None for those not given."""
    words = ["flopcalc", "report", str(spec.what), *_of_target(spec)]
    for flag, value in options:
        words += [flag, value] if value is not None else []
    return shlex.join([*words, "-o", "report.html" if fmt == "html" else "report.md"])


def _of_target(spec: TargetSpec) -> Iterator[str]:
    for name, size in spec.shape.items():
        yield from (SIZES[name], by(size) if isinstance(size, tuple) else str(size))
    for flag, value in spec.flags:
        yield from (flag, value)
    for one in spec.inputs:
        yield from ("--input", str(one))
    if spec.batch != 1:
        yield from ("--batch", str(spec.batch))

"""The worked example of an operator: a shape that it applies to, and the command that shows its cost there."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from typing import NamedTuple

from flopcalc.cli.main import main
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Evaluation, Operator

# Channels to try, the usual one first. An operator on a grid of channels may not apply to any power of two.
_CHANNELS = (256, 64, 128, 32, 48, 60, 24)


class Example(NamedTuple):
    """An operator on a shape. command: the command line that shows it, without the program's name."""

    evaluation: Evaluation
    command: str


def example(operator: Operator) -> Example:
    """The worked example of an operator, at its default options. Raises FlopcalcError if it applies to no shape."""
    *first, last = _CHANNELS
    for channels in first:
        with suppress(FlopcalcError):
            return _at(operator, channels)
    return _at(operator, last)


def _at(operator: Operator, channels: int) -> Example:
    evaluation = operator.evaluate(operator.geometry(channels))
    return Example(evaluation, f"layer {operator.name} --cin {channels}")


def output_of(command: str) -> str:
    """What `flopcalc COMMAND` writes to stdout, at 80 columns, without colour. Raises RuntimeError if it fails."""
    out, errors = StringIO(), StringIO()
    with _terminal_of_80_columns(), redirect_stdout(out), redirect_stderr(errors):
        code = main(shlex.split(command))
    if code:
        raise RuntimeError(f"flopcalc {command}: exit code {code}\n{errors.getvalue()}")
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip().splitlines()) + "\n"


@contextmanager
def _terminal_of_80_columns() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    os.environ.update({"COLUMNS": "80", "NO_COLOR": "1"})
    os.environ.pop("FORCE_COLOR", None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

"""What a counter reports."""

from typing import NamedTuple


class Figure(NamedTuple):
    """The figure of one tool for one call of a module.

    value: the tool's headline, in the tool's own unit. macs: its second figure, of multiply-accumulates, where it
    reports both. on: the device that the copy ran on. uncounted: the operators that the tool itself reports as not
    counted, with how often each one ran.
    """

    tool: str
    version: str
    value: int
    macs: int | None
    on: str
    uncounted: tuple[tuple[str, int], ...] = ()

"""What a sweep was asked for, as plain data that can be sent to another process."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from flopcalc.analysis.sweeping.values import Values

# Sizes by the names that they have in Python, and the flag of the command line for errors.
SIZES = {
    "c_in": "--cin",
    "c_out": "--cout",
    "k": "-k",
    "hw": "--hw",
    "h": "--h",
    "w": "--w",
    "stride": "--stride",
    "padding": "--padding",
    "dilation": "--dilation",
    "groups": "--groups",
    "batch": "--batch",
}
# More combinations are refused; of networks, which are evaluated one by one, a thousand a second.
MAX_COMBINATIONS = 10**10
MAX_OF_NETWORKS = 10**7
# More rows are not held in memory, where a sort, a table or a data frame needs them all.
MAX_ROWS = 10_000_000
# Rows of a front; equal rows are all on it.
MAX_FRONT = 1_000_000


class Key(NamedTuple):
    """A column to sort by, or to make small. largest: the other way round."""

    name: str
    largest: bool = False


class Request(NamedTuple):
    """One sweep, checked.

    kind: of the targets. targets: as they are written, `spconv:alpha=1/4` or `resnet50`. sizes: of operators, by the
    names in SIZES. settings: options by name, as given; which values they are depends on the target. inputs, replace:
    of networks; each entry of `replace` has alternatives, of which one applies. where: conditions, all of which hold.
    columns: those of the result; empty for the usual ones. convention: what the column `cost` counts.
    """

    kind: Literal["operators", "networks"]
    targets: tuple[str, ...]
    sizes: Mapping[str, Values]
    settings: Mapping[str, Any]
    inputs: tuple[tuple[int, ...], ...] = ()
    replace: tuple[tuple[str, ...], ...] = ()
    keep: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    sort: tuple[Key, ...] = ()
    pareto: tuple[Key, ...] = ()
    limit: int | None = None
    convention: str = "macs"

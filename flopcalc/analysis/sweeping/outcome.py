"""The combinations of one block with their costs, and the rows that are made of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from flopcalc.analysis.sweeping.condition import ratio_name
from flopcalc.cost.kinds import KINDS

Array: TypeAlias = Any
RATIOS = tuple(ratio_name(kind) for kind in KINDS)


@dataclass(frozen=True)
class Outcome:
    """One block. values: for each column an array that can be broadcast to the shape, or one value for all.

    code: 0 where the combination applies, else the number of a label, from 1. keep: whether the conditions hold.
    describe: the reason of one combination, by its number in the block, in words.
    """

    shape: tuple[int, ...]
    values: Mapping[str, Any]
    code: Any
    keep: Any
    labels: Sequence[str]
    describe: Callable[[int], str]

    @property
    def count(self) -> int:
        """Combinations."""
        found = 1
        for size in self.shape:
            found *= size
        return found


class Family(Protocol):
    """All combinations of one target. outers: values of what is not a number, together; for each, `inner` combinations.

    names: its columns. blocks: the number of combinations that are computed together.
    """

    label: str
    outers: int
    inner: int
    task: int

    @property
    def names(self) -> Sequence[str]:
        """The columns that it can have."""
        raise NotImplementedError

    def type_of(self, name: str) -> str:
        """The type of an option or another column of its own: int, float, bool or text."""
        raise NotImplementedError

    def outcomes(self, outer: int, piece: int, pieces: int) -> Iterator[Outcome]:
        """The blocks of one of the pieces of one of the outer combinations, in order."""
        raise NotImplementedError


@dataclass(frozen=True)
class Rows:
    """Rows by column: an array of as many values, or one value for all rows."""

    count: int
    columns: Mapping[str, Any]

    def taken(self, places: Array) -> "Rows":
        """Some of the rows."""
        columns = {name: one[places] if is_array(one) else one for name, one in self.columns.items()}
        return Rows(len(places), columns)


def is_array(value: Any) -> bool:
    """Whether a column is an array."""
    return hasattr(value, "dtype")


@dataclass(frozen=True)
class Refusals:
    """Combinations that do not apply. label: the rule in words. example: the reason of the first of them."""

    label: str
    count: int
    example: str

    def after(self, before: "Refusals | None") -> "Refusals":
        """Both together, with the example of those before."""
        return self if before is None else Refusals(self.label, before.count + self.count, before.example)


def refusals_of(outcome: Outcome) -> list[Refusals]:
    """The combinations of a block to which the operator does not apply, by rule."""
    if type(outcome.code) is int:
        if outcome.code == 0:
            return []
        return [Refusals(outcome.labels[outcome.code - 1], outcome.count, outcome.describe(0))]
    import numpy as np

    found = []
    counts = np.bincount(outcome.code.reshape(-1), minlength=len(outcome.labels) + 1)
    times = outcome.count // outcome.code.size
    for code, label in enumerate(outcome.labels, start=1):
        if counts[code]:
            place = np.unravel_index(int(np.argmax(outcome.code == code)), outcome.code.shape)
            first = int(np.ravel_multi_index(place, outcome.shape))
            found.append(Refusals(label, int(counts[code]) * times, outcome.describe(first)))
    return found


class Choice(Protocol):
    """Which rows of a block are needed. names: the columns by which it chooses; none if every row is needed."""

    @property
    def names(self) -> Sequence[str]:
        """The columns by which it chooses."""
        raise NotImplementedError

    def places(self, rows: "Rows") -> Array:
        """The places of the rows that are needed, in order; None for all."""
        raise NotImplementedError


def rows_of(outcome: Outcome, columns: Sequence[str], choice: Choice | None = None) -> Rows:
    """The rows of a block: the combinations that apply and that the conditions keep, and of these the chosen ones."""
    import numpy as np

    shape, count = outcome.shape, outcome.count
    code, keep = outcome.code, outcome.keep
    if (type(code) is int and code != 0) or keep is False:
        return Rows(0, dict.fromkeys(columns))
    mask = None
    if is_array(code) and code.any():
        mask = code == 0
    if is_array(keep):
        mask = keep if mask is None else np.logical_and(mask, keep)
    if mask is not None:
        mask = np.broadcast_to(mask, shape)
        count = int(np.count_nonzero(mask))
        if count == outcome.count:
            mask = None
    if not count:
        return Rows(0, dict.fromkeys(columns))
    places: Any = ... if mask is None else mask
    if choice is not None and choice.names:
        chosen = choice.places(Rows(count, {name: _column(outcome, name, places) for name in choice.names}))
        if chosen is not None:
            every = np.arange(outcome.count) if mask is None else np.flatnonzero(mask)
            places, count = np.unravel_index(every[chosen], shape), len(chosen)
    return Rows(count, {name: _column(outcome, name, places) for name in columns})


def _column(outcome: Outcome, name: str, places: Any) -> Any:
    """The values of a column at some places of the block."""
    import numpy as np

    value = _ratio(outcome.values, name) if name in RATIOS else outcome.values.get(name)
    if not is_array(value):
        return value
    return np.broadcast_to(value, outcome.shape)[places].reshape(-1)


def baseline_name(kind: str) -> str:
    """The value that a ratio compares with, among the values of an outcome."""
    return f"baseline {kind}"


def _ratio(values: Mapping[str, Any], name: str) -> Any:
    """The quotient as a float; nothing where the baseline has no such cost."""
    import numpy as np

    kind = name[len("ratio(") : -1]
    top, bottom = values.get(kind), values.get(baseline_name(kind))
    if top is None or bottom is None:
        return None
    if not is_array(top) and not is_array(bottom):
        return top / bottom if bottom else None
    with np.errstate(divide="ignore", invalid="ignore"):
        if any(is_array(one) and one.dtype.kind == "O" for one in (top, bottom)):
            divide = np.frompyfunc(lambda a, b: a / b if b else float("nan"), 2, 1)
            found = divide(top, bottom).astype(np.float64)
        else:
            found = np.true_divide(top, bottom)
        return np.where(np.equal(bottom, 0), np.nan, found)

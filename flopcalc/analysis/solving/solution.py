"""The answer of a search as a record, and as plain data: the JSON contract `flopcalc/solve/1`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from flopcalc.cost.result import Result

SCHEMA = "flopcalc/solve/1"


@dataclass(frozen=True, repr=False)
class Solution(Result):
    """What `flopcalc solve` shows.

    target: the network or operator. for_: the names that were searched for, by commas, or `choose`. limits: the targets
    as text. value: as `--set` takes it; for two names a mapping; for `choose` the list of `--replace` clauses; None
    without a solution. cost: all kinds of cost there, and the ratios of the limits. exact: whether it is proved that no
    other value is the answer. method: how it was found. alternatives: intervals of values that cost the same. next: the
    nearest value that does not meet the limits, and its cost. why_not, nearest: without a solution, the reason, and
    the value that comes nearest. front: for two names, all pairs. choices: for `choose`, the operator of each layer.
    closed_form: the answer as a formula, where there is one. command: a command that shows the cost.
    """

    target: str
    for_: str
    limits: tuple[str, ...]
    value: Any
    cost: Mapping[str, Any] | None
    exact: bool
    method: str
    alternatives: tuple[Mapping[str, Any], ...] = ()
    why_not: str | None = None
    nearest: Mapping[str, Any] | None = None
    next: Mapping[str, Any] | None = None
    front: tuple[Mapping[str, Any], ...] = ()
    choices: tuple[Mapping[str, Any], ...] = ()
    objective: str | None = None
    closed_form: Mapping[str, Any] | None = None
    command: str | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)

    def __repr__(self) -> str:
        """A short text: the value and its first cost, or why there is none."""
        if self.value is None:
            return f"<Solution of {self.target}: none, {(self.why_not or '')[:120]}>"
        kinds = ("macs", "params")
        shown = kinds if self.cost and "macs" in self.cost else tuple(self.cost or ())
        costs = ", ".join(f"{self.cost[kind]:,} {kind}" for kind in shown) if self.cost else ""
        text = str(self.value)
        return f"<Solution of {self.target}: {self.for_} = {text if len(text) <= 80 else text[:79] + '…'}, {costs}>"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as `flopcalc solve --format json` shows it."""
        return {
            "schema": SCHEMA,
            "target": self.target,
            "for": self.for_,
            "limits": list(self.limits),
            "objective": self.objective,
            "value": self.value,
            "cost": None if self.cost is None else dict(self.cost),
            "exact": self.exact,
            "method": self.method,
            "alternatives": [dict(one) for one in self.alternatives],
            "next": None if self.next is None else dict(self.next),
            "why_not": self.why_not,
            "nearest": None if self.nearest is None else dict(self.nearest),
            "front": [dict(one) for one in self.front],
            "choices": [dict(one) for one in self.choices],
            "closed_form": None if self.closed_form is None else dict(self.closed_form),
            "command": self.command,
            "notes": list(self.notes),
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """One row for each pair of a front, for each layer of a choice, or one row with the value and its cost.

        Values that are numbers are numbers here, where `value` is the text that the command line takes.
        """
        if self.choices:
            return [dict(one) for one in self.choices]
        if self.front:
            return [
                {**{name: _number(text) for name, text in one["value"].items()}, **one["cost"]} for one in self.front
            ]
        return [] if self.value is None else [{self.for_: _number(self.value), **(self.cost or {})}]


def _number(value: Any) -> Any:
    """The number that a text is: 715, 0.65, 1/4 as 0.25; the text itself where it is another one, such as 1/3."""
    try:
        exact = Fraction(value)
    except (TypeError, ValueError):
        return value
    if exact.denominator == 1:
        return int(exact)
    rounded = float(exact)
    return rounded if Fraction(repr(rounded)) == exact else value

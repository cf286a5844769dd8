"""The targets of a search as limits, and what a target costs at one value: met or not, and by how much."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple, Protocol, get_args

from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, clip
from flopcalc.targets.limits import MEMORY, Limit, read_limit, read_time
from flopcalc.targets.spec import TargetSpec

BASELINE = "baseline"
Totals = Mapping[str, int]
Values = Mapping[str, Any]


class Measured(NamedTuple):
    """The totals by kind, and the totals of what ratios and `baseline` compare with, by name."""

    totals: Totals
    bases: Mapping[str, Totals]
    uncounted: int = 0


class Subject(Protocol):
    """A network or an operator that is evaluated with other values."""

    name: str
    # The number of evaluations that take about a second.
    rate: int
    spec: TargetSpec

    def measure(self, values: Values) -> Measured:
        """The costs with these values of options and sizes. Raises FlopcalcError where it does not apply."""


class Judged(NamedTuple):
    """A limit at one value: the cost or ratio, and the number that it is compared with."""

    actual: Fraction
    bound: Fraction
    ok: bool

    def excess(self, limit: Limit) -> Fraction:
        """How far it is from meeting the limit, relative to the bound; 0 or less where it meets a plain bound."""
        return limit.nearness(self.actual - self.bound) / (abs(self.bound) or 1)


class Outcome(NamedTuple):
    """All limits at one value. refused: why the target does not exist there, or empty."""

    totals: Totals
    judged: tuple[Judged, ...] = ()
    uncounted: int = 0
    refused: str = ""

    @property
    def ok(self) -> bool:
        """Whether every limit is met."""
        return not self.refused and all(one.ok for one in self.judged)

    def costs_like(self, other: "Outcome") -> bool:
        """Whether it has the same costs, ratios and bounds."""
        same = (self.totals, self.judged) == (other.totals, other.judged)
        return same and not self.refused and not other.refused


Pick = Literal["largest", "smallest"]
PICKS: tuple[Pick, ...] = get_args(Pick)


class Question(NamedTuple):
    """A subject, and the limits that it must meet.

    The answer is the largest or the smallest value, as `pick` says; without it the first `asked` limits decide.
    """

    subject: Subject
    limits: tuple[Limit, ...]
    asked: int
    pick: Pick | None = None

    def at(self, values: Values) -> Outcome:
        """The outcome with these values."""
        try:
            measured = self.subject.measure(values)
        except FlopcalcError as error:
            if error.code in ("broken-plug-in", "missing-package", "timeout"):
                raise
            return Outcome({}, refused=error.reason or error.message)
        judged = tuple(self._judge(limit, measured) for limit in self.limits)
        return Outcome(measured.totals, judged, measured.uncounted)

    def _judge(self, limit: Limit, measured: Measured) -> Judged:
        names: dict[str, Any] = dict(measured.totals)
        if limit.reads(BASELINE):
            names[BASELINE] = measured.bases[BASELINE][limit.quantity]
        actual = Fraction(measured.totals[limit.quantity])
        if limit.ratio_to:
            base = measured.bases[limit.ratio_to][limit.quantity]
            if not base:
                raise _bad(limit, f"{limit.ratio_to} has no {limit.quantity}", "compare another kind of cost")
            actual /= base
        bound = limit.bound(names)
        return Judged(actual, bound, limit.holds(actual, bound))


def read_limits(texts: Iterable[str], kind: Literal["network", "operator"]) -> tuple[Limit, ...]:
    """Limits of a whole target. Raises FlopcalcError (bad-limit)."""
    found = tuple(read_limit(text, kind) for text in texts)
    for limit in found:
        kinds = f"limit the whole target by one of: {', '.join(KINDS)}, ratio(NAME)"
        if limit.each != "target":
            raise _bad(limit, f"it limits single {limit.each}s", kinds)
        if limit.quantity == "uncounted" or limit.reads("uncounted"):
            raise _bad(limit, "`uncounted` is not a cost", kinds)
        if limit.quantity in MEMORY or limit.reads(*MEMORY):
            raise _bad(limit, "memory is limited for --for batch only", kinds)
        if read_time(limit.quantity) is not None:
            raise _bad(limit, "a time is known to `flopcalc check` only", kinds)
        if limit.reads("locked"):
            raise _bad(limit, "`locked` is known to `flopcalc check` only", "write the number, or baseline")
    return found


def bases_of(limits: Iterable[Limit]) -> tuple[str, ...]:
    """The names that the limits compare with: operators, networks and `baseline`."""
    found = dict.fromkeys(limit.ratio_to for limit in limits if limit.ratio_to)
    if any(limit.reads(BASELINE) for limit in limits):
        found[BASELINE] = None
    return tuple(found)


def _bad(limit: Limit, why: str, hint: str) -> FlopcalcError:
    return FlopcalcError("bad-limit", f"the target {clip(limit.text)}: {why}", hint)

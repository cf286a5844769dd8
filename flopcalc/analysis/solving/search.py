"""The largest or the smallest value that meets all limits.

First the cost is computed at some values, from small to large. They show which limits leave a range open, and where it
ends. Then the cells of this range are computed one after the other, from the end that is asked for, until one meets all
limits: nothing is assumed of the cells in between. Where there are too many of them, the range is halved instead, which
is right if the cost only rises or only falls; whether it does is checked at the values that were computed.
"""

from fractions import Fraction
from typing import NamedTuple

from flopcalc.analysis.solving.axes import Axis, Cell
from flopcalc.analysis.solving.numbers import Exact, exact_text
from flopcalc.analysis.solving.question import Question
from flopcalc.analysis.solving.samples import NEIGHBOURS, Samples
from flopcalc.analysis.solving.subjects import INPUT
from flopcalc.analysis.solving.variables import Variable, exact_number

# Seconds, about, that a walk may take.
_SECONDS = 4
# Cells after which the number of the others is estimated.
_FIRST = 64
# Neighbours that are tried where the target does not exist at a value.
_NEIGHBOURS = 512


class Found(NamedTuple):
    """The cell that is the answer, or None. exact: whether no other value can be the answer.

    method: in words. largest: whether the largest value was looked for. nearest: without an answer, the cell that comes
    nearest. why_not: in words. note: in words, or empty.
    """

    cell: Cell | None
    exact: bool
    method: str
    largest: bool = True
    nearest: Cell | None = None
    why_not: str = ""
    note: str = ""


class Search:
    """One search along an axis."""

    def __init__(self, question: Question, variable: Variable, axis: Axis) -> None:
        self.question = question
        self.variable = variable
        self.axis = axis
        self.samples = Samples(question, variable, axis)
        self.largest = True

    def run(self) -> Found:
        """The answer."""
        samples = self.samples
        samples.collect()
        self.largest = samples.wants_largest()
        if not samples.known:
            return self._missing("")
        if not self.variable.ordered:
            return self._of_choices()
        cells, known = samples.cells, samples.known
        far = known[-1 if self.largest else 0]
        if samples.all:
            good = [cell for cell in cells if cell.outcome.ok]
            method = f"all {len(cells)} values were computed" if len(cells) > 1 else "the only value was computed"
            if good:
                return self._found(good[-1 if self.largest else 0], True, method)
            return self._missing(method, self._no_effect() if samples.has_no_effect() else "")
        ends = self.variable.limited or samples.stops_existing(far)
        answerable = far.outcome.ok and (ends or self.question.pick == "smallest")
        if samples.has_no_effect() and not answerable:
            return self._missing(self._sampled(), self._no_effect(), exact=False)
        if far.outcome.ok and self.largest and not ends:
            bad = [cell for cell in known if not cell.outcome.ok]
            every = "every" if not bad else f"every computed value above {self._shown(bad[-1])} of"
            name = self.variable.name
            why = f"{every} {name} meets {self._targets}, as far as {self._shown(far)}: there is no largest value"
            return self._missing(self._sampled(), why, exact=False)
        if samples.slow:
            return self._halved()
        return self._walked() or self._halved()

    @property
    def _targets(self) -> str:
        return "the target" if len(self.question.limits) == 1 else "all targets"

    # Ways to search ----------------------------------------------------------------------------

    def _of_choices(self) -> Found:
        """Of values without an order: the one with the cost nearest to the bound of the first target."""
        limit = self.question.limits[0]
        good = [cell for cell in self.samples.cells if cell.outcome.ok]
        method = f"all {len(self.samples.cells)} values were computed"
        if not good:
            return self._missing(method)
        best = max(good, key=lambda cell: cell.outcome.judged[0].excess(limit))
        return self._found(best, True, f"{method}; the answer has the cost nearest to the bound of {limit.text}")

    def _walked(self) -> Found | None:
        """Compute cell after cell from the end that is asked for. None where there are too many of them."""
        low, high = self.samples.span()
        start, end = (high, low) if self.largest else (low, high)
        if self._is_too_far(start, _SECONDS):
            return None
        domain = self.variable.domain
        last = domain.high if self.largest else domain.low
        if last is not None and (self.variable.limited or not self.largest):
            found = self._walk_from(self.axis.cell(last), None if self.variable.limited else end)
        else:
            found = self._walk_from(self._further(start), end)
        if found is not None:
            return found
        found = self._walk_from(start, end)
        return found and found._replace(exact=False)

    def _further(self, start: Cell) -> Cell:
        """A cell above the first one that cannot be the answer, so that this is not taken from single values only."""
        above = [cell for cell in self.samples.cells if cell.at >= 2 * start.at] or [self.samples.cells[-1]]
        last = above[-1]
        # Whole numbers are cheap to go through.
        return last if self.variable.kind == "whole" and not self._is_too_far(last, 1) else above[0]

    def _is_too_far(self, start: Cell, seconds: int) -> bool:
        """Whether going through single numbers, from a cell to the nearest one that meets the limits, takes longer."""
        good = [cell for cell in self.samples.cells if cell.outcome.ok]
        if self.variable.kind == "rational" or not good:
            return False
        nearest = good[-1 if self.largest else 0]
        return abs(Fraction(start.at) - nearest.at) > seconds * self.question.subject.rate

    def _is_long(self, start: Cell, cell: Cell) -> bool:
        """Whether there are probably too many cells up to the nearest one that meets the limits."""
        good = [one for one in self.samples.cells if one.outcome.ok]
        done = abs(Fraction(start.at) - cell.at)
        if not good or not done:
            return False
        left = abs(Fraction(cell.at) - good[-1 if self.largest else 0].at)
        return left / done * _FIRST > _SECONDS * self.question.subject.rate

    def _walk_from(self, start: Cell, end: Cell | None) -> Found | None:
        """end: the cell after which the walk stops; None for the end of the domain."""
        most = self.axis.evaluations + _SECONDS * self.question.subject.rate
        cell: Cell | None = start
        passed = 0
        while cell is not None and not cell.outcome.ok:
            passed += 1
            if self.axis.evaluations > most or (passed == _FIRST and self._is_long(start, cell)):
                return None
            if end is not None and (cell.at <= end.at if self.largest else cell.at >= end.at):
                cell = None
                break
            cell = self.axis.down(cell) if self.largest else self.axis.up(cell)
        what = "step of the cost" if self.variable.kind == "rational" else "value"
        what = what if self.axis.complete else f"multiple of {exact_text(self.step)}"
        down, up = ("down", "up") if self.largest else ("up", "down")
        first = start.at if self.largest or start.interval.low is None else start.interval.low
        method = f"computed at every {what} from {self._text(first)} {down}"
        method += " to the answer" if cell is not None else ""
        further = self.samples.cells[-1 if self.largest else 0].at
        if end is not None and (further > start.at if self.largest else further < start.at):
            method += f", and at single values {up} to {self._text(further)}"
            method += ", where the cost goes further from the target"
        exact = self.axis.complete
        last = self.samples.known[-1]
        fails = not last.outcome.ok and -1 in self.samples.side(last)
        if self.largest and not self.variable.limited and not fails and self.samples.stops_existing(last):
            exact = False
            method += f"; at larger values that were computed {self.question.subject.name} does not exist"
        if cell is None:
            return self._missing(method, exact=exact)
        return self._found(self.samples.take(cell), exact, method)

    def _halved(self) -> Found:
        """Halve the range between a cell that meets the limits and one that does not, until they are neighbours."""
        cells = self.samples.cells
        good = [cell for cell in cells if cell.outcome.ok] or self._inner()
        if not good:
            return self._missing(self._sampled())
        best = good[-1 if self.largest else 0]
        beyond = [cell for cell in cells if (cell.at > best.at if self.largest else cell.at < best.at)]
        if not beyond:
            return self._found(best, False, self._sampled())
        bad = beyond[0 if self.largest else -1]
        while (cell := self._middle(*((best, bad) if self.largest else (bad, best)))) is not None:
            best, bad = (cell, bad) if cell.outcome.ok else (best, cell)
        best = self._beyond(best)
        trends = self.samples.trends
        count = len(self.samples.cells)
        method = "bisection" if self.axis.complete else f"bisection to multiples of {exact_text(self.step)}"
        if "mixed" in trends:
            method += (
                f"; the cost neither only rises nor only falls at the {count} values that were computed, so there "
            )
            method += "may be a better one"
        elif self.variable.monotone:
            method += "; a larger value costs more"
        else:
            method += (
                f"; the cost only {'falls' if 'falls' in trends else 'rises'} at the {count} values that were computed"
            )
        exact = self.axis.complete and self.variable.monotone and "mixed" not in trends
        return self._found(best, exact, method)

    def _beyond(self, best: Cell) -> Cell:
        """The last cell that meets the limits of those that follow with few gaps, where the target does not exist."""
        step = self.axis.up if self.largest else self.axis.down
        cell: Cell | None = best
        for _ in range(0 if self.samples.slow else NEIGHBOURS):
            cell = None if cell is None else step(cell)
            if cell is None or not (cell.outcome.ok or cell.outcome.refused):
                break
            best = self.samples.take(cell) if cell.outcome.ok else best
        return best

    def _middle(self, low: Cell, high: Cell) -> Cell | None:
        """A cell between two cells, at which the target exists if one is near."""
        cell = self.axis.between(low, high)
        if cell is None:
            return None
        found: Cell | None = cell
        for _ in range(0 if self.samples.slow else _NEIGHBOURS):
            if found is None or not found.outcome.refused or found.at <= low.at:
                break
            found = self.axis.down(found)
        if found is not None and not found.outcome.refused and found.at > low.at:
            cell = found
        return self.samples.take(cell)

    def _inner(self) -> list[Cell]:
        """A cell that meets all limits, looked for by halving towards the limit that is not met; empty without one."""
        low, high = self.samples.span()
        while (cell := self._middle(low, high)) is not None:
            if cell.outcome.ok:
                return [cell]
            sides = set() if cell.outcome.refused else self.samples.side(cell)
            if sides == {1}:
                low = cell
            elif sides == {-1}:
                high = cell
            else:
                return []
        return []

    @property
    def step(self) -> Fraction:
        """The distance between cells that are single numbers."""
        return Fraction(getattr(self.axis, "step", 1))

    # Answers -----------------------------------------------------------------------------------

    def _found(self, cell: Cell, exact: bool, method: str) -> Found:
        every = all(one.outcome.ok for one in self.samples.known)
        note = f"every {self.variable.name} that was computed meets {self._targets}" if every else ""
        return Found(cell, exact, method, self.largest, note=note)

    def _shown(self, cell: Cell) -> str:
        return self._text(cell.at)

    def _text(self, number: Exact) -> str:
        """A number in sentences; of values that have a form of their own, this form."""
        own = self.variable.kind == "listed" or self.variable.key == INPUT
        return self.variable.text(exact_number(number)) if own else short(number)

    def _sampled(self) -> str:
        cells = self.samples.cells
        return f"computed at {len(cells)} values from {self._shown(cells[0])} to {self._shown(cells[-1])}"

    def _no_effect(self) -> str:
        kinds = " and ".join(dict.fromkeys(limit.quantity for limit in self.question.limits))
        cells = self.samples.known
        meets = "meet" if cells[0].outcome.ok else "do not meet"
        span = f"{self._shown(cells[0])} to {self._shown(cells[-1])}"
        return f"{self.variable.name} does not change {kinds}: all values from {span} {meets} {self._targets}"

    def _missing(self, method: str, why: str = "", *, exact: bool = True) -> Found:
        known = self.samples.known
        if not known:
            reason = self.samples.cells[0].outcome.refused
            why = f"{self.question.subject.name} does not exist at any value that was computed: {reason}"
            return Found(None, False, method or self._sampled(), self.largest, why_not=why)
        nearest = min(known, key=self._violation)
        if why:
            shown = None if nearest.outcome.ok else nearest
            return Found(None, exact, method, self.largest, shown, why)
        reasons = []
        for place, limit in enumerate(self.question.limits):
            if not any(cell.outcome.judged[place].ok for cell in known):
                cell = min(known, key=lambda one: one.outcome.judged[place].excess(limit))
                nearest_cost = amount(cell.outcome.judged[place].actual)
                reasons.append(f"no {self.variable.name} meets {limit.text}; the nearest cost is {nearest_cost}")
        if not reasons:
            reasons = [f"no {self.variable.name} meets all targets at once"]
        return Found(None, exact, method, self.largest, nearest, "; ".join(reasons))

    def _violation(self, cell: Cell) -> Fraction:
        """By how much a cell misses the limits, relative to their bounds."""
        judged = zip(cell.outcome.judged, self.question.limits, strict=True)
        return max([Fraction(0), *(one.excess(limit) for one, limit in judged if not one.ok)])


def amount(value: Fraction) -> str:
    """A cost with commas, or a ratio with four digits."""
    return f"{value.numerator:,}" if value.denominator == 1 else f"{float(value):.4g}"


def short(value: Exact) -> str:
    """A number of three digits, for sentences."""
    value = Fraction(value)
    if value.denominator == 1:
        return f"{value.numerator:,}"
    return f"{float(value):.3g}"

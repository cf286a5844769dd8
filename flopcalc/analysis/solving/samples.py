"""The cost at some values from small to large: which way each limit goes, and where answers can be."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from flopcalc.analysis.solving.axes import Axis, Cell
from flopcalc.analysis.solving.numbers import Exact
from flopcalc.analysis.solving.question import Question
from flopcalc.analysis.solving.variables import Variable

# How often the start is doubled and halved, and the number of values of a domain with two ends.
_DOUBLINGS = 40
_SAMPLES = 64
# Numbers between a number and twice of it, as factors.
_BETWEEN = (Fraction(8, 7), Fraction(13, 10), Fraction(3, 2), Fraction(17, 10), Fraction(19, 10))
# A value is doubled until it fails that often in turn, each time by more.
_IN_TURN = 5
# Neighbours of a whole number that are tried, on both sides, where the target does not exist at it.
NEIGHBOURS = 16
# Whole numbers that are all tried where the target exists at none of the others.
_ALL = 4096

Trend = Literal["rises", "falls", "same", "mixed"]


class Samples:
    """The cells of a search that were computed so far."""

    def __init__(self, question: Question, variable: Variable, axis: Axis) -> None:
        self.question = question
        self.variable = variable
        self.axis = axis
        self.slow = question.subject.rate < 10
        low, high = variable.domain.low, variable.domain.high
        small = low is not None and high is not None and high - low < _SAMPLES and not self.slow
        # Whether all values are computed.
        self.all = variable.kind == "listed" or (variable.kind == "whole" and small)
        self._seen: dict[Exact, Cell] = {}

    @property
    def cells(self) -> list[Cell]:
        """All cells so far, in order."""
        return [self._seen[at] for at in sorted(self._seen)]

    @property
    def known(self) -> list[Cell]:
        """The cells at which the target exists."""
        return [cell for cell in self.cells if not cell.outcome.refused]

    def take(self, cell: Cell) -> Cell:
        """Remember a cell."""
        self._seen[cell.at] = cell
        return cell

    def collect(self) -> None:
        """Compute the first cells."""
        low, high = self.variable.domain.low, self.variable.domain.high
        if self.all:
            cell: Cell | None = self.axis.cell(low or 0)
            while cell is not None:
                cell = self.axis.up(self.take(cell))
            return
        start = max(Fraction(self.variable.start), Fraction(0)) or Fraction(1)
        first = self.take(self.axis.cell(start))
        if self.slow:
            self._bracket(start, first.outcome.ok)
            return
        for sign in (1, -1):
            for number in self._outwards(start, sign):
                self._take_near(number)
                if self._fails_further(sign, start):
                    break
        self._look_between()
        if not self.known and self.variable.kind == "whole":
            self._look_everywhere()
        if self.variable.limited and low is not None and high is not None:
            for step in range(1, _SAMPLES + 1):
                self.take(self.axis.cell(low + Fraction(high - low) * step / _SAMPLES))

    def _take_near(self, number: Exact) -> None:
        """Compute a value; where the target does not exist at a whole number, the nearest one at which it does."""
        cell = self.take(self.axis.cell(number))
        if self.variable.kind != "whole" or not cell.outcome.refused:
            return
        for distance in range(1, NEIGHBOURS + 1):
            for near in (cell.at - distance, cell.at + distance):
                if near in self.variable.domain:
                    found = self.axis.cell(near)
                    if not found.outcome.refused:
                        # One cell for each number.
                        del self._seen[cell.at]
                        self.take(found)
                        return

    def _look_everywhere(self) -> None:
        """Compute all small values: the target may exist at a few of them only, or at one."""
        low, high = self.variable.domain.low or 0, self.variable.domain.high
        last = low + min(_ALL, self.question.subject.rate)
        for number in range(int(low), int(last if high is None else min(last, high)) + 1):
            self.take(self.axis.cell(number))

    def _look_between(self) -> None:
        """Compute values that are not powers of two times the start, where roundings may all be exact by chance."""
        cells = self.cells
        high = cells[-1].at
        numbers: list[Exact] = []
        for cell in cells[:-1]:
            numbers += [cell.at * factor for factor in _BETWEEN]
            if self.variable.kind == "whole":
                numbers += [cell.at - 1, cell.at + 1]
        low = self.variable.domain.low
        for number in numbers:
            if number < high and (low is None or number > low):
                self.take(self.axis.cell(number))

    def _outwards(self, start: Fraction, sign: int) -> Iterator[Exact]:
        """Numbers away from the start, twice or half of the one before, up to an end of the domain."""
        domain = self.variable.domain
        number = start
        for _ in range(_DOUBLINGS):
            number = number * 2 if sign > 0 else number / 2
            if domain.high is not None and number >= domain.high:
                yield domain.high
                return
            if domain.low is not None and (number <= domain.low or (self.variable.kind == "whole" and number < 1)):
                if domain.low_in:
                    yield domain.low
                return
            yield number
            lowest = self.cells[0].interval
            if sign < 0 and lowest.low == domain.low and not lowest.low_in:
                # The cell reaches the end of the domain.
                return

    def _fails_further(self, sign: int, start: Fraction) -> bool:
        """Whether numbers still further away cannot be the answer: the last ones fail, each by more than before.

        Where the target does not exist at some of them, those on the other side of the start say nothing.
        """
        cells = self.cells
        last = cells[-_IN_TURN:] if sign > 0 else cells[_IN_TURN - 1 :: -1]
        if len(last) < _IN_TURN or any(cell.outcome.ok for cell in last):
            return False
        known = [cell for cell in last if not cell.outcome.refused]
        if len(known) < len(last) and not all(sign * (cell.at - start) > 0 for cell in last):
            return False
        if not known:
            return True
        for place, limit in enumerate(self.question.limits):
            judged = [cell.outcome.judged[place] for cell in known]
            excess = [one.excess(limit) for one in judged]
            further = all(a <= b for a, b in pairwise(excess)) and (len(set(excess)) == 1 or excess[0] < excess[-1])
            if not any(one.ok for one in judged) and further:
                return True
        return False

    def _bracket(self, start: Fraction, ok: bool) -> None:
        """Of a slow target: go on until one value meets the limits and one does not; first the likelier way."""
        upper = not self.question.limits[0].comparison.startswith(">")
        for sign in (1, -1) if ok == upper else (-1, 1):
            for count, number in enumerate(self._outwards(start, sign)):
                cell = self.take(self.axis.cell(number))
                if cell.outcome.refused or count > 8:
                    break
                if cell.outcome.ok != ok:
                    return

    # What they show ----------------------------------------------------------------------------

    def trend(self, place: int) -> Trend:
        """How the amount by which a limit is exceeded changes along the cells."""
        judged = [cell.outcome.judged[place] for cell in self.known]
        amounts = [one.actual - one.bound for one in judged]
        if len(set(amounts)) <= 1:
            return "same"
        if all(a <= b for a, b in pairwise(amounts)):
            return "rises"
        return "falls" if all(a >= b for a, b in pairwise(amounts)) else "mixed"

    @property
    def trends(self) -> list[Trend]:
        """The trend of each limit."""
        return [self.trend(place) for place in range(len(self.question.limits))]

    def wants_largest(self) -> bool:
        """Whether the answer is the largest value.

        It is the value at which a target is just met: the largest for an upper bound, the smallest for a lower one; the
        other way round where the cost only falls as the value grows, at the values that were computed.
        """
        if self.question.pick is not None:
            return self.question.pick == "largest"
        return not self.known or any(self._wants(place) for place in range(self.question.asked))

    def _wants(self, place: int) -> bool:
        lower = self.question.limits[place].comparison.startswith(">")
        return lower if self.trend(place) == "falls" else not lower

    def stops_existing(self, last: Cell) -> bool:
        """Whether the target does not exist at values far above a cell, the last one at which it does."""
        return self.cells[-1].at >= 2 * last.at

    def has_no_effect(self) -> bool:
        """Whether the limits have the same costs at all values."""
        return len(self.known) > 1 and set(self.trends) == {"same"}

    def side(self, cell: Cell) -> set[int]:
        """Where the limits that a cell does not meet can be met: 1 above it, -1 below it, 0 where that is not known."""
        found = set()
        for place, (limit, one) in enumerate(zip(self.question.limits, cell.outcome.judged, strict=True)):
            if one.ok:
                continue
            trend = self.trend(place)
            upper = limit.comparison.startswith("<") or (limit.comparison == "==" and one.actual > one.bound)
            found.add({"rises": -1, "falls": 1}.get(trend, 0) * (1 if upper else -1))
        return found

    def span(self) -> tuple[Cell, Cell]:
        """The cells between which all answers are, if the costs go on as the samples show."""
        cells, known = self.cells, self.known
        # One further cell on each side, where the target does not exist.
        low = cells[max(cells.index(known[0]) - 1, 0)]
        high = cells[min(cells.index(known[-1]) + 1, len(cells) - 1)]
        for cell in known:
            sides = self.side(cell)
            if 1 in sides and cell.at > low.at:
                low = cell
            if -1 in sides and cell.at < high.at:
                high = cell
        return low, high

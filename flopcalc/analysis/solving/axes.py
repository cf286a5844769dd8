"""The values of a variable as cells: a whole number, a listed value, or all numbers between two steps of the cost."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple, Protocol

from flopcalc.analysis.solving.numbers import Exact, Interval
from flopcalc.analysis.solving.question import Outcome, Question
from flopcalc.analysis.solving.variables import Variable
from flopcalc.cost.traced import Trace, Traced
from flopcalc.errors import FlopcalcError

Ask = Callable[[Any], Outcome]


class Cell(NamedTuple):
    """Numbers of the same outcome. at: one of them."""

    interval: Interval
    at: Exact
    outcome: Outcome


class NotTraceableError(Exception):
    """The ends of the steps cannot be found: a value is not linear in the option, or is used in another way."""


class Axis(Protocol):
    """The cells of a variable in order. Each call evaluates at most a few times."""

    # Whether a cell has all numbers of its outcome around it, so that walking from cell to cell leaves out none.
    complete: bool
    evaluations: int

    def cell(self, number: Exact) -> Cell:
        """The cell at a number of the domain, or near to it."""

    def up(self, cell: Cell) -> Cell | None:
        """The next higher cell; None at the end of the domain."""

    def down(self, cell: Cell) -> Cell | None:
        """The next lower cell; None at the end of the domain."""

    def between(self, low: Cell, high: Cell) -> Cell | None:
        """A cell between two cells, about in the middle; None if there is none."""


class Points:
    """Multiples of a step, as cells of one number. complete: whether the domain has no other numbers."""

    def __init__(self, ask: Ask, domain: Interval, step: Fraction | int = 1) -> None:
        self.step = step
        self.complete = step == 1
        self.evaluations = 0
        low, high = domain.low, domain.high
        self.least = None if low is None else ceil(Fraction(low) / step) + (not domain.low_in and low % step == 0)
        self.most = None if high is None else floor(Fraction(high) / step)
        self._ask = ask
        self._cells: dict[int, Cell] = {}

    def _at(self, place: int) -> Cell:
        if place not in self._cells:
            self.evaluations += 1
            number = place * self.step
            self._cells[place] = Cell(Interval(number, number), number, self._ask(number))
        return self._cells[place]

    def _inside(self, place: int) -> bool:
        return (self.least is None or place >= self.least) and (self.most is None or place <= self.most)

    def cell(self, number: Exact) -> Cell:
        """The cell at a number, rounded down."""
        place = floor(Fraction(number) / self.step)
        place = place if self.least is None else max(place, self.least)
        return self._at(place if self.most is None else min(place, self.most))

    def up(self, cell: Cell) -> Cell | None:
        """The next multiple of the step."""
        place = int(cell.at / self.step) + 1
        return self._at(place) if self._inside(place) else None

    def down(self, cell: Cell) -> Cell | None:
        """The multiple of the step before."""
        place = int(cell.at / self.step) - 1
        return self._at(place) if self._inside(place) else None

    def between(self, low: Cell, high: Cell) -> Cell | None:
        """The one in the middle."""
        first, last = int(low.at / self.step), int(high.at / self.step)
        return self._at((first + last) // 2) if last - first > 1 else None


# The denominator of numbers inside of a step: a prime, so that no size becomes a whole number by chance.
_PRIME = 2**61 - 1
# Where to look for the next step, as a share of the present number; a shorter step is found too.
_NEAR = Fraction(1, 2**40)


class Steps:
    """All numbers of the domain, as cells between two numbers at which the cost may change."""

    complete = True

    def __init__(self, ask: Ask, domain: Interval) -> None:
        self.domain = domain
        self.evaluations = 0
        self._ask = ask

    def _inside(self, number: Fraction) -> Cell:
        """The cell around a number that is not an end of one."""
        trace = Trace(number)
        self.evaluations += 1
        try:
            outcome = self._ask(Traced(number, 1, trace))
        except (TypeError, AttributeError, ValueError, ArithmeticError, FlopcalcError) as error:
            raise NotTraceableError from error
        if outcome.refused and not self._ask(number).refused:
            raise NotTraceableError
        if trace.low == trace.high and trace.low is not None:
            return self._point(number)
        return Cell(self._clipped(trace), number, outcome)

    def _clipped(self, trace: Trace) -> Interval:
        """The interval of a trace inside the domain."""
        low, high, low_in, high_in = trace.low, trace.high, trace.low_in, trace.high_in
        first, last = self.domain.low, self.domain.high
        if first is not None and (low is None or low <= first):
            low_in = self.domain.low_in and (low != first or low_in)
            low = Fraction(first)
        if last is not None and (high is None or high >= last):
            high_in = self.domain.high_in and (high != last or high_in)
            high = Fraction(last)
        return Interval(low, high, low_in and low is not None, high_in and high is not None)

    def _point(self, number: Fraction) -> Cell:
        self.evaluations += 1
        return Cell(Interval(number, number), number, self._ask(number))

    def _within(self, low: Fraction, high: Fraction) -> Cell:
        return self._inside(low + (high - low) * Fraction(_PRIME // 2, _PRIME))

    def cell(self, number: Exact) -> Cell:
        """The cell just above a number, or just below the end of the domain."""
        low, high = self.domain.low, self.domain.high
        number = Fraction(number)
        if low is not None and number < low:
            number = Fraction(low)
        if high is not None and number >= high:
            found = self._below(Fraction(high))
            return self._point(Fraction(high)) if self.domain.high_in and high not in found.interval else found
        return self._above(number)

    def _above(self, number: Fraction) -> Cell:
        """The cell just above a number; it may have the number too."""
        size = max(abs(number), Fraction(1)) * _NEAR
        high = number + size
        if self.domain.high is not None:
            high = min(high, Fraction(self.domain.high))
        while True:
            cell = self._within(number, high)
            if cell.interval.low is None or cell.interval.low <= number:
                return cell
            high = Fraction(cell.interval.low)

    def _below(self, number: Fraction) -> Cell:
        """The cell just below a number; it may have the number too."""
        size = max(abs(number), Fraction(1)) * _NEAR
        low = number - size
        if self.domain.low is not None:
            low = max(low, Fraction(self.domain.low))
        while True:
            cell = self._within(low, number)
            if cell.interval.high is None or cell.interval.high >= number:
                return cell
            low = Fraction(cell.interval.high)

    def up(self, cell: Cell) -> Cell | None:
        """The next cell: that above the upper end, or that end itself if no other cell has it."""
        high = cell.interval.high
        if high is None or (high == self.domain.high and (cell.interval.high_in or not self.domain.high_in)):
            return None
        if high == self.domain.high:
            return self._point(Fraction(high))
        found = self._above(Fraction(high))
        return found if cell.interval.high_in or high in found.interval else self._point(Fraction(high))

    def down(self, cell: Cell) -> Cell | None:
        """The cell before: that below the lower end, or that end itself if no other cell has it."""
        low = cell.interval.low
        if low is None or (low == self.domain.low and (cell.interval.low_in or not self.domain.low_in)):
            return None
        if low == self.domain.low:
            return self._point(Fraction(low))
        found = self._below(Fraction(low))
        return found if cell.interval.low_in or low in found.interval else self._point(Fraction(low))

    def between(self, low: Cell, high: Cell) -> Cell | None:
        """The cell around the middle; between two cells that meet, the number where they do, if neither has it."""
        first, last = low.interval.high, high.interval.low
        if first is None or last is None or first > last:
            return None
        if first == last:
            return None if low.interval.high_in or high.interval.low_in else self._point(Fraction(first))
        return self._within(Fraction(first), Fraction(last))


# The distance between numbers that are tried where steps cannot be found: of a target that is fast, and of a slow one.
_FINE, _COARSE = Fraction(1, 1000), Fraction(1, 100)


def axis_of(
    question: Question, variable: Variable, others: Mapping[str, Any] | None = None, *, traced: bool = True
) -> Axis:
    """The cells of a variable. others: values that do not change. traced: whether steps may be looked for."""
    fixed, fast = dict(others or {}), question.subject.rate >= 10

    def at(number: Any) -> Outcome:
        return question.at({**fixed, variable.key: number if isinstance(number, Traced) else variable.value(number)})

    if variable.kind != "rational":
        return Points(at, variable.domain)
    if fast and traced:
        steps = Steps(at, variable.domain)
        try:
            cell = steps.cell(variable.start)
        except NotTraceableError:
            pass
        else:
            # Refused everywhere: it exists at single numbers only.
            if not cell.outcome.refused or cell.interval.low != variable.domain.low:
                return steps
    return Points(at, variable.domain, _FINE if fast else _COARSE)

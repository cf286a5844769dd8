"""Two values at once: all pairs that meet the limits, of which no other one has both values at least as large.

For a lower bound: at least as small; and the other way round for a value of which the cost only falls as it grows, such
as a stride. One value is gone through number by number; of the other one the best is found for each number. Where a
larger value costs more, the best value of the one falls while the other grows, so that each search starts where the
last one ended.
"""

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

from flopcalc.analysis.solving import answers
from flopcalc.analysis.solving.axes import Axis, Cell, NotTraceableError, axis_of
from flopcalc.analysis.solving.command import command
from flopcalc.analysis.solving.numbers import Exact
from flopcalc.analysis.solving.question import Measured, Question, Subject, Values
from flopcalc.analysis.solving.samples import Samples
from flopcalc.analysis.solving.search import Search
from flopcalc.analysis.solving.solution import Solution
from flopcalc.analysis.solving.variables import Variable
from flopcalc.errors import FlopcalcError

# Numbers of the value that is gone through, and those for each of which there is a search of its own.
_MOST = 20_000
_SEARCHED = 64
_PAIR = "write for example --among {0}=0.25:1.5:0.05"


class _Row:
    """A number of the outer variable, with the best cell of the inner one."""

    def __init__(self, outer: Exact, axis: Axis, cell: Cell) -> None:
        self.outer = outer
        self.axis = axis
        self.cell = cell


def solve_pair(question: Question, variables: tuple[Variable, Variable]) -> Solution:
    """The front of two variables. Raises FlopcalcError where neither of them has single values."""
    if question.subject.rate < 10 and not all(one.kind == "listed" for one in variables):
        raise FlopcalcError(
            "bad-usage",
            f"all pairs of a Python model take long: {question.subject.name} is built for each of them",
            "give the values of both: " + " ".join(f"--among {one.name}=..." for one in variables),
        )
    if not all(one.ordered for one in variables):
        name = next(one.name for one in variables if not one.ordered)
        raise FlopcalcError("bad-usage", f"the values of {name} have no order", f"set it: --set {name}=...")
    # Listed values first: there are fewest of them.
    ranks = {"listed": 0, "whole": 1, "rational": 2}
    outer, inner = sorted(variables, key=lambda one: ranks[one.kind])
    if outer.kind == "rational":
        why = f"both {outer.name} and {inner.name} can be any number, so there is no end of pairs"
        raise FlopcalcError("bad-usage", why, f"give the values of one of them: {_PAIR.format(outer.name)}")
    try:
        return _Front(question, outer, inner, variables, traced=True).solution()
    except NotTraceableError:
        return _Front(question, outer, inner, variables, traced=False).solution()


class _At:
    """A subject with some values fixed."""

    def __init__(self, subject: Subject, values: Values) -> None:
        self.name = subject.name
        self.rate = subject.rate
        self.spec = subject.spec
        self._subject = subject
        self._values = values

    def measure(self, values: Values) -> Measured:
        """The costs with these values and the fixed ones."""
        return self._subject.measure({**self._values, **values})


class _Front:
    """The search for a front. outer: the variable that is gone through. order: both, as the user named them."""

    def __init__(
        self,
        question: Question,
        outer: Variable,
        inner: Variable,
        order: tuple[Variable, Variable],
        *,
        traced: bool,
    ) -> None:
        self.question = question
        self.outer = outer
        self.inner = inner
        self.order = order
        self.traced = traced
        self.evaluations = 0
        # Which value of each is asked for.
        self.largest = self.outer_largest = True

    def axis(self, number: Exact) -> Axis:
        """The inner axis at a number of the outer variable."""
        return axis_of(self.question, self.inner, {self.outer.key: self.outer.value(number)}, traced=self.traced)

    def solution(self) -> Solution:
        """The front as a record."""
        exact = False
        limits = self.question.limits
        lower = all(limit.comparison.startswith(">") for limit in limits[: self.question.asked])
        self.largest = question.pick == "largest" if (question := self.question).pick else not lower
        self.outer_largest = self.largest
        pairs_text = f"of all pairs of {self.order[0].name} and {self.order[1].name}"
        if len(self._numbers()) <= _SEARCHED:
            if question.pick is None:
                self.largest = self._wants_largest(self.inner, self.outer)
                self.outer_largest = self._wants_largest(self.outer, self.inner)
            rows, exact = self._searched()
            # Of other values the last one that is gone through is an estimate.
            exact = exact and self.outer.kind == "listed"
            method = f"for each {self.outer.name} a search of its own"
        elif self._rises():
            rows = self._rows()
            method = (
                f"for each {self.outer.name} by bisection, from the value of the one before; {pairs_text} that were "
            )
            method += f"computed first ({self.evaluations}), a larger value costs more"
        else:
            rows = self._all_rows()
            method = f"{pairs_text} that were computed; the cost does not only rise, so there may be others"
        front = self._best(rows)
        common: dict[str, Any] = {
            "target": self.question.subject.name,
            "for_": ",".join(one.name for one in self.order),
            "limits": tuple(limit.text for limit in self.question.limits),
        }
        if not front:
            why = f"no pair of {self.order[0].name} and {self.order[1].name} that was computed meets all targets"
            return Solution(**common, value=None, cost=None, exact=False, method=method, why_not=why)
        points = tuple(self._point(row) for row in front)
        # The one with the cost nearest to the bound.
        limit = self.question.limits[0]
        best = max(range(len(front)), key=lambda place: front[place].cell.outcome.judged[0].excess(limit))
        value: Mapping[str, str] = points[best]["value"]
        flags = [one.flag(value[one.name]) for one in self.order]
        return Solution(
            **common,
            value=dict(value),
            cost=points[best]["cost"],
            exact=exact,
            method=method,
            front=points,
            command=command(self.question.subject, flags, self.order),
        )

    def _point(self, row: _Row) -> dict[str, Any]:
        interval, _, _, _ = answers.merged(row.axis, row.cell)
        number = answers.value_in(self.inner, row.axis, interval, self.largest)
        texts = {self.outer.name: self.outer.text(row.outer), self.inner.name: self.inner.text(number)}
        return {
            "value": {one.name: texts[one.name] for one in self.order},
            "cost": answers.cost_of(self.question, row.cell.outcome),
            "interval": answers.interval_record(self.inner, interval),
        }

    # Whether larger values cost more ------------------------------------------------------------

    def _rises(self) -> bool:
        """Whether all limits rise, or all fall, with both variables at the values that are computed here."""
        low, high = self._ends()
        step = max(1, (high - low) // 8)
        numbers = sorted({low, *range(low, high + 1, step), high})
        grid: list[list[Cell]] = []
        start = self.axis(numbers[0])
        samples = Samples(self.question, self.inner, start)
        samples.collect()
        places = [cell.at for cell in samples.cells]
        for number in numbers:
            axis = self.axis(number)
            grid.append([axis.cell(place) for place in places])
        self.evaluations = len(grid) * len(places)
        lines = [*grid, *(list(column) for column in zip(*grid, strict=True))]
        for place in range(len(self.question.limits)):
            for line in lines:
                judged = [cell.outcome.judged[place] for cell in line if not cell.outcome.refused]
                amounts = [one.actual - one.bound for one in judged]
                if any(a > b for a, b in pairwise(amounts)):
                    return False
        if any(limit.comparison[0] != self.question.limits[0].comparison[0] for limit in self.question.limits):
            return False
        return not any(cell.outcome.refused for line in grid for cell in line[: len(line) // 2])

    def _ends(self) -> tuple[int, int]:
        """The smallest and the largest number of the outer variable at which a pair can meet the limits."""
        domain = self.outer.domain
        low, high = int(domain.low or 0), int(domain.high or 0)
        if self.outer.kind == "listed":
            return low, high
        smallest = Samples(self.question, self.inner, self.axis(self.outer.start))
        smallest.collect()
        cells = smallest.known or smallest.cells
        fixed = {self.inner.key: self.inner.value(cells[0].at) if self.inner.kind != "rational" else cells[0].at}
        along = axis_of(self.question, self.outer, fixed)
        samples = Samples(self.question, self.outer, along)
        samples.collect()
        found = samples.span()
        last = int(found[1].at)
        if last - low > _MOST:
            why = f"there are more than {_MOST:,} values of {self.outer.name}"
            raise FlopcalcError("bad-usage", why, f"give its values: --among {self.outer.name}=32:512:32")
        return low, last

    # Rows ---------------------------------------------------------------------------------------

    def _numbers(self) -> range:
        low, high = self._ends()
        return range(low, high + 1)

    def _wants_largest(self, one: Variable, other: Variable) -> bool:
        """Whether the largest values of a variable are asked for, by the costs along it at the first of the other."""
        numbers = range(len(other.values)) if other.kind == "listed" else [other.start]
        for number in numbers:
            along = axis_of(self.question, one, {other.key: other.value(number)}, traced=self.traced)
            samples = Samples(self.question, one, along)
            samples.collect()
            if len(samples.known) > 1 and not samples.has_no_effect():
                return samples.wants_largest()
        return self.largest

    def _searched(self) -> tuple[list[_Row], bool]:
        """For each outer number the answer of a search, and whether all of them are exact."""
        rows, exact = [], True
        for number in self._numbers():
            axis = self.axis(number)
            question = self.question._replace(
                subject=_At(self.question.subject, {self.outer.key: self.outer.value(number)}),
                pick="largest" if self.largest else "smallest",
            )
            found = Search(question, self.inner, axis).run()
            exact = exact and found.exact
            if found.cell is not None:
                rows.append(_Row(number, axis, found.cell))
        return rows, exact

    def _rows(self) -> list[_Row]:
        """For each outer number the best inner cell, starting from that of the number before."""
        numbers = self._numbers()
        rows: list[_Row] = []
        last: Cell | None = None
        for number in numbers if self.largest else reversed(numbers):
            axis = self.axis(number)
            cell = self._first(axis) if last is None else axis.cell(last.at)
            cell = self._down_to(axis, cell) if cell is not None else None
            if cell is None:
                if last is not None:
                    break
                continue
            rows.append(_Row(number, axis, cell))
            last = cell
        return rows

    def _first(self, axis: Axis) -> Cell | None:
        samples = Samples(self.question, self.inner, axis)
        samples.collect()
        cells = samples.cells if self.largest else samples.cells[::-1]
        good = [cell for cell in cells if cell.outcome.ok]
        if not good:
            return cells[0] if cells else None
        best = good[-1]
        beyond = cells[cells.index(best) + 1 :]
        if not beyond:
            return best
        bad = beyond[0]
        while (cell := axis.between(*((best, bad) if self.largest else (bad, best)))) is not None:
            best, bad = (cell, bad) if cell.outcome.ok else (best, cell)
        return best

    def _down_to(self, axis: Axis, cell: Cell) -> Cell | None:
        """The first cell that meets the limits, from a cell on: doubled steps, then halved."""
        if cell.outcome.ok:
            return cell
        found: Cell | None = cell
        for _ in range(6):
            found = None if found is None else (axis.down(found) if self.largest else axis.up(found))
            if found is None or found.outcome.ok:
                return found
        assert found is not None  # noqa: S101 - the loop returns
        bad, size = found, abs(Fraction(found.at)) / 16
        domain = self.inner.domain
        while True:
            number = bad.at - size if self.largest else bad.at + size
            low_end = domain.low if domain.low is not None else 0
            at_end = number <= low_end if self.largest else (domain.high is not None and number >= domain.high)
            best = axis.cell(low_end if self.largest and at_end else number)
            if best.outcome.ok:
                break
            if at_end or best.at == bad.at:
                return None
            bad, size = best, size * 2
        while (middle := axis.between(*((best, bad) if self.largest else (bad, best)))) is not None:
            best, bad = (middle, bad) if middle.outcome.ok else (best, middle)
        return best

    def _all_rows(self) -> list[_Row]:
        """Every cell that is computed, where the cost does not simply rise."""
        rows = []
        numbers = self._numbers()
        step = max(1, len(numbers) // 200)
        for number in numbers[::step]:
            axis = self.axis(number)
            samples = Samples(self.question, self.inner, axis)
            samples.collect()
            cells = samples.cells
            good = [cell for cell in cells if cell.outcome.ok]
            if good:
                rows.append(_Row(number, axis, good[-1 if self.largest else 0]))
        return rows

    def _best(self, rows: list[_Row]) -> list[_Row]:
        """The rows of which no other one is at least as good in both values; by the outer number."""
        found: list[_Row] = []
        ordered = sorted(rows, key=lambda row: row.outer, reverse=self.outer_largest)
        for row in ordered:
            if not found or self._is_further(row.cell, found[-1].cell):
                found.append(row)
        return found[::-1] if self.outer_largest else found

    def _is_further(self, cell: Cell, other: Cell) -> bool:
        """Whether a cell has values that are larger than all of another one; smaller, for a lower bound."""
        (low, high, low_in, high_in), theirs = cell.interval, other.interval
        if self.largest:
            return theirs.high is not None and (high is None or (high, high_in) > (theirs.high, theirs.high_in))
        return theirs.low is not None and (low is None or (low, not low_in) < (theirs.low, not theirs.low_in))

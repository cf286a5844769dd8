"""Sweeps of operators: all sizes and options of one operator, block by block."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from flopcalc.analysis.sweeping.grid import BLOCK, Axis, Block, Grid
from flopcalc.analysis.sweeping.node import NeedsNumberError
from flopcalc.analysis.sweeping.one_by_one import table_of
from flopcalc.analysis.sweeping.outcome import RATIOS, Outcome, baseline_name, is_array
from flopcalc.analysis.sweeping.recorded import CODE, COST, KEEP, SIZES, Recording, Setting, described, record, split
from flopcalc.analysis.sweeping.request import SIZES as FLAGS
from flopcalc.analysis.sweeping.request import Request
from flopcalc.analysis.sweeping.values import Values, len_of, product_of, read_option, type_of_values
from flopcalc.catalog import lookup
from flopcalc.cost import convention
from flopcalc.cost.cost import in_bytes
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Operator

# Combinations that are computed one by one, and that one such block has.
_ONE_BY_ONE = 1024
# Values of axes that a formula needs as numbers; with more of them everything is computed one by one.
_MAX_CONCRETE = 4096
# Combinations of a recording that are compared with the operator itself.
_CHECKED = 6
# Blocks of one task.
_BLOCKS = 8
# What a combination raises to which the operator does not apply.
_REFUSALS = ("cannot-stand", "bad-dimension")


class _Case(NamedTuple):
    """Values of everything that is not an axis, and the axes."""

    sizes: Mapping[str, Any]
    options: Mapping[str, Any]
    axes: tuple[Axis, ...]


class _Plan(NamedTuple):
    """How the combinations of one case are computed.

    concrete: axes whose values a formula needs as numbers. rest: the case with the other axes. recorded: whether these
    are arrays; otherwise the combinations are computed one by one. recording: where there are no concrete axes.
    """

    concrete: tuple[Axis, ...]
    rest: _Case
    recorded: bool
    grid: Grid
    recording: Recording | None = None

    @property
    def choices(self) -> int:
        """The number of combinations of the concrete axes."""
        return product_of(len_of(axis.values) for axis in self.concrete)

    def choice(self, number: int) -> dict[str, Any]:
        """One of these combinations."""
        found = {}
        for axis in reversed(self.concrete):
            number, place = divmod(number, len_of(axis.values))
            found[axis.name] = axis.values[place]
        return found


class OperatorFamily:
    """All combinations of one operator. See `flopcalc.analysis.sweeping.outcome.Family`."""

    def __init__(self, request: Request, text: str, needed: Sequence[str]) -> None:
        self.operator, given = lookup.parse(text)
        self.label = text
        self._where = request.where
        self._convention = convention.get(request.convention)
        self._needed = tuple(needed)
        self._fixed: dict[str, Any] = {"operator": text}
        sizes: dict[str, Values] = dict(request.sizes)
        options: dict[str, Values] = {name: (value,) for name, value in given.items()}
        for name, setting in request.settings.items():
            if name not in self.operator.param:
                continue
            if name in given:
                raise FlopcalcError(
                    "bad-option", f"option {name} of {text} is given twice", "write it behind the name, or with --set"
                )
            options[name] = read_option(self.operator.param[name], setting)
        self._sizes = {name: values[0] for name, values in sizes.items() if len_of(values) == 1}
        self._options = {name: values[0] for name, values in options.items() if len_of(values) == 1}
        axes: list[tuple[str, Values]] = []
        outer: list[tuple[str, Values]] = []
        for name in FLAGS:
            if name in sizes and name not in self._sizes:
                (axes if _are_ints(sizes[name]) else outer).append((name, sizes[name]))
        for param in self.operator.params:
            if param.name in options and param.name not in self._options:
                values = options[param.name]
                (axes if _are_ints(values) else outer).append((param.name, values))
        self._outer = outer
        self._axes = tuple(Axis(name, values) for name, values in axes)
        self.outers = product_of(len_of(values) for _, values in outer)
        self.inner = product_of(len_of(axis.values) for axis in self._axes)
        self.task = _BLOCKS * BLOCK
        self._planned: tuple[int, _Plan] | None = None
        self._made: Recording | None = None
        self._checked = 0

    @property
    def names(self) -> Sequence[str]:
        """Columns: sizes, options, derived values that users see, kinds and ratios."""
        own = [param.name for param in self.operator.params]
        # A value that is named like a kind of cost cannot be a column.
        derived = [value.name for value in self.operator.derived if value.shown and value.name not in KINDS]
        return ("operator", *SIZES, *own, *derived, *KINDS, COST, *RATIOS)

    @property
    def options(self) -> list[str]:
        """The names of the options that were given."""
        return [name for name in self.operator.param if name in {**self._options, **dict(self._outer)}] + [
            axis.name for axis in self._axes if axis.name in self.operator.param
        ]

    @property
    def along_width(self) -> bool:
        """Whether one number for height and width is a width, as of sequences."""
        return self.operator.axes == 1

    @property
    def varied(self) -> list[str]:
        """The names of sizes and options with several values."""
        return [name for name, _ in self._outer] + [axis.name for axis in self._axes]

    def type_of(self, name: str) -> str:
        """The type of a size, an option or a derived value."""
        given = dict(self._outer) | {axis.name: axis.values for axis in self._axes}
        values = given.get(name, [self._options.get(name, self._sizes.get(name))])
        param = self.operator.param.get(name)
        if param is not None:
            found = type_of_values(values if not isinstance(values, range) else [1])
            known = {"bool": "bool", "int": "int", "choice": "text", "ints": "text"}
            return known.get(param.kind, "text" if found == "text" else "float")
        if name in given or name in self._sizes:
            return "int" if isinstance(values, range) else type_of_values(values)
        for value in self.operator.derived:
            if value.name == name:
                return type_of_values([self._first(name)])
        return "int"

    def _first(self, name: str) -> Any:
        """The value of a column at the first combination that has it, among some."""
        case = self._case(0)
        grid = Grid(case.axes)
        for number in range(min(grid.count, 200)):
            try:
                one = _with(self.operator, case, dict(zip([a.name for a in grid.axes], grid.at(number), strict=True)))
                g, _ = Setting(self.operator, one.sizes, one.options, self._convention).geometry()
                return self.operator.evaluate(g, one.options).named[name]
            except FlopcalcError:
                continue
        return None

    def check(self) -> None:
        """Raise FlopcalcError for what is wrong with every combination: options, missing channels."""
        self._case(0)

    def _case(self, outer: int) -> _Case:
        sizes, options = dict(self._sizes), dict(self._options)
        for name, values in reversed(self._outer):
            outer, place = divmod(outer, len_of(values))
            (options if name in self.operator.param else sizes)[name] = values[place]
        if "c_in" not in sizes and not any(axis.name == "c_in" for axis in self._axes):
            fixed = self.operator.default_c_in(self.operator.resolve(options)) if self.operator.default_c_in else None
            if fixed is None:
                raise FlopcalcError("bad-usage", "--cin is missing", "write for example --cin 16:1024:16")
            sizes["c_in"] = fixed
        return _Case(sizes, options, self._axes)

    def outcomes(self, outer: int, piece: int, pieces: int) -> Iterator[Outcome]:
        """The blocks of one of the pieces of one outer combination, in order."""
        plan = self._plan(outer)
        blocks = plan.choices * plan.grid.blocks
        held: tuple[int, Recording | None] = (0 if plan.recording else -1, plan.recording)
        for number in range(blocks * piece // pieces, blocks * (piece + 1) // pieces):
            choice, inner = divmod(number, plan.grid.blocks)
            case = _with(self.operator, plan.rest, plan.choice(choice))
            block = plan.grid.block(inner)
            if not plan.recorded:
                yield self._one_by_one(case, plan.grid, block)
                continue
            if held[0] != choice:
                held = choice, self._record(case)
            assert held[1] is not None  # noqa: S101 - it was made on the line before
            yield self._from(held[1], case, plan.grid, block)

    def _plan(self, outer: int) -> _Plan:
        if self._planned is not None and self._planned[0] == outer:
            return self._planned[1]
        case = self._case(outer)
        self._made = None
        numbers = self._numbers(case)
        concrete = tuple(axis for axis in case.axes if axis.name in numbers)
        rest = case._replace(axes=tuple(axis for axis in case.axes if axis.name not in numbers))
        if concrete and (not rest.axes or product_of(len_of(axis.values) for axis in concrete) > _MAX_CONCRETE):
            plan = _Plan((), case, False, Grid(case.axes, _ONE_BY_ONE))
        else:
            plan = _Plan(concrete, rest, True, Grid(rest.axes), None if concrete else self._made)
        self._planned = outer, plan
        return plan

    def _numbers(self, case: _Case) -> set[str]:
        """The names of the axes that the formula needs as numbers."""
        needed: set[str] = set()
        while (found := self._missing(case, needed)) is not None:
            if found - needed:
                needed |= found
                continue
            # It does not say which: one axis, if it is enough by itself, else all.
            alone = (needed | {axis.name} for axis in case.axes if axis.name not in needed)
            every = {axis.name for axis in case.axes}
            return next((names for names in alone if self._missing(case, names) is None), every)
        return needed

    def _missing(self, case: _Case, numbers: set[str]) -> set[str] | None:
        """None if the case can be recorded with these axes as numbers; else the axes that are needed, if it says so."""
        rest = tuple(axis for axis in case.axes if axis.name not in numbers)
        for end in (0, -1) if numbers else (0,):
            fixed = {axis.name: axis.values[end] for axis in case.axes if axis.name in numbers}
            one = _with(self.operator, case._replace(axes=rest), fixed)
            try:
                self._made = self._record(one)
                if not self._agrees(one, self._made):
                    return set()
            except NeedsNumberError as error:
                return {axis.name for index, axis in enumerate(rest) if error.axes >> index & 1}
            except FlopcalcError:
                raise
            except (Exception, SystemExit):
                # Whatever it is: the operator itself, on numbers, gives the result or the error.
                return set()
        return None

    def _record(self, case: _Case) -> Recording:
        setting = Setting(self.operator, case.sizes, case.options, self._convention)
        return record(setting, case.axes, self._needed, self._where, self._fixed)

    def _agrees(self, case: _Case, recording: Recording) -> bool:
        """Whether a recording has, at a few combinations, what the operator has."""
        import numpy as np

        grid = Grid(case.axes)
        # The first recordings most of all: the others differ from them in options only.
        several = _CHECKED if self._checked < _CHECKED else 1
        self._checked += 1
        for number in sorted({grid.count * place // several for place in range(several)} | {grid.count - 1}):
            values = grid.at(number)
            exact = any(abs(value) >= 2**63 for value in values)
            arrays = [np.array([value], dtype=object if exact else np.int64) for value in values]
            found = recording.program.run(arrays, values)
            known, label, _ = self._one(case, grid, number)
            code = int(found[CODE][0]) if is_array(found[CODE]) else found[CODE]
            if label != (recording.labels[code - 1] if code else ""):
                return False
            for name, value in (known or {}).items():
                one: Any = found.get(name, recording.constants.get(name))
                if (one[0] if is_array(one) else one) != value:
                    return False
        return True

    # Blocks -------------------------------------------------------------------------------------

    def _from(self, recording: Recording, case: _Case, grid: Grid, block: Block) -> Outcome:
        found = recording.program.run(block.axes, block.keys)
        code, keep = found.pop(CODE), found.pop(KEEP)
        if is_array(code) and code.dtype.kind == "O":
            code = code.astype("int64")

        def describe(place: int) -> str:
            return self._one(case, grid, _number_of(grid, block, place))[2]

        return Outcome(block.shape, {**recording.constants, **found}, code, keep, recording.labels, describe)

    def _one(self, case: _Case, grid: Grid, number: int) -> tuple[dict[str, Any] | None, str, str]:
        """The needed columns of one combination; or None, the rule that it breaks, and the reason."""
        one = _with(self.operator, case, dict(zip([axis.name for axis in grid.axes], grid.at(number), strict=True)))
        try:
            setting = Setting(self.operator, one.sizes, one.options, self._convention)
            g, _ = setting.geometry()
            evaluation = self.operator.evaluate(g, one.options)
        except FlopcalcError as error:
            if error.code not in _REFUSALS:
                raise
            return None, error.rule or error.hint, error.reason or error.message
        known = described(setting, g, evaluation.named) | in_bytes(evaluation.cost.totals()) | self._fixed
        kinds, columns = split(self._needed)
        if COST in columns:
            known[COST] = self._convention.of(evaluation.cost, g.batch)
        found = {name: known.get(name) for name in columns}
        base = in_bytes({kind: evaluation.baseline.total(kind) for kind in kinds})
        return found | {baseline_name(kind): total for kind, total in base.items()}, "", ""

    def _one_by_one(self, case: _Case, grid: Grid, block: Block) -> Outcome:
        """A block without recorded operations."""
        labels: dict[str, int] = {}
        reasons: list[str] = []
        codes, rows = [], []
        for place in range(block.count):
            row, label, reason = self._one(case, grid, _number_of(grid, block, place))
            codes.append(labels.setdefault(label, len(labels) + 1) if row is None else 0)
            rows.append(row)
            reasons.append(reason)
        return table_of(rows, codes, list(labels), reasons.__getitem__, self._where, self._fixed)


def _number_of(grid: Grid, block: Block, place: int) -> int:
    """The number in the grid of a combination of a block."""
    return grid.number(block, place)


def _with(operator: Operator, case: _Case, values: Mapping[str, Any]) -> _Case:
    """The case with numbers for some of its axes."""
    options = {name: value for name, value in values.items() if name in operator.param}
    sizes = {name: value for name, value in values.items() if name not in operator.param}
    axes = tuple(axis for axis in case.axes if axis.name not in values)
    return _Case({**case.sizes, **sizes}, {**case.options, **options}, axes)


def _are_ints(values: Values) -> bool:
    return isinstance(values, range) or all(type(value) is int for value in values)

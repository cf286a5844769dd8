"""Limits compared with the costs of targets: rows of plain data."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any

from flopcalc.analysis.diff import match_layers
from flopcalc.budget.computed import Totals
from flopcalc.budget.config import Budget, Config
from flopcalc.budget.lock import Locked, lock_commands
from flopcalc.budget.measure import Each, Measured, measure, measure_target, part_name
from flopcalc.budget.tolerance import growth_limits
from flopcalc.budget.unknown import Unknown, judged, named
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, at_line, clip, unknown_name
from flopcalc.networks.inputs import FORWARD
from flopcalc.networks.library import names as network_names
from flopcalc.networks.training import TrainingOptions
from flopcalc.targets.limits import MEMORY, Limit, is_computed
from flopcalc.targets.read import is_python
from flopcalc.targets.spec import TargetSpec

Row = dict[str, Any]
_NOTHING: Mapping[str, int] = dict.fromkeys((*KINDS, "uncounted"), 0)


class Check:
    """One run over a file of targets. Each target is measured once, even if other targets compare with it."""

    def __init__(self, config: Config, lock: Mapping[str, Locked] | None, against: str = "") -> None:
        """lock: the costs that `locked` means; with `against` those at another revision, which it names."""
        self.config = config
        self.lock = lock
        self.against = against
        self.specs = {spec.name: spec for spec in config.targets}
        self.measured: dict[Any, Measured] = {}
        self.matched: dict[tuple[int, int, Each], dict[str, Mapping[str, int]]] = {}

    def of(self, name: str) -> Measured:
        """The cost of a target."""
        if name not in self.measured:
            self.measured[name] = measure(self.specs[name], self.config.dtype)
        return self.measured[name]

    def rows(self) -> Iterator[Row]:
        """One row for each limit, and for each layer or stage beyond one."""
        for spec in self.config.targets:
            found = self.of(spec.name)
            if spec.baseline:
                # Even if no limit reads it: an unknown name is a mistake.
                self.baseline(spec)
            for limit in self.limits(spec):
                # What was not there at another revision cannot have grown since.
                if not (self.against and self.needs_lock(spec, limit) and spec.name not in (self.lock or {})):
                    yield from self.judge(spec, found, limit)

    def limits(self, spec: Budget) -> tuple[Limit, ...]:
        """The limits of a target; with another revision also those of its tolerance, for kinds that have none.

        A target that states how it may grow by its own limits, and no tolerance, has no other ones.
        """
        if not self.against:
            return spec.limits
        own = {one.quantity for one in spec.limits if one.each == "target" and self.needs_lock(spec, one)}
        if own and not spec.tolerance.stated:
            return spec.limits
        growth = growth_limits(spec.tolerance, self.against)
        return (*spec.limits, *(one for one in growth if one.quantity not in own))

    def needs_lock(self, spec: Budget, limit: Limit) -> bool:
        """Whether a limit compares with the lock file, or with the other revision in its place."""
        return limit.reads("locked") or (limit.reads("baseline") and self.baseline(spec) is None)

    def compared_before(self) -> list[str]:
        """The targets with a limit that compares with the lock file, or with the other revision."""
        return [one.name for one in self.config.targets if any(self.needs_lock(one, each) for each in self.limits(one))]

    def judge(self, spec: Budget, found: Measured, limit: Limit) -> Iterator[Row]:
        """The rows that break a limit, or the row nearest to it; one row for each layer or stage that matches.

        Where a kernel has no rule, every row fails, unless the target allows it.
        """
        unknown = Unknown() if limit.of_kernels else self.unknown(spec, found, limit)
        for row in self.nearest(spec, found, limit):
            yield judged(row, limit, unknown, spec.uncounted)

    def nearest(self, spec: Budget, found: Measured, limit: Limit) -> Iterator[Row]:
        """The rows that break a limit, or the row nearest to it, by the numbers as far as they are counted."""
        if limit.each == "target":
            yield self.row(spec, found, limit, "", found.totals)[1]
            return
        parts = found.parts(limit.part)
        names = [name for name in parts if fnmatchcase(name, limit.pattern)]
        if not names:
            near = unknown_name(limit.each, limit.pattern, parts, f"{limit.each}s: {_few(list(parts))}")
            raise _error(spec, limit, near.message, near.hint)
        rows = [self.row(spec, found, limit, name, parts[name]) for name in names]
        broken = [row for _, row in rows if not row["ok"]]
        yield from broken or [max(rows, key=lambda pair: pair[0])[1]]

    def row(
        self, spec: Budget, found: Measured, limit: Limit, name: str, totals: Mapping[str, int]
    ) -> tuple[Fraction, Row]:
        """How near the cost is to a limit, and its row. name: of the layer or stage; empty for the whole target."""
        quantity = limit.quantity
        names: dict[str, Any] = dict(totals) | {one: totals[one] for one in MEMORY if limit.reads(one)}
        for word in ("baseline", "locked"):
            if limit.reads(word):
                names[word] = self.compared(spec, found, limit, name, word)
        actual = Fraction(totals[quantity])
        if limit.ratio_to:
            base = self.base(spec, limit).totals.get(quantity)
            if not base:
                raise _error(spec, limit, f"{limit.ratio_to} has no {quantity}", "compare another quantity")
            actual /= base
        try:
            bound = limit.bound(names)
            ok = limit.holds(actual, bound)
        except FlopcalcError as error:
            raise _error(spec, limit, error.message, error.hint) from None
        excess = actual - bound
        return limit.nearness(excess), {
            "target": spec.name,
            "limit": limit.text,
            "name": name,
            "quantity": f"ratio({limit.ratio_to}, {quantity})" if limit.ratio_to else quantity,
            "actual": number(actual),
            "bound": number(bound),
            "excess": number(excess),
            "relative": _float(excess / abs(bound)) if bound else None,
            "exact": {"actual": str(actual), "bound": str(bound), "excess": str(excess)},
            "ok": ok,
            "file": spec.path,
            "line": limit.line or spec.line,
        }

    def unknown(self, spec: Budget, found: Measured, limit: Limit) -> Unknown:
        """The kernels without a rule in the costs that a limit compares."""
        compared = [
            named(self.before(spec, limit, word).uncounted, self.place_before if word == "locked" else f"the {word}")
            for word in ("baseline", "locked")
            if limit.reads(word)
        ]
        base = named(self.base(spec, limit).uncounted, limit.ratio_to) if limit.ratio_to else ()
        return Unknown(found.uncounted, base, tuple(one for kernels in compared for one in kernels))

    @property
    def place_before(self) -> str:
        """Where the cost before is from, in words."""
        return self.against or "the lock file"

    def before(self, spec: Budget, limit: Limit, word: str) -> Measured | Locked:
        """What `baseline` or `locked` in a limit names."""
        found = self.baseline(spec) if word == "baseline" else None
        if found is None and is_computed(limit.quantity):
            raise _error(
                spec,
                limit,
                f"{self.place_before} has no {_kind(limit)}",
                "name a network after baseline:, or write the number",
            )
        return self.locked(spec, limit, word) if found is None else found

    def compared(self, spec: Budget, found: Measured, limit: Limit, name: str, word: str) -> int:
        """The value of `baseline` or `locked` in a limit. A layer or stage that did not exist cost nothing."""
        base = self.before(spec, limit, word)
        if is_computed(limit.quantity) and not isinstance(base.totals, Totals):
            raise _error(spec, limit, f"the plain convolution has no {_kind(limit)}", "write the number")
        totals = (
            base.totals if limit.each == "target" else self.parts_before(base, found, limit.part).get(name, _NOTHING)
        )
        return totals.get(limit.quantity, 0)

    def locked(self, spec: Budget, limit: Limit, word: str) -> Locked:
        """The target in the lock file."""
        if self.lock is not None and spec.name in self.lock:
            return self.lock[spec.name]
        where = f"{spec.name} is not in the lock file" if self.lock is not None else "there is no lock file"
        commands = lock_commands(self.config)
        hint = f"write it with `{commands.create}`" if self.lock is None else f"add it with `{commands.update}`"
        raise _error(
            spec,
            limit,
            f"it reads {word}, but {where}",
            hint if word == "locked" else f"{hint}, or name a network after baseline:",
        )

    def parts_before(self, base: Measured | Locked, found: Measured, each: Each) -> Mapping[str, Mapping[str, int]]:
        """The costs to compare with, by layer or stage. A renamed layer is found by its new name."""
        if each == "stage":
            return base.parts(each)
        key = id(base), id(found), each
        if key not in self.matched:
            before = base.parts(each)
            sums = dict(before)
            for match in match_layers(base.layers, found.layers):
                if match.status == "renamed" and match.first and match.second:
                    sums[part_name(match.second, each)] = before[part_name(match.first, each)]
            self.matched[key] = sums
        return self.matched[key]

    def baseline(self, spec: Budget) -> Measured | None:
        """The target or network after `baseline:`, or the target itself before replacement."""
        if not spec.baseline:
            return self.of(spec.name).plain
        return self.named(spec.baseline, spec, f"baseline: {spec.baseline}", dict(spec.lines).get("baseline", 0))

    def named(self, name: str, spec: Budget, where: str, line: int) -> Measured:
        """Another target of the file, or a network that is not in the file."""
        if name in self.specs:
            return self.of(name)
        place = at_line(spec.path, line or spec.line)
        try:
            known = name in network_names() or name.endswith((".yaml", ".yml")) or is_python(name)
        except FlopcalcError as error:
            raise FlopcalcError("bad-config", f"{place}: {where}: {error.message}", error.hint) from None
        if not known:
            near = unknown_name(
                "target or network", name, [*self.specs, *network_names()], "name a target of this file"
            )
            raise FlopcalcError("bad-config", f"{place}: {where}: {near.message}", near.hint)
        # With the same input as the target that it is compared with.
        other = TargetSpec(
            "network",
            name,
            inputs=spec.target.inputs,
            batch=spec.target.batch,
            timeout=spec.target.timeout,
            kernels=spec.target.kernels,
            call=spec.target.call if is_python(name) else FORWARD,
            training=None if spec.target.training is None else TrainingOptions(),
        )
        if other not in self.measured:
            self.measured[other] = measure(
                Budget(name=name, target=other, limits=(), path=spec.path, line=spec.line), self.config.dtype
            )
        return self.measured[other]

    def base(self, spec: Budget, limit: Limit) -> Measured:
        """The operator (on the same shape), target or network in a `ratio`."""
        if limit.ratio_to in self.specs or spec.target.kind == "network":
            return self.named(limit.ratio_to, spec, limit.text, limit.line)
        other = TargetSpec("operator", limit.ratio_to, shape=spec.target.shape)
        try:
            return measure_target(limit.ratio_to, other, self.config.dtype)
        except FlopcalcError as error:
            raise _error(spec, limit, error.message, error.hint) from None


def _kind(limit: Limit) -> str:
    """What a limit on a quantity that is not a cost is about."""
    return "memory" if limit.quantity in MEMORY else "time"


def number(value: Fraction) -> int | float:
    """The number for JSON: an exact int if the value is whole, otherwise the nearest float."""
    if value.denominator == 1:
        return value.numerator
    found = _float(value)
    return round(value) if found is None else found


def _float(value: Fraction) -> float | None:
    """The nearest float; None if the value is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return None


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _error(spec: Budget, limit: Limit, why: str, hint: str) -> FlopcalcError:
    place = at_line(spec.path, limit.line or spec.line)
    return FlopcalcError("bad-limit", f"{place}: target {spec.name}, limit {clip(limit.text)}: {why}", hint)

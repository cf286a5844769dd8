"""Limits against what targets cost: rows of plain data."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any

from flopcalc.budget.config import Config, TargetSpec
from flopcalc.budget.limits import Limit
from flopcalc.budget.lock import Locked
from flopcalc.budget.measure import Measured, measure, measure_operator
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.networks import names as network_names

Row = dict[str, Any]


class Check:
    """One run over a file of targets: each is measured once, also where others compare with it."""

    def __init__(self, config: Config, lock: Mapping[str, Locked] | None) -> None:
        self.config = config
        self.lock = lock
        self.specs = {spec.name: spec for spec in config.targets}
        self.measured: dict[str, Measured] = {}

    def of(self, name: str) -> Measured:
        """What a target costs."""
        if name not in self.measured:
            self.measured[name] = measure(self.specs[name], self.config.dtype)
        return self.measured[name]

    def rows(self) -> Iterator[Row]:
        """One row for each limit, and for each layer or stage beyond one."""
        for spec in self.config.targets:
            found = self.of(spec.name)
            for limit in spec.limits:
                yield from self.judge(spec, found, limit)

    def judge(self, spec: TargetSpec, found: Measured, limit: Limit) -> Iterator[Row]:
        """A limit on everything that it is about: all that break it, else the one nearest to it."""
        if limit.each == "whole":
            yield self.row(spec, limit, "", found.totals)
            return
        parts = found.parts(limit.each)
        names = [name for name in parts if fnmatchcase(name, limit.pattern)]
        if not names:
            near = unknown_name(limit.each, limit.pattern, parts, f"{limit.each}s: {_few(list(parts))}")
            raise _error(spec, limit, near.message, near.hint)
        rows = [self.row(spec, limit, name, parts[name]) for name in names]
        broken = [row for row in rows if not row["ok"]]
        yield from broken or [max(rows, key=lambda row: row["actual"])]

    def row(self, spec: TargetSpec, limit: Limit, name: str, totals: Mapping[str, int]) -> Row:
        """One limit on one thing. name: of the layer or stage, empty for the whole."""
        quantity = limit.quantity
        names: dict[str, Any] = dict(totals)
        for word in ("baseline", "locked"):
            if limit.reads(word):
                names[word] = self.compared(spec, limit, name, word)
        actual: Any = totals[quantity]
        if limit.ratio_to:
            base = self.base(spec, limit).get(quantity)
            if not base:
                raise _error(spec, limit, f"{limit.ratio_to} has no {quantity}", "compare another quantity")
            actual = Fraction(actual, base)
        try:
            bound = limit.bound(names)
            ok = limit.holds(actual, bound)
        except FlopcalcError as error:
            raise _error(spec, limit, error.message, error.hint) from None
        excess = actual - bound
        return {
            "target": spec.name,
            "limit": limit.text,
            "name": name,
            "quantity": f"ratio({limit.ratio_to}, {quantity})" if limit.ratio_to else quantity,
            "actual": _number(actual),
            "bound": _number(bound),
            "excess": _number(excess),
            "relative": float(excess / bound) if bound else None,
            "ok": ok,
            "file": spec.path,
            "line": limit.line or spec.line,
        }

    def compared(self, spec: TargetSpec, limit: Limit, name: str, word: str) -> int:
        """What `baseline` or `locked` stands for in a limit."""
        base = self.baseline(spec) if word == "baseline" else None
        if base is not None:
            totals = base.totals if limit.each == "whole" else base.parts(limit.each).get(name)
            if totals is None:
                raise _error(spec, limit, f"the baseline has no {limit.each} {clip(name)}", "name others")
            return totals[limit.quantity]
        if self.lock is None or spec.name not in self.lock:
            what = "is not in the lock file" if self.lock is not None else "and there is no lock file"
            why = f"it reads {word}, {what}" if self.lock is None else f"it reads {word}, and {spec.name} {what}"
            hint = (
                "write it with `flopcalc lock`" if word == "locked" else "name one with baseline:, or `flopcalc lock`"
            )
            raise _error(spec, limit, why, hint)
        locked = self.lock[spec.name]
        totals = locked.totals if limit.each == "whole" else locked.parts(limit.each).get(name)
        if totals is None:
            raise _error(spec, limit, f"the lock file has no {limit.each} {clip(name)}", "`flopcalc lock --update`")
        return totals.get(limit.quantity, 0)

    def baseline(self, spec: TargetSpec) -> Measured | None:
        """The target or network that a file names, else what was there before replacement."""
        given = spec.options.get("baseline")
        if given is None:
            return self.of(spec.name).plain
        return self.named(str(given), spec, f"baseline: {given}")

    def named(self, name: str, spec: TargetSpec, where: str) -> Measured:
        """Another target by its name, or a network by its own."""
        if name in self.specs:
            return self.of(name)
        if name in network_names() or name.endswith((".yaml", ".yml")):
            if name not in self.measured:
                other = TargetSpec(name, "network", name, {}, (), spec.path, spec.line)
                self.measured[name] = measure(other, self.config.dtype)
            return self.measured[name]
        near = unknown_name("target or network", name, [*self.specs, *network_names()], "name a target of this file")
        place = f"{spec.path}, line {spec.line}" if spec.line else spec.path
        raise FlopcalcError("bad-config", f"{place}: {where}: {near.message}", near.hint)

    def base(self, spec: TargetSpec, limit: Limit) -> Mapping[str, int]:
        """Totals of what a ratio compares with: an operator on the same shape, or a target or network."""
        if spec.kind == "network":
            return self.named(limit.ratio_to, spec, limit.text).totals
        if limit.ratio_to in self.specs:
            return self.of(limit.ratio_to).totals
        shape = {key: value for key, value in spec.options.items() if key != "set"}
        try:
            return measure_operator(limit.ratio_to, limit.ratio_to, shape, self.config.dtype).totals
        except FlopcalcError as error:
            raise _error(spec, limit, error.message, error.hint) from None


def _number(value: Any) -> int | float:
    """JSON's number: exact where whole, and whole where a fraction means nothing."""
    return round(value) if value.denominator == 1 or abs(value) >= 1000 else float(value)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _error(spec: TargetSpec, limit: Limit, why: str, hint: str) -> FlopcalcError:
    line = limit.line or spec.line
    place = f"{spec.path}, line {line}" if line else spec.path
    return FlopcalcError("bad-limit", f"{place}: target {spec.name}, limit {clip(limit.text)}: {why}", hint)

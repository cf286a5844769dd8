"""The result of a check as plain data: the JSON contract `flopcalc/check/1`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from flopcalc.analysis.diff import Match, aligned, match_layers, match_row
from flopcalc.budget.check import Check
from flopcalc.budget.config import Budget, Config, find_config, read_config
from flopcalc.budget.lock import Lock, LockCommands, Locked, lock_commands, locked, read_lock
from flopcalc.budget.measure import Measured
from flopcalc.catalog import lookup
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, unknown_name
from flopcalc.targets.spec import DEFAULT_TIMEOUT, Timeout

Record = dict[str, Any]


class Before(NamedTuple):
    """The costs of targets at another revision. revision: `name`, `commit`, `changed`, as data for JSON. text: the same
    in words. targets: by name; absent: the reason for each one that was not there. gone: the targets of the file then
    that it does not have now. note: what else a reader must know.
    """

    revision: Record
    text: str
    targets: Mapping[str, Locked]
    absent: Mapping[str, str]
    gone: tuple[str, ...]
    note: str = ""


def check_record(
    file: str | None,
    *,
    with_lock: bool = False,
    with_formulas: bool = False,
    timeout: Timeout = DEFAULT_TIMEOUT,
    before: Callable[[Config, list[str]], Before] | None = None,
    against: str = "",
) -> Record:
    """The record that `flopcalc check` shows, ready for JSON. Raises FlopcalcError.

    before: finds the costs of these targets at the revision `against`, which then replace those of the lock file.
    """
    config = read_config(find_config(file)).with_timeout(timeout)
    if before is not None:
        return _against_record(config, before, against)
    commands = lock_commands(config)
    lock = read_lock(config.lock, commands)
    if lock is None and (with_lock or with_formulas):
        raise FlopcalcError("no-lock", f"there is no lock file {config.lock}", f"write it with `{commands.create}`")
    check_formula_names(config)
    check = Check(config, lock.targets if lock else None)
    rows = list(check.rows())
    targets = [check.of(spec.name) for spec in config.targets]
    differences = list(_differences(check, config, lock, commands)) if with_lock and lock else []
    forms = _formulas(config, lock, commands) if with_formulas and lock else []
    gone = sum(one["now"] is None for one in differences)
    checked = {"limits": len(rows), "targets": len(targets) + gone if with_lock else 0, "formulas": len(forms)}
    wrong = [form for form in forms if not form["ok"]]
    return {
        "schema": "flopcalc/check/1",
        "file": config.path,
        "lock": config.lock if with_lock or with_formulas else None,
        "dtype": config.dtype,
        "checked": sum(checked.values()),
        "failed": sum(not row["ok"] for row in rows) + len(differences) + len(wrong),
        "counts": checked,
        "rows": rows,
        "targets": {spec.name: _target(spec, one) for spec, one in zip(config.targets, targets, strict=True)},
        "differences": differences,
        "formulas": wrong,
        "accept": commands.update,
    }


def _against_record(config: Config, before: Callable[[Config, list[str]], Before], name: str) -> Record:
    """The record of a check against another revision."""
    check = Check(config, {}, name)
    found = before(config, check.compared_before())
    check.lock = found.targets
    rows = list(check.rows())
    broken = dict.fromkeys(row["target"] for row in rows if not row["ok"])
    changes = [
        {**change, "file": config.path, "line": check.specs[one].line}
        for one in broken
        if one in found.targets and (change := difference(one, found.targets[one], locked(check.of(one))))
    ]
    return {
        "schema": "flopcalc/check/1",
        "file": config.path,
        "lock": None,
        "dtype": config.dtype,
        "checked": len(rows),
        "failed": sum(not row["ok"] for row in rows),
        "counts": {"limits": len(rows), "targets": 0, "formulas": 0},
        "rows": rows,
        "targets": {one.name: _target(one, check.of(one.name)) for one in config.targets},
        "differences": [],
        "formulas": [],
        "accept": None,
        "against": {
            **found.revision,
            "text": found.text,
            "targets": {one.name: dict(one.totals) for one in found.targets.values()},
            "new": dict(found.absent),
            "gone": list(found.gone),
            "note": found.note or None,
            "changes": changes,
        },
    }


def _target(spec: Budget, found: Measured) -> Record:
    """The totals of a target, and the kernels without a rule, which make all but params a lower bound."""
    return {
        "what": found.what,
        **found.totals,
        "not_counted": list(found.uncounted),
        "if_uncounted": spec.uncounted,
        "file": spec.path,
        "line": spec.line,
    }


def _differences(check: Check, config: Config, lock: Lock, commands: LockCommands) -> Iterator[Record]:
    """Targets that differ from the lock file, with their layers side by side."""
    if lock.dtype != config.dtype:
        why = f"{config.lock} measures traffic in {lock.dtype}, {config.path} in {config.dtype}"
        raise FlopcalcError("stale-lock", why, f"write it again with `{commands.update}`")
    for spec in config.targets:
        found = difference(spec.name, lock.targets.get(spec.name), locked(check.of(spec.name)))
        if found:
            yield {**found, "file": spec.path, "line": spec.line}
    for name, was in lock.targets.items():
        if name not in check.specs:
            yield {**_gone(name, was), "file": config.path, "line": 0}


def difference(target: str, was: Locked | None, now: Locked) -> Record | None:
    """What changed since the target was locked; None if nothing did."""
    if was == now:
        return None
    matches = match_layers(was.layers, now.layers) if was else []
    return {
        "target": target,
        "locked": dict(was.totals) if was else None,
        "now": dict(now.totals),
        "what": [was.what if was else None, now.what],
        "uncounted": [list(was.uncounted) if was else None, list(now.uncounted)],
        "difference": {kind: now.totals[kind] - (was.totals[kind] if was else 0) for kind in (*KINDS, "uncounted")},
        "equal": sum(match.status == "same" for match in matches),
        "renamed": sum(match.status == "renamed" for match in matches),
        "layers": [match_row(match) for match in matches if match.status != "same"],
        "moved": _moved(was.layers, matches) if was else [],
        "stages": [
            {"name": match.name, "was": match.first["stage"], "now": match.second["stage"]}
            for match in matches
            if match.first and match.second and _stage(match.first) != _stage(match.second)
        ],
    }


def _stage(layer: Record) -> str:
    """The stage of a layer; empty if it is only the first piece of its name."""
    stage = str(layer["stage"])
    return "" if stage == layer["name"].partition(".")[0] else stage


def _moved(layers: Sequence[Record], matches: Sequence[Match]) -> list[str]:
    """Layers that changed their place in the order: all but a longest sequence that kept its order."""
    place = {layer["name"]: index for index, layer in enumerate(layers)}
    now = [(place[match.first["name"]], match.name) for match in matches if match.first and match.second]
    kept = {index for index, _ in aligned(now, sorted(now))}
    return [name for index, (_, name) in enumerate(now) if index not in kept]


def _gone(target: str, was: Locked) -> Record:
    less = {kind: -was.totals[kind] for kind in (*KINDS, "uncounted")}
    return {
        "target": target,
        "locked": dict(was.totals),
        "now": None,
        "what": [was.what, None],
        "uncounted": [list(was.uncounted), None],
        "difference": less,
        "equal": 0,
        "renamed": 0,
        "layers": [],
        "moved": [],
        "stages": [],
    }


def _formulas(config: Config, lock: Lock, commands: LockCommands) -> list[Record]:
    if config.formulas.which == "none":
        raise FlopcalcError(
            "bad-config",
            f"{config.path} names no formulas to compare",
            f"write formulas: all, or a list of operators and targets, then run `{commands.update}`",
        )
    found = import_module("flopcalc.budget.formulas")
    return list(found.compare(lock.formulas, found.formulas(config), commands.update))


def check_formula_names(config: Config) -> None:
    """Raise FlopcalcError for a name in `formulas` that is neither an operator nor a network of the file."""
    networks = [one.name for one in config.targets if one.target.kind == "network"]
    for name in config.formulas.names:
        if name in networks:
            continue
        if lookup.find(name) is None:
            hint = "name operators, and networks among the targets; `flopcalc list` shows all operators"
            raise config.formulas_error(unknown_name("operator or target", name, [*lookup.names(), *networks], hint))

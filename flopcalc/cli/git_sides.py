"""What targets cost in one version of a repository: asked of this process, and of one with the files of a revision."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from flopcalc.budget.config import Budget, read_config
from flopcalc.budget.lock import locked, write_lock
from flopcalc.budget.measure import measure
from flopcalc.budget.target_record import target_record
from flopcalc.cli.side import side_spec
from flopcalc.cost import convention
from flopcalc.errors import FlopcalcError
from flopcalc.targets.model_record import model_record
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import Timeout

Answer = dict[str, Any]


def with_timeout(given: Sequence[Any]) -> Timeout:
    """A limit of time from its plain data."""
    return Timeout(float(given[0]), bool(given[1]))


def text_record(text: str, shared: Mapping[str, Any], asked: Mapping[str, Any]) -> Answer:
    """The record of a target that is written as for `flopcalc model`. Raises FlopcalcError.

    shared: options that apply unless the text has its own. asked: convention and dtype.
    """
    limit = with_timeout(shared["timeout"])
    target = read_target(side_spec(text, tuple(shared["input_texts"]), shared["batch"], limit))
    return model_record(target.plain, target.replacement, convention.get(asked["convention"]), asked["dtype"])


def name_record(budget: Budget, shared: Mapping[str, Any], asked: Mapping[str, Any]) -> Answer:
    """The record of a target of the file. Raises FlopcalcError."""
    target = budget.target._replace(timeout=with_timeout(shared["timeout"]))
    return target_record(budget._replace(target=target), convention.get(asked["convention"]), asked["dtype"])


def models(request: Mapping[str, Any]) -> Answer:
    """The records of `texts` and of `names`, those of a file of targets. absent: the names that it does not have.

    Raises FlopcalcError.
    """
    there = {} if request["file"] is None or not os.path.isfile(request["file"]) else _budgets(request["file"])
    names = list(there) if request["names"] is None else request["names"]
    return {
        "texts": [text_record(text, request["shared"], request) for text in request["texts"]],
        "names": {name: name_record(there[name], request["shared"], request) for name in names if name in there},
        "absent": [name for name in names if name not in there],
    }


def _budgets(file: str) -> dict[str, Budget]:
    return {one.name: one for one in read_config(file).targets}


def costs(request: Mapping[str, Any]) -> Answer:
    """The costs of targets as the text of a lock file, for a check against a revision. Raises FlopcalcError.

    A target is measured as the file defined it then; one that the file did not have, as `present`, the text of the
    file now, defines it. absent: the reason for each target that did not exist. gone: targets that only the file then
    has. note: why the file then has no targets, if it cannot be read.
    """
    file, names, note, there = request["file"], request["names"], "", {}
    if os.path.isfile(file):
        try:
            there = _budgets(file)
        except FlopcalcError as error:
            note = f"the file cannot be read there, so that targets are those of the file now: {error.message}"
    found, absent = [], {}
    for name in names:
        if name in there:
            found.append(locked(measure(_timed(there[name], request), request["dtype"])))
    later = [name for name in names if name not in there]
    if later:
        now = _as_now(file, request["present"])
        for name in later:
            try:
                found.append(locked(measure(_timed(now[name], request), request["dtype"])))
            except FlopcalcError as error:
                absent[name] = error.message
    return {
        "lock": write_lock(found, [], request["dtype"]),
        "absent": absent,
        "note": note,
        "gone": [name for name in there if name not in request["all"]],
    }


def _timed(budget: Budget, request: Mapping[str, Any]) -> Budget:
    return budget._replace(target=budget.target._replace(timeout=with_timeout(request["timeout"])))


def _as_now(file: str, text: str) -> Mapping[str, Budget]:
    """The targets as the file defines them now, with paths that lead to the files of the revision."""
    os.makedirs(os.path.dirname(file) or ".", exist_ok=True)
    with open(file, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        stream.write(text)
    return _budgets(file)

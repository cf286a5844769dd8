"""Operators by name: the files in `flopcalc/operators/`, and after them the plug-ins.

A plug-in is an installed package with an entry point in the group `flopcalc.operators` that names an
Operator. Scanning installed packages takes 50 ms, so it is done for unknown names only. A plug-in that
cannot be used is an error where it is asked for, and a note in a listing.
"""

import copyreg
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from importlib import import_module
from os import listdir
from typing import Any

from flopcalc import operators
from flopcalc.catalog.entry_points import may_have
from flopcalc.errors import FlopcalcError, clip
from flopcalc.spec.containment import broken_plug_in, broken_record, contained, contained_import
from flopcalc.spec.guarded import guarded
from flopcalc.spec.operator import Operator
from flopcalc.text import shipped_files

GROUP = "flopcalc.operators"


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Names of the operators in flopcalc, sorted. Reads a folder and imports none of them."""
    # A listing of the folder, not pkgutil: that costs 15 ms to import.
    files = (file for folder in operators.__path__ for file in listdir(folder))
    return tuple(sorted(file[:-3] for file in files if file.endswith(".py") and not file.startswith("_")))


def meaning_of(name: str) -> str | None:
    """What flopcalc itself has under a name, such as `an operator`; None where the name is free."""
    from flopcalc.primitives.registry import PRIMITIVES

    taken = {
        "an operator": names(),
        "a network": shipped_files.names("networks"),
        "a primitive layer": PRIMITIVES,
    }
    return next((what for what, found in taken.items() if name in found), None)


def _by_name(operator: Operator) -> tuple[Callable[[str], Operator], tuple[str]]:
    """How an operator is pickled: by its name. Its functions could not be."""
    if named(operator.name) is not operator:
        raise TypeError(f"cannot pickle the operator {operator.name}, which comes from a file")
    return _unpickled, (operator.name,)


def _unpickled(name: str) -> Operator:
    found = named(name)
    if found is None:
        raise FlopcalcError(
            "unknown-operator",
            f"a result of another process has the operator {clip(name)}, which this one does not have",
            "install the package of the operator here, too",
        )
    return found


# So that evaluations and networks can go to other processes.
copyreg.pickle(Operator, _by_name)


@cache
def named(name: str) -> Operator | None:
    """The operator of that name in flopcalc, else in a plug-in, else None.

    Raises FlopcalcError (broken-operator, broken-plug-in) where its record cannot be used.
    """
    if name not in names():
        return _plug_in(name)
    file = f"flopcalc/operators/{name}.py"
    try:
        with contained(file, broken_record):
            found = import_module(f"flopcalc.operators.{name}").OPERATOR
    except FlopcalcError as error:
        raise error if error.code == "broken-operator" else broken_record(file, error.message) from error
    if not isinstance(found, Operator) or found.name != name:
        raise broken_record(file, f"it must define OPERATOR, an Operator with the name {name!r}")
    return found


def usable() -> tuple[list[Operator], list[str]]:
    """The operators in flopcalc that can be used, and one sentence about each that cannot."""
    found: list[Operator] = []
    problems: list[str] = []
    for name in names():
        try:
            operator = named(name)
        except FlopcalcError as error:
            problems.append(error.message)
        else:
            found += [operator] if operator is not None else []
    return found, problems


def plug_ins() -> tuple[str, ...]:
    """Names of the operators in installed packages, whether they can be used or not."""
    return tuple(sorted({entry.name for entry in _entries()} - set(names())))


def usable_plug_ins() -> tuple[list[Operator], list[str]]:
    """The operators of installed packages that can be used, and one sentence about each that cannot."""
    usable: list[Operator] = []
    problems = [
        f"{_described(entry)} cannot be used: flopcalc has an operator of that name"
        for entry in _entries()
        if entry.name in names()
    ]
    for name in plug_ins():
        try:
            found = named(name)
        except FlopcalcError as error:
            problems.append(error.message)
        else:
            usable += [found] if found is not None else []
    return usable, problems


def _entries() -> list[Any]:
    """The entry points of our group, of all installed packages with readable metadata."""
    if not may_have(GROUP):
        return []
    from importlib.metadata import distributions, entry_points

    try:
        return list(entry_points(group=GROUP))
    except Exception:
        # The metadata of one package are damaged: read the others.
        found: list[Any] = []
        for distribution in distributions():
            try:
                found += distribution.entry_points.select(group=GROUP)
            except Exception:  # noqa: S112 - the package may have nothing to do with flopcalc
                continue
        return found


def _described(entry: Any) -> str:
    return f"the plug-in {clip(entry.name)[1:-1]} ({_origin(entry)})"


def _origin(entry: Any) -> str:
    """`flopcalc-flattened 0.1.0, flopcalc_flattened:OPERATOR`: the package, and the place in it."""
    place = clip(entry.value)[1:-1]
    try:
        return f"{entry.dist.name} {entry.dist.version}, {place}"
    except Exception:
        return place


def _plug_in(name: str) -> Operator | None:
    entries = [entry for entry in _entries() if entry.name == name]
    if not entries:
        return None
    entry, *others = entries
    what = _described(entry)
    if others:
        raise broken_plug_in(what, f"{_origin(others[0])} has the same name", "uninstall one of the two packages")
    if (meaning := meaning_of(name)) is not None:
        raise broken_plug_in(what, f"flopcalc has {meaning} of that name", "give the operator another name")
    try:
        with contained_import(what):
            found = entry.load()
    except FlopcalcError as error:
        if error.code == "broken-plug-in":
            raise
        raise broken_plug_in(what, error.message) from error
    if not isinstance(found, Operator):
        raise broken_plug_in(what, f"{clip(entry.value)} is of type {type(found).__name__}, not an Operator")
    if found.name != name:
        raise broken_plug_in(
            what,
            f"the name of its operator is {clip(found.name)}",
            f"give the entry point and the operator the same name in {clip(entry.value)[1:-1].split(':')[0]}",
        )
    return guarded(replace(found, origin=_origin(entry)))

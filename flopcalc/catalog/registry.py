"""Operators by name: the files in `flopcalc/operators/`, and on a miss the plug-ins.

A plug-in is an installed package with an entry point in the group `flopcalc.operators` that names an
Operator. Scanning installed packages takes 50 ms, so it is done for unknown names only.
"""

from functools import cache, lru_cache
from importlib import import_module
from os import listdir

from flopcalc import operators
from flopcalc.catalog.entry_points import may_have
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Operator

GROUP = "flopcalc.operators"


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Names of our own operators, sorted. Reads a folder; imports none of them."""
    # A listing of the folder, not pkgutil: that costs 15 ms to import.
    files = (file for folder in operators.__path__ for file in listdir(folder))
    return tuple(sorted(file[:-3] for file in files if file.endswith(".py") and not file.startswith("_")))


@cache
def named(name: str) -> Operator | None:
    """Our own operator of that name, else that of a plug-in, else None. Raises FlopcalcError (broken-plug-in)."""
    if name not in names():
        return _plug_in(name)
    found = import_module(f"flopcalc.operators.{name}").OPERATOR
    if not isinstance(found, Operator) or found.name != name:
        raise TypeError(f"flopcalc/operators/{name}.py must define OPERATOR with the name {name!r}")
    return found


def plug_ins() -> tuple[str, ...]:
    """Names of the operators that installed packages bring."""
    if not may_have(GROUP):
        return ()
    from importlib.metadata import entry_points

    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)} - set(names())))


def _plug_in(name: str) -> Operator | None:
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=name):
        try:
            found = entry.load()
        except Exception as error:
            raise _broken(name, entry.value, f"{type(error).__name__}: {error}") from error
        if not isinstance(found, Operator):
            raise _broken(name, entry.value, f"it is a {type(found).__name__}, not an Operator")
        if found.name != name:
            raise _broken(name, entry.value, f"its operator calls itself {found.name!r}")
        return found
    return None


def _broken(name: str, where: str, why: str) -> FlopcalcError:
    why = " ".join(why.split())[:200]
    return FlopcalcError(
        "broken-plug-in", f"the plug-in {name} ({where}) cannot be used: {why}", "mend or uninstall its package"
    )

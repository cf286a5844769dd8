"""Finding operators by name: the files in `flopcalc/operators/`, and on a miss the plug-ins.

A plug-in is an installed package with an entry point in the group `flopcalc.operators` that names an
Operator. Scanning installed packages takes 50 ms, so it is done for unknown names only.
"""

from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from importlib import import_module
from os import listdir

from flopcalc import operators
from flopcalc.errors import FlopcalcError, unknown_name
from flopcalc.operator import Operator, Value

GROUP = "flopcalc.operators"


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Names of our own operators, sorted. Reads a folder; imports none of them."""
    # A listing of the folder, not pkgutil: that costs 15 ms to import.
    files = (file for folder in operators.__path__ for file in listdir(folder))
    return tuple(sorted(file[:-3] for file in files if file.endswith(".py") and not file.startswith("_")))


def find(name: str) -> Operator | None:
    """The operator of that name, or None; plug-ins count, and paths of YAML files (see flopcalc.composed)."""
    if name.endswith((".yaml", ".yml")):
        read: Callable[[str], Operator] = import_module("flopcalc.composed").read_operator
        return read(name)
    return _known(name)


@cache
def _known(name: str) -> Operator | None:
    if name not in names():
        return _plug_in(name)
    found = import_module(f"flopcalc.operators.{name}").OPERATOR
    if not isinstance(found, Operator) or found.name != name:
        raise TypeError(f"flopcalc/operators/{name}.py must define OPERATOR with the name {name!r}")
    return found


def get(name: str) -> Operator:
    """The operator of that name. Raises FlopcalcError (unknown-operator), with the nearest names."""
    found = find(name)
    if found is None:
        raise unknown_name("operator", name, [*names(), *plug_ins()], "`flopcalc list` shows all operators")
    return found


def plug_ins() -> tuple[str, ...]:
    """Names of the operators that installed packages bring."""
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


def every() -> Iterator[Operator]:
    """Our own operators, sorted by name."""
    return (get(name) for name in names())


def parse(text: str) -> tuple[Operator, dict[str, Value]]:
    """`spconv:alpha=1/4,groups_k=2` -> the operator and the options given.

    A piece without `=` belongs to the value before it, so that lists can be written `dims=4,6`.
    """
    name, _, settings = text.partition(":")
    operator = get(name.strip())
    return operator, read_settings(operator, settings.split(",") if settings.strip() else [])


def read_settings(operator: Operator, settings: list[str]) -> dict[str, Value]:
    """Checked options from `name=value` texts. Raises FlopcalcError for anything else."""
    joined: list[str] = []
    for piece in settings:
        if "=" not in piece and joined:
            joined[-1] += f",{piece}"
        else:
            joined.append(piece)
    given: dict[str, str] = {}
    for setting in joined:
        name, equals, value = setting.partition("=")
        name = name.strip()
        if not equals or not name:
            raise FlopcalcError(
                "bad-option", f"{setting.strip()!r} is not of the form name=value", "write for example norm=true"
            )
        if name in given:
            raise FlopcalcError("bad-option", f"option {name} is given twice", "give each option once")
        given[name] = value
    resolved = operator.resolve(given)
    return {name: resolved[name] for name in given}

"""Closed forms for the lock file: of operators, by SymPy, and of the networks of the file of targets."""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from flopcalc.budget.config import Config
from flopcalc.budget.lock import Formula
from flopcalc.budget.network_formulas import PREFIX, PresentForm, network_formulas
from flopcalc.budget.network_formulas import difference as network_difference
from flopcalc.catalog import lookup


def formulas(config: Config) -> Iterator[Any]:
    """The closed forms that a file asks for, each with its `formula`: operators first, then networks."""
    if names := operator_names(config):
        yield from import_module("flopcalc.budget.operator_formulas").operator_formulas(config, names)
    yield from network_formulas(config)


def operator_names(config: Config) -> tuple[str, ...]:
    """The operators whose forms are locked."""
    if config.formulas.which == "all":
        return tuple(lookup.names())
    networks = {one.name for one in config.targets if one.target.kind == "network"}
    return tuple(name for name in config.formulas.names if name not in networks)


def compare(before: Iterable[Formula], now: Iterable[Any], update: str) -> Iterator[dict[str, Any]]:
    """One row for each locked or present closed form. difference: now - locked as an expression, None without both.

    update: the command that writes the lock file again, for the hint of an error.
    """
    old = {(one.operator, one.kind): one for one in before}
    new = {(one.formula.operator, one.formula.kind): one for one in now}
    for key in dict.fromkeys((*old, *new)):
        was, one = old.get(key), new.get(key)
        difference = _difference(was, one, update) if was and one else None
        yield {
            "operator": key[0].removeprefix(PREFIX),
            "of": "network" if key[0].startswith(PREFIX) else "operator",
            "kind": key[1],
            "locked": was.text if was else None,
            "now": one.formula.text if one else None,
            "difference": difference,
            "terms": _changed_terms(was.terms, one.formula.terms) if was and one else [],
            "ok": difference == "0",
        }


def _difference(was: Formula, now: Any, update: str) -> str:
    if isinstance(now, PresentForm):
        return network_difference(was, now, update)
    found: str = import_module("flopcalc.budget.operator_formulas").difference(was, now, update)
    return found


def _changed_terms(was: Mapping[str, str], now: Mapping[str, str]) -> list[dict[str, str | None]]:
    """The definitions of symbols that differ."""
    names = [name for name in dict.fromkeys((*was, *now)) if was.get(name) != now.get(name)]
    return [{"name": name, "locked": was.get(name), "now": now.get(name)} for name in names]

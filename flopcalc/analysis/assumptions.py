"""Closed forms under assumptions on their symbols, such as H = 32 h."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from flopcalc.analysis.multiples import in_multiples
from flopcalc.analysis.network_form import NetworkForm, at_reference, changed, moved
from flopcalc.analysis.variables import Variable
from flopcalc.errors import FlopcalcError, clip
from flopcalc.symbolic.conditions import requirements
from flopcalc.symbolic.scope import Condition, Scope
from flopcalc.symbolic.size import Size, is_whole
from flopcalc.text.compiled import names_in
from flopcalc.text.expression import evaluate as evaluate_text

_HOW = "write for example --assume 'H = 32 h, W = 32 w'"
# A number next to a name or a bracket is a product, as on paper.
_PRODUCT = re.compile(r"(?<![A-Za-z0-9_.])(\d+(?:\.\d+)?)\s*(?=[A-Za-z_(])")
_LARGEST_HINT = 4096


def read_assumptions(texts: Sequence[str]) -> dict[str, str]:
    """The expression of each symbol in texts such as `H = 32 h, W = 32 w`. Raises FlopcalcError (bad-usage)."""
    found: dict[str, str] = {}
    for one in (piece.strip() for each in texts for piece in each.split(",")):
        name, equals, meaning = (piece.strip() for piece in one.partition("="))
        if not equals or not name.isidentifier() or not meaning or name in found:
            why = "gives a symbol twice" if name in found else "is not of the form SYMBOL = expression"
            raise FlopcalcError("bad-usage", f"--assume {clip(one)} {why}", _HOW)
        found[name] = _PRODUCT.sub(r"\1*", meaning)
    return found


def assumed(form: NetworkForm, texts: Sequence[str]) -> NetworkForm:
    """The form with expressions in the place of symbols. Raises FlopcalcError where they contradict its conditions."""
    given = read_assumptions(texts)
    symbols = {one.symbol: one for one in form.variables}
    for name in given:
        if name not in symbols:
            why = f"--assume {clip(name)}: the formula has no symbol {clip(name)}"
            raise FlopcalcError("bad-usage", why, f"its symbols are {', '.join(symbols)}")
    kept = [one for one in form.variables if one.symbol not in given]
    new = _new_variables(form, given, kept)
    variables = (*kept, *new)
    scope = Scope({one.symbol: one.hint for one in variables}, {one.symbol: one.least for one in variables})
    here = {one.symbol: scope.symbol(one.symbol) for one in variables}
    point: dict[str, Any] = {one.symbol: here[one.symbol] for one in kept}
    point |= {name: _value(name, meaning, here) for name, meaning in given.items()}
    _check(form, point)
    for one in form.variables:
        _require_least(scope, one, point[one.symbol])
    found = moved(form, scope, variables, point)
    needed, fixed = requirements(scope)
    there = changed(
        found,
        requirements=tuple(needed),
        # Axes that were numbers from the start still are.
        fixed=(*(one for one in form.fixed if one.size not in symbols), *fixed),
        reference={one.symbol: one.usual for one in variables},
    )
    return at_reference(in_multiples(there))


def _require_least(scope: Scope, one: Variable, value: Any) -> None:
    """Note where an assumed value is one that its symbol can have. Raises FlopcalcError where it never is."""
    if not isinstance(value, Size):
        return
    above = value - one.least
    if scope.bounds(above)[1] < 0:
        raise FlopcalcError(
            "bad-usage", f"--assume: {one.symbol} is {value}, which is always less than {one.least}", _HOW
        )
    scope.require(Condition(above, ">=", "--assume"), above)


def _value(name: str, meaning: str, here: Mapping[str, Any]) -> Any:
    try:
        return evaluate_text(meaning, here)
    except FlopcalcError as error:
        raise FlopcalcError("bad-usage", f"--assume {name}: {error.message}", _HOW) from None


def _check(form: NetworkForm, point: Mapping[str, Any]) -> None:
    """Raise FlopcalcError (bad-usage) for values that the symbols cannot have."""
    for one in form.variables:
        value = point[one.symbol]
        whole = isinstance(one.hint, int)
        if isinstance(value, bool) or not isinstance(value, int | Fraction | Size):
            raise FlopcalcError("bad-usage", f"--assume: {one.symbol} is {clip(value)}, not a number", _HOW)
        if isinstance(value, Size) and whole and not is_whole(value):
            why = f"--assume: {one.symbol} is {value}, which is not whole for all values of its symbols"
            raise FlopcalcError("bad-usage", why, _HOW)
        number = value if not isinstance(value, Size) else None
        if number is not None and (number < one.least or (whole and number != int(number))):
            least = f", {one.least} or more" if whole else " larger than 0"
            wanted = f"a whole number{least}" if whole else f"a number{least}"
            raise FlopcalcError("bad-usage", f"--assume: {one.symbol} is {number}; it must be {wanted}", _HOW)


def _new_variables(form: NetworkForm, given: Mapping[str, str], kept: Sequence[Variable]) -> list[Variable]:
    """The symbols that the expressions bring, with the values that come nearest to the reference point."""
    known = {one.symbol: one for one in form.variables}
    found: dict[str, Variable] = {}
    for name, meaning in given.items():
        try:
            inside = sorted(names_in(meaning))
        except FlopcalcError as error:
            raise FlopcalcError("bad-usage", f"--assume {name}: {error.message}", _HOW) from None
        for symbol in inside:
            if symbol in given and symbol != name:
                raise FlopcalcError("bad-usage", f"--assume {name} is written in {symbol}, which is assumed too", _HOW)
            if symbol in found or any(one.symbol == symbol for one in kept):
                continue
            near, usual = (_nearest(meaning, symbol, value) for value in (known[name].hint, known[name].usual))
            described = f"{name} = {meaning.replace('*', ' ')}"
            found[symbol] = Variable(symbol, described, known[name].kind, near, usual=usual)
    return list(found.values())


def _nearest(meaning: str, symbol: str, wanted: int | Fraction) -> int:
    """The whole number for which an expression of one symbol is nearest to a value; 1 where it has more symbols."""
    best, nearest = 1, None
    for number in range(1, _LARGEST_HINT):
        try:
            distance = abs(evaluate_text(meaning, {symbol: number}) - wanted)
        except (FlopcalcError, TypeError):
            return best
        if nearest is not None and distance > nearest:
            break
        best, nearest = number, distance
    return best

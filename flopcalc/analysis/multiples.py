"""Forms whose sizes are multiples: where a network asks for `H % 32 == 0`, ceil(H/32) is H/32.

A form is written in the multiples, H = 32 h, where the rounding goes away by itself, and so does each condition that
follows; then h is written as H/32.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from flopcalc.analysis.network_form import NetworkForm, changed, moved
from flopcalc.symbolic.conditions import Divisor, divisors, requirements
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Condition, Scope
from flopcalc.symbolic.writing import floor_of


def in_multiples(form: NetworkForm) -> NetworkForm:
    """The same form, simplified by the divisors of sizes that its conditions ask for."""
    known: dict[str, Divisor] = {}
    while (found := divisors(form.scope)) != known:
        # Divisors may show others: 7*floor(H/28) == floor(H/4) is H % 28 == 0 once H % 4 == 0 is known.
        form, known = _divided(form, found), found
    return form


def _divided(form: NetworkForm, found: Mapping[str, Divisor]) -> NetworkForm:
    by = {one.symbol: found[one.symbol].divisor if one.symbol in found else 1 for one in form.variables}
    multiples = Scope(
        {one.symbol: one.hint // by[one.symbol] if one.symbol in found else one.hint for one in form.variables},
        {
            one.symbol: math.ceil(Fraction(one.least) / by[one.symbol]) if one.symbol in found else one.least
            for one in form.variables
        },
    )
    whole = {name: multiples.symbol(name) * divisor for name, divisor in by.items()}
    apart = moved(form, multiples, form.variables, whole)

    scope = Scope({one.symbol: one.hint for one in form.variables}, {one.symbol: one.least for one in form.variables})
    for name, (divisor, where) in found.items():
        size = scope.symbol(name)
        scope.conditions.append(Condition(size - size // divisor * divisor, "==", where))
    point = {name: scope.symbol(name) * Fraction(1, divisor) for name, divisor in by.items()}
    back = moved(apart, scope, form.variables, point, _ceilings(multiples, point))
    needed, fixed = requirements(scope)
    sizes = {one.size for one in form.fixed}
    return changed(
        back, requirements=tuple(needed), fixed=(*form.fixed, *(one for one in fixed if one.size not in sizes))
    )


def _ceilings(scope: Scope, point: Mapping[str, Any]) -> dict[int, Any]:
    """The values of atoms that are ceilings: floor((h + 2)/3) is ceil(H/24), and not floor((H + 16)/24)."""
    known: dict[int, Any] = {}
    for index, atom in enumerate(scope.atoms):
        if atom.kind == "floor" and (one := floor_of(atom)).name == "ceil":
            known[index] = -(-evaluate(one.inner, point, known) // one.bottom)
    return known

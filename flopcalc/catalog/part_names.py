"""Names of parts that an operator's record mentions, compared with the parts that its formula yields.

A formula leaves parts out at some options, so the names are those of all cases together.
"""

import re
from collections.abc import Iterator
from typing import Any

from flopcalc.catalog.cases import cases
from flopcalc.spec.operator import Operator

_INPUT = re.compile(r"nothing|input[0-9]+")


def problems(operator: Operator) -> Iterator[str]:
    """One sentence for each name of a part in `after`, `gives` or `surviving` that no case has."""
    found = [part for evaluation in cases(operator) for part in evaluation.cost]
    names = {part.name for part in found}
    known = f"its parts are {', '.join(sorted(names))}"
    afters: dict[tuple[str, str], Any] = {(part.name, repr(part.after)): part.after for part in found}
    for (name, _), after in afters.items():
        if after is not None and not isinstance(after, tuple):
            yield f"`after` of part {name} is {after!r}, not a tuple of names such as ('left', 'right')"
            continue
        for other in after or ():
            if other not in names and not _INPUT.fullmatch(other):
                yield f"`after` of part {name} names {other!r}; {known}"
    for equation in operator.equations:
        _, of, name = equation.gives.partition(" of ")
        # It also sums the sub-parts: `routing.fc` is of `routing`.
        if of and name not in {one.split(".")[0] for one in names}:
            yield f"equation {equation.number} gives {equation.gives!r}; {known}"
    for limit in operator.limits:
        for name in limit.surviving:
            if name not in names:
                yield f"`surviving` of the limit at {dict(limit.named)} names {name!r}; {known}"

"""Printed equations on random shapes and options: each agrees with the formula wherever it says that it holds."""

from collections.abc import Iterator

import drawn
import pytest
from helpers import for_author

from flopcalc import FlopcalcError
from flopcalc.catalog import lookup
from flopcalc.spec.equations import readings
from flopcalc.spec.operator import Evaluation, Operator


def _drawn(operator: Operator) -> Iterator[Evaluation]:
    for point in drawn.points(operator):
        try:
            yield drawn.evaluated(operator, point)
        except FlopcalcError:
            continue


@pytest.mark.parametrize("operator", [one for one in lookup.every() if one.equations], ids=lambda one: one.name)
def test_an_equation_holds_in_its_domain(operator: Operator) -> None:
    """Or differs as its status says; elsewhere it gives a reason, and no value."""
    for e in _drawn(operator):
        for reading in readings(e):
            assert reading.reason or reading.consistent, for_author(
                e.label(),
                f"on {e.geometry} `{reading.equation.label}` gives {reading.printed}, corrected {reading.right}, and "
                f"the formula {reading.value}; narrow its `domain`, or correct its status",
            )

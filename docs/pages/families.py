"""The operators by family."""

from collections.abc import Iterator

from flopcalc.catalog import lookup
from flopcalc.spec.operator import Operator


def family_index() -> Iterator[tuple[str, list[Operator]]]:
    """The operators by family, families and operators sorted."""
    found: dict[str, list[Operator]] = {}
    for operator in lookup.every():
        found.setdefault(operator.family, []).append(operator)
    return iter(sorted(found.items()))

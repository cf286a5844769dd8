"""Whole pages, made from a name: for worker processes."""

from flopcalc.catalog import lookup
from pages import operator_page as pages_of_operators
from pages import plots


def operator_page(name: str) -> str:
    """The page of an operator in Markdown, with its plot."""
    operator = lookup.get(name)
    return pages_of_operators.page(operator, plots.of_operator(operator))

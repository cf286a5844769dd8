"""Equations on the site have the values of those on record: read from the page, as a reader would, at several sizes."""

import random
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from helpers import script

from flopcalc.catalog import lookup
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Operator
from flopcalc.text.expression import evaluate

NAMES = lookup.names()


@pytest.fixture(scope="module")
def reader() -> Any:
    """tests/documentation/mathml_values.py."""
    return script(Path(__file__).parent / "mathml_values.py")


def _maths(html: str) -> list[ElementTree.Element]:
    found = re.findall(r"<math.*?</math>", html)
    return [ElementTree.fromstring(text) for text in found]  # noqa: S314 - our own page


def _row(html: str, anchor: str) -> str:
    (found,) = re.findall(rf'<tr id="{anchor}">(.*?)</tr>', html, flags=re.DOTALL)
    return str(found)


def _values(names: set[str], seed: str) -> Iterator[dict[str, Fraction]]:
    """Values that are different from each other, and not too large for powers and sums."""
    chosen = random.Random(seed)  # noqa: S311
    for _ in range(4):
        yield {name: Fraction(chosen.choice((2, 3, 5, 7, 11)) + 6 * place) for place, name in enumerate(sorted(names))}


def _compare(reader: Any, math: ElementTree.Element, text: str, seed: str) -> None:
    names, compared = reader.names(math), 0
    for values in _values(names, seed):
        ints = {name: int(number) for name, number in values.items()}
        try:
            expected = evaluate(text, ints)
        except FlopcalcError:
            # Such as a factor that is no whole number.
            continue
        compared += 1
        assert float(reader.value(math, values)) == pytest.approx(float(expected), rel=1e-12), (text, values)
    assert compared, text


@pytest.mark.parametrize("name", NAMES)
def test_printed(name: str, site: Path, reader: Any) -> None:
    """As printed, and corrected, exact or in the other reading."""
    operator = lookup.get(name)
    html = (site / "operators" / f"{name}.html").read_text(encoding="utf-8")
    for number, equation in enumerate(operator.equations, 1):
        (math,) = _maths(_row(html, f"equation-{number}"))
        _compare(reader, math, equation.text, name)
        if equation.right:
            (math,) = _maths(_row(html, f"equation-{number}-right"))
            _compare(reader, math, equation.right, name)
    assert html.count('<td class="printed">') == len(operator.equations)


def _symbols(expression: Any, values: dict[str, Fraction]) -> Any:
    return expression.subs({symbol: int(values[symbol.name]) for symbol in expression.free_symbols})


def _form(operator: Operator) -> Any:
    from flopcalc.algebra.closed_form import closed_form

    return closed_form(operator, {})


@pytest.mark.parametrize("name", NAMES)
def test_exact(name: str, site: Path, reader: Any) -> None:
    """The exact cost of each kind that the page has, and the definitions, against SymPy's own values."""
    from flopcalc.algebra.closed_form import kinds_present

    form = _form(lookup.get(name))
    html = (site / "operators" / f"{name}.html").read_text(encoding="utf-8")
    for kind in ("params", "macs", *kinds_present(form.evaluation.cost)):
        (math,) = _maths(_row(html, f"exact-{kind}"))
        expression = form.cost(kind)
        assert reader.names(math) == {symbol.name for symbol in expression.free_symbols}, kind
        for values in _values(reader.names(math), name):
            expected = float(_symbols(expression, values))
            assert float(reader.value(math, values)) == pytest.approx(expected, rel=1e-12), (kind, values)

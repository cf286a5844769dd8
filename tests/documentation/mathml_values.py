"""Reads MathML as a reader does, and gives its value: the witness that a typeset equation is the one on record.

It knows nothing of LaTeX or of the records: rows of numbers, letters, fractions, powers, subscripts, roots of words,
brackets, rounding, sums, and products that are written without a sign.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any
from xml.etree.ElementTree import Element

_SPACES = " \u2009\u200a\u2003\u2062\u2061"
_PRIME, _PRIMES, _MINUS, _TIMES = "\N{PRIME}", "\N{DOUBLE PRIME}", "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
_GREEK = {"\N{GREEK SMALL LETTER ALPHA}": "alpha"}
_ROUNDING: dict[str, tuple[str, Callable[[Any], int]]] = {"⌈": ("⌉", math.ceil), "⌊": ("⌋", math.floor)}
_FUNCTIONS = {"max", "min", "log"}


def value(math_element: Element, named: Mapping[str, Any]) -> Any:
    """The value of a `math` element for values of its names, such as c_in or alpha."""
    return _Reader(_items(math_element), named).whole()


def names(math_element: Element) -> set[str]:
    """The names in it, without those of functions."""
    found: set[str] = set()
    for item in _items(math_element):
        _collect(item, found)
    return found - _FUNCTIONS


def _collect(item: Element, found: set[str]) -> None:
    tag = _tag(item)
    if _is_primed(item):
        found.add(_name(item))
        return
    if tag in ("msub", "msubsup") and _text(item[0]) not in ("∑", "log"):
        found.add(_name(item))
        for child in item[2:]:
            _collect(child, found)
        return
    if tag in ("mi", "mtext") and _text(item):
        found.add(_letter(item))
    for child in item:
        _collect(child, found)


def _tag(item: Element) -> str:
    return item.tag.rpartition("}")[2]


def _is_primed(item: Element) -> bool:
    """h with primes, which records name hp or hpp."""
    return _tag(item) == "msup" and set(_text(item[1])) <= {_PRIME, _PRIMES}


def _text(item: Element) -> str:
    return "".join(item.itertext()).strip(_SPACES + "\n\xa0")


def _letter(item: Element) -> str:
    text = _text(item)
    return _GREEK.get(text, text)


def _name(item: Element) -> str:
    """c_in of a letter with a subscript; hp of a letter with a prime."""
    if _is_primed(item):
        return _letter(item[0]) + "p" * len(_text(item[1]).replace(_PRIMES, 2 * _PRIME))
    return f"{_letter(item[0])}_{_text(item[1])}"


def _items(element: Element) -> list[Element]:
    """The pieces of a row, without rows inside of rows and without spaces."""
    found: list[Element] = []
    for child in element:
        if _tag(child) in ("mrow", "mstyle"):
            found += _items(child)
        elif _tag(child) != "mspace" and (len(child) or _text(child)):
            found.append(child)
    return found


class _Reader:
    """A row, from left to right."""

    def __init__(self, items: list[Element], named: Mapping[str, Any]) -> None:
        self.items, self.named, self.at = items, named, 0

    def whole(self) -> Any:
        found = self.sum()
        assert self.at == len(self.items), f"left over: {[_text(item) for item in self.items[self.at :]]}"
        return found

    def sign(self) -> str:
        """The operator or bracket here; nothing where there is none."""
        if self.at < len(self.items) and _tag(self.items[self.at]) == "mo":
            return _text(self.items[self.at]).replace(_MINUS, "-")
        return ""

    def take(self, sign: str) -> None:
        assert self.sign() == sign, f"{sign} is missing before {[_text(item) for item in self.items[self.at :]]}"
        self.at += 1

    def sum(self) -> Any:
        found = self.product()
        while self.sign() in ("+", "-"):
            plus = self.sign() == "+"
            self.at += 1
            right = self.product()
            found = found + right if plus else found - right
        return found

    def product(self) -> Any:
        if self.sign() == "-":
            self.at += 1
            return -self.product()
        found = self.power()
        while True:
            if self.sign() in ("⋅", "·", _TIMES, "*"):
                self.at += 1
            elif self.at == len(self.items) or self.sign() in ("+", "-", ",", ")", "⌉", "⌋", "]", "}"):
                return found
            found *= self.power()

    def inside(self, close: str) -> Any:
        self.at += 1
        found = self.sum()
        # A closing bracket may have an exponent.
        item = self.items[self.at]
        if _tag(item) == "msup" and _text(item[0]) == close:
            self.at += 1
            return found ** self.of(item[1])
        self.take(close)
        return found

    def power(self) -> Any:
        sign = self.sign()
        if sign == "(":
            return self.inside(")")
        if sign in _ROUNDING:
            close, rounded = _ROUNDING[sign]
            return rounded(self.inside(close))
        if sign in ("max", "min", "log"):
            return self.function(sign)
        item = self.items[self.at]
        self.at += 1
        return self.single(item)

    def of(self, element: Element) -> Any:
        """The value of a row of its own, such as a numerator."""
        inner = _items(element) if _tag(element) in ("mrow", "mstyle") else [element]
        return _Reader(inner, self.named).whole()

    def single(self, item: Element) -> Any:
        tag, text = _tag(item), _text(item)
        if tag == "mn":
            return Fraction(text.replace(",", ""))
        if tag == "mfrac":
            return Fraction(1) * self.of(item[0]) / self.of(item[1])
        if _is_primed(item):
            return self.named[_name(item)]
        if tag == "msup":
            return self.of(item[0]) ** self.of(item[1])
        if text in _FUNCTIONS:
            return self.function_after(text, None)
        if tag in ("msub", "msubsup", "munderover", "munder"):
            if _text(item[0]) == "∑":
                return self.summed(item)
            if _text(item[0]) == "log":
                return self.function_after("log", self.of(item[1]))
            found = self.named[_name(item)]
            return found ** self.of(item[2]) if tag == "msubsup" else found
        assert tag in ("mi", "mtext"), f"{tag}: {text}"
        return self.named[_letter(item)]

    def function(self, name: str) -> Any:
        self.at += 1
        return self.function_after(name, None)

    def function_after(self, name: str, base: Any) -> Any:
        self.take("(")
        given = [self.sum()]
        while self.sign() == ",":
            self.at += 1
            given.append(self.sum())
        self.take(")")
        if name == "log":
            return math.log2(given[0]) if base == 2 else math.log(given[0])
        return max(given) if name == "max" else min(given)

    def summed(self, item: Element) -> Any:
        """A sum over an index, of the product that follows."""
        index, equals, *low = _items(item[1])
        assert _text(equals) == "="
        first = _Reader(low, self.named).whole()
        last = self.of(item[2])
        start, total = self.at, Fraction(0)
        outer = self.named
        for at in range(int(first), int(last) + 1):
            self.at, self.named = start, {**outer, _letter(index): Fraction(at)}
            total += self.product()
        self.named = outer
        if first > last:
            self.at, self.named = start, {**outer, _letter(index): first}
            self.product()
            self.named = outer
        return total

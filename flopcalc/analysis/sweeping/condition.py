"""Conditions on combinations, such as `macs < 1e9 and ratio(params) <= 1/2`, as operations on whole arrays.

The expressions are those of `flopcalc.text.expression`. They stay exact: a value is a quotient of two integers, and a
comparison multiplies crosswise. A quantity that a combination does not have (an option that a rule decides, the option
of another operator, a ratio to nothing) meets no comparison.
"""

import ast
import re
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from flopcalc.analysis.sweeping import node as nodes
from flopcalc.analysis.sweeping.node import Book, Node, both, either, negation, select
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.text.expression import constant_of, parse

_UNITS = {"k": 3, "K": 3, "M": 6, "G": 9, "B": 9, "T": 12}
_WITH_UNIT = re.compile(r"(?<![\w.])([0-9]{1,1000}(?:\.[0-9]{1,1000})?)\s?([kKMGBT])(?![\w.])")
_RATIO = re.compile(r"\bratio\s*\(\s*(\w+)\s*\)")
_EXAMPLE = "write for example 'macs < 1e9' or 'ratio(params) <= 1/2 and k == 3'"


def ratio_name(kind: str) -> str:
    """The column of a ratio: `ratio(macs)`."""
    return f"ratio({kind})"


def _readable(text: str) -> str:
    """Ratios as plain names, and 300M as 300000000."""
    plain = _RATIO.sub(lambda match: f"ratio__{match[1]}", text)
    return _WITH_UNIT.sub(lambda match: f"({Fraction(match[1]) * 10 ** _UNITS[match[2]]})", plain)


def _column(name: str) -> str:
    kind = name.removeprefix("ratio__")
    return ratio_name(kind) if kind != name else name


class Exact(NamedTuple):
    """A number: top / bottom, where bottom is positive. exists: a flag, false where there is none."""

    top: Any
    bottom: Any
    exists: Any = True


class _Text(NamedTuple):
    text: str


class _Flag(NamedTuple):
    flag: Any


class _Nothing(NamedTuple):
    """A quantity that no combination here has."""


def names_in(text: str) -> set[str]:
    """The columns that a condition reads. Raises FlopcalcError (bad-where) if it cannot be read."""
    try:
        tree = parse(_readable(text))
    except FlopcalcError as error:
        raise FlopcalcError("bad-where", f"--where {clip(text)}: {error.message}", _EXAMPLE) from None
    functions = {id(one.func) for one in ast.walk(tree) if isinstance(one, ast.Call)}
    found = {one.id for one in ast.walk(tree) if isinstance(one, ast.Name) and id(one) not in functions}
    return {_column(name) for name in found}


def check(text: str, known: Collection[str]) -> None:
    """Raise FlopcalcError (bad-where, unknown-name) for an unknown name, and for text that is not a condition."""
    for name in sorted(names_in(text)):
        kind = name.removeprefix("ratio(").removesuffix(")")
        if name.startswith("ratio(") and kind not in KINDS:
            raise unknown_name("kind", kind, KINDS, f"ratio(KIND) takes one of: {', '.join(KINDS)}")
        if name not in known and not name.startswith("ratio("):
            listed = f"--where knows: {', '.join(known)}, ratio(KIND)"
            near = unknown_name("name", name, known, listed)
            raise FlopcalcError(near.code, f"--where {clip(text)}: {near.message}", near.hint)


def recorded(text: str, names: Mapping[str, Any], book: Book) -> Any:
    """A condition as a flag node, or a bool where it is the same for all combinations.

    names: for each column a node, an int, a Fraction, a text, a truth value, None, or an `Exact`. Raises FlopcalcError
    (bad-where).
    """
    try:
        found = _Reader(text, names, book).read(parse(_readable(text)))
    except ZeroDivisionError:
        raise _bad(text, "division by zero") from None
    if not isinstance(found, _Flag):
        raise _bad(text, "it is a number or a text, not a condition", "compare it with a value: macs < 1e9")
    return found.flag


def _bad(text: str, why: str, hint: str = _EXAMPLE) -> FlopcalcError:
    return FlopcalcError("bad-where", f"--where {clip(text)}: {why}", hint)


class _Reader:
    """One walk over a condition."""

    def __init__(self, text: str, names: Mapping[str, Any], book: Book) -> None:
        self.text = text
        self.names = names
        self.book = book

    def read(self, tree: ast.expr) -> Any:
        match tree:
            case ast.Constant():
                return self.value(constant_of(tree))
            case ast.Name(id=name):
                return self.value(self.names.get(_column(name)))
            case ast.BinOp(left=left, op=op, right=right):
                return self.arithmetic(op, self.read(left), self.read(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.arithmetic(ast.Sub(), Exact(0, 1), self.read(operand))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _Flag(negation(self.flag(self.read(operand))))
            case ast.BoolOp(op=op, values=values):
                flags = [self.flag(self.read(value)) for value in values]
                found = flags[0]
                for flag in flags[1:]:
                    found = both(found, flag) if isinstance(op, ast.And) else either(found, flag)
                return _Flag(found)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                found, a = True, self.read(left)
                for comparison, comparator in zip(ops, comparators, strict=True):
                    b = self.read(comparator)
                    found = both(found, self.compared(comparison, a, b))
                    a = b
                return _Flag(found)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.chosen(self.flag(self.read(test)), self.read(body), self.read(orelse))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                return _FUNCTIONS[name](self, [self.read(arg) for arg in args])
        known = ", ".join(_FUNCTIONS)
        raise _bad(self.text, f"{ast.unparse(tree)[:40]} cannot be used in a sweep", f"functions: {known}, ratio(KIND)")

    def value(self, value: Any) -> Any:
        if value is None:
            return _Nothing()
        if isinstance(value, bool):
            return _Flag(value)
        if isinstance(value, str):
            return _Text(value)
        if isinstance(value, Exact):
            return value
        if isinstance(value, tuple):
            # A list, as an option shows it.
            return _Text(",".join(map(str, value)))
        if isinstance(value, Node):
            return _Flag(value) if value.flag else Exact(value, 1)
        return Exact(value.numerator, value.denominator)

    def flag(self, value: Any) -> Any:
        if isinstance(value, _Nothing):
            return False
        if not isinstance(value, _Flag):
            raise _bad(self.text, "a number or a text is used as a condition", "compare it: k == 3 or k == 5")
        return value.flag

    def number(self, value: Any) -> Exact:
        if isinstance(value, _Nothing):
            return Exact(0, 1, False)
        if not isinstance(value, Exact):
            raise _bad(self.text, "arithmetic on a text or on a condition", "use numbers, and + - * / // %")
        return value

    def arithmetic(self, op: ast.operator, left: Any, right: Any) -> Exact:
        a, b = self.number(left), self.number(right)
        exists = both(a.exists, b.exists)
        match op:
            case ast.Add() | ast.Sub():
                sign = 1 if isinstance(op, ast.Add) else -1
                if a.bottom is b.bottom or (type(a.bottom) is int and a.bottom == b.bottom):
                    return Exact(a.top + sign * b.top, a.bottom, exists)
                return Exact(a.top * b.bottom + sign * b.top * a.bottom, a.bottom * b.bottom, exists)
            case ast.Mult():
                return Exact(a.top * b.top, a.bottom * b.bottom, exists)
            case ast.Div():
                return self.quotient(a, b, exists)
            case ast.FloorDiv():
                found = self.quotient(a, b, exists)
                return Exact(found.top // found.bottom, 1, found.exists)
            case ast.Mod():
                found = self.quotient(a, b, exists)
                return self.arithmetic(
                    ast.Sub(), a, self.arithmetic(ast.Mult(), b, Exact(found.top // found.bottom, 1))
                )
            case ast.Pow() if type(b.top) is int and b.bottom == 1 and 0 <= b.top <= 64:
                return Exact(a.top**b.top, a.bottom**b.top, exists)
        raise _bad(self.text, "this operation cannot be used in a sweep", "use + - * / // %, and whole powers up to 64")

    def quotient(self, a: Exact, b: Exact, exists: Any) -> Exact:
        zero = nodes.equal(b.top, 0, self.book)
        if zero is True:
            raise ZeroDivisionError
        top, bottom = a.top * b.bottom, a.bottom * b.top
        # The bottom stays positive.
        negative = _less(bottom, 0, self.book)
        top, bottom = select(negative, -top, top), select(negative, -bottom, bottom)
        return Exact(top, select(zero, 1, bottom) if zero is not False else bottom, both(exists, negation(zero)))

    def compared(self, op: ast.cmpop, a: Any, b: Any) -> Any:
        if isinstance(a, _Nothing) or isinstance(b, _Nothing):
            return False
        is_equal = isinstance(op, ast.Eq | ast.NotEq)
        if isinstance(a, Exact) and isinstance(b, Exact):
            # Top and bottom of one side are multiplied by the bottom of the other.
            left, right = a.top * b.bottom, b.top * a.bottom
            found: Any
            match op:
                case ast.Eq() | ast.NotEq():
                    found = nodes.equal(left, right, self.book)
                case ast.Lt() | ast.GtE():
                    found = _less(left, right, self.book)
                case _:
                    found = _less(right, left, self.book)
            if isinstance(op, ast.NotEq | ast.GtE | ast.LtE):
                found = negation(found)
            return both(found, both(a.exists, b.exists))
        if not is_equal:
            raise _bad(self.text, "texts and conditions have no order", "compare numbers with numbers, texts with ==")
        if isinstance(a, _Flag) and isinstance(b, _Flag):
            found = either(both(a.flag, b.flag), both(negation(a.flag), negation(b.flag)))
        else:
            found = isinstance(a, _Text) and a == b
        return negation(found) if isinstance(op, ast.NotEq) else found

    def chosen(self, condition: Any, a: Any, b: Any) -> Any:
        if not isinstance(condition, Node):
            return a if condition else b
        if isinstance(a, _Flag) and isinstance(b, _Flag):
            return _Flag(either(both(condition, a.flag), both(negation(condition), b.flag)))
        x, y = self.number(a), self.number(b)
        exists = either(both(condition, x.exists), both(negation(condition), y.exists))
        return Exact(select(condition, x.top, y.top), select(condition, x.bottom, y.bottom), exists)

    def extreme(self, values: list[Any], smallest: bool) -> Exact:
        if not values:
            raise _bad(self.text, f"{'min' if smallest else 'max'} takes at least one value")
        found = self.number(values[0])
        for other in map(self.number, values[1:]):
            first = self.compared(ast.Lt(), found, other) if smallest else self.compared(ast.Gt(), found, other)
            found = self.chosen(first, found, other)._replace(exists=both(found.exists, other.exists))
        return found

    def rounded(self, values: list[Any], how: str) -> Exact:
        if len(values) != 1:
            raise _bad(self.text, f"{how} takes one value")
        top, bottom, exists = self.number(values[0])
        if how == "ceil":
            return Exact(-(-top // bottom), 1, exists)
        down = top // bottom
        if how == "round":
            # Halves to the even number, as Python rounds.
            twice = 2 * (top - down * bottom)
            more = either(_less(bottom, twice, self.book), both(nodes.equal(twice, bottom, self.book), _odd(down)))
            down = down + select(more, 1, 0)
        return Exact(down, 1, exists)


def _odd(value: Any) -> Any:
    return value % 2 == 1


def _less(a: Any, b: Any, book: Book) -> Any:
    return a < b


_FUNCTIONS: dict[str, Callable[[_Reader, list[Any]], Exact]] = {
    "min": lambda reader, values: reader.extreme(values, True),
    "max": lambda reader, values: reader.extreme(values, False),
    "ceil": lambda reader, values: reader.rounded(values, "ceil"),
    "floor": lambda reader, values: reader.rounded(values, "floor"),
    "round": lambda reader, values: reader.rounded(values, "round"),
}

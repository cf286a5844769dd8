"""A small, safe reader of arithmetic: the value of a text, or its LaTeX.

It reads printed equations in the paper's letters, and the expressions of files and options (`4 * width`,
`stride != 1 or c != 4 * width`). `ast` parses the text, and only the node types below are allowed, so nothing is
ever executed: no attributes, no subscripts, no calls except those of the named functions, no huge powers.

`^` is power, `/` is exact (a Fraction on ints), `sum(i, 1, d - 1, term)` is a sum over i, both ends
included, `true` and `false` are truth values. The same text evaluates on ints, Fractions, NumPy arrays and
SymPy symbols, as `names` holds them.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from math import isfinite
from typing import Any

from flopcalc.cost import arith
from flopcalc.errors import FlopcalcError, clip
from flopcalc.symbolic.size import Size
from flopcalc.text.syntax import depth, syntax_tree

MAX_LENGTH = 1000
# Of an expression of a user: readers walk its tree by recursion.
MAX_DEPTH = 200
MAX_BITS = 4096
MAX_TERMS = 4096
MAX_STEPS = 100_000

_ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


# As YAML writes them.
TRUTHS = {"true": True, "false": False}

_ALLOWED = {
    ast.Constant,
    ast.Name,
    ast.Load,
    ast.BinOp,
    ast.Pow,
    ast.Div,
    ast.UnaryOp,
    ast.USub,
    ast.Not,
    ast.Compare,
    ast.BoolOp,
    ast.And,
    ast.Or,
    ast.IfExp,
    ast.Call,
    *_ARITHMETIC,
    *COMPARISONS,
}


# The words for what users write by mistake; the others have no common word.
_WORDS = {
    "Set": "a name in braces, such as {classes},",
    "Dict": "an entry in braces",
    "List": "a list",
    "Tuple": "a comma",
    "Attribute": "a dot behind a name",
    "Subscript": "an index in brackets",
}


def _error(text: str, why: str) -> FlopcalcError:
    return FlopcalcError(
        "bad-expression",
        f"cannot read the expression {clip(text)}: {why}",
        "use numbers, the names in scope, + - * / // % ^, comparisons, and min, max, ceil, floor, round",
    )


def nodes(tree: ast.AST) -> list[ast.AST]:
    """A tree and all that is in it, as `ast.walk` gives them, in half the time."""
    found = [tree]
    for node in found:
        for field in node._fields:
            held = getattr(node, field, None)
            if isinstance(held, ast.AST):
                found.append(held)
            elif type(held) is list:
                found += [one for one in held if isinstance(one, ast.AST)]
    return found


@lru_cache(maxsize=1024)
def parse(text: str, longest: int = MAX_LENGTH) -> ast.expr:
    """The syntax tree of an expression. Raises FlopcalcError (bad-expression) if the text is not an expression."""
    if len(text) > longest:
        raise _error(text, f"longer than {longest} characters")
    try:
        tree = syntax_tree(text.strip().replace("^", "**"), "eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        single = re.search(r"[^=!<>]=[^=]", text)
        raise _error(text, "`=` is not a comparison; write ==" if single else "not an arithmetic expression") from None
    # Each level takes a character at least. Longer texts than a user's are closed forms of ours, with many terms.
    if MAX_DEPTH < len(text) <= MAX_LENGTH and depth(tree) > MAX_DEPTH:
        raise _error(text, "nested too deeply")
    # The whole tree, so that a branch that is not taken is checked too.
    truths = False
    for node in nodes(tree):
        if type(node) not in _ALLOWED:
            kind = type(node).__name__
            raise _error(text, f"{_WORDS.get(kind, kind)} is not allowed")
        truths = truths or (isinstance(node, ast.Name) and node.id in TRUTHS)
    found: ast.expr = _Truths().visit(tree) if truths else tree
    return found


class _Truths(ast.NodeTransformer):
    """Replaces the names `true` and `false` by constants."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The constant of a truth value, any other name as it is."""
        return ast.copy_location(ast.Constant(TRUTHS[node.id]), node) if node.id in TRUTHS else node


def evaluate(text: str, names: Mapping[str, Any], longest: int = MAX_LENGTH) -> Any:
    """The value of `text`, with the values of its names.

    Exact: ints and Fractions give ints and Fractions, except that log2 gives a float where the value is not
    rational. longest: the number of characters that it may have. Raises FlopcalcError (bad-expression) for anything
    that is not plain arithmetic.
    """
    try:
        return _Evaluator(text, names, [MAX_STEPS]).value(parse(text, longest))
    except ZeroDivisionError:
        raise _error(text, "division by zero") from None
    except RecursionError:
        raise _error(text, "nested too deeply") from None
    except (TypeError, OverflowError, ValueError) as error:
        raise _error(text, str(error)) from None


def exact(value: Any) -> Any:
    """A decimal as the fraction that was written, a whole fraction as an int; any other value unchanged."""
    if isinstance(value, float) and isfinite(value):
        value = _as_written(value)
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value


@lru_cache(maxsize=1024)
def _as_written(value: float) -> Fraction:
    """The decimal of the shortest text of a finite float; reading the text takes most of the time."""
    # `float`, since the text of a NumPy number has its type.
    return Fraction(repr(float(value)))


def constant_of(node: ast.Constant) -> Any:
    """The value of a constant; a decimal is the fraction that was written."""
    return _Evaluator("", {}, [1]).value(node)


def binary_of(op: ast.operator) -> Callable[[Any, Any], Any]:
    """What an operator of arithmetic does, with the limits of `evaluate`. The function raises FlopcalcError."""
    evaluator = _Evaluator("", {}, [0])
    return lambda left, right: evaluator.binary(op, left, right)


class _Evaluator:
    """One walk over a tree, with the text (for errors) and the names."""

    def __init__(self, text: str, names: Mapping[str, Any], budget: list[int]) -> None:
        self.text = text
        self.names = names
        # Remaining steps, in a list that nested sums share.
        self.budget = budget

    def value(self, node: ast.expr) -> Any:  # noqa: PLR0912 - one case for each kind of node
        self.budget[0] -= 1
        if self.budget[0] < 0:
            raise _error(self.text, "it takes too many steps")
        match node:
            case ast.Constant(value=bool() | int() | str()):
                return node.value
            case ast.Constant(value=float()):
                return self.decimal(node)
            case ast.Name(id=name):
                try:
                    return self.names[name]
                except KeyError:
                    raise _error(self.text, f"unknown name {name!r}") from None
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(op, self.value(left), self.value(right))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                return self.compare(left, ops, comparators)
            case ast.BoolOp(op=ast.And(), values=values):
                return all(self.value(value) for value in values)
            case ast.BoolOp(values=values):
                return any(self.value(value) for value in values)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.value(test) else orelse)
            case ast.Call(func=ast.Name(id="sum"), args=[ast.Name(id=index), low, high, term], keywords=[]):
                return self.sum(index, self.value(low), self.value(high), term)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
                return FUNCTIONS[name](*(self.value(arg) for arg in args))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            known = ", ".join((*FUNCTIONS, "sum"))
            raise _error(
                self.text, f"there is no function {node.func.id} of {len(node.args)} arguments; known: {known}"
            )
        raise _error(self.text, f"{type(node).__name__} is not allowed")

    def decimal(self, node: ast.Constant) -> Fraction:
        """A decimal as it is written: 0.29 is 29/100, not the nearest binary fraction."""
        try:
            return Fraction(repr(node.value))
        except ValueError:
            raise _error(self.text, "not a finite number") from None

    def binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(left, str) or isinstance(right, str):
            raise _error(self.text, "arithmetic on text")
        if isinstance(op, ast.Div):
            # Fraction(int) / int stays exact; arrays and symbols divide by their own rules.
            return self.bounded(Fraction(left) / right if isinstance(left, int) else left / right)
        if isinstance(op, ast.Pow):
            return self.power(left, right)
        if type(op) in _ARITHMETIC:
            return self.bounded(_ARITHMETIC[type(op)](left, right))
        raise _error(self.text, f"{type(op).__name__} is not allowed")

    def power(self, base: Any, exponent: Any) -> Any:
        if isinstance(base, int | Fraction) and isinstance(exponent, int | Fraction):
            bits = max(abs(base.numerator), base.denominator).bit_length()
            if abs(Fraction(exponent)) * bits > MAX_BITS:
                raise _error(self.text, "the power is too large")
        return self.bounded(base**exponent)

    def bounded(self, value: Any) -> Any:
        """The value, unless it is too large, or not a real number: a root of a negative number, an infinite float."""
        if isinstance(value, complex) or (isinstance(value, float) and not isfinite(value)):
            why = "the value is not a real number" if isinstance(value, complex) else "the number is too large"
            raise _error(self.text, why)
        if isinstance(value, int | Fraction) and max(abs(value.numerator), value.denominator).bit_length() > MAX_BITS:
            raise _error(self.text, "the number is too large")
        return value

    def compare(self, left: ast.expr, ops: list[ast.cmpop], comparators: list[ast.expr]) -> bool:
        value = self.value(left)
        for op, comparator in zip(ops, comparators, strict=True):
            if type(op) not in COMPARISONS:
                raise _error(self.text, f"{type(op).__name__} is not allowed")
            other = self.value(comparator)
            if not COMPARISONS[type(op)](value, other):
                return False
            value = other
        return True

    def sum(self, index: str, low: Any, high: Any, term: ast.expr) -> Any:
        if isinstance(high, int) and high - low > MAX_TERMS:
            raise _error(self.text, "the sum has too many terms")

        def at(i: Any) -> Any:
            return _Evaluator(self.text, {**self.names, index: i}, self.budget).value(term)

        return arith.summation(at, low, high)


def _ceil(value: Any) -> Any:
    return arith.ceil_div(value, 1)


def _matches(name: Any, pattern: Any) -> bool:
    if not isinstance(name, str) or not isinstance(pattern, str):
        raise TypeError("matches takes a name and a pattern, both as text")
    from fnmatch import fnmatchcase

    return fnmatchcase(name, pattern)


def _floor(value: Any) -> Any:
    return arith.floor_div(value, 1)


def _fold(name: str, pair: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def folded(*values: Any) -> Any:
        if not values:
            raise TypeError(f"{name} takes at least one value")
        first = values[0]
        for value in values[1:]:
            first = pair(first, value)
        return first

    return folded


def _round(value: Any) -> Any:
    """The nearest whole number, halves to the even one, as Python rounds."""
    return round(value)


def _divisible(value: Any, divisor: Any) -> Any:
    """The nearest multiple of `divisor`, halves upwards, at least one, and never below 0.9 of the value.

    Mobile networks scale their channels by this rule.
    """
    if type(divisor) is int and type(value) in (int, Fraction):
        # On whole numbers and fractions without making further fractions, which take most of the time.
        top, bottom = value.numerator, value.denominator
        found = max(divisor, (2 * top + divisor * bottom) // (2 * divisor * bottom) * divisor)
        return found + divisor if 10 * found * bottom < 9 * top else found
    if isinstance(value, Size):
        # A factor of its own in expressions, which writes it out where it must.
        return value.scope.of("divisible", (value, divisor))
    found = max(divisor, arith.floor_div(value + Fraction(divisor, 2), divisor) * divisor)
    return found + divisor if 10 * found < 9 * value else found


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ceil": _ceil,
    "divisible": _divisible,
    "floor": _floor,
    "log2": arith.log2,
    "matches": _matches,
    "max": _fold("max", arith.maximum),
    "min": _fold("min", arith.minimum),
    "round": _round,
}

_PRIMED = {letter + "p" * primes: letter + "'" * primes for letter in "hwHWcd" for primes in (1, 2)}
_LATEX_LETTERS = {"alpha": r"\alpha", **_PRIMED}
_PRECEDENCE = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Mod: 2}
# Functions that LaTeX has a command for.
_LATEX_FUNCTIONS = {"log2": r"\log_2", "max": r"\max", "min": r"\min"}


def to_latex(text: str) -> str:
    """LaTeX of an equation with its terms in the printed order, which SymPy would change."""
    return _latex(parse(text), 0)


def _latex(node: ast.expr, outer: int) -> str:
    match node:
        case ast.Constant(value=bool() | int() | float()):
            return str(node.value)
        case ast.Name(id=name):
            head, _, tail = name.partition("_")
            head = _LATEX_LETTERS.get(head, head)
            return f"{head}_{{{tail}}}" if tail else head
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"-{_latex(operand, 3)}"
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return rf"\frac{{{_latex(left, 0)}}}{{{_latex(right, 0)}}}"
        case ast.BinOp(left=left, op=ast.FloorDiv(), right=right):
            return rf"\left\lfloor \frac{{{_latex(left, 0)}}}{{{_latex(right, 0)}}} \right\rfloor"
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"{_latex(left, 4)}^{{{_latex(right, 0)}}}"
        case ast.BinOp(left=left, op=op, right=right):
            level = _PRECEDENCE[type(op)]
            between = {ast.Add: " + ", ast.Sub: " - ", ast.Mult: r" \, ", ast.Mod: r" \bmod "}[type(op)]
            if isinstance(op, ast.Mult) and isinstance(right, ast.Constant):
                between = r" \cdot "
            modulo = isinstance(right, ast.BinOp) and isinstance(right.op, ast.Mod)
            after = _latex(right, level + 1 if modulo or isinstance(op, ast.Sub | ast.Mod) else level)
            inner = f"{_latex(left, level)}{between}{after}"
            return rf"\left({inner}\right)" if level < outer else inner
        case ast.Call(func=ast.Name(id="sum"), args=[index, low, high, term]):
            limits = rf"\sum_{{{_latex(index, 0)}={_latex(low, 0)}}}^{{{_latex(high, 0)}}}"
            inner = f"{limits} {_latex(term, 2)}"
            return rf"\left({inner}\right)" if outer > 1 else inner
        case ast.Call(func=ast.Name(id="ceil"), args=[arg]):
            return rf"\left\lceil {_latex(arg, 0)} \right\rceil"
        case ast.Call(func=ast.Name(id="floor"), args=[arg]):
            return rf"\left\lfloor {_latex(arg, 0)} \right\rfloor"
        case ast.Call(func=ast.Name(id=name), args=args):
            shown = _LATEX_FUNCTIONS.get(name, rf"\operatorname{{{name}}}")
            return rf"{shown}\left({', '.join(_latex(arg, 0) for arg in args)}\right)"
    raise _error(ast.unparse(node), f"{type(node).__name__} has no LaTeX form")

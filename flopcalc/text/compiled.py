"""Expressions as Python functions, for texts that are evaluated again and again.

`flopcalc.text.expression` walks the syntax tree on each evaluation, with an error for everything that can be wrong.
Here a tree becomes nested functions once. They give the same values on whole numbers, fractions, truth values, text
and tuples, and raise some exception for everything else; the caller then asks `evaluate` for the value or the error.
No text is executed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from keyword import iskeyword
from typing import Any, TypeAlias

from flopcalc.text.expression import COMPARISONS, FUNCTIONS, MAX_BITS, TRUTHS, binary_of, constant_of, nodes, parse

Names: TypeAlias = Mapping[str, Any]
Function: TypeAlias = Callable[[Names], Any]

# Sizes of networks are far smaller; a larger result is left to `evaluate`, which knows the limit.
_FAR = 1 << (MAX_BITS // 4)
_PLAIN = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


@lru_cache(maxsize=4096)
def names_in(text: str) -> frozenset[str]:
    """The names that an expression can read. Raises FlopcalcError (bad-expression)."""
    return frozenset(node.id for node in nodes(parse(text)) if isinstance(node, ast.Name))


@lru_cache(maxsize=4096)
def is_name(text: str) -> bool:
    """Whether an expression is one name, and not a truth value."""
    return text.isidentifier() and text.isascii() and not iskeyword(text) and text not in TRUTHS


@lru_cache(maxsize=4096)
def compiled(text: str) -> Function:
    """The value of an expression as a function of its names.

    Raises FlopcalcError (bad-expression), and NotImplementedError for a sum, whose length is not known.
    """
    return _function(parse(text))


def _function(node: ast.expr) -> Function:
    match node:
        case ast.Constant():
            constant = constant_of(node)
            return lambda names: constant
        case ast.Name(id=name):
            return operator.itemgetter(name)
        case ast.BinOp(left=left, op=op, right=right):
            return _binary(op, _function(left), _function(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _function(operand)
            return lambda names: -inner(names)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _function(operand)
            return lambda names: not inner(names)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _compare(left, ops, comparators)
        case ast.BoolOp(op=op, values=values):
            functions = [_function(value) for value in values]
            if isinstance(op, ast.And):
                return lambda names: all(one(names) for one in functions)
            return lambda names: any(one(names) for one in functions)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            when, then, otherwise = _function(test), _function(body), _function(orelse)
            return lambda names: then(names) if when(names) else otherwise(names)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return _call(name, args)
    raise NotImplementedError(type(node).__name__)


def _binary(op: ast.operator, left: Function, right: Function) -> Function:
    plain, other = _PLAIN.get(type(op)), binary_of(op)

    def value(names: Names) -> Any:
        a, b = left(names), right(names)
        if plain is not None and type(a) is int and type(b) is int:
            found = plain(a, b)
            if -_FAR < found < _FAR:
                return found
        return other(a, b)

    return value


def _compare(left: ast.expr, ops: list[ast.cmpop], comparators: list[ast.expr]) -> Function:
    first = _function(left)
    if len(ops) == 1:
        holds, second = COMPARISONS[type(ops[0])], _function(comparators[0])
        return lambda names: bool(holds(first(names), second(names)))
    chain = [(COMPARISONS[type(op)], _function(one)) for op, one in zip(ops, comparators, strict=True)]

    def value(names: Names) -> bool:
        a = first(names)
        for holds, function in chain:
            b = function(names)
            if not holds(a, b):
                return False
            a = b
        return True

    return value


def _call(name: str, args: list[ast.expr]) -> Function:
    function, functions = FUNCTIONS[name], [_function(arg) for arg in args]
    if name == "floor" and len(args) == 1 and isinstance(args[0], ast.BinOp) and isinstance(args[0].op, ast.Div):
        top, bottom = _function(args[0].left), _function(args[0].right)

        def floor_of_quotient(names: Names) -> Any:
            a, b = top(names), bottom(names)
            # The same as the floor of the fraction, without one.
            return a // b if type(a) is int and type(b) is int else function(functions[0](names))

        return floor_of_quotient
    if len(functions) == 1:
        only = functions[0]
        return lambda names: function(only(names))
    if len(functions) == 2:
        first, second = functions
        return lambda names: function(first(names), second(names))
    return lambda names: function(*[one(names) for one in functions])

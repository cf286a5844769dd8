"""The mutants of a file of Python: every place of it that may change, and what it may become."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

# Sizes that are easily taken for each other.
_SIBLINGS = (
    ("c_in", "c_out"),
    ("h_in", "w_in", "h_out", "w_out"),
    ("p_in", "p_out"),
    ("k_h", "k_w"),
    ("stride_h", "stride_w"),
    ("macs", "adds", "muls", "other"),
    ("height", "width"),
    ("maximum", "minimum"),
    ("ceil_div", "floor_div"),
    ("max", "min"),
    ("ceil", "floor"),
    ("any", "all"),
)
# Keywords that change no cost: texts, and cases for the tests.
_TEXTS = {
    *("samples", "shapes", "same_as", "sources", "notes", "summary", "title", "why", "hint", "family", "how", "limits"),
    *("equations", "errata", "papers"),
}
_SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.FloorDiv),
    ast.FloorDiv: (ast.Mult,),
    ast.Div: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


class Mutant(NamedTuple):
    """A change. number: in its file, from 0. where: the function. change: the code before and after. line: from 1.

    A function may have the same code several times: from the second on, the change has its place among them, as `[2]`.
    """

    path: str
    number: int
    line: int
    where: str
    change: str

    @property
    def key(self) -> str:
        """What names it in the list of equivalent mutants, whatever is above it in the file."""
        return f"{self.path}: {self.where}: {self.change}"


def mutants(path: str, tree: ast.Module) -> Iterator[tuple[Mutant, Callable[[], ast.Module]]]:
    """All mutants of a file, each with a function that makes its tree."""
    number = 0
    seen: Counter[tuple[str, str]] = Counter()
    for node, keys, where in _places(tree, (), ""):
        for other in _others(node):
            before, after = (_shown(one) for one in (node, other))
            line = getattr(node, "lineno", 0)
            change = f"{before} -> {after}"
            seen[where, change] += 1
            times = seen[where, change]
            change = f"{change} [{times}]" if times > 1 else change
            yield Mutant(path, number, line, where, change), partial(_changed, tree, keys, other)
            number += 1


def _changed(tree: ast.Module, keys: Keys, new: ast.AST) -> ast.Module:
    changed = copy.deepcopy(tree)
    _put(changed, keys, new)
    return ast.fix_missing_locations(changed)


Keys = tuple[tuple[str, int | None], ...]


def _places(node: ast.AST, keys: Keys, where: str) -> Iterator[tuple[ast.AST, Keys, str]]:
    """The nodes that may change, with the way to them from the root: those of functions, and numbers of constants."""
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if not isinstance(child, ast.AST) or _is_left(node, field, child, where):
                continue
            inside = where
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inside = f"{where}.{child.name}" if where else child.name
            elif isinstance(child, ast.Lambda) and not where:
                inside = "lambda"
            elif isinstance(child, ast.Assign) and not where and isinstance(child.targets[0], ast.Name):
                inside = child.targets[0].id if child.targets[0].id.isupper() else where
            path = (*keys, (field, index))
            if inside and where:
                yield child, path, inside
            yield from _places(child, path, inside)


def _is_left(parent: ast.AST, field: str, child: ast.AST, where: str) -> bool:
    """Annotations, decorators, texts, what only types or errors need, and what a test checks by itself."""
    if field in ("annotation", "returns", "decorator_list", "type_comment", "bases"):
        return True
    if isinstance(child, ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom):
        return True
    if isinstance(child, ast.keyword) and child.arg in _TEXTS:
        return True
    if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
        return True
    called = child.func if isinstance(child, ast.Call) else None
    texts = {"Paper", "Equation", "Erratum", "Evidence", "FlopcalcError", "Source", "Limit"}
    return isinstance(called, ast.Name) and (called.id in texts or called.id.endswith("Error"))


def _others(node: ast.AST) -> Iterator[ast.AST]:
    """What a node may become."""
    yield from _other_operators(node)
    yield from _other_values(node)
    yield from _other_statements(node)


def _other_operators(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.UnaryOp):
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not | ast.USub):
                yield node.operand
            return
        if isinstance(node, ast.BinOp) and any(
            (isinstance(one, ast.Constant) and isinstance(one.value, str)) or isinstance(one, ast.JoinedStr)
            for one in (node.left, node.right)
        ):
            return
        for swap in _SWAPS.get(type(node.op), ()):
            other = copy.deepcopy(node)
            other.op = swap()  # type: ignore[assignment]
            yield other
    elif isinstance(node, ast.Compare):
        for index, op in enumerate(node.ops):
            for swap in _SWAPS.get(type(op), ()):
                compared = copy.deepcopy(node)
                compared.ops[index] = swap()  # type: ignore[call-overload]
                yield compared


def _other_values(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield ast.Constant(node.value + 1)
        if node.value > 1:
            yield ast.Constant(node.value - 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Name | ast.Attribute):
        yield from _renamed(node)
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Call) and node.keywords:
        for index, keyword in enumerate(node.keywords):
            if keyword.arg is not None and keyword.arg not in _TEXTS:
                called = copy.deepcopy(node)
                del called.keywords[index]
                yield called


def _other_statements(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If | ast.While):
        for value in (True, False) if isinstance(node, ast.If) else (False,):
            branch = copy.deepcopy(node)
            branch.test = ast.Constant(value)
            yield branch
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom | ast.Call):
        yield ast.Pass()
    elif isinstance(node, ast.AugAssign):
        for swap in _SWAPS.get(type(node.op), ()):
            added = copy.deepcopy(node)
            added.op = swap()  # type: ignore[assignment]
            yield added


def _renamed(node: ast.Name | ast.Attribute) -> Iterator[ast.AST]:
    if not isinstance(node.ctx, ast.Load):
        return
    name = node.id if isinstance(node, ast.Name) else node.attr
    for family in _SIBLINGS:
        if name in family:
            # The next one only, so that a family of four gives one mutant.
            other = copy.deepcopy(node)
            setattr(
                other, "id" if isinstance(node, ast.Name) else "attr", family[(family.index(name) + 1) % len(family)]
            )
            yield other


def _put(tree: ast.AST, keys: Keys, new: ast.AST) -> None:
    node = tree
    for field, index in keys[:-1]:
        value = getattr(node, field)
        node = value if index is None else value[index]
    field, index = keys[-1]
    if index is None:
        setattr(node, field, new)
    else:
        getattr(node, field)[index] = new


def _shown(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else f"{text[:60]} … {text[-28:]}"

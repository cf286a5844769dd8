"""The name under which a function was called, from the source of the call.

Some counters replace `torch.nn.functional.relu` by a function of their own. Code notices this if it looks the function
up by that name on each call, and not if it holds the function itself, or writes `a @ b`.
"""

import ast
import dis
import functools
import inspect
import linecache
import types
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.nn import functional

from flopcalc.text.syntax import syntax_tree

_OVERRIDES = torch.overrides.__file__
_DISPATCH = torch._jit_internal.__file__
OPERATOR = "operator"
# What counters replace functions of, by its identity.
_SPACES = {id(functional): "F", id(torch): "torch", id(torch.Tensor): "Tensor"}
_COUNTER = "flopcalc.pytorch.counting.counter"


def caller(frame: types.FrameType | None, own: frozenset[str]) -> types.FrameType | None:
    """The frame that made a call which came to a mode. frame: that of the mode. own: files of modes."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file == _OVERRIDES:
            # A function written in Python asks whether there is a mode, and is then called again by it.
            frame = frame.f_back.f_back if frame.f_back else None
        elif file in own or file == _DISPATCH:
            frame = frame.f_back
        else:
            return frame
    return None


def via(frame: types.FrameType | None, func: Any, name: str, functional_copy: Mapping[str, Any]) -> str:
    """`F.relu`, `torch.add` or `Tensor.add` if the caller looks that name up; `operator` for `a + b`; else empty.

    Where the source cannot be read, `operator` for what is no call, and else the name of the function.
    functional_copy: globals that take the place of those of torch.nn.functional.
    """
    if frame is None:
        return name
    expression = _expression(frame.f_code, frame.f_lasti)
    if expression is None:
        return name if _is_call(frame.f_code, frame.f_lasti) else OPERATOR
    if not isinstance(expression, ast.Call):
        return OPERATOR
    called = expression.func
    if isinstance(called, ast.Name):
        if name == f"Tensor.{called.id}":
            # The last link of a chain over several lines.
            return name
        inside = frame.f_globals is functional.__dict__ or frame.f_globals is functional_copy
        if inside and called.id not in frame.f_locals:
            return f"F.{called.id}"
        return _another_name(called.id, frame, func, name)
    if isinstance(called, ast.Attribute):
        holder = _value(called.value, frame)
        if short := _SPACES.get(id(holder)):
            return f"{short}.{called.attr}"
        if holder is _UNKNOWN:
            return name
        if isinstance(holder, torch.Tensor) or (holder is _COMPUTED and name.startswith("Tensor.")):
            return f"Tensor.{called.attr}"
        return ""
    if isinstance(called, ast.Subscript) and isinstance(called.value, ast.Name):
        return _another_name(called.value.id, frame, func, name)
    # `(F.relu if self.rectified else F.gelu)(x)`
    return _looked_up(called, frame, func, name)


def _another_name(variable: str, frame: types.FrameType, func: Any, name: str) -> str:
    """The name that is looked up for a variable of a running function; empty where it holds the function from before.

    `act = F.relu` looks it up, and so does a caller that hands it over: `apply(F.relu, x)`.
    """
    code = frame.f_code
    if variable in code.co_freevars:
        outer = _outer(frame, variable)
        return "" if outer is None else _another_name(variable, outer, func, name)
    if variable in _parameters(code):
        # Whatever is in between may hand it on.
        for above in _above(frame):
            expression = _expression(above.f_code, above.f_lasti)
            if isinstance(expression, ast.Call):
                given = [*expression.args, *(one.value for one in expression.keywords)]
                if found := next(filter(None, (_looked_up(one, above, func, name) for one in given)), ""):
                    return found
    if variable in frame.f_globals and variable not in (*code.co_varnames, *code.co_cellvars):
        return ""
    values = _assigned(code, variable)
    found = next(filter(None, (_looked_up(one, frame, func, name) for one in values)), "")
    # Of a loop, a table or `map` it is enough that the function looks the name up somewhere.
    clear = variable in _parameters(code) or (values and all(isinstance(one, ast.Attribute) for one in values))
    return found if found or clear else _anywhere(frame, func, name)


def _outer(frame: types.FrameType, variable: str) -> types.FrameType | None:
    """The running function around that of a frame whose variable it uses."""
    value = frame.f_locals.get(variable)
    for above in _above(frame):
        if variable in above.f_code.co_cellvars and above.f_locals.get(variable) is value:
            return above
    return None


def _above(frame: types.FrameType) -> Iterator[types.FrameType]:
    """The frames above one, up to the call that is counted."""
    above = frame.f_back
    while above is not None and above.f_globals.get("__name__") != _COUNTER:
        yield above
        above = above.f_back


def _parameters(code: types.CodeType) -> tuple[str, ...]:
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _looked_up(value: ast.expr, frame: types.FrameType, func: Any, name: str) -> str:
    """The name in an expression that a counter may have replaced by another function."""
    for owner, given in _choices(value, frame):
        holder = _value(owner, frame)
        word = given or name.partition(".")[2]
        full = f"{_SPACES.get(id(holder))}.{word}"
        if full == name or (id(holder) in _SPACES and getattr(holder, word, None) is func):
            return full
        if isinstance(holder, torch.Tensor) and f"Tensor.{word}" == name:
            return name
    return ""


def _choices(value: ast.expr, frame: types.FrameType) -> Iterator[tuple[ast.expr, str]]:
    """The names, and their owners, that may be the value of an expression, or of a partial function; "" for any."""
    inner: list[ast.expr] = []
    match value:
        case ast.Attribute(value=owner, attr=word):
            yield owner, word
        case ast.Call(func=ast.Name(id="getattr"), args=[owner, ast.Constant(value=str(word))]):
            yield owner, word
        case ast.Call(func=ast.Name(id="getattr"), args=[owner, _]):
            yield owner, ""
        case ast.IfExp(body=one, orelse=other):
            inner = [one, other]
        case ast.BoolOp(values=inner) | ast.List(elts=inner) | ast.Tuple(elts=inner) | ast.Dict(values=inner):
            pass
        case ast.NamedExpr(value=one) | ast.Subscript(value=one):
            inner = [one]
        case ast.Call(func=called, args=[one, *_]) if _value(called, frame) is functools.partial:
            inner = [one]
    for one in inner:
        yield from _choices(one, frame)


def _anywhere(frame: types.FrameType, func: Any, name: str) -> str:
    """The name, if the source of a running function has it."""
    dotted = (node for node in ast.walk(_source(frame.f_code)) if isinstance(node, ast.Attribute))
    return next(filter(None, (_looked_up(node, frame, func, name) for node in dotted)), "")


@functools.lru_cache(maxsize=1024)
def _assigned(code: types.CodeType, variable: str) -> tuple[ast.expr, ...]:
    """What a function assigns to one of its variables, as far as it is an expression of its own."""
    found = []
    for node in ast.walk(_source(code)):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(one, ast.Name) and one.id == variable for one in targets):
                found.append(node.value)
    return tuple(found)


@functools.lru_cache(maxsize=256)
def _source(code: types.CodeType) -> ast.AST:
    """The syntax tree of a function; an empty one where its source is not known.

    Functions without a name may begin on the same line: it has all of them.
    """
    found: list[Any] = []
    for node in ast.walk(_file(code.co_filename)):
        if isinstance(node, _SCOPES):
            lines = [node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))]
            if min(lines) == code.co_firstlineno:
                found.append(node)
    return ast.Module(found, [])


_SCOPES = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


@functools.lru_cache(maxsize=32)
def _file(path: str) -> ast.AST:
    try:
        tree: ast.AST = syntax_tree("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError):
        return ast.Module([], [])
    return tree


def positions(frame: types.FrameType | None) -> int | None:
    """How many arguments a call gives by position; None where its source does not say."""
    expression = None if frame is None else _expression(frame.f_code, frame.f_lasti)
    if not isinstance(expression, ast.Call) or any(isinstance(one, ast.Starred) for one in expression.args):
        return None
    return len(expression.args)


_UNKNOWN = object()
_COMPUTED = object()


def _value(node: ast.expr, frame: types.FrameType) -> Any:
    """What a dotted name means in a frame; a marker for anything that would have to be computed again."""
    if isinstance(node, ast.Name):
        for scope in (frame.f_locals, frame.f_globals, frame.f_builtins):
            if node.id in scope:
                return scope[node.id]
        return _UNKNOWN
    if isinstance(node, ast.Attribute):
        holder = _value(node.value, frame)
        if isinstance(holder, types.ModuleType):
            return getattr(holder, node.attr, _UNKNOWN)
        # `self.torch.einsum(...)`: a module or class that an object holds. No property is computed again.
        held = _COMPUTED if holder is _UNKNOWN else inspect.getattr_static(holder, node.attr, _COMPUTED)
        return held if isinstance(held, types.ModuleType | type) else _COMPUTED
    return _COMPUTED


@functools.lru_cache(maxsize=16384)
def _expression(code: types.CodeType, instruction: int) -> ast.expr | None:
    """The expression that an instruction of some code evaluates; None where its source is not known."""
    positions = list(code.co_positions())
    index = instruction // 2
    if index >= len(positions):
        return None
    line, end_line, column, end_column = positions[index]
    if line is None or end_line is None or column is None or end_column is None:
        return None
    lines = [linecache.getline(code.co_filename, number) for number in range(line, end_line + 1)]
    if not all(lines):
        return None
    # Columns are counted in bytes.
    raw = [text.encode() for text in lines]
    raw[-1] = raw[-1][:end_column]
    raw[0] = raw[0][column:]
    text = b"".join(raw).decode(errors="replace")
    try:
        tree: ast.Expression = syntax_tree(f"({text})", "eval")
        return tree.body
    except (SyntaxError, ValueError):
        # The instruction of `a += b` belongs to the whole statement.
        return _SIGN if _is_augmented(text) else None


_SIGN = ast.Constant(0)


def _is_call(code: types.CodeType, instruction: int) -> bool:
    """Whether an instruction of some code calls a function, which needs no source."""
    return dis.opname[code.co_code[instruction]].startswith("CALL")


def _is_augmented(text: str) -> bool:
    try:
        return isinstance(syntax_tree(text).body[0], ast.AugAssign)
    except (SyntaxError, ValueError, IndexError):
        return False

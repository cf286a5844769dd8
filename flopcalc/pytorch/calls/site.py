"""The name under which a function was called, from the source of the call.

Some counters replace `torch.nn.functional.relu` by a function of their own. Code notices this if it looks the function
up by that name on each call, and not if it holds the function itself, or writes `a @ b`.
"""

import ast
import functools
import inspect
import linecache
import types
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional

from flopcalc.text.syntax import syntax_tree

_OVERRIDES = torch.overrides.__file__
_DISPATCH = torch._jit_internal.__file__
OPERATOR = "operator"


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

    Where the source cannot be read, the name of the function. functional_copy: globals that take the place of
    those of torch.nn.functional.
    """
    if frame is None:
        return name
    expression = _expression(frame.f_code, frame.f_lasti)
    if expression is None:
        return name
    if not isinstance(expression, ast.Call):
        return OPERATOR
    called = expression.func
    if isinstance(called, ast.Name):
        if name == f"Tensor.{called.id}":
            # The last link of a chain over several lines.
            return name
        inside = frame.f_globals is functional.__dict__ or frame.f_globals is functional_copy
        return f"F.{called.id}" if inside and called.id not in frame.f_locals else ""
    if isinstance(called, ast.Attribute):
        holder = _value(called.value, frame)
        if holder is functional:
            return f"F.{called.attr}"
        if holder is torch:
            return f"torch.{called.attr}"
        if holder is torch.Tensor:
            return f"Tensor.{called.attr}"
        if holder is _UNKNOWN:
            return name
        if isinstance(holder, torch.Tensor) or (holder is _COMPUTED and name.startswith("Tensor.")):
            return f"Tensor.{called.attr}"
    return ""


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


def _is_augmented(text: str) -> bool:
    try:
        return isinstance(syntax_tree(text).body[0], ast.AugAssign)
    except (SyntaxError, ValueError, IndexError):
        return False

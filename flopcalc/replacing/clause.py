"""Where clauses: true or false for one convolution, e.g. `k == 3 and stage != "stem"`.

A clause is checked before it is applied to a layer: names that are not fields are errors, and so are numbers
and text in the place of a condition (`stage == "a" or "b"`).
"""

import ast
from collections.abc import Mapping
from typing import Any

from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.text.expression import FUNCTIONS, evaluate, parse

# field -> its meaning, for error messages and the documentation.
FIELDS: dict[str, str] = {
    "name": "name of the layer",
    "stage": "stage of the description; in a module the first part of the name",
    "type": "operator in the description; in a module `conv`",
    "index": "number of the convolution, from 0, in order of execution",
    "first": "whether it is the first convolution",
    "last": "whether it is the last convolution",
    "k": 'kernel size; text such as "1x7" if it is not square',
    "k_h": "height of the kernel",
    "k_w": "width of the kernel",
    "c_in": "input channels",
    "c_out": "output channels",
    "stride": 'stride; text such as "2x1" if the axes differ',
    "padding": 'padding; text such as "0x3" if the axes differ',
    "dilation": 'dilation; text such as "2x1" if the axes differ',
    "groups": "groups",
    "h": "height of the input",
    "w": "width of the input",
    "h_out": "height of the output",
    "w_out": "width of the output",
    "depthwise": "whether it has several input channels and one group for each",
    "pointwise": "whether the kernel is 1x1",
    "bias": "whether it has a bias",
    "params": "parameters of the convolution",
    "macs": "MACs of the convolution at the batch of the network",
    "policy": "whether the operator's default policy includes the layer",
}
_TRUTHS = {"first", "last", "depthwise", "pointwise", "bias", "policy"}

# Fields that need a forward pass.
OF_INPUT = frozenset({"h", "w", "h_out", "w_out", "macs"})

_EXAMPLE = "write for example 'k == 3 and stage != \"stem\"'"


def check(text: str) -> None:
    """Raise FlopcalcError (bad-where, unknown-field) if the text is not a clause."""
    if not text.strip():
        raise FlopcalcError("bad-where", "the where clause is empty", _EXAMPLE)
    try:
        tree = parse(text)
    except FlopcalcError as error:
        raise FlopcalcError("bad-where", f"where: {error.message}", f"{_EXAMPLE}; {_known()}") from None
    for name in _names(tree):
        if name not in FIELDS:
            near = unknown_name("field", name, FIELDS, _known())
            raise FlopcalcError(near.code, f"where {clip(text)}: {near.message}", near.hint)
    if (bad := _no_truth(tree)) is not None:
        why = f"`{ast.unparse(bad)[:60]}` is a number or a text, not a condition"
        raise FlopcalcError("bad-where", f"where {clip(text)}: {why}", f"compare it with a value; {_EXAMPLE}")


def names(text: str) -> set[str]:
    """The fields that a clause reads."""
    return _names(parse(text))


def holds(text: str, fields: Mapping[str, Any]) -> bool:
    """Whether a checked clause holds for a layer."""
    try:
        return bool(evaluate(text, fields))
    except FlopcalcError as error:
        mixed = "not supported between" in error.message
        why = "a text is compared with a number" if mixed else error.message
        hint = "compare numbers with numbers, text with text; k and stride are text if the axes differ (use k_h, k_w)"
        raise FlopcalcError(
            "bad-where", f"where {clip(text)}, at layer {fields['name']}: {why}", hint if mixed else error.hint
        ) from None


def _known() -> str:
    return f"fields: {', '.join(FIELDS)}"


def _names(tree: ast.expr) -> set[str]:
    functions = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    called = {node.id for node in functions if isinstance(node, ast.Name)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in functions}
    return names | (called - set(FUNCTIONS))


def _no_truth(node: ast.expr) -> ast.expr | None:
    """The first part of a condition that is neither true nor false."""
    match node:
        case ast.Compare() | ast.Constant(value=bool()) | ast.Call(func=ast.Name(id="matches")):
            return None
        case ast.Name(id=name) if name in _TRUTHS:
            return None
        case ast.BoolOp(values=values):
            return next((bad for value in values if (bad := _no_truth(value)) is not None), None)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _no_truth(operand)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return next((bad for value in (test, body, orelse) if (bad := _no_truth(value)) is not None), None)
    return node

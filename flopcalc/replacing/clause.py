"""Where clauses: true or false for one convolution, e.g. `k == 3 and stage != "stem"`.

A clause is checked before any layer is looked at: names that are no fields, and parts that are numbers
or text where true or false is meant (`stage == "a" or "b"`), are refused.
"""

import ast
from collections.abc import Mapping
from typing import Any

from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.text.expression import FUNCTIONS, evaluate, parse

# field -> what it says, for error messages and the documentation.
FIELDS: dict[str, str] = {
    "name": "name of the layer",
    "stage": "stage of the description; in a module the first piece of the name",
    "type": "operator that the description names; in a module `conv`",
    "index": "place among the convolutions, from 0, in order of execution",
    "first": "whether it is the first convolution",
    "last": "whether it is the last convolution",
    "k": 'kernel size; text such as "1x7" where it is not square',
    "k_h": "height of the kernel",
    "k_w": "width of the kernel",
    "c_in": "input channels",
    "c_out": "output channels",
    "stride": 'stride; text such as "2x1" where the axes differ',
    "padding": 'padding; text such as "0x3" where the axes differ',
    "dilation": 'dilation; text such as "2x1" where the axes differ',
    "groups": "groups",
    "h": "height of the input",
    "w": "width of the input",
    "h_out": "height of the output",
    "w_out": "width of the output",
    "depthwise": "whether there is one group for each of several input channels",
    "pointwise": "whether the kernel is 1x1",
    "bias": "whether it has a bias",
    "params": "parameters of the convolution",
    "macs": "MACs of the convolution, at the batch given",
    "policy": "whether the operator's own policy takes the layer",
}
_TRUTHS = {"first", "last", "depthwise", "pointwise", "bias", "policy"}

# What nobody knows of a module that was not run.
OF_INPUT = frozenset({"h", "w", "h_out", "w_out", "macs"})

_EXAMPLE = "write for example 'k == 3 and stage != \"stem\"'"


def check(text: str) -> None:
    """Raise FlopcalcError (bad-where, unknown-field) unless the text is a clause."""
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
        why = f"`{ast.unparse(bad)[:60]}` is a number or a text, and true or false is wanted"
        raise FlopcalcError("bad-where", f"where {clip(text)}: {why}", f"compare it with something; {_EXAMPLE}")


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
        hint = "numbers go with numbers, names with names; k and stride are text where the axes differ (use k_h, k_w)"
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
    """The first part that is to be true or false and cannot be."""
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

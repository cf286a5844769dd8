"""Which convolutions an operator of a YAML file replaces: the file's key `replaces`."""

import ast
from typing import Any

from flopcalc.cost.geometry import short
from flopcalc.errors import FlopcalcError, clip
from flopcalc.spec.operator import Policy, Site, spatial
from flopcalc.text.expression import FUNCTIONS, evaluate, parse
from flopcalc.text.yaml_file import File, Map

_WORDS = {
    "spatial": Policy("every convolution with a kernel larger than 1x1", spatial),
    "any": Policy("every convolution"),
    "none": Policy("no convolution", lambda site: "its file states that it replaces no convolution"),
}
# The policy of a file that states none.
_DEFAULT = "spatial"
# What is known of a convolution whatever its input is: not the height and width.
_FIELDS = ("c_in", "c_out", "k", "k_h", "k_w", "stride", "padding", "dilation", "groups", "first")
_HINT = f"write {', '.join(_WORDS)}, or an expression that is true or false, such as k == 3 and groups == 1"


def read_policy(file: File, data: Map) -> Policy:
    """The policy that the file states: a word, or an expression over the sizes of a convolution."""
    stated = data.get("replaces", _DEFAULT)
    if isinstance(stated, str) and stated in _WORDS:
        return _WORDS[stated]
    if not isinstance(stated, str):
        raise file.error(data, "replaces", f"replaces is {clip(stated)}", _HINT)
    try:
        tree = parse(stated)
    except FlopcalcError as error:
        raise file.error(data, "replaces", f"replaces: {error.message}", _HINT) from None
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in sorted(names - {*_FIELDS, *FUNCTIONS, "true", "false"}):
        raise file.error(data, "replaces", f"replaces: unknown name {clip(name)}", f"names here: {', '.join(_FIELDS)}")
    if not _is_truth(tree):
        raise file.error(data, "replaces", f"replaces: {clip(stated)} is not true or false", _HINT)

    def refuses(site: Site) -> str | None:
        try:
            holds = evaluate(stated, _fields(site))
        except FlopcalcError as error:
            hint = "k, stride, padding and dilation are text such as '1x7' where the axes differ; use k_h and k_w"
            raise file.error(data, "replaces", f"replaces, at layer {site.name}: {error.message}", hint) from None
        return None if holds else f"its file replaces convolutions where {stated}"

    return Policy(f"every convolution where {stated}", refuses)


def _fields(site: Site) -> dict[str, Any]:
    g = site.geometry
    pairs = {"k": g.kernel, "stride": g.stride, "padding": g.padding, "dilation": g.dilation}
    one = {name: pair[0] if pair[0] == pair[1] else short(pair) for name, pair in pairs.items()}
    sizes = {name: getattr(g, name) for name in ("c_in", "c_out", "k_h", "k_w", "groups")}
    return {**one, **sizes, "first": site.first}


def _is_truth(node: ast.expr) -> bool:
    """Whether an expression is true or false, rather than a number or a text."""
    match node:
        case ast.Compare() | ast.Constant(value=bool()) | ast.Name(id="first" | "true" | "false"):
            return True
        case ast.BoolOp(values=values):
            return all(map(_is_truth, values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _is_truth(operand)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return all(map(_is_truth, (test, body, orelse)))
    return False

"""Limits: `params <= 5.5M`, `macs <= 1.02 * baseline`, `layer features.*: macs <= 100M`, `ratio(conv) <= 0.4`.

A limit is `[layer PATTERN: | stage PATTERN:] QUANTITY COMPARISON EXPRESSION`. It is read once, when the
file is read, so that a mistake is told before anything is computed.
"""

import ast
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.expression import evaluate, parse

QUANTITIES = ("params", "macs", "flops", "activations", "traffic", "steps", "adds", "muls", "other", "uncounted")
_UNITS = {"k": 3, "K": 3, "M": 6, "G": 9, "B": 9, "T": 12}
_WITH_UNIT = re.compile(r"(?<![\w.])([0-9]+(?:\.[0-9]+)?)\s?([kKMGBT])(?![\w.])")
_SELECTOR = re.compile(r"\s*(layer|stage)\s+([^:\s]+)\s*:\s*(.+)", re.DOTALL)
_COMPARISONS: dict[type[ast.cmpop], str] = {ast.LtE: "<=", ast.Lt: "<", ast.GtE: ">=", ast.Gt: ">", ast.Eq: "=="}
_EXAMPLE = "for example params <= 5.5M, macs <= 1.02 * baseline, stage layer4: macs <= 1G, ratio(conv) <= 0.4"


class Limit(NamedTuple):
    """One limit, read. each: what it is about: the whole, or every layer or stage that the pattern names.

    ratio_to: for `ratio(NAME)`, with what the quantity is compared. right: the expression on the right.
    """

    text: str
    each: Literal["whole", "layer", "stage"]
    pattern: str
    quantity: str
    ratio_to: str
    comparison: str
    right: str
    line: int

    def reads(self, name: str) -> bool:
        """Whether the right side speaks of baseline, locked or another quantity."""
        return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(parse(self.right)))

    def bound(self, names: Mapping[str, Any]) -> Any:
        """The value of the right side, exact. names: quantities, baseline, locked."""
        return evaluate(self.right, names)

    def holds(self, actual: Any, bound: Any) -> bool:
        """Whether the actual value keeps the limit."""
        return bool(evaluate(f"actual {self.comparison} bound", {"actual": actual, "bound": bound}))


def read_limit(text: str, kind: str, line: int = 0) -> Limit:
    """A limit from its text. kind: of the target, network or operator. Raises FlopcalcError (bad-limit)."""
    selector = _SELECTOR.fullmatch(text)
    each, pattern, body = selector.groups() if selector else ("whole", "", text)
    if each != "whole" and kind == "operator":
        raise _bad(text, "an operator has no layers and stages")
    plain = _WITH_UNIT.sub(lambda match: str(Fraction(match[1]) * 10 ** _UNITS[match[2]]), body)
    try:
        tree = parse(plain)
    except FlopcalcError:
        raise _bad(text, "it is not a comparison") from None
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1 or type(tree.ops[0]) not in _COMPARISONS:
        raise _bad(text, f"it is not one comparison by {', '.join(_COMPARISONS.values())}")
    quantity, ratio_to = _left(text, tree.left)
    right = tree.comparators[0]
    for node in ast.walk(right):
        if isinstance(node, ast.Name) and node.id not in (*QUANTITIES, "baseline", "locked", "min", "max"):
            near = unknown_name("name", node.id, (*QUANTITIES, "baseline", "locked"), _EXAMPLE)
            raise _bad(text, near.message, near.hint)
    comparison = _COMPARISONS[type(tree.ops[0])]
    shown = " ".join(text.split())
    return Limit(shown, each, pattern, quantity, ratio_to, comparison, ast.unparse(right), line)  # type: ignore[arg-type]


def _left(text: str, node: ast.expr) -> tuple[str, str]:
    """The quantity, and for a ratio with what it is compared."""
    match node:
        case ast.Name(id=name) if name in QUANTITIES:
            return name, ""
        case ast.Call(func=ast.Name(id="ratio"), args=[other, *rest], keywords=[]) if len(rest) <= 1:
            words = [arg.id if isinstance(arg, ast.Name) else arg.value for arg in (other, *rest)
                     if isinstance(arg, ast.Name | ast.Constant)]  # fmt: skip
            if len(words) == 1 + len(rest) and all(isinstance(word, str) for word in words):
                quantity = words[1] if rest else "macs"
                if quantity in QUANTITIES:
                    return str(quantity), str(words[0])
            raise _bad(text, "a ratio is written ratio(NAME) or ratio(NAME, params)")
        case ast.Name(id=name):
            near = unknown_name("quantity", name, QUANTITIES, f"quantities: {', '.join(QUANTITIES)}, ratio(NAME)")
            raise _bad(text, near.message, near.hint)
    raise _bad(text, "its left side is no quantity", f"quantities: {', '.join(QUANTITIES)}, ratio(NAME)")


def _bad(text: str, why: str, hint: str = "") -> FlopcalcError:
    return FlopcalcError("bad-limit", f"the limit {clip(text)}: {why}", hint or _EXAMPLE)

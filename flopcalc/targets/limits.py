"""Limits: `params <= 5.5M`, `macs <= 1.02 * baseline`, `layer features.*: macs <= 100M`, `ratio(conv) <= 0.4`,
`time(h200) <= 5 ms`.

A limit is `[layer PATTERN: | stage PATTERN:] QUANTITY COMPARISON EXPRESSION`. It is read once, when the
file is read, so that a mistake is reported before anything is computed.
"""

import ast
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.text.expression import MAX_LENGTH, evaluate, parse

# Of a network, in bytes, as `flopcalc memory` has them: the peaks of inference and of training, and weights.
MEMORY = ("peak_memory", "weights_bytes", "training_peak")
# A layer has the kinds of cost; a target also has `uncounted` (kernels without a rule) and memory.
QUANTITIES = (*KINDS, "uncounted", *MEMORY)
# `time(h200)` or `time(h200, graph)`: the estimate of `flopcalc roofline`, in seconds.
_TIME = re.compile(r"time ?\( ?(?:'([^']+)'|\"([^\"]+)\"|([^\s,()'\"][^,()'\"]*?)) ?(?:, ?(\w+) ?)?\)")
_TIME_UNITS = {"s": 0, "ms": 3, "us": 6}
_WITH_TIME_UNIT = re.compile(r"(?<![\w.])([0-9]+(?:\.[0-9]+)?)\s?(s|ms|us)(?![\w.])")
_TIME_EXAMPLE = "for example time(h200) <= 5 ms, or time(h200, graph) <= 0.9 * baseline"
_RIGHT = (*QUANTITIES, "baseline", "locked")
_UNITS = {"k": 3, "K": 3, "M": 6, "G": 9, "B": 9, "T": 12}
_WITH_UNIT = re.compile(r"(?<![\w.])([0-9]+(?:\.[0-9]+)?)\s?([kKMGBT])(?![\w.])")
_BINARY = {"K": 10, "M": 20, "G": 30, "T": 40}
_OF_BYTES = re.compile("[KMGT]iB?|bytes?")
_WITH_BINARY_UNIT = re.compile(r"(?<![\w.])([0-9]+(?:\.[0-9]+)?)\s?([KMGT])iB?(?![\w.])")
# Behind a quantity of bytes the unit may be written.
_IN_BYTES = re.compile(r"(?<=[0-9kKMGBTi]) ?(?:bytes|byte)$")
_RATIO = re.compile(r"ratio ?\( ?(?:'([^']+)'|\"([^\"]+)\"|([^\s,()'\"][^,()'\"]*?)) ?(?:, ?(\w+) ?)?\)")
_SELECTOR = re.compile(r"(layer|stage) ([^:\s]+) ?: ?(.+)")
_COMPARISONS: dict[type[ast.cmpop], str] = {ast.LtE: "<=", ast.Lt: "<", ast.GtE: ">=", ast.Gt: ">", ast.Eq: "=="}
# Other ways to write a comparison.
_OPERATORS = {"=>": ">=", "=<": "<=", "≤": "<=", "≥": ">=", "=": "=="}
_OPERATOR = re.compile("=>|=<|≤|≥|(?<![<>=!])=(?!=)")
_OTHER_SELECTOR = re.compile(r"([A-Za-z]+) [^:\s]+ ?: ?.+")
_OTHER_UNIT = re.compile(r"(?<![\w.])[0-9.]+(?:[eE][+-]?[0-9]+)?\)?\s?([^\W\d_]+)(?!\w)")
_COMMA = re.compile(r"(?<![\w.])[0-9]{1,3}(?:,[0-9]{3})+(?![\w,])")
_PERCENT = re.compile(r"(?<![\w.])([0-9]+(?:\.[0-9]+)?)\s?%(?=\s*(?:[a-zA-Z*]|$))")
_WORDS = (*_RIGHT, "and", "or", "if", "else", "in", "is", "not")
_EXAMPLE = "for example params <= 5.5M, macs <= 1.02 * baseline, stage layer4: macs <= 1G, ratio(conv) <= 0.4"
_LEFT = f"quantities: {', '.join(QUANTITIES)}, time(DEVICE), ratio(NAME)"
_ARITHMETIC = (ast.BinOp, ast.operator, ast.UnaryOp, ast.USub, ast.Load)


class Limit(NamedTuple):
    """One limit. each: whether it applies to the whole target, or to every layer or stage that matches the pattern.

    ratio_to: NAME of `ratio(NAME)`, otherwise empty. right: the expression on the right.
    """

    text: str
    each: Literal["target", "layer", "stage"]
    pattern: str
    quantity: str
    ratio_to: str
    comparison: str
    right: str
    line: int

    def reads(self, *names: str) -> bool:
        """Whether the right side contains one of the names: baseline, locked or quantities."""
        return any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(parse(self.right)))

    @property
    def part(self) -> Literal["layer", "call", "stage"]:
        """What the pattern matches: stages, layers, or single calls where it has the number of one (`relu#2`)."""
        if self.each == "stage":
            return "stage"
        return "call" if "#" in self.pattern else "layer"

    @property
    def of_kernels(self) -> bool:
        """Whether it limits the number of kernels without a rule, which is known even where the cost is not."""
        return self.quantity == "uncounted" and not self.reads(*KINDS)

    def bound(self, names: Mapping[str, Any]) -> Fraction:
        """The value of the right side, exact. names: quantities, baseline, locked. Raises FlopcalcError (bad-limit)."""
        value = evaluate(self.right, names)
        if not isinstance(value, int | Fraction):
            raise _bad(self.text, "its right side is not an exact number", "write the number; roots are not exact")
        return Fraction(value)

    def holds(self, actual: Fraction, bound: Fraction) -> bool:
        """Whether the actual value keeps the limit."""
        return bool(evaluate(f"actual {self.comparison} bound", {"actual": actual, "bound": bound}))

    def nearness(self, excess: Fraction) -> Fraction:
        """How near an excess is to breaking the limit; the larger, the worse."""
        return -excess if self.comparison.startswith(">") else abs(excess) if self.comparison == "==" else excess


def read_limit(given: str, kind: str, line: int = 0) -> Limit:
    """A limit from its text. kind: of the target, network or operator. Raises FlopcalcError (bad-limit)."""
    text = " ".join(given.split())
    if len(text) > MAX_LENGTH:
        raise _bad(text, f"longer than {MAX_LENGTH} characters")
    selector = _SELECTOR.fullmatch(text)
    each, pattern, body = selector.groups() if selector else ("target", "", text)
    if each != "target" and kind == "operator":
        raise _bad(text, "an operator has no layers and no stages", "limit the whole operator: macs <= 300M")
    ratio = _RATIO.match(body)
    ratio_to = ""
    if ratio:
        ratio_to, quantity = ratio[1] or ratio[2] or ratio[3], ratio[4] or "macs"
        body = quantity + body[ratio.end() :]
    time = _TIME.match(body)
    if time:
        body = "time" + body[time.end() :]
    plain = _plain(body, of_time=time is not None)
    try:
        tree = parse(plain)
    except FlopcalcError:
        raise _bad(text, *_why(body, plain, of_time=time is not None)) from None
    if not isinstance(tree, ast.Compare) or len(tree.ops) != 1 or type(tree.ops[0]) not in _COMPARISONS:
        raise _bad(text, f"it is not one comparison with {', '.join(_COMPARISONS.values())}")
    quantity = _left(text, tree.left) if time is None else _time(text, tree.left, time)
    if quantity in MEMORY and kind == "operator":
        raise _bad(text, f"an operator has no {quantity}", "limit the memory of a network")
    if each != "target" and (ratio_to or quantity not in KINDS):
        raise _bad(text, f"a {each} has no {'ratio' if ratio_to else quantity}", f"of a {each}: {', '.join(KINDS)}")
    _check_right(text, tree.comparators[0])
    if quantity in MEMORY and any(isinstance(node, ast.Name) and node.id == "locked" for node in ast.walk(tree)):
        raise _bad(text, "the lock file has no memory", f"write the number: {quantity} <= 2G bytes")
    if time and any(isinstance(node, ast.Name) and node.id == "locked" for node in ast.walk(tree)):
        raise _bad(text, "the lock file has no time", _TIME_EXAMPLE)
    try:
        right = ast.unparse(tree.comparators[0])
        parse(right)
    except (RecursionError, FlopcalcError):
        raise _bad(text, "its right side is nested too deeply") from None
    return Limit(
        text=text,
        each=each,  # type: ignore[arg-type]
        pattern=pattern,
        quantity=quantity,
        ratio_to=ratio_to,
        comparison=_COMPARISONS[type(tree.ops[0])],
        right=right,
        line=line,
    )


def read_time(quantity: str) -> tuple[str, str] | None:
    """The device and the execution of `time(DEVICE, EXECUTION)`, which may be missing; None for other quantities."""
    found = _TIME.fullmatch(quantity)
    return None if found is None else (found[1] or found[2] or found[3], found[4] or "eager")


def is_computed(quantity: str) -> bool:
    """Whether a quantity is not a cost: it is computed only if a limit reads it, and lock files do not have it."""
    return quantity in MEMORY or read_time(quantity) is not None


def _time(text: str, left: ast.expr, found: re.Match[str]) -> str:
    """The quantity of a time. left: what is written in its place."""
    if not isinstance(left, ast.Name):
        raise _bad(text, "its left side is not a quantity", _TIME_EXAMPLE)
    device = found[3] or f'"{found[1] or found[2]}"'
    return f"time({device}, {found[4]})" if found[4] else f"time({device})"


def _plain(body: str, *, of_time: bool = False) -> str:
    """The text with its units replaced by numbers."""
    if of_time:
        return _WITH_TIME_UNIT.sub(lambda match: f"({Fraction(match[1]) / 10 ** _TIME_UNITS[match[2]]})", body)
    if body.startswith((*MEMORY, "traffic")):
        body = _IN_BYTES.sub("", body)
        body = _WITH_BINARY_UNIT.sub(lambda match: f"({Fraction(match[1]) * 2 ** _BINARY[match[2]]})", body)
    # In brackets, since 0.0015k is the fraction 3/2.
    return _WITH_UNIT.sub(lambda match: f"({Fraction(match[1]) * 10 ** _UNITS[match[2]]})", body)


def _why(body: str, plain: str, *, of_time: bool) -> tuple[str, str]:
    """Why a text is not a comparison, and a hint. plain: the text with units replaced by numbers."""
    if body.count("(") > body.count(")"):
        return "a bracket is not closed", 'put a limit with a comma in quotes: "ratio(conv, params) < 1/2"'
    if found := _OTHER_SELECTOR.fullmatch(body):
        return (
            f"{clip(found[1])} is not a selector",
            "write layer PATTERN: or stage PATTERN:, as in layer *: macs <= 20M",
        )
    if found := _OPERATOR.search(body):
        return f"{clip(found[0])} is not a comparison operator", f"write {_OPERATORS[found[0]]}"
    if found := _COMMA.search(body):
        return f"{clip(found[0])} has a comma", f"write {found[0].replace(',', '')}"
    if found := _PERCENT.search(body):
        share = Fraction(found[1]) / 100
        return f"{clip(found[0])} does not say of what", f"write a share of a cost, such as {float(share):g} * baseline"
    if (found := _OTHER_UNIT.search(plain)) and found[1] not in _WORDS:
        unit = found[1]
        if of_time and unit not in _TIME_UNITS:
            return f"{clip(unit)} is not a unit of time", f"units: s, ms, us; {_TIME_EXAMPLE}"
        if unit in _TIME_UNITS and not of_time:
            why = "a time needs a device" if body.startswith("time") else f"{clip(unit)} is a unit of time"
            return why, _TIME_EXAMPLE
        if _OF_BYTES.fullmatch(unit):
            return f"{clip(unit)} is a unit of memory", "for example peak_memory <= 24 GiB; other units: k, M, G, T"
        if unit not in _UNITS:
            return (
                f"unknown unit {clip(unit)}",
                "units: k, M, G, B (as G), T; KiB, MiB, GiB for bytes; s, ms, us for a time; "
                "for example params <= 5.5M",
            )
    return "it is not a comparison", _EXAMPLE


def _check_right(text: str, right: ast.expr) -> None:
    """Allow only arithmetic on numbers, quantities, baseline and locked, with min and max."""
    functions = {id(node.func) for node in ast.walk(right) if isinstance(node, ast.Call)}
    for node in ast.walk(right):
        if isinstance(node, ast.Name):
            known = ("min", "max") if id(node) in functions else _RIGHT
            if node.id not in known:
                near = unknown_name("function" if id(node) in functions else "name", node.id, known, _EXAMPLE)
                raise _bad(text, near.message, near.hint)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
            raise _bad(text, f"{clip(node.func.id)} takes at least one value", "for example max(macs, 1M)")
        elif isinstance(node, ast.Constant):
            if type(node.value) not in (int, float):
                raise _bad(text, f"{clip(node.value)} is not a number")
            if node.value == float("inf"):
                raise _bad(text, "a number on its right side is too large", "write at most 300 digits")
        elif not isinstance(node, (ast.Call, *_ARITHMETIC)):
            raise _bad(text, "its right side is not plain arithmetic")


def _left(text: str, node: ast.expr) -> str:
    """The quantity on the left."""
    if isinstance(node, ast.Name):
        if node.id in QUANTITIES:
            return node.id
        if node.id == "time":
            raise _bad(text, "a time needs a device", _TIME_EXAMPLE)
        near = unknown_name("quantity", node.id, QUANTITIES, _LEFT)
        raise _bad(text, near.message, near.hint)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "time":
        raise _bad(text, "write a time as time(DEVICE) or time(DEVICE, EXECUTION)", _TIME_EXAMPLE)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ratio":
        raise _bad(text, "write a ratio as ratio(NAME) or ratio(NAME, params), with NAME in quotes if needed")
    raise _bad(text, "its left side is not a quantity", _LEFT)


def _bad(text: str, why: str, hint: str = "") -> FlopcalcError:
    return FlopcalcError("bad-limit", f"the limit {clip(text)}: {why}", hint or _EXAMPLE)

"""Expressions and closed forms as text, LaTeX and Python source."""

from collections.abc import Mapping
from typing import Any

from flopcalc.algebra import sympy
from flopcalc.algebra.closed_form import ClosedForm
from flopcalc.spec.operator import show

Expr = Any


def text(expression: Expr) -> str:
    """One line, with ^ for powers."""
    written = str(sympy.sstr(_with_log2(expression)))
    for theirs, ours in (("**", "^"), ("ceiling(", "ceil("), ("Max(", "max("), ("Min(", "min(")):
        written = written.replace(theirs, ours)
    return written


def _with_log2(expression: Expr) -> Expr:
    """Quotients of logarithms as log2, which expressions read."""
    log2 = sympy.Function("log2")

    def written(found: Expr) -> Expr:
        return log2(found.args[0]) * sympy.log(2)

    return expression.replace(lambda e: isinstance(e, sympy.log) and e.args[0] != 2, written)


def latex(expression: Expr) -> str:
    """LaTeX."""
    names = {symbol: _latex_name(symbol.name) for symbol in expression.free_symbols}
    return str(sympy.latex(expression, symbol_names=names))


def _latex_name(name: str) -> str:
    head, _, tail = name.partition("_")
    if head == "alpha":
        head = r"\alpha"
    elif len(head) > 1:
        head = rf"\mathrm{{{head}}}"
    return rf"{head}_{{\mathrm{{{tail}}}}}" if tail else head


_TITLES = {"params": "Parameters of {}", "macs": "Multiply-accumulates of {} for one sample"}


def python(form: ClosedForm, kind: str) -> str:
    """Source of a Python function on ints that gives one kind of cost, exactly."""
    expression = form.cost(kind)
    used = dict(form.definitions)
    needed = _closure(expression, used)
    arguments = sorted(
        {s.name for s in expression.free_symbols | set().union(*(used[d].free_symbols for d in needed))}
        - {d.name for d in needed},
        key=_argument_order,
    )
    lines = [f"def {kind}({', '.join(arguments)}):"]
    words = [f"{_TITLES[kind].format(form.operator.name)}, exact on ints."]
    if "h_out" in arguments:
        words.append("h_out, w_out: size of the output.")
    if "h" in arguments:
        words.append("h, w: size of the input.")
    if not form.holds_at_any_stride:
        words.append("For stride 1.")
    words += [f"For {name} = {show(value)}." for name, value in form.fixed.items()]
    ratios = [p.letter for p in form.operator.params if p.kind == "fraction" and p.letter in arguments]
    words += [f"{letter}: a fractions.Fraction." for letter in ratios]
    # A value that is left out where an option is 0 has no closed form there.
    words += [f"{p.letter}: at least 1." for p in form.operator.params if p.letter in arguments and p.least == 0]
    lines.append(f'    """{" ".join(words)}"""')
    lines += [f"    {d.name} = {_python(used[d])}" for d in form.definitions if d in needed]
    lines.append(f"    return {_python(expression)}")
    return "\n".join(lines)


def _closure(expression: Expr, definitions: Mapping[Expr, Expr]) -> set[Expr]:
    needed: set[Expr] = set()
    waiting = list(expression.free_symbols)
    while waiting:
        symbol = waiting.pop()
        if symbol in definitions and symbol not in needed:
            needed.add(symbol)
            waiting += definitions[symbol].free_symbols
    return needed


_ORDER = ("c_in", "c_out", "k", "h", "w", "h_out", "w_out", "groups")


def _argument_order(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _python(expression: Expr) -> str:
    """Integer arithmetic: quotients are exact, floors and ceilings become //."""
    numerator, denominator = sympy.fraction(sympy.together(expression))
    top = _Printer().doprint(numerator)
    if denominator == 1:
        return f"{top}"
    return f"({top}) // {_bracket(denominator)}"


def _bracket(expression: Expr) -> str:
    printed = _Printer().doprint(expression)
    return str(printed) if expression.is_Atom else f"({printed})"


class _Printer(sympy.StrPrinter):  # type: ignore[misc]
    """A printer that writes floor and ceiling as //, and Python's max and min. SymPy extends printers by subclasses."""

    def _print_floor(self, node: Expr) -> str:
        logarithm = node.args[0] * sympy.log(2)
        if isinstance(logarithm, sympy.log):
            return f"(({self.doprint(logarithm.args[0])}).bit_length() - 1)"
        top, bottom = sympy.fraction(sympy.together(node.args[0]))
        return f"(({self.doprint(top)}) // {_bracket(bottom)})"

    def _print_ceiling(self, node: Expr) -> str:
        top, bottom = sympy.fraction(sympy.together(node.args[0]))
        return f"(-(-({self.doprint(top)}) // {_bracket(bottom)}))"

    def _print_Max(self, node: Expr) -> str:
        return f"max({', '.join(map(self.doprint, node.args))})"

    def _print_Min(self, node: Expr) -> str:
        return f"min({', '.join(map(self.doprint, node.args))})"

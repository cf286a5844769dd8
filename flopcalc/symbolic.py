"""Formulas as algebra. The only file that imports SymPy.

The same Python function that costs a layer on ints is called here with symbols; nothing is written
twice. Sizes: batch 1, stride 1; params and MACs hold for any stride, as they use the output grid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flopcalc.errors import missing_package

try:
    import sympy
except ImportError:
    raise missing_package("SymPy", "sympy>=1.12", "algebra") from None

from flopcalc.analysis.equations import quantity
from flopcalc.cost import Cost
from flopcalc.expression import evaluate
from flopcalc.geometry import Geometry, out_size
from flopcalc.operator import Evaluation, Operator
from flopcalc.provenance import Equation
from flopcalc.rules import EQUAL_CHANNELS, ONE_GROUP

Expr = Any


def _symbol(name: str) -> Expr:
    return sympy.Symbol(name, integer=True, positive=True)


def symbolic_geometry(operator: Operator) -> Geometry:
    """The shape in symbols. Channels are one symbol where the operator needs them equal."""
    c_in = _symbol("c_in")
    c_out = c_in if EQUAL_CHANNELS in operator.rules else _symbol("c_out")
    k = sympy.Integer(operator.shape["k"]) if "k" in operator.shape else _symbol("k")
    k_h = 1 if operator.axes == 1 else k
    own_grid = operator.size_out is not out_size
    h, w = (_symbol("h"), _symbol("w")) if own_grid else (_symbol("h_out"), _symbol("w_out"))
    h = 1 if operator.axes == 1 else h
    groups = 1 if ONE_GROUP in operator.rules else _symbol("groups")
    pad_h, pad_w = sympy.Rational(1, 2) * (k_h - 1), (k - 1) / 2
    h_out, w_out = h, w
    if own_grid:
        h_out, w_out = operator.size_out(h, k_h, 1, pad_h, 1), operator.size_out(w, k, 1, pad_w, 1)
    return Geometry(c_in, c_out, k_h, k, h, w, h_out, w_out, padding_h=pad_h, padding_w=pad_w, groups=groups)


def without_floors(expression: Expr) -> Expr:
    """The expression with floor(x) and ceiling(x) as x: what papers print, and the leading terms."""
    return expression.replace(sympy.floor, lambda x: x).replace(sympy.ceiling, lambda x: x)


@dataclass(frozen=True)
class ClosedForm:
    """An operator's cost as algebra.

    evaluation: the operator on symbols, with derived values as symbols of their own.
    definitions: what those symbols stand for. Options with a letter are symbols unless given.
    """

    evaluation: Evaluation
    definitions: Mapping[Expr, Expr]
    defaults: Mapping[Expr, Expr]

    @property
    def operator(self) -> Operator:
        """The operator."""
        return self.evaluation.operator

    def cost(self, kind: str) -> Expr:
        """One kind of cost, exact, in the symbols of shape, options and derived values."""
        return tidy(sympy.sympify(self.evaluation.cost.total(kind)))

    def baseline(self, kind: str) -> Expr:
        """The same kind for the plain convolution."""
        return tidy(sympy.sympify(self.evaluation.baseline.total(kind)))

    def expand(self, expression: Expr) -> Expr:
        """The expression with derived values spelled out."""
        return expression.subs(self.definitions)

    def ratio(self, kind: str) -> Expr:
        """Cost over the plain convolution's, exact."""
        return tidy(sympy.cancel(self.cost(kind) / self.baseline(kind)))

    def limit(self, kind: str) -> Expr:
        """The ratio for c_in = c_out -> infinity. Floors change no leading term, and are dropped."""
        c = _symbol("c")
        ratio = without_floors(self.expand(self.ratio(kind)))
        channels = {_symbol("c_in"): c, _symbol("c_out"): c}
        return tidy(sympy.simplify(sympy.limit(sympy.together(ratio.subs(channels)), c, sympy.oo)))

    @property
    def settings(self) -> dict[Expr, Expr]:
        """Default options, a kernel of 3 and the operator's default groups, by symbol."""
        groups = self.operator.shape.get("groups", 1)
        return {**self.defaults, _symbol("k"): sympy.Integer(3), _symbol("groups"): sympy.Integer(groups)}

    def at_defaults(self, expression: Expr) -> Expr:
        """The expression at `settings`."""
        return sympy.nsimplify(expression.subs(self.settings))

    @cached_property
    def exact(self) -> Evaluation:
        """The operator on symbols with derived values spelled out (for comparison with print)."""
        named = {name: self._spelled(value) for name, value in self.evaluation.named.items()}
        cost = self.operator.cost(self.evaluation.geometry, named)
        return Evaluation(self.operator, self.evaluation.geometry, frozenset(), named, cost)

    def _spelled(self, value: Any) -> Any:
        return value.subs(self.definitions) if isinstance(value, sympy.Basic) else value


def closed_form(operator: Operator, given: Mapping[str, Any] | None = None) -> ClosedForm:
    """The operator on symbols. `given` options are concrete; others are symbols where they have a letter."""
    given = dict(given or {})
    g = symbolic_geometry(operator)
    named: dict[str, Any] = dict(operator.resolve(given))
    defaults: dict[Expr, Expr] = {}
    for param in operator.params:
        if param.letter and param.name not in given:
            symbol = sympy.Symbol(param.letter, positive=True) if param.kind == "fraction" else _symbol(param.letter)
            default = named[param.name]
            if default is not None:
                defaults[symbol] = sympy.Rational(default)
            elif param.name == "depth":
                # Eq. 6 gives 3 for every c_in up to 512; the closed form holds for any depth.
                defaults[symbol] = sympy.Integer(3)
            named[param.name] = symbol
        elif param.kind == "fraction":
            named[param.name] = sympy.Rational(named[param.name].numerator, named[param.name].denominator)
    values = operator.derive(g, named)
    definitions: dict[Expr, Expr] = {}
    for derived in operator.derived:
        value = values[derived.name]
        if derived.shown and isinstance(value, sympy.Basic) and not value.is_Atom:
            symbol = _symbol(derived.name)
            definitions[symbol] = value.subs({v: k for k, v in definitions.items()})
            values[derived.name] = symbol
    evaluation = Evaluation(operator, g, frozenset(given), values, operator.cost(g, values))
    return ClosedForm(evaluation, definitions, defaults)


def tidy(expression: Expr) -> Expr:
    """A readable form: factored where that is shorter."""
    expression = expression.replace(_is_power_of_four, lambda power: 2 ** (2 * power.exp))
    candidates = [expression, sympy.factor(expression), sympy.factor_terms(sympy.expand(expression))]
    return min(candidates, key=lambda one: (len(str(one)), str(one)))


def _is_power_of_four(expression: Expr) -> bool:
    return bool(expression.is_Pow and expression.base == 4)


def equal(a: Expr, b: Expr) -> bool:
    """Whether two expressions are the same function."""
    return bool(sympy.simplify(sympy.expand(a - b)) == 0)


@dataclass(frozen=True)
class Proof:
    """A printed equation as algebra, beside the formula.

    printed, right, value: expressions (right is None where the print has no second form).
    equals: whether the print is the formula; right_equals: whether its second form is.
    """

    equation: Equation
    printed: Expr
    right: Expr | None
    value: Expr
    equals: bool
    right_equals: bool | None


def prove(form: ClosedForm, equation: Equation) -> Proof | None:
    """Compare an equation with the formula as algebra; None where it does not speak of these options.

    Rounding is left out on both sides where a paper prints none.
    """
    e = form.exact
    for name, wanted in equation.given.items():
        # An unset option that the closed form leaves open, such as depth, is not a contradiction.
        if e.named[name] != wanted and not (wanted is None and isinstance(e.named[name], sympy.Basic)):
            return None
    if equation.gives == "d":
        return None
    g = e.geometry
    names: dict[str, Any] = {
        **e.named, "c_in": g.c_in, "c_out": g.c_out, "k": g.k_h, "h": g.h, "w": g.w,
        "h_out": g.h_out, "w_out": g.w_out, "groups": g.groups, "stride": 1,
    }  # fmt: skip
    letters = {letter: names[name] for letter, name in equation.letters.items()}
    value = sympy.sympify(quantity(e, equation.gives))
    if g.groups != 1 and equation.domain is not None:
        value = value.subs(g.groups, 1)
    if not {"w", "w_out"} & set(equation.letters.values()):
        value = value.subs(g.w_out, g.h_out)

    # An equation for certain shapes that names c_in alone speaks of as many channels out as in.
    alone = equation.domain is not None and "c_out" not in equation.letters.values()
    equal_channels = {g.c_out: g.c_in} if alone and "c_in" in equation.letters.values() else {}
    value = value.subs(equal_channels)

    def same(text: str) -> tuple[Expr, bool]:
        other = sympy.sympify(evaluate(text, letters)).subs(equal_channels)
        return other, equal(value, other) or equal(without_floors(value), without_floors(other))

    printed, equals = same(equation.text)
    right, right_equals = same(equation.right) if equation.right else (None, None)
    return Proof(equation, printed, right, value, equals, right_equals)


# Writing ---------------------------------------------------------------------------------------


def text(expression: Expr) -> str:
    """One line, with ^ for powers."""
    return str(sympy.sstr(expression)).replace("**", "^").replace("ceiling(", "ceil(")


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


_TITLES = {"params": "Parameters", "macs": "Multiply-accumulates"}


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
    sizes = " h_out, w_out: size of the output." if "h_out" in arguments else ""
    sizes = " h, w: size of the input." if "h" in arguments else sizes
    ratio = " alpha: a fractions.Fraction." if "alpha" in arguments else ""
    lines.append(f'    """{_TITLES[kind]} of {form.operator.name} for one sample, exact on ints.{sizes}{ratio}"""')
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
    """SymPy's way to extend a printer is a subclass."""

    def _print_floor(self, node: Expr) -> str:
        top, bottom = sympy.fraction(sympy.together(node.args[0]))
        return f"(({self.doprint(top)}) // {_bracket(bottom)})"

    def _print_ceiling(self, node: Expr) -> str:
        top, bottom = sympy.fraction(sympy.together(node.args[0]))
        return f"(-(-({self.doprint(top)}) // {_bracket(bottom)}))"


def kinds_present(cost: Cost) -> list[str]:
    """Kinds beside params and MACs that are not zero."""
    kinds = ("adds", "muls", "other", "activations", "traffic", "steps")
    return [kind for kind in kinds if cost.total(kind) != 0]

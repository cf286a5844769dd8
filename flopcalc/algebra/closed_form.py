"""Formulas as algebra: closed forms of operators, their ratios and limits, and proofs of printed equations.

The Python function that gives a layer's cost on ints is called here with symbols; nothing is written twice.
Sizes: batch 1; h, w of the input, h_out, w_out of the output. Ratios, limits and all kinds but params and MACs
are taken at stride 1, where input and output have the same grid.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flopcalc.algebra import sympy
from flopcalc.algebra.on_symbols import on_symbols
from flopcalc.cost.cost import Cost
from flopcalc.cost.geometry import Geometry, geometry, out_size
from flopcalc.cost.kinds import ELEMENTWISE, KINDS
from flopcalc.errors import FlopcalcError
from flopcalc.spec.equations import equation_value, quantity
from flopcalc.spec.operator import Evaluation, Operator, Param
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, UNIT_STRIDE
from flopcalc.spec.source import Equation

Expr = Any


def _symbol(name: str) -> Expr:
    return sympy.Symbol(name, integer=True, positive=True)


def _only_kernel(operator: Operator) -> int | None:
    """The kernel of an operator that does not apply to the next larger one; None for others."""
    k = operator.shape.get("k")
    if k is None:
        return None
    try:
        sizes: dict[str, Any] = {"c_in": 64, "c_out": 64, **operator.shape, "k": k + 2}
        operator.evaluate(geometry(**sizes))
    except FlopcalcError:
        return k
    return None


def symbolic_geometry(operator: Operator, stride: int = 1) -> Geometry:
    """The shape in symbols. Channels are one symbol where the operator needs them equal.

    The stride is a number, since it decides which branches a block has. Input and output grid have different
    symbols, unless the operator keeps the grid or has its own rule for the output.
    """
    c_in = _symbol("c_in")
    c_out = c_in if EQUAL_CHANNELS in operator.rules else _symbol("c_out")
    only = _only_kernel(operator)
    k = _symbol("k") if only is None else sympy.Integer(only)
    k_h = 1 if operator.axes == 1 else k
    h, w = (1 if operator.axes == 1 else _symbol("h")), _symbol("w")
    pad_h, pad_w = sympy.Rational(1, 2) * (k_h - 1), (k - 1) / 2
    if operator.size_out is not out_size:
        h_out, w_out = operator.size_out(h, k_h, 1, pad_h, 1), operator.size_out(w, k, 1, pad_w, 1)
    else:
        h_out, w_out = (1 if operator.axes == 1 else _symbol("h_out")), _symbol("w_out")
        if UNIT_STRIDE in operator.rules:
            h, w = h_out, w_out
    groups = 1 if ONE_GROUP in operator.rules else _symbol("groups")
    return Geometry(
        c_in=c_in,
        c_out=c_out,
        k_h=k_h,
        k_w=k,
        h=h,
        w=w,
        h_out=h_out,
        w_out=w_out,
        stride_h=stride,
        stride_w=stride,
        padding_h=pad_h,
        padding_w=pad_w,
        groups=groups,
    )


_AT_STRIDE_1 = {"h": "h_out", "w": "w_out"}


def at_stride_1(expression: Expr) -> Expr:
    """The expression where input and output have the same grid."""
    if {"h_out", "w_out"} & {symbol.name for symbol in expression.free_symbols}:
        return expression.subs({_symbol(a): _symbol(b) for a, b in _AT_STRIDE_1.items()})
    return expression


def without_floors(expression: Expr) -> Expr:
    """The expression with floor(x) and ceiling(x) as x: what papers print, and the leading terms."""
    return expression.replace(sympy.floor, lambda x: x).replace(sympy.ceiling, lambda x: x)


def _for_many(expression: Expr, c: Expr) -> Expr:
    """The expression for a large c: without the arguments of maxima and minima that another one leaves behind."""

    def settled(extreme: Expr) -> Expr:
        won, lost = (sympy.oo, -sympy.oo) if isinstance(extreme, sympy.Max) else (-sympy.oo, sympy.oo)
        ends = {argument: sympy.limit(argument, c, sympy.oo) for argument in extreme.args}
        left = [argument for argument, end in ends.items() if end == won]
        left = left or [argument for argument, end in ends.items() if end != lost]
        return extreme.func(*left) if left else extreme

    return expression.replace(lambda e: isinstance(e, sympy.Max | sympy.Min) and e.has(c), settled)


@dataclass(frozen=True)
class ClosedForm:
    """An operator's cost as algebra.

    evaluation: the operator on symbols, with derived values as symbols of their own.
    definitions: the meaning of those symbols. Options with a letter are symbols unless given.
    defaults: the default values of those options. given: the options that were given.
    """

    evaluation: Evaluation
    definitions: Mapping[Expr, Expr]
    defaults: Mapping[Expr, Expr]
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def operator(self) -> Operator:
        """The operator."""
        return self.evaluation.operator

    def cost(self, kind: str) -> Expr:
        """One kind of cost, exact, in the symbols of shape, options and derived values."""
        if kind not in self._costs:
            total = sympy.sympify(self.evaluation.cost.total(kind))
            self._costs[kind] = tidy(total if kind in ("params", "macs") else at_stride_1(total))
        return self._costs[kind]

    @cached_property
    def _costs(self) -> dict[str, Expr]:
        return {}

    @cached_property
    def holds_at_any_stride(self) -> bool:
        """Whether params and MACs are the same formula at a stride; a block may have another branch there."""
        e = self.evaluation
        if UNIT_STRIDE in self.operator.rules:
            return True
        g = symbolic_geometry(self.operator, stride=2)
        options = {param.name: e.named[param.name] for param in self.operator.params}
        with on_symbols(self.operator):
            strided = self.operator.cost(g, {**self.operator.derive(g, options), **self._symbols()})
        return all(equal(self.evaluation.cost.total(kind), strided.total(kind)) for kind in ("params", "macs"))

    @cached_property
    def fixed(self) -> dict[str, Any]:
        """The numbers without a letter that were not given, at their defaults, where another value changes the cost."""
        numbers = [p for p in self.operator.params if p.kind in ("int", "fraction", "ints") and not p.letter]
        return {
            param.name: param.default
            for param in numbers
            if param.default is not None and param.name not in self.given and self._depends_on(param)
        }

    def _depends_on(self, param: Param) -> bool:
        default: Any = param.default
        others = param.samples or ((*default, *default) if isinstance(default, tuple) else default + 1,)
        try:
            forms = [closed_form(self.operator, {**self.given, param.name: other}) for other in others]
        except FlopcalcError:
            # It has no formula at the other value.
            return True
        return any(form._totals != self._totals for form in forms)

    @cached_property
    def _totals(self) -> list[Expr]:
        return [self.expand(sympy.sympify(self.evaluation.cost.total(kind))) for kind in ("params", "macs")]

    def _symbols(self) -> dict[str, Expr]:
        """Derived values that are symbols, by name."""
        return {symbol.name: symbol for symbol in self.definitions}

    def baseline(self, kind: str) -> Expr:
        """The same kind for the plain convolution."""
        with on_symbols(self.operator):
            return tidy(sympy.sympify(self.evaluation.baseline.total(kind)))

    def expand(self, expression: Expr) -> Expr:
        """The expression with derived values written out."""
        # Later values may be written in earlier ones.
        for symbol, meaning in reversed(list(self.definitions.items())):
            expression = expression.subs(symbol, meaning)
        return expression

    def ratio(self, kind: str) -> Expr:
        """Cost divided by that of the plain convolution, exact."""
        return tidy(sympy.cancel(at_stride_1(self.cost(kind)) / at_stride_1(self.baseline(kind))))

    def limit(self, kind: str) -> Expr:
        """The ratio for c_in = c_out -> infinity. Floors change no leading term, and are dropped."""
        # A dummy, since an option may have the letter c.
        c = sympy.Dummy("c", integer=True, positive=True)
        ratio = without_floors(self.expand(self.ratio(kind)))
        channels = {_symbol("c_in"): c, _symbol("c_out"): c}
        many = _for_many(ratio.subs(channels), c)
        return tidy(sympy.simplify(sympy.limit(sympy.together(many), c, sympy.oo)))

    @property
    def settings(self) -> dict[Expr, Expr]:
        """Default options, and the operator's default kernel and groups, by symbol."""
        shape = {"k": 3, "groups": 1} | dict(self.operator.shape)
        return {**self.defaults, **{_symbol(name): sympy.Integer(shape[name]) for name in ("k", "groups")}}

    def at_defaults(self, expression: Expr) -> Expr:
        """The expression at `settings`."""
        return sympy.nsimplify(expression.subs(self.settings))

    @cached_property
    def exact(self) -> Evaluation:
        """The operator on symbols with derived values written out, to compare with printed equations."""
        named = {name: self._spelled(value) for name, value in self.evaluation.named.items()}
        with on_symbols(self.operator):
            cost = self.operator.cost(self.evaluation.geometry, named)
        return Evaluation(self.operator, self.evaluation.geometry, frozenset(), named, cost)

    def _spelled(self, value: Any) -> Any:
        return self.expand(value) if isinstance(value, sympy.Basic) else value


def closed_form(operator: Operator, given: Mapping[str, Any] | None = None) -> ClosedForm:
    """The operator on symbols. `given` options are concrete; others are symbols where they have a letter.

    Raises FlopcalcError (no-closed-form) where the formula fails on symbols.
    """
    given = dict(given or {})
    g = symbolic_geometry(operator)
    named: dict[str, Any] = dict(operator.resolve(given))
    defaults: dict[Expr, Expr] = {}
    for param in operator.params:
        if param.letter and param.name not in given:
            symbol = sympy.Symbol(param.letter, positive=True) if param.kind == "fraction" else _symbol(param.letter)
            default = param.typical if named[param.name] is None else named[param.name]
            if default is not None:
                defaults[symbol] = sympy.Rational(default)
            named[param.name] = symbol
        elif param.kind == "fraction" and named[param.name] is not None:
            named[param.name] = sympy.Rational(named[param.name].numerator, named[param.name].denominator)
    with on_symbols(operator):
        values = operator.derive(g, named)
    definitions: dict[Expr, Expr] = {}
    for derived in operator.derived:
        value = values[derived.name]
        if derived.shown and isinstance(value, sympy.Basic) and not value.is_Atom:
            symbol = _symbol(derived.name)
            definitions[symbol] = value.subs({v: k for k, v in definitions.items()})
            values[derived.name] = symbol
    with on_symbols(operator):
        cost = operator.cost(g, values)
        # A value that is compared may be part of a total only.
        for kind in KINDS:
            cost.total(kind)
    return ClosedForm(Evaluation(operator, g, frozenset(given), values, cost), definitions, defaults, given)


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
    """A printed equation as algebra, compared with the formula.

    printed, right, value: expressions (right is None where the equation has no second form).
    equals: whether the printed equation is the formula. right_equals: whether its second form is.
    """

    equation: Equation
    printed: Expr
    right: Expr | None
    value: Expr
    equals: bool
    right_equals: bool | None


def prove(form: ClosedForm, equation: Equation) -> Proof | None:
    """Compare an equation with the formula as algebra; None where it is not about these options.

    Rounding is left out on both sides where a paper leaves it out.
    """
    e = form.exact
    for name, wanted in equation.given.items():
        # An unset option that the closed form leaves open, such as depth, is not a contradiction.
        if e.named[name] != wanted and not (wanted is None and isinstance(e.named[name], sympy.Basic)):
            return None
    value = sympy.sympify(quantity(e, equation.gives))
    if value in form.defaults:  # an option that the closed form leaves open: there is nothing to compare
        return None
    g = e.geometry
    names: dict[str, Any] = {
        **e.named,
        "c_in": g.c_in,
        "c_out": g.c_out,
        "k": g.k_h,
        "h": g.h,
        "w": g.w,
        "h_out": g.h_out,
        "w_out": g.w_out,
        "groups": g.groups,
        "stride": 1,
    }
    letters = {letter: names[name] for letter, name in equation.letters.items()}
    if g.groups != 1 and equation.domain is not None:
        value = value.subs(g.groups, 1)
    fixed = {_symbol(name): names.get(size, size) for name, size in equation.sizes.items()}
    # At stride 1 both grids are the same, unless the operator has its own rule for the output.
    one_grid = {_symbol(a): _symbol(b) for a, b in _AT_STRIDE_1.items()} if g.h_out == _symbol("h_out") else {}
    square = {} if {"w", "w_out"} & set(equation.letters.values()) else {g.w_out: g.h_out}

    def plain(expression: Expr) -> Expr:
        return sympy.sympify(expression).subs(one_grid).subs(square).subs(fixed)

    value = plain(value)

    def same(text: str) -> tuple[Expr, bool]:
        other = plain(equation_value(equation, text, letters))
        return other, equal(value, other) or equal(without_floors(value), without_floors(other))

    printed, equals = same(equation.text)
    right, right_equals = same(equation.right) if equation.right else (None, None)
    return Proof(equation, printed, right, value, equals, right_equals)


def kinds_present(cost: Cost) -> list[str]:
    """Kinds other than params and MACs that are not zero."""
    first = ("params", "macs", "flops", *ELEMENTWISE)
    kinds = (*ELEMENTWISE, *(kind for kind in KINDS if kind not in first))
    return [kind for kind in kinds if cost.total(kind) != 0]

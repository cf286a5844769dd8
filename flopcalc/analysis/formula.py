"""`flopcalc.formula`: the closed form of an operator or a network, for Python."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import import_module
from typing import Any, Literal

from flopcalc.analysis.assumptions import assumed
from flopcalc.analysis.closed_forms import network_form
from flopcalc.analysis.form_record import form_record, python_source
from flopcalc.analysis.network_form import NetworkForm
from flopcalc.analysis.variables import Variable, names_of
from flopcalc.catalog import lookup
from flopcalc.cost.result import Result
from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.inputs import InputLike
from flopcalc.networks.progress_bar import Words, following
from flopcalc.networks.training import read_training
from flopcalc.symbolic.writing import latex_lines, latex_symbol
from flopcalc.targets.call import refuse
from flopcalc.targets.kind import kind_of
from flopcalc.targets.spec import as_texts, as_values, from_python
from flopcalc.text.expression import exact


@dataclass(frozen=True, eq=False, repr=False)
class Formula(Result):
    """The cost of an operator or a network as exact expressions.

    target: its name. exact: one expression for each kind of cost, as text. form: of a network, the expressions
    themselves; None for an operator. latex: of an operator, the same expressions in LaTeX.
    """

    target: str
    exact: Mapping[str, str]
    form: NetworkForm | None
    record: Mapping[str, Any]
    python: str
    latex: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        macs = self.exact["macs"]
        return f"<Formula of {self.target}: macs = {macs if len(macs) <= 70 else f'{macs[:69]}…'}>"

    def at(self, **values: Any) -> dict[str, Any]:
        """All kinds of cost where the symbols have these values: exact ints, or arrays for NumPy arrays of integers.

        For networks. Raises FlopcalcError (bad-usage) for a missing or unknown symbol, and where it does not hold.
        """
        if self.form is None:
            why = f"the formula of the operator {self.target} is evaluated by flopcalc.layer"
            raise FlopcalcError("bad-usage", why, f'write flopcalc.layer("{self.target}", 64)')
        symbols = self.form.symbols
        if set(values) != set(symbols):
            given = clip(", ".join(values) or "none")
            why = f"the symbols of {self.target} are {', '.join(symbols)}, and {given} are given"
            raise FlopcalcError("bad-usage", why, "give each symbol a value, by its name")
        point = {one.symbol: _value_of(one, values[one.symbol]) for one in self.form.variables}
        if not self.form.allows(point):
            conditions = [f"{one.size} == {one.value}" for one in self.form.fixed]
            conditions += [one.condition for one in self.form.requirements]
            why = f"the formula of {self.target} does not hold there"
            raise FlopcalcError("bad-usage", why, f"it holds for {', '.join(conditions)}")
        return self.form.at(point)

    def to_dict(self) -> dict[str, Any]:
        """As `flopcalc formula --format json` shows it."""
        return dict(self.record)

    def to_rows(self) -> list[dict[str, str]]:
        """One row for each kind of cost."""
        return [{"kind": kind, "exact": value} for kind, value in self.exact.items()]

    def latex_of(self, kind: str) -> list[str]:
        """The expression of one kind of cost in LaTeX, in lines of a few terms each."""
        return [self.latex[kind]] if self.form is None else latex_lines(self.form.cost[kind])

    def _repr_latex_(self) -> str:
        """Parameters and MACs as aligned equations, for notebooks and the pages made of them."""
        rows = []
        for kind in ("params", "macs"):
            first, *others = self.latex_of(kind)
            rows += [rf"{latex_symbol(kind)} &= {first}", *(rf"&\quad {other}" for other in others)]
        return "$$\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}$$"


def _value_of(one: Variable, value: Any) -> Any:
    """A value of a symbol, checked: a number, or an array of integers. Raises FlopcalcError (bad-usage)."""
    rational = isinstance(one.hint, Fraction)
    if hasattr(value, "dtype") and value.ndim:
        whole, least = value.dtype.kind in "iu", min(map(int, value.reshape(-1).tolist()), default=one.least)
    else:
        number: Any = as_int(value)
        if number is None and rational and isinstance(value, int | float | str | Fraction):
            with suppress(ValueError, ZeroDivisionError, OverflowError):
                number = exact(Fraction(value) if isinstance(value, str) else value)
        whole = isinstance(number, int | Fraction)
        value = least = number if whole else value
    if not whole or least < one.least:
        wanted = "a number larger than 0" if rational else f"a whole number, {one.least} or more"
        why = f"{one.symbol} is {clip(value)}; it must be {wanted}"
        raise FlopcalcError("bad-usage", why, "arrays must hold such numbers too")
    return value


def formula(
    what: Any,
    *,
    vary: str | Sequence[str] | None = None,
    assume: str | Sequence[str] = (),
    input: InputLike | Sequence[InputLike] | None = None,
    batch: int = 1,
    replace: str | Iterable[str] = (),
    where: str | None = None,
    keep: str | Iterable[str] = (),
    set: Mapping[str, Any] | None = None,
    arg: Mapping[str, Any] | None = None,
    method: str | None = None,
    mode: Literal["inference", "training"] = "inference",
    freeze: str | Iterable[str] = (),
    checkpoint: str | Iterable[str] = (),
) -> Formula:
    """The closed form of an operator or a network, as `flopcalc formula` shows it.

    what: an operator's name, or a target as in `flopcalc model`; an nn.Module or a function that builds one, with
    `input`. vary: names of the axes and options that are symbols, as a list or as text with commas. assume: texts
    such as "H = 32 h". set: options that have a number. mode: "training" for the forward and the backward pass of one
    training step; freeze, checkpoint: as of `flopcalc.training`. Raises FlopcalcError: no-closed-form where there is
    none.

    >>> from flopcalc import formula
    >>> formula("resnet18", assume="H = 32 h, W = 32 w").exact["macs"]
    '37011456*N*h*w + 512000*N'
    """
    if isinstance(what, os.PathLike):
        what = os.fspath(what)
    if isinstance(what, str) and kind_of(what) == "operator":
        given = {"vary": vary, "assume": assume, "input": input, "replace": replace, "where": where, "keep": keep}
        given |= {"arg": arg, "method": method, "freeze": freeze, "checkpoint": checkpoint}
        given |= {"batch": None if batch == 1 else batch, "mode": None if mode == "inference" else mode}
        refuse(given, "is for the formula of a network; that of an operator has symbols for all its sizes")
        return _of_operator(what, as_values(set, "set", '{"bias": True}'))
    spec = from_python(
        what, input, batch=batch, replace=replace, where=where, keep=keep, set=set, arg=arg, method=method
    )
    spec = spec._replace(
        training=read_training(mode, as_texts(freeze, "freeze", "conv1"), as_texts(checkpoint, "checkpoint", "layer1"))
    )
    if vary is not None and not isinstance(vary, str | Sequence):
        raise FlopcalcError("bad-usage", f"vary is {clip(vary)}, not names", 'write for example vary="height,width"')
    with following(Words(spec.shown)):
        form = network_form(spec, None if vary is None else names_of(as_texts(vary, "vary", "height,width")))
    if texts := as_texts(assume, "assume", "H = 32 h"):
        form = assumed(form, texts)
    record = form_record(form)
    exact = {kind: one["exact"] for kind, one in record["cost"].items()}
    return Formula(form.target, exact, form, record, python_source(form))


def _of_operator(what: str, settings: Mapping[str, Any]) -> Formula:
    operator, given = lookup.parse(what)
    given = {**given, **{name: operator.resolve({name: value})[name] for name, value in settings.items()}}
    # SymPy.
    records = import_module("flopcalc.algebra.formula_record")
    records.check_somewhere(operator, given)
    form = import_module("flopcalc.algebra.closed_form").closed_form(operator, given)
    import_module("flopcalc.algebra.comparison").check_on_numbers(form, given)
    record = records.formula_record(form, "text")
    exact = {kind: cost["exact"] for kind, cost in record["cost"].items()} | dict(record["kinds"])
    writing = import_module("flopcalc.algebra.writing")
    source = "\n\n\n".join(writing.python(form, kind) for kind in records.QUANTITIES)
    latex = {kind: writing.latex(form.cost(kind)) for kind in exact}
    return Formula(operator.name, exact, None, record, source, latex)

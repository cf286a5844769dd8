"""Operators with a formula that does not work on symbols: a clear error, not exit code 70 and not a wrong formula."""

import pytest

pytest.importorskip("sympy")

from collections.abc import Callable, Iterable
from dataclasses import replace

from helpers import Run

from flopcalc.algebra.closed_form import closed_form
from flopcalc.algebra.comparison import check_on_numbers
from flopcalc.catalog import lookup
from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Derived, Operator

Runner = Callable[..., Run]


def _conv(g: Geometry, c_out: object) -> Iterable[Part]:
    yield parts.conv("conv", g.c_in, c_out, g.area, g.p_in, g.p_out)


def _plain(g: Geometry) -> Iterable[Part]:
    return _conv(g, g.c_out)


def _whole(g: Geometry) -> Iterable[Part]:
    return _conv(g, int(g.c_out * 3 / 2))


def _compares(g: Geometry) -> Iterable[Part]:
    return _conv(g, min(g.c_in, g.c_out))


def _branches(g: Geometry) -> Iterable[Part]:
    # SymPy counts c_in % 8 as true.
    return _conv(g, g.c_out if g.c_in % 8 else 2 * g.c_out)


def _operator(**fields: object) -> Operator:
    base = lookup.get("conv")
    settings = {"name": "mine", "params": (), "equations": (), "rules": (), "limits": (), **fields}
    return replace(base, **settings)  # type: ignore[arg-type]


WRONG = {
    "int() in the formula": _operator(formula=_whole),
    "a comparison": _operator(formula=_compares),
    "int() in a derived value": _operator(formula=_plain, derived=(Derived("half", lambda g: int(g.c_in / 2)),)),
    "an attribute of int": _operator(formula=_plain, derived=(Derived("bits", lambda g: g.c_in.bit_length()),)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_formula_that_fails_on_symbols(name: str, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code no-closed-form, exit code 2, and a hint that names the helpers."""
    operator = WRONG[name]
    assert operator.evaluate(operator.geometry(16)).cost.macs > 0
    with pytest.raises(FlopcalcError) as caught:
        closed_form(operator)
    assert caught.value.code == "no-closed-form"
    monkeypatch.setattr(lookup, "find", lambda _: operator)
    done = run("formula", "mine")
    assert (done.code, done.out) == (2, "")
    message, hint = done.err.splitlines()
    assert "mine has no closed form: its formula fails on symbols" in message
    assert "flopcalc.cost.arith" in hint


def test_a_formula_that_silently_takes_one_branch(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """An `if` on a symbol raises nothing: the closed form is compared with the formula on numbers."""
    operator = _operator(formula=_branches)
    with pytest.raises(FlopcalcError, match="takes another branch"):
        check_on_numbers(closed_form(operator), {})
    monkeypatch.setattr(lookup, "find", lambda _: operator)
    assert run("formula", "mine").code == 2


@pytest.mark.parametrize("name", lookup.names())
def test_our_operators_have_a_closed_form(name: str) -> None:
    """The comparison accepts every operator of flopcalc, and compares something. If it fails: see the guide's rules."""
    operator = lookup.get(name)
    check_on_numbers(closed_form(operator), {})


def test_no_empty_section(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator without equations has no section for them."""
    operator = _operator(formula=_plain)
    monkeypatch.setattr(lookup, "find", lambda _: operator)
    for command in (("formula", "mine"), ("layer", "mine", "--cin", "8")):
        done = run(*command)
        assert done.code == 0, done.err
        assert "As printed" not in done.out

"""`flopcalc formula`: the Python that it writes is the formula, and its JSON holds exact limits."""

import json
from typing import Any

import pytest
from helpers import Runner, for_author


def test_python_of_a_formula_is_the_formula(run: Runner) -> None:
    """The generated source, run on ints, equals the formula for every operator."""
    pytest.importorskip("sympy")
    from flopcalc.catalog import lookup
    from flopcalc.catalog.cases import cases

    compared = 0
    for operator in lookup.every():
        source = run("formula", operator.name, "--as", "python").out
        functions: dict[str, Any] = {}
        exec(source, functions)  # noqa: S102 - our own output, which users run
        for e in cases(operator):
            g = e.geometry
            if e.given or g.k_h != g.k_w or g.batch != 1:
                continue
            if "For stride 1." in source and (g.strided or (g.h, g.w) != (g.h_out, g.w_out)):
                continue
            values: dict[str, Any] = {
                "c_in": g.c_in,
                "c_out": g.c_out,
                "k": g.k_h,
                "h_out": g.h_out,
                "w_out": g.w_out,
                "groups": g.groups,
                "h": g.h,
                "w": g.w,
            }
            letters = [p for p in operator.params if p.letter]
            values |= {p.letter: e.named[p.stands_for or p.name] for p in letters}
            for kind in ("params", "macs"):
                function = functions[kind]
                names = function.__code__.co_varnames[: function.__code__.co_argcount]
                found = function(*(values[name] for name in names))
                assert found == e.cost.total(kind), for_author(
                    operator.name,
                    f"the Python of its closed form gives other {kind} on {g} than the formula; give a `letter` to "
                    "each option that the formula reads as a number",
                )
                compared += 1
    assert compared > 50


def test_formula_json(run: Runner) -> None:
    """Printed, corrected, exact, ratio and limit as data."""
    pytest.importorskip("sympy")
    data = json.loads(run("formula", "compconv", "--format", "json", "--set", "depth=3").out)
    assert data["cost"]["macs"]["limit"] == "25/98"
    eighth = [e for e in data["equations"] if e["number"] == "8" and e["applies"]]
    assert [(e["printed_equals_derived"], e["right_equals_derived"]) for e in eighth] == [(False, True)]
    spconv = json.loads(run("formula", "spconv", "--format", "json").out)
    assert spconv["cost"]["macs"]["limit_at_defaults"] == "13/36"


def test_numbers_that_a_formula_fixes_are_named(run: Runner) -> None:
    """An option without a letter, where its value changes the cost: h w / p^2 tokens."""
    assert "at defaults  patch = 1; --set gives another value" in run("formula", "attention").out
    assert "at defaults" not in run("formula", "attention", "--set", "patch=2").out
    assert "For patch = 1." in run("formula", "attention", "--as", "python").out
    assert json.loads(run("formula", "attention", "--format", "json").out)["fixed"] == {"patch": "1"}
    # The option c_0 only chooses the depth, which has a letter.
    assert json.loads(run("formula", "compconv", "--format", "json").out)["fixed"] == {}


def test_the_ratio_names_its_baseline(run: Runner) -> None:
    """A recurrent layer is compared with a linear layer, attention with a 3x3 convolution."""
    pytest.importorskip("sympy")
    for name, baseline in (("lstm", "linear"), ("gqa", "conv 3x3"), ("ghost", "conv"), ("conv1d", "conv1d")):
        assert f"  ratio to {baseline}  " in run("formula", name).out

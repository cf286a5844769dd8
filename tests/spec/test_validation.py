"""A mistake in an operator's record is refused when the record is built, with the values that are allowed."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from flopcalc.catalog import lookup
from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Derived, Limit, Operator, Param, Rule
from flopcalc.spec.source import Equation, Paper


def _formula(g: Geometry, mid: Dim) -> Iterable[Part]:
    yield parts.conv("reduce", g.c_in, mid, 1, g.p_in, g.p_in)
    yield parts.conv("expand", mid, g.c_out, g.area, g.p_in, g.p_out)


def _operator(**changes: Any) -> Operator:
    fields: dict[str, Any] = {
        "name": "regroup",
        "title": "Regroup",
        "family": "convolutions",
        "paper": Paper("regroup", (), "Regroup", "not published", None),
        "formula": _formula,
        "params": (_param(), Param("norm", "bool", False, "batch norm")),
        "derived": (Derived("mid", lambda g, width: width, lambda g, named: "the width"),),
        "equations": (_equation(),),
    }
    return Operator(**{**fields, **changes})


def _param(**changes: Any) -> Param:
    return Param("width", "int", 4, "channels between", 1, letter="q")._replace(**changes)


def _equation(**changes: Any) -> Equation:
    fields: dict[str, Any] = {"number": "3", "text": "C * M", "letters": {"C": "c_in", "M": "mid"}, "gives": "params"}
    return Equation(**{**fields, **changes})


def test_the_record_without_a_mistake() -> None:
    """Each case below differs from it in one field."""
    assert _operator().evaluate(_operator().geometry(8)).cost.params == 8 * 4 + 4 * 8 * 9


PARAMS = {
    "letter of a size": ({"letter": "k"}, "the letter k of option width is the name of a size"),
    "letter of a channel": ({"letter": "c_in"}, "the letter c_in .* is the name of a size"),
    "letter of a derived value": ({"letter": "mid"}, "the letter mid .* is the name of a derived value"),
    "letter that is a keyword": ({"letter": "lambda"}, "'lambda' is not a name in Python"),
    "letter with a space": ({"letter": "a b"}, "'a b' is not a name in Python"),
    "letter of a flag": ({"kind": "bool", "default": True, "least": None}, "only a number has a letter"),
    "name of a size": ({"name": "groups"}, "option groups: the name is that of a size or an argument"),
    "name of a shape": ({"name": "hw"}, "option hw: the name is that of a size or an argument"),
    "name of an argument": ({"name": "type"}, "option type: the name is that of a size or an argument"),
    "name that is a keyword": ({"name": "in"}, "'in' is not a name in Python"),
    "kind": (
        {"kind": "integer"},
        "has the kind 'integer'; the kinds are int, fraction, bool, choice, ints",
    ),
    "default of another kind": ({"default": "x"}, "option width: .*'x' must be a whole number"),
    "default as text": ({"default": "4"}, "option width: .*'4' must be a whole number"),
    "default below the bound": ({"default": 0}, "option width: .*0 must be"),
    "sample below the bound": ({"samples": (2, 0)}, "option width: .*0 must be"),
    "no default": ({"default": None}, "no default and no rule for one"),
    "same_as": ({"default": None, "same_as": "high"}, "same_as names 'high', which is not an option"),
    "stands_for": ({"stands_for": "high"}, "stands_for needs a letter and a derived value"),
    "choices": ({"choices": ("a",)}, "the kind choice needs `choices`"),
}


@pytest.mark.parametrize(("changes", "message"), PARAMS.values(), ids=PARAMS)
def test_a_mistake_in_an_option(changes: dict[str, Any], message: str) -> None:
    """The error names operator and option."""
    derived = (Derived("mid", lambda g: 4, lambda g, named: "the width"),)
    with pytest.raises(ValueError, match=rf"regroup: .*{message}"):
        _operator(params=(_param(**changes), Param("norm", "bool", False, "batch norm")), derived=derived)


def test_two_options_with_one_letter() -> None:
    """A closed form would merge them."""
    with pytest.raises(ValueError, match="regroup: the options width and height share the letter q"):
        _operator(params=(_param(), Param("height", "int", 4, "rows", letter="q")))


EQUATIONS = {
    "status": ({"status": "correct"}, "status 'correct'; the statuses are printed, corrected, asymptotic, open"),
    "no right form": ({"status": "asymptotic", "why": "x"}, "status asymptotic needs `right` and `why`"),
    "no reason": ({"status": "open", "right": "M"}, "status open needs `right` and `why`"),
    "right of a printed one": ({"right": "M"}, "status printed has no `right`"),
    "gives": ({"gives": "parameters"}, "gives is 'parameters'; known: macs, params"),
    "gives an option's typo": ({"gives": "midd"}, "gives is 'midd'"),
    "gives a kind of a part": ({"gives": "weights of reduce"}, "before `of` comes one of params, macs"),
    "letters": ({"letters": {"C": "c_in", "M": "middle"}}, "`letters` of equation 3 names middle; known: batch, c_in"),
    "given": ({"given": {"nrm": True}}, "`given` of equation 3 names nrm; known: mid, norm, width"),
    "value of given": ({"given": {"norm": "false"}}, "given has norm = 'false'; it must be true or false"),
    "sizes": ({"sizes": {"strides": 1}}, "`sizes` of equation 3 names strides"),
    "value of sizes": ({"sizes": {"c_out": "cin"}}, "`sizes` of equation 3 names cin"),
    "domain": ({"domain": lambda g, named: True}, "its domain needs `domain_text`"),
}


@pytest.mark.parametrize(("changes", "message"), EQUATIONS.values(), ids=EQUATIONS)
def test_a_mistake_in_an_equation(changes: dict[str, Any], message: str) -> None:
    """The error names the equation."""
    with pytest.raises(ValueError, match=rf"regroup: .*equation 3.*{message}|regroup: {message}"):
        _operator(equations=(_equation(**changes),))


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "family in capitals": ({"family": "Convolutions"}, "the family is 'Convolutions'; write it in lower-case words"),
    "no family": ({"family": ""}, "the family is ''"),
    "no comma": ({"params": _param()}, r"params is not a tuple of Param; a tuple of one is written \(p,\)"),
    "another record": ({"limits": (_equation(),)}, "limits is not a tuple of Limit"),
    "limit": ({"limits": (Limit({"widht": 4}, equals="conv"),)}, "a Limit names widht; known: mid, norm, width"),
    "derived value": (
        {"derived": (Derived("mid", lambda g: 4), Derived("c_out", lambda g: 4))},
        "derived value c_out: the name is that of a size",
    ),
    "samples": ({"samples": ({"widht": 4},)}, "samples names widht"),
    "shape": ({"shape": {"kernel": 3}}, "shape names kernel; known: batch, dilation, groups, hw"),
    "shapes": ({"shapes": ({"c_in": 8, "size": 3},)}, "shapes names size"),
    "shapes without channels": ({"shapes": ({"hw": 8},)}, "has no c_in"),
    "formula": ({"formula": lambda g, middle: ()}, "reads middle; known: mid, norm, width"),
}


@pytest.mark.parametrize(("changes", "message"), OTHERS.values(), ids=OTHERS)
def test_a_mistake_in_another_field(changes: dict[str, Any], message: str) -> None:
    """With what is known."""
    with pytest.raises(ValueError, match=f"regroup: .*{message}"):
        _operator(**changes)


def test_a_letter_that_an_equation_does_not_map() -> None:
    """The error names the equation and the field."""
    from flopcalc import FlopcalcError
    from flopcalc.spec.equations import readings

    operator = _operator(equations=(_equation(text="C * Q"),))
    with pytest.raises(FlopcalcError, match=r"eq\. 3: .*unknown name 'Q'") as caught:
        list(readings(operator.evaluate(operator.geometry(8))))
    assert "`letters`" in caught.value.hint


def test_names_of_parts_are_those_of_the_formula() -> None:
    """In `after`, `gives` and `surviving`; a part that an option leaves out is known."""
    from flopcalc.catalog.part_names import problems

    def formula(g: Geometry, mid: Dim) -> Iterable[Part]:
        yield parts.conv("reduce", g.c_in, mid, 1, g.p_in, g.p_in, after=parts.INPUT)
        yield parts.conv("expand", mid, g.c_out, g.area, g.p_in, g.p_out, after=("reduec", "input1", "nothing"))

    operator = _operator(
        formula=formula,
        equations=(_equation(gives="macs of redcue"), _equation(gives="macs of reduce")),
        limits=(Limit({"width": 4}, equals="conv", surviving=("exapnd", "expand")),),
    )
    found = list(problems(operator))
    assert len(found) == 3
    for typo, problem in zip(("reduec", "redcue", "exapnd"), found, strict=True):
        assert typo in problem
        assert "its parts are expand, reduce" in problem
    text = replace(operator, formula=lambda g: (parts.act("a", 1, 1, after="expand"),), equations=(), limits=())  # type: ignore[arg-type]
    assert "is 'expand', not a tuple" in next(problems(text))
    assert not list(problems(lookup.get("ghost")))


TYPES = {
    "no title": ({"title": " "}, "title is ' ', not text"),
    "a paper that is text": ({"paper": "Regroup"}, "paper is 'Regroup', not a Paper"),
    "a formula without code": ({"formula": len}, "formula is <built-in function len>, not a function written with"),
    "a policy that is a function": ({"policy": len}, "policy is .*, not Policy"),
    "no text of the baseline": ({"baseline_text": ""}, "baseline_text is '', not text"),
    "three axes": ({"axes": 3}, "axes is 3, not 1 or 2"),
    "a size that is text": ({"shape": {"k": "x"}}, "shape is .*, not a mapping from sizes to numbers"),
    "a function that is a number": ({"out_shape": 3}, "out_shape is 3, not a function"),
    "notes that are text": ({"notes": "x"}, "notes is 'x', not a function or None"),
    "a flag that is a number": ({"volume": 1}, "volume is 1, not True or False"),
    "an unknown module": ({"torch_module": "Conv2d"}, "torch_module is 'Conv2d'; it is one of LSTM, GRU"),
    "a module without its options": ({"torch_module": "LSTM"}, "it needs the options bias, bidirectional, num_layers"),
    "a rule without a check": ({"rules": (Rule("x", True, "y"),)}, "a rule is not Rule"),  # type: ignore[arg-type]
    "an option of networks": (
        {"params": (_param(), _param(name="stage", letter="s"))},
        "a key in network descriptions",
    ),
    "an option of modules": ({"params": (_param(), _param(name="dtype", letter="s"))}, "an argument of modules"),
}


@pytest.mark.parametrize(("changes", "message"), TYPES.values(), ids=TYPES)
def test_a_field_of_another_type(changes: dict[str, Any], message: str) -> None:
    """At once, not where a command reads it."""
    with pytest.raises(ValueError, match=f"regroup: .*{message}"):
        _operator(**changes)


@pytest.mark.parametrize("name", ["Regroup", "re group", "2conv", "re:group", "_regroup", ""])
def test_a_name_that_cannot_be_written(name: str) -> None:
    """A colon begins the options, a space ends the word."""
    with pytest.raises(ValueError, match="lower-case letters, digits and _"):
        _operator(name=name)

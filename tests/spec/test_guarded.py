"""A plug-in whose functions fail, or give what they should not, is an error that names the plug-in; never a number."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.errors import FlopcalcError
from flopcalc.spec.guarded import guarded
from flopcalc.spec.layer_record import notes
from flopcalc.spec.operator import Derived, Evaluation, Operator, Policy, Rule, Site
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Paper
from flopcalc.symbolic.scope import Scope


def _conv(g: Geometry) -> Iterable[Part]:
    yield parts.conv("conv", g.c_in, g.c_out, g.area, g.p_in, g.p_out)


def _plug_in(**changes: Any) -> Operator:
    paper = Paper("regroup", (), "Regroup", "not published", None)
    fields: dict[str, Any] = {"title": "Regroup", "family": "convolutions", "paper": paper, "formula": _conv}
    return guarded(replace(Operator(name="regroup", **{**fields, **changes}), origin="regroup 1.0, regroup:OPERATOR"))


def _broken(found: pytest.ExceptionInfo[FlopcalcError]) -> str:
    assert found.value.code == "broken-plug-in"
    assert "the plug-in regroup (regroup 1.0, regroup:OPERATOR) cannot be used" in found.value.message
    return found.value.message


def test_without_a_mistake() -> None:
    """Ours stay as they are, so that rules are recognised and shapes are those of images."""
    operator = _plug_in(rules=(ONE_GROUP,))
    assert ONE_GROUP in operator.rules
    assert operator.has_image_shapes
    e = operator.evaluate(operator.geometry(8, 16, hw=10, batch=3))
    assert (e.params, e.macs) == (8 * 16 * 9, 3 * 8 * 16 * 9 * 100)
    assert e.ratio("macs") == Fraction(1)


def _asks(operator: Operator) -> list[Any]:
    """What commands ask of an operator."""
    g = operator.geometry(8)
    e: Evaluation = operator.evaluate(g)
    fixed = operator.default_c_in({}) if operator.default_c_in else None
    c_in = operator.c_in_of(8, {}) if operator.c_in_of else 8
    reads = operator.channel_map(g, {}, 0) if operator.channel_map else None
    words = [value.why(g, e.named) for value in operator.derived if value.why]
    refuses = operator.policy.refuses(Site("conv1", g, True))
    return [e.baseline, e.in_shape, e.out_shape, e.inputs, notes(e), fixed, c_in, reads, words, refuses]


def _fails(*_: Any) -> Any:
    raise ZeroDivisionError("division by zero")


FIELDS = (
    "baseline",
    "in_shape",
    "out_shape",
    "size_out",
    "inputs",
    "default_c_out",
    "default_c_in",
    "c_in_of",
    "notes",
)


@pytest.mark.parametrize("field", [*FIELDS, "channel_map"])
def test_a_function_that_fails(field: str) -> None:
    """In whichever command it is asked: it was `a bug in flopcalc`, exit code 70."""
    with pytest.raises(FlopcalcError) as found:
        _asks(_plug_in(**{field: _fails}))
    assert "ZeroDivisionError: division by zero" in _broken(found)


WRONG = {
    "baseline": (None, "`baseline` gives None, not a Cost"),
    "in_shape": ((8, 0, 56), "`in_shape` gives (8, 0, 56), not a tuple of ints, 1 or more"),
    "out_shape": ((8.0, 56, 56), "`out_shape` gives (8.0, 56, 56), not a tuple of ints, 1 or more"),
    "size_out": (56.0, "`size_out` gives 56.0, not a whole number (an int)"),
    "inputs": ("2", "`inputs` gives '2', not a whole number, 1 or more"),
    "default_c_out": (12.0, "`default_c_out` gives 12.0, not a whole number (an int)"),
    "default_c_in": ("x", "`default_c_in` gives 'x', not a whole number (an int) or None"),
    "c_in_of": (None, "`c_in_of` gives None, not a whole number (an int)"),
    "channel_map": (3, "`channel_map` gives 3, not a ChannelMap"),
    "notes": ([3], "`notes` gives 3, not text"),
}


@pytest.mark.parametrize("field", WRONG)
def test_a_result_of_another_type(field: str) -> None:
    """Such as a float from `/`: it was shown, compared with a shape, or failed far from its cause."""
    wrong, message = WRONG[field]
    with pytest.raises(FlopcalcError) as found:
        _asks(_plug_in(**{field: lambda *_: wrong}))
    assert message in _broken(found)


def _gives(value: Any) -> Any:
    return lambda *_: value


ITEMS = {
    "a rule": ({"rules": (Rule("even", _gives(False), "x"),)}, "the rule 'even' gives False, not text or None"),
    "a policy": ({"policy": Policy("x", _gives(True))}, "the policy gives True, not text or None"),
    "why": ({"derived": (Derived("d", lambda g: 1, _gives(3)),)}, "`why` of d gives 3, not text"),
}


@pytest.mark.parametrize(("changes", "message"), ITEMS.values(), ids=ITEMS)
def test_a_reason_that_is_not_text(changes: dict[str, Any], message: str) -> None:
    """A rule that returns True or False was a refusal: `does not apply here: False`."""
    with pytest.raises(FlopcalcError) as found:
        _asks(_plug_in(**changes))
    assert message in _broken(found)


def _once(**changes: Any) -> Any:
    return lambda g: [parts.conv("a", g.c_in, g.c_out, 1, g.p_in, g.p_out)._replace(**changes)]


def _two(first: dict[str, Any], second: dict[str, Any]) -> Any:
    return lambda g: [*_once(**first)(g), *_once(name="b", **second)(g)]


PARTS = {
    "unknown work": (_once(work="convolution"), "the kind of work of part a is 'convolution'; the kinds are conv, "),
    "a number as name": (_once(name=3), "the name of a part is 3, not text"),
    "not a part": (lambda g: [("a", 3)], "the formula yields ('a', 3), not a Part"),
    "a number in after": (_once(after=(3,)), "`after` of part a is (3,), not a tuple of names"),
    "itself": (_once(after=("a",)), "`after` of part a names a, the part itself"),
    "each other": (_two({"after": ("b",)}, {"after": ("a",)}), "`after` of part a names b, a later part"),
    "two of a name": (lambda g: [*_once()(g), *_once()(g)], "two parts are called a"),
    "weights of the batch": (
        lambda g: [parts.conv("a", g.c_in, g.batch * g.c_out, 1, g.p_in, g.p_out)],
        "params of part a depend on the batch",
    ),
    "positions of one sample": (
        lambda g: [parts.conv("a", g.c_in, g.c_out, 1, g.h * g.w, g.h_out * g.w_out)],
        "macs of part a are not proportional to the batch",
    ),
    "steps of the batch": (lambda g: [parts.times(g.batch, *_once()(g))], "of part a depend on the batch"),
    "parts of the batch": (lambda g: [*_once()(g)] * min(g.batch, 1) + _once(name="b")(g)[: g.batch - 1], "its parts"),
}


@pytest.mark.parametrize(("formula", "message"), PARTS.values(), ids=PARTS)
def test_parts_that_are_wrong(formula: Any, message: str) -> None:
    """Conventions fold by the kind of work, the critical path follows `after`: each was a wrong number."""
    operator = _plug_in(formula=formula)
    with pytest.raises(FlopcalcError) as found:
        operator.evaluate(operator.geometry(8))
    assert message in _broken(found)


def test_work_on_weights_alone_does_not_grow_with_the_batch() -> None:
    """Nor does what follows it."""

    def formula(g: Geometry) -> Iterable[Part]:
        size = g.c_in * g.c_out * g.area
        yield Part("norm", "other", muls=size, reads=size, writes=size, after=parts.NOTHING)
        yield Part("round", "other", other=size, reads=size, writes=size, after=("norm",))
        yield parts.conv("conv", g.c_in, g.c_out, g.area, g.p_in, g.p_out, after=(parts.GIVEN, "round"))

    operator = _plug_in(formula=formula)
    assert operator.evaluate(operator.geometry(8, batch=4)).cost.muls == 8 * 8 * 9


def test_symbols_pass() -> None:
    """Networks with plug-ins have closed forms; `macs of part conv is 4608*H, not an int` was an error."""
    operator = _plug_in(out_shape=lambda g, named: (g.c_out, g.h_out, g.w_out))
    height = Scope({"H": 20}).symbol("H")
    _, found = operator.apply(operator.geometry(8)._replace(h=height, h_out=height), {})
    assert str(found[0].macs) == str(8 * 8 * 9 * 56 * height)

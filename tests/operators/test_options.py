"""The options of every operator: their bounds, and the derived values that they set."""

from collections import Counter
from collections.abc import Iterator

import pytest
from helpers import for_author, refused

from flopcalc import FlopcalcError, layer
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases, option_sets, shapes_for
from flopcalc.spec.operator import Evaluation, Operator, Param

every_operator = pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)

# A shuffle within one group moves nothing; `shuffle=false` leaves it out.
LEAST = {("compconv", "shuffle_groups"): 2}


@every_operator
def test_bounds_of_options(operator: Operator) -> None:
    """A number is a count, from 1 on, or a share, up to 1; 0 is a value where it is the default or a sample."""
    for param in operator.params:
        if param.kind not in ("int", "fraction"):
            continue
        zero = 0 in (param.default, *param.samples)
        least = {"int": 0 if zero else 1, "fraction": 0 if zero else None}[param.kind]
        assert param.least == LEAST.get((operator.name, param.name), least), for_author(
            operator.name,
            f"the least {param.name} is {param.least}; a count begins at 1, a share above 0, or both at 0 with 0 among "
            "the samples; say here why this one does not",
        )
        if param.kind == "fraction":
            assert param.most == 1, for_author(operator.name, f"{param.name} is a share; give it `most=1`")


# Groups that are a fixed number divide it.
MULTIPLE = {("shuffle_unit", "mid")}


@every_operator
def test_the_least_value_makes_a_layer(operator: Operator) -> None:
    """On one of the usual shapes, with the defaults or a sample of the other options, it is that of the module."""
    pytest.importorskip("torch")
    from flopcalc.pytorch.comparison import compare_layer

    for param in operator.params:
        if param.kind == "int" and (operator.name, param.name) not in MULTIPLE:
            found = next(_with(operator, param.name, param.least), None)
            assert found is not None, for_author(
                operator.name,
                f"its rules refuse {param.name} = {param.least}, its least, on all shapes; correct the rule or `least`",
            )
            assert all(row.agrees for row in compare_layer(found)), found.label()


@pytest.mark.parametrize(
    "name", [one.name for one in lookup.every() if "reduction" in one.param and "least" not in one.param]
)
def test_a_reduction_leaves_one_channel(name: str) -> None:
    """16 channels over 16 are one; over 17 none is left, and the operator refuses."""
    assert layer(name, 16, reduction=16).cost.params > 0
    refused("channel", name, 16, reduction=17)


def _with(operator: Operator, name: str, value: object) -> Iterator[Evaluation]:
    for options in option_sets(operator):
        for g in shapes_for(operator, options):
            try:
                yield operator.evaluate(g, {**options, name: value})
            except FlopcalcError as error:
                if error.code != "cannot-stand":
                    raise


def _tried(param: Param) -> bool:
    return param.kind == "int" and param.default is None


@every_operator
def test_an_option_sets_the_value_that_says_so(operator: Operator) -> None:
    """Where a derived value is `set by the option width`, it is that option; where not, a rule gives it."""
    setting = {param.name for param in operator.params if _tried(param)}
    for e in cases(operator):
        for derived in operator.derived:
            why = derived.why(e.geometry, e.named) if derived.why else ""
            for name in setting:
                if why == f"set by the option {name}":
                    assert e.named[name] is not None, for_author(
                        e.label(), f"{derived.name} is said to be set by {name}, which is not given"
                    )
                    assert e.named[derived.name] == e.named[name], for_author(
                        e.label(), f"{derived.name} is said to be set by {name}, and is {e.named[derived.name]}"
                    )


@every_operator
def test_a_typical_value_is_what_the_rule_gives(operator: Operator) -> None:
    """Closed forms use it at the defaults: the value of most of the usual shapes."""
    for param in operator.params:
        if param.typical is not None:
            found = Counter(e.named[param.stands_for or param.name] for e in cases(operator) if not e.given)
            assert found.most_common(1)[0][0] == param.typical, for_author(
                operator.name, f"the rule of {param.name} gives {found}; correct `typical`"
            )


@every_operator
def test_groups_divide(operator: Operator) -> None:
    """No layer has 5 groups of 12 channels; whoever takes groups, or none, says so."""
    for c_in, c_out in ((12, 12), (12, 15), (15, 12), (12, 20), (20, 12)):
        try:
            shape = operator.geometry(c_in, c_out, groups=5)
        except FlopcalcError:
            continue
        with pytest.raises(FlopcalcError) as caught:
            operator.evaluate(shape)
        assert caught.value.code == "cannot-stand"

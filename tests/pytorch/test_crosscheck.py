"""Formula and count agree, part by part and in every kind, on random shapes.

FLOPCALC_FUZZ=N draws N times as many shapes.
"""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

torch: Any = pytest.importorskip("torch")

from dataclasses import replace

from helpers import for_author

from flopcalc import FlopcalcError, layer, network
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import along_axes
from flopcalc.cost.geometry import Geometry
from flopcalc.pytorch.comparison import compare_layer, compare_network
from flopcalc.replacing.described import replace_convolutions
from flopcalc.spec.operator import Operator, Param

OPERATORS = list(lookup.every())
EXAMPLES = 100 * int(os.environ.get("FLOPCALC_FUZZ", "1"))
# Operators refuse many of the random shapes.
LEAST = 8


def _value(param: Param) -> st.SearchStrategy[Any]:
    """Values of an option: from its own bounds, choices and samples."""
    default = st.just(None)
    if param.kind == "bool":
        return st.one_of(default, st.booleans())
    if param.kind == "choice":
        return st.one_of(default, st.sampled_from(param.choices))
    if param.kind == "int":
        least = int(param.least or 1)
        near = st.integers(least, min(int(param.most or 8), least + 6))
        return st.one_of(default, near, st.sampled_from(param.samples)) if param.samples else st.one_of(default, near)
    if param.kind == "fraction":
        return st.one_of(default, st.fractions(0, 1, max_denominator=8).filter(lambda ratio: ratio > 0))
    return default


@st.composite
def applied(draw: st.DrawFn, operator: Operator) -> tuple[Geometry, dict[str, Any]]:
    """A random shape, and options as the record allows them."""
    channels = st.integers(1, 12).map(lambda c: 4 * c) | st.integers(1, 40)
    c_in = draw(channels)
    # Half of the shapes are plain, since some operators refuse nearly all others.
    plain = draw(st.booleans())
    c_out = None if plain else draw(channels)
    kernels = [1, 3, 5, (1, 3)] if plain else [1, 2, 3, 4, 5, (5, 3)]
    # Some operators need sizes that divide: most of the plain shapes have such.
    size = st.sampled_from([6, 12, 18]) if plain and draw(st.integers(0, 3)) else st.integers(5, 19)
    sizes: dict[str, Any] = {"hw": (draw(size), draw(size)), "batch": draw(st.integers(1, 3))}
    if "k" not in operator.shape:
        sizes["k"] = draw(st.sampled_from(kernels))
        if not plain:
            sizes |= {
                "stride": draw(st.sampled_from([1, 2, 3, (2, 1)])),
                "dilation": draw(st.sampled_from([1, 1, 2])),
                "groups": draw(st.sampled_from([1, 1, 1, 2, c_in])),
            }
            if draw(st.integers(0, 4)) == 0:
                sizes["padding"] = draw(st.integers(0, 2))
    drawn = {param.name: draw(_value(param)) for param in operator.params}
    options = {name: value for name, value in drawn.items() if value is not None}
    # Options drawn each by itself seldom go together, so operators name sets of them.
    if draw(st.integers(0, 3)) and operator.samples:
        options = dict(draw(st.sampled_from(operator.samples)))
    try:
        return operator.geometry(c_in, c_out, options, **along_axes(operator, sizes)), options
    except FlopcalcError:
        assume(False)
        raise


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_random_layers(operator: Operator) -> None:
    """Any shape that the rules allow."""
    stood = 0

    @settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow], max_examples=EXAMPLES)
    @given(applied(operator))
    def check(case: tuple[Geometry, dict[str, Any]]) -> None:
        nonlocal stood
        try:
            evaluation = operator.evaluate(*case)
        except FlopcalcError as error:
            if error.code != "cannot-stand":
                raise
            return
        stood += 1
        for row in compare_layer(evaluation):
            assert row.derived == row.counted, for_author(
                evaluation.label(),
                f"on {evaluation.geometry} formula and module differ in {row.part}; correct the one that is not as the "
                "paper says, and call children of the module as the parts of the formula",
            )

    check()
    assert stood >= LEAST, for_author(
        operator.name,
        f"its rules allow {stood} of the random shapes, and {LEAST} are needed; name in `samples` sets of options that "
        "go together, or sizes in `shape` that it fixes",
    )


def test_a_wrong_formula_is_caught() -> None:
    """The check can fail: a formula that forgets one kernel differs in just that part."""
    evaluation = layer("spconv", 16, hw=8)
    wrong = replace(evaluation, cost=type(evaluation.cost)(evaluation.cost.parts[1:]))
    bad = [row.part for row in compare_layer(wrong) if not row.agrees]
    assert "gwc" in bad
    assert "total" in bad
    assert "rest" not in bad


@pytest.mark.parametrize("operator", [None, *OPERATORS], ids=lambda o: o.name if o else "plain")
@pytest.mark.parametrize("shape", [(3, 224, 224), (3, 97, 131)], ids=str)
def test_resnet50(operator: Operator | None, shape: tuple[int, ...]) -> None:
    """Every layer of the network, plain and replaced, at its own and at an odd size."""
    net = network("resnet50", input=shape, batch=2)
    if operator is not None:
        net = replace_convolutions(net, operator, {}).network
    rows = compare_network(net)
    assert len(rows) == len(net.layers) + 1, for_author(
        operator.name if operator else "resnet50", "a layer of the network was not counted, or was counted twice"
    )
    for row in rows:
        assert row.derived == row.counted, for_author(
            operator.name if operator else "resnet50",
            f"in ResNet-50 at {shape} formula and module differ in {row.part}; correct the one that is not as the "
            "paper says, or the policy, where the operator cannot replace that layer",
        )

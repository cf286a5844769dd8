"""A sweep has, for every operator and every combination, what the operator has by itself: costs and refusals."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from helpers import for_author

from flopcalc import FlopcalcError, layer
from flopcalc.catalog import lookup
from flopcalc.cost.kinds import KINDS
from flopcalc.spec.operator import AUTO, Operator

pytest.importorskip("numpy")

import numpy as np

from flopcalc.analysis.sweeping.operators import OperatorFamily
from flopcalc.analysis.sweeping.outcome import is_array
from flopcalc.analysis.sweeping.request import Request

NAMES = lookup.names()
SIZES = ("c_in", "c_out", "k", "h", "w", "h_out", "w_out", "stride", "groups", "batch")
ALWAYS = ("operator", *SIZES, *KINDS, "ratio(params)", "ratio(macs)", "ratio(flops)")


def grids(operator: Operator) -> Iterator[dict[str, Any]]:
    """Small grids that break each rule at some combinations and keep them at others."""
    fixed = "k" in operator.shape
    window: dict[str, Any] = {} if fixed else {"k": [1, 2, 3, 5], "stride": [1, 2]}
    yield {"c_in": [8, 12, 30], "c_out": [8, 12, 30], "hw": [6, 9], "groups": [1, 2, 12], **window}
    yield {"c_in": [16, 32], "hw": [7, 12, 28], "batch": [1, 3], "stride": [1, 2, 3]}
    if not fixed:
        yield {
            "c_in": [24],
            "c_out": [24, 48],
            "hw": [2, 5, 16],
            "k": [3, 5, 7],
            "padding": [0, 1, 3],
            "dilation": [1, 2],
        }
        yield {"c_in": [24], "hw": [8, 11], "k": [2, 3, 4], "padding": ["same", 1], "stride": [1, 2]}
    if not fixed and operator.axes == 2:
        yield {
            "c_in": [12],
            "k": [3, (3, 5), (1, 7)],
            "h": [6, 12],
            "w": [12, 18],
            "stride": [1, (2, 1)],
            "groups": [1, 12],
        }
    # Sizes at which shares of channels are nothing, and windows that do not fit.
    yield {"c_in": [1, 2, 3, 5], "c_out": [1, 2, 3], "hw": [1, 2, 4]}
    yield {"c_in": [12], "hw": [1, 5], "k": [1, 2, 3], "padding": [0, 1], "stride": [1, 2], "dilation": [1, 2]}
    # Each option with all its samples, then all options together, as far as that stays small.
    together: dict[str, Any] = {}
    for param in operator.params:
        values: list[Any] = list(dict.fromkeys((param.default, *param.samples)))
        values = list(dict.fromkeys((*values, *param.choices)))
        if param.kind == "bool":
            values = list(dict.fromkeys((*values, True, False)))
        if param.kind == "int":
            least = 0 if param.least is None else int(param.least)
            values = list(dict.fromkeys((*values, least, least + 1, 4, 6, 60)))
            values = [one for one in values if one is AUTO or param.most is None or one <= param.most]
            yield {"c_in": [16, 24, 36], "c_out": [16, 36], "hw": [7, 12], "stride": [1, 2], param.name: values}
            few: dict[str, Any] = {"c_in": [2, 5], "hw": [2, 4]} | (
                {} if fixed else {"k": [1, 3, 5], "padding": [0, 1]}
            )
            yield {**few, param.name: values}
            # As an axis, without the value that a rule decides.
            yield {"c_in": [16, 24], "hw": [7, 12], param.name: [one for one in values if one is not AUTO]}
        else:
            yield {"c_in": [16, 24, 36], "c_out": [16, 36], "hw": [7, 12], "stride": [1, 2], param.name: values}
        if param.kind == "ints":
            values += [(2, 3), (4, 6), (1, 2, 3), (3, 3), (24,), (5, 4, 3)]
            yield {"c_in": [2, 24], "hw": [12], param.name: list(dict.fromkeys(values))}
        if param.kind == "fraction":
            least_share = Fraction(0) if param.least == 0 else Fraction(1, 64)
            yield {"c_in": [2, 9, 24], "hw": [8], param.name: list(dict.fromkeys((*values, least_share, Fraction(1))))}
        together[param.name] = (
            list(dict.fromkeys([*values[:2], 6])) if param.kind == "int" and param.most != 1 else values[:3]
        )
    while np.prod([len(values) for values in together.values()]) > 300:
        widest = max(together, key=lambda name: len(together[name]))
        together[widest] = together[widest][:-1]
    yield {"c_in": [24, 48], "hw": [7, 14], **({} if fixed else {"stride": [1, 2]}), **together}
    for shape in operator.shapes:
        yield {name: [value] for name, value in shape.items()} | {"batch": [1, 2]}


def expected(name: str, one: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """What `flopcalc.layer` says of one combination: its costs, or the rule that it breaks."""
    given = dict(one)
    h, w = given.pop("h", None), given.pop("w", None)
    if h is not None:
        given["hw"] = (h, w)
    try:
        e = layer(name, **{key: value for key, value in given.items() if value is not AUTO})
    except FlopcalcError as error:
        if error.code not in ("cannot-stand", "bad-dimension"):
            raise
        return None, error.rule or error.hint
    g = e.geometry
    values: dict[str, Any] = {kind: e.total(kind) for kind in KINDS} | {"traffic": 4 * e.traffic}
    values |= {"c_in": g.c_in, "c_out": g.c_out, "h": g.h, "w": g.w, "h_out": g.h_out, "w_out": g.w_out}
    values |= {"groups": g.groups, "batch": g.batch}
    values |= {param.name: e.named[param.name] for param in e.operator.params}
    values |= {
        value.name: e.named[value.name] for value in e.operator.derived if value.shown and value.name not in KINDS
    }
    return values | {f"ratio({kind})": e.ratio(kind) for kind in ("params", "macs", "flops")}, ""


def tried(
    name: str, grid: Mapping[str, list[Any]], every: bool = False
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None, str]]:
    """Each combination of a grid with its costs or the rule that it breaks, as the sweep has them.

    every: with all columns, options and derived values too.
    """
    param = lookup.get(name).param
    sizes = {key: tuple(values) for key, values in grid.items() if key not in param}
    settings = {key: _texts(values) for key, values in grid.items() if key in param}
    request = Request("operators", (name,), sizes, settings)
    family = OperatorFamily(request, name, OperatorFamily(request, name, ()).names if every else ALWAYS)
    for outer in range(family.outers):
        case = family._case(outer)
        plan = family._plan(outer)
        place = 0
        for outcome in family.outcomes(outer, 0, 1):
            columns = {
                key: np.broadcast_to(value, outcome.shape).reshape(-1) if is_array(value) else [value] * outcome.count
                for key, value in outcome.values.items()
            }
            codes = np.broadcast_to(outcome.code, outcome.shape).reshape(-1)
            for index, code in enumerate(codes):
                choice, inner = divmod(place, plan.grid.count)
                axes = dict(zip([axis.name for axis in plan.grid.axes], plan.grid.at(inner), strict=True))
                one = {**case.sizes, **case.options, **plan.choice(choice), **axes}
                row = {key: column[index] for key, column in columns.items()}
                yield one, (row if code == 0 else None), (outcome.labels[code - 1] if code else "")
                place += 1
    assert place or not family.inner


def _texts(values: list[Any]) -> Any:
    """Values of an option as a caller may give them."""
    return ["auto" if value is AUTO else value for value in values]


@pytest.mark.parametrize("name", NAMES)
def test_every_operator_at_every_combination(name: str) -> None:
    """The sweep and `flopcalc.layer` agree on all kinds, on sizes, on ratios, and on the rule of each refusal."""
    operator = lookup.get(name)
    feasible = 0
    broken: set[str] = set()
    for index, grid in enumerate(grids(operator)):
        combinations = 1
        for values in grid.values():
            combinations *= len(values)
        count = 0
        for one, row, label in tried(name, grid, every=index % 2 == 0):
            count += 1
            want, why = expected(name, one)
            assert label == why, for_author(name, f"the sweep says {label!r} and the operator {why!r} at {one}")
            if want is None:
                broken.add(label)
                continue
            feasible += 1
            assert row is not None
            for key, value in want.items():
                if key.startswith("ratio("):
                    kind = key[len("ratio(") : -1]
                    bottom = row[f"baseline {kind}"]
                    found = Fraction(int(row[kind]), int(bottom)) if bottom else None
                elif key not in row:
                    # One that was not asked for.
                    continue
                else:
                    found = row[key]
                assert found == value, for_author(name, f"{key} is {found} in the sweep and {value} alone at {one}")
        assert count == combinations, grid
    assert feasible
    kept = {rule.text for rule in operator.rules} - broken
    assert not kept, for_author(name, f"no grid of this test breaks the rules {kept}; add one to `grids`")


def test_all_combinations_are_there_once() -> None:
    """Every combination of the grid, in the order of the axes with the last one fastest."""
    grid = {"c_in": [8, 12], "c_out": [16, 24], "k": [1, 3, 5], "hw": [8, 9]}
    found = [tuple(one[key] for key in grid) for one, _, _ in tried("conv", grid)]
    assert found == list(product(*grid.values()))

"""What the modules of operators cost, counted once: witnesses that a changed formula can be compared with in no time.

The comparisons are those of the tests: each part with the count of its module (tests/pytorch/test_crosscheck.py), the
peak with the tensors of the module (tests/pytorch/memory), the figures of other counters with their own
(tests/presets/test_operators.py). There a module is counted for each of them; a mutant of a formula changes no module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import drawn

from flopcalc.catalog.registry import named
from flopcalc.cost.geometry import Geometry
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Evaluation, Operator

# Shapes for each operator; of several operators that share a file fewer.
ALONE, SHARED = 40, 10
ELEMENTS = 300_000


class Witness(NamedTuple):
    """An operator on a shape, and what its module says. peak: None where it is known to differ."""

    operator: str
    geometry: Geometry
    options: Mapping[str, Any]
    count: Any
    peak: int | None
    figures: Mapping[str, int]


@cache
def witnesses(operators: Sequence[str]) -> list[Witness]:
    """Of operators by their names, as their code is now."""
    most = ALONE if len(operators) == 1 else SHARED
    return [one for name in operators if (operator := named(name)) for one in _of(operator, most)]


def _of(operator: Operator, most: int) -> Iterator[Witness]:
    from flopcalc.analysis.memory.operator import DIFFERENCES
    from flopcalc.pytorch.counting.counter import count
    from flopcalc.pytorch.layers import build_layer, input_shape
    from flopcalc.pytorch.memory.run import Subject, Way, follow

    for e in drawn.evaluations(operator, most, ELEMENTS):
        module, shape = build_layer(e, device="meta"), input_shape(e)
        differs = operator.name in DIFFERENCES
        peak = None if differs else follow(Subject(module, [shape], {}), Way()).forward.live
        yield _witness(e, count(module, shape), peak, {})
    for e in list(drawn.spread(operator))[:most]:
        yield _witness(e, None, None, _figures(e))


def _witness(e: Evaluation, counted: Any, peak: int | None, figures: Mapping[str, int]) -> Witness:
    options = {name: e.named[name] for name in e.given}
    return Witness(e.operator.name, e.geometry, options, counted, peak, figures)


def _figures(e: Evaluation) -> dict[str, int]:
    import torch

    from flopcalc.cost.convention import CONVENTIONS
    from flopcalc.pytorch.counters import COUNTERS, Figure, run_counter, version_of
    from flopcalc.pytorch.layers import build_layer, input_shape

    module, shape = build_layer(e), input_shape(e)
    value = tuple(map(torch.zeros, shape)) if isinstance(shape[0], tuple) else torch.zeros(shape)
    tools = [tool for tool in COUNTERS if tool in CONVENTIONS and version_of(COUNTERS[tool].package)]
    found = {tool: run_counter(tool, module, (value,)) for tool in tools}
    return {tool: one.value for tool, one in found.items() if isinstance(one, Figure)}


def agree(known: Sequence[Witness], operators: Mapping[str, Operator]) -> bool:
    """Whether operators, as their code is in this process, cost what the witnesses say."""
    for one in known:
        try:
            e = operators[one.operator].evaluate(one.geometry, one.options)
        except FlopcalcError:
            return False
        if one.count is not None and not _counted_alike(e, one.count):
            return False
        if one.peak is not None and not _same_peak(e, one.peak):
            return False
        if not _same_figures(e, one.figures):
            return False
    return True


def _counted_alike(e: Evaluation, counted: Any) -> bool:
    comparison: Any = import_module("flopcalc.pytorch.comparison")
    comparison.count = lambda module, shape: counted
    return all(row.agrees for row in comparison.compare_layer(e))


def _same_peak(e: Evaluation, peak: int) -> bool:
    from flopcalc.analysis.memory.operator import operator_peak

    return abs(operator_peak(e, 4) - peak) <= 512


def _same_figures(e: Evaluation, figures: Mapping[str, int]) -> bool:
    from flopcalc.cost.convention import CONVENTIONS

    batch = e.geometry.batch
    return all(CONVENTIONS[tool].of(e.cost, batch, inputs=e.inputs) == figure for tool, figure in figures.items())

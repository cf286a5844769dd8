"""What counters report for nn.LSTM and nn.GRU, worked out without torch, next to the tools."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn

from flopcalc import layer
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.presets.registry import RULES
from flopcalc.presets.whole_recurrent import Recurrent, reported
from flopcalc.pytorch.counters import Figure, run_counter, version_of
from flopcalc.spec.whole_module import remark, whole_module

OPTIONS: list[tuple[int, dict[str, Any]]] = [
    (1, {}),
    (2, {}),
    (3, {"bias": False}),
    (2, {"num_layers": 2, "bidirectional": True}),
    (1, {"num_layers": 3}),
]
PROJECTED: list[tuple[int, dict[str, Any]]] = [
    (2, {"proj_size": 5}),
    (1, {"proj_size": 3, "num_layers": 2, "bidirectional": True}),
]
CASES = [(kind, *one, 5) for kind in ("lstm", "gru") for one in OPTIONS]
CASES += [("lstm", *one, 5) for one in PROJECTED]
# One step, and the fewest that lie apart in memory.
CASES += [("gru", 2, {}, 1), ("gru", 2, {}, 2)]


@pytest.mark.parametrize("tool", sorted(RULES))
def test_the_figures_of_the_tools(tool: str) -> None:
    """Each tool runs on torch's own module; the remark of `flopcalc layer` has its figure."""
    if tool != "flop-counter" and version_of({"ptflops-aten": "ptflops"}.get(tool, tool)) is None:
        pytest.skip(f"{tool} is not installed")
    convention = CONVENTIONS[tool]
    for kind, batch, options, steps in CASES:
        module = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](12, 8, batch_first=True, **options)
        found = run_counter(tool, module, ((batch, steps, 12),))
        assert isinstance(found, Figure), found
        e = layer(kind, 12, 8, hw=(1, steps), batch=batch, **options)
        one = whole_module(e)
        assert isinstance(one, Recurrent)
        own = convention.of(e.cost, batch)
        assert reported(one, tool, own) == found.value, (kind, batch, options, steps)
        # The output says so where it is another number.
        assert (f" {found.value:,} for nn." in remark(e, convention)) == (found.value != own)

"""Counters that hook modules, next to their presets."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from torch import nn

from flopcalc.presets.call import CallLog, ToolFailsError
from flopcalc.presets.registry import RULES
from flopcalc.pytorch.calls.log import log_of
from flopcalc.pytorch.counters import Figure, run_counter, version_of
from flopcalc.pytorch.counters.counters import COUNTERS

TOOLS = ("thop", "ultralytics-thop", "torchinfo")


class Calls(nn.Module):
    """Layers, and how the forward calls them: a function of the layers and of the inputs."""

    def __init__(self, function: Any, *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, *args: Any) -> Any:
        """The result of the function."""
        return self.function(*self.layers, *args)


class Case(NamedTuple):
    """A module, and its inputs. fails: the tools that fail."""

    make: Callable[[], nn.Module]
    args: tuple[Any, ...]
    fails: tuple[str, ...]


def case(make: Any, *args: Any, fails: str = "") -> Case:
    """A case. fails: names of tools, with spaces between."""
    return Case(make, args, tuple(fails.split()))


def calls(function: Any, *args: Any, fails: str = "") -> Case:
    """A function as the module."""
    return case(lambda: Calls(function), *args, fails=fails)


def check(one: Case, *tools: str) -> None:
    """The presets and the tools give the same figures, or none where a tool fails, as it is expected to."""
    found = {tool: run_counter(tool, one.make(), one.args) for tool in tools if version_of(COUNTERS[tool].package)}
    if not found:
        pytest.skip("no counter is installed")
    assert {tool for tool, figure in found.items() if isinstance(figure, str)} == found.keys() & one.fails, found
    log = log_of(one.make(), one.args)
    reported = {tool: figure.value if isinstance(figure, Figure) else None for tool, figure in found.items()}
    assert {tool: _preset(tool, log) for tool in found} == reported


def _preset(tool: str, log: CallLog) -> int | None:
    try:
        return sum(amount.amount for amount in RULES[tool](log))
    except ToolFailsError:
        return None

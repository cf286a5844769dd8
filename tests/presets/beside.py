"""A preset next to its tool, on one module."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import nn

from flopcalc.presets.call import ToolFailsError
from flopcalc.presets.registry import RULES
from flopcalc.pytorch.calls.log import log_of
from flopcalc.pytorch.counters import COUNTERS, Figure, run_counter, version_of


class Calls(nn.Module):
    """A function of some modules and of the inputs as the forward."""

    def __init__(self, function: Callable[..., Any], *given: nn.Module) -> None:
        super().__init__()
        self.function, self.given = function, nn.ModuleList(given)

    def forward(self, *args: Any) -> Any:
        """The result of the function."""
        return self.function(*self.given, *args)


class Run(Calls):
    """The same next to a layer with parameters that is not used: some tools take no module without parameters."""

    def __init__(self, function: Callable[..., Any], *given: nn.Module) -> None:
        super().__init__(function, *given)
        self.unused = nn.Linear(1, 1)


def compare(tools: Iterable[str], make: Callable[[], nn.Module], args: tuple[Any, ...]) -> dict[str, int | None]:
    """The figures of the tools that are installed, which their presets have, too; None where both fail."""
    log = log_of(make(), args)
    figures: dict[str, tuple[int | None, Any]] = {}
    for tool in tools:
        if version_of(COUNTERS[tool].package):
            try:
                own = sum(one.amount for one in RULES[tool](log))
            except ToolFailsError:
                own = None
            figures[tool] = own, run_counter(tool, make(), args)
    wrong = {
        tool: (own, found)
        for tool, (own, found) in figures.items()
        if own != (found.value if isinstance(found, Figure) else None)
    }
    assert wrong == {}, "the preset, and the tool"
    return {tool: own for tool, (own, _) in figures.items()}

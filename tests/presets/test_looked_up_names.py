"""A counter that replaces `torch.nn.functional.relu` meets code that looks it up while it runs, under any variable."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from flopcalc.presets.call import ToolFailsError
from flopcalc.presets.registry import RULES
from flopcalc.pytorch.calls.log import log_of
from flopcalc.pytorch.counters import Figure, run_counter, version_of
from flopcalc.pytorch.counters.counters import COUNTERS

TOOLS = ("ptflops", "calflops", "deepspeed")
# The input, and its activation, have as many elements.
SIZE = 24
held = F.relu


class Takes(nn.Module):
    """A module that is given a function."""

    def forward(self, x: Any, function: Any) -> Any:
        """The result of the function."""
        return function(x)


class Run(nn.Module):
    """A function as the forward; it holds an activation from before."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function, self.act, self.acts, self.word = function, F.relu, {"relu": F.relu}, "relu"
        self.takes, self.unused, self.rectified = Takes(), nn.Linear(1, 1), True

    def forward(self, x: Any) -> Any:
        """The result of the function."""
        return self.function(self, x)


def _apply(function: Any, x: Any) -> Any:
    return function(x)


def _hand_on(*given: Any, **named: Any) -> Any:
    return _apply(*given, **named)


def _default(x: Any, act: Any = F.relu) -> Any:
    return act(x)


def _variable(_: Any, x: Any) -> Any:
    act = F.relu
    return act(x)


def _annotated(_: Any, x: Any) -> Any:
    act: Any = F.relu
    return act(x)


def _one_of_two(m: Any, x: Any) -> Any:
    act = F.relu if m.rectified else F.gelu
    return act(x)


def _branches(m: Any, x: Any) -> Any:
    act: Any = F.gelu
    if m.rectified:
        act = F.relu
    return act(x)


def _another(m: Any, x: Any) -> Any:
    act = m.acts.get("gelu") or F.relu
    return act(x)


def _unpacked(_: Any, x: Any) -> Any:
    act, _again = F.relu, F.gelu
    return act(x)


def _table(m: Any, x: Any) -> Any:
    acts: dict[str, Any] = {"relu": F.relu, "gelu": F.gelu}
    return acts[m.word](x)


def _loop(_: Any, x: Any) -> Any:
    acts: Any = (F.relu,)
    for act in acts:
        x = act(x)
    return x


def _inner(_: Any, x: Any) -> Any:
    act = F.relu

    def run(y: Any) -> Any:
        return act(y)

    return run(x)


def _part(_: Any, x: Any) -> Any:
    act = functools.partial(F.relu, inplace=False)
    return act(x)


def _method(_: Any, x: Any) -> Any:
    add = x.add
    return add(x)


def _held_variable(m: Any, x: Any) -> Any:
    act = m.act
    return act(x)


def _held_inner(m: Any, x: Any) -> Any:
    act = m.act

    def run(y: Any) -> Any:
        return act(y)

    return run(x)


LOOKED_UP: dict[str, Callable[[Any, Any], Any]] = {
    "a variable": _variable,
    "an annotated variable": _annotated,
    "one of two": _one_of_two,
    "two branches": _branches,
    "another one": _another,
    "several variables": _unpacked,
    "a table": _table,
    "a loop": _loop,
    "an inner function": _inner,
    "a partial function": _part,
    "a method": _method,
    "in an expression": lambda m, x: (F.relu if m.rectified else F.gelu)(x),
    "a name in an expression": lambda m, x: (act := F.relu)(x) + 0 * (act is None),
    "a list": lambda m, x: sum([act(x) for act in (F.relu,)]),
    "map": lambda m, x: next(iter(list(map(F.relu, [x])))),
    "by a word": lambda m, x: getattr(F, "relu")(x),  # noqa: B009
    "by a word of the module": lambda m, x: getattr(F, m.word)(x),
    "an argument": lambda m, x: _apply(F.relu, x),
    "an argument by name": lambda m, x: _default(x, act=F.relu),
    "an argument that is handed on": lambda m, x: _hand_on(F.relu, x),
    "an argument of a module": lambda m, x: m.takes(x, F.relu),
    "a checkpoint": lambda m, x: checkpoint(F.relu, x, use_reentrant=False),
}
HELD: dict[str, Callable[[Any, Any], Any]] = {
    "a variable": _held_variable,
    "an inner function": _held_inner,
    "a global": lambda m, x: held(x),
    "a default": lambda m, x: _default(x),
    "an attribute": lambda m, x: m.act(x),
    "a table": lambda m, x: m.acts["relu"](x),
    "an argument": lambda m, x: _apply(m.act, x),
    "an argument of a module": lambda m, x: m.takes(x, m.act),
    "an argument that is a global": lambda m, x: _hand_on(held, x),
}


CASES = [
    *(pytest.param(function, SIZE, id=f"looked up: {name}") for name, function in LOOKED_UP.items()),
    *(pytest.param(function, 0, id=f"held: {name}") for name, function in HELD.items()),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("function", "figure"), CASES)
@pytest.mark.parametrize("tool", TOOLS)
def test_one_for_each_element_or_nothing(function: Any, figure: int, tool: str) -> None:
    """One operation for each element of the activation, or of the sum; nothing where the function is held."""
    shape = (2, 3, 4)
    assert sum(one.amount for one in RULES[tool](log_of(Run(function), (shape,)))) == figure
    if version_of(COUNTERS[tool].package):
        found = run_counter(tool, Run(function), (shape,))
        assert isinstance(found, Figure), found
        assert found.value == figure


@pytest.mark.parametrize("tool", TOOLS)
def test_a_custom_operator_in_python(tool: str) -> None:
    """The functions that it calls are not seen, and a counter counts those that it replaces: no number is known."""

    def rectified(x: Tensor) -> Tensor:
        out: Tensor = F.relu(x)
        return out

    operator: Any = torch.library.custom_op("flopcalc_tests::rectified", rectified, mutates_args=())
    operator.register_fake(torch.empty_like)
    with pytest.raises(ToolFailsError, match="written in Python"):
        list(RULES[tool](log_of(Run(lambda m, x: operator(F.relu(x))), ((2, 3, 4),))))

"""Counters that hook modules, next to their presets."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from presets.beside import Calls, compare
from torch import nn

TOOLS = ("thop", "ultralytics-thop", "torchinfo")


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
    found = compare(tools, one.make, one.args)
    if not found:
        pytest.skip("no counter is installed")
    assert {tool for tool, figure in found.items() if figure is None} == found.keys() & one.fails

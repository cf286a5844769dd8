"""Operators whose tensors are pairs of maps on two grids."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class TwoGrids(NamedTuple):
    """The options of an operator that works on pairs, and how it is used in a network.

    share: the option with the share of channels on half of the height and width, floor(share * channels) of them.
    takes, gives: the same for the input and the output by themselves, where 0 is a plain map. inside: options that are
    set in a network.
    """

    share: str
    takes: str
    gives: str
    inside: Mapping[str, Any] = MappingProxyType({})

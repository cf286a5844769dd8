"""BOPs: bit operations of quantised layers, the MACs times the bits of both factors.

A MAC of a convolution or a linear layer multiplies a weight by an activation; one of a product of two computed tensors
multiplies activations. Element-wise work has no BOPs. Papers on binary networks count operations instead: 64 binary
MACs are one, since a processor does 64 of them with one instruction.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import NamedTuple

from flopcalc.cost.cost import Cost, Part
from flopcalc.cost.hierarchy import paths
from flopcalc.errors import FlopcalcError, clip

MOST = 64
# Work that multiplies weights by activations; `mixed` is several kernels of an operator that a file composes.
_WEIGHTY = ("conv", "linear", "mixed")
_WIDTH = re.compile(r"w([0-9]{1,4})a([0-9]{1,4})", re.ASCII)
_HINT = "write --bits w4a8, or --bits w4a4:first=w8a8,last=w8a8 for a network"
# Binary MACs that papers count as one operation.
PER_OPERATION = 64


class Width(NamedTuple):
    """Bits of a weight and of an activation."""

    weights: int
    activations: int

    def __str__(self) -> str:
        return f"w{self.weights}a{self.activations}"

    def of(self, cost: Cost) -> int:
        """BOPs of a layer: MACs x bits of a weight x bits of an activation, or x bits of two activations."""
        by_weights = self.weights * self.activations
        total: int = sum(
            part.macs * (by_weights if _is_weighty(part) else self.activations**2) for part in cost if part.macs
        )
        return total


def _is_weighty(part: Part) -> bool:
    """Whether its MACs multiply weights. A product that has parameters is that of a module which multiplies by them."""
    return part.work in _WEIGHTY or part.params != 0


BINARY, FULL = Width(1, 1), Width(32, 32)


class Bits(NamedTuple):
    """Bits as a user gives them. others: `first`, `last` or a pattern of names of layers or modules, with its bits."""

    text: str
    width: Width
    others: tuple[tuple[str, Width], ...] = ()

    def of_layers(self, names: Sequence[str], costs: Sequence[Cost]) -> list[Width]:
        """The bits of each layer of a network; of several entries that name a layer, the last one applies.

        first, last: of the layers with convolutions or linear layers. Raises FlopcalcError (bad-option) where a
        pattern names no layer.
        """
        found = [self.width] * len(names)
        weighty = [i for i, cost in enumerate(costs) if any(part.macs and _is_weighty(part) for part in cost)]
        ends = {"first": weighty[:1], "last": weighty[-1:]}
        for pattern, width in self.others:
            named = ends.get(pattern)
            if named is None:
                named = [i for i, name in enumerate(names) if _is_in(name, pattern)]
            if not named:
                hint = "give the name of a layer or a module, with * for any characters, or first, or last"
                raise FlopcalcError("bad-option", f"--bits: no layer is named {clip(pattern)}", hint)
            for i in named:
                found[i] = width
        return found


def _is_in(name: str, pattern: str) -> bool:
    """Whether a layer, or a module that it is in, has a name of that pattern."""
    return any(fnmatchcase(path, pattern) for path in paths(name))


def read(text: str) -> Bits:
    """Bits of a network: `w4a8`, `w4a4:first=w8a8,last=w8a8,*.downsample.*=w8a8`.

    A module (`layer1`) is all layers in it. Raises FlopcalcError (bad-option) for anything else.
    """
    own, colon, behind = text.strip().partition(":")
    others: list[tuple[str, Width]] = []
    for entry in behind.split(",") if colon else ():
        name, equals, width = entry.rpartition("=")
        if not equals or not name.strip():
            raise FlopcalcError("bad-option", f"--bits: {clip(entry)} is not a layer with its bits", _HINT)
        if any(name.strip() == other for other, _ in others):
            why = f"--bits: {clip(name.strip())} has bits twice"
            raise FlopcalcError("bad-option", why, "name it once, as in --bits w4a8:first=w8a8")
        others.append((name.strip(), _width(width.strip())))
    return Bits(text.strip(), _width(own.strip()), tuple(others))


def read_one(text: str) -> Bits:
    """Bits of a single layer. Raises FlopcalcError (bad-option) for anything but `w4a8`."""
    found = read(text)
    if found.others:
        why = f"--bits is {clip(text)}; a single layer has one entry, and others apply to networks"
        raise FlopcalcError("bad-option", why, f"write --bits {found.width}")
    return found


def _width(text: str) -> Width:
    match = _WIDTH.fullmatch(text.lower())
    if match is None:
        why = f"--bits: {clip(text)} is not the bits of weights and of activations, such as w4a8"
        raise FlopcalcError("bad-option", why, _HINT)
    width = Width(int(match[1]), int(match[2]))
    for bits in width:
        if not 1 <= bits <= MOST:
            raise FlopcalcError("bad-option", f"--bits: {bits} bits; they must be from 1 to {MOST}", _HINT)
    return width


def binary_operations(widths: Sequence[Width], costs: Sequence[Cost]) -> Fraction | None:
    """The operations that papers give for binary networks: binary MACs / 64 + MACs of layers with 32 bits.

    None where no layer is binary, or where one has other bits.
    """
    counted = [(width, cost.macs) for width, cost in zip(widths, costs, strict=True) if cost.macs]
    kinds = {width for width, _ in counted}
    if BINARY not in kinds or kinds - {BINARY, FULL}:
        return None
    return sum((Fraction(macs, PER_OPERATION if width == BINARY else 1) for width, macs in counted), Fraction(0))

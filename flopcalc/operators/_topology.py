"""Channels on a torus, for the topological operators."""

from collections.abc import Mapping
from math import isqrt, prod
from typing import Any

from flopcalc.cost.arith import Dim, elementwise

Sizes = tuple[int, ...]

# Beyond this many channels the search for two near factors would take seconds.
LARGEST_SEARCHED = 10**12


def near_factors(channels: int) -> Sizes:
    """The two factors of a number that are nearest to each other, the smaller first; 1 x n for a prime."""
    if channels > LARGEST_SEARCHED:
        return 1, channels
    small = next(factor for factor in range(isqrt(channels), 0, -1) if channels % factor == 0)
    return small, channels // small


def halves(dims: Sizes) -> Sizes:
    """Half of each dimension, rounded up."""
    return tuple(-(-size // 2) for size in dims)


def default_connections(channels: Dim) -> Dim:
    """Channels in half of each of two near-equal factors; element by element on arrays."""
    return elementwise(lambda count: prod(halves(near_factors(count))), channels)


def channels_of(options: Mapping[str, Any]) -> int | None:
    """The channels of the torus that the option dims gives."""
    return prod(options["dims"]) if options["dims"] else None


def misfit(dims: Sizes, near: Sizes, channels: int) -> str | None:
    """Why a torus and a neighbourhood in it do not fit, in words, or None."""
    if prod(dims) != channels:
        return f"dims {text(dims)} have {prod(dims)} channels, and the layer has {channels}"
    if len(near) != len(dims) or any(c > d for c, d in zip(near, dims, strict=False)):
        return f"neighbourhood {text(near)} does not fit in dims {text(dims)}"
    return None


def text(sizes: Sizes) -> str:
    """Sizes as people write them: 4x6."""
    return "x".join(map(str, sizes))

"""Channels on a torus: which of them an output of a topological layer sees."""

from itertools import product
from math import prod


def torus_neighbours(dims: tuple[int, ...], near: tuple[int, ...]) -> list[list[int]]:
    """For each channel of a torus of shape dims, the channels that its output sees.

    Cyclic and one-sided, as in the paper's algorithm: coordinates x, x + 1, ..., x + c - 1 modulo d.
    """
    strides = [prod(dims[axis + 1 :]) for axis in range(len(dims))]
    rows = []
    for corner in product(*map(range, dims)):
        steps = product(*map(range, near))
        axes = (zip(corner, step, dims, strides, strict=True) for step in steps)
        rows.append([sum((x + t) % d * s for x, t, d, s in axis) for axis in axes])
    return rows

"""Shared by the recurrent layers: weights, and the kernels of each step as torch runs them without a fused one.

A step multiplies the input and the state by their matrices, adds the two, and applies the gates. The matrices are
read at each step.
"""

from collections.abc import Iterable
from typing import NamedTuple

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Cost, Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Derived, Evaluation, Named, Param


class Cell(NamedTuple):
    """The element-wise work of one step, for each hidden element, without the biases.

    reads, writes: elements that those kernels read and write. chain: kernels of a step that wait for one another.
    memories: states that are kept and are not the output.
    """

    adds: int
    muls: int
    other: int
    reads: int
    writes: int
    chain: int
    memories: int


# c = f c + i g; h = o tanh(c): a sum for each of 4 gates, and f c + i g; 3 products; 3 sigmoids, 2 tanh.
LSTM = Cell(adds=5, muls=3, other=5, reads=21, writes=13, chain=10, memories=1)
# n = tanh(a + r b); h = n + z (h - n): a sum for each of r and z, a + r b, h - n, n + z (h - n); 2 products.
GRU = Cell(adds=5, muls=2, other=3, reads=17, writes=10, chain=11, memories=0)


def weights(g: Geometry, gates: Dim, num_layers: Dim, directions: Dim, state: Dim, projected: Dim) -> Dim:
    """Weights of all layers and directions, without biases; a deeper layer reads the outputs of all directions."""
    rows = gates * g.c_out
    inputs = g.c_in + (num_layers - 1) * directions * state
    return directions * (rows * (inputs + num_layers * state) + num_layers * projected * g.c_out * state)


def recurrent(
    name: str,
    cell: Cell,
    g: Geometry,
    gates: Dim,
    num_layers: Dim,
    directions: Dim,
    joins: Dim,
    state: Dim,
    projected: Dim,
    bias: bool,
) -> Part:
    """The layer as one part. state: elements that a step hands on; projected: 1 where a matrix makes them, else 0.

    joins: 1 where the outputs of two directions are concatenated, else 0.
    """
    hidden, p, units = g.c_out, g.p_out, directions * num_layers
    rows = gates * hidden
    matrices = weights(g, gates, num_layers, directions, state, projected)
    params = matrices + units * 2 * rows * int(bias)
    read = directions * (g.c_in + (num_layers - 1) * directions * state) + units * (state + projected * hidden)
    written = units * (2 * rows + projected * state)
    # The outputs of all steps are stacked, those of two directions joined, and the last states stacked.
    moved = p * (units * state + joins * num_layers * directions * state)
    kept = g.batch * units * (state + cell.memories * hidden)
    return Part(
        name,
        "linear",
        params,
        macs=p * matrices,
        adds=p * units * (2 * rows * int(bias) + cell.adds * hidden),
        muls=p * units * cell.muls * hidden,
        other=p * units * cell.other * hidden,
        activations=p * written,
        reads=g.w_out * params + p * (read + units * cell.reads * hidden) + moved + kept,
        writes=p * (written + units * cell.writes * hidden) + moved + kept,
        steps=num_layers * (g.w_out * (cell.chain + projected) + 1 + joins),
        call=name.upper(),
        extra=_for_counters(g, gates, num_layers, directions, state, projected, bias),
    )


def _for_counters(
    g: Geometry, gates: Dim, num_layers: Dim, directions: Dim, state: Dim, projected: Dim, bias: bool
) -> tuple[Dim, ...]:
    """Hidden elements of all steps, biases, MACs as if nothing were projected, MACs of the projection; and MACs where
    the projected state counts as the hidden one, as torchprofile reads it.
    """
    p, units, hidden = g.p_out, directions * num_layers, g.c_out
    plain = weights(g, gates, num_layers, directions, hidden, 0)
    inputs = directions * (g.c_in + (num_layers - 1) * directions * state) + units * state
    return (
        p * units * hidden,
        p * units * 2 * gates * hidden * int(bias),
        p * plain,
        p * units * projected * hidden * state,
        p * gates * state * inputs,
    )


LAYERS = Param(
    "num_layers", "int", 1, "layers; each reads the outputs of the one before it", 1, letter="L", samples=(2, 3)
)
BIDIRECTIONAL = Param("bidirectional", "bool", False, "a second direction, from the last step to the first")
BIAS = Param("bias", "bool", True, "two biases for each row of the gates, as in torch and cuDNN", samples=(False,))
DIRECTIONS: tuple[Derived, ...] = (
    Derived("directions", lambda g, bidirectional: 1 + int(bidirectional)),
    Derived("joins", lambda g, bidirectional: int(bidirectional)),
)


def rows_in(g: Geometry, named: Named) -> tuple[int, ...]:
    """A row of steps, as tokens: channels x 1 x steps."""
    return g.c_in, 1, g.w


def rows_out(g: Geometry, named: Named) -> tuple[int, ...]:
    """The outputs of all directions, a row of steps."""
    return named["directions"] * named["state"], 1, g.w_out


def linear_layer(g: Geometry, named: Named) -> Cost:
    """One matrix from input to hidden channels, at each step."""
    return Cost((parts.linear("linear", g.c_in, g.c_out, g.p_out, bias=named["bias"]),))


def notes(e: Evaluation) -> Iterable[str]:
    """The products that wait for each other, and what the channels mean."""
    g, named = e.geometry, e.named
    waits = named["directions"] * named["num_layers"] * named["gates"] * g.c_out * named["state"]
    yield (
        f"{g.w} steps (the width) of {e.cost.macs // (g.w * g.batch):,} MACs each; "
        f"{100 * g.p_out * waits / e.cost.macs:.1f} % of the MACs multiply the state and wait for the step before."
    )
    yield (
        f"c_out = {g.c_out} is the hidden size; the output has {rows_out(g, named)[0]} channels. Counted with the "
        "kernels of each step, one by one; libraries fuse them, which changes traffic and steps alone."
    )

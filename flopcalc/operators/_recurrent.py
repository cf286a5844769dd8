"""Shared by the recurrent layers: weights, and the kernels of each step as torch runs them without a fused one.

A step multiplies the input and the state by their matrices, adds the two, and applies the gates. The matrices are
read at each step.
"""

from collections.abc import Iterable
from typing import NamedTuple

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import PREVIOUS, Cost, Part
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.kinds import WorkKind
from flopcalc.cost.parts import INPUT, After
from flopcalc.spec.operator import Derived, Evaluation, Named, Param


class Cell(NamedTuple):
    """The element-wise kernels of one step, in slices of the hidden size, without the biases.

    sums: of what the input and the state give to a gate; acts; products; updates: sums that make the new state,
    differences: of them those that subtract.
    sum_chain, product_chain: kernels among them that wait for one another. memories: states that are kept and are not
    the output. ends: the parts that end a step.
    """

    sums: int
    acts: int
    products: int
    updates: int
    differences: int
    sum_chain: int
    product_chain: int
    memories: int
    ends: tuple[str, ...]


# c = f c + i g; h = o tanh(c). All gates are summed at once; f c and i g do not wait for each other.
LSTM = Cell(
    sums=4,
    acts=5,
    products=3,
    updates=1,
    differences=0,
    sum_chain=1,
    product_chain=2,
    memories=1,
    ends=("update", "projection"),
)
# n = tanh(a + r b); h = n + z (h - n). The sums of r and z are two kernels.
GRU = Cell(
    sums=2, acts=3, products=2, updates=3, differences=1, sum_chain=2, product_chain=2, memories=0, ends=("update",)
)


def recurrent(
    cell: Cell,
    g: Geometry,
    gates: Dim,
    num_layers: Dim,
    directions: Dim,
    joins: Dim,
    state: Dim,
    projected: bool,
    bias: bool,
) -> Iterable[Part]:
    """All layers and directions. state: elements that a step hands on, made by a matrix if projected.

    joins: 1 where the outputs of two directions are concatenated, else 0.
    """
    hidden, p, units, steps = g.c_out, g.p_out, directions * num_layers, num_layers * g.w_out
    rows, values = gates * hidden, p * units * hidden
    deeper = (num_layers - 1) * directions * state
    yield _matrices("input", rows, directions * (g.c_in + deeper), units, g, bias)
    # One step waits for the one before; the parts of a step alternate.
    yield _matrices("hidden", rows, units * state, units, g, bias, after=INPUT)._replace(steps=steps)
    yield _elementwise("sum", "add", cell.sums * values, cell.sum_chain * steps, after=("input", "hidden"))
    # In place, one gate after the other.
    yield parts.called("sigmoid", _elementwise("gates", "act", cell.acts * values, cell.acts * steps))
    yield _elementwise("products", "mul", cell.products * values, cell.product_chain * steps)
    update = _elementwise("update", "add", cell.updates * values, cell.updates * steps)
    yield update._replace(call="+ and -", extra=(0, cell.differences * values))
    yield from parts.when(
        projected, lambda: (_matrices("projection", state, units * hidden, units, g, False)._replace(steps=steps),)
    )
    outputs = p * units * state
    yield parts.copy("stack", outputs)._replace(steps=num_layers)
    yield parts.times(joins, parts.copy("join", outputs)._replace(steps=num_layers))
    # The last states of all layers, which torch returns next to the output.
    yield parts.copy("last", g.batch * units * (state + cell.memories * hidden), after=cell.ends)


def _matrices(name: str, rows: Dim, columns: Dim, count: Dim, g: Geometry, bias: bool, after: After = PREVIOUS) -> Part:
    """Matrices of `rows` rows and of `columns` columns together, `count` matrices, read and used at each step."""
    biases = count * rows * int(bias)
    params = rows * columns + biases
    size = count * rows * g.p_out
    return Part(
        name,
        "linear",
        params,
        macs=rows * columns * g.p_out,
        adds=biases * g.p_out,
        activations=size,
        reads=params * g.w_out + columns * g.p_out,
        writes=size,
        after=after,
        extra=(params * g.p_out,),
    )


def _elementwise(name: str, work: WorkKind, size: Dim, steps: Dim, after: After = PREVIOUS) -> Part:
    """Kernels of two operands, or of one for activations: `size` results together."""
    kind = {"add": "adds", "mul": "muls", "act": "other"}[work]
    operands = {"act": 1}.get(work, 2)
    return Part(name, work, reads=operands * size, writes=size, steps=steps, after=after)._replace(**{kind: size})


LAYERS = Param(
    "num_layers", "int", 1, "layers; each reads the outputs of the one before it", 1, letter="L", samples=(2,)
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
        f"{g.w} steps (the width) of {e.cost.macs // g.w:,} MACs each; "
        f"{100 * g.p_out * waits / e.cost.macs:.1f} % of the MACs multiply the state and wait for the step before."
    )
    yield (
        f"c_out = {g.c_out} is the hidden size; the output has {rows_out(g, named)[0]} channels. Counted with the "
        "kernels of each step, one by one; libraries fuse them, which changes traffic and steps alone."
    )

"""Cost: named parts, each with its kinds of work. A cost is never one number.

Kinds, each an exact int (or an array, or an expression):

params       trainable parameters, weights and biases
macs         multiply-accumulates of convolutions, linear layers and matrix products
adds, muls   element-wise additions and multiplications: biases, normalisation, residuals, gates
other        element-wise work of other sorts: activations, comparisons, divisions, exponentials
activations  elements that convolutions and linear layers write
traffic      elements that all kernels together read and write, weights included, each kernel by
             itself (no fusion, no cache); times the dtype's size it is bytes
steps        kernels in the longest chain of dependent kernels; views cost none
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flopcalc.cost.arith import Dim, maximum

# Bytes of an element, for traffic.
DTYPE_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}

KINDS = ("params", "macs", "adds", "muls", "other", "activations", "traffic")


class Part(NamedTuple):
    """One named part of a layer. A NamedTuple, not a dataclass: formulas build many, fast.

    work: conv, linear, matmul, norm, layernorm, act, add, mul, maxpool, avgpool, gap, softmax or move:
    conventions fold by it. reads, writes: elements, weights included; traffic is their sum.
    steps: kernels of this part that depend on one another.
    after: names of the parts that must end first; None stands for the part listed before.
    """

    name: str
    work: str
    params: Dim = 0
    macs: Dim = 0
    adds: Dim = 0
    muls: Dim = 0
    other: Dim = 0
    activations: Dim = 0
    reads: Dim = 0
    writes: Dim = 0
    steps: Dim = 1
    after: tuple[str, ...] | None = None

    @property
    def traffic(self) -> Dim:
        """Elements read and written."""
        return self.reads + self.writes


@dataclass(frozen=True, slots=True)
class Cost:
    """The parts of a layer, in order of execution."""

    parts: tuple[Part, ...]

    @staticmethod
    def of(parts: Iterable[Part]) -> "Cost":
        """A cost from any iterable of parts."""
        return Cost(tuple(parts))

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def __add__(self, other: "Cost") -> "Cost":
        """The one, then the other."""
        return Cost(self.parts + other.parts)

    def total(self, kind: str) -> Dim:
        """Sum of one kind over the parts (for steps: the longest chain)."""
        if kind == "steps":
            return self.steps
        if kind == "flops":
            return self.flops
        return sum(getattr(part, kind) for part in self.parts)

    def totals(self) -> dict[str, Dim]:
        """All kinds at once, with flops and steps: one pass over the parts."""
        rows: list[Any] = [part[2:10] for part in self.parts] or [(0,) * 8]
        sums = rows[0] if len(rows) == 1 else map(sum, zip(*rows, strict=True))
        params, macs, adds, muls, other, activations, reads, writes = sums
        return {
            "params": params,
            "macs": macs,
            "flops": 2 * macs + adds + muls + other,
            "activations": activations,
            "steps": self.steps,
            "adds": adds,
            "muls": muls,
            "other": other,
            "traffic": reads + writes,
        }

    @property
    def params(self) -> Dim:
        """Trainable parameters."""
        return self.total("params")

    @property
    def macs(self) -> Dim:
        """Multiply-accumulates, the headline number."""
        return self.total("macs")

    @property
    def flops(self) -> Dim:
        """2 * macs + adds + muls + other."""
        return sum(2 * part.macs + part.adds + part.muls + part.other for part in self.parts)

    @property
    def activations(self) -> Dim:
        """Elements written by convolutions and linear layers."""
        return self.total("activations")

    @property
    def traffic(self) -> Dim:
        """Elements read and written."""
        return self.total("traffic")

    @property
    def steps(self) -> Dim:
        """Length of the longest chain of dependent kernels."""
        return self.steps_after(())

    def steps_after(self, inputs: Sequence[Dim]) -> Dim:
        """When the last kernel ends, if each input is there after so many kernels.

        Parts name inputs as input0, input1, ...; one that names none waits for them all, and one that
        names `nothing` for none.
        """
        ready: Dim = 0
        ends: dict[str, Dim] = {"nothing": 0}
        for index, end in enumerate(inputs):
            ends[f"input{index}"] = end
            ready = maximum(ready, end)
        longest = ready
        previous: tuple[str, ...] = ()
        for part in self.parts:
            names = previous if part.after is None else part.after
            # A part that a structural option left out (`when`) delays nobody.
            starts = [ends.get(name, ready) for name in names] or [ready]
            start = starts[0]
            for other in starts[1:]:
                start = maximum(start, other)
            ends[part.name] = start + part.steps
            longest = maximum(longest, ends[part.name])
            previous = (part.name,)
        return longest

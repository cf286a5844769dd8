"""Cost: named parts in order of execution, each with its kinds of cost. `flopcalc.cost.kinds` lists the kinds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from flopcalc.cost.arith import Dim, add_up, maximum
from flopcalc.cost.kinds import HasKinds, WorkKind, check_kind

# Bytes of an element, for traffic.
DTYPE_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}


def in_bytes(totals: Mapping[str, Dim], dtype: str = "float32") -> dict[str, Any]:
    """Totals by kind, with traffic in bytes, as commands show it."""
    return {kind: total * DTYPE_BYTES[dtype] if kind == "traffic" else total for kind, total in totals.items()}


# `after=PREVIOUS`: the part needs the part listed before it.
PREVIOUS: Final = None


class Part(NamedTuple):
    """One named part of a layer. A NamedTuple, not a dataclass: formulas build many, fast.

    work: what its kernels do; conventions fold by it. reads, writes: elements, weights included; traffic is their
    sum. steps: kernels of this part that depend on one another.
    after: names of the parts that must end first; PREVIOUS means the part listed before this one. call: how a module
    calls the kernel, where it is not the module of torch.nn that is usual for this kind of work; see `cost.calls`.
    extra: more sizes, which only the rules of other counters need; what they are depends on the call.
    """

    name: str
    work: WorkKind
    params: Dim = 0
    macs: Dim = 0
    adds: Dim = 0
    muls: Dim = 0
    other: Dim = 0
    activations: Dim = 0
    reads: Dim = 0
    writes: Dim = 0
    steps: Dim = 1
    after: tuple[str, ...] | None = PREVIOUS
    call: str = ""
    extra: tuple[Dim, ...] = ()

    @property
    def traffic(self) -> Dim:
        """Elements read and written."""
        return self.reads + self.writes


Parts: TypeAlias = tuple[Part, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Cost(HasKinds):
    """The cost of a layer: its parts in order of execution."""

    parts: Parts

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def __add__(self, other: "Cost") -> "Cost":
        """The parts of both, one after the other."""
        return Cost(self.parts + other.parts)

    def __repr__(self) -> str:
        many = "1 part" if len(self.parts) == 1 else f"{len(self.parts)} parts"
        return f"<Cost of {many}: {self.headline}>"

    def total(self, kind: str) -> int:
        """Sum of one kind over the parts; for steps the longest chain. Raises FlopcalcError (unknown-kind)."""
        check_kind(kind)
        found: Any
        if kind == "steps":
            found = self.steps_after(())
        elif kind == "flops":
            found = add_up([2 * part.macs + part.adds + part.muls + part.other for part in self.parts])
        else:
            found = add_up([getattr(part, kind) for part in self.parts])
        return found  # type: ignore[no-any-return]

    def without_params(self) -> "Cost":
        """The cost of a layer whose weights another layer counts."""
        return Cost(tuple(part._replace(params=0) for part in self.parts))

    def totals(self) -> dict[str, Dim]:
        """All kinds at once, with flops and steps: one pass over the parts."""
        columns = zip(*[part[2:10] for part in self.parts], strict=True)
        params, macs, adds, muls, other, activations, reads, writes = map(sum, columns) if self.parts else (0,) * 8
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

    def steps_after(self, inputs: Sequence[Dim]) -> Dim:
        """The step at which the last kernel ends. inputs: the step at which each input is ready.

        A part names inputs as input0, input1, ... in `after`. A part without names waits for all inputs; a part
        that names `nothing` waits for none.
        """
        ready: Dim = 0
        ends: dict[str, Dim] = {"nothing": 0}
        for index, end in enumerate(inputs):
            ends[f"input{index}"] = end
            ready = maximum(ready, end)
        longest = ready
        previous: tuple[str, ...] = ()
        for part in self.parts:
            names = previous if part.after is PREVIOUS else part.after
            # A part that a structural option left out (`when`) causes no delay.
            starts = [ends.get(name, ready) for name in names] or [ready]
            start = starts[0]
            for other in starts[1:]:
                start = maximum(start, other)
            ends[part.name] = start + part.steps
            longest = maximum(longest, ends[part.name])
            previous = (part.name,)
        return longest


def own_steps(parts: Parts) -> Dim | None:
    """The steps that a layer adds to those of its inputs; None where its parts need some of its inputs only."""
    if len(parts) == 1 and not parts[0].after:
        return parts[0].steps
    for part in parts:
        if part.after and any(name == "nothing" or name.startswith("input") for name in part.after):
            return None
    return Cost(parts).steps_after(())

"""The result of counting a module: the work of its kernels by module, and the layers that its calls form."""

import operator
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from flopcalc.cost.kinds import HasKinds, WorkKind, check_kind
from flopcalc.pytorch.counting.kernels import Work, new_work

Sizes = tuple[int, ...]
NOTHING = Work()


def add(one: Work, other: Work) -> Work:
    """The sum of the work of two kernels."""
    return new_work(map(operator.add, one, other))


class Shapes(NamedTuple):
    """The shapes of the first input and of the first output of a module's first call, with the batch; () for none."""

    given: Sizes
    output: Sizes


@dataclass(slots=True, eq=False)
class Call:
    """One layer of the graph: kernels of one module that ran one after the other, without another layer between them.

    layer: name of the module; number: 1 for its first layer, 2 where it is called again, or goes on after another
    layer ran. inputs: the calls whose outputs it reads, as indices into `Count.calls`; -1 for an input of the
    forward. given, output: the shapes of the first input and output of this call of the module. work: by the module
    that ran the kernel (the layer's own, or one of its children where a layer is counted as a whole) and kind of
    work. kernels: their number.
    """

    layer: str
    number: int
    inputs: dict[int, None] = field(default_factory=dict)
    given: Sizes = ()
    output: Sizes = ()
    work: dict[tuple[str, WorkKind], Work] = field(default_factory=dict)
    kernels: dict[tuple[str, WorkKind], int] = field(default_factory=dict)


@dataclass(repr=False)
class Count(HasKinds):
    """The cost of one forward pass. `total(kind)` and one property for each kind, such as `macs`, give the sums.

    work: module name -> the work of its own kernels, without its children's. by_work: the same for each kind of
    work (conv, norm, ...), in order of execution; kernels: their number. own_params: module name -> its own
    parameters, each tensor once. steps: kernels in the longest chain of dependent kernels.
    uncounted: (operator, module) -> how often it ran without a rule. output: shapes. shapes: those of each
    module that ran. times: how often each module was called. idle: module name -> those of its parameters that no
    kernel read. calls: the layers of the graph, in order of execution. ends: the calls that made the output.
    on: `meta`, where no value is computed, or `cpu`. notes: what a reader of the numbers must know.
    """

    work: dict[str, Work] = field(default_factory=dict)
    by_work: dict[tuple[str, WorkKind], Work] = field(default_factory=dict)
    kernels: Counter[tuple[str, WorkKind]] = field(default_factory=Counter)
    own_params: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    uncounted: Counter[tuple[str, str]] = field(default_factory=Counter)
    output: list[Sizes] = field(default_factory=list)
    shapes: dict[str, Shapes] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    idle: dict[str, int] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    ends: tuple[int, ...] = ()
    on: str = "meta"
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        least = "at least " if self.uncounted else ""
        unknown = f", {len(self.uncounted)} kinds of kernels without a rule" if self.uncounted else ""
        return f"<Count: {len(self.shapes)} modules, params {self.params:,}, macs {least}{self.macs:,}{unknown}>"

    def total(self, kind: str) -> int:
        """Sum of one kind over all modules; for steps the longest chain. Raises FlopcalcError (unknown-kind)."""
        check_kind(kind)
        if kind == "params":
            return sum(self.own_params.values())
        if kind == "steps":
            return self.steps
        if kind == "flops":
            return 2 * self.macs + self.adds + self.muls + self.other
        return sum(getattr(work, kind) for work in self.work.values())

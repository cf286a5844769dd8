"""Networks as data: named layers in order, each with its shapes and its cost."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Cost
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.kinds import HasKinds, check_kind
from flopcalc.spec.operator import Evaluation

Shape = tuple[int, ...]

# The name by which a layer refers to what the network is given.
INPUT = "input"


class Layer(NamedTuple):
    """One layer of a network.

    kind: an operator's name or a primitive's (batchnorm, relu, ...). inputs: names of the layers
    whose outputs it takes, or `input`. in_shape, out_shape: (c, h, w) or (c,) without the batch.
    evaluation: set for operators. settings: what a primitive was given. weights_of: the layer whose
    weights it uses, where they are not its own. further: shapes of its other inputs.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    in_shape: Shape
    out_shape: Shape
    cost: Cost
    stage: str
    evaluation: Evaluation | None = None
    settings: Mapping[str, Any] = MappingProxyType({})
    weights_of: str = ""
    further: tuple[Shape, ...] = ()

    def with_weights_of(self, twin: "Layer") -> "Layer":
        """This layer with the weights of another, which counts them."""
        parts = tuple(part._replace(params=0) for part in self.cost)
        return self._replace(cost=Cost(parts), weights_of=twin.name)

    @property
    def geometry(self) -> Geometry | None:
        """The shape as operators see it; None for primitives."""
        return self.evaluation.geometry if self.evaluation else None


class Uncounted(NamedTuple):
    """Kernels that ran in a module so many times and for which there is no rule."""

    op: str
    module: str
    times: int


@dataclass(frozen=True)
class Network(HasKinds):
    """Layers in order of execution. input_shape: (c, h, w), without the batch.

    Of a network that was counted rather than described: inputs: all of them as text. counted_steps: the
    longest chain, since no graph is known. uncounted: kernels without a rule. remarks: what else was seen.
    """

    name: str
    title: str
    input_shape: Shape
    batch: int
    layers: tuple[Layer, ...]
    output: str
    options: Mapping[str, Any]
    mirrors: str = ""
    source: str = ""
    inputs: tuple[str, ...] = ()
    counted_steps: int | None = None
    uncounted: tuple[Uncounted, ...] = ()
    remarks: tuple[str, ...] = ()

    def total(self, kind: str) -> int:
        """Sum of one kind over all layers; for steps the longest chain. Raises FlopcalcError (unknown-kind)."""
        if kind == "steps":
            return self._longest_chain()
        check_kind(kind)
        return sum(layer.cost.total(kind) for layer in self.layers)

    def fold(self, fold: Callable[[Cost, int], int]) -> int:
        """Sum of a convention's number over all layers."""
        return sum(fold(layer.cost, self.batch) for layer in self.layers)

    def _longest_chain(self) -> int:
        if self.counted_steps is not None:
            return self.counted_steps
        ends: dict[str, Dim] = {INPUT: 0}
        for layer in self.layers:
            ends[layer.name] = layer.cost.steps_after([ends[name] for name in layer.inputs])
        return int(max(ends.values()))


def loose_ends(layers: Sequence[Layer], output: str) -> Iterator[str]:
    """What a reader should know of outputs that no layer takes: a network may have several, or a slip."""
    used = {name for layer in layers for name in layer.inputs} | {output}
    loose = [layer.name for layer in layers if layer.name not in used]
    if loose:
        shown = ", ".join(loose[:6]) + (", ..." if len(loose) > 6 else "")
        yield f"{len(loose)} further outputs, which no layer takes: {shown}"

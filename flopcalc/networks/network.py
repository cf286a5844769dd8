"""Networks as data: named layers in order, each with its shapes and its cost."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Cost, totals_of
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.kinds import HasKinds, check_kind
from flopcalc.networks.window import Window, operator_window
from flopcalc.spec.operator import Evaluation

Shape = tuple[int, ...]

# The name by which a layer refers to the input of the network.
INPUT = "input"


def size(shape: Shape) -> str:
    """A shape as text: 64x56x56."""
    return "x".join(map(str, shape)) or "scalar"


# Shared, and so never changed; a plain dict, so that layers can be pickled and copied.
NO_SETTINGS: Mapping[str, Any] = {}


class Layer(NamedTuple):
    """One layer of a network.

    kind: an operator's name or a primitive's (batchnorm, relu, ...). inputs: names of the layers
    whose outputs it takes, or `input`. in_shape, out_shape: (c, h, w) or (c,) without the batch.
    evaluation: set for operators. settings: those of a primitive that are not defaults. weights_of: the layer
    whose weights it uses, if they are not its own. further: shapes of its other inputs. own_window: the window of
    a primitive or of a counted module; `window` is that of every layer.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    in_shape: Shape
    out_shape: Shape
    cost: Cost
    stage: str
    evaluation: Evaluation | None = None
    settings: Mapping[str, Any] = NO_SETTINGS
    weights_of: str = ""
    further: tuple[Shape, ...] = ()
    own_window: Window | None = None

    def __repr__(self) -> str:
        """A short text: name, kind and shapes."""
        return f"<Layer {self.name}: {self.kind}, {size(self.in_shape)} -> {size(self.out_shape)}>"

    def with_weights_of(self, twin: "Layer") -> "Layer":
        """This layer with the weights of another, which counts them."""
        return self._replace(cost=self.cost.without_params(), weights_of=twin.name)

    @property
    def geometry(self) -> Geometry | None:
        """The geometry of an operator; None for primitives."""
        return self.evaluation.geometry if self.evaluation else None

    @property
    def window(self) -> Window | None:
        """Kernel, stride, padding, dilation and groups; None for layers that have no window."""
        if self.evaluation:
            return operator_window(self.evaluation.operator, self.evaluation.geometry, len(self.in_shape) - 1)
        return self.own_window


class Uncounted(NamedTuple):
    """An operation without a counting rule, the module that ran it, and the number of times."""

    op: str
    module: str
    times: int


class Module(NamedTuple):
    """A module of a counted network. kind: as of a layer. calls: how often it ran; 0 for one that never did.

    in_shape, out_shape: of its first call, without the batch. unused: those of its own parameters that no kernel read.
    also: its other names, where it is held in several places.
    """

    kind: str
    calls: int
    in_shape: Shape = ()
    out_shape: Shape = ()
    unused: int = 0
    also: tuple[str, ...] = ()


# Not compared: two networks are compared layer by layer, by `diff`.
@dataclass(frozen=True, eq=False, repr=False)
class Network(HasKinds):
    """Layers in order of execution. input_shape: (c, h, w), without the batch.

    Set for a counted network only: inputs: all of them as text. counted_steps: the longest chain of kernels, since
    the graph is not known. uncounted: operations without a rule. remarks: other observations. modules: all modules by
    name, those that are not layers too; a layer `relu#2` is the second one of the module `relu`.
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
    modules: Mapping[str, Module] = field(default_factory=dict)

    def __repr__(self) -> str:
        """A short text: name, cost and input; a network can have thousands of layers."""
        cost = f"{self.params:,} params, {'at least ' if self.uncounted else ''}{self.macs:,} MACs"
        shape = " ".join(self.inputs) or size(self.input_shape)
        return f"<Network {self.name}: {len(self.layers)} layers, {cost}, input {shape}, batch {self.batch}>"

    def total(self, kind: str) -> int:
        """Sum of one kind over all layers; for steps the longest chain. Raises FlopcalcError (unknown-kind)."""
        check_kind(kind)
        if kind == "steps":
            return self._longest_chain
        return self._sums[kind]

    def fold(self, fold: Callable[[Cost, int], int]) -> int:
        """Sum of a convention's number over all layers."""
        return sum(times * fold(cost, self.batch) for cost, times in self._costs)

    # Layers of the same sizes share their cost, so that sums look at each cost once.

    @cached_property
    def _costs(self) -> list[tuple[Cost, int]]:
        costs = {id(layer.cost): layer.cost for layer in self.layers}
        times = Counter([id(layer.cost) for layer in self.layers])
        return [(cost, times[key]) for key, cost in costs.items()]

    # All but the steps.
    @cached_property
    def _sums(self) -> dict[str, int]:
        rows = [cost.sums(times) for cost, times in self._costs]
        return totals_of(map(sum, zip(*rows, strict=True)) if rows else (0,) * 8, 0)

    @cached_property
    def _longest_chain(self) -> int:
        if self.counted_steps is not None:
            return self.counted_steps
        lengths = {id(cost): cost.own_steps() for cost, _ in self._costs}
        ends: dict[str, Dim] = {INPUT: 0}
        for layer in self.layers:
            inputs = layer.inputs
            length = lengths[id(layer.cost)]
            if length is None:
                end = layer.cost.steps_after([ends[name] for name in inputs])
            elif len(inputs) == 1:
                end = ends[inputs[0]] + length
            else:
                end = max([ends[name] for name in inputs]) + length
            ends[layer.name] = end
        return int(max(ends.values()))


class _Placed(Protocol):
    """A layer, or a row of a structure."""

    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...


def loose_ends(layers: Sequence[_Placed], output: str) -> Iterator[str]:
    """A remark on outputs that no layer takes: the network may have several outputs, or a mistake."""
    used = {name for layer in layers for name in layer.inputs} | {output}
    loose = [layer.name for layer in layers if layer.name not in used]
    if loose:
        shown = ", ".join(loose[:6]) + (", ..." if len(loose) > 6 else "")
        yield f"{len(loose)} further outputs, which no layer takes: {shown}"

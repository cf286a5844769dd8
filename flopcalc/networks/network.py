"""Networks as data: named layers in order, each with its shapes and its cost."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from operator import attrgetter, mul
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from flopcalc.cost.arith import Dim, highest
from flopcalc.cost.cost import Cost, Part, Parts, own_steps
from flopcalc.cost.geometry import Geometry
from flopcalc.cost.kinds import HasKinds, check_kind
from flopcalc.networks.window import Window, operator_window
from flopcalc.presets.call import CallLog, State, run_within
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
    a primitive or of a counted module; `window` is that of every layer. low: if not 0, a primitive works on pairs of
    maps: this share of the channels is on half of the height and width of in_shape and out_shape.
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
    low: Fraction = Fraction(0)

    def __repr__(self) -> str:
        """A short text: name, kind and shapes."""
        return f"<Layer {self.name}: {self.kind}, {size(self.in_shape)} -> {size(self.out_shape)}>"

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
    in_shape: Shape
    out_shape: Shape
    unused: int
    also: tuple[str, ...]


class Gradients(NamedTuple):
    """The MACs of the backward pass of a layer, by what they compute.

    inputs: gradients of tensors that depend on the input of the network. weights: gradients of parameters, and of
    tensors that are computed from parameters and constants alone. again: no gradients, but values of the forward pass.
    """

    inputs: int = 0
    weights: int = 0
    again: int = 0


class Differentiated(NamedTuple):
    """One forward and one backward pass of a module, which were run and counted.

    forward: the network in training mode. backward: for each of its layers the parts of the backward pass, without
    parameters. steps: of the backward pass. scores: for each layer the MACs of attention scores that fused attention
    computes again. reached: whether the outputs of a layer got a gradient. gradients: for each layer the MACs of the
    backward pass by what they compute. uncounted: kernels of the backward pass without a rule. remarks: on the backward
    pass.
    """

    forward: "Network"
    backward: Sequence[Parts]
    steps: int
    scores: Sequence[int]
    reached: Sequence[bool]
    gradients: Sequence[Gradients]
    uncounted: tuple[Uncounted, ...] = ()
    remarks: tuple[str, ...] = ()


class Replay(NamedTuple):
    """What can be found out by running a counted module again. Each runs on a copy.

    log: the calls that it makes. figure: what an installed counter reports, by its name: the figure and the version,
    or one line on why there is none. differentiated: a forward and a backward pass, by the patterns of the layers that
    are not trained.
    """

    log: Callable[[], CallLog]
    figure: Callable[[str], tuple[int, str] | str]
    differentiated: Callable[[tuple[str, ...]], Differentiated]

    def within(self, state: State) -> "Replay":
        """The same runs, each while the module is in a state."""
        return Replay(
            run_within(state, lambda: self.log().within(state)),
            run_within(state, self.figure),
            run_within(state, self.differentiated),
        )


class Unbuilt(Protocol):
    """Layers whose records are made when they are asked for."""

    def costs(self) -> Iterable[tuple[Parts, int]]:
        """The parts of layers, and the number of layers that have them."""

    def chain(self) -> Iterable[tuple[tuple[int, ...], Parts]]:
        """The inputs of each layer as numbers (see `numbered`), and its parts."""

    def layers(self) -> tuple[Layer, ...]:
        """The records of all layers."""


# Not compared: two networks are compared layer by layer, by `diff`.
@dataclass(frozen=True, eq=False, repr=False)
class Network(HasKinds):
    """Layers in order of execution. input_shape: (c, h, w), without the batch.

    Set for a counted network only: inputs: all of them as text. counted_steps: the longest chain of kernels, since
    the graph is not known. uncounted: operations without a rule. remarks: other observations. modules: all modules by
    name, those that are not layers too; a layer `relu#2` is the second one of the module `relu`. replay: for the
    conventions of other counters.
    Of a description, calls: how the module that it mirrors calls its layers, by pattern (see `networks.counted`).
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
    replay: Replay | None = None
    calls: Mapping[str, str] = field(default_factory=dict)

    # Not a field: the layers of a described network, whose records are made on the first access.
    _unbuilt: ClassVar[Unbuilt | None] = None

    def __repr__(self) -> str:
        """A short text: name, cost and input; a network can have thousands of layers."""
        cost = f"{self.params:,} params, {'at least ' if self.uncounted else ''}{self.macs:,} MACs"
        shape = " ".join(self.inputs) or size(self.input_shape)
        # The records of layers are not made for it.
        layers = sum(times for _, times in self._costs)
        return f"<Network {self.name}: {layers} layers, {cost}, input {shape}, batch {self.batch}>"

    def total(self, kind: str) -> int:
        """Sum of one kind over all layers; for steps the longest chain. Raises FlopcalcError (unknown-kind)."""
        check_kind(kind)
        if kind == "steps":
            return self._longest_chain
        if kind == "flops":
            return 2 * self._sum("macs") + self._sum("adds") + self._sum("muls") + self._sum("other")
        if kind == "traffic":
            return self._sum("reads") + self._sum("writes")
        return self._sum(kind)

    def fold(self, fold: Callable[[Cost, int], int]) -> int:
        """Sum of a number over all layers, of which those of the same sizes are folded once."""
        return sum(times * fold(Cost(parts), self.batch) for parts, times in self._costs)

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            if name == "layers" and self._unbuilt is not None:
                return self.__dict__.setdefault(name, self._unbuilt.layers())
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: the fields, with the layers."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"replay": None}

    # Layers of the same sizes share their cost, so that sums look at each cost once.

    @cached_property
    def _costs(self) -> Iterable[tuple[Parts, int]]:
        if self._unbuilt is not None:
            return self._unbuilt.costs()
        costs = {id(layer.cost): layer.cost for layer in self.layers}
        times = Counter([id(layer.cost) for layer in self.layers])
        return [(cost.parts, times[key]) for key, cost in costs.items()]

    @cached_property
    def _columns(self) -> tuple[Mapping[str, Sequence[int]], Sequence[int]]:
        found: list[Part] = []
        often: list[int] = []
        for parts, times in self._costs:
            found += parts
            often += [times] * len(parts)
        return dict(zip(Part._fields, zip(*found, strict=True), strict=False)), often

    @cached_property
    def _sums(self) -> dict[str, int]:
        return {}

    def _sum(self, field: str) -> int:
        """The sum of one field of all parts."""
        if field not in self._sums:
            columns, times = self._columns
            self._sums[field] = sum(map(mul, columns.get(field, ()), times))
        return self._sums[field]

    @cached_property
    def _longest_chain(self) -> int:
        if self.counted_steps is not None:
            return self.counted_steps
        if self._unbuilt is not None:
            chain = self._unbuilt.chain()
        else:
            chain = zip(numbered(self.layers), [layer.cost.parts for layer in self.layers], strict=True)
        ends: list[Dim] = [0]
        # Layers of the same sizes have the same parts.
        lengths: dict[int, Dim | None] = {}
        for inputs, parts in chain:
            if id(parts) not in lengths:
                lengths[id(parts)] = own_steps(parts)
            length = lengths[id(parts)]
            if length is None:
                end = Cost(parts).steps_after([ends[one] for one in inputs])
            elif len(inputs) == 1:
                end = ends[inputs[0]] + length
            else:
                end = highest([ends[one] for one in inputs]) + length
            ends.append(end)
        steps: int = highest(ends)
        return steps


def unbuilt(layers: Unbuilt, **fields: Any) -> Network:
    """A network with these fields, whose layers are made when they are asked for."""
    network = object.__new__(Network)
    network.__dict__.update({"calls": {}, "replay": None} | fields, modules={}, _unbuilt=layers)
    return network


class _Placed(Protocol):
    """A layer, or a row of a structure."""

    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...


def numbered(layers: Sequence[_Placed]) -> list[tuple[int, ...]]:
    """The inputs of each layer: i for the i-th layer, counted from 1, and 0 for the input of the network."""
    places = {INPUT: 0}
    found = []
    for place, layer in enumerate(layers, 1):
        found.append(tuple([places[name] for name in layer.inputs]))
        places[layer.name] = place
    return found


def loose_ends(layers: Sequence[_Placed], output: str) -> Iterator[str]:
    """A remark on outputs that no layer takes: the network may have several outputs, or a mistake."""
    used = {output}.union(*map(attrgetter("inputs"), layers))
    loose = [name for name in map(attrgetter("name"), layers) if name not in used]
    if loose:
        shown = ", ".join(loose[:6]) + (", ..." if len(loose) > 6 else "")
        yield f"{len(loose)} further output{'s' if len(loose) > 1 else ''}, which no layer takes: {shown}"

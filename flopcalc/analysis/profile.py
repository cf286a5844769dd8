"""A network in few numbers: the sums of each kind of cost over kernels of the same kind of work.

Most ways of counting that projects use are sums of these numbers: `conv_macs + linear_macs` leaves out the products
of attention, `params + norm_params` counts the running statistics of batch norms too. A profile is small, so that
those of many networks can be kept in a file (`flopcalc.published.counts`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

from flopcalc.cost.cost import Part
from flopcalc.cost.kinds import OF_A_KERNEL, WORK_KINDS
from flopcalc.networks.network import Layer, Network

# Sums over all kernels, and what a number of one kind of work can be.
_OF_ALL = ("params", "macs", "adds", "muls", "other", "activations")
_KINDS = (*(kind for kind in OF_A_KERNEL if kind != "traffic"), "reads", "writes")

# Kernels that a classifier may have after its last linear layer, or between two that run side by side.
_BEHIND_HEAD = ("move", "add", "mul", "other", "softmax", "linear")

# Layers that have a name of their own in the profile, by their kind: other counters have a rule for each.
_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "prelu", "gelu", "silu", "hardswish", "hardsigmoid", "sigmoid", "elu")

EXTRA = {
    "head_params": "parameters of the last linear layers, which only pass their output on",
    "head_macs": "their MACs",
    "head_adds": "their biases",
    "conv_biases": "parameters of the biases of convolutions",
    "conv_weights_per_group": "weights of convolutions, input channels divided by the groups twice, rounded down",
    "conv_macs_per_group": "MACs of convolutions, counted likewise",
    "conv_out": "elements that convolutions write",
    "depthwise_macs": "MACs of convolutions with one input channel for each group, and several groups",
    "depthwise_adds": "their biases",
    "functional_macs": "MACs of linear work in a module that is not a linear layer (a function with its weights)",
    "functional_params": "parameters of the same, as far as the function sees them",
    "input_size": "elements of the input",
    "upsample_out": "elements that upsampling layers write",
    "linear_out": "elements that linear layers write",
    "own_params": "parameters that belong to no layer of a known kind, such as a class token or positions",
}


@dataclass(frozen=True, slots=True)
class Profile:
    """The sums of one network. sums: by name, such as `conv_macs`; a name that is absent is 0. batch: of the count.

    Names are a kind of cost (`macs`), a kind of work and a kind of cost (`norm_params`), an activation
    (`relu_other`), and those of `EXTRA`. uncounted: whether some kernels have no rule: the sums are lower bounds.
    kept: the names that were kept, of a profile from a file; empty for all.
    """

    sums: Mapping[str, int]
    uncounted: bool = False
    kept: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> int:
        return self.sums.get(name, 0)


def is_name(name: str) -> bool:
    """Whether it can be the name of a sum."""
    work, _, kind = name.partition("_")
    return name in _OF_ALL or name in EXTRA or (work in (*WORK_KINDS, "softmax") and kind in _KINDS) or name in _ACTS


_ACTS = tuple(f"{name}_other" for name in _ACTIVATIONS)


Add: TypeAlias = Callable[[str, Any], None]


def profile(network: Network) -> Profile:
    """The sums over the kernels of a network."""
    sums: dict[str, int] = {}

    def add(name: str, value: Any) -> None:
        if value:
            sums[name] = sums.get(name, 0) + int(value)

    add("input_size", prod(network.input_shape) * network.batch)
    for layer in network.layers:
        for part in layer.cost:
            work = _work(layer, part)
            for kind in _KINDS:
                add(f"{work}_{kind}", getattr(part, kind))
            for kind in _OF_ALL:
                add(kind, getattr(part, kind))
            if part.work == "act" and layer.kind in _ACTIVATIONS:
                add(f"{layer.kind}_other", part.other)
            if layer.kind == "upsample":
                add("upsample_out", part.writes)
            if work == "conv":
                _convolution(layer, part, add)
            elif work == "linear":
                _linear(layer, part, bool(network.modules), add)
            elif work not in ("norm", "layernorm"):
                add("own_params", part.params)
    for part in _head(network.layers):
        for kind in ("params", "macs", "adds"):
            add(f"head_{kind}", getattr(part, kind))
    return Profile(sums, bool(network.uncounted))


def _work(layer: Layer, part: Part) -> str:
    """The work of a part; the projections of attention are linear layers on tokens, written as 1x1 convolutions."""
    return "linear" if part.work == "conv" and layer.kind == "attention" else part.work


def _linear(layer: Layer, part: Part, counted: bool, add: Add) -> None:
    """What counters of linear layers see. counted: of a Python model, whose kinds are those of modules."""
    add("linear_out", part.activations)
    if counted and layer.kind != "linear":
        add("functional_params", part.params)
        add("functional_macs", part.macs)


def _convolution(layer: Layer, part: Part, add: Add) -> None:
    """What counters of convolutions see: outputs, biases, depthwise ones, and weights divided by the groups once more.

    PaddlePaddle's `contrib.model_stat` divides the input channels of a group by the groups again, in integers: 8
    channels in 32 groups are 0.
    """
    groups = (layer.window.groups if layer.window else None) or 1
    # Channels that a filter reads.
    read = max(1, layer.in_shape[0] // groups) if groups > 1 and layer.in_shape else 1
    if groups > 1 and layer.in_shape and groups == layer.in_shape[0]:
        add("depthwise_macs", part.macs)
        add("depthwise_adds", part.adds)
    # A bias is added once to each output: params = c_out * (weights of an output + 1), macs = outputs * its weights.
    biases = part.params // (part.macs // part.activations + 1) if part.adds and part.activations else 0
    add("conv_out", part.activations)
    add("conv_biases", biases)
    left = read // groups if groups > 1 else read
    add("conv_weights_per_group", (part.params - biases) * left // read)
    add("conv_macs_per_group", part.macs * left // read)


def _head(layers: tuple[Layer, ...]) -> Iterator[Part]:
    """The linear kernels on features at the end of a network: nothing but them, sums and views follows."""
    for layer in reversed(layers):
        works = [part.work for part in layer.cost]
        # A linear layer on tokens is not a classifier.
        if any(work not in _BEHIND_HEAD for work in works) or ("linear" in works and len(layer.in_shape) != 1):
            return
        yield from (part for part in layer.cost if part.work == "linear")

"""A network description as an nn.Module with the names of its layers."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.network import INPUT, Layer, Network, Shape
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.pytorch.layers import build_layer
from flopcalc.pytorch.named_class import named_class
from flopcalc.replacing.two_grids import split


def _build(layer: Layer, factory: dict[str, Any]) -> nn.Module:
    if layer.evaluation is not None:
        if layer.kind == "linear" and len(layer.in_shape) == 3:
            # The same layer at every position, where channels come first.
            g = layer.evaluation.geometry
            return nn.Conv2d(g.c_in, g.c_out, 1, bias=layer.evaluation.named["bias"], **factory)
        return build_layer(layer.evaluation, **factory)
    shapes = (layer.in_shape, *layer.further)
    if layer.low:
        high, low = (tuple(split(shape, layer.low)[grid] for shape in shapes) for grid in (0, 1))
        return OnEachGrid(_primitive(layer, high, factory), _primitive(layer, low, factory))
    return _primitive(layer, shapes, factory)


def _primitive(layer: Layer, shapes: Sequence[Shape], factory: dict[str, Any]) -> nn.Module:
    primitive = PRIMITIVES[layer.kind]
    arguments = primitive.arguments(shapes, {**primitive.settings, **layer.settings})
    module: nn.Module = named_class(primitive.module)(**arguments, **(factory if primitive.has_tensors else {}))
    return module


def _add(parent: nn.Module, name: str, module: nn.Module, full: str) -> None:
    if name not in parent._modules and hasattr(parent, name):
        why = f"layer {full}: a module of torch has an attribute `{name}` of its own"
        raise FlopcalcError("bad-network", why, "choose another name for the layer")
    parent.add_module(name, module)


class OnEachGrid(nn.Module):
    """The same layer on both maps of a pair."""

    def __init__(self, high: nn.Module, low: nn.Module) -> None:
        super().__init__()
        self.high, self.low = high, low

    def forward(self, *pairs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Pairs -> a pair."""
        high, low = zip(*pairs, strict=True)
        return self.high(*high), self.low(*low)


class NetworkModule(nn.Module):
    """Runs the layers of a description in order. Submodules have the layers' names."""

    def __init__(self, network: Network, all_outputs: bool = False, **factory: Any) -> None:
        super().__init__()
        self._plan = [(layer.name, layer.inputs) for layer in network.layers]
        self._output = network.output
        self._last_use = {name: index for index, (_, inputs) in enumerate(self._plan) for name in inputs}
        loose = [name for name, _ in self._plan if name not in self._last_use and name != network.output]
        self._outputs = (*loose, network.output) if all_outputs else (network.output,)
        for layer in network.layers:
            module = self.get_submodule(layer.weights_of) if layer.weights_of else _build(layer, factory)
            self._place(layer.name, module)

    def _place(self, name: str, module: nn.Module) -> None:
        *folders, last = name.split(".")
        parent: nn.Module = self
        for folder in folders:
            if folder not in parent._modules:
                _add(parent, folder, nn.Module(), name)
            parent = parent.get_submodule(folder)
        _add(parent, last, module, name)

    def forward(self, x: Tensor) -> Any:
        """(n, c, h, w) -> the output of the last layer; a tuple if there are several."""
        values: dict[str, Any] = {INPUT: x}
        for index, (name, inputs) in enumerate(self._plan):
            values[name] = self.get_submodule(name)(*(values[source] for source in inputs))
            for source in set(inputs):
                if self._last_use[source] == index and source != self._output:
                    del values[source]
        outputs = tuple([values[name] for name in self._outputs])
        return outputs if len(outputs) > 1 else outputs[0]


def build_network(network: Network, *, all_outputs: bool = False, **factory: Any) -> NetworkModule:
    """The network as a trainable module. factory: device, dtype.

    all_outputs: return the outputs that no layer takes, too, such as those of a detector on other grids, as a tuple of
    which the last one is the output of the network.

    Raises FlopcalcError (bad-usage) for anything but a described network: a module that was counted is there already.
    """
    _check(network)
    return NetworkModule(network, all_outputs, **factory)


def _check(network: object) -> None:
    if not isinstance(network, Network):
        hint = 'write build_network(flopcalc.network("resnet50"))'
        raise FlopcalcError("bad-usage", f"{clip(network)} is not a network", hint)
    if network.counted_steps is not None:
        why = f"{network.name} was counted from a module, and its description is not known"
        raise FlopcalcError("bad-usage", why, "use the module itself")

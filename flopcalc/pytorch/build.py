"""A network description as an nn.Module with the names of its layers."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from flopcalc.networks.network import INPUT, Layer, Network
from flopcalc.pytorch.layers import _joined as joined
from flopcalc.pytorch.layers import _maps as maps
from flopcalc.pytorch.layers import build_layer
from flopcalc.pytorch.layers._blocks import Add, ChannelShuffle, Concat


class _Join(nn.Module):
    """Concatenation of several inputs given one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.concat = Concat()

    def forward(self, *tensors: Tensor) -> Tensor:
        """Inputs of equal size."""
        out: Tensor = self.concat(tensors)
        return out


def _batchnorm(layer: Layer, factory: dict[str, Any]) -> nn.Module:
    kind = nn.BatchNorm2d if len(layer.in_shape) == 3 else nn.BatchNorm1d
    per_map = layer.settings.get("per_map", 1)
    norm = kind(layer.in_shape[0] // per_map, affine=not layer.settings.get("frozen", False), **factory)
    return norm if per_map == 1 else maps.OfMaps(norm, per_map)


def _global_avgpool(layer: Layer, factory: dict[str, Any]) -> nn.Module:
    pool, per_map = nn.AdaptiveAvgPool2d(1), layer.settings.get("per_map", 1)
    return pool if per_map == 1 else maps.OfMaps(pool, per_map, kept=False)


_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "hardswish": nn.Hardswish,
    "hardsigmoid": nn.Hardsigmoid,
}


def _pool(kind: Callable[..., nn.Module]) -> Callable[[Layer, dict[str, Any]], nn.Module]:
    def make(layer: Layer, factory: dict[str, Any]) -> nn.Module:
        settings = layer.settings
        ceil = settings.get("ceil", False)
        return kind(settings.get("k", 2), settings.get("stride"), settings.get("padding", 0), ceil_mode=ceil)

    return make


def _prelu(layer: Layer, factory: dict[str, Any]) -> nn.Module:
    return nn.PReLU(1 if layer.settings.get("shared") else layer.in_shape[0], **factory)


_BUILDERS: dict[str, Callable[[Layer, dict[str, Any]], nn.Module]] = {
    "adaptive_avgpool": lambda layer, factory: nn.AdaptiveAvgPool2d(layer.settings.get("size", 1)),
    "add": lambda layer, factory: Add(),
    "avgpool": _pool(nn.AvgPool2d),
    "batchnorm": _batchnorm,
    "channel_shuffle": lambda layer, factory: ChannelShuffle(layer.settings.get("groups", 2)),
    "chunk": lambda layer, factory: maps.Chunk(layer.settings.get("of", 2), layer.settings.get("part", 0)),
    "class_token": lambda layer, factory: maps.ClassToken(layer.in_shape[0], **factory),
    "concat": lambda layer, factory: _Join(),
    "crop": lambda layer, factory: maps.Crop(),
    "dropout": lambda layer, factory: nn.Dropout(),
    "flatten": lambda layer, factory: nn.Flatten(),
    "global_avgpool": _global_avgpool,
    "layer_scale": lambda layer, factory: maps.LayerScale(layer.in_shape, **factory),
    "layernorm": lambda layer, factory: maps.ChannelNorm(layer.in_shape[0], **factory),
    "maxpool": _pool(nn.MaxPool2d),
    "mixed_conv": lambda layer, factory: joined.mixed_conv(layer, **factory),
    "mul": lambda layer, factory: maps.Product(),
    "pad": lambda layer, factory: maps.Pad(**layer.settings),
    "position_embedding": lambda layer, factory: maps.PositionEmbedding(layer.in_shape, **factory),
    "prelu": _prelu,
    "roi_align": lambda layer, factory: joined.roi_align(layer, **factory),
    "roll": lambda layer, factory: maps.Roll(layer.settings.get("by", 1)),
    "softmax": lambda layer, factory: nn.Softmax(dim=1),
    "space_to_depth": lambda layer, factory: maps.SpaceToDepth(layer.settings.get("block", 2)),
    "subsample": lambda layer, factory: maps.Subsample(layer.settings.get("stride", 2)),
    "take_token": lambda layer, factory: maps.TakeToken(layer.settings.get("index", 0)),
    "to_tokens": lambda layer, factory: maps.ToTokens(),
    "upsample": lambda layer, factory: maps.Upsample(layer.settings.get("scale", 2)),
}


def _build(layer: Layer, factory: dict[str, Any]) -> nn.Module:
    if layer.evaluation is not None:
        if layer.kind == "linear" and len(layer.in_shape) == 3:
            # The same layer at every position, where channels come first.
            g = layer.evaluation.geometry
            return nn.Conv2d(g.c_in, g.c_out, 1, bias=layer.evaluation.named["bias"], **factory)
        return build_layer(layer.evaluation, **factory)
    if layer.kind in _ACTIVATIONS:
        return _ACTIVATIONS[layer.kind]()
    return _BUILDERS[layer.kind](layer, factory)


class NetworkModule(nn.Module):
    """Runs the layers of a description in order. Submodules have the layers' names."""

    def __init__(self, network: Network, **factory: Any) -> None:
        super().__init__()
        self._plan = [(layer.name, layer.inputs) for layer in network.layers]
        self._output = network.output
        self._last_use = {name: index for index, (_, inputs) in enumerate(self._plan) for name in inputs}
        for layer in network.layers:
            module = self.get_submodule(layer.weights_of) if layer.weights_of else _build(layer, factory)
            self._place(layer.name, module)

    def _place(self, name: str, module: nn.Module) -> None:
        *folders, last = name.split(".")
        parent: nn.Module = self
        for folder in folders:
            if folder not in parent._modules:
                parent.add_module(folder, nn.Module())
            parent = parent.get_submodule(folder)
        parent.add_module(last, module)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> the output of the last layer."""
        values = {INPUT: x}
        for index, (name, inputs) in enumerate(self._plan):
            values[name] = self.get_submodule(name)(*(values[source] for source in inputs))
            for source in set(inputs):
                if self._last_use[source] == index and source != self._output:
                    del values[source]
        return values[self._output]


def build_network(network: Network, **factory: Any) -> NetworkModule:
    """The network as a trainable module. factory: device, dtype."""
    return NetworkModule(network, **factory)

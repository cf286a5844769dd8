"""The modules of a tree as data, with their classes, settings and sizes of parameters."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from flopcalc.presets.call import Node
from flopcalc.pytorch.counting.contents import modules_of
from flopcalc.pytorch.named_class import file_of

# Read from modules where they are numbers, sizes or flags.
_SETTINGS = (
    *("kernel_size", "stride", "padding", "groups", "in_channels", "out_channels", "output_size", "count_include_pad"),
    *("in_features", "in1_features", "in2_features", "affine", "elementwise_affine", "mode", "dim", "num_parameters"),
    *("num_layers", "hidden_size", "input_size", "bidirectional", "batch_first", "proj_size"),
    *("num_heads", "embed_dim", "kdim", "vdim", "head_dim", "add_zero_attn"),
)


def nodes_of(module: nn.Module) -> tuple[list[Node], dict[int, int]]:
    """All modules of a tree, and the index of each by its identity."""
    index: dict[int, int] = {}
    named = modules_of(module)
    for place, (_, one) in enumerate(named):
        index[id(one)] = place
    return [_node(name, one, index) for name, one in named], index


def _node(name: str, module: nn.Module, index: Mapping[int, int]) -> Node:
    children = {id(child): child for child in module._modules.values() if child is not None}
    below = tuple(index[id(child)] for child in children.values())
    facts: dict[str, Any] = {}
    for key in _SETTINGS:
        value = getattr(module, key, None)
        if isinstance(value, bool | int | float | str) or _is_sizes(value):
            facts[key] = tuple(value) if isinstance(value, list) else value
    facts["params"] = tuple((key, tuple(one.shape)) for key, one in module._parameters.items() if one is not None)
    facts["buffers"] = tuple(key for key, _ in module._buffers.items())
    bases = tuple(class_name(base) for base in type(module).__mro__ if base is not object)
    return Node(name, bases[0], bases, below, facts)


def _is_sizes(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, int) for one in value)


def class_name(cls: type) -> str:
    """`Conv2d` for a class of torch.nn, `timm.layers.norm_act.BatchNormAct2d` for others."""
    if getattr(nn, cls.__name__, None) is cls or file_of(cls).startswith("torch.nn.modules."):
        return cls.__name__
    return f"{file_of(cls)}.{cls.__qualname__}"

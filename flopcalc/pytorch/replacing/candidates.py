"""The convolutions of a module that operators may replace: where they are, and what forbids replacing one."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils.parametrize import is_parametrized

from flopcalc.cost.geometry import Geometry, geometry
from flopcalc.errors import FlopcalcError
from flopcalc.pytorch.counting.contents import modules_of
from flopcalc.pytorch.layers.depthwise import DepthwiseConv2d
from flopcalc.pytorch.named_class import file_of
from flopcalc.pytorch.recognition import is_marked, operator_of

_HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
    "_state_dict_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)
_LOST_HOOKS = "it has hooks, which would be lost"
_TENSOR_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


@dataclass
class Convolution:
    """A convolution of a module, or our depthwise layer around one. A shared one has several names and slots.

    slots: (parent, key) of every place that holds it; the parent of the model itself is None. problem: why it
    cannot be replaced. shapes: the inputs of its calls, each once. turn: its place in the order of first calls.
    """

    module: nn.Module
    names: list[str] = field(default_factory=list)
    slots: list[tuple[nn.Module | None, str]] = field(default_factory=list)
    problem: str | None = None
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    turn: int | None = None

    @property
    def conv(self) -> nn.Module:
        """The convolution itself, or the one inside our depthwise layer."""
        return self.module.conv if isinstance(self.module, DepthwiseConv2d) else self.module


@dataclass
class Candidates:
    """The convolutions of a module. names: of all its modules. operators: of those that are operators already."""

    root: nn.Module
    convolutions: list[Convolution]
    names: list[str]
    operators: list[str]


def find_candidates(root: nn.Module) -> Candidates:
    """Every convolution of a module with all its slots, except those inside operators."""
    found: dict[int, Convolution] = {}
    names: list[str] = []
    operators: list[str] = []

    def walk(module: nn.Module, name: str, parent: nn.Module | None, key: str, above: tuple[int, ...]) -> None:
        names.append(name)
        if _is_operator(module):
            if any(isinstance(inner, nn.Conv2d) for _, inner in modules_of(module)):
                operators.append(name)
        elif _is_convolution(module):
            convolution = found.setdefault(id(module), Convolution(module))
            convolution.names.append(name)
            if not any(holder is parent and slot == key for holder, slot in convolution.slots):
                convolution.slots.append((parent, key))
        elif id(module) not in above:
            for inner, child in module._modules.items():
                if child is not None:
                    walk(child, f"{name}.{inner}" if name else inner, module, inner, (*above, id(module)))

    walk(root, "", None, "", ())
    owners = _owners(root)
    for convolution in found.values():
        convolution.problem = _problem(convolution.conv, owners)
        if convolution.problem is None and _has_hooks(convolution.module):
            convolution.problem = _LOST_HOOKS
        if any(_is_compiled(holder) for holder, _ in convolution.slots):
            convolution.problem = "torch.compile keeps it, wherever it is replaced; compile the model afterwards"
    return Candidates(root, list(found.values()), names, operators)


def held(found: Candidates) -> list[tuple[nn.Module, str, nn.Module | None]]:
    """The layer that each slot of a convolution holds now, as (parent, key, layer)."""
    slots = [slot for one in found.convolutions for slot in one.slots]
    return [(parent, key, parent._modules[key]) for parent, key in slots if parent is not None]


@contextmanager
def holding(layers: Iterable[tuple[nn.Module, str, nn.Module | None]] = ()) -> Iterator[None]:
    """Put layers into their slots for a while; afterwards each slot holds again what it held before."""
    before = []
    try:
        for parent, key, layer in layers:
            before.append((parent, key, parent._modules[key]))
            parent._modules[key] = layer
        yield
    finally:
        for parent, key, layer in reversed(before):
            parent._modules[key] = layer


def _is_compiled(module: nn.Module | None) -> bool:
    # Importing the class would load the compiler.
    return type(module).__name__ == "OptimizedModule" and file_of(type(module)).startswith("torch._dynamo")


def _is_operator(module: nn.Module) -> bool:
    # A depthwise layer is a convolution as well, unless a replacement put it in.
    return is_marked(module) or (operator_of(module) is not None and type(module) is not DepthwiseConv2d)


def _is_convolution(module: nn.Module) -> bool:
    if isinstance(module, torch.jit.ScriptModule):
        return getattr(module, "original_name", "") == "Conv2d"
    return isinstance(module, nn.Conv2d | DepthwiseConv2d) or (
        _is_quantized(module) and "Conv" in type(module).__name__
    )


def _is_quantized(module: nn.Module) -> bool:
    return ".quantized" in file_of(type(module))


# What forbids a replacement -------------------------------------------------------------------------


def _problem(module: nn.Module, owners: dict[Any, dict[int, str]]) -> str | None:
    """Why the convolution cannot be replaced, as far as this is known without a run; else None."""
    kind = type(module)
    if isinstance(module, torch.jit.ScriptModule):
        return "it is scripted: its code is fixed"
    if isinstance(module, LazyModuleMixin):
        return "it is lazy: its shape is not known before a first run"
    if is_parametrized(module):
        return "its weight is parametrised, and the parametrisation would be lost"
    if _is_quantized(module):
        return "it is quantised"
    if not isinstance(module, nn.Conv2d) or kind is not nn.Conv2d:
        return f"it is a {kind.__name__}, a subclass of Conv2d that may do more than a convolution"
    return _more_than_a_convolution(module, owners)


def _has_hooks(module: nn.Module) -> bool:
    return any(getattr(module, hooks, None) for hooks in _HOOKS)


def _more_than_a_convolution(module: nn.Conv2d, owners: dict[Any, dict[int, str]]) -> str | None:
    """What a plain convolution has that a replacement would lose, or why its padding cannot be passed on; else None."""
    tensors = {name: tensor for name, tensor in module._parameters.items() if tensor is not None}
    if "weight" not in tensors or set(tensors) - {"weight", "bias"}:
        held = ", ".join(tensors) or "nothing"
        return f"its weight is computed (it holds {held}), and what computes it would be lost"
    if _has_hooks(module):
        return _LOST_HOOKS
    if any(getattr(tensor, hooks, None) for tensor in tensors.values() for hooks in _TENSOR_HOOKS):
        return "its weight has gradient hooks, which would be lost"
    if "forward" in module.__dict__ or "_conv_forward" in module.__dict__:
        return "its forward was exchanged on the instance"
    if more := [*module._modules, *module._buffers]:
        return f"it holds more than a weight and a bias: {', '.join(more)}"
    for name, tensor in tensors.items():
        if others := [other for owner, other in owners[_place(tensor)].items() if owner != id(module)]:
            return f"its {name} is shared with {others[0] or 'the model itself'}, and the tie would be lost"
    if isinstance(module.padding, str) and _pads(module) is None:
        return f"padding {module.padding!r} of an even kernel is not the same on both sides"
    return None


def _owners(root: nn.Module) -> dict[Any, dict[int, str]]:
    """Memory of each tensor -> the modules that hold it, as a parameter, a buffer or an attribute, with their names."""
    owners: dict[Any, dict[int, str]] = {}
    for name, module in modules_of(root):
        # The values of a script module are not those of its attributes.
        for tensor in _tensors_in(list(module.__dict__.values())):
            if not isinstance(tensor, nn.parameter.UninitializedParameter):
                owners.setdefault(_place(tensor), {})[id(module)] = name
    return owners


def _tensors_in(value: object, depth: int = 4) -> Iterator[Tensor]:
    """The tensors in a value: itself, or in lists, tuples, sets and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, list | tuple | set | frozenset | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _tensors_in(one, depth - 1)


def _place(tensor: Tensor) -> Any:
    """The memory of a tensor. Two views of one storage at one offset have the same."""
    try:
        return tensor.untyped_storage()._cdata, tensor.storage_offset()
    except (RuntimeError, NotImplementedError):
        return id(tensor)


def _pads(module: nn.Conv2d) -> tuple[int, int] | None:
    """Padding as numbers, by axis; None where the two sides differ."""
    if not isinstance(module.padding, str):
        return module.padding[0], module.padding[1]
    if module.padding == "valid":
        return 0, 0
    total = [d * (k - 1) for k, d in zip(module.kernel_size, module.dilation, strict=True)]
    return None if total[0] % 2 or total[1] % 2 else (total[0] // 2, total[1] // 2)


def geometry_of(module: nn.Conv2d, shape: tuple[int, ...]) -> Geometry:
    """The geometry of the convolution at an input of (n, c, h, w). Raises FlopcalcError where they do not fit."""
    if len(shape) != 4:
        size = "x".join(map(str, shape))
        raise FlopcalcError("bad-dimension", f"it is called with {size}, without a batch", "give it a batch of 1")
    k_h, k_w = module.kernel_size
    return geometry(
        module.in_channels,
        module.out_channels,
        k=(k_h, k_w),
        hw=(shape[2], shape[3]),
        stride=(module.stride[0], module.stride[1]),
        padding=_pads(module),
        dilation=(module.dilation[0], module.dilation[1]),
        groups=module.groups,
        batch=shape[0],
    )

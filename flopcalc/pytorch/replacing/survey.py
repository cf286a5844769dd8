"""The convolutions of a real module: where they hang, how the forward uses them, and what forbids replacing one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils.parametrize import is_parametrized

from flopcalc.cost.geometry import Geometry, geometry
from flopcalc.errors import FlopcalcError, clip
from flopcalc.pytorch.counting.counter import Count, count
from flopcalc.pytorch.layers.depthwise import DepthwiseConv2d

# The mark of a module that was put in by a replacement.
MARK = "_flopcalc_operator"

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

# What others may read of a convolution, and what a replacement may not have or may mean otherwise.
_READABLE = frozenset(
    {"weight", "bias", "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"}
)


@dataclass
class Convolution:
    """A convolution of a module, or our depthwise layer around one. A shared one has several names and places.

    slots: (parent, key) of every place where it hangs; the parent of the whole model is None. shapes:
    the inputs that it was called with, each once. turn: its place in the order of first calls.
    """

    module: nn.Module
    names: list[str] = field(default_factory=list)
    slots: list[tuple[nn.Module | None, str]] = field(default_factory=list)
    problem: str | None = None
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    turn: int | None = None

    @property
    def conv(self) -> nn.Module:
        """The convolution itself: what hangs there, or what it wraps."""
        return self.module.conv if isinstance(self.module, DepthwiseConv2d) else self.module


@dataclass
class Survey:
    """What a module holds. names: of all modules. ours: names of modules that are flopcalc's own layers."""

    convolutions: list[Convolution]
    names: list[str]
    ours: list[str]


def survey(root: nn.Module) -> Survey:
    """Every convolution with every place where it hangs; those inside flopcalc's own layers left out."""
    found: dict[int, Convolution] = {}
    names: list[str] = []
    ours: list[str] = []

    def walk(module: nn.Module, name: str, parent: nn.Module | None, key: str, above: tuple[int, ...]) -> None:
        names.append(name)
        if _is_ours(module):
            if any(isinstance(inner, nn.Conv2d) for inner in module.modules()):
                ours.append(name)
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
    return Survey(list(found.values()), names, ours)


def _is_ours(module: nn.Module) -> bool:
    if MARK in module.__dict__:
        return True
    return type(module).__module__.startswith("flopcalc.pytorch.layers.") and type(module) is not DepthwiseConv2d


def _is_convolution(module: nn.Module) -> bool:
    if isinstance(module, torch.jit.ScriptModule):
        return getattr(module, "original_name", "") == "Conv2d"
    return isinstance(module, nn.Conv2d | DepthwiseConv2d) or (
        _is_quantized(module) and "Conv" in type(module).__name__
    )


def _is_quantized(module: nn.Module) -> bool:
    return ".quantized" in type(module).__module__


# What forbids a replacement -------------------------------------------------------------------------


def _problem(module: nn.Module, owners: dict[Any, dict[int, str]]) -> str | None:
    """Why nothing may stand in the place of this convolution, as far as can be seen without a run."""
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
    """What hangs on a plain convolution that a replacement would lose, or why its sizes say nothing."""
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
    """Memory of each parameter -> the modules that hold it, with their names."""
    owners: dict[Any, dict[int, str]] = {}
    for name, module in root.named_modules():
        for tensor in module._parameters.values():
            if tensor is not None and not isinstance(tensor, nn.parameter.UninitializedParameter):
                owners.setdefault(_place(tensor), {})[id(module)] = name
    return owners


def _place(tensor: Tensor) -> Any:
    """What stands for a tensor's memory; two views of one storage at one offset are one place."""
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
    """The convolution's sizes at an input of (n, c, h, w). Raises FlopcalcError where they fit nothing."""
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
        n=shape[0],
    )


# Watching a run -------------------------------------------------------------------------------------


def arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the forward takes, from one shape or tensor, a sequence of such, or a mapping of names to such."""
    if isinstance(inputs, dict):
        return (), inputs
    is_shape = isinstance(inputs, tuple | list) and inputs and all(type(size) is int for size in inputs)
    if isinstance(inputs, Tensor) or is_shape:
        return (inputs if isinstance(inputs, Tensor) else tuple(inputs),), {}
    if isinstance(inputs, tuple | list):
        return tuple(inputs), {}
    raise FlopcalcError(
        "bad-inputs",
        f"inputs is {clip(inputs)}, not a shape, a tensor, or several of them",
        "write for example inputs=(1, 3, 224, 224)",
    )


def observe(root: nn.Module, convolutions: list[Convolution], inputs: Any) -> Count:
    """Run the module once on the meta device, and note of each convolution its inputs and who reads its weight.

    Raises FlopcalcError (uncountable-module) where the forward fails.
    """
    args, named = arguments(inputs)
    if any(isinstance(module, torch.jit.ScriptModule) for module in root.modules()):
        why = f"{type(root).__name__} has scripted parts, which cannot be watched"
        raise FlopcalcError("uncountable-module", why, "leave inputs out, and nothing that needs a run is checked")
    running: list[nn.Module] = []
    readers: dict[int, tuple[nn.Module, str]] = {}
    turns = iter(range(len(convolutions)))

    def note(convolution: Convolution) -> Callable[..., None]:
        def called(module: nn.Module, given: tuple[Any, ...], by_name: dict[str, Any]) -> None:
            value = given[0] if given else by_name["input"]
            shape = tuple(value.shape) if isinstance(value, Tensor) else ()
            if by_name and convolution.problem is None:
                convolution.problem = "the forward calls it by keyword (input=...), which other layers do not take"
            if convolution.turn is None:
                convolution.turn = next(turns)
            if shape not in convolution.shapes:
                convolution.shapes.append(shape)

        return called

    hooks = []
    with _running(root, running), _watched(convolutions, running, readers):
        try:
            for one in convolutions:
                hooks.append(one.module.register_forward_pre_hook(note(one), with_kwargs=True))
            found = count(root, *args, **named)
        finally:
            for hook in hooks:
                hook.remove()
    names = {id(module): name for name, module in root.named_modules()}
    for one in convolutions:
        if one.problem is not None:
            continue
        if id(one.conv) in readers:
            reader, what = readers[id(one.conv)]
            who = names.get(id(reader)) or type(reader).__name__
            one.problem = f"the forward of {who} reads its {what}"
        elif one.turn is None:
            one.problem = "the forward does not call it with these inputs"
    return found


@contextmanager
def _running(root: nn.Module, stack: list[nn.Module]) -> Iterator[None]:
    """Keep `stack` as the modules that are running; hooks are removed in the end."""
    handles = []

    def leave(*_: Any) -> None:
        stack.pop()

    try:
        for module in root.modules():
            handles.append(module.register_forward_pre_hook(lambda running, _: stack.append(running)))
            handles.append(module.register_forward_hook(leave, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _watched(
    convolutions: list[Convolution], running: list[nn.Module], readers: dict[int, tuple[nn.Module, str]]
) -> Iterator[None]:
    """Note who reads what of a convolution from outside, while it lasts."""

    class Conv2d(nn.Conv2d):
        """A convolution that notes who reads it. It has the name of what it stands for, in messages."""

        def __getattribute__(self, name: str) -> Any:
            if name in _READABLE and running and running[-1] is not self:
                readers.setdefault(id(self), (running[-1], name))
            return super().__getattribute__(name)

    watched = [one.conv for one in convolutions if type(one.conv) is nn.Conv2d]
    try:
        for module in watched:
            module.__class__ = Conv2d
        yield
    finally:
        for module in watched:
            module.__class__ = nn.Conv2d

"""Counting a real module: one forward pass on the meta device, where nothing is computed.

A dispatch mode sees every kernel, functional calls included; forward hooks keep a stack of the
modules that are running, and each kernel is booked on the innermost one. Nothing stays behind: hooks,
modes and parameters are restored also when the forward raises.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc.cost.kinds import WorkKind
from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.pytorch.counting.kernels import FREE, RULES, Work, elements, pointwise, sort_of, tensors

_NOTHING = Work()
Sizes = tuple[int, ...]


class Shapes(NamedTuple):
    """Of a module's first call: its first tensor in and its first tensor out, batch and all; () for none."""

    given: Sizes
    output: Sizes


@dataclass
class Count:
    """What a forward pass did.

    work: module name -> what its own kernels did, without those of its children. sorts: the same,
    apart by sort of kernel (conv, norm, ...), in order of execution; kernels: how many they were.
    params: module name -> its own parameters, each tensor once. steps: kernels in the longest
    dependent chain. uncounted: (aten operator, module) -> how often it ran without a rule.
    output: shapes. shapes: those of each module that ran. idle: module name -> those of its
    parameters that no kernel read.
    """

    work: dict[str, Work] = field(default_factory=dict)
    sorts: dict[tuple[str, WorkKind], Work] = field(default_factory=dict)
    kernels: Counter[tuple[str, str]] = field(default_factory=Counter)
    params: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    uncounted: Counter[tuple[str, str]] = field(default_factory=Counter)
    output: list[Sizes] = field(default_factory=list)
    shapes: dict[str, Shapes] = field(default_factory=dict)
    idle: dict[str, int] = field(default_factory=dict)

    def total(self, kind: str) -> int:
        """Sum of one kind over all modules."""
        if kind == "params":
            return sum(self.params.values())
        if kind == "steps":
            return self.steps
        if kind == "traffic":
            return sum(work.reads + work.writes for work in self.work.values())
        return sum(getattr(work, kind) for work in self.work.values())

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.total("macs")


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Books every kernel on the module that is running."""

    def __init__(self, result: Count) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.result = result
        self.stack = [""]
        # Depth by storage, so that a write through a view is seen by all other views. Storages are
        # kept, since an address may be used again; on the meta device they hold nothing.
        self.depth: dict[int, int] = {}
        self.kept: list[Any] = []
        # Storages of parameters, and those of them that were read.
        self.trained: set[int] = set()
        self.touched: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        read = tensors((args, kwargs))
        # Sizes first: an in-place kernel may change what it is given.
        reads = sum(map(elements, read))
        before = max((self.depth.get(self.place(tensor), 0) for tensor in read), default=0)
        out = func(*args, **kwargs)
        written = tensors(out)
        if not written:
            return out
        work = self.work(func, args, kwargs, written[0], reads)
        end = before + (work is not None)
        for tensor in written:
            place = self.place(tensor)
            self.depth[place] = max(end, self.depth.get(place, 0))
        self.result.steps = max(self.result.steps, end)
        if work is not None:
            weights = {self.place(tensor) for tensor in read} & self.trained
            self.touched |= weights
            key = self.stack[-1], sort_of(func.overloadpacket, args, bool(weights))
            self.result.sorts[key] = _sum(self.result.sorts.get(key, _NOTHING), work)
            self.result.kernels[key] += 1
        return out

    def place(self, tensor: Tensor) -> int:
        """What stands for a tensor's storage."""
        storage = tensor.untyped_storage()
        place: int = storage._cdata
        if place not in self.depth:
            self.kept.append(storage)
            self.depth[place] = 0
        return place

    def idle(self, module: nn.Module) -> dict[str, int]:
        """Parameters that were not read, by module."""
        found: dict[str, int] = {}
        seen = set(self.touched)
        for name, child in module.named_modules():
            for parameter in child.parameters(recurse=False):
                if (place := self.place(parameter)) not in seen:
                    seen.add(place)
                    found[name] = found.get(name, 0) + parameter.numel()
        return found

    def work(self, func: Any, args: Any, kwargs: Any, out: Tensor, reads: int) -> Work | None:
        """The work of one kernel; None for views and for tensors made from nothing."""
        packet = func.overloadpacket
        rule = RULES.get(packet)
        if rule is not None:
            return rule(args, kwargs, out, reads)
        if func.is_view or packet in FREE or not reads:
            return None
        if torch.Tag.pointwise in func.tags:
            return pointwise(args, kwargs, out, reads)
        self.result.uncounted[str(packet), self.stack[-1]] += 1
        return _NOTHING


def _sum(one: Work, other: Work) -> Work:
    return Work(*(a + b for a, b in zip(one, other, strict=True)))


def count(module: nn.Module, *inputs: Any, **named_inputs: Any) -> Count:
    """Count one forward pass in inference mode.

    inputs: what the forward takes, by position or name. A tuple of ints is a shape, batch first, of the
    module's own floating type; of tensors only shape and dtype are used; lists, tuples and dicts of
    these, and other values, go through. The module is left exactly as it was. Raises FlopcalcError
    (uncountable-module) where the forward fails, e.g. because it reads values, which the meta device
    does not have.
    """
    if not isinstance(module, nn.Module):
        raise _uncountable(f"{clip(module)} is not an nn.Module", "give an instance of nn.Module, not a class")
    if scripted := [child for child in module.modules() if isinstance(child, torch.jit.ScriptModule)]:
        name = type(scripted[0]).__name__
        raise _uncountable(f"{name} is scripted, and cannot be watched", "count the module that was scripted")
    result = Count(params=_own_params(module))
    mode = _Counter(result)
    failed: dict[int, str] = {}
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        # The fused path of MultiheadAttention hides its matrix products.
        torch.backends.mha.set_fastpath_enabled(False)
        with torch.no_grad(), _on_meta(module), _names_on(module, mode.stack, result.shapes, failed):
            mode.trained = {mode.place(parameter) for parameter in module.parameters()}
            dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())
            given = [_meta(value, dtype) for value in inputs]
            named = {name: _meta(value, dtype) for name, value in named_inputs.items()}
            with mode:
                out = module(*given, **named)
            result.idle = mode.idle(module)
        result.output = [tuple(tensor.shape) for tensor in tensors(out)]
        for (name, _), work in result.sorts.items():
            result.work[name] = _sum(result.work.get(name, _NOTHING), work)
        return result
    except FlopcalcError:
        raise
    except Exception as error:
        where = failed.get(id(error)) or type(module).__name__
        why = reason(error)
        values = isinstance(error, NotImplementedError) or "meta" in why or "item" in why
        raise _uncountable(
            f"the forward pass of {where} failed: {type(error).__name__}: {why}",
            "a forward that reads values (.item(), masks) cannot be counted"
            if values
            else "check the number, shape and dtype of the inputs",
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def _uncountable(message: str, hint: str) -> FlopcalcError:
    return FlopcalcError("uncountable-module", message, hint)


def _meta(value: Any, dtype: torch.dtype) -> Any:
    """A value for the forward: shapes and tensors as meta tensors, containers item by item."""
    if isinstance(value, Tensor):
        return torch.empty_like(value, device="meta")
    if isinstance(value, tuple | torch.Size) and value and all(type(size) is int for size in value):
        return torch.empty(value, dtype=dtype, device="meta")
    if isinstance(value, list | tuple):
        return type(value)(_meta(item, dtype) for item in value)
    if isinstance(value, dict):
        return {key: _meta(item, dtype) for key, item in value.items()}
    return value


def _own_params(module: nn.Module) -> dict[str, int]:
    """Parameters that each module holds itself; a shared tensor counts where it is met first."""
    seen: set[int] = set()
    params: dict[str, int] = {}
    for name, child in module.named_modules():
        for tensor in child.parameters(recurse=False):
            if isinstance(tensor, nn.parameter.UninitializedParameter):
                raise _uncountable(
                    f"{name or type(module).__name__} is lazy: its parameters have no shape yet",
                    "run the module once on real data before counting it",
                )
            if id(tensor) not in seen:
                seen.add(id(tensor))
                params[name] = params.get(name, 0) + tensor.numel()
    return params


_DICTS = ("_parameters", "_buffers", "_modules")


@contextmanager
def _on_meta(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode with its tensors on the meta device; afterwards as it was.

    Each distinct module is visited once, however many names it has. What the forward sets on a module
    is taken away again.
    """
    children = list(module.modules())
    before = [(dict(child.__dict__), {key: dict(child.__dict__[key]) for key in _DICTS}) for child in children]
    made: dict[int, Tensor] = {}

    def on_meta(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            empty = torch.empty_like(tensor, device="meta")
            is_parameter = isinstance(tensor, nn.Parameter)
            made[id(tensor)] = nn.Parameter(empty, requires_grad=False) if is_parameter else empty
        return made[id(tensor)]

    try:
        for child, (_, dicts) in zip(children, before, strict=True):
            for key in ("_parameters", "_buffers"):
                for name, tensor in dicts[key].items():
                    if tensor is not None:
                        # By setattr, since recurrent layers keep lists of their weights.
                        setattr(child, name, on_meta(tensor))
        module.eval()
        yield
    finally:
        for child, (attributes, dicts) in zip(children, before, strict=True):
            child.__dict__.clear()
            child.__dict__.update(attributes)
            for key, items in dicts.items():
                attributes[key].clear()
                attributes[key].update(items)
            for key in ("_parameters", "_buffers"):
                for name, tensor in dicts[key].items():
                    if tensor is not None:
                        setattr(child, name, tensor)


def _first(values: Any) -> Sizes:
    return next((tuple(tensor.shape) for tensor in tensors(values)), ())


@contextmanager
def _names_on(module: nn.Module, stack: list[str], shapes: dict[str, Shapes], failed: dict[int, str]) -> Iterator[None]:
    """Keep `stack` as the names of the modules that are running, and note their shapes.

    failed: identity of an exception -> the innermost module that it left. Hooks are removed in the end.
    """

    def enter(name: str) -> Any:
        return lambda *_: stack.append(name)

    def leave(_: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
        name = stack.pop()
        error = sys.exception()
        if error is not None:
            failed.setdefault(id(error), name)
        if name not in shapes:
            shapes[name] = Shapes(_first(args) or _first(kwargs), _first(out))

    handles = []
    try:
        for name, child in module.named_modules():
            handles.append(child.register_forward_pre_hook(enter(name)))
            handles.append(child.register_forward_hook(leave, always_call=True, with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()

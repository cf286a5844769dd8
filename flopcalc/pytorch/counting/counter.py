"""Counting a module: one forward pass on the meta device, where nothing is computed.

A dispatch mode sees every kernel, functional calls included; forward hooks keep a stack of the
modules that are running, and each kernel is counted for the innermost one. Hooks, modes and parameters
are restored, also when the forward raises.
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

from flopcalc.cost.kinds import HasKinds, WorkKind, check_kind
from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.pytorch.counting.inputs import Values, as_shape
from flopcalc.pytorch.counting.kernels import FREE, RULES, Work, elements, pointwise, tensors, work_kind_of

_NOTHING = Work()
Sizes = tuple[int, ...]


class Shapes(NamedTuple):
    """The shapes of the first input and of the first output of a module's first call, with the batch; () for none."""

    given: Sizes
    output: Sizes


@dataclass(repr=False)
class Count(HasKinds):
    """The cost of one forward pass. `total(kind)` and one property for each kind, such as `macs`, give the sums.

    work: module name -> the work of its own kernels, without its children's. by_work: the same for each kind of
    work (conv, norm, ...), in order of execution; kernels: their number. own_params: module name -> its own
    parameters, each tensor once. steps: kernels in the longest chain of dependent kernels.
    uncounted: (aten operator, module) -> how often it ran without a rule. output: shapes. shapes: those of each
    module that ran. idle: module name -> those of its parameters that no kernel read.
    """

    work: dict[str, Work] = field(default_factory=dict)
    by_work: dict[tuple[str, WorkKind], Work] = field(default_factory=dict)
    kernels: Counter[tuple[str, str]] = field(default_factory=Counter)
    own_params: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    uncounted: Counter[tuple[str, str]] = field(default_factory=Counter)
    output: list[Sizes] = field(default_factory=list)
    shapes: dict[str, Shapes] = field(default_factory=dict)
    idle: dict[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        unknown = f", {len(self.uncounted)} kinds of kernels without a rule" if self.uncounted else ""
        return f"<Count: {len(self.shapes)} modules, params {self.params:,}, macs {self.macs:,}{unknown}>"

    def total(self, kind: str) -> int:
        """Sum of one kind over all modules; for steps the longest chain. Raises FlopcalcError (unknown-kind)."""
        check_kind(kind)
        if kind == "params":
            return sum(self.own_params.values())
        if kind == "steps":
            return self.steps
        if kind == "flops":
            return 2 * self.macs + self.adds + self.muls + self.other
        return sum(getattr(work, kind) for work in self.work.values())


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts each kernel for the module that is running."""

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
        # Sizes first: a kernel may change its inputs in place.
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
            key = self.stack[-1], work_kind_of(func.overloadpacket, args, bool(weights))
            self.result.by_work[key] = _sum(self.result.by_work.get(key, _NOTHING), work)
            self.result.kernels[key] += 1
        return out

    def place(self, tensor: Tensor) -> int:
        """An identity of the storage of a tensor."""
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
        """The work of one kernel; None for views and for new tensors that read no other."""
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

    inputs: the inputs of the forward, by position or by name. A tuple of integers is a shape, batch first, of the
    module's own floating type, and so is a list of integers that is the only input. Of tensors only shape and dtype
    are used. Lists, tuples and dicts may hold these; other values are passed on. The module is left exactly as
    it was. Raises FlopcalcError (uncountable-module) where the forward fails, for example because it reads
    values, which the meta device does not have.
    """
    return count_call(module, inputs, named_inputs)


def count_call(
    module: nn.Module,
    inputs: Any,
    named_inputs: Any,
    *,
    method: str = "forward",
    on: str = "auto",
    kernels: Any = (),
    rebuild: Any = None,
) -> Count:
    """Count one call of a method, as `count` does."""
    check_countable(module)
    result = Count(own_params=_own_params(module))
    mode = _Counter(result)
    failed: dict[int, str] = {}
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        # The fused path of MultiheadAttention hides its matrix products.
        torch.backends.mha.set_fastpath_enabled(False)
        with torch.no_grad(), _on_meta(module), _names_on(module, mode.stack, result.shapes, failed):
            mode.trained = {mode.place(parameter) for parameter in module.parameters()}
            dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())
            # A list of integers is a value of the forward, unless it is the only input.
            shape = as_shape(inputs[0]) if len(inputs) == 1 and not named_inputs else None
            given = [_meta(value, dtype) for value in ([shape] if shape else inputs)]
            named = {name: _meta(value, dtype) for name, value in named_inputs.items()}
            with mode:
                out = module(*given, **named) if method == "forward" else getattr(module, method)(*given, **named)
            result.idle = mode.idle(module)
        result.output = [tuple(tensor.shape) for tensor in tensors(out)]
        for (name, _), work in result.by_work.items():
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


def check_countable(module: object) -> None:
    """Raise FlopcalcError (uncountable-module) for what is not a module, and for scripted modules."""
    if not isinstance(module, nn.Module):
        raise _uncountable(f"{clip(module)} is not an nn.Module", "give an instance of nn.Module, not a class")
    if scripted := [child for child in module.modules() if isinstance(child, torch.jit.ScriptModule)]:
        name = type(scripted[0]).__name__
        raise _uncountable(f"{name} is scripted, and cannot be observed", "count the module that was scripted")


def _uncountable(message: str, hint: str) -> FlopcalcError:
    return FlopcalcError("uncountable-module", message, hint)


def _meta(value: Any, dtype: torch.dtype) -> Any:
    """A value for the forward: shapes and tensors as meta tensors, containers item by item."""
    if isinstance(value, Tensor):
        return torch.empty_like(value, device="meta")
    if isinstance(value, tuple) and (shape := as_shape(value)) is not None:
        return torch.empty(shape, dtype=dtype, device="meta")
    if isinstance(value, Values):
        return tuple(value)
    if isinstance(value, list | tuple):
        return type(value)(_meta(item, dtype) for item in value)
    if isinstance(value, dict):
        return {key: _meta(item, dtype) for key, item in value.items()}
    return value


def _own_params(module: nn.Module) -> dict[str, int]:
    """Parameters of each module without its children; a shared tensor counts for the first module."""
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

    Each module is visited once, however many names it has. Attributes that the forward sets are removed again.
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
    """Keep in `stack` the names of the modules that are running, and note their shapes.

    failed: identity of an exception -> the innermost module that raised it.
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

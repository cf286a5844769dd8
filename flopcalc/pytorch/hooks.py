"""Counting a real module: one forward pass on the meta device, where nothing is computed.

A dispatch mode sees every kernel, functional calls included; forward hooks keep a stack of the
modules that are running, and each kernel is booked on the innermost one. Nothing stays behind: hooks,
modes and parameters are restored also when the forward raises.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from flopcalc.errors import FlopcalcError
from flopcalc.pytorch.rules import FREE, RULES, Work, elements, pointwise, tensors

_NOTHING = Work()


@dataclass
class Count:
    """What a forward pass did.

    work: module name -> what its own kernels did, without those of its children. params: module
    name -> its own parameters, each tensor once. steps: kernels in the longest dependent chain.
    uncounted: (aten operator, module) -> how often it ran without a rule. output: shapes.
    """

    work: dict[str, Work] = field(default_factory=dict)
    params: dict[str, int] = field(default_factory=dict)
    steps: int = 0
    uncounted: Counter[tuple[str, str]] = field(default_factory=Counter)
    output: list[tuple[int, ...]] = field(default_factory=list)

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
        self.depth: Any = WeakTensorKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        read = tensors((args, kwargs))
        # Sizes first: an in-place kernel may change what it is given.
        reads = sum(map(elements, read))
        before = max((self.depth.get(tensor, 0) for tensor in read), default=0)
        out = func(*args, **kwargs)
        written = tensors(out)
        if not written:
            return out
        work = self.work(func, args, kwargs, written[0], reads)
        took_step = work is not None
        for tensor in written:
            self.depth[tensor] = before + took_step
        self.result.steps = max(self.result.steps, before + took_step)
        if work is not None:
            name = self.stack[-1]
            sums = zip(self.result.work.get(name, _NOTHING), work, strict=True)
            self.result.work[name] = Work(*(a + b for a, b in sums))
        return out

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


def count(module: nn.Module, *inputs: Any) -> Count:
    """Count one forward pass in inference mode.

    inputs: shapes, batch first, as tuples of ints; or tensors, of which only shape and dtype are used.
    A tuple of shapes stands for a tuple of tensors.
    The module is left exactly as it was. Raises FlopcalcError (uncountable-module) where the forward
    fails, e.g. because it reads values, which the meta device does not have.
    """
    result = Count(params=_own_params(module))
    mode = _Counter(result)
    fast_path = torch.backends.mha.get_fastpath_enabled()
    training = {child: child.training for child in module.modules()}
    state = {
        name: torch.empty_like(tensor, device="meta")
        for name, tensor in chain(module.named_parameters(), module.named_buffers())
    }
    try:
        # The fused path of MultiheadAttention hides its matrix products.
        torch.backends.mha.set_fastpath_enabled(False)
        module.eval()
        with torch.no_grad(), _names_on(module, mode.stack):
            given = tuple(_meta(value) for value in inputs)
            with mode:
                out = functional_call(module, state, given)
        result.output = [tuple(tensor.shape) for tensor in tensors(out)]
        return result
    except FlopcalcError:
        raise
    except Exception as error:
        where = mode.stack[-1] or type(module).__name__
        why = " ".join(str(error).split())[:200]
        raise FlopcalcError(
            "uncountable-module",
            f"the forward pass of {where} failed without values: {type(error).__name__}: {why}",
            "check the input shape; a forward that reads values (.item(), masks) cannot be counted",
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for child, mode_before in training.items():
            child.training = mode_before


def _meta(value: Any) -> Any:
    if isinstance(value, Tensor):
        return torch.empty_like(value, device="meta")
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        return tuple(map(_meta, value))
    return torch.empty(value, device="meta")


def _own_params(module: nn.Module) -> dict[str, int]:
    """Parameters that each module holds itself; a shared tensor counts where it is met first."""
    seen: set[int] = set()
    params: dict[str, int] = {}
    for name, child in module.named_modules():
        for tensor in child.parameters(recurse=False):
            if isinstance(tensor, nn.parameter.UninitializedParameter):
                raise FlopcalcError(
                    "uncountable-module",
                    f"{name or type(module).__name__} is lazy: its parameters have no shape yet",
                    "run the module once on real data before counting it",
                )
            if id(tensor) not in seen:
                seen.add(id(tensor))
                params[name] = params.get(name, 0) + tensor.numel()
    return params


@contextmanager
def _names_on(module: nn.Module, stack: list[str]) -> Iterator[None]:
    """Keep `stack` as the names of the modules that are running; hooks are removed in the end."""

    def enter(name: str) -> Any:
        return lambda *_: stack.append(name)

    def leave(*_: Any) -> None:
        stack.pop()

    handles = []
    try:
        for name, child in module.named_modules():
            handles.append(child.register_forward_pre_hook(enter(name)))
            handles.append(child.register_forward_hook(leave, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()

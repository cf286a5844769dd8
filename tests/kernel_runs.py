"""Running a function under a dispatch mode that sums the work of its kernels."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc.pytorch.counting.kernels import UNKNOWN, Work, elements, tensors, work_of


class _Sum(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, own: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.own = own
        self.found: list[tuple[str, Work]] = []
        self.unknown: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        # Nested tensors take some of these functions whole.
        nested = any(tensor.is_nested for tensor in tensors((args, kwargs)))
        composite = torch._C.DispatchKey.CompositeImplicitAutograd
        if not nested and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), composite):
            # In inference mode, functions made of others arrive whole. Not `func.decompose`, which prefers torch's
            # decompositions in Python, and those use other kernels than the function does.
            with self:
                return func._op_dk(composite, *args, **kwargs)
        reads = sum(map(elements, tensors((args, kwargs))))
        out = func(*args, **kwargs)
        work = work_of(func, args, kwargs, out, reads, self.own)
        if work is UNKNOWN:
            self.unknown[func.name()] += 1
        elif work is not None:
            self.found.append((func.name(), work))
        return out


class Run:
    """The work of all kernels of one call. kernels: their names."""

    def __init__(self, mode: _Sum) -> None:
        self.kernels = [name for name, _ in mode.found]
        self.unknown = dict(mode.unknown)
        self.work = Work(*(sum(column) for column in zip(*(work for _, work in mode.found), strict=True)))


def run(function: Callable[..., Any], *args: Any, own: Any = None, grad: bool = False) -> Run:
    """Call a function and sum the work of its kernels."""
    with torch.set_grad_enabled(grad), _Sum(own) as mode:
        function(*args)
    return Run(mode)


def cost(function: Callable[..., Any], *args: Any) -> dict[str, int]:
    """The kinds of arithmetic that are not zero; no kernel may be unknown."""
    found = run(function, *args)
    assert not found.unknown
    return {kind: value for kind in ("macs", "adds", "muls", "other") if (value := getattr(found.work, kind))}


def whole(function: Callable[[], Any]) -> Work:
    """The work of all kernels of a call, all seven fields; no kernel may be unknown."""
    found = run(function)
    assert not found.unknown
    return found.work


def direct(operator: Any, *args: Any, out: Any, **kwargs: Any) -> Work:
    """The work of a kernel that does not run here, from its arguments and an output of the sizes it would have."""
    found = work_of(operator, args, kwargs, out, sum(map(elements, tensors((args, kwargs)))))
    assert isinstance(found, Work)
    return found


def x(*shape: int) -> Tensor:
    """A tensor of ones."""
    return torch.ones(shape)


def c(*shape: int) -> Tensor:
    """A complex tensor of ones."""
    return torch.ones(shape, dtype=torch.complex64)


def i(*shape: int) -> Tensor:
    """Indices, all 0."""
    return torch.zeros(shape, dtype=torch.long)

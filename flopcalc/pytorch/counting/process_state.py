"""What belongs to the process, and a forward may change: random numbers, flags, and caches in its code."""

import random
import sys
import threading
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as module_file

from flopcalc.networks.collector import collects, set_collects
from flopcalc.pytorch.counting.caches import forget, remembered

_Flag = tuple[Callable[[], Any], Callable[[Any], Any]]


def _attribute(holder: Any, name: str) -> _Flag:
    return lambda: getattr(holder, name), lambda value: setattr(holder, name, value)


def _default_device() -> Any:
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else context.device


def _autocast() -> tuple[bool, torch.dtype]:
    return torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")


def _set_autocast(value: tuple[bool, torch.dtype]) -> None:
    torch.set_autocast_enabled("cpu", value[0])
    torch.set_autocast_dtype("cpu", value[1])


def _set_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


_HOOKS = [value for name, value in vars(module_file).items() if name.startswith("_global") and isinstance(value, dict)]


def _set_hooks(before: list[dict[Any, Any]]) -> None:
    for hooks, old in zip(_HOOKS, before, strict=True):
        if hooks != old:
            hooks.clear()
            hooks.update(old)


# Flags of the process: how to read one, and how to set it.
_FLAGS: tuple[_Flag, ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (_default_device, torch.set_default_device),
    (_autocast, _set_autocast),
    _attribute(torch.backends.cudnn, "benchmark"),
    _attribute(torch.backends.cudnn, "deterministic"),
    _attribute(torch.backends.cudnn, "enabled"),
    _attribute(torch.backends.cudnn, "allow_tf32"),
    _attribute(torch.backends.cuda.matmul, "allow_tf32"),
    # A library that is imported for a count, such as SymPy, may add a filter.
    (lambda: list(warnings.filters), _set_filters),
    (lambda: list(map(dict, _HOOKS)), _set_hooks),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (collects, set_collects),
)


@contextmanager
def kept_state(modules: Collection[nn.Module]) -> Iterator[None]:
    """Leave the process as it was: its random numbers, flags and hooks, and the caches in the code of modules.

    Kernels draw random numbers from a generator of the count's own, and so nothing is to restore unless a forward
    seeds the process, draws by Python's `random` or NumPy, or sets a flag. In a thread that is not the main one
    none of that is restored: other threads go on meanwhile, and it is not known whose change it was.
    """
    caches = remembered(modules)
    restore = _remembered() if threading.current_thread() is threading.main_thread() else None
    try:
        yield
    finally:
        if restore is not None:
            restore()
        forget(caches)


def _remembered() -> Callable[[], None]:
    """What restores the state of the process, where it has changed."""
    state, python = torch.default_generator.get_state(), random.getstate()
    numpy = getattr(sys.modules.get("numpy"), "random", None)
    numbers = numpy.get_state() if numpy is not None else None
    flags = [read() for read, _ in _FLAGS]

    def restore() -> None:
        if not torch.equal(torch.default_generator.get_state(), state):
            torch.default_generator.set_state(state)
        if random.getstate() != python:
            random.setstate(python)
        if numpy is not None and numbers is not None:
            numpy.set_state(numbers)
        for (read, write), before in zip(_FLAGS, flags, strict=True):
            if read() != before:
                write(before)

    return restore

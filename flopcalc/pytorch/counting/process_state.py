"""What belongs to the process, and a forward may change: random numbers, flags, and caches in its code."""

import random
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from flopcalc.pytorch.counting.caches import forget, remembered

_Flag = tuple[Callable[[], Any], Callable[[Any], Any]]


def _attribute(holder: Any, name: str) -> _Flag:
    return lambda: getattr(holder, name), lambda value: setattr(holder, name, value)


# Flags of the process: how to read one, and how to set it.
_FLAGS: tuple[_Flag, ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    _attribute(torch.backends.cudnn, "benchmark"),
    _attribute(torch.backends.cudnn, "deterministic"),
    _attribute(torch.backends.cudnn, "enabled"),
)


@contextmanager
def kept_state(modules: Collection[nn.Module]) -> Iterator[None]:
    """Leave the process as it was: its random numbers, its flags, and the caches in the code of modules.

    Kernels draw random numbers from a generator of the count's own, and so nothing is to restore unless a forward
    seeds the process, or draws by Python's `random` or NumPy. Other threads may draw while this one counts: in a
    thread that is not the main one nothing is restored that only went on.
    """
    alone = threading.current_thread() is threading.main_thread()
    seed, state = torch.initial_seed(), torch.default_generator.get_state()
    python = random.getstate()
    numpy = getattr(sys.modules.get("numpy"), "random", None)
    numbers = numpy.get_state() if numpy is not None else None
    flags = [read() for read, _ in _FLAGS]
    caches = remembered(modules)
    try:
        yield
    finally:
        if torch.initial_seed() != seed or (alone and not torch.equal(torch.default_generator.get_state(), state)):
            torch.default_generator.set_state(state)
        if alone and random.getstate() != python:
            random.setstate(python)
        if alone and numpy is not None and numbers is not None:
            numpy.set_state(numbers)
        for (read, restore), before in zip(_FLAGS, flags, strict=True):
            if read() != before:
                restore(before)
        forget(caches)

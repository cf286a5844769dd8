"""What belongs to the process, and a forward may change: random numbers of torch, Python and NumPy."""

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def kept_state(module: nn.Module) -> Iterator[None]:
    """Leave the process's random numbers as they were.

    Kernels draw theirs from a generator of the count's own, and so nothing is to restore unless a forward seeds
    the process, or draws by Python's `random` or NumPy. Other threads may draw while this one counts: in a thread
    that is not the main one nothing is restored that only went on.
    """
    alone = threading.current_thread() is threading.main_thread()
    seed, state = torch.initial_seed(), torch.default_generator.get_state()
    python = random.getstate()
    numpy = getattr(sys.modules.get("numpy"), "random", None)
    numbers = numpy.get_state() if numpy is not None else None
    try:
        yield
    finally:
        if torch.initial_seed() != seed or (alone and not torch.equal(torch.default_generator.get_state(), state)):
            torch.default_generator.set_state(state)
        if alone and random.getstate() != python:
            random.setstate(python)
        if alone and numpy is not None and numbers is not None:
            numpy.set_state(numbers)

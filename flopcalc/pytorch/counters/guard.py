"""Running code that patches torch, writes logs and prints, so that the process is afterwards as it was."""

import importlib
import io
import logging
import threading
import types
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any

import torch
from torch import nn

from flopcalc.pytorch.counting.compiler import compiler_aside
from flopcalc.pytorch.counting.contents import modules_of
from flopcalc.pytorch.counting.process_state import kept_state

# Counters replace functions of the whole process while they run, so one runs at a time.
_LOCK = threading.RLock()


@contextmanager
def guarded(module: nn.Module) -> Iterator[io.StringIO]:
    """Run a counter; what it prints goes to the text that is given. Afterwards the process is as it was.

    Other threads that use torch meanwhile run the functions that a counter has patched.
    """
    printed = io.StringIO()
    with ExitStack() as kept:
        kept.enter_context(_LOCK)
        kept.enter_context(kept_state([child for _, child in modules_of(module)]))
        kept.enter_context(compiler_aside())
        kept.enter_context(_kept_functions())
        kept.enter_context(_kept_logging())
        kept.enter_context(warnings.catch_warnings())
        kept.enter_context(redirect_stdout(printed))
        kept.enter_context(redirect_stderr(printed))
        warnings.simplefilter("ignore")
        yield printed


@contextmanager
def _kept_functions() -> Iterator[None]:
    """Restore the functions of torch and einops, and the methods of tensors."""
    holders: list[Any] = [torch, torch.Tensor, nn.functional]
    with suppress(Exception):
        # Before a counter imports it and patches it, which it undoes only where the forward succeeds.
        holders.append(importlib.import_module("einops"))
    before = [dict(vars(holder)) for holder in holders]
    try:
        yield
    finally:
        for holder, items in zip(holders, before, strict=True):
            for name, value in list(vars(holder).items()):
                if name not in items:
                    # Modules that torch imports on first use stay.
                    if not isinstance(value, types.ModuleType) and callable(value):
                        delattr(holder, name)
                elif value is not items[name]:
                    setattr(holder, name, items[name])


@contextmanager
def _kept_logging() -> Iterator[None]:
    """Silence logging, and take away the handler that a first message of the root logger adds."""
    root = logging.getLogger()
    handlers, level, disabled = list(root.handlers), root.level, logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers
        root.setLevel(level)

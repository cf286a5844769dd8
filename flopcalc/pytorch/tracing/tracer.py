"""The tracer: a mode above the dispatcher that knows the kernels and the output sizes of common functions.

A function with a rule makes its output from sizes and tells the recorder its kernels, those that the dispatch mode
would see. A function without a rule runs as it is, and its kernels reach the dispatch mode below: nothing is ever
counted as nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing.decomposed import decomposed
from flopcalc.pytorch.tracing.functions import DONE, FACTS, RULES
from flopcalc.pytorch.tracing.net import Net

# What a rule does to tensors is not for the dispatch mode to count.
_Below = torch._C._DisableTorchDispatch
_TYPES = frozenset({Tensor, torch.nn.Parameter})
_inside_a_transform = torch._C._functorch.peek_interpreter_stack
_autograd = torch.is_grad_enabled
_modes = torch._C._len_torch_dispatch_stack


class NeedsAutograd(Exception):
    """The forward asks for gradients, for which it must run with autograd on."""


class Tracer(TorchFunctionMode):
    """Runs functions by their rules. wants_autograd: whether the forward has asked for gradients."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder
        self.wants_autograd = False
        self._modes = _modes() + 1

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in FACTS:
            return func(*args, **kwargs) if kwargs else func(*args)
        if not types or _TYPES.issuperset(types):
            rule = RULES.get(func)
            if rule is not None:
                # A dispatch mode of the forward's own must see its kernels.
                if not _autograd() and _inside_a_transform() is None and _modes() == self._modes:
                    try:
                        with _Below():
                            out = rule(self.recorder, *args, **kwargs) if kwargs else rule(self.recorder, *args)
                    except Exception:
                        # Arguments of an unusual form, or wrong ones: torch itself runs it, or says what is wrong.
                        out = None
                    if out is not None:
                        return None if out is DONE else out
            else:
                inner = decomposed(func)
                if inner is not None:
                    with self:
                        return inner(*args, **(kwargs or {}))
                if func in _GRADIENTS and not (func is Tensor.requires_grad_ and args[1:] == (False,)):
                    self.wants_autograd = True
                    raise NeedsAutograd
        return func(*args, **kwargs) if kwargs else func(*args)


_GRADIENTS = frozenset({torch.autograd.grad, Tensor.backward, Tensor.requires_grad_})


@contextmanager
def tracing(recorder: Recorder) -> Iterator[None]:
    """Count by tracing. Raises NeedsAutograd where the forward asks for gradients, even where it catches that."""
    tracer = Tracer(recorder)
    with tracer, Net(recorder):
        yield
    if tracer.wants_autograd:
        raise NeedsAutograd

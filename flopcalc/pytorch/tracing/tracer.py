"""The tracer: a mode above the dispatcher that knows the kernels and the output sizes of common functions.

A function with a rule makes its output from sizes and tells the recorder its kernels, those that the dispatch mode
would see. A function without a rule runs as it is, and its kernels reach the dispatch mode below: nothing is ever
counted as nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from flopcalc.catalog.kernels import any_rule_for
from flopcalc.pytorch.counting.dispatch import OnDevice, left_alone
from flopcalc.pytorch.counting.failures import NeedsAutogradError
from flopcalc.pytorch.counting.kernels.own import OwnRules
from flopcalc.pytorch.counting.recorder import Recorder, has_tangents
from flopcalc.pytorch.counting.twins import TENSORS
from flopcalc.pytorch.tracing.decomposed import decomposed
from flopcalc.pytorch.tracing.functions import FACT, RULES, VIEW
from flopcalc.pytorch.tracing.net import Net

# What a rule does to tensors is not for the dispatch mode to count.
_Below = torch._C._DisableTorchDispatch
_inside_a_transform = torch._C._functorch.peek_interpreter_stack
_autograd = torch.is_grad_enabled
_modes = torch._C._len_torch_dispatch_stack


class Tracer(TorchFunctionMode):
    """Runs functions by their rules.

    own: the user's rules for kernels; where one is for a kernel of torch, no rule of ours applies.
    """

    # By function. A tracer for other sizes may have others.
    rules: Mapping[Any, Any] = RULES

    def __init__(self, recorder: Recorder, own: OwnRules | None = None) -> None:
        super().__init__()
        self.recorder = recorder
        self.elsewhere = OnDevice("meta", recorder)
        self.elsewhere.gradients = False
        self._modes = None if any_rule_for("aten", own) else _modes() + 1

    def applies(self) -> bool:
        """Whether rules apply now: not where tensors have gradients or tangents, or below a mode of the forward."""
        return _modes() == self._modes and not _autograd() and _inside_a_transform() is None and not has_tangents()

    def ran(self, rule: Any, args: Any, kwargs: Any = None) -> Any:
        """The answer of a rule; None where it does not apply."""
        try:
            with _Below():
                return rule(self.recorder, *args, **kwargs) if kwargs else rule(self.recorder, *args)
        except Exception:
            # Arguments of an unusual form, or wrong ones: torch itself runs it, or says what is wrong.
            return None

    @left_alone
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        rule = self.rules.get(func)
        if rule is FACT:
            return func(*args, **kwargs) if kwargs else func(*args)
        if TENSORS.issuperset(types):
            if rule is not None and self.applies():
                out = _seen(func, args, kwargs) if rule is VIEW else self.ran(rule, args, kwargs)
                if out is not None:
                    return out
            inner = decomposed(func)
            if inner is not None:
                with self:
                    return inner(*args, **(kwargs or {}))
        return self.elsewhere.__torch_function__(func, types, args, kwargs)


def _seen(func: Any, args: Any, kwargs: Any) -> Any:
    """The view that a function gives; None where it fails, or the tensor's class may have kernels of its own."""
    # Torch does not name a class among the types if only its kernels are its own.
    if not args or type(args[0]) not in TENSORS:
        return None
    try:
        with _Below():
            return func(*args, **kwargs) if kwargs else func(*args)
    except Exception:
        return None


@contextmanager
def tracing(
    recorder: Recorder, own: OwnRules | None = None, generator: torch.Generator | None = None
) -> Iterator[None]:
    """Count by tracing. own, generator: as of the dispatch counter.

    Raises NeedsAutogradError where the forward asks for gradients, even where it catches that.
    """
    tracer = Tracer(recorder, own)
    with tracer, Net(recorder, own=own, generator=generator):
        yield
    if tracer.elsewhere.wants_autograd:
        raise NeedsAutogradError

"""Counting by a dispatch mode, which sees every kernel that runs, functional calls included.

It is a witness of its own, and the net under the tracer: it counts what the tracer has no rule for.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc.pytorch.counting.kernels import UNKNOWN, Work, elements, tensors, work_kind_of, work_of
from flopcalc.pytorch.counting.recorder import Recorder

_NOTHING = Work()


class DispatchCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tells a recorder the work of each kernel."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise torch imports its compiler at the first kernel.
        return False

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder = recorder

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        read = tensors((args, kwargs))
        # Sizes first: a kernel may change its inputs in place.
        reads = sum(map(elements, read))
        out = self.run(func, args, kwargs)
        tell(self.recorder, func, args, kwargs, out, read, reads)
        return out

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result of a kernel."""
        return func(*args, **kwargs)


def tell(recorder: Recorder, func: Any, args: Any, kwargs: Any, out: Any, read: Sequence[Tensor], reads: int) -> None:
    """Tell a recorder the work of a kernel that ran. read: its tensors; reads: their elements before it ran."""
    written = tensors(out)
    if not written:
        return
    work = work_of(func, args, kwargs, out, reads)
    if work is None:
        recorder.passed(read, written)
        return
    if work is UNKNOWN:
        recorder.unknown(func.name() if not isinstance(func, torch._ops.OpOverload) else str(func.overloadpacket))
        work = _NOTHING
    kind = work_kind_of(func, args, recorder.reads_parameter(read))
    recorder.kernel(kind, work, read, written)


def is_meta(tensor: Tensor) -> bool:
    """Whether a tensor has no values."""
    return tensor.device.type == "meta"

"""Counting by a dispatch mode, which sees every kernel that runs, functional calls included.

It is a witness of its own, and the net under the tracer: it counts what the tracer has no rule for.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc.pytorch.counting.complex_convolution import convolve, is_complex_convolution
from flopcalc.pytorch.counting.failures import NeedsAutogradError
from flopcalc.pytorch.counting.grouped_products import GROUPED_MM, grouped_product
from flopcalc.pytorch.counting.higher_order import run_higher_order
from flopcalc.pytorch.counting.kernels import UNKNOWN, Work, elements, tensors, work_kind_of, work_of
from flopcalc.pytorch.counting.kernels.own import OwnRules
from flopcalc.pytorch.counting.kernels.work import ValuesNeededError
from flopcalc.pytorch.counting.memory_format import CONVOLUTION, put_in_format
from flopcalc.pytorch.counting.mish import MISH_BACKWARD, mish
from flopcalc.pytorch.counting.nested import work_of_rows
from flopcalc.pytorch.counting.one_device import on_one_device
from flopcalc.pytorch.counting.random_numbers import Random, own_random
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.counting.twins import is_meta, on_meta

_NOTHING = Work()
_FAKE = torch._C._TorchDispatchModeKey.FAKE
_mode_in_place = torch._C._get_dispatch_mode


def left_alone(function: Any) -> Any:
    """Tell torch's compiler, which takes over inside of compiled functions, not to compile this function of ours."""
    frames = torch._C._dynamo.eval_frame
    if hasattr(frames, "_FrameExecStrategy"):
        skip = frames._FrameAction.SKIP
        frames.set_code_exec_strategy(function.__code__, frames._FrameExecStrategy(skip, skip))
    return function


class DispatchCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tells a recorder the work of each kernel; without one, only runs them on the device of the pass.

    own: rules for kernels, before all others. generator: where the random numbers of the CPU come from.
    """

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise torch imports its compiler at the first kernel.
        return False

    def __init__(
        self,
        recorder: Recorder | None,
        *,
        own: OwnRules | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder = recorder
        self.own = own
        self.generator = generator or torch.Generator()

    @left_alone
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not isinstance(func, OpOverload):
            return run_higher_order(self, func, args, kwargs)
        if types and (jagged := next(filter(_is_jagged, types), None)):
            # A nested tensor with the layout jagged computes with kernels on the tensor of all of its rows.
            with self:
                return jagged.__torch_dispatch__(func, types, args, kwargs)
        if _is_composite(func) and not any(map(_is_nested, tensors(args))):
            # In inference mode, and below the kernels of nested tensors, functions that are made of kernels come here
            # in one piece. Nested tensors have kernels for the whole function.
            with self:
                return func._op_dk(_COMPOSITE_KEY, *args, **kwargs)
        read = tensors((args, kwargs))
        valueless = any(map(is_meta, read))
        if valueless and not all(map(is_meta, read)):
            args, kwargs = self._together(func, args, kwargs)
            read = tensors((args, kwargs))
        # A shape check of the forward, or a graph that it traces: on fake tensors nothing is computed.
        recorder = self.recorder if _mode_in_place(_FAKE) is None else None
        # Sizes first: a kernel may change its inputs in place.
        reads = sum(map(elements, read)) if recorder else 0
        random = None if valueless else self.random(func, args)
        out = self.run(func, args, kwargs) if random is None else random(self.generator, *args, **kwargs)
        if recorder is not None:
            tell(recorder, func, args, kwargs, out, read, reads, self.own)
        return out

    def random(self, func: OpOverload, args: Any) -> Random | None:
        """How a kernel draws its random numbers; None where it draws none."""
        return own_random(func)

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result of a kernel."""
        if func is GROUPED_MM:
            out = grouped_product(*args, **kwargs)
            if out is not None:
                return out
        out = func(*args, **kwargs)
        if func is CONVOLUTION and not kwargs:
            put_in_format(out, *args)
        if func is _BATCH_NORM_BACKWARD and not args[9][0]:
            # Of an input without gradient. Torch's function for the meta device makes one, no other kernel does.
            return (None, *out[1:])
        return out

    def _together(self, func: OpOverload, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments on the meta device: constants that the forward makes are tensors on the CPU."""
        if str(func.overloadpacket) in _READ_LENGTHS:
            return args, kwargs
        for argument, value in zip(func._schema.arguments, args, strict=False):
            if argument.alias_info and argument.alias_info.is_write and any(not is_meta(one) for one in tensors(value)):
                raise ValuesNeededError(f"{func.overloadpacket} writes a result without values to a tensor on the CPU")
        return self._moved(args), self._moved(kwargs)

    def _moved(self, value: Any) -> Any:
        # A tensor without axes may stay: torch takes it for a number.
        if isinstance(value, Tensor):
            if is_meta(value) or value.dim() == 0:
                return value
            moved = on_meta(value)
            if self.recorder:
                self.recorder.passed([value], [moved])
            return moved
        if isinstance(value, list | tuple):
            return type(value)(map(self._moved, value))
        if isinstance(value, dict):
            return {key: self._moved(item) for key, item in value.items()}
        return value


_BATCH_NORM_BACKWARD = torch.ops.aten.native_batch_norm_backward.default
_TO_COPY = torch.ops.aten._to_copy.default
# They read the lengths of sequences, which are values on the CPU on every device.
_READ_LENGTHS = {"aten._pack_padded_sequence", "aten._pad_packed_sequence"}


def tell(
    recorder: Recorder,
    func: Any,
    args: Any,
    kwargs: Any,
    out: Any,
    read: Sequence[Tensor],
    reads: int,
    own: OwnRules | None = None,
) -> None:
    """Tell a recorder the work of a kernel that ran. read: its tensors; reads: their elements before it ran."""
    written: Sequence[Tensor] = tensors(out)
    if not written:
        if not func._schema.is_mutable:
            return
        written = read
    if func is _TO_COPY and is_meta(written[0]) and not is_meta(read[0]) and written[0].dtype is read[0].dtype:
        # A constant that the forward makes goes to the device of its input. On the CPU it is there, and for a GPU no
        # kernel runs there.
        work = None
    elif any(one.is_nested for one in (*read, *written)):
        work = work_of_rows(work_of, func, args, kwargs, out, own)
    else:
        work = work_of(func, args, kwargs, out, reads, own)
    if work is None:
        # `torch.tensor` makes a tensor without a kernel, and passes it on by this function.
        recorder.passed([] if func is torch.ops.aten.lift_fresh.default else read, written)
        return
    if work is UNKNOWN:
        recorder.unknown(str(func.overloadpacket))
        work = _NOTHING
    kind = work_kind_of(func, args, recorder.reads_parameter(read))
    recorder.kernel(kind, work, read, written)


@contextmanager
def compiled_in_pieces() -> Iterator[None]:
    """Let functions that were compiled with fullgraph=True run plain, as torch does for its own branches and loops."""
    count = getattr(torch._C._dynamo.eval_frame, "set_fullgraph_compiled_frame_count", None)
    before = count(0) if count else None
    try:
        yield
    finally:
        if count:
            count(before)


def _is_jagged(kind: type) -> bool:
    # By name, since its file is imported for the first such tensor.
    return kind.__module__ == "torch.nested._internal.nested_tensor" and hasattr(kind, "__torch_dispatch__")


def _is_nested(tensor: Tensor) -> bool:
    return bool(tensor.is_nested)


_COMPOSITE_KEY = torch._C.DispatchKey.CompositeImplicitAutograd
_COMPOSITE: dict[OpOverload, bool] = {}


def _is_composite(func: OpOverload) -> bool:
    made = _COMPOSITE.get(func)
    if made is None:
        # Not `func.decompose`, which prefers decompositions in Python, and those run other kernels. Some functions are
        # made of kernels only where they have none of their own, such as the gradient of SiLU.
        has = torch._C._dispatch_has_kernel_for_dispatch_key
        # Operators of TorchScript itself, which ask a tensor for its device, are not in the dispatcher's tables.
        known = func.namespace != "prim"
        made = _COMPOSITE[func] = known and has(func._name, _COMPOSITE_KEY) and not has(func._name, "CPU")
    return made


class OnDevice(TorchFunctionMode):
    """Keeps a forward on the device of the pass, where it names another, such as `cuda`.

    Its presence also keeps MultiheadAttention from its fused path, which hides the matrix products. recorder:
    records what the dispatch mode does not see in one piece. gradients: parameters have them, as they would for the
    user. wants_autograd: without them, the forward has asked for gradients.
    """

    def __init__(self, device: str, recorder: Recorder | None = None) -> None:
        super().__init__()
        self.device = torch.device(device)
        self.recorder = recorder
        self.gradients = True
        self.wants_autograd = False

    @contextmanager
    def again(self) -> Iterator[None]:
        """While a part of the forward is computed again in the backward."""
        with self:
            yield

    @left_alone
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not self.gradients and func in _GRADIENTS and args[1:] != (False,):
            self.wants_autograd = True
            raise NeedsAutogradError
        moved = on_one_device(func, args, kwargs, self.device)
        if moved is not None:
            func, args, kwargs = moved
        if self.recorder is not None and is_complex_convolution(func, args, kwargs):
            return convolve(self.recorder, func, args, kwargs)
        out = mish(func, args, kwargs, self._undone_mish) if self.recorder is not None else None
        if out is not None:
            return out
        out = func(*args, **kwargs)
        if self.recorder is not None and func in _CONSTANTS:
            # They are made without a kernel.
            for tensor in tensors(out):
                self.recorder.place(tensor)
        return out

    def _undone_mish(self, gradient: Tensor, input: Tensor, made: Tensor) -> None:
        if self.recorder is not None:
            read = [gradient, input]
            tell(self.recorder, MISH_BACKWARD, read, {}, made, read, sum(map(elements, read)))


# `requires_grad_(False)` asks for none.
_GRADIENTS = frozenset(
    {torch.autograd.grad, Tensor.backward, Tensor.requires_grad_, Tensor.requires_grad.__set__}  # type: ignore[attr-defined]
)
_CONSTANTS = {torch.tensor, torch.as_tensor, torch.asarray, torch.from_numpy, Tensor.new_tensor, Tensor.new}

"""Recording the calls of one forward pass of a copy."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc.errors import FlopcalcError, reason
from flopcalc.presets.call import Call, CallLog, Nested, Node, Sized, Sparse, ToolFailsError
from flopcalc.pytorch.calls import site
from flopcalc.pytorch.calls.fused import fused_kind, is_one_kernel
from flopcalc.pytorch.calls.nodes import nodes_of
from flopcalc.pytorch.calls.trace import trace_of
from flopcalc.pytorch.counting import dispatch
from flopcalc.pytorch.counting.contents import every_parameter_of, modules_of
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.dispatch import left_alone
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.tracing import decomposed as decomposing
from flopcalc.pytorch.tracing.decomposed import decomposed
from flopcalc.pytorch.tracing.net import modes, one_by_rule


class Log:
    """Collects the calls of a copy while it runs: `count_call(..., watch=log.watch)`."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._nodes: list[Node] = []
        self._calls: list[Call] = []
        self._running: tuple[int, ...] = ()
        # The indices of functions that are running, as places in the list of calls that they will have.
        self._inside: list[int] = []
        self._index: dict[int, int] = {}
        self._functions: _Functions | None = None
        self._fused: dict[int, str] = {}
        self._had_gradients: bool | None = None
        self._cut_off: int | None = None
        self._made: str | None = None

    def result(self, trace: Callable[[], CallLog], again: Callable[[], CallLog] | None = None) -> CallLog:
        """What was recorded by the last pass. again: gives the calls of a second forward."""
        one_kernel = {index: kind for index, kind in self._fused.items() if kind}
        nodes, calls = tuple(self._nodes), tuple(self._calls)
        return CallLog(nodes, calls, trace, one_kernel, again, self._cut_off, self._made)

    @contextmanager
    def watch(self, twin: nn.Module, module: Callable[[], str]) -> Iterator[None]:
        """Record what a copy does. A pass that failed is forgotten by the next one."""
        self._calls, self._running, self._inside = [], (), []
        self._nodes, self._index = nodes_of(twin)
        self._fused, self._had_gradients, self._cut_off = {}, None, None
        frozen = {name for name, one in every_parameter_of(self._module) if not one.requires_grad}
        self._functions = _Functions(self, {id(one) for name, one in every_parameter_of(twin) if name in frozen})
        handles = []
        for _, one in modules_of(twin):
            if isinstance(one, torch.jit.ScriptModule):
                continue
            handles.append(one.register_forward_pre_hook(self._enter, prepend=True, with_kwargs=True))
            handles.append(one.register_forward_hook(self._leave, with_kwargs=True, always_call=True))
        try:
            with self._functions, _Kernels(self):
                yield
        finally:
            self._made = next((name for name, one in modules_of(twin) if id(one) not in self._index), None)
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        index = self._index.get(id(module))
        if index is None:
            return
        if index == 0 and self._had_gradients is None and not torch.is_inference_mode_enabled():
            # Counters run with gradients, and a forward may disable them.
            self._had_gradients = torch.is_grad_enabled()
            torch.set_grad_enabled(True)
        self._running = (*self._running, index)
        functions = self._functions
        self._look(index, args)
        if functions is not None and self._had_gradients is not None:
            with torch._C.DisableTorchFunction():
                kind = fused_kind(module, args, kwargs, functions.needs_gradient)
            # Where it differs from call to call, it is not taken for one kernel.
            self._fused[index] = kind if self._fused.get(index, kind) == kind else ""

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
        index = self._index.get(id(module))
        if index is None:
            return
        while self._running and self._running[-1] != index:
            self._running = self._running[:-1]
        self._look(index, out)
        self.add("module", self._nodes[index].cls, args, _in_order(module, kwargs), out)
        if index == 0 and len(self._running) == 1 and self._had_gradients is not None:
            torch.set_grad_enabled(self._had_gradients)
            self._had_gradients = None
        self._running = self._running[:-1]

    def _look(self, index: int, given: Any) -> None:
        """Note a module whose arguments by position, or whose output, have a tensor without a gradient function."""
        if self._cut_off is None and self._functions is not None:
            with torch._C.DisableTorchFunction():
                if any(map(self._functions.is_cut_off, tensors(given))):
                    self._cut_off = index

    def add(
        self,
        level: Any,
        name: str,
        args: Any,
        kwargs: Any,
        out: Any,
        *,
        via: str = "",
        positions: int | None = None,
    ) -> None:
        """Add a call."""
        running = self._running
        self._calls.append(
            Call(
                level,
                name,
                running[-1] if running else 0,
                running,
                tuple(map(sized, args)),
                {key: sized(value) for key, value in (kwargs or {}).items()},
                sized(out),
                via,
                self._inside[-1] if self._inside else -1,
                positions=positions,
            )
        )

    @contextmanager
    def inside(self) -> Iterator[int]:
        """Note that calls are made by a function. Gives its own place in the list, which comes before theirs."""
        place = len(self._calls)
        self._calls.append(_PLACEHOLDER)
        self._inside.append(place)
        try:
            yield place
        finally:
            self._inside.pop()

    def settle(self, place: int) -> None:
        """Put the call that was added last to its place."""
        self._calls[place] = self._calls.pop()


def _in_order(module: nn.Module, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name in the order in which a forward declares them, which a hook may ask for."""
    if len(kwargs) < 2:
        return dict(kwargs)
    try:
        declared = list(signature(module.forward).parameters)
    except ValueError:
        # It is a function of torch.
        declared = []
    return dict(sorted(kwargs.items(), key=lambda one: declared.index(one[0]) if one[0] in declared else len(declared)))


_PLACEHOLDER = Call("function", "", 0, (), (), {}, None)


class _Functions(TorchFunctionMode):
    """Records functions, and those that functions written in Python call."""

    def __init__(self, log: Log, frozen: set[int]) -> None:
        """frozen: the identities of parameters that need no gradient."""
        super().__init__()
        self._log = log
        self._frozen = frozen
        # By identity, tensors that were computed from parameters; kept, so that no identity is used again.
        self._trained: dict[int, Tensor] = {}
        # Views of such tensors that were made while gradients were off.
        self._cut_off: dict[int, Tensor] = {}

    def _is_trained(self, value: Any) -> bool:
        return (isinstance(value, nn.Parameter) and id(value) not in self._frozen) or id(value) in self._trained

    def needs_gradient(self, value: Tensor) -> bool:
        """Whether a tensor needs a gradient, here."""
        return torch.is_grad_enabled() and self._is_trained(value)

    def is_cut_off(self, value: Tensor) -> bool:
        """Whether torch says that a tensor needs a gradient, and does not find the function of it."""
        if torch.is_inference_mode_enabled() and isinstance(value, nn.Parameter):
            return id(value) not in self._frozen
        return id(value) in self._cut_off

    def _note_views(self, read: Sequence[Tensor], made: Sequence[Tensor]) -> None:
        known = [one for one in read if self._is_trained(one) or id(one) in self._cut_off]
        if known:
            bases = {id(_base(one)) for one in known}
            new = [one for one in made if not any(one is other for other in read)]
            self._cut_off.update((id(one), one) for one in new if one._is_view() and id(_base(one)) in bases)

    @left_alone
    def __torch_function__(self, func: Any, types_: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = name_of(func)
        log = self._log
        if not name:
            return func(*args, **kwargs)
        caller = site.caller(sys._getframe(), _OWN)
        called = site.via(caller, func, name, decomposing.globals_of_copies())
        before, kept = tuple(map(sized, args)), {key: sized(value) for key, value in kwargs.items()}
        inner = decomposed(func)
        with log.inside() as place:
            if inner is not None:
                with self:
                    out = inner(*args, **kwargs)
            elif name in _PRODUCTS and (rows := _with_vector(args, kwargs, self._is_trained)):
                out = _times_vector(*rows)
            else:
                out = func(*args, **kwargs)
        if name == "F.scaled_dot_product_attention":
            mask = args[3] if len(args) > 3 else kwargs.get("attn_mask")
            kept["one_kernel"] = is_one_kernel(self._is_trained(mask), *args, **kwargs)
        if isinstance(func, torch._ops.OpOverload) and func._schema.name in _written_in_python:
            kept["written_in_python"] = True
        if name in _RECURRENT and not _is_packed(args):
            # The last argument is batch_first.
            kept["steps_in_order"] = (args[0].transpose(0, 1) if args[-1] else args[0]).is_contiguous()
        if name in _DETACHING:
            # One of them works in place.
            self._trained.pop(id(out), None)
        elif any(map(self.needs_gradient, tensors((args, kwargs)))):
            self._trained.update((id(one), one) for one in tensors(out) if one.is_floating_point())
        elif not torch.is_grad_enabled():
            self._note_views(tensors((args, kwargs)), tensors(out))
        # Sizes of before: a function may change its arguments in place.
        log.add("function", name, before, kept, out, via=called, positions=site.positions(caller))
        log.settle(place)
        if name == "F.interpolate" and caller is not None and caller.f_code is functional.upsample.__code__:
            # It does not come here itself. Counters that replace it count it next to the function that it calls.
            given = [sized(caller.f_locals[one]) for one in ("input", "size", "scale_factor")]
            outer = site.via(caller.f_back, functional.upsample, "F.upsample", decomposing.globals_of_copies())
            log.add("function", "F.upsample", given, {}, out, via=outer, positions=site.positions(caller.f_back))
        return out


_PRODUCTS = {"torch.matmul", "torch.linalg_matmul", "Tensor.matmul", "Tensor.__matmul__", "F.linear"}


def _with_vector(
    args: Sequence[Any], kwargs: Mapping[str, Any], is_trained: Callable[[Tensor], bool]
) -> tuple[Tensor, Tensor] | None:
    """The batch of matrices, with its rows last, and the vector of a product that torch takes as one of all rows.

    It does so, with a copy where needed, if the vector needs a gradient, which nothing in a copy does.
    """
    given = [*args, *kwargs.values()]
    if len(given) != 2 or not all(isinstance(one, Tensor) for one in given):
        return None
    batch, vector = given
    if batch.dim() == 1:
        batch, vector = vector.mT if vector.dim() > 2 else vector, batch
    return (batch, vector) if batch.dim() > 2 and vector.dim() == 1 and is_trained(vector) else None


def _times_vector(batch: Tensor, vector: Tensor) -> Tensor:
    return batch.flatten(0, -2).mv(vector).view(batch.shape[:-1])


def _base(tensor: Tensor) -> Tensor:
    return tensor if tensor._base is None else tensor._base


# Functions whose result needs no gradient, whatever they are given.
_DETACHING = {f"{holder}.{name}" for holder in ("torch", "Tensor") for name in ("detach", "detach_")} | {
    *(f"torch.{name}_like" for name in ("zeros", "ones", "full", "empty", "rand", "randn", "randint")),
    *(f"Tensor.new_{name}" for name in ("zeros", "ones", "full", "empty", "tensor")),
}
# The operators of `torch.library.custom_op`, by name.
_written_in_python = torch._library.custom_ops.OPDEFS
_RECURRENT = {"torch.gru", "torch.lstm", "torch.rnn_tanh", "torch.rnn_relu"}


def _is_packed(args: Sequence[Any]) -> bool:
    """Whether a recurrent layer is called with a packed sequence: its second argument has the sizes of the batches."""
    return isinstance(args[1], Tensor) and not args[1].is_floating_point()


class _Kernels(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the kernels that reach the dispatcher."""

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __init__(self, log: Log) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._log = log
        self._below = modes()

    @left_alone
    def __torch_dispatch__(self, func: Any, types_: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        # Torch computes most shapes on the meta device in Python: that is most of the time of a recurrent layer.
        out = one_by_rule(func, args, kwargs, self._below)
        if out is None:
            out = func(*args, **kwargs)
        packet = getattr(func, "_overloadpacket", None)
        if packet is not None and str(packet) not in _DULL:
            self._log.add("kernel", packet._qualified_op_name, args, kwargs, out)
        return out


_OWN = frozenset({__file__, dispatch.__file__, decomposing.__file__})
# Views and bookkeeping, which no counter looks at.
_DULL = {f"aten.{name}" for name in ["detach", "view", "t", "transpose", "permute", "expand", "alias", "_unsafe_view"]}


def sized(value: Any, above: tuple[int, ...] = ()) -> Any:
    """A value with tensors as their sizes. above: identities of what holds it; what leads back to itself is None."""
    if isinstance(value, Tensor):
        if value.is_nested:
            return Nested(())
        return (Sized if value.layout is torch.strided else Sparse)(tuple(value.shape))
    if isinstance(value, Sized):
        return value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if id(value) in above:
        return None
    above = (*above, id(value))
    if isinstance(value, list | tuple):
        # Counters take a list of sizes in another way than a tuple.
        inside = [sized(one, above) for one in value]
        return inside if isinstance(value, list) else tuple(inside)
    if isinstance(value, Mapping):
        return {key: sized(one, above) for key, one in value.items()}
    inner = getattr(value, "__dict__", None)
    if isinstance(inner, dict) and any(isinstance(one, Tensor) for one in inner.values()):
        return {key: sized(one, above) for key, one in inner.items()}
    return None


_HOLDERS = (("F", functional), ("torch", torch), ("Tensor", Tensor))
_ACCESS = {"__get__", "__set__", "__delete__"}


def name_of(func: Any) -> str:
    """`F.relu`, `torch.matmul`, `Tensor.mean`; empty for what only reads a fact about a tensor."""
    short = str(getattr(func, "__name__", ""))
    if short in _ACCESS or short in _FACTS:
        return ""
    for prefix, holder in _HOLDERS:
        if getattr(holder, short, None) == func:
            return f"{prefix}.{short}"
    return f"torch.{short}"


# What only reads a fact about a tensor or about the process.
_FACTS = frozenset(
    (
        *("dim", "size", "numel", "nelement", "stride", "is_floating_point", "is_complex", "is_contiguous", "data_ptr"),
        *("element_size", "_set_grad_enabled", "device", "_assert", "is_grad_enabled", "is_scripting", "is_tracing"),
    )
)


def log_of(module: nn.Module, args: Sequence[Any] = (), named: Mapping[str, Any] | None = None, **how: Any) -> CallLog:
    """The calls of one forward pass of a copy. how: as of `count_call`. Raises FlopcalcError if the forward fails."""
    log = Log(module)
    count_call(module, args, named, witness="dispatch", watch=log.watch, **how)

    @cache
    def again() -> CallLog:
        second = Log(module)
        try:
            count_call(module, args, named, witness="dispatch", watch=second.watch, warm_up=True, **how)
        except FlopcalcError as error:
            cause = error.__cause__ or error
            raise ToolFailsError(f"a second forward fails: {type(cause).__name__}: {reason(cause)}") from None
        return second.result(trace)

    trace = cache(partial(trace_of, module, args, named, **how))
    return log.result(trace, again)

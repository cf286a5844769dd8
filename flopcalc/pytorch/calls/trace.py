"""What torch's tracer records of one forward pass of a copy: fvcore and torchprofile read such a trace.

The forward differs from an ordinary one: a size is a tensor there, so that products of sizes are operators, a branch on
`isinstance(size, int)` or `torch.jit.is_tracing()` goes the other way, and operators that no output depends on are
forgotten. So the tracer itself runs, on the meta device where the forward needs no values.
"""

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc.errors import FlopcalcError, reason
from flopcalc.presets.call import Call, CallLog, Sized, ToolFailsError
from flopcalc.pytorch.calls.nodes import nodes_of
from flopcalc.pytorch.calls.own_thread import in_own_thread
from flopcalc.pytorch.counting.contents import modules_of
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.dispatch import left_alone
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.counting.process_state import kept_state
from flopcalc.pytorch.tracing.net import modes, one_by_rule

_C: Any = torch._C


def trace_of(
    module: nn.Module,
    args: Sequence[Any] = (),
    named: Mapping[str, Any] | None = None,
    *,
    method: str = "forward",
    on: str = "auto",
    **how: Any,
) -> CallLog:
    """The operators of a trace of a copy, as calls. The arguments are those of `count_call`.

    Raises ToolFailsError where the forward fails when it is traced.
    """
    failure: FlopcalcError | None = None
    with kept_state([child for _, child in modules_of(module)]):
        for device in ("meta", "cpu") if on == "auto" else (on,):
            trace = Trace(method)
            options = {**how, "method": method, "on": device, "witness": "dispatch", "watch": trace.watch}
            try:
                in_own_thread(partial(count_call, module, args, named, **options))
            except FlopcalcError as error:
                failure = error
                continue
            if trace.calls is None:
                raise ToolFailsError(f"a trace starts at a module, and {method} is another function")
            return CallLog((), trace.calls)
    cause = failure and (failure.__cause__ or failure)
    raise ToolFailsError(f"the module cannot be traced: {type(cause).__name__}: {reason(cause)}")


class Trace:
    """Traces a copy while it runs: `count_call(..., watch=trace.watch)`. calls: None before it has run."""

    def __init__(self, method: str) -> None:
        self.calls: tuple[Call, ...] | None = None
        self._method = method

    @contextmanager
    def watch(self, twin: nn.Module, module: Callable[[], str]) -> Iterator[None]:
        """Trace the method of a copy, each time that it is called from outside. The last call is kept."""
        _, index = nodes_of(twin)
        for _, one in modules_of(twin):
            _unnamed(one)
        with ExitStack() as undone:
            for _, one in modules_of(twin):
                if not isinstance(one, torch.jit.ScriptModule):
                    scopes = _Scopes(str(index[id(one)]))
                    undone.callback(one.register_forward_pre_hook(scopes.enter, prepend=True).remove)
                    undone.callback(one.register_forward_hook(scopes.leave, always_call=True).remove)
            place, method = self._method, getattr(twin, self._method)
            if place == "forward" and type(twin).__call__ is nn.Module.__call__:
                # With the hooks of the module, which change what a counter sees.
                place, method = "_compiled_call_impl", twin._call_impl
            # Counters trace a module with its state. A buffer that is not part of it is a constant.
            state = list(twin.state_dict(keep_vars=True).values())
            if not all(isinstance(one, Tensor) for one in state):
                raise TypeError("the state of the module has more than tensors")
            twin.__dict__[place] = partial(self._traced, method, state)
            undone.callback(twin.__dict__.pop, place)
            yield

    def _traced(self, method: Callable[..., Any], held: Sequence[Tensor], /, *args: Any, **kwargs: Any) -> Any:
        if _C._get_tracing_state() is not None:
            return method(*args, **kwargs)
        kept: list[Any] = []

        def body(*_: Any) -> tuple[Tensor, ...]:
            kept[:] = [method(*args, **kwargs)]
            return tuple(outputs(kept[0]))

        # What the tracer does not get as an input it takes for a constant, and refuses if that needs a gradient.
        inputs = {id(one): one for one in (*tensors((args, kwargs)), *held)}
        with _Kernels(), _without_warnings():
            graph, _ = _C._create_graph_by_tracing(body, tuple(inputs.values()), _no_name, True, False)
        self.calls = tuple(calls_of(graph))
        return kept[0]


def _unnamed(one: nn.Module) -> None:
    """Take away what tells a count the name of a module: it reads sizes, and they would be recorded."""
    forward = getattr(one.__dict__.get("forward"), "__wrapped__", None)
    if forward is not None:
        one.__dict__["forward"] = forward
    one.__dict__.pop("_compiled_call_impl", None)


def outputs(value: Any, above: tuple[int, ...] = ()) -> list[Tensor]:
    """The tensors of an output, where the counters look for them: not in the fields of other classes.

    above: identities of what holds it, which may be among what it holds.
    """
    if isinstance(value, Tensor):
        return [value]
    if not isinstance(value, Mapping | list | tuple) or id(value) in above:
        return []
    above = (*above, id(value))
    held = list(value.values()) if isinstance(value, Mapping) else value
    return [tensor for item in held for tensor in outputs(item, above)]


def _no_name(value: Any) -> str:
    """The tracer asks for the names of variables, which no counter reads."""
    return ""


class _Scopes:
    """Hooks that tell the tracer in which module operators run."""

    def __init__(self, name: str) -> None:
        self._name = name

    def enter(self, module: nn.Module, args: Any) -> None:
        """Before the module."""
        state = _C._get_tracing_state()
        if state is not None:
            state.push_scope(self._name)

    def leave(self, module: nn.Module, args: Any, out: Any) -> None:
        """After the module."""
        state = _C._get_tracing_state()
        if state is not None:
            state.pop_scope()


class _Kernels(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Runs kernels untraced: those of the meta device are written in Python, and sizes are to be numbers there."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._below = modes()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    @left_alone
    def __torch_dispatch__(self, func: Any, types_: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        state = _C._get_tracing_state()
        if state is None:
            return self._result(func, args, kwargs)
        tracer = _C._parse_dispatch_key("Tracer")
        included = _C._dispatch_tls_local_include_set()
        excluded = _C._dispatch_tls_local_exclude_set().remove(tracer)
        if func is torch.ops.aten.convolution.default:
            # The tracer records what it calls, and not itself.
            with _C._ForceDispatchKeyGuard(included.add(tracer), excluded), self:
                return torch.ops.aten._convolution.default(*args, False, False, True, True, **kwargs)
        if str(func.overloadpacket) in _UNRECORDED:
            # In inference mode they come here in one piece.
            with _C._ForceDispatchKeyGuard(included.add(tracer), excluded), self:
                return func._op_dk(_C.DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
        with _C._ForceDispatchKeyGuard(included, excluded):
            _C._set_tracing_state(None)
            try:
                return self._result(func, args, kwargs)
            finally:
                _C._set_tracing_state(state)

    def _result(self, func: Any, args: Any, kwargs: Any) -> Any:
        out = one_by_rule(func, args, kwargs, self._below)
        return func(*args, **kwargs) if out is None else out


# Functions of which the tracer records only the operators that they call.
_UNRECORDED = frozenset(
    (
        *(f"aten.conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)),
        *("aten.lstm_cell", "aten.gru_cell", "aten.rnn_tanh_cell", "aten.rnn_relu_cell"),
    )
)


class _OfThread(type):
    """A class of all warnings of one thread: the filters of warnings belong to the process."""

    thread = 0

    def __subclasscheck__(cls, other: type) -> bool:
        return threading.get_ident() == cls.thread


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Ignore the warnings of this thread: about values that are constants in a trace, and sizes that are tensors."""
    every = _OfThread("Every", (Warning,), {"thread": threading.get_ident()})
    ignored = ("ignore", None, every, None, 0)
    warnings.filters.insert(0, ignored)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        # Another thread may have put its own filters in their place.
        if ignored in warnings.filters:
            warnings.filters.remove(ignored)  # type: ignore[attr-defined]


def calls_of(graph: Any) -> Iterator[Call]:
    """The operators of a graph. What is inside of a branch or a loop no counter reads."""
    for node in graph.nodes():
        name = node.kind()
        if name.startswith("prim::"):
            continue
        scopes = tuple(map(int, filter(None, node.scopeName().split("/")))) or (0,)
        args = tuple(map(_value, node.inputs()))
        outs = tuple(map(_value, node.outputs()))
        out = outs[0] if len(outs) == 1 else outs
        yield Call("function", name, scopes[-1], scopes, args, {}, out, operator=name)


def _value(value: Any) -> Any:
    """A value in a graph: a tensor as its size, a constant, or several as a tuple; None for what is not known."""
    if value.type().kind() == "TensorType":
        sizes = value.type().sizes()
        return None if sizes is None else Sized(tuple(sizes))
    node = value.node()
    if node.kind() == "prim::Constant":
        return value.toIValue()
    if node.kind() in {"prim::ListConstruct", "prim::TupleConstruct"}:
        return tuple(map(_value, node.inputs()))
    return None

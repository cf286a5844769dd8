"""The log of one forward pass: which modules were called, which functions, and which kernels ran.

Counters look at different levels: hooks on modules, patched functions, traced operators, dispatched kernels. A log
has all of them, in order of execution, with tensors as sizes, so that the rules of a counter need no torch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from math import prod
from typing import Any, Literal, NamedTuple, TypeVar

T = TypeVar("T")
Shape = tuple[int, ...]
State = Callable[[], AbstractContextManager[None]]
Level = Literal["module", "function", "kernel"]


class Sized(NamedTuple):
    """A tensor, by its shape."""

    shape: Shape

    @property
    def numel(self) -> int:
        """The number of elements."""
        return prod(self.shape)


class Nested(Sized):
    """A nested tensor: its members have shapes, and it has none."""


class Sparse(Sized):
    """A tensor whose values do not lie in one storage: a sparse one."""


class Node(NamedTuple):
    """A module. name: as in `named_modules`, "" for the outermost one.

    cls: `Conv2d` for a class of torch.nn, else with its Python module. bases: the same for the classes that it is
    derived from, itself first. children: indices of its children, each once. facts: its settings, and `params`: the
    names and sizes of its own parameters.
    """

    name: str
    cls: str
    bases: tuple[str, ...]
    children: tuple[int, ...]
    facts: Mapping[str, Any]


class Call(NamedTuple):
    """One call. tensors in args, kwargs and out are `Sized`.

    name: of a module its class; of a function `F.relu`, `torch.matmul` or `Tensor.mean`; of a kernel `aten::mm`.
    node: the module that was called, or that was running. running: all modules that were running, the outermost first.
    via: the name under which a function was called: one that replaces `F.relu` is only noticed by code that looks it
    up by that name, so that it is `F.relu`, empty for code that held the function already, `operator` for `a + b`.
    within: the index of the function that called it, -1 for none.
    operator: in a trace, the name of the operator: `aten::linear`. positions: how many arguments the source of the call
    gives a function by position, where it is known.
    """

    level: Level
    name: str
    node: int
    running: tuple[int, ...]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    out: Any
    via: str = ""
    within: int = -1
    operator: str = ""
    positions: int | None = None

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """An argument by position or by name."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)

    def sized(self, position: int, name: str = "input") -> Sized:
        """A tensor among the arguments. Raises ValueError where there is none."""
        found = self.argument(position, name)
        if not isinstance(found, Sized):
            raise ValueError(f"{self.name} was called without the tensor {name}")
        return found

    @property
    def result(self) -> Sized:
        """The first tensor of the output. Raises ValueError where there is none."""
        found = first(self.out)
        if found is None:
            raise ValueError(f"{self.name} returns no tensor")
        return found


def first(value: Any) -> Sized | None:
    """The first tensor in nested values."""
    if isinstance(value, Sized):
        return value
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            found = first(one)
            if found is not None:
                return found
    return None


def run_within(state: State, run: Callable[..., T]) -> Callable[..., T]:
    """The same function, which runs while a module is in a state."""

    def within(*given: Any) -> T:
        with state():
            return run(*given)

    return within


class CallLog:
    """The modules, and the calls in order of their ends.

    trace: gives what torch's tracer records of the same forward: another forward, since a size is a tensor there. It
    raises ToolFailsError where the tracer fails. fused: by their indices, the modules that run as one kernel where
    there is no log: "attention", "attention without weights", or "layer" for an encoder layer. again: gives the log of
    a second forward. cut_off: a module that gets or gives a tensor whose gradient function torch does not find. made: a
    module that is not among the nodes, since the forward has made it.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        calls: Sequence[Call],
        trace: "Callable[[], CallLog] | None" = None,
        fused: Mapping[int, str] | None = None,
        again: "Callable[[], CallLog] | None" = None,
        cut_off: int | None = None,
        made: str | None = None,
    ) -> None:
        self.nodes = nodes
        self.calls = calls
        self.fused = fused or {}
        self._trace = trace
        self._again = again
        self.cut_off = cut_off
        self.made = made

    def within(self, state: State) -> "CallLog":
        """The same log; the forwards that it runs later are run while the module is in a state."""
        trace, again = self._trace, self._again
        return CallLog(
            self.nodes,
            self.calls,
            None if trace is None else run_within(state, trace),
            self.fused,
            None if again is None else run_within(state, lambda: again().within(state)),
            self.cut_off,
            self.made,
        )

    def of(self, level: Level) -> Iterator[Call]:
        """The calls of one level."""
        return (call for call in self.calls if call.level == level)

    @property
    def outermost(self) -> Call | None:
        """The last call of the whole module."""
        return next((call for call in reversed(self.calls) if call.level == "module" and call.node == 0), None)

    def holds_nested(self) -> bool:
        """Whether a nested tensor is among the arguments and outputs, which no rule can count."""
        held = ((*call.args, *call.kwargs.values(), call.out) for call in self.calls)
        return any(isinstance(one, Nested) for values in held for one in values)

    @property
    def operators(self) -> Iterator[Call]:
        """What torch's tracer records. Raises ToolFailsError where it fails."""
        calls = self.calls if self._trace is None else self._trace().calls
        return (call for call in calls if call.operator)

    @property
    def second(self) -> "CallLog":
        """The calls of a second forward, which finds what the first one has kept.

        Raises ToolFailsError where it fails, or where the first one has changed the modules.
        """
        if self._again is None:
            return self
        found = self._again()
        if [node.name for node in found.nodes] != [node.name for node in self.nodes]:
            raise ToolFailsError("it runs the forward twice, and the first one changes the modules")
        return found

    @cached_property
    def visits(self) -> list[int]:
        """How often a walk over the tree of modules comes to each of them: twice to one that two modules hold."""
        found = [0] * len(self.nodes)
        waiting = [0]
        while waiting:
            index = waiting.pop()
            found[index] += 1
            waiting += self.nodes[index].children
        return found


class Amount(NamedTuple):
    """A share of a counter's number. node: the module. what: `products`, `biases`, `batch norm`, ..."""

    node: int
    what: str
    amount: int


class ToolFailsError(Exception):
    """The counter's number is not known: it would raise an error here, or reads values."""


@contextmanager
def failing(rule: str) -> Iterator[None]:
    """Within it a rule of a counter runs. Raises ToolFailsError where it fails, as the counter's own rule then does."""
    try:
        yield
    except AttributeError:
        raise ToolFailsError(f"{rule} needs a tensor where there is none") from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ToolFailsError(f"{rule} fails: {error}") from None

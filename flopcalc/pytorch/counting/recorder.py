"""Recording kernels while a module runs: for the module that is running, and as layers of a graph.

Both witnesses, the dispatch mode and the tracer, tell one recorder what ran; what a kernel costs is theirs to know.
A kernel depends on those that wrote what it reads. What wrote a tensor is known by its storage, so that a write
through a view is seen by all other views. A layer is a stretch of kernels of one module, not interrupted by another
layer: layers in order of execution are a graph without cycles, also where a module is called several times.
"""

import copy
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import Parameter

from flopcalc.cost.kinds import WorkKind
from flopcalc.pytorch.counting.kernels import Work, tensors
from flopcalc.pytorch.counting.record import Call, Count, Shapes, Sizes, add

# Sizes of tensors are read without asking the modes above, which would be asked for each.
_Unseen = torch._C.DisableTorchFunction

# The place in `Call.inputs` of what the forward is given.
GIVEN = -1
# In place of an operator: kernels that ran outside of all modules in a thread that the forward started.
ELSEWHERE = "kernels of another thread"
# Of a recorder, what no branch can undo: tensors stay alive, so that no place is used again.
_FIXED = {"_layers", "_kept", "lock"}


_Key = TypeVar("_Key")

# One running call of a module: its name, the name of the layer that it is part of, and the layers of the graph that the
# call is until now, shared with the module that is counted as a whole.
_Frame = tuple[str, str, list[Call]]


def has_tangents() -> bool:
    """Whether a level of forward-mode differentiation is open, where tensors have tangents."""
    return bool(forward_ad._current_level >= 0)


class Recorder:
    """Collects the kernels of one forward pass in a `Count`.

    layers: name of each module -> name of the layer that it belongs to, which is itself, or a module that is counted
    as a whole. failed: identity of an exception -> the innermost module that raised it. sees_all: a tensor without
    values that no recorded kernel has written comes from a thread that the forward started, and is listed as uncounted.
    """

    def __init__(self, layers: Mapping[str, str]) -> None:
        self.result = Count()
        self.failed: dict[int, str] = {}
        self._layers = layers
        self._frames: list[_Frame] = [("", "", [])]
        self._numbers: dict[str, int] = {}
        self._times: dict[str, int] = {}
        # By place: the number of kernels in the longest chain that ends there, and the call that wrote it.
        self._depth: dict[int, int] = {}
        self._maker: dict[int, int] = {}
        # Storages are kept, since an address may be used again; on the meta device they hold nothing.
        self._kept: list[Any] = []
        # For each call, its kernels with their module and kind of work, to be added up at the end.
        self._works: list[list[tuple[tuple[str, WorkKind], Work]]] = []
        self._trained: set[int] = set()
        self._touched: set[int] = set()
        self.lock = threading.Lock()
        self.sees_all = False

    @property
    def module(self) -> str:
        """The name of the running module."""
        return self._frames[-1][0]

    @property
    def progress(self) -> tuple[int, int]:
        """How much was recorded until now: another value after each kernel."""
        return len(self._works), len(self._works[-1]) if self._works else 0

    @property
    def times(self) -> Mapping[str, int]:
        """How often each module was called until now."""
        return self._times

    def place(self, tensor: Tensor) -> int:
        """An identity of what a tensor stores: the same for all views of it."""
        try:
            held: Any = tensor.untyped_storage()
            place: int = held._cdata
        except (NotImplementedError, RuntimeError):
            # Sparse, nested and other tensors without one storage.
            held, place = tensor, id(tensor)
        if place not in self._depth:
            self._kept.append(held)
            self._depth[place] = 0
        return place

    def start(self, parameters: Iterable[Tensor], given: Iterable[Tensor], held: Iterable[Tensor] = ()) -> None:
        """Note the parameters, the tensors that the forward is given, and others that the module holds."""
        self._trained.update(map(self.place, parameters))
        for tensor in held:
            self.place(tensor)
        for tensor in given:
            self._maker[self.place(tensor)] = GIVEN

    def enter(self, name: str) -> None:
        """A module starts to run."""
        _, above, calls = self._frames[-1]
        layer = self._layers.get(name, name)
        self._frames.append((name, layer, calls if layer == above and layer != name else []))
        self._times[name] = self._times.get(name, 0) + 1

    def leave(self, given: Any, out: Any) -> None:
        """The innermost module has ended: its arguments, and its output."""
        name, layer, calls = self._frames.pop()
        with _Unseen():
            shapes = Shapes(_first(given), _first(out))
        self.result.shapes.setdefault(name, shapes)
        if layer == name:
            for call in calls:
                call.given, call.output = shapes

    def abandon(self, error: BaseException) -> None:
        """The innermost module has raised an error."""
        self.failed.setdefault(id(error), self._frames.pop()[0])

    def reads_parameter(self, read: Iterable[Tensor]) -> bool:
        """Whether one of the tensors is a parameter."""
        trained = self._trained
        for tensor in read:
            try:
                if tensor.untyped_storage()._cdata in trained:
                    return True
            except (NotImplementedError, RuntimeError):
                if self.place(tensor) in trained:
                    return True
        return False

    def kernel(self, kind: WorkKind, work: Work, read: Sequence[Tensor], written: Sequence[Tensor]) -> None:
        """A kernel of the running module: its kind of work, its work, and the tensors that it reads and writes."""
        depth, maker, trained = self._depth, self._maker, self._trained
        name, layer, calls = self._frames[-1]
        all_calls = self.result.calls
        if calls and calls[-1] is all_calls[-1]:
            call = calls[-1]
        else:
            # What a module does before another layer is another layer than what it does after it.
            call = self._new_call(layer)
            calls.append(call)
        index = len(all_calls) - 1
        end = 0
        for tensor in read:
            try:
                place: int = tensor.untyped_storage()._cdata
            except (NotImplementedError, RuntimeError):
                place = self.place(tensor)
            before = depth.get(place)
            if before is None:
                # Nothing that is known has written it.
                self._meets(tensor)
                continue
            if before > end:  # noqa: PLR1730 (calls of max would be a tenth of the work here)
                end = before
            if place in trained:
                self._touched.add(place)
            made = maker.get(place, index)
            if made != index:
                call.inputs[made] = None
        end += 1
        for tensor in written:
            place = self.place(tensor)
            if depth[place] < end:  # noqa: PLR1730
                depth[place] = end
            maker[place] = index
        if self.result.steps < end:  # noqa: PLR1730
            self.result.steps = end
        self._works[-1].append(((name, kind), work))

    def passed(self, read: Sequence[Tensor], written: Sequence[Tensor]) -> None:
        """A function without work, such as a view, whose outputs may be in storages of their own."""
        before, made = 0, None
        for tensor in read:
            if not self.knows(tensor):
                self._meets(tensor)
            place = self.place(tensor)
            before = max(before, self._depth[place])
            made = self._maker.get(place, made)
        for tensor in written:
            place = self.place(tensor)
            self._depth[place] = max(before, self._depth[place])
            if made is not None and place not in self._trained:
                self._maker.setdefault(place, made)

    def works(self) -> list[Work]:
        """The work of each kernel until now."""
        return [work for works in self._works for _, work in works]

    def unknown(self, operator: str) -> None:
        """A kernel without a rule ran in the running module."""
        self.result.uncounted[operator, self.module] += 1

    def _meets(self, tensor: Tensor) -> None:
        """A kernel reads a tensor that no recorded kernel has written."""
        if type(tensor) not in (Tensor, Parameter):
            # What a class of tensors does with those that it wraps runs below all modes.
            self.sees_all = False
        # Numbers, empty tensors, and indices given as lists come from no kernel at all, nor do tangents of constants.
        countable = tensor.dim() and tensor.numel() and (tensor.is_floating_point() or tensor.is_complex())
        if self.sees_all and tensor.is_meta and countable and not has_tangents():
            self.unknown(ELSEWHERE)
            self.place(tensor)

    def elsewhere(self) -> "Recorder":
        """A recorder for another thread, with frames of its own; what it records is recorded here."""
        other = type(self)(self._layers)
        vars(other).update({name: value for name, value in vars(self).items() if name != "_frames"})
        other._frames = [self._frames[0]]
        return other

    def knows(self, tensor: Tensor) -> bool:
        """Whether the storage of a tensor was seen before."""
        try:
            return tensor.untyped_storage()._cdata in self._depth
        except (NotImplementedError, RuntimeError):
            return True

    def note(self, text: str) -> None:
        """What a reader of the numbers must know; said once."""
        if text not in self.result.notes:
            self.result.notes.append(text)

    def saved(self) -> "Recorder":
        """The state of the recorder, as a recorder of its own."""
        state = {name: value for name, value in vars(self).items() if name not in _FIXED}
        copied = type(self)(self._layers)
        vars(copied).update(copy.deepcopy(state))
        copied._kept = self._kept
        return copied

    def restore(self, state: "Recorder") -> None:
        """Go back to a state that was saved."""
        vars(self).update({name: value for name, value in vars(state.saved()).items() if name not in _FIXED})

    def finish(self, parameters: Iterable[tuple[str, Tensor]], out: Any) -> Count:
        """The result. parameters: each with the name of its module. out: the output of the forward."""
        result = self.result
        outputs = tensors(out)
        for tensor in outputs:
            if not self.knows(tensor):
                self._meets(tensor)
        result.output = [_shape(tensor) for tensor in outputs]
        result.times = Counter(self._times)
        makers = [self._maker.get(self.place(tensor), GIVEN) for tensor in outputs]
        result.ends = tuple(dict.fromkeys(one for one in makers if one != GIVEN))
        # A parameter that is given out is used as well.
        seen = self._touched.union(map(self.place, outputs))
        for name, tensor in parameters:
            place = self.place(tensor)
            if place not in seen:
                seen.add(place)
                result.idle[name] = result.idle.get(name, 0) + tensor.numel()
        self._add_up()
        return result

    def _add_up(self) -> None:
        """The work of all calls, by module and kind of work, and by module."""
        result = self.result
        for call, works in zip(result.calls, self._works, strict=True):
            for key, work in works:
                _add(call.work, key, work)
                call.kernels[key] = call.kernels.get(key, 0) + 1
            for key, work in call.work.items():
                _add(result.by_work, key, work)
                result.kernels[key] = result.kernels.get(key, 0) + call.kernels[key]
        for (name, _), work in result.by_work.items():
            _add(result.work, name, work)

    def _new_call(self, layer: str) -> Call:
        """A new layer."""
        number = self._numbers[layer] = self._numbers.get(layer, 0) + 1
        call = Call(layer, number, {}, (), (), {}, {})
        self.result.calls.append(call)
        self._works.append([])
        return call


def _add(works: dict[_Key, Work], key: _Key, work: Work) -> None:
    before = works.get(key)
    works[key] = work if before is None else add(before, work)


def _first(values: Any) -> Sizes:
    if type(values) is tuple and values:
        values = values[0] if isinstance(values[0], Tensor) else values
    if isinstance(values, Tensor):
        return _shape(values)
    found = tensors(values)
    return _shape(found[0]) if found else ()


def _shape(tensor: Tensor) -> Sizes:
    """The shape; () for a nested tensor, whose rows differ."""
    return () if tensor.is_nested else tuple(tensor.shape)

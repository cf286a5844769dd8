"""A structural copy: the same objects all the way down, with other tensors, sharing nothing that a forward can change.

Counting runs the copy, so that nothing that a forward does can reach the user's module. One memo for the whole copy
keeps what is shared shared: ties, one module under two names, cycles, and closures and bound methods that lead back
to the module. Code and immutable values are not copied.
"""

import copy
import copyreg
import functools
import io
import operator
import threading
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.pytorch.counting.objects import (
    attributes,
    class_for_copy,
    has_finaliser,
    holds_tensors,
    is_all_attributes,
    same_generator,
    set_attributes,
    set_state,
    silence,
    slots,
    stream_to_nowhere,
)
from flopcalc.pytorch.counting.stand_ins import WRAPPERS, Unavailable, Wrapper
from flopcalc.pytorch.counting.twins import TENSORS, Twin, on_meta, tensor_twin
from flopcalc.pytorch.named_class import file_of

_SHARED: frozenset[type] = frozenset(
    {
        *(int, float, bool, complex, str, bytes, type(None), type(...), type(NotImplemented), range, slice, property),
        *(types.ModuleType, types.CodeType, type, torch.dtype, torch.device, torch.layout, torch.memory_format),
        *(torch.Size, torch.fx.Graph, torch.jit.ScriptFunction, torch.Stream, threading.Thread),
    }
)
_EMPTY = {dict, set, OrderedDict}
# The containers that each module makes for itself: its children, tensors and hooks.
_OWN = frozenset(name for name, held in vars(nn.Module()).items() if type(held) in _EMPTY)
_NOTHING: Any = object()
# Where a module holds its tensors.
_HOLDERS = {"_parameters", "_buffers"}
_META = torch.device("meta")
# The dispatch keys of a strided tensor, on the meta device or on the CPU, without anything of its own.
_PLAIN = {torch._C._dispatch_keys(torch.empty(0, device=device)).raw_repr() for device in ("meta", "cpu")}
_keys = torch._C._dispatch_keys
_empty_like, _empty_strided, _clone = torch.empty_like, torch.empty_strided, Tensor.clone
_HOW = "counting works on a copy of the module: remove this attribute first"


class Copier:
    """Copies modules and values. memo: identity of an original -> its copy; originals are kept alive by `kept`."""

    def __init__(self, twin: Twin, *, gradients: bool = False) -> None:
        self.twin = twin
        self.gradients = gradients
        self.memo: dict[int, Any] = {}
        # The copies of tensors.
        self.tensors: list[Tensor] = []
        self._kept: list[Any] = []
        self._modules: list[tuple[nn.Module, nn.Module]] = []
        # Classes of modules without a way of their own.
        self._plain: set[type[nn.Module]] = set()
        # Copies for whose end their class does something.
        self._finalised: list[Any] = []
        # The class of the module, and its attribute, that is being copied: for errors.
        self._at: tuple[str, str] | None = None

    def __enter__(self) -> "Copier":
        return self

    def __exit__(self, *raised: object) -> None:
        """Let the copies end, quietly, and before the garbage collector would look at them. They are not used again."""
        while self._finalised:
            silence(self._finalised.pop())
        self.memo, self.tensors, self._kept = {}, [], []

    def copy(self, value: Any) -> Any:
        """The copy of a value. Raises FlopcalcError (cannot-copy)."""
        with torch._C.DisableTorchFunction(), torch.set_grad_enabled(self.gradients and torch.is_grad_enabled()):
            made = self.value(value)
            # Modules are filled one after the other, so that nesting is not limited by Python's stack.
            while self._modules:
                self._fill(*self._modules.pop())
        self._at = None
        return made

    def value(self, value: Any) -> Any:
        """The copy of a value whose modules may still be empty."""
        kind = type(value)
        if kind in _SHARED:
            return value
        made = self.memo.get(id(value), _NOTHING)
        if made is not _NOTHING:
            return made
        if kind in self._plain:
            made = self._keep(value, object.__new__(kind))
            self._modules.append((value, made))
            return made
        if kind is dict or kind is OrderedDict:
            return self._items(value, kind())
        if kind is list:
            return self._list(value)
        make = _BY_TYPE.get(kind)
        if make is None:
            make = next((rule for base, rule in _BY_BASE if isinstance(value, base)), Copier._object)
        try:
            made = make(self, value)
        except (FlopcalcError, RecursionError):
            raise
        except Exception as error:
            if isinstance(value, Tensor | nn.Module):
                raise
            # Here and not where it is held: what is next to it in a list or an object is copied all the same.
            made = self._fallback(value, error)
        return self._keep(value, made)

    def _keep(self, value: Any, made: Any) -> Any:
        self.memo[id(value)] = made
        if made is not value:
            self._kept.append(value)
        return made

    def _items(self, value: dict[Any, Any], made: dict[Any, Any]) -> dict[Any, Any]:
        self._keep(value, made)
        # A list first: another thread may train the module meanwhile.
        for key, item in list(value.items()):
            made[key if type(key) in _SHARED else self.value(key)] = item if type(item) in _SHARED else self.value(item)
        return made

    def _list(self, value: list[Any]) -> list[Any]:
        if _SHARED.issuperset(map(type, value)):
            return self._keep(value, list(value))  # type: ignore[no-any-return]
        made: list[Any] = []
        self._keep(value, made)
        made.extend(map(self.value, list(value)))
        return made

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        items = tuple(map(self.value, value))
        if all(map(operator.is_, items, value)):
            return value
        # A tuple that leads back to itself, through a list, was made meanwhile.
        return self.memo.get(id(value), tuple.__new__(type(value), items))

    def _collection(self, value: Iterable[Any]) -> Any:
        items = list(map(self.value, list(value)))
        return deque(items, value.maxlen) if isinstance(value, deque) else type(value)(items)  # type: ignore[call-arg]

    def _default(self, value: defaultdict[Any, Any]) -> Any:
        return self._items(value, defaultdict(self.value(value.default_factory)))

    def _module(self, module: nn.Module) -> Any:
        if isinstance(module, torch.jit.ScriptModule):
            return self._script(module)
        kind = type(module)
        inner = WRAPPERS.get(kind.__name__) if file_of(kind).startswith("torch.") else None
        try:
            made = Wrapper() if inner else object.__new__(class_for_copy(kind))
        except TypeError:
            # A module that is a list or a dict as well.
            return self._object(module)
        if inner:
            self._keep(module, made)
            made.__dict__["inner"] = inner
            made._modules[inner] = self.value(module._modules[inner])
            made.training = module.training
        else:
            self._modules.append((module, made))
            if has_finaliser(kind):
                self._finalised.append(made)
            elif type(made) is kind:
                self._plain.add(kind)
        return made

    def _fill(self, module: nn.Module, made: nn.Module) -> None:
        kind: Any = type(module)
        state = made.__dict__
        plain = self.twin is on_meta and not self.gradients
        # At once, since another thread may train the module meanwhile.
        state.update(vars(module))
        # What `Module.compile` leaves would run the compiled original.
        state.pop("_compiled_call_impl", None)
        for name, item in state.items():
            held = type(item)
            if held in _SHARED:
                continue
            if held in _EMPTY and not item and name in _OWN:
                # Most attributes of most modules are these, and no other object has the same.
                state[name] = held()
                continue
            if held is tuple and _SHARED.issuperset(map(type, item)):
                continue
            if held is dict and plain and name in _HOLDERS:
                state[name] = self._tensors_of(item)
                continue
            self._at = kind.__name__, name
            try:
                state[name] = self.value(item)
            except FlopcalcError:
                raise
            except Exception as error:
                state[name] = self._fallback(item, error)
        for name in slots(kind):
            if hasattr(module, name):
                object.__setattr__(made, name, self.value(getattr(module, name)))

    def _tensors_of(self, value: dict[str, Any]) -> dict[str, Any]:
        """The parameters or buffers of a module on the meta device: most of the work of a copy, and so a way apart."""
        made, memo = value.copy(), self.memo
        self._keep(value, made)
        self._kept.extend(made.values())
        for name, tensor in made.items():
            kind = type(tensor)
            if kind in _SHARED:
                continue
            twin = memo.get(id(tensor), _NOTHING)
            if twin is not _NOTHING:
                pass
            elif kind in TENSORS and _keys(tensor).raw_repr() in _PLAIN and not tensor._is_view() and not vars(tensor):
                if not tensor.is_contiguous():
                    twin = _empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=_META)
                else:
                    # Twice as fast as by its sizes. On the meta device empty_like would import SymPy.
                    twin = _clone(tensor) if tensor.is_meta else _empty_like(tensor, device=_META)
                if kind is nn.Parameter:
                    # As torch makes one of a lazy parameter: no second tensor is made.
                    twin.__class__ = kind
                memo[id(tensor)] = twin
                self.tensors.append(twin)
            else:
                twin = self.value(tensor)
            made[name] = twin
        return made

    def _fallback(self, value: Any, error: Exception) -> Any:
        """What takes the place of a value that cannot be copied: the value itself, where a forward cannot harm it."""
        if hasattr(value, "__next__"):
            return Unavailable(self._cannot(value, error))
        if is_all_attributes(type(value)) and not isinstance(error, RecursionError):
            # Its class refuses, or fails.
            made = self._new(value, object.__new__(type(value)))
            set_attributes(made, self._items(attributes(value), {}))
            return made
        if holds_tensors(value):
            raise self._cannot(value, error) from error
        return self._keep(value, value)

    def _new(self, value: Any, made: Any) -> Any:
        """An object that was made for a copy."""
        if made is not value and has_finaliser(type(made)):
            self._finalised.append(made)
        return self._keep(value, made)

    def _cannot(self, value: object, error: Exception) -> FlopcalcError:
        where = ".".join(self._at) if self._at else "an input"
        what = f"{where} cannot be copied: it is {clip(value)} ({type(error).__name__}: {reason(error)})"
        return FlopcalcError("cannot-copy", what, _HOW)

    def _script(self, module: Any) -> Any:
        made = torch.jit._recursive.wrap_cpp_module(copy.deepcopy(module._c))  # type: ignore[no-untyped-call]
        originals = dict(module.named_modules(remove_duplicate=False))
        for place, child in made.named_modules(remove_duplicate=False):
            for name, tensor in (*originals[place]._parameters.items(), *originals[place]._buffers.items()):
                child._c.setattr(name, self.value(tensor))
        return made

    def _tensor(self, tensor: Tensor) -> Any:
        base = tensor._base if type(tensor) is Tensor and tensor._is_view() else None
        if base is not None and base.dtype is tensor.dtype and (id(base) in self.memo or type(base) is nn.Parameter):
            # A view of a parameter, say its transpose, stays one.
            offset = tensor.storage_offset() - base.storage_offset()
            return self.value(base).detach().as_strided(tensor.shape, tensor.stride(), offset)
        made = tensor_twin(tensor, self.twin, gradients=self.gradients, inner=self.value)
        self.tensors.append(made)
        if (attributes := vars(tensor)) and not hasattr(made, "__tensor_flatten__"):
            self._keep(tensor, made)
            vars(made).update(self._items(attributes, {}))
        return made

    def _function(self, value: types.FunctionType) -> Any:
        if (original := vars(value).get("_torchdynamo_orig_callable")) is not None:
            # A compiled function; the function itself gives the kernels.
            return self.value(original)
        cells, attributes = value.__closure__, vars(value)
        defaults, keywords = value.__defaults__, value.__kwdefaults__
        if not cells and not attributes and not defaults and not keywords:
            return value
        made = types.FunctionType(
            value.__code__, value.__globals__, value.__name__, None, tuple(map(self._cell, cells or ())) or None
        )
        self._keep(value, made)
        made.__defaults__, made.__kwdefaults__ = self.value(defaults), self.value(keywords)
        made.__qualname__, made.__doc__, made.__module__ = value.__qualname__, value.__doc__, value.__module__
        made.__annotations__ = value.__annotations__
        vars(made).update(self._items(attributes, {}))
        return made

    def _cell(self, cell: Any) -> Any:
        made = self.memo.get(id(cell))
        if made is None:
            made = self._keep(cell, types.CellType())
            try:
                inside = cell.cell_contents
            except ValueError:
                return made
            made.cell_contents = self.value(inside)
        return made

    def _method(self, value: types.MethodType) -> Any:
        return types.MethodType(self.value(value.__func__), self.value(value.__self__))

    def _builtin(self, value: Any) -> Any:
        """A function of C: a method of a list or a tensor, such as `found.append`, belongs to the copy of it."""
        owner = value.__self__
        made = owner if isinstance(owner, types.ModuleType | type) else self.value(owner)
        return value if made is owner else getattr(made, value.__name__)

    def _partial(self, value: functools.partial[Any]) -> Any:
        made = type(value)(self.value(value.func), *self.value(value.args), **self.value(value.keywords))
        vars(made).update(self._items(vars(value), {}))
        return made

    def _reference(self, value: weakref.ref[Any]) -> Any:
        target = value()
        return value if target is None else weakref.ref(self._keep(target, self.value(target)))

    def _weak_items(self, value: Any) -> Any:
        made = type(value)()
        for key, item in list(value.items()):
            made[self.value(key)] = self.value(item)
        return made

    def _object(self, value: Any) -> Any:
        kind = type(value)
        if issubclass(kind, type):
            return value
        if hasattr(kind, "__deepcopy__"):
            # It may copy by itself what it holds: those of its tensors and modules that the memo knows stay ours.
            self._items(dict(getattr(value, "__dict__", {})), {})
            try:
                return self._new(value, kind.__deepcopy__(value, self.memo))
            except Exception:
                # It refuses, or cannot; what follows is what a class without it would get.
                self.memo.pop(id(value), None)
        reduce = copyreg.dispatch_table.get(kind)
        parts = reduce(value) if reduce else value.__reduce_ex__(4)
        if isinstance(parts, str):
            return value
        make, given, state, listed, keyed = (*parts, None, None, None)[:5]
        made = self._new(value, make(*self.value(given)))
        if state is not None:
            set_state(made, self.value(state))
        for item in listed or ():
            made.append(self.value(item))
        for key, item in keyed or ():
            made[self.value(key)] = self.value(item)
        return made


_BY_TYPE: dict[type, Callable[[Copier, Any], Any]] = {
    tuple: Copier._tuple,
    set: Copier._collection,
    frozenset: Copier._collection,
    deque: Copier._collection,
    defaultdict: Copier._default,
    Tensor: Copier._tensor,
    nn.Parameter: Copier._tensor,
    types.FunctionType: Copier._function,
    types.MethodType: Copier._method,
    types.BuiltinFunctionType: Copier._builtin,
    functools.partial: Copier._partial,
    torch.Generator: lambda copier, value: same_generator(value),
    weakref.WeakSet: Copier._collection,
    weakref.WeakKeyDictionary: Copier._weak_items,
    weakref.WeakValueDictionary: Copier._weak_items,
    types.MappingProxyType: lambda copier, value: types.MappingProxyType(copier.value(dict(value))),
    type(threading.Lock()): lambda copier, value: threading.Lock(),
    type(threading.RLock()): lambda copier, value: threading.RLock(),
}
_BY_BASE: tuple[tuple[type | tuple[type, ...], Callable[[Copier, Any], Any]], ...] = (
    (nn.Module, Copier._module),
    (Tensor, Copier._tensor),
    (weakref.ref, Copier._reference),
    (io.IOBase, lambda copier, value: stream_to_nowhere(value)),
    (tuple, Copier._tuple),
    (tuple(_SHARED), lambda copier, value: value),
)

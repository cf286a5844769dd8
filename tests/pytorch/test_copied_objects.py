"""What a copy does with objects that cannot be copied, or that do something when they end."""

import abc
import copy
import functools
import gc
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn
from torch.nn.utils import parametrize

from flopcalc import FlopcalcError, memory
from flopcalc.pytorch import count
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.objects import holds_tensors, silence


class Holder(nn.Module):
    """A linear layer, and whatever else. use: what the forward does with it."""

    def __init__(self, use: Callable[[Any, Any], Any] = lambda module, y: y, **held: Any) -> None:
        super().__init__()
        self.linear, self.use = nn.Linear(4, 4), use
        for name, value in held.items():
            setattr(self, name, value)

    def forward(self, x: Any) -> Any:
        return self.use(self, self.linear(x))


def counted(module: nn.Module) -> None:
    """Count it on both devices, and follow its memory; nothing of the copies stays."""
    for on in ("meta", "cpu"):
        assert count_call(module, ((1, 4),), on=on).macs == 16
    memory(module, (4,))
    gc.collect()


def test_a_copy_deletes_no_file() -> None:
    """A temporary file is deleted when its object ends."""
    with tempfile.NamedTemporaryFile() as file:
        counted(Holder(file=file))
        assert os.path.exists(file.name)
        assert not file.closed


class Descriptor:
    """An open file of the system."""

    def __init__(self) -> None:
        self.number = os.open(os.devnull, os.O_RDONLY)
        self.pairs = [self]

    def __del__(self) -> None:
        os.close(self.number)


def test_a_copy_closes_no_descriptor() -> None:
    """Also where the object is part of a cycle, or an input."""
    held = Descriptor()
    module = Holder(descriptor=held)
    counted(module)
    os.fstat(held.number)

    class Takes(nn.Linear):
        def forward(self, x: Any, held: Any = None) -> Any:
            return super().forward(x)

    assert count(Takes(4, 4), torch.ones(1, 4), held).macs == 16
    gc.collect()
    os.fstat(held.number)


ENDED: list[type] = []


class Ends:
    def __del__(self) -> None:
        ENDED.append(type(self))


class Counted(type):
    made: ClassVar[list[str]] = []

    def __new__(cls, name: str, *more: Any) -> Any:
        cls.made.append(name)
        return super().__new__(cls, name, *more)


class Listed(Ends, metaclass=Counted):
    heirs: ClassVar[list[type]] = []

    def __init_subclass__(cls) -> None:
        cls.heirs.append(cls)


class Slotted(Ends):
    __slots__ = ("a",)


class Abstract(Ends, abc.ABC):
    pass


class Refuses(Ends):
    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)


class Module(Holder, Ends):
    pass


@pytest.mark.parametrize("kind", [Ends, Listed, Slotted, Abstract, Refuses, Module])
def test_copies_end_quietly(kind: type) -> None:
    """The class of the user does not hear of it, and of no new class either."""
    held = kind()
    ENDED.clear()
    known = list(Listed.heirs), list(Counted.made)
    counted(held if isinstance(held, nn.Module) else Holder(held=held))
    assert ENDED == []
    assert (Listed.heirs, Counted.made) == known
    assert type(held) is kind
    del held
    gc.collect()
    assert set(ENDED) <= {kind}


def test_the_class_is_the_users_while_the_copy_runs() -> None:
    """It is changed only when the copy is not used any more."""

    def use(module: Any, y: Any) -> Any:
        assert [type(one) for one in (module, module.held)] == [Module, Ends]
        return y

    counted(Module(use, held=Ends()))


def test_what_has_no_class_of_python_is_left() -> None:
    """A class of C cannot be changed."""
    number = 3
    silence(number)
    assert type(number) is int


class Statistics:
    """A counter and a list next to a handle that cannot be copied."""

    def __init__(self) -> None:
        self.base = sqlite3.connect(":memory:")
        self.calls, self.seen = 0, [torch.ones(4)]


def _noted(module: Any, y: Any) -> Any:
    for one in (module.held, module.named["one"], module.listed[0]):
        one.calls += 1
        one.seen.append(y * one.seen[0])
        one.base.execute("select 1")
    module.named["calls"] = 1
    module.listed.append(y)
    return y


def test_what_is_next_to_a_handle_is_copied() -> None:
    """Only the handle is shared with the copy, not the object, dict or list that holds it."""
    one, base = Statistics(), sqlite3.connect(":memory:")
    module: Any = Holder(_noted, held=one, named={"base": base, "one": one}, listed=[one, base])
    counted(module)
    assert (one.calls, len(one.seen), module.named, module.listed) == (0, 1, {"base": base, "one": one}, [one, base])
    assert one.seen[0].tolist() == [1.0] * 4


class Sealed:
    """In slots, and in no way to be copied."""

    __slots__ = ("calls", "scale")

    def __init__(self) -> None:
        self.calls, self.scale = [0], torch.ones(4)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("sealed")


class Frozen(Sealed):
    """It has a dict as well, and sets nothing."""

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, "scale"):
            raise AttributeError(name)
        super().__setattr__(name, value)

    def __getstate__(self) -> Any:
        raise TypeError("sealed")


@pytest.mark.parametrize("kind", [Sealed, Frozen])
def test_objects_that_refuse_are_copied_by_their_attributes(kind: type) -> None:
    held = kind()
    assert holds_tensors(held)

    def use(module: Any, y: Any) -> Any:
        module.held.calls[0] += 1
        return y * module.held.scale

    counted(Holder(use, held=held))
    assert held.calls == [0]


def _draws() -> Iterator[int]:
    yield from range(3)


class Loader:
    def __init__(self) -> None:
        self.numbers = _draws()


def _bound(numbers: Iterator[int]) -> Callable[[], int]:
    return lambda: next(numbers)


@pytest.mark.parametrize(
    ("held", "drawn"),
    [
        (Loader(), lambda held: next(held.numbers)),
        ({"numbers": _draws()}, lambda held: next(held["numbers"])),
        ([_draws()], lambda held: next(held[0])),
        ((_draws(), []), lambda held: next(held[0])),
        (_bound(_draws()), lambda held: held()),
        (functools.partial(next, _draws()), lambda held: held()),
        (_draws().__next__, lambda held: held()),
    ],
    ids=["object", "dict", "list", "tuple", "closure", "partial", "method"],
)
def test_an_iterator_inside_of_something_is_not_used_up(held: Any, drawn: Callable[[Any], int]) -> None:
    """The error names the attribute, and comes only where the forward draws from it."""
    counted(Holder(held=held))
    module = Holder(lambda module, y: y * drawn(module.held), held=held)
    with pytest.raises(FlopcalcError, match=r"Holder\.held cannot be copied: it is <generator") as caught:
        count(module, (1, 4))
    assert caught.value.code == "cannot-copy"
    assert [drawn(held) for _ in range(3)] == [0, 1, 2]


def test_an_object_of_c_with_a_tensor_is_named() -> None:
    """It is larger than its attributes: what it holds besides is not known."""

    class Connection(sqlite3.Connection):
        scale = None

    base: Any = Connection(":memory:")
    base.scale = torch.ones(4)
    with pytest.raises(FlopcalcError, match=r"Holder\.base cannot be copied: it is <") as caught:
        count(Holder(base=base), (1, 4))
    assert caught.value.code == "cannot-copy"
    with pytest.raises(FlopcalcError, match="an input cannot be copied"):
        count(Holder(lambda module, y: y), [torch.ones(1, 4), base])


def test_a_parametrization_that_a_forward_removes() -> None:
    """torch takes the attribute off the class that it made for the module: that of the copy is another one."""

    def use(module: Any, y: Any) -> Any:
        for child in module.layers:
            parametrize.remove_parametrizations(child, "weight")
        return module.layers[0](y)

    weighted = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    layers = nn.ModuleList([weighted, copy.deepcopy(weighted)])
    kinds, weights = list(map(type, layers)), [one.weight for one in layers]
    for witness in ("trace", "dispatch"):
        found = count_call(Holder(use, layers=layers), ((1, 4),), witness=witness)
        assert (found.macs, found.params) == (32, 3 * 20 + 2 * 4)
    assert list(map(type, layers)) == kinds
    assert all(torch.equal(one.weight, weight) for one, weight in zip(layers, weights, strict=True))


@pytest.mark.parametrize("on", ["auto", "meta"])
def test_the_error_is_that_of_the_last_try(on: Any) -> None:
    """A forward that asks for gradients, for which it runs again, and then fails."""

    def use(module: Any, y: Any) -> Any:
        torch.func.grad(lambda x: module.linear(x).sum())(y)
        raise ValueError("stop")

    with pytest.raises(FlopcalcError, match="the forward pass of Holder failed: ValueError: stop"):
        count_call(Holder(use), ((1, 4),), on=on)

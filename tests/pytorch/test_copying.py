"""The structural copy: what leads back to the module leads to the copy, and what cannot be copied is named."""

import functools
import gc
import io
import logging
import threading
import types
import weakref
from collections import deque
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

from torch import Tensor, nn

from flopcalc import FlopcalcError
from flopcalc.pytorch import count
from flopcalc.pytorch.counting.copying import Copier
from flopcalc.pytorch.counting.evaluation_mode import evaluate
from flopcalc.pytorch.counting.twins import Twin, on_meta


def structural_copy(module: nn.Module, twin: Twin) -> nn.Module:
    """A copy in evaluation mode, as a count makes it."""
    made: nn.Module = Copier(twin).copy(module)
    evaluate(made)
    return made


class Plain(nn.Module):
    """A linear layer, and whatever else."""

    def __init__(self, **held: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        for name, value in held.items():
            self.__dict__[name] = value

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x)
        return out


def test_ties_and_cycles() -> None:
    module: Any = Plain()
    module.other = module.linear
    module.tied = nn.Linear(4, 4)
    module.tied.weight = module.linear.weight
    module.__dict__["all"] = [module, module.linear.weight, {"child": module.linear}]
    made: Any = structural_copy(module, on_meta)
    assert made.other is made.linear is made.all[2]["child"] is not module.linear
    assert made.tied.weight is made.linear.weight is made.all[1]
    assert made.all[0] is made
    assert made.linear.weight.device.type == "meta"
    assert type(made) is Plain


@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize("gradients", [False, True])
def test_tensors(device: str, gradients: bool) -> None:
    """Each has a storage of its own, and the strides, the class and the dtype of the original."""
    module: Any = Plain().to(device)
    module.turned = nn.Parameter(torch.empty(3, 5, dtype=torch.float16, device=device).t())
    module.last = nn.Parameter(torch.empty(2, 3, 4, 4, device=device).to(memory_format=torch.channels_last))
    module.gaps = nn.Parameter(torch.empty_strided((4, 3), (8, 1), device=device))
    module.register_buffer("wide", torch.empty(1, 6, device=device).expand(4, 6))
    module.register_buffer("step", torch.tensor(3, device=device))
    module.frozen = nn.Parameter(torch.empty(2, device=device), requires_grad=False)
    with torch.enable_grad():
        made: nn.Module = Copier(on_meta, gradients=gradients).copy(module)
    held, copies = dict(module.state_dict(keep_vars=True)), dict(made.state_dict(keep_vars=True))
    assert list(held) == list(copies)
    assert len({copy.untyped_storage()._cdata for copy in copies.values()}) == len(held)
    for name, copy in copies.items():
        original = held[name]
        assert (type(copy), copy.dtype, copy.device.type) == (type(original), original.dtype, "meta")
        assert (copy.shape, copy.stride()) == (original.shape, original.stride())
        assert copy.is_leaf
        assert copy.requires_grad == (gradients and original.requires_grad)


def test_what_modules_share_stays_shared() -> None:
    """An empty cache of two modules is one in the copy, and their own containers are two."""
    cache: dict[str, Tensor] = {}
    module: Any = nn.Sequential(Plain(cache=cache), Plain(cache=cache))
    made: Any = structural_copy(module, on_meta)
    assert made[0].cache is made[1].cache is not cache
    for name in ("_forward_hooks", "_buffers", "_non_persistent_buffers_set"):
        assert len({id(vars(one)[name]) for one in (*made, *module)}) == 4


class Slots:
    """An object without a dict."""

    __slots__ = ("module", "tensor")

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.tensor = torch.ones(4)


class OneSlot:
    """The name of its only attribute is a text, not a list of them."""

    __slots__ = "numbers"  # noqa: PLC0205 - the case that is tested

    def __init__(self) -> None:
        self.numbers = [1]


def test_an_object_with_one_slot() -> None:
    made: Any = structural_copy(Plain(held=(held := OneSlot())), on_meta)
    assert made.held is not held
    assert made.held.numbers == [1]
    assert made.held.numbers is not held.numbers


class OwnSlots(nn.Linear):
    """A module with attributes outside of its dict, of which its forward uses all."""

    __slots__ = ("__known__", "__private", "numbers")

    def __init__(self) -> None:
        super().__init__(4, 4)
        self.__private, self.__known__, self.numbers = [1], [5], [2]

    def forward(self, x: Tensor) -> Tensor:
        for numbers in self.held():
            numbers.append(3)
        return super().forward(x) * self.__private[0] * self.numbers[0]

    def held(self) -> tuple[list[int], list[int], list[int]]:
        return self.__private, self.__known__, self.numbers


class OneOwnSlot(nn.Linear):
    """As above; the name alone."""

    __slots__ = "numbers"  # noqa: PLC0205 - the case that is tested

    def __init__(self) -> None:
        super().__init__(4, 4)
        self.numbers = [2]

    def forward(self, x: Tensor) -> Tensor:
        self.numbers.append(4)
        return super().forward(x) * self.numbers[0]


def test_slots_of_a_module() -> None:
    """They are the copy's own."""
    module = OwnSlots()
    assert count(module, (1, 4)).macs == 16
    assert module.held() == ([1], [5], [2])
    other = OneOwnSlot()
    assert count(other, (1, 4)).macs == 16
    assert other.numbers == [2]


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_what_a_forward_writes_to_a_file_goes_nowhere(mode: str, tmp_path: Path) -> None:
    class Writes(Plain):
        def forward(self, x: Tensor) -> Tensor:
            file: Any = self.file
            file.write("more" if mode == "w" else b"more")
            return super().forward(x)

    with (tmp_path / "file").open(mode) as file:
        file.write("before" if mode == "w" else b"before")
        assert count(Writes(file=file), (1, 4)).macs == 16
    assert (tmp_path / "file").read_text() == "before"


class Refuses:
    """An object that does not want to be copied."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("there is only one")


class Mark:
    """An object of which there is one: its copy is itself."""

    def __deepcopy__(self, memo: Any) -> Any:
        return self


MARK = Mark()


def test_objects_copy_themselves_as_they_want() -> None:
    """A forward may look for them by identity."""
    made: Any = structural_copy(Plain(mark=MARK, marks=[MARK]), on_meta)
    assert made.mark is MARK
    assert made.marks[0] is MARK


def test_ways_back_to_the_module() -> None:
    """Closures, bound methods, partial functions, built-in methods, slots, weak references, refusing objects."""
    module: Any = Plain()
    forward = module.forward
    module.ways = [
        lambda: module,
        module.linear.extra_repr,
        functools.partial(nn.Linear.extra_repr, module.linear),
        Slots(module.linear),
        weakref.ref(module.linear),
        Refuses(module.linear),
        deque([module.linear], maxlen=3),
        (module.linear, 1),
        frozenset({module.linear}),
    ]
    module.found = []
    module.note = module.found.append
    module.forward = lambda x: forward(x) * 2
    made: Any = structural_copy(module, on_meta)
    function, method, partial, slots, reference, refuses, queue, pair, members = made.ways
    assert function() is made
    assert method.__self__ is partial.args[0] is slots.module is reference() is refuses.module is made.linear
    assert queue[0] is pair[0] is next(iter(members)) is made.linear
    assert (queue.maxlen, slots.tensor.device.type) == (3, "meta")
    made.note(1)
    assert (made.found, module.found) == ([1], [])
    assert made.forward.__closure__[0].cell_contents.__self__ is made


def test_a_recursive_closure() -> None:
    """A function that holds itself, and a counter that two functions share."""
    calls = 0

    def down(depth: int) -> int:
        nonlocal calls
        calls += 1
        return down(depth - 1) if depth else calls

    module: Any = Plain(down=down, read=lambda: calls)
    made: Any = structural_copy(module, on_meta)
    assert (made.down(2), made.read(), calls) == (3, 3, 0)


def test_what_is_not_shared_and_what_is() -> None:
    lock, stream, log = threading.RLock(), io.StringIO(), logging.getLogger("flopcalc-tests")
    generator, array = torch.Generator().manual_seed(3), np.ones(3)
    module: Any = Plain(lock=lock, stream=stream, log=log, generator=generator, array=array, code=len)
    with lock:
        made: Any = structural_copy(module, on_meta)
        # Another thread can take the lock of the copy, while ours is held.
        taken: list[bool] = []
        thread = threading.Thread(target=lambda: taken.append(made.lock.acquire(timeout=5)))
        thread.start()
        thread.join()
    assert taken == [True]
    assert (made.log, made.code) == (log, len)
    assert made.array is not array
    assert made.generator is not generator
    assert torch.equal(made.generator.get_state(), generator.get_state())
    made.stream.write("not here")
    assert stream.getvalue() == ""


def test_handles_of_hooks_belong_to_the_copy() -> None:
    module: Any = Plain()
    seen: list[Any] = []
    module.handle = module.linear.register_forward_hook(lambda child, given, out: seen.append(child))
    made: Any = structural_copy(module, on_meta)
    made(torch.ones(1, 4, device="meta"))
    made.handle.remove()
    assert (len(made.linear._forward_hooks), len(module.linear._forward_hooks), seen) == (0, 1, [])


class Stubborn(nn.Linear):
    """Refuses new attributes, copies and evaluation mode."""

    def __init__(self) -> None:
        super().__init__(4, 4)
        self.done = True

    def __setattr__(self, name: str, value: Any) -> None:
        if "done" in self.__dict__:
            raise RuntimeError("no new attributes")
        super().__setattr__(name, value)

    def __deepcopy__(self, memo: Any) -> Any:
        raise RuntimeError("no copies")

    def eval(self) -> Any:
        raise NotImplementedError("no modes")


def test_modules_that_refuse() -> None:
    module = nn.Sequential(Stubborn(), nn.Dropout())
    made = structural_copy(module, on_meta)
    assert [child.training for child in made.modules()] == [False] * 3
    assert [child.training for child in module.modules()] == [True] * 3
    assert count(module, (1, 4)).macs == 16


def test_an_iterator_is_not_used_up() -> None:
    class Draws(Plain):
        def forward(self, x: Tensor) -> Tensor:
            numbers: Any = self.numbers
            out: Tensor = super().forward(x) * next(numbers)
            return out

    unused = Plain(numbers=(number for number in range(3)))
    assert count(unused, (1, 4)).macs == 16
    module: Any = Draws(numbers=(number for number in range(3)))
    with pytest.raises(FlopcalcError, match=r"Draws\.numbers cannot be copied") as caught:
        count(module, (1, 4))
    assert caught.value.code == "cannot-copy"
    assert list(module.numbers) == [0, 1, 2]


def test_deep_and_wide_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can run can be counted, and the work of a copy is linear in the number of modules."""
    deep: nn.Module = nn.Linear(2, 2)
    for _ in range(200):
        deep = nn.Sequential(deep)
    # The forward itself takes three calls for each level, and Python allows about 1000.
    deep(torch.ones(1, 2))
    assert count(deep, (1, 2)).macs == 4

    def visits(number: int) -> int:
        wide = nn.ModuleList(nn.Linear(2, 2) for _ in range(number))
        with monkeypatch.context() as patched:
            visited: list[Any] = []
            value = Copier.value

            def visit(copier: Copier, one: Any) -> Any:
                visited.append(one)
                return value(copier, one)

            patched.setattr(Copier, "value", visit)
            structural_copy(wide, on_meta)
        return len(visited)

    assert visits(800) < 4.1 * visits(200)


def test_nothing_of_the_copy_stays_alive() -> None:
    module = Plain()
    made = structural_copy(module, on_meta)
    alive = weakref.ref(made)
    del made
    gc.collect()
    assert alive() is None


def test_a_forward_set_on_the_instance() -> None:
    """By a method of another type, and by a function around the old one."""
    linear: Any = nn.Linear(4, 4)
    linear.forward = types.MethodType(lambda self, x: nn.functional.linear(x, self.weight), linear)
    assert count(linear, (1, 4)).macs == 16
    wrapped: Any = nn.Sequential(nn.Linear(4, 4))
    old = wrapped.forward
    wrapped.forward = lambda x: old(x) + old(x)
    assert count(wrapped, (1, 4)).macs == 32


def test_a_view_of_a_parameter_stays_one() -> None:
    """Otherwise the parameter would count as unused."""

    class Transposed(Plain):
        def forward(self, x: Tensor) -> Tensor:
            weight: Any = self.weight
            out: Tensor = x @ weight
            return out

    module: Any = Transposed()
    del module.linear.bias
    module.linear.register_parameter("bias", None)
    module.__dict__["weight"] = module.linear.weight.t()
    found = count(module, (1, 4))
    assert (found.macs, found.idle) == (16, {})

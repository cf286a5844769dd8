"""The tensors of a copy, what refuses to be copied, numbers drawn from a generator, windows, and names of modules."""

import weakref
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn

from flopcalc.networks.window import Window
from flopcalc.pytorch.counting.copying import Copier
from flopcalc.pytorch.counting.random_numbers import own_random
from flopcalc.pytorch.counting.sharing import other_names
from flopcalc.pytorch.counting.stand_ins import Unavailable
from flopcalc.pytorch.counting.twins import on_cpu, on_meta, real_copy, tensor_twin
from flopcalc.pytorch.counting.window import window_of

aten = torch.ops.aten


def test_numbers_like_a_tensor_are_of_the_given_generator() -> None:
    """Uniform, normal and whole ones: the same again with the same seed, and the process's numbers stay."""
    like, before = torch.empty(3, 4), torch.get_rng_state()
    for func, args, method, bounds in (
        (aten.rand_like.default, (), "uniform_", ()),
        (aten.randn_like.default, (), "normal_", ()),
        (aten.randint_like.default, (9,), "random_", (0, 9)),
        (aten.randint_like.low_dtype, (2, 9), "random_", (2, 9)),
    ):
        found: Any = own_random(func)
        made = found(torch.Generator().manual_seed(5), like, *args)
        seeded = torch.Generator().manual_seed(5)
        assert torch.equal(made, getattr(torch.empty(3, 4), method)(*bounds, generator=seeded))
    assert torch.equal(torch.get_rng_state(), before)


def test_windows() -> None:
    """Kernel, stride, padding, dilation and groups, of convolutions and of pooling, by hand."""
    assert window_of(nn.Conv2d(4, 8, (3, 5), 2, (1, 2), groups=2)) == Window((3, 5), (2, 2), (1, 2), (1, 1), 2)
    assert window_of(nn.Conv1d(4, 8, 3, padding="same", dilation=2)) == Window((3,), (1,), (2,), (2,), 1)
    assert window_of(nn.Conv2d(4, 8, 4, padding="same")) == Window((4, 4), (1, 1), None, (1, 1), 1)
    assert window_of(nn.ConvTranspose3d(4, 8, 2, padding=1)) == Window((2, 2, 2), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1)
    assert window_of(nn.MaxPool2d(3)) == Window((3, 3), (3, 3), (0, 0), (1, 1))
    assert window_of(nn.AvgPool1d(4, 2, 1)) == Window((4,), (2,), (1,), (1,))
    assert window_of(nn.Linear(4, 4)) is None


def test_other_names() -> None:
    """Of a module that is held twice; a place without a module has none."""
    block = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model = nn.Module()
    model.a, model.b, model.inner = block, block, nn.Sequential(block)
    model.register_module("none", None)
    assert other_names(model) == {"a": ("b", "inner.0")}
    assert other_names(nn.Sequential(nn.ReLU(), nn.ReLU())) == {}


class Own(torch.Tensor):  # type: ignore[misc]
    """A class of its own, as quantised weights have."""


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("trained", [False, True])
def test_a_parameter_of_a_class_of_its_own_stays_one(gradients: bool, trained: bool) -> None:
    """Torch marks it, so that it is a parameter of the module as well."""
    held = nn.Parameter(torch.ones(3).as_subclass(Own), requires_grad=trained)
    made = tensor_twin(held, on_meta, gradients=gradients)
    assert type(made) is Own
    assert isinstance(made, nn.Parameter)
    assert made.requires_grad == (gradients and trained)
    assert made.device.type == "meta"


def test_a_copy_with_values() -> None:
    """Of its own storage, on the CPU; of a tensor without values there is none, whatever its device says."""
    x = torch.arange(3.0, requires_grad=True)
    made = real_copy(x)
    assert torch.equal(made, x)
    assert made.data_ptr() != x.data_ptr()
    assert not made.requires_grad
    with pytest.raises(NotImplementedError):
        real_copy(torch.empty(3, device="meta"))


def test_a_view_of_a_parameter_that_starts_later_in_its_storage() -> None:
    """The copy of the parameter has a storage of its own, and the copy of the view starts as far in it."""
    held = nn.Parameter(torch.arange(20.0)[8:].view(3, 4))
    made, view = Copier(on_cpu(torch.Generator())).copy([held, held[1:].t()])
    assert view.data_ptr() == made[1:].data_ptr()
    assert torch.equal(view, torch.tensor([[12.0, 16], [13, 17], [14, 18], [15, 19]]))


def test_a_tensor_that_is_replaced_meanwhile_stays_alive() -> None:
    """Copies are found by the identity of the original, which another tensor would have otherwise."""
    module, copier = nn.Linear(2, 2), Copier(on_meta)
    copier.copy(module)
    old = weakref.ref(module.weight)
    module.weight = nn.Parameter(torch.ones(2, 2))
    assert old() is not None
    assert copier.copy(module.weight) is not copier.memo[id(old())]


class Half:
    """An iterator that notes a copy of itself, and then refuses."""

    def __next__(self) -> int:
        return 1

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        memo[id(self)] = object.__new__(Half)
        raise TypeError("half")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("not at all")


def test_what_refuses_half_way_is_nowhere_in_the_copy() -> None:
    """Under either of its names."""
    module: Any = nn.Linear(2, 2)
    module.one = module.two = Half()
    made = vars(Copier(on_meta).copy(module))
    assert type(made["one"]) is type(made["two"]) is Unavailable


class Held(torch.Tensor):  # type: ignore[misc]
    """A class that keeps its values in another tensor, as quantised weights do."""

    inner: Any

    @staticmethod
    def __new__(cls, inner: Any) -> Any:
        """Of the size of the other tensor."""
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype, device=inner.device)

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["inner"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Any], context: None, size: Any, stride: Any) -> Any:
        return Held(inner["inner"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError(func)


def test_a_class_that_keeps_its_values_in_another_tensor() -> None:
    """The copy keeps a tensor without values; only nested ones have sizes that are values."""
    made: Any = tensor_twin(Held(torch.ones(3, 4)), on_meta, gradients=False)
    assert type(made) is Held
    assert (made.inner.shape, made.inner.device.type, made.device.type) == ((3, 4), "meta", "meta")
    jagged = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)], layout=torch.jagged)
    with pytest.raises(NotImplementedError, match="nested"):
        tensor_twin(jagged, on_meta, gradients=False)

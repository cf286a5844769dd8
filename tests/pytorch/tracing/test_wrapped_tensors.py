"""Tensors of a class whose kernels are its own, as distributed and quantised ones have: every function goes to them.

Torch does not name such a class among the types that a function gets, where it has no functions of its own.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils._pytree import tree_map

from flopcalc import FlopcalcError
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.tracing.symbolic import counted_at, symbolic_network
from flopcalc.symbolic.evaluating import evaluate


class Wrapped(torch.Tensor):  # type: ignore[misc]
    """A tensor around another: each kernel runs on what is inside, and its result is wrapped again."""

    inside: Any

    @staticmethod
    def __new__(cls, inside: Any) -> Any:
        layout = {"strides": inside.stride(), "dtype": inside.dtype, "device": inside.device}
        return torch.Tensor._make_wrapper_subclass(cls, inside.size(), **layout)

    def __init__(self, inside: Any) -> None:
        self.inside = inside

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args, kwargs = tree_map(lambda one: one.inside if isinstance(one, Wrapped) else one, (args, kwargs or {}))
        return tree_map(lambda one: Wrapped(one) if isinstance(one, torch.Tensor) else one, func(*args, **kwargs))


class Of(nn.Module):
    """A function of the wrapped input; a convolution shows that a result is not wrapped."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function
        self.conv = nn.Conv2d(4, 4, 1)

    def forward(self, x: Any) -> Any:
        """The result."""
        out = self.function(Wrapped(x))
        return out if isinstance(out, Wrapped) else self.conv(x)


# The first are views, of which the tracer asks no kernel; then copies, and kernels with rules.
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "view": lambda x: x.view(-1),
    "view_as": lambda x: x.view_as(x),
    "T": lambda x: x.mT,
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "permute by name": lambda x: torch.permute(input=x, dims=(0, 2, 3, 1)),
    "expand": lambda x: x.expand(3, *x.shape[1:]),
    "chunk": lambda x: x.chunk(2, 1)[0],
    "split": lambda x: torch.split(x, 2, 1)[1],
    "split by name": lambda x: torch.split(tensor=x, split_size_or_sections=2, dim=1)[1],
    "unbind": lambda x: x.unbind(1)[0],
    "detach": lambda x: x.detach(),
    "as_strided": lambda x: torch.as_strided(x, (2, 2), (2, 1)),
    "item": lambda x: x[0],
    "slice": lambda x: x[:, 1:],
    "new axis": lambda x: x[..., None],
    "reshape": lambda x: x.permute(0, 2, 3, 1).reshape(-1),
    "flatten": lambda x: x.permute(0, 2, 3, 1).flatten(),
    "reshape of what is turned inside": lambda x: Wrapped(x.inside.permute(0, 2, 3, 1)).reshape(-1),
    "flatten of what is turned inside": lambda x: Wrapped(x.inside.permute(0, 2, 3, 1)).flatten(),
    "contiguous": lambda x: x.permute(0, 2, 3, 1).contiguous(),
    "clone": lambda x: x.clone(),
    "complex": lambda x: x.to(torch.complex64).conj(),
    "linear": lambda x: F.linear(x, x[0, 0]),
    "add": lambda x: x + 1,
    "relu": lambda x: x.relu(),
    "norm": lambda x: F.group_norm(x, 2),
    "softmax": lambda x: x.softmax(1),
    "cat": lambda x: torch.cat([x, x]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    """The tracer counts as the dispatch mode does, and the result is wrapped, as it is without us."""
    module = Of(FUNCTIONS[name])
    assert isinstance(module(torch.rand(1, 4, 8, 8)), Wrapped)
    traced, dispatched = (count_call(module, ((1, 4, 8, 8),), witness=witness) for witness in ("trace", "dispatch"))
    assert asdict(traced) == asdict(dispatched)
    assert "conv" not in traced.times


@pytest.mark.parametrize("name", FUNCTIONS)
def test_symbolic_sizes(name: str) -> None:
    """A closed form is that of the ordinary count, or there is none."""
    module = Of(FUNCTIONS[name])
    try:
        found = symbolic_network(module, (4, 8, 8))
    except FlopcalcError as error:
        assert "needs its sizes as numbers" in error.message  # noqa: PT017
        return
    for size in (8, 13):
        point = dict.fromkeys("NHW", size)
        if found.allows(point):
            counted = counted_at(found, module, (4, 8, 8), 1, point)
            for kind in ("macs", "flops", "traffic"):
                assert evaluate(found.network.total(kind), point) == counted.total(kind), (kind, point)


def test_a_complex_convolution() -> None:
    """What reaches the class are torch's three real convolutions of 4 channels on 64 places; its result is wrapped."""
    module = Of(lambda x: F.conv2d(x.to(torch.complex64), x.to(torch.complex64)[:, :, :1, :1]))
    assert isinstance(module(torch.rand(1, 4, 8, 8)), Wrapped)
    for witness in ("trace", "dispatch"):
        assert count_call(module, ((1, 4, 8, 8),), witness=witness).macs == 3 * 4 * 64

"""Closed forms of functions whose kernels torch has for plain sizes only: forms by hand, and counts at other sizes."""

from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.tracing.checking import differences
from flopcalc.pytorch.tracing.symbolic import counted_at, symbolic_network
from flopcalc.symbolic.evaluating import evaluate

from .multiplied import Multiplied


def _normalised(x: Any, variance: Any, mean: Any) -> Any:
    return (x - mean) * (variance + 1e-5).rsqrt()


def _between(x: Any, least: Any, most: Any) -> Any:
    return (x - least) / (most - least)


def _complex(x: Any) -> Any:
    return x.to(torch.complex64)


# The product has 32 MACs for each row of eight.
ROWS: dict[str, tuple[tuple[int, ...], Callable[[Any], Any], Callable[..., int]]] = {
    "products along the tokens": ((6, 8), lambda x: x.cumprod(1), lambda n, t: 32 * n * t),
    "a diagonal": ((6, 8), lambda x: torch.diag_embed(x[..., 0]) @ x, lambda n, t: n * t * (8 * t + 32)),
    "a diagonal beside": (
        (6, 8),
        lambda x: torch.diag_embed(x[..., 0], -2, 0, 2).transpose(0, 1)[..., :-2] @ x,
        lambda n, t: n * (t + 2) * (8 * t + 32),
    ),
    "how many are not zero": ((6, 8), lambda x: x * x.count_nonzero(1)[:, None], lambda n, t: 32 * n * t),
    "a trace": ((6, 8), lambda x: x * x[:, 0].trace(), lambda n, t: 32 * n * t),
    "a norm by hand": (
        (6, 8),
        lambda x: _normalised(x, *torch.var_mean(x, (1,), keepdim=True)),
        lambda n, t: 32 * n * t,
    ),
    "between the least and the most": (
        (6, 8),
        lambda x: _between(x, *x.aminmax(dim=1, keepdim=True)),
        lambda n, t: 32 * n * t,
    ),
    "in order": ((6, 8), lambda x: x.sort(1)[0], lambda n: 32 * n * 6),
    "drawn at random": ((6, 8), lambda x: F.gumbel_softmax(x, dim=1), lambda n, t: 32 * n * t),
    "shuffled channels": ((4, 5, 8), lambda x: F.channel_shuffle(x, 2), lambda n, h: 32 * n * 4 * h),
    "complex numbers": ((6, 8), lambda x: (x.to(torch.complex64) * 1j).imag, lambda n, t: 32 * n * t),
    "complex numbers, moved": (
        (6, 8),
        lambda x: torch.cat([_complex(x).roll(1, 1), _complex(x).flip(1)], 1).repeat(2, 1, 1).real,
        lambda n, t: 32 * 2 * n * 2 * t,
    ),
    "complex numbers, put into others": (
        (6, 8),
        lambda x: torch.zeros_like(_complex(x)).copy_(_complex(x)).real,
        lambda n, t: 32 * n * t,
    ),
    "complex numbers, turned and in another shape": (
        (6, 8),
        lambda x: torch.fft.fft(x).unflatten(2, (2, 4)).transpose(1, 2).reshape(x.shape[0], -1, 8).real * 1,
        lambda n, t: 32 * n * t,
    ),
    "steps": ((6, 8), lambda x: x * torch.linspace(-1.0, 1, x.shape[1])[:, None], lambda n, t: 32 * n * t),
    "steps of logarithms": (
        (6, 8),
        lambda x: x * torch.logspace(0, 1, x.shape[1], 2.0, device=x.device, requires_grad=True)[:, None],
        lambda n, t: 32 * n * t,
    ),
    "steps of another type": (
        (6, 8),
        lambda x: x * torch.linspace(0, 1, x.shape[1], dtype=torch.float64).to(x.dtype)[:, None],
        lambda n, t: 32 * n * t,
    ),
    "a step that is read": ((6, 8), lambda x: x * float(torch.linspace(0.0, 1, 3)[1]), lambda n, t: 32 * n * t),
    "steps to a tensor": (
        (6, 8),
        lambda x: x * torch.linspace(0, x.max(), x.shape[0])[:, None, None],
        lambda n: 192 * n,
    ),
    "an identity": ((6, 8), lambda x: torch.eye(x.shape[1], device=x.device) @ x, lambda n, t: n * t * (8 * t + 32)),
    "a wide identity": ((6, 8), lambda x: torch.eye(3, x.shape[1]) @ x, lambda n, t: n * 3 * (8 * t + 32)),
    "sums in place": ((6, 8), lambda x: (x + 1).cumsum_(1).cumprod_(2), lambda n, t: 32 * n * t),
    "the logarithm of a sigmoid": ((6, 8), lambda x: F.logsigmoid(x.transpose(0, 1)), lambda n, t: 32 * n * t),
    "a triangle in place": (
        (6, 8),
        lambda x: torch.ones(x.shape[1], x.shape[1]).triu_(1).tril_(2) @ x,
        lambda n, t: n * t * (8 * t + 32),
    ),
    "sums along turned tokens": ((6, 8), lambda x: x.transpose(0, 1).cumsum(1).triu(), lambda n, t: 32 * n * t),
    "turned tokens, moved": ((6, 8), lambda x: x.transpose(0, 1).roll(1, 0).flip(1), lambda n, t: 32 * n * t),
    "a row of tensors by the kernel": (
        (6, 8),
        lambda x: torch.ops.aten.stack.default([x] * 3, 1),
        lambda n, t: 32 * n * 3 * t,
    ),
    "a transform of two axes": ((5, 6, 8), lambda x: torch.fft.fft2(x).real, lambda n: 32 * n * 5 * 6),
}


@pytest.mark.parametrize("name", ROWS)
def test_as_by_hand(name: str) -> None:
    """The products by hand, and each kind of work as counted at other sizes."""
    shape, function, by_hand = ROWS[name]
    module = Multiplied(function, 8, 4)
    varied = by_hand.__code__.co_varnames
    axes = {"n": "batch", "t": "tokens", "h": "height"}
    found = symbolic_network(module, shape, vary=[axes[one] for one in varied])
    assert [*map(str.lower, found.symbols)] == list(varied)
    assert not found.fixed
    for point in ({"n": 1, "t": 9, "h": 3}, {"n": 3, "t": 4, "h": 10}, {"n": 2, "t": 16, "h": 7}):
        at = {one.upper(): point[one] for one in varied}
        assert found.allows(at)
        assert evaluate(found.network.total("macs"), at) == by_hand(*(point[one] for one in varied))
        assert not differences(found, at, counted_at(found, module, shape, 1, at))

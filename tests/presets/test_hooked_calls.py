"""Counters that hook modules: what modules get and return, attention, and products of functions."""

import random
from functools import partial
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: N812
from presets.beside import Calls
from presets.equations import drawn
from presets.hooked import TOOLS, Case, calls, case, check
from torch import Tensor, nn

# Query, keys, values: steps, samples, features.
Q, K, V = (5, 2, 8), (7, 2, 6), (7, 2, 4)
BATCHES = ((2, 5, 8), (2, 7, 6), (2, 7, 4))
ALONE = ((5, 8), (7, 6), (7, 4))


class Gives(nn.Linear):
    """A layer that returns what a function makes of its output."""

    def __init__(self, function: Any) -> None:
        super().__init__(4, 3)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        """The result of the function."""
        return self.function(super().forward(x))


class ConvGives(nn.Conv1d):
    """The same for a convolution."""

    def __init__(self, function: Any) -> None:
        super().__init__(4, 3, 2)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        """The result of the function."""
        return self.function(super().forward(x))


class Weighing(nn.MultiheadAttention):
    """Attention to the steps themselves, that returns what a function makes of the output and of the weights."""

    def __init__(self, function: Any, need_weights: bool = True) -> None:
        super().__init__(8, 2)
        self.function, self.need_weights = function, need_weights

    def forward(self, x: Tensor, keys: Any = None) -> Any:  # type: ignore[override]
        """The result of the function."""
        keys = x if keys is None else keys
        return self.function(*super().forward(x, keys, keys, need_weights=self.need_weights))


class Listed(nn.Conv1d):
    """A convolution of the first of several tensors."""

    def forward(self, xs: Any) -> Any:
        """The result."""
        return super().forward(xs[0])


class Second(nn.Conv1d):
    """A convolution whose input comes second."""

    def forward(self, scale: Tensor, x: Tensor) -> Any:  # type: ignore[override]
        """The result."""
        return super().forward(x) * scale


class Clamp(nn.Module):
    """A module with a function of torch as its forward."""

    forward = staticmethod(torch.clamp)


class Free(nn.Conv1d):
    """A convolution that takes any arguments by name."""

    def forward(self, x: Tensor, **named: Any) -> Any:  # type: ignore[override]
        """The result."""
        return super().forward(x) * named["scale"]


class Still(nn.Linear):
    """A layer without an input."""

    def forward(self) -> Tensor:  # type: ignore[override]
        """The layer of ones."""
        return super().forward(self.weight.new_ones(2, 4))


def _unused(layer: nn.Module) -> nn.Module:
    """A layer whose result the forward does not use."""
    return Calls(lambda one, x: (one(x), x * 2)[1], layer)


def _attention(own: Any, named: Any) -> nn.Module:
    layer = nn.MultiheadAttention(8, 2, kdim=6, vdim=4, **own)
    return Calls(lambda one, *given: one(*given, **named), layer)


def _attend(q: Any, k: Any, v: Any, *, appended: bool = False, zero: bool = False, need_weights: bool = True) -> Any:
    """Torch's function, as its module calls it."""
    new = partial(torch.ones, device=q.device)
    row = new(1, 1, 8) if appended else None
    return F.multi_head_attention_forward(
        q, k, v, 8, 2, None, new(24), row, row, zero, 0.0, new(8, 8), new(8), need_weights=need_weights,
        use_separate_proj_weight=True, q_proj_weight=new(8, 8), k_proj_weight=new(8, k.shape[-1]),
        v_proj_weight=new(8, v.shape[-1]),
    )  # fmt: skip


CASES: dict[str, Case] = {
    # Attention of modules.
    **{
        f"attention, {own} {named} {shapes[0]}": case(partial(_attention, own, named), *shapes)
        for own in ({}, {"batch_first": True}, {"add_bias_kv": True, "add_zero_attn": True}, {"add_zero_attn": True})
        for named in ({}, {"need_weights": False}, {"average_attn_weights": False})
        for shapes in (ALONE, BATCHES if "batch_first" in own else (Q, K, V))
    },
    "attention by names": case(
        lambda: Calls(
            lambda one, q, k, v: one(value=v, need_weights=False, key=k, query=q),
            nn.MultiheadAttention(8, 2, kdim=6, vdim=4),
        ),
        Q, K, V,
    ),
    "attention to nothing": case(
        lambda: Calls(lambda one, q, k: one(q, k, k), nn.MultiheadAttention(8, 2)), Q, (0, 2, 8),
    ),
    "attention without keys": case(
        lambda: Weighing(lambda out, weights: (out, weights), need_weights=False), Q, fails="ultralytics-thop",
    ),
    "attention without values": case(
        lambda: Weighing(lambda out, weights: (out, weights), need_weights=False), Q, (7, 2, 8),
    ),
    **{
        f"attention that returns {what}": case(
            lambda function=function: Calls(lambda one, x: one(x)[0], Weighing(function)), Q, fails=fails,
        )
        for what, function, fails in (
            ("a pair", lambda out, weights: (out, weights), ""),
            ("other weights", lambda out, weights: (out, weights[..., :3]), ""),
            ("three", lambda out, weights: (out, weights, 1), "ultralytics-thop"),
            ("a list", lambda out, weights: [out, weights], "ultralytics-thop"),
        )
    },
    "attention that returns its output": case(
        lambda: Calls(lambda one, x: one(x, x), Weighing(lambda out, weights: out)), Q,
    ),
    # What modules return.
    **{
        f"{cls.__name__} {what}": case(
            lambda cls=cls, function=function: _unused(cls(function)), (2, 4, 4), fails=f"ultralytics-thop {fails}",
        )
        for cls, of_none in ((Gives, "torchinfo"), (ConvGives, ""))
        for what, function, fails in (
            ("a pair", lambda y: (y, y.mT), ""),
            ("a list", lambda y: [[y], y.mT], ""),
            ("a mapping", lambda y: {"a": y, "b": y, "c": y[:1]}, ""),
            ("lists in a mapping", lambda y: {"a": y, "b": [{"c": y[:1], "d": y}]}, ""),
            ("nothing", lambda y: None, of_none),
            ("an empty list", lambda y: [], of_none),
            ("an empty mapping", lambda y: {}, "torchinfo"),
            ("a list of nothing", lambda y: [None, y], of_none),
            ("a number", lambda y: 1, "torchinfo"),
        )
    },
    "a scalar": case(lambda: _unused(Gives(torch.sum)), (2, 4, 4), fails="torchinfo"),
    "a scalar of a convolution": case(lambda: _unused(ConvGives(torch.sum)), (2, 4, 4)),
    "no parameters, nothing": case(lambda: _unused(Calls(lambda x: None)), (2, 4, 7, 8)),
    "no parameters, a number": case(lambda: _unused(Calls(lambda x: 1)), (2, 4, 7, 8), fails="torchinfo"),
    "a container of a number": case(
        lambda: _unused(Calls(lambda layer, x: layer(x).dim(), nn.Linear(8, 3))), (2, 4, 7, 8), fails="torchinfo",
    ),
    # What modules get.
    "a list": case(lambda: Calls(lambda one, x: one([x]), Listed(4, 6, 3)), (2, 4, 9), fails="ultralytics-thop"),
    "the input second": case(
        lambda: Calls(lambda one, x: one(x=x, scale=x.mean()), Second(4, 6, 3)), (2, 4, 9), fails="ultralytics-thop",
    ),
    "a function of torch": case(lambda: Calls(lambda one, x: one(x, max=1, min=0), Clamp()), (2, 4)),
    "a name of its own": case(
        lambda: Calls(lambda one, x: one(scale=2, x=x), Free(4, 6, 3)), (2, 4, 9),
    ),
    "no input": case(lambda: Calls(lambda one, x: one() * x.mean(), Still(4, 3)), (1,)),
    # Products of functions.
    "bmm": calls(lambda x, y: torch.bmm(input=x, mat2=y) + x.bmm(y), (2, 3, 4), (2, 4, 5)),
    "matmul": calls(lambda x, y: torch.matmul(input=x, other=y) + x.matmul(y), (2, 3, 4), (2, 4, 5)),
    "vector": calls(lambda x, y: x @ y, (3, 4), (4,)),
    "mm, which is not counted": calls(torch.mm, (3, 4), (4, 5)),
    "F.linear": calls(lambda x, y: F.linear(input=x, weight=y), (2, 3, 4), (6, 4)),
    "scaled attention": calls(
        lambda q, k, v: F.scaled_dot_product_attention(q, value=v, key=k), (2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 6),
    ),
    "scaled attention, one head": calls(F.scaled_dot_product_attention, (2, 5, 4), (2, 7, 4), (2, 7, 6)),
    "scaled attention to nothing": calls(
        F.scaled_dot_product_attention, (2, 5, 4), (2, 7, 4), (2, 7, 0), fails="ultralytics-thop",
    ),
    **{
        f"attention by function, {named}": calls(partial(_attend, **named), Q, *keys)
        for named, keys in (
            ({}, (K, V)),
            ({"zero": True}, (K, V)),
            ({"need_weights": False}, (K, V)),
            ({"zero": True, "need_weights": False}, (K, V)),
            ({"zero": True, "appended": True, "need_weights": False}, (K, V)),
            ({"appended": True}, (K, V)),
        )
    },
    # The first call of all, and the products in it.
    "attention by function, first": calls(
        lambda x, w, b, o: F.multi_head_attention_forward(x, x, x, 8, 2, w, b, None, None, False, 0.0, o, None),
        Q, (24, 8), (24,), (8, 8),
    ),
    # Sums of products.
    **{
        f"einsum {equation}": calls(partial(torch.einsum, equation), *shapes)
        for equation, shapes in (
            ("ij,jk->ik", ((3, 4), (4, 5))),
            ("ij , jk", ((3, 4), (4, 5))),
            ("bij->bj", ((2, 3, 4),)),
            ("ij,jk,kl->il", ((3, 4), (4, 5), (5, 2))),
            ("...ij,...jk->...ik", ((2, 1, 3, 4), (5, 4, 6))),
            ("b...i,i...->b...", ((2, 3, 4), (4, 3))),
            ("b...i,...ij", ((2, 3, 4), (3, 4, 5))),
            ("...i,j->ij", ((2, 3, 4), (5,))),
            ("ii,ij->j", ((3, 3), (3, 4))),
            ("ij,kj->ik", ((3, 1), (4, 5))),
        )
    },
    "einsum of a list": calls(lambda x, y: torch.einsum("ij,jk->ik", [x, y]), (3, 4), (4, 5)),
    "einsum of a tuple": calls(lambda x, y: torch.einsum("ij,jk", (x, y)), (3, 4), (4, 5)),
    "einsum of numbers": calls(lambda x, y: torch.einsum(x, [0, 1], y, [1, 2], [0, 2]), (3, 4), (4, 5)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_calls(name: str) -> None:
    """The tools run beside the presets."""
    check(CASES[name], *TOOLS)


@pytest.mark.parametrize("seed", range(3))
def test_random_equations(seed: int) -> None:
    """The sum over 50 for each seed."""
    draw = random.Random(seed)  # noqa: S311 - no secrets
    equations = [drawn(draw, operands=2) for _ in range(50)]

    def forward(x: Tensor) -> Tensor:
        for equation, shapes in equations:
            torch.einsum(equation, *(x.new_empty(shape) for shape in shapes))
        return x

    check(calls(forward, (1,)), "ultralytics-thop")

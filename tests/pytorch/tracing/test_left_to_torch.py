"""Where a rule of the tracer applies, no kernel reaches the dispatch mode; where it does not, nothing is counted twice.

A rule that never applied would count the same, only slower, and one that fails half way would count its first kernels
and then torch's.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing.functions import RULES

forward_ad: Any = torch.autograd.forward_ad


class Of(nn.Module):
    """A function of a map of 16 channels, which a convolution makes."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 16, 3, padding=1), function

    def forward(self, x: Any) -> Any:
        """The function."""
        return self.function(self.conv(x))


def _same(function: Callable[[Any], Any]) -> None:
    traced, dispatched = (
        asdict(count_call(Of(function), ((1, 3, 8, 8),), on="meta", witness=witness))
        for witness in ("trace", "dispatch")
    )
    assert traced == dispatched


BY_RULES: dict[str, Callable[[Any], Any]] = {
    "new_zeros": lambda y: y.new_zeros(3, 4) + y.new_ones((3, 4)) + y.new_empty([3, 4], device="meta"),
    "new of a dtype": lambda y: y.new_zeros((3,), dtype=torch.float64),
    "layer_norm": lambda y: F.layer_norm(y, (8, 8)) + F.layer_norm(y, [8], y.new_ones(8), y.new_ones(8)),
    "layer_norm by name": lambda y: F.layer_norm(input=y, normalized_shape=(8,), bias=y.new_ones(8), eps=1e-3),
    "global pool": lambda y: F.adaptive_avg_pool2d(y, 1) + F.adaptive_avg_pool2d(y, output_size=(1, 1)),
    "matmul": lambda y: (y @ y, torch.matmul(y, y.new_ones(8, 5)), y[0, 0] @ y.new_ones(8, 5)),
    "flatten": lambda y: (y.flatten(1, 2), torch.flatten(y, 1), torch.flatten(y, end_dim=1), y.flatten()),
    "rows by an index": lambda y: y[y.new_zeros(5, dtype=torch.int64)],
    "linear on a turned matrix": lambda y: F.linear(y[0, 0].t(), y.new_ones(4, 8), y.new_ones(4)),
    "mean": lambda y: (y.mean(-1), y.mean((2, 3), keepdim=True), torch.mean(y, dim=1)),
    "self attention": lambda y: _attends(y.flatten(2).permute(2, 0, 1).contiguous(), 16, 16),
    "linear of some of the channels": lambda y: F.linear(y[..., :4], y.new_ones(5, 4)),
    "product of some of the channels": lambda y: y[..., :4] @ y.new_ones(4, 5),
    "whole numbers in place": lambda y: (
        y.new_zeros(3, dtype=torch.int64).add_(1).mul_(y.new_ones(3, dtype=torch.int64))
    ),
    "one written in Python": F.tanhshrink,
    "a view by name": lambda y: y.chunk(2, dim=1),
    "padding of a turned map": lambda y: F.pad(y.transpose(2, 3), (1, -2)),
    "a part that is written": lambda y: y.__setitem__((0, 0, 0, 0), 1.0) or y,
    "facts by name": lambda y: y.new_zeros(y.size(dim=1), y.stride(dim=2)),
    "facts": lambda y: (y.shape, y.device, y.dtype, y.size(1), y.stride(), y.is_contiguous(), y.dim(), len(y)) and y,
}


def _attends(y: Any, out: int, bias: int | None) -> Any:
    weight, sums = y.new_ones(48, 16), y.new_ones(48)
    last = None if bias is None else y.new_ones(bias)
    return F.multi_head_attention_forward(
        *(y, y, y, 16, 4, weight, sums, None, None, False, 0.0, y.new_ones(out, 16), last, False), need_weights=False
    )[0]


@pytest.mark.parametrize("name", BY_RULES)
def test_no_kernel_is_needed(name: str, kernels: list[Any]) -> None:
    """All of it is by rules, and the same as the dispatch mode sees."""
    count_call(Of(BY_RULES[name]), ((1, 3, 8, 8),))
    assert not kernels
    _same(BY_RULES[name])


def test_an_empty_part_that_is_written() -> None:
    """Torch fills it, and reads no number for that."""
    _same(lambda y: y.__setitem__((..., slice(3, 3)), 1.0) or y)


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8), (2, 3, 8, 8), (2, 3, 4, 8, 8), (2, 2, 3, 4, 8, 8)], ids=str)
def test_global_pools_of_all_ranks(shape: tuple[int, ...]) -> None:
    """Torch takes the mean of the last two axes of any number, also where the channels are innermost."""

    def function(y: Any) -> Any:
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        last = y.new_ones(shape)
        if len(shape) in formats:
            last = last.contiguous(memory_format=formats[len(shape)])
        pools = [F.adaptive_avg_pool2d(one, 1) for one in (y.new_ones(shape), last)]
        return [(one, 2 * one.new_ones(one.stride())) for one in pools]

    _same(function)


@pytest.mark.parametrize(("out", "bias"), [(16, None), (24, 24), (24, None), (16, 1), (8, 8)])
def test_an_unusual_projection_of_attention(out: int, bias: int | None) -> None:
    """Torch also takes another width, and a bias for all: the rule sees that before it counts its first kernel."""
    _same(lambda y: _attends(y.flatten(2).permute(2, 0, 1).contiguous(), out, bias))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((4, 8), (3, 8, 6)),
        ((4, 8), (2, 3, 8, 6)),
        ((4, 8), (1, 8, 6)),
        ((8,), (3, 8, 6)),
        ((3, 4, 8), (8, 6)),
        ((3, 4, 8), (8,)),
        ((2, 1, 4, 8), (3, 8, 6)),
        ((4, 8), (8, 6)),
    ],
    ids=str,
)
def test_products(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    """Of all ranks, each factor contiguous or transposed: torch folds some into one product, and copies for others."""

    def function(y: Any) -> Any:
        a, b = y.new_ones(one), y.new_ones(other)
        first, second = ((x, x.mT.contiguous().mT if x.dim() > 1 else x) for x in (a, b))
        return [left @ right for left in first for right in second]

    _same(function)


BOUNDS: dict[str, Callable[[Any, Any], Any]] = {
    "clamp": lambda x, bound: x.clamp(bound, bound + 1),
    "clamp above": lambda x, bound: torch.clamp(x, max=bound),
    "clamp_max": torch.clamp_max,
    "clamp_min": lambda x, bound: x.clamp_min(bound),
    "clip": lambda x, bound: x.clip(min=bound),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_that_broadcast(name: str) -> None:
    """Clamped by 5 bounds, a column of 16 is 16 x 5: its product with itself has 16 * 16 * 5 MACs."""

    def function(y: Any) -> Any:
        column = BOUNDS[name](y[0, :, 0, :1], y.new_zeros(5))
        return column @ column.T

    _same(function)
    found = count_call(Of(function), ((1, 3, 8, 8),))
    assert found.macs == 27 * 16 * 64 + 16 * 16 * 5


def test_tangents() -> None:
    """Forward-mode: each product is of the value, of its tangent, and of the tangent of the weight, which is 0."""

    def function(y: Any) -> Any:
        with forward_ad.dual_level():
            x = forward_ad.make_dual(y[0, 0], y.new_ones(8, 8))
            return forward_ad.unpack_dual(torch.relu(x @ y.new_ones(8, 4))).tangent

    _same(function)
    found = count_call(Of(function), ((1, 3, 8, 8),))
    assert found.macs == 27 * 16 * 64 + 3 * 8 * 8 * 4
    assert not found.uncounted


UNSEEN: dict[str, Callable[[Any], Any]] = {
    "jacobian": lambda y: torch.func.jacfwd(lambda x: (x * 2 + 1).sum())(y[0, 0, 0]),
    "masked": lambda y: (torch.masked.masked_tensor(y, y > 0) * 2).get_data(),
}


@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors")
@pytest.mark.parametrize("name", UNSEEN)
def test_tensors_that_no_kernel_made_are_of_no_other_thread(name: str) -> None:
    """Torch makes tangents itself, and a class of tensors makes the results that it wraps."""
    _same(UNSEEN[name])
    assert not count_call(Of(UNSEEN[name]), ((1, 3, 8, 8),)).uncounted


@pytest.mark.parametrize("first", [torch.int64, torch.float64])
def test_cat_of_two_types(first: Any) -> None:
    """The type that holds both; then 16 x 8 rows of 16 to 4."""

    def function(y: Any) -> Any:
        both = torch.cat((y.to(first), y), 3).to(torch.float32)
        assert torch.cat((y.to(first), y), 3).dtype == torch.promote_types(first, torch.float32)
        return F.linear(both, y.new_ones(4, 16))

    _same(function)
    assert count_call(Of(function), ((1, 3, 8, 8),)).macs == 27 * 16 * 64 + 16 * 8 * 16 * 4


WRONG: dict[str, Callable[[Any], Any]] = {
    "layer_norm": lambda y: F.layer_norm(y, (7,)),
    "layer_norm, weight": lambda y: F.layer_norm(y, (8,), y.new_ones(7)),
    "layer_norm of nothing": lambda y: F.layer_norm(y, ()),
    "batch_norm": lambda y: F.batch_norm(y, y.new_ones(7), y.new_ones(7)),
    "batch_norm of a vector": lambda y: F.batch_norm(y[0, 0, 0], y.new_ones(()), y.new_ones(())),
    "matmul": lambda y: y @ y[:, :, :5],
    "matmul of batches": lambda y: y @ y[:, :3],
    "bmm": lambda y: torch.bmm(y[0], y[0, :3]),
    "linear": lambda y: F.linear(y, y.new_ones(4, 7)),
    "linear, bias": lambda y: F.linear(y, y.new_ones(4, 8), y.new_ones(3)),
    "conv2d": lambda y: F.conv2d(y, y.new_ones(4, 3, 3, 3)),
    "conv2d of a volume": lambda y: F.conv2d(y[:, :, None], y.new_ones(4, 16, 1, 3, 3)),
    "conv2d of rows": lambda y: F.conv2d(y[0], y.new_ones(4, 8, 3)),
    "cat": lambda y: torch.cat((y, y[:, :, :5]), 1),
    "cat of other axes": lambda y: torch.cat((y, y[0]), 1),
    "flatten": lambda y: y.flatten(2, 1),
    "pool of five axes": lambda y: F.adaptive_avg_pool2d(y[None], 2),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_that_the_forward_catches(name: str) -> None:
    """It is torch's error, and nothing is counted for it."""

    def function(y: Any) -> Any:
        with pytest.raises((RuntimeError, IndexError, ValueError)):
            WRONG[name](y)
        return y

    _same(function)


@pytest.mark.parametrize("name", ["new_zeros", "new_ones", "new_empty"])
def test_a_new_tensor_on_another_device(name: str) -> None:
    """Only those without values are by the rule; the device may be a text or a device."""
    x, rule = torch.empty(2, device="meta"), RULES[getattr(torch.Tensor, name)]
    for device in ("cpu", torch.device("cpu")):
        assert rule(Recorder({}), x, 3, device=device) is None
    for device in (None, "meta", torch.device("meta")):
        assert rule(Recorder({}), x, (3, 2), device=device).shape == (3, 2)

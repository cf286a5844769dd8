"""Group-equivariant convolution on p4 and p4m."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan


def transform(x: Tensor, element: int) -> Tensor:
    """A group element applied to the last two axes: element = 4 * mirrored + quarter turns, mirror first."""
    mirrored = x.flip(-1) if element >= 4 else x
    return torch.rot90(mirrored, element % 4, (-2, -1))


def quotients(order: int) -> list[list[int]]:
    """Row s, column t: the element q with s q = t."""
    # An element is known by what it does to a grid; (s q)(x) = s(q(x)).
    grid = torch.arange(9, device="cpu").reshape(3, 3)
    known = {tuple(transform(grid, e).flatten().tolist()): e for e in range(order)}
    table = [[0] * order for _ in range(order)]
    for s in range(order):
        for q in range(order):
            t = known[tuple(transform(transform(grid, q), s).flatten().tolist())]
            table[s][t] = q
    return table


def _sources(order: int, order_in: int, k: int) -> list[list[int]]:
    """For output channel s and filter position (t, u): the index of the weight of (t, u) that is used there.

    The filter of s is that of the identity, transformed: at (t, u) it is psi(s^-1 t, s^-1 u).
    """
    grid = torch.arange(k * k, device="cpu").reshape(k, k)
    table = quotients(order) if order_in > 1 else [[0]] * order
    return [[q * k * k + u for q in table[s] for u in transform(grid, s).flatten().tolist()] for s in range(order)]


class GroupFilters(nn.Module):
    """The weights of one filter for each pair of maps, and their transformed copies as one filter bank."""

    sources: Tensor

    def __init__(self, c_out: int, c_in: int, order: int, order_in: int, k: int, device: Any, dtype: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(c_out, c_in, order_in, k, k, device=device, dtype=dtype))
        # As nn.Conv2d initialises its own.
        nn.init.kaiming_uniform_(self.weight.flatten(1), a=math.sqrt(5))
        sources = torch.tensor(_sources(order, order_in, k), device=device)
        self.register_buffer("sources", sources, persistent=False)

    def forward(self) -> Tensor:
        """-> (c_out * order, c_in * order_in, k, k)."""
        c_out, c_in, order_in, k, _ = self.weight.shape
        order, taps = self.sources.shape
        size = (c_out, order, c_in, taps)
        weight = self.weight.view(c_out, 1, c_in, taps).expand(size)
        bank = torch.gather(weight, 3, self.sources.view(1, order, 1, taps).expand(size))
        return bank.view(c_out * order, c_in * order_in, k, k)


class SpreadBias(nn.Module):
    """One bias for each map, given to all of its channels."""

    def __init__(self, c_out: int, order: int, bound: float, device: Any, dtype: Any) -> None:
        super().__init__()
        self.order = order
        self.bias = nn.Parameter(torch.empty(c_out, device=device, dtype=dtype))
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self) -> Tensor:
        """-> (c_out * order,)."""
        spread = self.bias.unsqueeze(1).expand(-1, self.order)
        return spread.clone(memory_format=torch.contiguous_format).view(-1)


class PlanarConv(nn.Module):
    """The plain convolution with given filters."""

    def __init__(self, stride: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int]) -> None:
        super().__init__()
        self.stride, self.padding, self.dilation = stride, padding, dilation

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """As nn.functional.conv2d."""
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation)


class GroupConv2d(nn.Module):
    """p4 or p4m convolution (Cohen and Welling 2016, Sec. 6 and 7). Channel = map * order + group element.

    in_channels and out_channels count maps. lifting: the input is a plain image of in_channels.
    Transforming the input (each map's channels permuted accordingly) transforms the output likewise.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = False,
        *,
        group: str = "p4",
        lifting: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given = {"group": group, "lifting": lifting, "bias": bias}
        e = plan("gconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g, order, order_in = e.geometry, e.named["order"], e.named["order_in"]
        self.filters = GroupFilters(out_channels, in_channels, order, order_in, g.k_h, device, dtype)
        bound = 1 / math.sqrt(in_channels * order_in * g.area)
        self.spread = SpreadBias(out_channels, order, bound, device, dtype) if bias else None
        self.conv = PlanarConv(g.stride, g.padding, g.dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in * order_in, h, w) -> (n, c_out * order, h_out, w_out)."""
        bias = None if self.spread is None else self.spread()
        out: Tensor = self.conv(x, self.filters(), bias)
        return out


LAYER = GroupConv2d

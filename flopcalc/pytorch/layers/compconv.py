"""CompConv, after its paper's text and figure; its authors' code is not known."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.operators.compconv import shuffled
from flopcalc.pytorch.layers._blocks import Concat, Gather, conv_block, plan, pool_to_stride
from flopcalc.pytorch.layers._primitives import Subsample


def _max_pool(stride: tuple[int, int]) -> nn.MaxPool2d:
    return nn.MaxPool2d(stride, stride, ceil_mode=True)


# The identity copies on the grid of a strided convolution.
COPIES: dict[str, Callable[[tuple[int, int]], nn.Module]] = {
    "average": pool_to_stride,
    "max": _max_pool,
    "slice": Subsample,
}


class Join(nn.Module):
    """Concatenation, then a shuffle that interleaves the groups of channels, if there is one.

    The paper names no number of groups for its shuffle.
    """

    def __init__(self, channels: int, groups: int | None, device: Any = None) -> None:
        super().__init__()
        self.concat = Concat()
        self.shuffle = None if groups is None else Gather(shuffled(channels, groups), device)

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """Pieces -> all channels, shuffled."""
        out: Tensor = self.concat(tensors)
        return out if self.shuffle is None else self.shuffle(out)


class CompConv2d(nn.Module):
    """Divide-and-conquer convolution (Zhang, Xu, Shen 2021). See flopcalc/operators/compconv.py.

    At a stride the identity copies are pooled, or sliced (identity: average, max, slice). norm adds batch norm after
    each convolution; activation (default: as norm) adds ReLU after each.
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
        *,
        c0: int = 128,
        depth: int | None = None,
        depth_rule: str = "max",
        tail: str = "conv",
        identity: str = "average",
        shuffle: bool = True,
        shuffle_groups: int = 2,
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"c0": c0, "depth_rule": depth_rule, "tail": tail, "norm": norm}
        given |= {"identity": identity, "shuffle": shuffle, "shuffle_groups": shuffle_groups}
        given |= {} if depth is None else {"depth": depth}
        given |= {} if activation is None else {"activation": activation}
        e = plan("compconv", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, **given)
        g = e.geometry
        self.depth: int = e.named["d"]
        prim: int = e.named["c_prim"]
        common: dict[str, Any] = {
            "padding": g.padding,
            "dilation": g.dilation,
            "norm": norm,
            "activation": e.named["activation"],
            "device": device,
            "dtype": dtype,
        }
        self.primary = conv_block(in_channels, prim, g.kernel, stride=g.stride, **common)
        if self.depth == 0:
            return
        # Widths of the blocks B(d-1), B(d-2), ..., B(0); the copies A(i) next to them have the same width.
        self.widths = [2**level * prim for level in range(self.depth)]
        self.identity = COPIES[identity](g.stride) if g.strided and self.depth > 1 else None
        wide = self.widths[1:]
        self.chain_join = nn.ModuleList(Concat() for _ in wide)
        self.chain = nn.ModuleList(conv_block(width, width, g.kernel, **common) for width in wide)
        last = self.widths[-1]
        self.tail = conv_block(last, last, g.kernel, groups=last if tail == "depthwise" else 1, **common)
        self.kept_tail = last - (2 * sum(self.widths) - out_channels)
        self.join = Join(out_channels, shuffle_groups if shuffle else None, device)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        block: Tensor = self.primary(x)
        if self.depth == 0:
            return block
        copied = sum(self.widths[:-1])
        copies = x[:, :copied]
        if self.identity is not None:
            copies = self.identity(copies)
        out, start = [block], 0
        for join, conv, width in zip(self.chain_join, self.chain, self.widths, strict=False):
            copy = copies[:, start : start + width]
            start += width
            block = conv(join((copy, block)))
            out += [copy, block]
        out.append(self.tail(block)[:, : self.kept_tail])
        joined: Tensor = self.join(out)
        return joined


LAYER = CompConv2d

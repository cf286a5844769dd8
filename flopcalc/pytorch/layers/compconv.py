"""CompConv, after its paper's text and figure; its authors' code is not known."""

from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import Concat, Gather, conv_block, plan, pool_to_stride


class Join(nn.Module):
    """Concatenation, then a shuffle that interleaves the two halves of the channels.

    The paper names no number of groups for its shuffle; two halves work for any channel count.
    """

    def __init__(self, channels: int, device: Any = None) -> None:
        super().__init__()
        place = torch.arange(channels, device=device)
        self.shuffle = Gather(place // 2 + place % 2 * -(-channels // 2))
        self.concat = Concat()

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """Pieces -> all channels, shuffled."""
        out: Tensor = self.shuffle(self.concat(tensors))
        return out


class CompConv2d(nn.Module):
    """Divide-and-conquer convolution (Zhang, Xu, Shen 2021). See flopcalc/operators/compconv.py.

    At a stride the identity copies are average-pooled. norm adds batch norm after each convolution;
    activation (default: as norm) adds ReLU after each.
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
        norm: bool = False,
        activation: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"c0": c0, "depth_rule": depth_rule, "tail": tail, "norm": norm}
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
        self.identity = pool_to_stride(g.stride) if g.strided and self.depth > 1 else None
        wide = self.widths[1:]
        self.chain_join = nn.ModuleList(Concat() for _ in wide)
        self.chain = nn.ModuleList(conv_block(width, width, g.kernel, **common) for width in wide)
        last = self.widths[-1]
        self.tail = conv_block(last, last, g.kernel, groups=last if tail == "depthwise" else 1, **common)
        self.kept_tail = last - (2 * sum(self.widths) - out_channels)
        self.join = Join(out_channels, device)

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

"""CompConv: its recursion, its copies, and its limit."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import random_tensor, refused
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.operators.compconv import shuffled
from flopcalc.pytorch.comparison import compare_layer
from flopcalc.pytorch.layers import CompConv2d


def test_compconv_follows_its_recursion() -> None:
    """d = 3, C_prim = 2, 28 channels as in the authors' figure, two of them surplus."""
    module = CompConv2d(16, 26, 3, depth=3, dtype=torch.float64)
    x = random_tensor(1, 16, 6, 6)

    def conv(block: Any, y: Tensor) -> Tensor:
        return F.conv2d(y, block.conv.weight, padding=1)

    b2 = conv(module.primary, x)
    a2 = x[:, 0:2]
    b1 = conv(module.chain[0], torch.cat([a2, b2], 1))
    a1 = x[:, 2:6]
    b0 = conv(module.chain[1], torch.cat([a1, b1], 1))
    a0 = conv(module.tail, b0)[:, :6]
    ordered = torch.cat([b2, a2, b1, a1, b0, a0], 1)
    assert [t.shape[1] for t in (b2, a2, b1, a1, b0, a0)] == [2, 2, 4, 4, 8, 6]
    out = module(x)
    # The shuffle interleaves the two halves, and loses nothing.
    assert torch.allclose(out[:, 0::2], ordered[:, :13])
    assert torch.allclose(out[:, 1::2], ordered[:, 13:])


def test_compconv_copies_are_pooled_at_a_stride() -> None:
    """The identity copies reach the output as averages of the input, odd sizes included."""
    module = CompConv2d(16, 28, 3, stride=2, depth=3, dtype=torch.float64)
    x = random_tensor(1, 16, 7, 7)
    out = module(x)
    ordered = torch.cat([out[:, 0::2], out[:, 1::2]], 1)
    copies = F.avg_pool2d(x, 2, 2, ceil_mode=True)
    assert torch.allclose(ordered[:, 2:4], copies[:, 0:2])
    assert torch.allclose(ordered[:, 8:12], copies[:, 2:6])


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6])
def test_any_depth(depth: int) -> None:
    """Each level doubles: B(i) has as many channels as A(i), copies of the input or what the level before made."""
    e = layer("compconv", 512, 512, hw=8, depth=depth)
    sizes = [e.derived["c_prim"] * 2**level for level in range(depth)]
    macs = 9 * 64 * (512 * sizes[0] + sum((2 * size) ** 2 for size in sizes[:-1]))
    found = {part.name: part for part in e.cost}
    assert found["primary"].macs + found["chain"].macs == macs
    # Eq. 8, the last term squared.
    assert found["tail"].macs == 9 * 64 * sizes[-1] ** 2
    # What is too many is cut from A(0), so the module runs.
    assert 0 <= 2 * sum(sizes) - 512 < sizes[-1]
    assert all(row.agrees for row in compare_layer(e))


@pytest.mark.parametrize("depth", [2, 3, 4, 5, 6])
def test_the_input_has_the_channels_that_are_copied(depth: int) -> None:
    """A(d - 1) to A(1), of C_prim channels and twice as many at each level."""
    c_prim = 2
    copied = sum(c_prim * 2**level for level in range(depth - 1))
    channels = 2 * sum(c_prim * 2**level for level in range(depth))
    assert layer("compconv", copied, channels, hw=8, depth=depth).derived["c_prim"] == c_prim
    refused(f"{copied} input channels are copied", "compconv", copied - 1, channels, hw=8, depth=depth)


def test_compconv_at_depth_zero_is_a_convolution() -> None:
    """Its declared limit."""
    module = CompConv2d(4, 6, 3, depth=0, dtype=torch.float64)
    x = random_tensor(1, 4, 5, 5)
    assert torch.allclose(module(x), F.conv2d(x, module.primary.conv.weight, padding=1))


def test_compconv_copies_as_maxima_or_slices() -> None:
    """The copies that other readings of the paper use: the largest of each window, or its first position."""
    x = random_tensor(1, 16, 7, 7)
    for identity, copies in (("max", F.max_pool2d(x, 2, 2, ceil_mode=True)), ("slice", x[:, :, ::2, ::2])):
        module = CompConv2d(16, 28, 3, stride=2, depth=3, identity=identity, shuffle=False, dtype=torch.float64)
        out = module(x)
        assert torch.equal(out[:, 2:4], copies[:, 0:2])
        assert torch.equal(out[:, 8:12], copies[:, 2:6])


def test_compconv_shuffle_by_hand() -> None:
    """12 channels in 3 groups: channel 4 j + i goes to place 3 i + j. 7 in 3: groups of 3, 3 and 1."""
    assert shuffled(12, 3) == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]
    assert shuffled(7, 3) == [0, 3, 6, 1, 4, 2, 5]
    x = random_tensor(1, 16, 5, 5)
    plain, mixed = (
        CompConv2d(16, 12, 3, depth=2, dtype=torch.float64, **given)
        for given in ({"shuffle": False}, {"shuffle_groups": 3})
    )
    mixed.load_state_dict(plain.state_dict())
    expected = torch.nn.functional.channel_shuffle(plain(x), 3)
    assert torch.equal(mixed(x), expected)


def test_compconv_options_change_no_macs() -> None:
    """At stride 2, 28 x 28 -> 14 x 14, d = 3, p = 4: 3 p = 12 copied channels. The shuffle moves 56 channels."""
    e = {
        name: layer("compconv", 64, 56, hw=28, stride=2, depth=3, identity=name) for name in ("average", "max", "slice")
    }
    assert len({one.cost.macs for one in e.values()}) == 1
    # Four values for each of 12 * 196 outputs: sums and divisions, comparisons, nothing.
    assert [one.cost.total("adds") for one in e.values()] == [4 * 12 * 196, 0, 0]
    assert [one.cost.total("other") for one in e.values()] == [12 * 196, 4 * 12 * 196, 0]
    off = layer("compconv", 64, 56, hw=28, stride=2, depth=3, shuffle=False)
    assert off.cost.steps == e["average"].cost.steps - 1
    # Read, written, and the index of the channels.
    assert e["average"].cost.total("traffic") - off.cost.total("traffic") == 2 * 56 * 196 + 56
    refused("more than c_out", "compconv", 64, 56, depth=3, shuffle_groups=57)


def test_the_last_block_keeps_a_channel() -> None:
    """At depth 1 the output is two blocks of ceil(C_out / 2) channels: of one channel the second would keep none."""
    assert layer("compconv", 64, 3, depth=1).named["c_prim"] == 2
    refused("1 surplus channels are not fewer than the channels of A.0., 1", "compconv", 64, 1, depth=1)

"""ODConv: numbers by hand, the definition with one full kernel for each sample, and networks as printed."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, part_params, part_total, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


def test_odconv_numbers() -> None:
    """64 -> 128, 3 x 3, 4 kernels: W = 73,728; 16 channels in the attention, since 64 / 16 is less."""
    assert part_params("odconv", 64, 128, norm=True) == {
        "attention.reduce": 64 * 16,
        "attention.norm": 2 * 16,
        "attention.channel": 16 * 64 + 64,
        "attention.filter": 16 * 128 + 128,
        "attention.taps": 16 * 9 + 9,
        "attention.kernel": 16 * 4 + 4,
        "convolution": 4 * 73_728,
    }
    e = layer("odconv", 64, 128, hw=28, batch=3)
    heads = 16 * (64 + 64 + 128 + 9 + 4)
    assert e.cost.macs == 3 * (784 * 73_728 + 4 * 73_728 + heads)
    # The input and the output are scaled, and the taps of each sample's kernel.
    assert e.cost.total("muls") == 3 * (784 * (64 + 128) + 73_728)
    assert layer("odconv", 512).named["hidden"] == 32
    # One kernel: no shares. A 1x1 kernel: no taps. Depthwise: the output's channels are the input's.
    assert layer("odconv", 64, kernels=1).cost.macs == 3136 * 36_864 + 16 * (3 * 64 + 9)
    assert layer("odconv", 64, k=1, kernels=1).cost.macs == 3136 * 4096 + 16 * 3 * 64
    assert layer("odconv", 64, groups=64, kernels=1).cost.macs == 3136 * 576 + 16 * (2 * 64 + 9)
    assert layer("odconv", 64, k=1, kernels=1, batch=2).cost.total("muls") == 2 * 2 * 3136 * 64


CASES: list[dict[str, Any]] = [
    {},
    {"kernels": 1, "norm": True},
    {"kernels": 2, "groups": 2, "stride": 2},
    {"kernels": 1, "k": 1},
    {"kernels": 3, "k": 1, "norm": True},
    {"c_out": 4, "groups": 4, "kernels": 2},
]


@pytest.mark.parametrize("given", CASES, ids=str)
def test_odconv_by_its_definition(given: dict[str, Any]) -> None:
    """Eq. 2: the sum over kernels of shares x filters x channels x taps x W, then one convolution, for each sample."""
    shape = {"c_out": 6, "least": 3, **given}
    module = build_block("odconv", 4, **shape)
    x = random_tensor(3, 4, 7, 6)
    attention, weight = module.attention, module.convolution.weight

    def head(name: str) -> Any:
        return means @ getattr(attention, name).conv.weight.flatten(1).T + getattr(attention, name).conv.bias

    means = x.mean((2, 3)) @ attention.reduce.weight.flatten(1).T
    if "norm" in given:
        means = batch_norm(attention.norm, means[:, :, None, None])[:, :, 0, 0]
    means = F.relu(means)
    k, groups = given.get("k", 3), given.get("groups", 1)
    expected = []
    for sample in range(3):
        channel = head("channel").sigmoid()[sample]
        # The weights of channel c of a group's filters, for each output channel.
        inputs = channel.reshape(groups, 1, -1).expand(groups, len(weight[0]) // groups, -1).flatten(0, 1)
        kernel = torch.zeros_like(weight[0])
        for index, one in enumerate(weight):
            scaled = one * inputs[:, :, None, None]
            if given.get("c_out") != 4:
                scaled = scaled * head("filter").sigmoid()[sample][:, None, None, None]
            if k != 1:
                scaled = scaled * head("taps").sigmoid()[sample].reshape(k, k)
            if len(weight) != 1:
                scaled = scaled * head("kernel").softmax(1)[sample, index]
            kernel = kernel + scaled
        conv = {"stride": given.get("stride", 1), "padding": k // 2, "groups": groups}
        expected.append(F.conv2d(x[sample : sample + 1], kernel, **conv))
    assert torch.allclose(module(x), torch.cat(expected))


# Parameters in M, as in the authors' tables: kernels, and the printed figure.
RESNETS = {
    18: ((2, 2, 2, 2), {1: "11.94", 4: "44.90"}),
    50: ((3, 4, 6, 3), {1: "28.64", 4: "90.67"}),
    101: ((3, 4, 23, 3), {1: "50.82", 2: "90.44"}),
}


@pytest.mark.parametrize("depth", RESNETS)
def test_odconv_resnets_as_printed(depth: int) -> None:
    """ODConv in the blocks of ResNets; the first convolution, the shortcuts and the classifier are plain."""
    blocks, printed = RESNETS[depth]
    for kernels, figure in printed.items():

        def put(c_in: int, c_out: int, k: int, kernels: int = kernels) -> int:
            # With the batch norm after it.
            return layer("odconv", c_in, c_out, k=k, kernels=kernels, norm=True).cost.params + 2 * c_out

        total, c_in = 3 * 64 * 49 + 2 * 64, 64
        for stage, count in enumerate(blocks):
            width, out = 64 * 2**stage, 64 * 2**stage * (1 if depth == 18 else 4)
            for _ in range(count):
                if depth == 18:
                    total += put(c_in, width, 3) + put(width, width, 3)
                else:
                    total += put(c_in, width, 1) + put(width, width, 3) + put(width, out, 1)
                total += 0 if c_in == out else c_in * out + 2 * out
                c_in = out
        total += c_in * 1000 + 1000
        assert f"{total / 10**6:.2f}" == figure


@pytest.mark.parametrize(
    ("c_in", "c_out", "groups"), [(4, 4, 4), (4, 2, 2), (2, 4, 2), (4, 4, 2), (4, 8, 4), (4, 4, 1)]
)
def test_attention_over_output_channels(c_in: int, c_out: int, groups: int) -> None:
    """The authors' code skips it `if in_planes == groups and in_planes == out_planes`, and only there."""
    e = layer("odconv", c_in, c_out, groups=groups, hw=5)
    assert bool(part_total(e, "scale_out", "muls")) == (not c_in == c_out == groups)

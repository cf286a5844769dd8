"""The windows of described layers: what the description says, with the defaults of docs/networks.md."""

import pytest
from helpers import WriteNetwork

from flopcalc import network
from flopcalc.networks.window import Window

MAP, VOLUME = "[8, 12, 10]", "[4, 6, 7, 8]"


@pytest.mark.parametrize(
    ("shape", "layer", "window"),
    [
        (MAP, "{op: conv, out: 4}", Window((3, 3), (1, 1), (1, 1), (1, 1), 1)),
        (
            MAP,
            "{op: conv, k: 3x5, stride: 2x1, padding: 0x3, dilation: 1x2, groups: 4}",
            Window((3, 5), (2, 1), (0, 3), (1, 2), 4),
        ),
        # An even kernel needs one more zero at the end of an axis.
        (MAP, "{op: conv, k: 2x4, padding: same}", Window((2, 4), (1, 1), None, (1, 1), 1)),
        (
            VOLUME,
            "{op: conv3d, k: 1x3x5, stride: 1x2x3, padding: 0x1x2}",
            Window((1, 3, 5), (1, 2, 3), (0, 1, 2), (1, 1, 1), 1),
        ),
        (MAP, "{op: maxpool}", Window((2, 2), (2, 2), (0, 0), (1, 1))),
        (MAP, "{op: maxpool, k: 3}", Window((3, 3), (3, 3), (0, 0), (1, 1))),
        (MAP, "{op: avgpool, k: [2, 3], stride: [1, 2], padding: [1, 0]}", Window((2, 3), (1, 2), (1, 0), (1, 1))),
    ],
)
def test_windows(shape: str, layer: str, window: Window, write_network: WriteNetwork) -> None:
    """One number for each axis; groups are None for pooling."""
    (only,) = network(write_network(f"input: {shape}\nlayers:\n  - a: {layer}\n")).layers
    assert only.window == window


@pytest.mark.parametrize(
    ("given", "padding"), [("dilation: 2", (2, 4)), ("padding: 0", (0, 0)), ("stride: 2, groups: 4", (1, 2))]
)
def test_a_convolution_with_mixed_kernels(given: str, padding: tuple[int, int], write_network: WriteNetwork) -> None:
    """A primitive with the window of a convolution: without a padding it keeps the size of the map."""
    layers = (
        "  - pool: {op: global_avgpool, from: input}\n  - flat: flatten\n"
        "  - routing: {op: linear, out: 4}\n"
        f"  - mixed: {{op: mixed_conv, from: [input, routing], k: [3, 5], {given}}}\n"
    )
    *_, mixed = network(write_network(f"input: {MAP}\nlayers:\n{layers}")).layers
    stride, dilation, groups = (2, 1, 4) if "stride" in given else (1, 2 if "dilation" in given else 1, 1)
    assert mixed.window == Window((3, 5), (stride,) * 2, padding, (dilation,) * 2, groups)


@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        ("[8]", "{op: linear, out: 4}"),
        (MAP, "{op: linear, out: 4}"),
        (MAP, "{op: attention, heads: 2}"),
        (MAP, "{op: se}"),
        (MAP, "relu"),
        (MAP, "global_avgpool"),
        (MAP, "{op: subsample, stride: 2}"),
    ],
)
def test_layers_without_a_window(shape: str, layer: str, write_network: WriteNetwork) -> None:
    """Attention and recurrent layers see all positions, a linear layer and an activation function one."""
    (only,) = network(write_network(f"input: {shape}\nlayers:\n  - a: {layer}\n")).layers
    assert only.window is None

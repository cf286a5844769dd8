"""The named axes of inputs, and inputs with other sizes for some of them."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn

from flopcalc.networks.inputs import Input
from flopcalc.pytorch.tracing.axes import axes_of, resized
from flopcalc.pytorch.tracing.symbolic import symbolic_network


def _named(shape: tuple[int, ...]) -> dict[str, int]:
    """Name -> place of the axes of a sample, without the batch."""
    return {axis.name: axis.places[0][1] for axis in axes_of([Input(shape)], 1, batched=False)}


@pytest.mark.parametrize("channels", range(1, 9))
def test_frames_before_or_after_the_channels(channels: int) -> None:
    """Images have 1 or 3 channels: where the second axis alone may be that, the frames are the first one."""
    frames = 16
    assert _named((channels, frames, 20, 30)) == {"depth": 1, "height": 2, "width": 3}
    assert _named((frames, channels, 20, 30)) == {"depth": 0 if channels in (1, 3) else 1, "height": 2, "width": 3}


@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (3, 3), (1, 1)])
def test_channels_come_first_where_both_axes_may_be_channels(shape: tuple[int, int]) -> None:
    """As torch has it for its own convolutions."""
    assert _named((*shape, 20, 30))["depth"] == 1


@pytest.mark.parametrize(("shape", "turned"), [((3, 6, 8, 10), False), ((6, 3, 8, 10), True), ((4, 6, 8, 10), False)])
def test_a_convolution_over_frames(shape: tuple[int, ...], turned: bool) -> None:
    """27 weights for each pair of channels at each place of each frame, wherever the frames are."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(shape[turned], 2, 3, padding=1)

        def forward(self, x: Any) -> Any:
            return self.conv(x.transpose(1, 2) if turned else x)

    found = symbolic_network(Model(), shape, vary=["batch", "depth", "height", "width"])
    assert not found.fixed
    assert str(found.network.total("macs")) == f"{27 * 2 * shape[turned]}*N*H*W*D"


def test_one_of_two_inputs_has_channels_before_the_length() -> None:
    """5 x 3 x 8 weights at each of the T - 4 places; the other input has one number for each of 8 channels."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(3, 8, 5)

        def forward(self, x: Any, scale: Any) -> Any:
            return self.conv(x) * scale[:, :, None]

    found = symbolic_network(Model(), [Input((3, 100)), Input((8,))])
    assert found.symbols == {"N": "batch", "T": "length"}
    assert str(found.network.total("macs")) == "120*N*T - 480*N"


def test_axes_without_another_size_keep_theirs() -> None:
    """Of two inputs, each axis by its symbol; the batch too."""
    inputs = [Input((3, 20, 30)), Input((7, 4)), Input((7,))]
    axes = axes_of(inputs, 2)
    assert [(axis.symbol, axis.places) for axis in axes] == [
        ("N", ()),
        ("H", ((0, 1),)),
        ("W", ((0, 2),)),
        ("T", ((1, 0), (2, 0))),
    ]
    for sizes, shapes, batch in (
        ({}, [(3, 20, 30), (7, 4), (7,)], 2),
        ({"W": 5}, [(3, 20, 5), (7, 4), (7,)], 2),
        ({"N": 6, "T": 9}, [(3, 20, 30), (9, 4), (9,)], 6),
        ({"H": 1, "W": 2, "T": 3, "N": 4}, [(3, 1, 2), (3, 4), (3,)], 4),
    ):
        given, size = resized(inputs, 2, axes, sizes)
        assert [one.shape for one in given] == shapes
        assert size == batch

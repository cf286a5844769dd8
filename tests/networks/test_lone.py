"""The network of one operator."""

from flopcalc import layer
from flopcalc.networks.lone import lone


def test_one_operator_on_a_shape() -> None:
    """A pointwise convolution from 4 to 6 channels on 5x7: 24 weights, each at 35 positions of 2 samples."""
    e = layer("pointwise", 4, 6, hw=(5, 7), batch=2)
    net = lone(e)
    assert (net.name, net.batch, net.input_shape, net.params, net.macs) == ("pointwise", 2, (4, 5, 7), 24, 24 * 35 * 2)
    (only,) = net.layers
    assert only.evaluation is e
    assert only.geometry is e.geometry
    assert only.low == 0


def test_another_layer_in_its_place() -> None:
    """The plain convolution is not the operator: what holds for parts of the operator does not hold for its own."""
    e = layer("ghost", 4, 6, hw=(5, 7))
    net = lone(e, e.baseline)
    assert net.macs == 4 * 6 * 9 * 35
    assert net.layers[0].evaluation is None

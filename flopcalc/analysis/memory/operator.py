"""The tensors of one operator on a shape, as `flopcalc memory` follows those of a network."""

from flopcalc.analysis.memory import described
from flopcalc.networks.network import INPUT, Layer, Network
from flopcalc.spec.operator import Evaluation


def operator_network(e: Evaluation) -> Network:
    """The operator on its shape as a network of one layer."""
    name = e.operator.name
    shape = tuple(map(int, e.in_shape))
    layer = Layer(name, name, (INPUT,), shape, tuple(map(int, e.out_shape)), e.cost, "", e)
    return Network(name, e.operator.title, shape, int(e.geometry.batch), (layer,), name, {})


def operator_peak(e: Evaluation, element: int) -> int:
    """The largest sum of bytes alive at once in inference, without weights and input. element: bytes of an element."""
    return described.eager(operator_network(e), element).live

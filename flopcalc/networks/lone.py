"""A network of one operator, for the passes that follow tensors and gradients."""

from flopcalc.cost.cost import Cost
from flopcalc.networks.network import INPUT, Layer, Network
from flopcalc.spec.operator import Evaluation


def lone(e: Evaluation, cost: Cost | None = None) -> Network:
    """The network whose only layer is an operator on a shape; its name is that of the operator.

    cost: of another layer in its place, such as the plain convolution that it is compared with.
    """
    name = e.operator.name
    given, out = tuple(map(int, e.in_shape)), tuple(map(int, e.out_shape))
    layer = Layer(name, name, (INPUT,), given, out, cost or e.cost, "", None if cost else e)
    return Network(name, e.operator.title, given, int(e.geometry.batch), (layer,), name, {})

"""The fully connected layer; on a feature map it is applied at every position."""

from collections.abc import Iterable

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators._slides import SLIDES
from flopcalc.spec.operator import Limit, Operator, Param, Policy
from flopcalc.spec.rules import ONE_GROUP, single_tap


def formula(g: Geometry, bias: bool) -> Iterable[Part]:
    """c_in * c_out weights, used once at every position."""
    yield parts.linear("linear", g.c_in, g.c_out, g.p_out, bias=bias)


OPERATOR = Operator(
    name="linear",
    title="Fully connected layer",
    family="convolutions",
    paper=SLIDES,
    formula=formula,
    params=(Param("bias", "bool", True, "one bias for each output", samples=(False,)),),
    rules=(single_tap("a linear layer has kernel 1, stride 1 and no padding"), ONE_GROUP),
    limits=(Limit({"bias": False}, equals="conv"),),
    policy=Policy("no convolution", lambda site: "a linear layer does not replace a convolution"),
    shape={"k": 1, "hw": 1},
)

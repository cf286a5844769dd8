"""The gated recurrent unit: a recurrent layer with three gates; the steps lie along the width."""

from collections.abc import Iterable

from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators import _recurrent as shared
from flopcalc.operators.conv1d import NO_IMAGE
from flopcalc.spec.operator import Derived, Limit, Operator
from flopcalc.spec.rules import ONE_GROUP, single_tap
from flopcalc.spec.source import Paper

GRU = Paper(
    key="cho2014learning",
    authors=(
        "Cho, Kyunghyun",
        "van Merriënboer, Bart",
        "Gulcehre, Caglar",
        "Bahdanau, Dzmitry",
        "Bougares, Fethi",
        "Schwenk, Holger",
        "Bengio, Yoshua",
    ),
    title="Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
    venue="EMNLP",
    year=2014,
    arxiv="1406.1078",
)


def formula(
    g: Geometry, gates: Dim, num_layers: Dim, directions: Dim, joins: Dim, state: Dim, bias: bool
) -> Iterable[Part]:
    """At each step 3 c_out x (c_in + c_out) weights; deeper layers read the outputs of the layer before."""
    yield from shared.recurrent(shared.GRU, g, gates, num_layers, directions, joins, state, False, bias)


OPERATOR = Operator(
    name="gru",
    title="GRU: gated recurrent unit",
    family="recurrent layers",
    paper=GRU,
    formula=formula,
    params=(shared.LAYERS, shared.BIDIRECTIONAL, shared.BIAS),
    derived=(Derived("gates", lambda g: 3), *shared.DIRECTIONS, Derived("state", lambda g: g.c_out)),
    rules=(single_tap("a recurrent layer has kernel 1, stride 1 and no padding"), ONE_GROUP),
    # One gate without a state is a linear layer at each step.
    limits=(Limit({"gates": 1, "state": 0, "bias": False}, equals="linear", equals_options={"bias": False}),),
    policy=NO_IMAGE,
    notes=shared.notes,
    baseline=shared.linear_layer,
    baseline_text="linear",
    torch_module="GRU",
    shape={"k": 1},
    axes=1,
    in_shape=shared.rows_in,
    out_shape=shared.rows_out,
    samples=({"bidirectional": True}, {"bidirectional": True, "num_layers": 2}, {"num_layers": 3, "bias": False}),
)

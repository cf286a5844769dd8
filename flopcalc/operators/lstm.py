"""The long short-term memory: a recurrent layer with four gates; the steps lie along the width."""

from collections.abc import Iterable

from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.operators import _recurrent as shared
from flopcalc.operators.conv1d import NO_IMAGE
from flopcalc.spec.operator import AUTO, Derived, Limit, Named, Operator, Param, Rule
from flopcalc.spec.rules import ONE_GROUP, single_tap
from flopcalc.spec.source import Paper

LSTM = Paper(
    key="hochreiter1997long",
    authors=("Hochreiter, Sepp", "Schmidhuber, Jürgen"),
    title="Long Short-Term Memory",
    venue="Neural Computation",
    year=1997,
    doi="10.1162/neco.1997.9.8.1735",
    pages="1735-1780",
)


def formula(
    g: Geometry,
    gates: Dim,
    num_layers: Dim,
    directions: Dim,
    joins: Dim,
    state: Dim,
    projected: bool,
    bias: bool,
) -> Iterable[Part]:
    """At each step 4 c_out x (c_in + state) weights; deeper layers read the outputs of the layer before."""
    yield from shared.recurrent(shared.LSTM, g, gates, num_layers, directions, joins, state, projected, bias)


def handed_on(g: Geometry, proj_size: int | None) -> Dim:
    """Elements of the state that the next step and the next layer read."""
    return g.c_out if proj_size is None else proj_size


def _smaller(g: Geometry, named: Named) -> str | None:
    size = named["proj_size"]
    if size is not None and size >= g.c_out:
        return f"proj_size = {size} is not less than the hidden size c_out = {g.c_out}"
    return None


OPERATOR = Operator(
    name="lstm",
    title="LSTM: long short-term memory",
    family="recurrent layers",
    paper=LSTM,
    formula=formula,
    params=(
        shared.LAYERS,
        shared.BIDIRECTIONAL,
        Param(
            "proj_size",
            "int",
            AUTO,
            "elements to which the state is projected at each step",
            1,
            auto="none: no projection",
            samples=(5,),
        ),
        shared.BIAS,
    ),
    derived=(
        Derived("gates", lambda g: 4),
        *shared.DIRECTIONS,
        Derived(
            "state",
            handed_on,
            lambda g, v: "the hidden size" if v["proj_size"] is None else "set by the option proj_size",
        ),
        Derived("projected", lambda g, proj_size: proj_size is not None),
    ),
    rules=(
        single_tap("a recurrent layer has kernel 1, stride 1 and no padding"),
        ONE_GROUP,
        Rule("proj_size is less than c_out", _smaller, "choose a smaller proj_size, or none"),
    ),
    # One gate without a state is a linear layer at each step.
    limits=(Limit({"gates": 1, "state": 0, "bias": False}, equals="linear", equals_options={"bias": False}),),
    policy=NO_IMAGE,
    notes=shared.notes,
    baseline=shared.linear_layer,
    baseline_text="linear",
    torch_module="LSTM",
    shape={"k": 1},
    axes=1,
    in_shape=shared.rows_in,
    out_shape=shared.rows_out,
    samples=(
        {"bidirectional": True},
        {"bidirectional": True, "num_layers": 2, "proj_size": 3},
        {"bidirectional": True, "num_layers": 3, "bias": False},
    ),
)

"""What the parts of some operators have that the names of the parts before them do not say.

Some convolutions multiply by weights that other parts compute. Parts that are repeated in a row, or that multiply a
state, need no gradient of their first input where the layer's input needs none.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Parts
from flopcalc.networks.network import Layer
from flopcalc.spec.operator import Evaluation


class Share(NamedTuple):
    """The share of a product's gradient by its input that is wanted: part / whole. always: whatever the layer gets."""

    part: Dim
    whole: Dim
    always: bool = False


# By operator, parts that read the weights of a part that they do not wait for: the scales of a norm over their sum.
_READERS = {"scconv": ("sru.weights",)}
# Parts whose results are the weights of a convolution, by the beginnings of their names.
_MAKERS = ("aggregation", "filters", "spread")


def makes_weights(name: str) -> bool:
    """Whether a part has a name of those that make weights."""
    return name.startswith(_MAKERS)


def readers(layer: Layer, parts: Parts) -> frozenset[str]:
    """The parts that compute with weights of another part: those that make the weights of a convolution, and others."""
    others = _READERS.get(layer.evaluation.operator.name, ()) if layer.evaluation is not None else ()
    used = any(part.work == "conv" and makes_weights(name) for part in parts for name in part.after or ())
    return frozenset(part.name for part in parts if part.name in others or (used and makes_weights(part.name)))


def shares(layer: Layer) -> Mapping[str, Share]:
    """By part, the share of the gradient by the input that is wanted."""
    evaluation = layer.evaluation
    found = _SHARES.get(evaluation.operator.name) if evaluation is not None else None
    return found(evaluation) if found is not None and evaluation is not None else {}


def _stages(evaluation: Evaluation) -> Mapping[str, Share]:
    count = evaluation.named["stages"]
    return {"intra": Share(count - 1, count)}


def _rounds(evaluation: Evaluation) -> Mapping[str, Share]:
    count = evaluation.named["recurrence"]
    return dict.fromkeys(("query", "key", "value"), Share(count - 1, count))


def _recurrent(evaluation: Evaluation) -> Mapping[str, Share]:
    named, g = evaluation.named, evaluation.geometry
    # The deeper layers read the outputs of the layers before them; the first state is a constant.
    deeper = (named["num_layers"] - 1) * named["directions"] * named["state"]
    return {"input": Share(deeper, g.c_in + deeper), "hidden": Share(g.w_out - 1, g.w_out, always=True)}


def _lstm(evaluation: Evaluation) -> Mapping[str, Share]:
    # One of three products is that with the state, whose first value is a constant.
    steps = evaluation.geometry.w_out
    return {**_recurrent(evaluation), "products": Share(3 * steps - 1, 3 * steps, always=True)}


def _scan(evaluation: Evaluation) -> Mapping[str, Share]:
    steps = evaluation.geometry.w_out
    return {"scan.keep": Share(steps - 1, steps, always=True)}


_SHARES: Mapping[str, Callable[[Evaluation], Mapping[str, Share]]] = {
    "sic": _stages,
    "criss_cross": _rounds,
    "lstm": _lstm,
    "gru": _recurrent,
    "mamba": _scan,
}

"""The tensors of one operator on a shape, as `flopcalc memory` follows those of a network."""

from collections.abc import Mapping

from flopcalc.analysis.memory import described
from flopcalc.networks.lone import lone
from flopcalc.spec.operator import Evaluation

# Operators whose peak by parts is not that of their module, and why.
DIFFERENCES: Mapping[str, str] = {
    "criss_cross": "a part counts the tensors of all rounds, and the module keeps most tensors of a round in variables",
    "fft_conv": "a complex number is one element of a part, and needs twice the bytes",
    "gru": "a part counts the tensors of all time steps, and the module computes one step after the other",
    "lstm": "a part counts the tensors of all time steps, and the module computes one step after the other",
    "mamba": "a part counts the states of all tokens, and the module computes one token after the other",
    "sic": "a part counts the tensors of all stages, and the module computes one stage after the other",
    "spconv": "the means of both branches are counted next to their weights, and the module has dropped them then",
    "winograd": "a part counts the sums of both passes of a transform, and the module drops those of the first",
}


def operator_peak(e: Evaluation, element: int) -> int:
    """The largest sum of bytes alive at once in inference, without weights and input. element: bytes of an element.

    It is that of the operator's module in eager PyTorch, apart from small tensors and from `DIFFERENCES`.
    """
    return described.eager(lone(e), element).live

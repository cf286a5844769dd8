"""The meaning of one number. A convention folds the kinds of a cost into one published figure.

`macs` is the headline, since the "FLOPs" of papers are nearly always multiply-accumulates. The
presets reproduce other counters on the kernels that flopcalc describes; tests compare
them with those counters. They differ in the work that they leave out, not only by a factor of two.
"""

from collections.abc import Callable, Iterable
from math import isqrt
from typing import NamedTuple

from flopcalc.cost.arith import Dim, elementwise
from flopcalc.cost.cost import Cost, Part
from flopcalc.errors import unknown_name

_MODULES_ONLY = "the counter itself sees modules only, and leaves out what they do in functions"


class Convention(NamedTuple):
    """One way of counting: `fold(part, n)` gives the number of one part at batch n.

    unseen: why the counter that it is named after misses products of computed tensors (attention, mixed
    kernels), which this number includes.
    """

    name: str
    text: str
    fold: Callable[[Part, Dim], Dim]
    unseen: str = ""

    def of(self, cost: Cost, n: Dim = 1) -> Dim:
        """The number that this convention gives for a cost at batch n."""
        return sum(self.fold(part, n) for part in cost)

    def remarks(self, costs: Iterable[Cost]) -> list[str]:
        """Notes on the number, for the costs of the layers that it sums."""
        found = [cost for cost in costs if self.unseen and any(part.work == "matmul" for part in cost)]
        if not found:
            return []
        macs = sum(cost.total("macs") for cost in found)
        return [
            f"Layers that multiply computed tensors (attention, mixed kernels) have {macs:,} MACs here; {self.unseen}."
        ]


def _macs(part: Part, n: Dim) -> Dim:
    return part.macs


def _flops(part: Part, n: Dim) -> Dim:
    return 2 * part.macs + part.adds + part.muls + part.other


def _two_per_mac(part: Part, n: Dim) -> Dim:
    return 2 * part.macs


def _fvcore(part: Part, n: Dim) -> Dim:
    extra = {"norm": part.adds + part.muls, "layernorm": part.adds + part.muls, "gap": part.adds}
    return part.macs + extra.get(part.work, 0)


def _thop(part: Part, n: Dim) -> Dim:
    # Its BatchNorm counts subtract, divide, multiply and add for each element.
    extra = {
        "norm": 2 * (part.adds + part.muls),
        "layernorm": 2 * part.muls,
        "avgpool": part.other,
        "gap": part.adds + part.other,
    }
    return part.macs + extra.get(part.work, 0)


def _thop_2019(part: Part, n: Dim) -> Dim:
    # A linear layer: one multiplication per weight and the additions between them; no bias. Maximum
    # pooling is free. A window of k x k, given as one number, counts k additions and a division.
    if part.work == "avgpool":
        return elementwise(isqrt, part.adds * part.other) + part.other
    extra = {
        "conv": part.adds,
        "linear": part.macs - part.activations,
        "norm": 2 * (part.adds + part.muls),
        "gap": part.adds + part.other,
    }
    return part.macs + extra.get(part.work, 0)


def _ptflops(part: Part, n: Dim) -> Dim:
    # Activations and pooling are counted by a hook on the module, and again by the patched
    # function that the module calls. Sums by the + operator are not seen.
    extra = {
        "conv": part.adds,
        "linear": part.adds,
        "norm": part.adds + part.muls,
        "act": 2 * part.other,
        "maxpool": 2 * part.reads,
        "avgpool": 2 * part.reads,
        "gap": 2 * part.reads,
    }
    return part.macs + extra.get(part.work, 0)


def _torchinfo(part: Part, n: Dim) -> Dim:
    # It multiplies parameters by positions for convolutions, by the batch for all else.
    extra = {"conv": part.adds, "linear": part.adds, "norm": n * part.params}
    return part.macs + extra.get(part.work, 0)


_ALL = (
    Convention("macs", "multiply-accumulates of convolutions, linear layers and matrix products", _macs),
    Convention("flops", "2 x MACs + every element-wise addition, multiplication and other operation", _flops),
    Convention("torchvision", "the GFLOPS column of torchvision's documentation, which counts MACs", _macs),
    Convention("flop-counter", "torch.utils.flop_counter.FlopCounterMode: 2 x MACs", _two_per_mac),
    Convention(
        "fvcore",
        "fvcore 0.1.5: MACs + 2 per BatchNorm element + adaptive pooling",
        _fvcore,
        "fvcore itself leaves out products in torch's fused attention",
    ),
    Convention("ptflops", "ptflops 0.7.5: MACs + biases + normalisation, and activations and pooling twice", _ptflops),
    Convention("thop", "thop 0.1.1: MACs + 4 per BatchNorm element + average pooling", _thop, _MODULES_ONLY),
    Convention(
        "thop-2019",
        "THOP of August to October 2019: as thop, + biases and average pooling, linear layers twice",
        _thop_2019,
        _MODULES_ONLY,
    ),
    Convention(
        "torchinfo",
        "torchinfo 1.8: parameters x positions for convolutions, x batch otherwise",
        _torchinfo,
        _MODULES_ONLY,
    ),
)
CONVENTIONS = {convention.name: convention for convention in _ALL}


def get(name: str) -> Convention:
    """The convention of that name. Raises FlopcalcError (unknown-convention)."""
    if name not in CONVENTIONS:
        raise unknown_name("convention", name, CONVENTIONS, f"one of: {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]

"""The meaning of one number. A convention folds the kinds of a cost into one published figure.

`macs` is the headline, since the "FLOPs" of papers are nearly always multiply-accumulates. The presets are named after
other counters, at the versions that their texts name, and equal them; tests run the counters next to them. Counters
differ in the work that they see, not only by a factor of two.
"""

from collections.abc import Callable
from typing import NamedTuple

from flopcalc.cost import folds, project_folds
from flopcalc.cost.arith import Dim
from flopcalc.cost.cost import Cost, Part
from flopcalc.errors import unknown_name


class Convention(NamedTuple):
    """One way of counting: `fold(part, n)` gives the number of one part at batch n.

    counter: the tool and version that it reproduces, empty for a definition. A counter's number for a module is worked
    out from the module's calls instead; see `flopcalc.presets`. per_mac: operations of one multiply-accumulate.
    several: the fold of one layer by itself that takes several tensors, where the counter then counts otherwise.
    """

    name: str
    text: str
    fold: Callable[[Part, Dim], Dim]
    counter: str = ""
    per_mac: int = 1
    several: Callable[[Part, Dim], Dim] | None = None

    def of(self, cost: Cost, n: Dim = 1, *, inputs: int = 1) -> Dim:
        """The number that this convention gives for a cost at batch n. inputs: the tensors that the layer takes."""
        fold = self.fold_of(inputs)
        return sum(fold(part, n) for part in cost)

    def fold_of(self, inputs: int) -> Callable[[Part, Dim], Dim]:
        """The fold of the parts of a layer that takes that number of tensors."""
        return self.several if self.several is not None and inputs > 1 else self.fold


_ALL = (
    Convention("macs", "multiply-accumulates of convolutions, linear layers and matrix products", folds.macs),
    Convention(
        "flops", "2 x MACs + every element-wise addition, multiplication and other operation", folds.flops, per_mac=2
    ),
    Convention("two-per-mac", "2 x MACs, as many tables print", folds.two_per_mac, per_mac=2),
    Convention("keras", "2 x MACs: the profilers of TensorFlow and Keras", folds.two_per_mac, per_mac=2),
    Convention("torchvision", "the GFLOPS column of torchvision's documentation, which counts MACs", folds.macs),
    Convention(
        "flop-counter",
        "torch.utils.flop_counter.FlopCounterMode on the meta device: 2 x MACs",
        folds.flop_counter,
        "torch 2.13.0",
        per_mac=2,
    ),
    Convention(
        "fvcore",
        "fvcore 0.1.5: MACs + 2 per BatchNorm element, 5 per LayerNorm element + adaptive pooling; no fused attention",
        folds.fvcore,
        "fvcore 0.1.5",
    ),
    Convention(
        "ptflops",
        "ptflops 0.7.5, back end pytorch: MACs + biases + normalisation; activations and pooling of modules twice",
        folds.ptflops,
        "ptflops 0.7.5",
        several=folds.ptflops_without_batch,
    ),
    Convention(
        "ptflops-aten",
        "ptflops 0.7.5, back end aten, on the CPU: MACs + biases; no fused attention, no LSTM",
        folds.ptflops_aten,
        "ptflops 0.7.5",
    ),
    Convention(
        "thop",
        "thop 0.1.1: of modules, MACs + 4 per BatchNorm element + average pooling; nothing that functions compute",
        folds.thop,
        "thop 0.1.1",
    ),
    Convention(
        "thop-2019",
        "THOP of August to October 2019: as thop, + biases and average pooling, linear layers twice",
        folds.thop_2019,
    ),
    Convention(
        "ultralytics-thop",
        "ultralytics-thop 2.2.3: as thop, + products in functions, exact pooling windows, attention with softmax",
        folds.ultralytics_thop,
        "ultralytics-thop 2.2.3",
    ),
    Convention(
        "torchinfo",
        "torchinfo 1.8.0: of modules, parameters x positions for convolutions, x batch otherwise",
        folds.torchinfo,
        "torchinfo 1.8.0",
    ),
    Convention(
        "calflops",
        "calflops 0.3.2, FLOPs: 2 x MACs + element-wise work of the functions that it replaces; no bmm, no @",
        folds.calflops,
        "calflops 0.3.2",
        per_mac=2,
    ),
    Convention(
        "deepspeed",
        "DeepSpeed 0.19.8, flops profiler: 2 x MACs + element-wise work of the functions that it replaces",
        folds.deepspeed,
        "DeepSpeed 0.19.8",
        per_mac=2,
    ),
    Convention(
        "torchprofile",
        "torchprofile 0.1.0: MACs + 1 per element of norms, products and average pooling",
        folds.torchprofile,
        "torchprofile 0.1.0",
    ),
    Convention("pycls", "the model zoo of pycls: MACs + biases of convolutions and linear layers", project_folds.pycls),
    Convention(
        "convnet-burden",
        "convnet-burden: MACs + biases + 2 per ReLU and place of pooling strides, sums, products; batch norms merged",
        project_folds.convnet_burden,
    ),
    Convention(
        "open-model-zoo",
        "Open Model Zoo, OpenVINO's Model Analyzer: 2 x MACs + biases, activations, pooling, layer norms; batch norms "
        "folded",
        project_folds.open_model_zoo,
        per_mac=2,
    ),
    Convention(
        "paddle-flops",
        "paddle.flops: of layers, MACs + biases of convolutions + 2 per BatchNorm element + average pooling",
        project_folds.paddle_flops,
    ),
)
CONVENTIONS = {convention.name: convention for convention in _ALL}


def get(name: str) -> Convention:
    """The convention of that name. Raises FlopcalcError (unknown-convention)."""
    if not isinstance(name, str) or name not in CONVENTIONS:
        raise unknown_name("convention", name, CONVENTIONS, f"one of: {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]

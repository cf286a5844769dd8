"""Ways of counting as data: what a printed figure may have counted, from the sums of a profile.

A way is a convention of flopcalc, or an expression over the names of `flopcalc.analysis.profile`. The lists here are
what `flopcalc.analysis.readings` tries; files of published rows define further ones.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from flopcalc.analysis.profile import Profile, profile
from flopcalc.cost import convention
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.networks.counted import counted
from flopcalc.networks.network import Network
from flopcalc.replacing.clause import names
from flopcalc.text.expression import evaluate


class Way(NamedTuple):
    """One way of counting. name: a kind of cost, a convention of flopcalc, or a name of its own.

    gives: an expression over the sums of a profile; empty for a convention of flopcalc. means: in words.
    """

    name: str
    gives: str
    means: str

    @property
    def needs(self) -> set[str]:
        """The sums that it reads."""
        return names(self.gives) if self.gives else {self.name}

    def of(self, sums: Profile) -> int | None:
        """The number for a profile with conventions (see `measure`); None if a sum that it needs was not kept."""
        if sums.kept and not self.needs <= sums.kept:
            return None
        if not self.gives:
            return sums.sums.get(self.name)
        return int(evaluate(self.gives, {name: sums[name] for name in self.needs}))


def measure(network: Network, presets: Iterable[str] = tuple(CONVENTIONS)) -> Profile:
    """The profile of a network, with the number of some conventions of flopcalc by their names, by default of all.

    Another counter's number for a Python model takes longer than the profile: its calls are logged in a second pass.
    """
    numbers = {name: counted(network, CONVENTIONS[name]).total for name in presets if name != "macs"}
    found = profile(network)
    return replace(found, sums={**numbers, **found.sums})


def preset(name: str) -> Way:
    """A convention of flopcalc as a way. Raises FlopcalcError (unknown-convention)."""
    return Way(name, "", convention.get(name).text)


def _ways(rows: Iterable[tuple[str, str, str]]) -> dict[str, Way]:
    return {name: Way(name, gives, means) for name, gives, means in rows}


_NORMS = "norm_adds + norm_muls"
_LAYER_NORMS = "layernorm_adds + layernorm_muls"

# What figures of FLOPs count beside the conventions, the simplest first.
WAYS = _ways(
    [
        ("macs", "macs", "multiply-accumulates of convolutions, linear layers and matrix products"),
        ("two-per-mac", "2 * macs", "2 operations for each multiply-accumulate"),
        ("without classifier", "macs - head_macs", "MACs without those of the last linear layers"),
        ("convolutions only", "conv_macs", "MACs of convolutions"),
        ("without products of attention", "macs - matmul_macs", "MACs without products of two computed tensors"),
        ("MACs and biases", "macs + conv_adds + linear_adds", "MACs and 1 for each element with a bias"),
        ("MACs and norms", f"macs + {_NORMS}", "MACs and 2 for each element of a batch norm"),
        (
            "2 per MAC, without classifier",
            "2 * (macs - head_macs)",
            "2 for each MAC, without those of the last linear layers",
        ),
        ("2 per MAC of convolutions", "2 * conv_macs", "2 for each MAC of convolutions"),
        (
            "2 per MAC, without products of attention",
            "2 * (macs - matmul_macs)",
            "2 for each MAC, without products of two computed tensors",
        ),
        ("2 per MAC and biases", "2 * macs + conv_adds + linear_adds", "2 for each MAC and 1 for each bias"),
        (
            "2 per MAC and all norms",
            f"2 * macs + {_NORMS} + {_LAYER_NORMS}",
            "2 for each MAC, and the operations of norms",
        ),
        (
            "mmengine",
            f"macs - head_macs + {_NORMS} + {_LAYER_NORMS} + gap_reads + upsample_out",
            "mmengine on features: as fvcore, without the classifier",
        ),
        (
            "mmcv",
            "conv_macs + conv_adds + linear_macs - head_macs + norm_adds + norm_muls + 2 * layernorm_adds // 3 + "
            "relu_other + relu6_other + maxpool_reads + avgpool_reads + gap_reads + upsample_out",
            "mmcv on features: layers with biases, norms, ReLU, pooling; no classifier, no products of attention",
        ),
        (
            "paddle.flops",
            f"conv_macs + conv_adds + linear_macs + {_NORMS} + gap_adds + gap_other + avgpool_other + leaky_relu_other",
            "PaddlePaddle on layers: MACs, biases of convolutions, batch norms, pooling; no products of attention",
        ),
        (
            "Model Analyzer",
            "2 * macs + conv_out + linear_adds + 2 * relu_other + 2 * relu6_other + 2 * leaky_relu_other + "
            "2 * prelu_other + 5 * silu_other + 4 * hardswish_other + 4 * hardsigmoid_other + 3 * sigmoid_other + "
            "5 * softmax_adds + add_adds + mul_muls + maxpool_other + avgpool_adds",
            "OpenVINO, as in Open Model Zoo: 2 for each MAC, and element-wise work; batch norms are folded",
        ),
        (
            "model_stat",
            "2 * conv_macs_per_group + linear_macs + 2 * norm_muls + maxpool_other + avgpool_adds + gap_adds - "
            "relu_other - sigmoid_other - leaky_relu_other",
            "PaddlePaddle 1.x: 2 for each MAC of convolutions, whose channels are divided by the groups twice",
        ),
    ]
)
# What figures of parameters count.
PARAMS_WAYS = _ways(
    [
        ("params", "params", "parameters"),
        ("with running statistics", "params + norm_params", "parameters, and mean and variance of batch norms"),
        ("batch norms folded", "params - norm_params // 2", "batch norms merged into convolutions without biases"),
        ("without batch norms", "params - norm_params", "parameters without those of batch norms"),
        ("layers only", "params - own_params", "parameters of layers, without class tokens and positions"),
        (
            "layers, with running statistics",
            "params - own_params + norm_params",
            "parameters of layers with mean and variance of batch norms, without class tokens and positions",
        ),
        ("without classifier", "params - head_params", "parameters without those of the last linear layers"),
    ]
)


def all_ways() -> list[Way]:
    """The ways of `WAYS` and the conventions of flopcalc, the simplest first."""
    own = list(WAYS.values())
    presets = [preset(name) for name in CONVENTIONS if name not in ("macs", "torchvision", "two-per-mac")]
    return [*own[:2], *presets, *own[2:]]

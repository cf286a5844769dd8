"""The training of described layers against that of the modules that are built of them, kind by kind."""

from collections.abc import Sequence
from copy import deepcopy

import pytest

torch = pytest.importorskip("torch")

from helpers import WriteNetwork
from pytorch.training.plain import Behind

from flopcalc import network, training
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.networks.network import Network
from flopcalc.pytorch import build_layer, build_network
from flopcalc.pytorch.layers import input_shape


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("frozen", ["", "norm", "conv"])
@pytest.mark.parametrize(
    "norm",
    [
        "batchnorm",
        "{op: batchnorm, frozen: true}",
        "{op: batchnorm, frozen: true, per_map: 2}",
        "layernorm",
        "{op: groupnorm, groups: 2}",
        "instancenorm",
        "{op: instancenorm, affine: true}",
        "rmsnorm",
    ],
)
def test_norms_compute_what_is_wanted(norm: str, frozen: str, write_network: WriteNetwork) -> None:
    """As described and as their modules run: the same arithmetic, and the same gradients are written."""
    text = f"input: [8, 5, 3]\nlayers:\n  - conv: {{op: pointwise, out: 8}}\n  - norm: {norm}\n"
    described, ran = _both_ways(
        network(write_network(text), batch=2), frozen, "norm", ("adds", "muls", "other", "writes")
    )
    assert described == ran


@pytest.mark.parametrize("settings", ["", ", per_map: 2"])
def test_a_frozen_norm_has_constants(settings: str, write_network: WriteNetwork) -> None:
    """In training mode, and in a copy, it neither computes statistics nor changes them; the cost says the same."""
    text = f"input: [4, 5, 3]\nlayers:\n  - norm: {{op: batchnorm, frozen: true{settings}}}\n"
    net = network(write_network(text), batch=2)
    module = deepcopy(build_network(net)).train()
    x = 3 * torch.randn(2, 4, 5, 3) + 1
    # The mean is 0, and the variance 1.
    assert torch.allclose(module(x), x, atol=1e-4)
    assert not module.get_submodule("norm").training
    assert not list(module.parameters())
    forward, ran = training(net).forward, training(module, input=(4, 5, 3), batch=2).forward
    assert (forward.adds, forward.muls) == (ran.adds, ran.muls) == (2 * 4 * 15, 2 * 4 * 15)


def _both_ways(net: Network, frozen: str, name: str, kinds: Sequence[str]) -> list[list[int]]:
    """The gradient of a layer by kind, as described and as its module runs. frozen: a layer that is not trained."""
    module = build_network(net)
    if frozen:
        module.get_submodule(frozen).requires_grad_(False)
    found = training(net, freeze=frozen or ()), training(module, input=net.input_shape, batch=net.batch)
    parts = [[p for layer in one.backward.layers if layer.name == name for p in layer.cost.parts] for one in found]
    return [[sum(getattr(p, kind) for p in one) for kind in kinds] for one in parts]


SINGLE = (
    "relu", "hardswish", "gelu", "prelu", "softmax", "layer_scale", "channel_bias", "global_avgpool", "channel_shuffle",
    "{op: maxpool, k: 3, stride: 2, padding: 1}", "{op: avgpool, k: 3, stride: 2, ceil: true}", "adaptive_avgpool",
    "{op: adaptive_avgpool, size: 3}", "{op: adaptive_avgpool, size: 4}", "{op: upsample, scale: 2}",
    "{op: upsample_bilinear, scale: 2}", "{op: roi_align, boxes: 5, size: 3}", "{op: pad, amount: 1}",
    "{op: instancenorm, affine: true}", "{op: roll, by: 1}", "{op: pixel_shuffle, scale: 2}",
)  # fmt: skip
JOINED = ("add", "mul", "concat", "matmul", "{op: matmul, scaled: true}")
# Layers with parts that read the same input.
SEVERAL_TIMES = ("local_response_norm", "{op: local_response_norm, size: 2}", "scalenorm")
TOKENS = ("class_token", "position_embedding", "take_token", "transpose", "layernorm")
MAP = "  - conv: {op: pointwise, out: 8}\n"
OTHER = "  - other: {op: pointwise, out: 8, from: input}\n"
FEW = "  - few: {op: pointwise, out: 4, from: input}\n"
POOLED = "  - pool: {op: global_avgpool, from: input}\n  - other: {op: pointwise, out: 8}\n"
POOLED_INPUT = "  - other: {op: global_avgpool, from: input}\n"
LAYERS = {
    **{one: MAP + f"  - it: {one}\n" for one in (*SINGLE, *SEVERAL_TIMES)},
    **{f"{one} of tokens": MAP + f"  - tokens: to_tokens\n  - it: {one}\n" for one in TOKENS},
    **{
        f"{one} of {pair}": f"{MAP}{OTHER}  - it: {{op: {one.strip('{}').removeprefix('op: ')}, from: [{pair}]}}\n"
        for one in JOINED
        for pair in ("conv, other", "conv, input", "input, conv")
    },
    "attention": f"{MAP}{OTHER}  - it: {{op: dot_product_attention, from: [conv, other], heads: 2}}\n",
    "attention on a constant": f"{MAP}  - it: {{op: dot_product_attention, from: [conv, input], heads: 2}}\n",
    "attention on constant values": f"{MAP}{OTHER}  - it: {{op: dot_product_attention, from: [conv, other, input]}}\n",
    "attention of shared heads": f"{MAP}{FEW}  - it: {{op: dot_product_attention, from: [conv, few], heads: 4, "
    "kv_heads: 2}\n",
    "mul of a map and a factor": f"{MAP}{POOLED}  - it: {{op: mul, from: [conv, other]}}\n",
    "mul of a map and a constant factor": f"{MAP}{POOLED_INPUT}  - it: {{op: mul, from: [other, conv]}}\n",
    "mul of the input and a factor": f"{MAP}{POOLED}  - it: {{op: mul, from: [input, other]}}\n",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("frozen", ["", "it", "conv"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_compute_what_is_wanted(name: str, frozen: str, write_network: WriteNetwork) -> None:
    """As described and as their modules run: the same arithmetic, whichever inputs and weights want a gradient."""
    net = network(write_network(f"input: [8, 6, 6]\nlayers:\n{LAYERS[name]}"), batch=2)
    described, ran = _both_ways(net, frozen, "it", ("macs", "adds", "muls", "other"))
    assert described == ran


@pytest.mark.parametrize("name", ["crop", "upsample", "upsample_bilinear"])
def test_a_size_has_no_gradient(name: str, write_network: WriteNetwork) -> None:
    """The output of `conv` has three readers, of which one reads its size only: two gradients, and one sum of them.

    It has 8 x 36 elements, and there is no other addition of that many before the convolution.
    """
    text = f"{MAP}  - other: {{op: conv, out: 8, padding: 2}}\n  - it: {{op: {name}, from: [other, conv]}}\n"
    net = network(write_network(f"input: [8, 6, 6]\nlayers:\n{text}  - add: {{op: add, from: [it, conv]}}\n"))
    for found in (training(net), training(build_network(net), input=net.input_shape)):
        adds = [layer.cost.adds for layer in found.backward.layers if layer.name != "it"]
        assert sum(adds) == 8 * 36


@pytest.mark.parametrize("name", ["crop", "upsample", "upsample_bilinear"])
def test_layers_of_which_only_the_size_is_read_get_no_gradient(name: str, write_network: WriteNetwork) -> None:
    """No loss depends on `other` and `deeper`: only the 8 x 8 weights of `conv` do, each at 36 positions."""
    text = f"{MAP}{OTHER}  - deeper: {{op: pointwise, out: 8}}\n  - it: {{op: {name}, from: [conv, deeper]}}\n"
    net = network(write_network(f"input: [8, 6, 6]\nlayers:\n{text}"))
    for found in (training(net), training(build_network(net), input=net.input_shape)):
        macs = {layer.name: layer.cost.macs for layer in found.backward.layers}
        assert {layer: one for layer, one in macs.items() if one} == {"conv": 8 * 8 * 36}
        assert found.backward.macs == 8 * 8 * 36
        assert (found.input_gradient_macs, found.weight_gradient_macs) == (0, 8 * 8 * 36)


# Behind a convolution of 8 channels on 15 positions: another of as many, and one number for each channel.
PRODUCTS = """\
input: [8, 5, 3]
layers:
  - conv: {op: pointwise, out: 8}
  - other: {op: pointwise, out: 8}
  - pool: {op: global_avgpool, from: conv}
  - gate: {op: pointwise, out: 8}
  - product: %s
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("product", "adds", "muls"),
    [
        # Each factor's gradient is the gradient of the output times the other factor; the gate's is summed over the
        # 15 positions, the trained numbers' over positions and batch.
        ("{op: mul, from: [other, conv]}", 0, 2),
        ("{op: mul, from: [other, gate]}", 1, 2),
        ("{op: layer_scale, from: other}", 1, 2),
    ],
)
def test_products(product: str, adds: int, muls: int, write_network: WriteNetwork) -> None:
    """As described and as their modules run, in additions and multiplications for each of the elements."""
    net = network(write_network(PRODUCTS % product), batch=2)
    for found in (training(net), training(build_network(net), input=(8, 5, 3), batch=2)):
        cost = next(layer.cost for layer in found.backward.layers if layer.name == "product")
        assert (cost.adds, cost.muls) == (2 * 8 * 15 * adds, 2 * 8 * 15 * muls)


def test_a_frozen_factor_has_no_gradient(write_network: WriteNetwork) -> None:
    """What is left is one product, for the input; of the first layer it is the other one, with its sum."""
    net = network(write_network(PRODUCTS % "{op: layer_scale, from: other}"), batch=2)
    for freeze, work in (("product", (0, 1)), (["conv", "other"], (1, 1))):
        found = training(net, freeze=freeze).backward.layers
        cost = next(layer.cost for layer in found if layer.name == "product")
        assert (cost.adds, cost.muls) == tuple(2 * 8 * 15 * one for one in work)


@pytest.mark.parametrize("name", ["attention", "gqa", "axial_attention", "sliding_window"])
def test_a_product_with_a_number_has_one_gradient(name: str) -> None:
    """The scale of the queries: as many multiplications as in the module that runs, and in the forward pass."""
    evaluation = next(cases(lookup.get(name)))
    ran = training(Behind(build_layer(evaluation, device="meta")), input=input_shape(evaluation)[1:])
    described = training(evaluation).backward.layers[-1].cost
    assert described.muls == sum(one.cost.muls for one in ran.backward.layers if one.name.startswith("module"))

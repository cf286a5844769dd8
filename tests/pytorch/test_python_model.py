"""Real modules as networks: their costs, compared with their descriptions and other counters."""

import json
import logging
import warnings
from typing import Any

import pytest
from helpers import Runner, for_author, import_torchvision

torch: Any = pytest.importorskip("torch")

from torch import Tensor, nn

from flopcalc import network
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.cost import convention
from flopcalc.networks.inputs import Input, parse_input
from flopcalc.networks.network import Network
from flopcalc.pytorch import build_layer, build_network, count, counted_network
from flopcalc.pytorch.counting.network import kind_of
from flopcalc.pytorch.layers import input_shape
from flopcalc.replacing.described import replace_convolutions
from flopcalc.spec.operator import Evaluation

IMAGE = [parse_input("3x224x224")]
KINDS = ("params", "macs", "flops", "adds", "muls", "other", "activations", "traffic", "steps")


# Others depend on how a module calls its kernels. tests/pytorch/test_labels.py compares those of counters with rules of
# their own; those of projects are compared on a model of torch.nn's own modules.
BY_CALLS = [convention.get(name) for name in ("thop-2019", "convnet-burden", "open-model-zoo", "paddle-flops")]
BY_KIND_OF_WORK = [convention.get(name) for name in ("macs", "flops", "two-per-mac", "torchvision", "pycls")]


def _same_totals(one: Network, other: Network) -> None:
    for kind in KINDS:
        assert one.total(kind) == other.total(kind), kind
    for chosen in BY_KIND_OF_WORK:
        assert one.fold(chosen.of) == other.fold(chosen.of), chosen.name


# A counted module as a network ----------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3])
def test_torchvisions_resnet50_is_the_described_one(batch: int) -> None:
    """Every kind, every convention; names, types, shapes and costs of all layers that have parameters."""
    with torch.device("meta"):
        theirs = counted_network(import_torchvision().models.resnet50(), IMAGE, batch)
    ours = network("resnet50", batch=batch)
    _same_totals(theirs, ours)
    for chosen in BY_CALLS:
        assert theirs.fold(chosen.of) == ours.fold(chosen.of), chosen.name
    found, described = ({x.name: x for x in net.layers if x.cost.params} for net in (theirs, ours))
    assert list(found) == list(described)
    for name, layer in found.items():
        twin = described[name]
        assert (layer.kind, layer.in_shape, layer.out_shape) == (twin.kind, twin.in_shape, twin.out_shape), name
        assert {k: v for k, v in layer.cost.totals().items() if k != "steps"} == {
            k: v for k, v in twin.cost.totals().items() if k != "steps"
        }
    # One ReLU module runs three times in a block, as three layers; the sum is what the block's own forward does.
    block = {layer.name: layer for layer in theirs.layers}
    relus = [layer.cost.flops for layer in ours.layers if layer.name.startswith("layer1.0.relu")]
    assert [block[f"layer1.0.relu{call}"].cost.flops for call in ("", "#2", "#3")] == relus
    assert {block[f"layer1.0.relu{call}"].kind for call in ("", "#2", "#3")} == {"relu"}
    assert block["layer1.0"].inputs == ("layer1.0.bn3", "layer1.0.downsample.1")
    assert block["layer1.0.relu#3"].inputs == ("layer1.0",)
    assert (block["layer1.0"].kind, block["layer1.0"].cost.flops) == ("Bottleneck", batch * 256 * 56 * 56)
    assert {layer.stage for layer in theirs.layers if layer.name.startswith("layer2.")} == {"layer2"}


@pytest.mark.parametrize("name", ["spconv", "ghost", "compconv:depth=2", "dsc:norm=true", None])
def test_a_built_description_counts_as_itself(name: str | None) -> None:
    """Layer by layer: name, type, shapes, and every kind and convention; operators are one layer each."""
    ours = network("resnet50", input=(3, 64, 64))
    if name is not None:
        ours = replace_convolutions(ours, *lookup.parse(name)).network
    theirs = counted_network(build_network(ours, device="meta"), [Input((3, 64, 64))])
    _same_totals(theirs, ours)
    found = {layer.name: layer for layer in theirs.layers}
    assert set(found) == {layer.name for layer in ours.layers if layer.cost.parts}
    for layer in ours.layers:
        if layer.name in found:
            twin = found[layer.name]
            assert (twin.in_shape, twin.out_shape) == (layer.in_shape, layer.out_shape), layer.name
            assert twin.kind == layer.kind, layer.name
            for chosen in BY_KIND_OF_WORK:
                assert chosen.of(twin.cost) == chosen.of(layer.cost), for_author(
                    chosen.name,
                    f"it gives another number for the counted module than for the described layer {layer.name}; "
                    "read in `fold` only what both have: the kinds of cost and the `work` of a part",
                    "docs/conventions.md",
                )


@pytest.mark.parametrize("name", lookup.names())
def test_kernels_are_of_the_sort_that_the_formula_says(name: str) -> None:
    """Folded by any convention, the count of an operator's module gives what its formula gives."""
    some = list(cases(lookup.get(name)))[::6]
    assert some, for_author(name, "its rules refuse every shape that is tried; give it `shapes` that it takes")
    for case in some:
        _folds_alike(case)


def _folds_alike(case: Evaluation) -> None:
    shape, n = input_shape(case), case.geometry.batch
    tensors = shape if isinstance(shape[0], tuple) else (shape,)
    if len(tensors) > 1 or tensors[0][0] != n:
        pytest.skip("takes several tensors in one argument")
    found = counted_network(build_layer(case, device="meta"), [Input(tuple(tensors[0][1:]))], n)
    for chosen in BY_KIND_OF_WORK:
        assert found.fold(chosen.of) == chosen.of(case.cost, n), for_author(
            case.label(),
            f"on {case.geometry} the convention {chosen.name} gives another number for the counted module than for the "
            "formula; write each part of the formula with the function of parts.py for the kernel that the module runs",
        )


# torchvision's documentation: parameters, and GFLOPS, which are multiply-accumulates.
PUBLISHED = {
    "resnet50": (25_557_032, "4.089"),
    "mobilenet_v2": (3_504_872, "0.301"),
    "vit_b_16": (86_567_656, "17.564"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures(name: str, run: Runner) -> None:
    """As a target of the command line, in two ways to name it; and against the bare count."""
    params, gmacs = PUBLISHED[name]
    models = import_torchvision().models
    counted = count(getattr(models, name)(), (1, 3, 224, 224))
    for target in (f"torchvision:{name}", f"torchvision.models:{name}"):
        data = json.loads(run("model", target, "--input", "3x224x224", "--format", "json").out)
        assert data["params"] == params
        assert f"{data['macs'] / 1e9:.3f}" == gmacs
        assert not data["uncounted"]
        for kind in ("params", "macs", "adds", "muls", "other", "activations", "steps"):
            assert data[kind] == counted.total(kind), kind
        assert data["traffic"] == 4 * counted.total("traffic")
        assert sum(layer["macs"] for layer in data["layers"]) == data["macs"]
        assert sum(layer["params"] for layer in data["layers"]) == params


def _peers(module: nn.Module) -> dict[str, int]:
    from torch.utils.flop_counter import FlopCounterMode

    x = torch.zeros(1, 3, 64, 64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    analysis = pytest.importorskip("fvcore.nn").FlopCountAnalysis(module, x)
    found = {
        "flop-counter": counter.get_total_flops(),
        "fvcore": analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total(),
        "thop": pytest.importorskip("thop").profile(module, inputs=(x,), verbose=False)[0],
        "torchinfo": pytest.importorskip("torchinfo").summary(module, input_data=x, verbose=0).total_mult_adds,
    }
    macs, _ = pytest.importorskip("ptflops").get_model_complexity_info(
        module, (3, 64, 64), as_strings=False, print_per_layer_stat=False, verbose=False, backend="pytorch"
    )
    return {name: int(value) for name, value in {**found, "ptflops": macs}.items()}


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "squeezenet1_1"])
def test_conventions_of_real_modules(name: str) -> None:
    """The counters themselves, run on the module; no description of it exists here."""
    module = getattr(import_torchvision().models, name)().eval()
    found = counted_network(module, [Input((3, 64, 64))])
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peers = _peers(module)
    finally:
        logging.disable(logging.NOTSET)
    assert {name: found.fold(convention.get(name).of) for name in peers} == peers


def test_replaced_as_in_the_description(run: Runner) -> None:
    """torchvision's ResNet-50 and the described one, with SPConv: equal in every kind, 16 layers replaced."""
    options = ("--replace", "spconv:alpha=1/4", "--keep", "layer1", "--format", "json")
    ours = json.loads(run("model", "resnet50", *options).out)
    theirs = json.loads(run("model", "torchvision:resnet50", "--input", "3x224x224", *options).out)
    kinds = ("params", "macs", "flops", "adds", "muls", "other", "activations", "traffic", "steps", "cost")
    assert {kind: ours[kind] for kind in kinds} == {kind: theirs[kind] for kind in kinds}
    assert theirs["replaced_layers"] == ours["replaced_layers"]
    assert len(theirs["replaced_layers"]) == 13
    assert theirs["baseline"] == ours["baseline"]
    assert {s["name"]: s["reason"] for s in theirs["skipped"]} == {s["name"]: s["reason"] for s in ours["skipped"]}
    layers = {layer["name"]: layer for layer in theirs["layers"]}
    for layer in ours["layers"]:
        if layer["name"] in ours["replaced_layers"]:
            twin = layers[layer["name"]]
            assert {k: twin[k] for k in ("type", "in", "out", "params", "macs", "flops")} == {
                k: layer[k] for k in ("type", "in", "out", "params", "macs", "flops")
            }


class TwoHeads(nn.Module):
    """A head that inference leaves out, an unknown kernel, and a wrapped body."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
        self.training_head = nn.Linear(4, 10)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.linalg.matrix_exp(self.body(x) * self.scale)
        return out if not self.training else self.training_head(out.mean((2, 3)))


def test_idle_parameters_and_unknown_kernels() -> None:
    """Both are noted; parameters of the head count, and a shared stage is skipped."""
    net = counted_network(TwoHeads(), [Input((3, 2, 2))], batch=2)
    assert net.params == 3 * 4 + 4 + 4 + 50
    assert net.remarks == ("50 of the parameters were not used in this pass: training_head",)
    assert [tuple(one) for one in net.uncounted] == [("aten.linalg_matrix_exp", "(model)", 1)]
    layers = {layer.name: layer for layer in net.layers}
    assert list(layers) == ["body.0", "body.1", "(model)", "training_head"]
    assert layers["(model)"].cost.totals()["muls"] == 2 * 4 * 4
    assert (layers["body.0"].in_shape, layers["body.0"].out_shape) == ((3, 2, 2), (4, 2, 2))
    wrapped = counted_network(nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())), [Input((3, 2, 2))])
    assert [layer.stage for layer in wrapped.layers] == ["0.0", "0.1"]


def test_kinds_of_modules() -> None:
    """Ours where they are the same thing, else the class."""
    modules = {
        "conv": nn.Conv2d(4, 8, 3),
        "group": nn.Conv2d(4, 8, 3, groups=2),
        "depthwise": nn.Conv2d(4, 4, 3, groups=4),
        "transposed": nn.ConvTranspose2d(4, 4, 3),
        "conv1d": nn.Conv1d(4, 4, 3),
        "linear": nn.Linear(4, 4),
        "batchnorm": nn.BatchNorm2d(4),
        "layernorm": nn.LayerNorm(4),
        "global_avgpool": nn.AdaptiveAvgPool2d(1),
        "adaptive_avgpool": nn.AdaptiveAvgPool2d(7),
        "upsample": nn.Upsample(scale_factor=2),
        "upsample_bilinear": nn.Upsample(scale_factor=2, mode="bilinear"),
        "Upsample": nn.Upsample(scale_factor=2, mode="bicubic"),
        "groupnorm": nn.GroupNorm(2, 4),
        "instancenorm": nn.InstanceNorm2d(4),
        "rmsnorm": nn.RMSNorm(4),
        "pixel_shuffle": nn.PixelShuffle(2),
        "LSTM": nn.LSTM(4, 4),
    }
    assert {kind: kind_of(module) for kind, module in modules.items()} == {kind: kind for kind in modules}

    class Conv2d(nn.Conv2d):
        """May do more than a convolution."""

    assert kind_of(Conv2d(4, 4, 3)) == "Conv2d"


def test_attention_is_one_layer() -> None:
    """Fused attention uses the weights of its child: all parameters and work are on one layer."""
    net = counted_network(nn.MultiheadAttention(16, 4, batch_first=True), [Input((10, 16))] * 3, batch=2)
    (layer,) = net.layers
    assert (layer.name, layer.kind, layer.cost.params) == ("(model)", "MultiheadAttention", 4 * 16 * 16 + 4 * 16)
    assert layer.cost.macs == 2 * (10 * 16 * 64 + 2 * 10 * 10 * 16)
    assert not net.remarks


def test_a_linear_layer_that_adds_its_bias_apart() -> None:
    """On a transposed input torch launches a product and a sum; the bias is the linear layer's in any convention."""

    class Transposed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(5, 7)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.fc(x.transpose(1, 2))
            return out

    (layer,) = counted_network(Transposed(), [Input((5, 3))], batch=2).layers
    assert {part.work for part in layer.cost} == {"linear"}
    macs, biases = 2 * 3 * 35, 2 * 3 * 7
    assert (layer.cost.macs, layer.cost.params, convention.get("ptflops").of(layer.cost)) == (macs, 42, macs + biases)


def test_parametrised_layers_keep_their_parameters() -> None:
    """Weight norm holds its tensors in a child; they are the layer's."""
    conv = torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 1, bias=False))
    (layer,) = counted_network(nn.Sequential(conv), [Input((3, 2, 2))]).layers
    assert (layer.name, layer.cost.params, layer.cost.macs) == ("0", 12 + 4, 48)


# Inputs ---------------------------------------------------------------------------------------------


# Output ---------------------------------------------------------------------------------------------

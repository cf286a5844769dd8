"""Replacement in real modules: what descriptions say, layer by layer, and everything that must not be replaced."""

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision
from torch import nn
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, network
from flopcalc.networks.description import read_description
from flopcalc.networks.network import Network
from flopcalc.pytorch import build_network, count, replace
from flopcalc.pytorch.layers import GhostConv2d, SPConv2d
from flopcalc.replacing.decide import plan
from flopcalc.replacing.described import replace_layers
from flopcalc.text.yaml_file import read_text

SHAPE = (2, 16, 9, 8)


prune: Any = pytest.importorskip("torch.nn.utils.prune")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Old ways of torch that users have, and are deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def conv(c_in: int = 16, c_out: int = 16, k: Any = 3, **settings: Any) -> Any:
    """A 3x3 convolution that every operator below can replace."""
    return nn.Conv2d(c_in, c_out, k, **{"padding": 1, **settings})


def taken(module: nn.Module, what: Any = "spconv", **rest: Any) -> Any:
    """Replaced with inputs, so that all is checked."""
    return replace(module, what, **{"inputs": SHAPE, **rest})


# The two agree ----------------------------------------------------------------------------------

REQUESTS: list[dict[str, Any]] = [
    {"what": "spconv"},
    {"what": "spconv:alpha=1/4,norm=true"},
    {"what": "ghost:s=4"},
    {"what": "compconv"},
    {"what": "dsc", "where": "k > 1"},
    {"what": "sic"},
    {"what": "condconv"},
    {"what": "involution"},
    {"what": "lowrank_pointwise"},
    {"what": "spatial_bottleneck", "where": "k == 3"},
    {"what": "mbconv where k == 3 and not policy"},
    {"what": ["spconv where k==3", "ghost where k==1"], "keep": ["layer1", "layer2.*.conv3"]},
    {"what": ["sic where k==3", "dsc where k==3"], "where": "h > 7 or index > 50 or last"},
    {"what": "conv:bias=true", "where": "macs > 10^8 and params < 10^5"},
    {"what": "linear where k == 1"},
    {"what": "octconv where k == 3"},
]


@pytest.fixture(scope="module")
def resnet50() -> nn.Module:
    """torchvision's own."""
    with torch.device("meta"):
        found: nn.Module = import_torchvision().models.resnet50()
    return found


def _agree(net: Network, module: nn.Module, request: dict[str, Any], shape: tuple[int, ...]) -> None:
    """The same layers by the same operators, the same reasons and notes, the same params and MACs of each layer."""
    described = replace_layers(net, plan(**request))
    real = replace(module, inputs=shape, **request)
    assert real.replaced == dict(described.replaced_by)
    assert list(real.skipped.items()) == list(described.skipped)
    assert [note.replace(type(module).__name__, net.name) for note in real.notes] == list(described.notes)
    counted = count(real.module, shape)
    macs: dict[str, int] = {}
    params: dict[str, int] = {}
    names = {layer.name for layer in described.network.layers}

    def layer_of(name: str) -> str:
        pieces = name.split(".")
        return next((p for i in range(len(pieces), 0, -1) if (p := ".".join(pieces[:i])) in names), name)

    for name, work in counted.work.items():
        macs[layer_of(name)] = macs.get(layer_of(name), 0) + work.macs
    for name, held in counted.own_params.items():
        params[layer_of(name)] = params.get(layer_of(name), 0) + held
    for layer in described.network.layers:
        assert macs.get(layer.name, 0) == layer.cost.macs, layer.name
        assert params.get(layer.name, 0) == layer.cost.params, layer.name
    assert (counted.macs, counted.total("params")) == (described.network.macs, described.network.params)


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_resnet50_agrees_with_its_description(resnet50: nn.Module, request_: dict[str, Any]) -> None:
    """torchvision's model and configs/networks/resnet50.yaml."""
    _agree(network("resnet50"), resnet50, request_, (1, 3, 224, 224))


MOBILE = """
name: mobile
input: [3, 33, 32]
layers:
  - stem: {op: conv, out: 16, stride: 2, bias: true}
  - stem_act: relu
  - unit:
      repeat: 2
      layers:
        - dw: {op: DW}
        - pw: {op: conv, out: 32, k: 1}
        - act: relu
  - wide: {op: conv, out: 32, k: [1, 7], bias: true}
  - grouped: {op: conv, out: 32, groups: 4}
  - atrous: {op: conv, out: 32, dilation: 2}
  - strided: {op: conv, out: 64, k: 5, stride: [2, 1]}
  - pool: global_avgpool
  - flatten: flatten
  - fc: {op: linear, out: 10}
"""
DEPTHWISE = ("depthwise, k: 3", "conv, groups: c")


class Unit(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dw = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
        self.pw = nn.Conv2d(channels, 32, 1, bias=False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        return self.act(self.pw(self.dw(x)))


class Mobile(nn.Module):
    """Written by hand, registered in another order than it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 10)
        self.strided = nn.Conv2d(32, 64, 5, (2, 1), 2, bias=False)
        self.atrous = nn.Conv2d(32, 32, 3, 1, "same", 2, bias=False)
        self.grouped = nn.Conv2d(32, 32, 3, 1, 1, groups=4, bias=False)
        self.wide = nn.Conv2d(32, 32, (1, 7), padding=(0, 3))
        self.unit = nn.ModuleList([Unit(16), Unit(32)])
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)

    def forward(self, x: Any) -> Any:
        x = F.relu(self.stem(x))
        for unit in self.unit:
            x = unit(x)
        x = self.strided(self.atrous(self.grouped(self.wide(x))))
        return self.fc(x.mean((2, 3)))


MOBILE_REQUESTS = [
    "spconv",
    "ghost",
    "dsc",
    "condconv",
    "mixconv:kernels=3,5",
    "sic",
    "depthwise",
    "pointwise where k == k",
    "conv",
    "dynet where first or last",
    "ghost where index > 2 and not depthwise",
    "conv:bias=true",
    "cp where h == h_out",
    "repvgg where k == 3",
    "involution where policy or k == '1x7'",
    "adder where stride == '2x1' or bias",
]


@pytest.mark.parametrize("depthwise", DEPTHWISE)
@pytest.mark.parametrize("what", MOBILE_REQUESTS)
def test_depthwise_grouped_and_odd_shapes_agree(what: str, depthwise: str) -> None:
    """A module by hand, and one built from the description, against the description; first is what runs first."""
    text = MOBILE.replace("DW", depthwise)
    net = read_description(read_text(text, "mobile"), "mobile", {}, None, 2)
    # The description has no name for what the head's functions do, and its type is the only field that may differ.
    _agree(net, Mobile(), {"what": what}, (2, 3, 33, 32))
    _agree(net, build_network(net), {"what": what}, (2, 3, 33, 32))


# A trainable module -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what", ["spconv", "ghost:norm=true", "dsc where k == 3", "sic", "condconv", "tucker2", "adder"]
)
def test_it_trains(what: str) -> None:
    """Forward and backward on real numbers; every parameter of the new layers gets a gradient."""
    torch.manual_seed(0)
    model: Any = nn.Sequential(
        conv(), nn.BatchNorm2d(16), nn.ReLU(), conv(), nn.BatchNorm2d(16), nn.ReLU(), conv(16, 16, 1, padding=0)
    )
    done = taken(model, what)
    assert done.replaced
    x = torch.randn(SHAPE)
    out = done.module(x)
    assert out.shape == model(x).shape
    out.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in done.module.parameters())
    optimiser = torch.optim.SGD(done.module.parameters(), 0.1)
    optimiser.step()
    assert not torch.equal(done.module(x), out)


def test_a_copy_unless_in_place() -> None:
    """The model given stays as it was; in place it is the same object."""
    model = nn.Sequential(conv(), nn.ReLU())
    before = copy.deepcopy(model.state_dict())
    done = taken(model)
    assert done.module is not model
    assert type(model[0]) is nn.Conv2d
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
    assert not model[0]._forward_pre_hooks
    here = taken(model, inplace=True)
    assert here.module is model
    assert isinstance(model[0], SPConv2d)


def test_what_is_not_replaced_keeps_its_weights() -> None:
    """All other layers are copies with equal values."""
    model = nn.Sequential(conv(), conv(16, 16, 1, padding=0), nn.BatchNorm2d(16))
    done = taken(model)
    assert list(done.replaced) == ["0"]
    for i in (1, 2):
        for name, value in model[i].state_dict().items():
            assert torch.equal(value, done.module[i].state_dict()[name])


def test_dtype_device_and_mode_are_handed_on() -> None:
    """Of the layer, not of the model."""
    model: Any = nn.Sequential(conv().double(), nn.ReLU(), conv().to("meta"))
    model[0].eval()
    done: Any = replace(model, "spconv:norm=true")
    new, other = done.module[0], done.module[2]
    assert {p.dtype for p in new.parameters()} == {torch.float64}
    assert {p.device.type for p in other.parameters()} == {"meta"}
    assert not any(part.training for part in new.modules())
    assert all(part.training for part in other.modules())


def test_frozen_layers_are_noted() -> None:
    """New weights are random, so they are trainable, and the note says so."""
    model = nn.Sequential(conv().requires_grad_(False), conv())
    done = taken(model)
    assert all(p.requires_grad for p in done.module.parameters())
    assert done.notes == ("1 replaced layers were frozen; the new ones have fresh weights and are trainable",)


def test_the_bias_is_kept_or_noted() -> None:
    """dsc has the option, ghost has not."""
    kept = taken(nn.Sequential(conv()), "dsc where k == 3")
    assert kept.module[0].pointwise.conv.bias is not None
    bare = taken(nn.Sequential(conv(bias=False)), "dsc where k == 3")
    assert bare.module[0].pointwise.conv.bias is None
    assert taken(nn.Sequential(conv()), "ghost").notes == (
        "ghost has no bias: the bias of 1 replaced layer was dropped",
    )


# Containers and sharing -------------------------------------------------------------------------


class Shared(nn.Module):
    """One convolution under four names, one of them twice in one container."""

    def __init__(self) -> None:
        super().__init__()
        self.a = conv()
        self.by_name = nn.ModuleDict({"x": self.a, "y": conv()})
        self.listed = nn.ModuleList([self.a, conv(), self.a])
        self.block = nn.Sequential(nn.Sequential(conv()))

    def forward(self, x: Any) -> Any:
        x = self.by_name["y"](self.by_name["x"](self.a(x)))
        for one in self.listed:
            x = one(x)
        return self.block(x)


def test_a_shared_module_is_replaced_once_and_shared_still() -> None:
    """In plain attributes, ModuleDict, ModuleList and nested Sequential."""
    done = taken(Shared())
    m = done.module
    assert m.a is m.by_name["x"] is m.listed[0] is m.listed[2]
    assert isinstance(m.a, SPConv2d)
    assert done.replaced == dict.fromkeys(["a", "by_name.y", "listed.1", "block.0.0"], "spconv")
    assert "one layer under several names: a, by_name.x, listed.0, listed.2" in done.notes
    # Four calls of the shared layer, each once the MACs of one SPConv2d.
    one = count(SPConv2d(16, 16, 3, bias=True), SHAPE).macs
    assert count(m, SHAPE).macs == 7 * one
    assert sum(p.numel() for p in m.parameters()) == 4 * sum(
        p.numel() for p in SPConv2d(16, 16, 3, bias=True).parameters()
    )


def test_any_of_its_names_keeps_a_shared_module() -> None:
    """The name by which it is kept need not be its first."""
    done = taken(Shared(), keep="listed.2")
    assert done.skipped == {"a": "kept as asked: listed.2"}
    assert done.module.a is done.module.listed[2]


def test_a_shared_block_is_walked_once() -> None:
    """Both names of the block lead to the same new layer."""
    block = nn.Sequential(conv(), nn.ReLU())
    done = taken(nn.Sequential(block, nn.Sequential(block)))
    assert done.module[0] is done.module[1][0]
    assert list(done.replaced) == ["0.0"]
    assert isinstance(done.module[0][0], SPConv2d)


class TwoSizes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = conv()

    def forward(self, x: Any) -> Any:
        return self.a(x), self.a(x[..., ::2])


def test_every_size_of_a_shared_module_must_pass() -> None:
    """9 x 9 is a multiple of 3, 9 x 5 is not; 5 is not more than 5."""
    shape = (1, 16, 9, 9)
    done = taken(TwoSizes(), "spatial_bottleneck where k == 3", inputs=shape)
    assert done.skipped == {"a": "9x5 is not a multiple of the 3x3 kernel"}
    assert taken(TwoSizes(), "spconv where w > 5", inputs=shape).skipped == {"a": "where w > 5 does not hold"}
    assert taken(TwoSizes(), "spconv where w > 4", inputs=shape).replaced == {"a": "spconv"}


def test_a_model_that_is_a_convolution() -> None:
    """The new module is in the result."""
    old = conv()
    for inplace in (False, True):
        done = taken(old, inplace=inplace)
        assert isinstance(done.module, SPConv2d)
        assert done.replaced == {"": "spconv"}


def test_not_inside_a_replacement() -> None:
    """A second run leaves the first one's layers alone, and those that a model was built with."""
    once = taken(nn.Sequential(conv(), GhostConv2d(16, 16, 3), conv(16, 16, 1, padding=0)))
    assert list(once.replaced) == ["0"]
    twice = taken(once.module, "dsc where k > 0")
    assert twice.replaced == {"2": "dsc"}
    assert isinstance(twice.module[0], SPConv2d)
    assert "left alone: 2 layers that are operators already (0, 1)" in twice.notes
    assert not taken(twice.module, "spconv where k > 0").replaced
    # The depthwise layer of a description is a convolution; one that a replacement put in is not touched again.
    depthwise = taken(nn.Sequential(conv()), "depthwise where k == 3")
    assert depthwise.replaced
    assert not taken(depthwise.module, "mixconv where k == 3").replaced


def test_a_module_that_holds_its_parent() -> None:
    """A circle ends."""
    model = nn.Sequential(conv(), nn.Sequential(conv()))
    model[1].add_module("parent", model)
    assert list(replace(model, "spconv").replaced) == ["0", "1.0"]


# Padding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["circular", "reflect", "replicate"])
@pytest.mark.parametrize(
    "what", ["spconv", "ghost", "dsc where k == 3", "pconv", "compconv:depth=1", "conv:bias=false"]
)
def test_padding_modes(mode: str, what: str) -> None:
    """Every padded part of the new layer has the mode; with circular padding, shifting commutes with the layer."""
    torch.manual_seed(1)
    done = taken(nn.Sequential(conv(padding_mode=mode).double()), what)
    assert done.replaced, done.skipped
    padded = [part for part in done.module.modules() if isinstance(part, nn.Conv2d) and any(part.padding)]
    assert padded
    assert {part.padding_mode for part in padded} == {mode}
    if mode == "circular":
        x = torch.randn(SHAPE, dtype=torch.float64)
        moved = torch.roll(x, (2, 3), (2, 3))
        layer = done.module.eval()
        assert torch.allclose(layer(moved), torch.roll(layer(x), (2, 3), (2, 3)))


@pytest.mark.parametrize("name", ["involution", "condconv", "adder", "shift", "dynet"])
def test_a_layer_that_pads_by_itself_is_refused_there(name: str) -> None:
    """It pads with zeros in a function, which no mode reaches; without padding it applies."""
    what = f"{name} where k == 3"
    done = taken(nn.Sequential(conv(padding_mode="reflect")), what)
    assert done.skipped == {"0": f"padding mode reflect, and {name} pads with zeros of its own"}
    assert taken(nn.Sequential(conv()), what).replaced
    if name in {"condconv", "adder", "dynet"}:
        assert taken(nn.Sequential(conv(padding_mode="reflect", padding=0)), what).replaced


def test_padding_as_text() -> None:
    """same and valid as numbers; an even kernel's same has two sides that differ."""
    same = nn.Sequential(
        conv(k=(3, 5), padding="same", dilation=(2, 1)), conv(padding="valid"), conv(k=4, padding="same")
    )
    done = taken(same, ["spconv where k_w == 5", "dsc where k > 1"], inputs=(1, 16, 12, 12))
    assert done.replaced == {"0": "spconv", "1": "dsc"}
    assert done.skipped == {"2": "padding 'same' of an even kernel is not the same on both sides"}
    assert done.module[0].gwc.padding == (2, 2)
    # Without padding SPConv's branches have no common grid.
    assert "needs padding 1, not 0" in taken(nn.Sequential(conv(padding=0)), "spconv").skipped["0"]


def test_kernels_strides_and_dilation_are_handed_on() -> None:
    """Shapes of all kinds, to the layer itself."""
    model = nn.Sequential(
        conv(k=(1, 7), padding=(0, 3)),
        conv(k=(3, 5), padding=(2, 2), dilation=(2, 1), stride=(2, 1)),
        conv(k=4, padding=(2, 0), stride=2),
    )
    done = taken(model, "svd where k_h + k_w > 2", inputs=(1, 16, 20, 21))
    assert list(done.replaced) == ["0", "1", "2"]
    for old, new in zip(model, done.module, strict=True):
        for field in ("kernel_size", "stride", "padding", "dilation"):
            assert getattr(new.basis, field) == getattr(old, field), field


# What must not be replaced ----------------------------------------------------------------------


class Standardised(nn.Conv2d):
    """As in weight standardisation."""

    def forward(self, x: Any) -> Any:
        return F.conv2d(x, self.weight - self.weight.mean(), self.bias, padding=1)


def _hooked() -> Any:
    one = conv()
    one.register_forward_hook(lambda *_: None)
    return one


def _gradient_hook() -> Any:
    one = conv()
    one.weight.register_hook(lambda gradient: gradient)
    return one


def _exchanged() -> Any:
    one = conv()
    one.forward = lambda x: x
    return one


def _extra() -> Any:
    one = conv()
    one.register_buffer("total_ops", torch.zeros(1))
    return one


UNFIT: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "subclass": (lambda: Standardised(16, 16, 3), "it is a Standardised, a subclass of Conv2d"),
    "lazy": (lambda: nn.LazyConv2d(16, 3, padding=1), "it is lazy"),
    "parametrised": (lambda: nn.utils.parametrizations.weight_norm(conv()), "its weight is parametrised"),
    "orthogonal": (lambda: nn.utils.parametrizations.spectral_norm(conv()), "its weight is parametrised"),
    "weight_norm": (lambda: nn.utils.weight_norm(conv()), "it holds bias, weight_g, weight_v"),
    "spectral_norm": (lambda: nn.utils.spectral_norm(conv()), "it holds bias, weight_orig"),
    "pruned": (lambda: prune.random_unstructured(conv(), "weight", 0.5), "it holds bias, weight_orig"),
    "hook": (_hooked, "it has hooks"),
    "gradient hook": (_gradient_hook, "gradient hooks"),
    "forward exchanged": (_exchanged, "its forward was exchanged"),
    "extra buffer": (_extra, "more than a weight and a bias: total_ops"),
    "scripted": (lambda: torch.jit.script(conv()), "it is scripted"),
    "traced": (lambda: torch.jit.trace(conv(), torch.zeros(SHAPE)), "it is scripted"),
    "quantised": (lambda: torch.ao.nn.quantized.Conv2d(16, 16, 3), "it is quantised"),
}


# They hold a tensor that was computed with gradients, which torch does not copy.
_NOT_COPIED = {"weight_norm", "pruned"}


@pytest.mark.parametrize("what", UNFIT)
def test_unfit_convolutions_stay(what: str) -> None:
    """With the reason; a plain one next to them is replaced. In a copy too, which may lack what is the reason."""
    make, reason = UNFIT[what]
    odd = make()
    for inplace in (False, True):
        if what in _NOT_COPIED and not inplace:
            continue
        done: Any = replace(nn.Sequential(odd, conv()), "spconv", inplace=inplace)
        assert list(done.replaced) == ["1"]
        assert list(done.skipped) == ["0"]
        assert reason in done.skipped["0"]
        assert (done.module[0] is odd) is inplace


def test_a_materialised_lazy_convolution_is_plain() -> None:
    """It becomes an nn.Conv2d in its first run."""
    model = nn.Sequential(nn.LazyConv2d(16, 3, padding=1))
    model(torch.zeros(SHAPE))
    assert taken(model).replaced == {"0": "spconv"}


def test_tied_weights_stay() -> None:
    """Of two convolutions, of a convolution and another module, of one bias; views of one vector are not tied."""
    one, other, third, fourth = conv(), conv(), conv(), conv()
    other.weight = one.weight
    third.bias = fourth.bias
    done = taken(nn.Sequential(one, other, third, fourth, conv()))
    assert list(done.replaced) == ["4"]
    assert done.skipped["0"] == "its weight is shared with 1, and the tie would be lost"
    assert done.skipped["2"] == "its bias is shared with 3, and the tie would be lost"

    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = conv()
            self.weight = self.a.weight

        def forward(self, x: Any) -> Any:
            return self.a(x) + self.weight.mean()

    assert "shared with the model itself" in taken(Holder()).skipped["a"]
    flat = nn.Sequential(conv(), conv())
    nn.utils.vector_to_parameters(torch.zeros(2 * (16 * 16 * 9 + 16)), flat.parameters())
    assert len(taken(flat, inplace=True).replaced) == 2


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("how", ["list", "dict", "buffer", "view"])
def test_weights_that_a_module_holds_outside_its_parameters_stay(how: str, inplace: bool) -> None:
    """Its forward would go on with the old weight."""

    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = conv(), conv()
            weight = self.a.weight
            if how == "buffer":
                self.register_buffer("held", weight.detach())
            else:
                self.all = {"list": [weight], "dict": {"a": [weight]}, "view": (weight.detach().view(16, -1),)}[how]

        def forward(self, x: Any) -> Any:
            return self.b(self.a(x))

    done = taken(Holder(), inplace=inplace)
    assert done.replaced == {"b": "spconv"}
    assert done.skipped["a"] == "its weight is shared with the model itself, and the tie would be lost"


class Reads(nn.Module):
    """Uses the weight of `a` by itself, and calls `b`."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.idle = conv(), conv(), conv()

    def forward(self, x: Any) -> Any:
        return self.b(F.conv2d(x, self.a.weight, padding=1))


class ReadsAndCalls(Reads):
    """Scales by what it knows of a layer that it calls too."""

    def forward(self, x: Any) -> Any:
        return self.b(self.a(x)) / self.a.out_channels


class Sibling(nn.Module):
    """Reads the weight of a layer that hangs elsewhere."""

    def __init__(self, other: nn.Module) -> None:
        super().__init__()
        self.others = [other]

    def forward(self, x: Any) -> Any:
        other: Any = self.others[0]
        return x * other.weight.mean()


def test_weights_that_the_forward_reads_stay() -> None:
    """The reader is named; so is a layer that is never called."""
    done = taken(nn.Sequential(Reads()))
    assert done.replaced == {"0.b": "spconv"}
    assert done.skipped["0.a"] == "the forward of 0 reads its weight"
    assert done.skipped["0.idle"] == "the forward does not call it with these inputs"
    done = taken(ReadsAndCalls())
    assert done.skipped["a"] == "the forward of ReadsAndCalls reads its out_channels"
    shared = conv()
    model = nn.Sequential(shared, Sibling(shared))
    assert taken(model, inplace=True).skipped == {"0": "the forward of 1 reads its weight"}


def test_the_last_is_the_last_that_runs() -> None:
    """A layer that is never called is not the last layer."""
    assert taken(Reads(), "spconv where last").replaced == {"b": "spconv"}


class ByKeyword(nn.Module):
    """conv(input=x), which nn.Conv2d allows."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(), conv()

    def forward(self, x: Any) -> Any:
        return self.b(self.a(input=x))


def test_a_call_by_keyword_stays() -> None:
    """Our layers call their argument otherwise."""
    done = taken(ByKeyword())
    assert list(done.replaced) == ["b"]
    assert "by keyword" in done.skipped["a"]


class InList(nn.Module):
    """Calls its first layer through a Python list."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(), conv()
        self.plain = [self.a]

    def forward(self, x: Any) -> Any:
        return self.b(self.plain[0](x))


@pytest.mark.parametrize("inplace", [False, True])
def test_a_layer_called_past_its_place_stays(inplace: bool) -> None:
    """It would train in vain; it is put back, and the other is replaced."""
    model = InList()
    done = taken(model, inplace=inplace)
    assert done.replaced == {"b": "spconv"}
    assert done.skipped == {"a": "the forward does not call it through its place in the model"}
    assert done.module.a is done.module.plain[0]
    assert not any("spconv has no bias" in note for note in done.notes)


class Insists(nn.Module):
    """Runs with a convolution of torch only."""

    def __init__(self) -> None:
        super().__init__()
        self.a = conv()

    def forward(self, x: Any) -> Any:
        if not isinstance(self.a, nn.Conv2d):
            raise TypeError("a must be a Conv2d")
        return self.a(x)


def test_a_forward_that_fails_is_an_error_and_all_is_undone() -> None:
    """Which module failed, why, and what to do."""
    model = nn.Sequential(conv(), Insists())
    before = list(model.modules())
    with pytest.raises(FlopcalcError, match="a must be a Conv2d") as caught:
        taken(model, inplace=True)
    assert caught.value.code == "cannot-replace"
    assert "keep" in caught.value.hint
    assert all(now is then for now, then in zip(model.modules(), before, strict=True))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert {type(part) for part in model.modules()} == {nn.Sequential, Insists, nn.Conv2d}
    assert taken(model, keep="1.a").replaced == {"0": "spconv"}


class Crops(Insists):
    """Gives another shape with other layers."""

    def forward(self, x: Any) -> Any:
        return self.a(x) if isinstance(self.a, nn.Conv2d) else self.a(x)[..., 1:]


def test_another_shape_is_an_error() -> None:
    """The output must stay as it was."""
    with pytest.raises(FlopcalcError, match=r"the output is \[\(2, 16, 9, 7\)\], not \[\(2, 16, 9, 8\)\]"):
        taken(Crops())


def test_nothing_stays_behind_when_the_first_run_fails() -> None:
    """Classes and hooks are as they were."""
    model = nn.Sequential(conv(), conv(8))
    with pytest.raises(FlopcalcError) as caught:
        taken(model, inplace=True)
    assert caught.value.code == "uncountable-module"
    assert {type(part) for part in model} == {nn.Conv2d}
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


def test_attention_is_left_alone() -> None:
    """Layers that are not convolutions."""
    model = nn.Sequential(
        nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), nn.ConvTranspose2d(3, 3, 3), nn.Conv1d(3, 3, 1)
    )
    done = replace(model, "ghost where k >= 1")
    assert (done.replaced, done.skipped) == ({}, {})
    assert done.notes == ("nothing was replaced: Sequential has no convolution",)


def test_unbatched_inputs_are_refused() -> None:
    """Layers expect a batch."""
    assert "without a batch" in taken(nn.Sequential(conv()), inputs=(16, 8, 8)).skipped["0"]


# Without inputs, and wrong ones -----------------------------------------------------------------


def test_without_inputs() -> None:
    """By registration; clauses that need a run are refused, and the rest is noted."""
    done = replace(nn.Sequential(conv(), nn.ReLU(), conv()), "dsc")
    # dsc leaves the first.
    assert list(done.replaced) == ["2"]
    assert any("without inputs" in note for note in done.notes)
    needs = replace(nn.Sequential(conv()), "spatial_bottleneck where k == 3").skipped["0"]
    assert needs == "whether it applies depends on the size of the input, which is not known"
    for text in ("h > 3", "k == 3 and macs > 10", "h_out == w_out"):
        with pytest.raises(FlopcalcError, match="reads ") as caught:
            replace(nn.Sequential(conv()), "spconv", where=text)
        assert caught.value.code == "needs-inputs"


def test_first_is_what_runs_first() -> None:
    """Registered last, run first: inputs show the order."""
    model = Mobile()
    shape = (1, 3, 33, 32)
    assert list(replace(model, "ghost where first", inputs=shape).replaced) == ["stem"]
    assert list(replace(model, "ghost where last", inputs=shape).replaced) == ["strided"]
    assert "strided" in replace(model, "ghost where first").replaced


def test_inputs_of_all_kinds() -> None:
    """As `count` takes them."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = conv()

        def forward(self, x: Any, y: Any) -> Any:
            return self.a(x) + y

    inputs: Any
    for inputs in ([SHAPE, SHAPE], (SHAPE, torch.zeros(SHAPE)), {"x": SHAPE, "y": SHAPE}, [torch.zeros(SHAPE), 1.0]):
        assert replace(Both(), "spconv", inputs=inputs).replaced == {"a": "spconv"}
    for inputs in (SHAPE, list(SHAPE), torch.zeros(SHAPE), torch.Size(SHAPE)):
        assert replace(nn.Sequential(conv()), "spconv", inputs=inputs).replaced == {"0": "spconv"}


@pytest.mark.parametrize(
    ("module", "rest", "code"),
    [
        (nn.Conv2d, {}, "bad-module"),
        ("resnet50", {}, "bad-module"),
        (conv(), {"what": []}, "bad-usage"),
        (conv(), {"what": "spconw"}, "unknown-operator"),
        (conv(), {"where": "k"}, "bad-where"),
        (conv(), {"where": "kernel == 3"}, "unknown-field"),
        (conv(), {"keep": "layer1"}, "unknown-layer"),
        (conv(), {"inputs": 3}, "bad-inputs"),
        (conv(), {"inputs": "3x8x8"}, "bad-inputs"),
        (conv(), {"inputs": (1, 3, 8, 8)}, "uncountable-module"),
    ],
)
def test_wrong_input(module: Any, rest: dict[str, Any], code: str) -> None:
    """One line for what is wrong, one for what to do."""
    with pytest.raises(FlopcalcError) as caught:
        replace(module, **{"what": "spconv", **rest})
    error = caught.value
    assert error.code == code
    assert error.hint
    assert "\n" not in error.message + error.hint


def test_what_cannot_be_copied_can_be_changed_in_place() -> None:
    """The old weight_norm keeps a tensor that torch does not copy."""
    model = nn.Sequential(nn.utils.weight_norm(conv()), conv())
    with pytest.raises(FlopcalcError, match="cannot be copied") as caught:
        taken(model)
    assert "inplace=True" in caught.value.hint
    assert taken(model, inplace=True).replaced == {"1": "spconv"}

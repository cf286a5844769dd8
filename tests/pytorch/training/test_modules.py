"""The training cost of modules: torchvision's by two ways and by a plain count, and small ones by hand."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import define_kernels, import_torchvision
from pytorch.training.plain import Behind, plain_macs
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from flopcalc import FlopcalcError, formula, network, training
from flopcalc.analysis.training.training import Training, graph_training, network_training
from flopcalc.networks.network import Gradients
from flopcalc.networks.training import TrainingOptions
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import from_python

SPREAD = (
    "densenet121",
    "efficientnet_b0",
    "maxvit_t",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_v2_t",
    "vit_b_32",
)


def _splits(found: Training) -> dict[str, Gradients]:
    """What the multiply-adds of the backward pass are, of layers that have some."""
    pairs = zip(found.forward.layers, found.gradients, strict=True)
    return {layer.name: own for layer, own in pairs if any(own)}


def _by_layer(found: Training) -> dict[str, int]:
    return {layer.name: layer.cost.macs for layer in found.backward.layers if layer.cost.macs}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SPREAD)
def test_torchvision(name: str) -> None:
    """The passes that ran, the graph of the forward pass, and a plain count of the model agree."""
    models = import_torchvision().models
    net = read_target(from_python(f"torchvision:{name}", (3, 224, 224))).plain
    ran, by_graph = network_training(net, TrainingOptions()), graph_training(net, TrainingOptions())
    assert _by_layer(ran) == _by_layer(by_graph)
    assert ran.forward.macs == by_graph.forward.macs
    # A counted layer of attention does not say which of its products is with weights.
    if not name.startswith("vit"):
        assert _splits(ran) == _splits(by_graph)
    assert not ran.backward.uncounted
    if not name.startswith("regnet"):
        # RegNet reads values while it is built.
        with torch.device("meta"):
            model, x = models.get_model(name, weights=None), torch.empty(2, 3, 224, 224)
        # A batch of 2: batch norm of one value refuses to be trained.
        two = training(f"torchvision:{name}", input=(3, 224, 224), batch=2)
        assert plain_macs(model, (x,)) == (two.forward.macs, two.backward.macs)
        # Without trained weights only gradients of tensors that depend on the input are left.
        whole = plain_macs(Behind(model), (x,))[1]
        model.requires_grad_(False)
        assert two.weight_gradient_macs == whole - plain_macs(Behind(model), (x,))[1]
        assert two.input_gradient_macs + two.weight_gradient_macs == two.backward.macs


@pytest.mark.filterwarnings("ignore")
def test_layers_are_those_of_the_description() -> None:
    """The backward pass belongs to the layer whose kernels it undoes; element-wise work as well."""
    import_torchvision()
    for name in ("resnet18", "mobilenet_v2"):
        described, ran = training(name), training(f"torchvision:{name}", input=(3, 224, 224))
        assert _by_layer(described) == _by_layer(ran)
        assert _splits(described) == _splits(ran)
        assert described.backward.adds == ran.backward.adds


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "equal"), [("resnet18", True), ("mobilenet_v2", False)])
def test_flop_counter_mode(name: str, equal: bool) -> None:
    """It is right where no convolution is grouped, and only there."""
    models = import_torchvision().models
    with torch.device("meta"):
        model, x = models.get_model(name, weights=None), torch.empty(2, 3, 224, 224)
    with FlopCounterMode(display=False) as counter:
        model(x).sum().backward()
    ours = training(name, batch=2)
    assert (counter.get_total_flops() == 2 * ours.macs) is equal
    assert equal or counter.get_total_flops() > 20 * 2 * ours.forward.macs


@pytest.mark.filterwarnings("ignore")
def test_auxiliary_heads() -> None:
    """They run in the forward pass of training; only the main output has a loss, and a note says so."""
    import_torchvision()
    found, described = training("torchvision:googlenet", input=(3, 224, 224)), training("googlenet")
    assert found.backward.macs == described.backward.macs
    # Two heads: a 1x1 convolution of 4 x 4 positions from 512 and 528 channels to 128, and two linear layers.
    heads = 16 * 128 * (512 + 528) + 2 * (2048 * 1024 + 1024 * 1000)
    assert found.forward.macs == described.forward.macs + heads
    assert any("auxiliary outputs" in note for note in found.remarks)


class _Net(nn.Module):
    """A convolution, and two linear layers; `how` is what stands between."""

    def __init__(self, how: Any = None) -> None:
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(4, 8, 3, groups=4), nn.Linear(8 * 36, 16), nn.Linear(16, 5)
        self.how = how or (lambda x: x)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.two(self.how(self.one(self.conv(x).flatten(1))))
        return out


CONV = 8 * 9 * 36
ONE = 8 * 36 * 16
TWO = 16 * 5


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (None, {"conv": CONV, "one": 2 * ONE, "two": 2 * TWO}),
        (Tensor.detach, {"two": TWO}),
        (torch.no_grad()(lambda x: x * 2), {"two": TWO}),
        (torch.nn.functional.dropout, {"conv": CONV, "one": 2 * ONE, "two": 2 * TWO}),
    ],
    ids=["plain", "detach", "no_grad", "dropout"],
)
def test_by_hand(how: Any, expected: dict[str, int]) -> None:
    """Gradients stop where the forward stops them."""
    assert _by_layer(training(_Net(how), input=(4, 8, 8))) == expected


def test_frozen_parameters() -> None:
    """By requires_grad and by pattern alike."""
    net = _Net()
    net.conv.requires_grad_(False)
    net.two.requires_grad_(False)
    expected = {"one": ONE, "two": TWO}
    assert _by_layer(training(net, input=(4, 8, 8))) == expected
    assert _by_layer(training(_Net(), input=(4, 8, 8), freeze=["conv", "two"])) == expected
    frozen = training(_Net(), input=(4, 8, 8), freeze="*")
    assert frozen.backward.macs == 0
    assert any("no backward pass" in note for note in frozen.remarks)


def test_checkpoints() -> None:
    """By pattern, and in the module itself, where its kernels run again for the layers that they belong to."""
    found = training(_Net(), input=(4, 8, 8), checkpoint="one")
    assert _by_layer(found) == {"conv": CONV, "one": 3 * ONE, "two": 2 * TWO}
    assert found.recomputed == ONE
    assert _splits(found) == {"conv": Gradients(0, CONV), "one": Gradients(ONE, ONE, ONE), "two": Gradients(TWO, TWO)}

    class Checkpointed(_Net):
        def forward(self, x: Tensor) -> Tensor:
            # ReLU keeps its output, so that all before it runs again.
            hidden = checkpoint(lambda y: self.one(y).relu(), self.conv(x).flatten(1), use_reentrant=False)
            out: Tensor = self.two(hidden)
            return out

    inside = training(Checkpointed(), input=(4, 8, 8))
    assert _by_layer(inside) == {"conv": CONV, "one": 3 * ONE, "two": 2 * TWO}
    assert _splits(inside) == _splits(found)
    assert any(f"{ONE:,} MACs of the backward pass run checkpointed" in note for note in inside.remarks)


def test_gradients_of_weights_and_inputs() -> None:
    """A product with a computed factor, with weights that are computed from weights, and of two weights."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.left, self.right = nn.Linear(6, 6), nn.Parameter(torch.ones(6, 4)), nn.Linear(4, 6, False)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.stem(x)
            # Two weights: their product is a weight, too.
            weight = self.left @ self.right.weight.t()
            out: Tensor = (hidden @ weight) @ hidden.transpose(-1, -2)
            return out

    found = training(Net(), input=(5, 6))
    stem, weights, product, scores = 5 * 6 * 6, 6 * 6 * 4, 5 * 6 * 6, 5 * 5 * 6
    assert found.forward.macs == stem + weights + product + scores
    assert found.input_gradient_macs == product + 2 * scores
    assert found.weight_gradient_macs == stem + 2 * weights + product


def test_fused_attention() -> None:
    """Four products backward; the scores once more if asked for, and named if not."""

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(16, 48)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x).view(-1, 9, 3, 4, 4).permute(2, 0, 3, 1, 4)
            out: Tensor = nn.functional.scaled_dot_product_attention(q, k, v)
            return out

    product, projection = 9 * 9 * 16, 9 * 16 * 48
    found = training(Attention(), input=(9, 16))
    assert (found.forward.macs, found.backward.macs) == (projection + 2 * product, projection + 4 * product)
    assert found.scores == product
    assert any(f"{product:,} MACs more" in note for note in found.remarks)
    assert training(Attention(), input=(9, 16), fused=True).backward.macs == projection + 5 * product


def test_fused_attention_that_ran() -> None:
    """A forward that reads values runs on the CPU, whose kernel computes five products; the count is as on meta."""

    class Attention(nn.Module):
        def __init__(self, reads: bool) -> None:
            super().__init__()
            self.kv, self.queries, self.reads = nn.Linear(16, 32), nn.Parameter(torch.ones(1, 4, 5, 4)), reads

        def forward(self, x: Tensor) -> Tensor:
            if self.reads:
                x.sum().item()
            k, v = self.kv(x).view(-1, 9, 2, 4, 4).permute(2, 0, 3, 1, 4)
            out: Tensor = nn.functional.scaled_dot_product_attention(self.queries.expand(len(x), -1, -1, -1), k, v)
            return out

    product, projection = 5 * 9 * 16, 9 * 16 * 32
    for reads in (False, True):
        found = training(Attention(reads), input=(9, 16))
        assert (found.forward.macs, found.backward.macs) == (projection + 2 * product, projection + 4 * product)
        # The gradient of the learned queries is one of weights.
        assert (found.input_gradient_macs, found.weight_gradient_macs) == (3 * product, projection + product)
        assert (found.scores, found.recomputed) == (product, 0)
        fused = training(Attention(reads), input=(9, 16), fused=True)
        assert (fused.backward.macs, fused.recomputed) == (projection + 5 * product, product)


@pytest.mark.filterwarnings("ignore:None of the inputs")
def test_checkpoints_with_gradients_of_their_own() -> None:
    """A checkpoint of the older kind differentiates its second run, whose kernels belong to the layers that ran."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.one, self.two, self.head = (
                nn.Linear(4, 4),
                *(nn.Linear(4, 4) for _ in range(2)),
                nn.Linear(4, 3),
            )

        def inner(self, x: Tensor) -> Tensor:
            hidden = self.two(self.one(x))
            # A product of two tensors that depend on the input.
            out: Tensor = hidden @ hidden.transpose(-1, -2) @ x
            return out

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(checkpoint(self.inner, self.stem(x), use_reentrant=True))
            return out

    found = training(Net(), input=(6, 4))
    layer, product, head = 6 * 4 * 4, 6 * 6 * 4, 6 * 4 * 3
    assert found.recomputed == 2 * layer + 2 * product
    splits = _splits(found)
    assert splits["stem"] == Gradients(0, layer)
    assert splits["two"] == Gradients(layer, layer, layer)
    assert splits["head"] == Gradients(head, head)
    assert found.input_gradient_macs == 2 * layer + 4 * product + head


class Checkpointed(nn.Module):
    """A function of a layer and a tensor in a checkpoint, behind another layer."""

    def __init__(self, inner: Callable[[nn.Module, Tensor], Tensor], reentrant: bool) -> None:
        super().__init__()
        self.stem, self.layer = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.inner, self.reentrant = inner, reentrant

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = checkpoint(partial(self.inner, self.layer), self.stem(x), use_reentrant=self.reentrant)
        return out


@pytest.mark.filterwarnings("ignore:None of the inputs")
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_checkpointed_attention(reentrant: bool, inside: bool) -> None:
    """What the older checkpoint computes first has no gradients: its scores are those of what runs again.

    inside: the queries are computed inside of the checkpoint.
    """

    def inner(layer: nn.Module, y: Tensor) -> Tensor:
        y = layer(y) if inside else y
        return nn.functional.scaled_dot_product_attention(y, y, y)

    net = Checkpointed(inner, reentrant)
    plain, fused = (training(net, input=(6, 4), fused=one) for one in (False, True))
    # The scores of 6 x 6 pairs are computed once more.
    assert fused.backward.macs - plain.backward.macs == 6 * 6 * 4
    assert not any("use_reentrant" in note for note in fused.remarks)


@pytest.mark.filterwarnings("ignore:None of the inputs")
@pytest.mark.parametrize("reentrant", [False, True])
def test_what_runs_again_is_kept_on_the_device_of_the_pass(reentrant: bool) -> None:
    """A function that names a GPU is called once more by autograd."""

    def inner(layer: nn.Module, y: Tensor) -> Tensor:
        found: Tensor = layer(y) * torch.ones(4, device="cuda")
        return found

    found = training(Checkpointed(inner, reentrant), input=(6, 4))
    assert (found.forward.macs, found.backward.macs) == (2 * 96, 4 * 96)


@pytest.mark.filterwarnings("ignore:None of the inputs")
def test_attention_without_gradients_is_not_computed_again() -> None:
    """A fused kernel that has no backward pass computes its scores once, also of queries that have gradients."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Linear(4, 4, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.stem(x)
            with torch.no_grad():
                z = nn.functional.scaled_dot_product_attention(y, y, y)
            return y + z

    plain, fused = (training(Net(), input=(6, 4), fused=one) for one in (False, True))
    assert fused.backward.macs == plain.backward.macs


def test_the_module_is_not_touched() -> None:
    """Parameters, buffers, gradients, flags and modes are as before, from inference mode as well."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    net[1].eval()
    net[0].weight.requires_grad_(False)
    before = copy.deepcopy(net.state_dict())
    with torch.inference_mode():
        found = training(net, input=(3, 8, 8), batch=2)
    assert found.backward.macs == 0
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None and parameter.device.type == "cpu" for parameter in net.parameters())
    assert [child.training for child in net] == [True, False, True]
    assert not net[0].weight.requires_grad
    assert net[0].bias.requires_grad
    assert not torch.is_inference_mode_enabled()


def test_batch_norm_of_one_value() -> None:
    """Torch refuses it; the cost is that of a larger batch, with a note."""
    net = nn.Sequential(nn.Conv2d(3, 4, 8), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    one, two = (training(net, input=(3, 8, 8), batch=batch) for batch in (1, 2))
    assert 2 * one.macs == two.macs
    assert any("one value for each channel" in note for note in one.remarks)
    assert not any("one value for each channel" in note for note in two.remarks)


def test_kernels_without_a_gradient() -> None:
    """They are errors of one line, and kernels without a rule are flagged."""
    define_kernels()
    with pytest.raises(FlopcalcError, match=r"backward pass of .* failed") as caught:
        training(_Net(lambda x: torch.heaviside(x, x)), input=(4, 8, 8))
    assert caught.value.code == "not-differentiable"
    found = training(_Net(torch.linalg.matrix_exp), input=(4, 8, 8), batch=16)
    assert found.backward.uncounted
    assert "at least" in repr(found)


def test_formula() -> None:
    """The closed form of a module, and none where its graph does not give the passes that run."""
    form = formula(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, groups=2)), input=(3, 16, 16), mode="training")
    n, h, w = 3, 21, 40
    first, second = 4 * 27 * (h - 2) * (w - 2), 4 * 18 * (h - 4) * (w - 4)
    assert form.at(N=n, H=h, W=w)["macs"] == n * (2 * first + 3 * second)
    with pytest.raises(FlopcalcError, match="does not follow from its layers") as caught:
        formula(_Net(Tensor.detach), input=(4, 8, 8), mode="training")
    assert caught.value.code == "no-closed-form"


def test_a_formula_says_where_kernels_cost_something_else() -> None:
    """The gradient of a bias is a sum of its own: it reads the gradient of the output again, and is no activation."""
    module = nn.Linear(8, 8)
    form, ran = formula(module, input=(4, 8), mode="training"), training(module, input=(4, 8))
    at = form.at(N=1, T=4)
    assert at["macs"] == ran.macs
    (note,) = form.to_dict()["notes"]
    for kind in ("traffic", "activations"):
        assert f"{kind} {ran.total(kind)} at N = 1, T = 4, where the formula has {at[kind]}" in note
    assert "flops" not in note


class _Positions(nn.Module):
    """Gives out a part of its parameter: a view, without a kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, 16, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.table[:, : x.shape[1]]


@pytest.mark.parametrize("inside", [False, True])
def test_a_forward_without_kernels(inside: bool) -> None:
    """The gradient of a part of 4 x 8 is written into one of 16 x 8 zeros, by the module that took it."""
    module = nn.Sequential(_Positions()) if inside else _Positions()
    found = training(module, input=(4, 8))
    assert (found.macs, found.forward.total("traffic"), found.backward.total("traffic")) == (0, 0, 32 + 128)
    assert [layer.name for layer in found.backward.layers] == ["0" if inside else "(model)"]


@pytest.mark.filterwarnings("ignore")
def test_replaced_layers() -> None:
    """In a module as in a description."""
    import_torchvision()
    theirs = training("torchvision:resnet18", input=(3, 224, 224), replace="ghost")
    spec = from_python("resnet18", replace="ghost")
    assert theirs.macs == network_training(read_target(spec).network, TrainingOptions()).macs
    assert theirs.macs < network_training(network("resnet18"), TrainingOptions()).macs

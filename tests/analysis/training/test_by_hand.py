"""The training cost of small networks whose gradients are worked out by hand, and of known networks."""

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, formula, layer, network, training
from flopcalc.analysis.training.training import Training, network_training
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.networks.network import Network
from flopcalc.networks.training import TrainingOptions, read_training

# An image of 3 channels, then four convolutions whose outputs have 10 x 12 positions each.
NET = """\
input: [3, 10, 12]
layers:
  - stem: {op: conv, out: 8}
  - norm: batchnorm
  - relu: relu
  - grouped: {op: group, out: 16, groups: 4}
  - depthwise: {op: depthwise}
  - up: {op: transposed, out: 6, k: 2, stride: 2, padding: 0}
  - pool: global_avgpool
  - flatten: flatten
  - fc: {op: linear, out: 5}
"""
P = 10 * 12
STEM = 8 * 3 * 9 * P
GROUPED = 16 * (8 // 4) * 9 * P
DEPTHWISE = 16 * 9 * P
# Each position of the input times 4 taps of each of 6 outputs.
UP = 16 * 6 * 4 * P
FC = 6 * 5
FORWARD = STEM + GROUPED + DEPTHWISE + UP + FC


def _net(write_network: WriteNetwork, text: str = NET, batch: int = 1) -> Network:
    return network(write_network(text), batch=batch)


def _backward(found: Training) -> dict[str, int]:
    """MACs of the backward pass by layer, without those that have none."""
    return {layer.name: layer.cost.macs for layer in found.backward.layers if layer.cost.macs}


def test_each_product_has_two_gradients(write_network: WriteNetwork) -> None:
    """Weights and input each cost the forward again, also grouped, depthwise, transposed; the first has no input."""
    found = training(_net(write_network))
    assert found.forward.macs == FORWARD
    assert _backward(found) == {
        "stem": STEM,
        "grouped": 2 * GROUPED,
        "depthwise": 2 * DEPTHWISE,
        "up": 2 * UP,
        "fc": 2 * FC,
    }
    assert found.backward.macs == 2 * FORWARD - STEM
    assert found.macs == 3 * FORWARD - STEM
    assert found.params == found.forward.params
    assert found.backward.params == 0


def test_a_batch_multiplies_both_passes(write_network: WriteNetwork) -> None:
    """At batch 3."""
    assert training(_net(write_network, batch=3)).macs == 3 * (3 * FORWARD - STEM)


def test_elementwise_rules(write_network: WriteNetwork) -> None:
    """As docs/training.md lists them, for each element."""
    found = training(_net(write_network))
    size = 8 * P
    norm, relu = (next(layer for layer in found.backward.layers if layer.name == name) for name in ("norm", "relu"))
    assert (norm.cost.adds, norm.cost.muls, norm.cost.other) == (5 * size, 4 * size, 0)
    assert (relu.cost.adds, relu.cost.muls, relu.cost.other) == (0, 0, size)
    # The forward pass of batch norm computes its mean and its variance.
    forward = next(layer for layer in found.forward.layers if layer.name == "norm")
    assert (forward.cost.adds, forward.cost.muls) == (3 * size, 2 * size)


SIZE = 4 * 6 * 5  # 4 channels on 30 positions
NORMS = {
    # The normalised input, two sums, two sums times a factor added to the gradient; the last only for the input.
    "batchnorm": {"": (5, 4, 0), "norm": (5, 4, 0), "conv": (3, 2, 0)},
    # Statistics of its own, and no weights, so that nothing is wanted where the convolution is frozen.
    "instancenorm": {"": (5, 4, 0), "norm": (5, 4, 0), "conv": (0, 0, 0)},
    # As of batch norm, but with sums over other axes for the weights (2 adds, 1 mul) than for the means.
    "layernorm": {"": (7, 6, 0), "norm": (5, 5, 0), "conv": (3, 2, 0)},
    "{op: groupnorm, groups: 2}": {"": (7, 6, 0), "norm": (5, 5, 0), "conv": (3, 2, 0)},
    "{op: batchnorm, frozen: true}": {"": (0, 1, 0), "norm": (0, 1, 0), "conv": (0, 0, 0)},
}


@pytest.mark.parametrize("frozen", ["", "norm", "conv"])
@pytest.mark.parametrize("norm", NORMS)
def test_norms(write_network: WriteNetwork, norm: str, frozen: str) -> None:
    """Only what is wanted is computed: of a frozen norm the input's gradient, of the first trained one the weights'.

    For each element, as docs/training.md lists them.
    """
    layers = f"layers:\n  - conv: {{op: conv, out: 4}}\n  - norm: {norm}\n"
    found = training(_net(write_network, f"input: [4, 6, 5]\n{layers}"), freeze=frozen or ())
    cost = next((layer.cost for layer in found.backward.layers if layer.name == "norm"), None)
    work = (cost.adds, cost.muls, cost.other) if cost else (0, 0, 0)
    assert work == tuple(SIZE * one for one in NORMS[norm][frozen])


@pytest.mark.parametrize(
    ("frozen", "work"),
    [
        # g x^ summed over positions; g w, times x summed over channels, times r; 2 x for the square, times; the sum.
        ("", (3 * SIZE, 6 * SIZE + 2 * 30, 2 * SIZE + 30)),
        ("norm", (2 * SIZE, 5 * SIZE + 2 * 30, 2 * SIZE + 30)),
        ("conv", (SIZE, SIZE, 0)),
    ],
)
def test_rms_norm(write_network: WriteNetwork, frozen: str, work: tuple[int, int, int]) -> None:
    """Kernels of their own: the power, two products and the division of each position are added."""
    text = "input: [4, 6, 5]\nlayers:\n  - conv: {op: conv, out: 4}\n  - norm: rmsnorm\n"
    found = training(_net(write_network, text), freeze=frozen or ())
    cost = next(layer.cost for layer in found.backward.layers if layer.name == "norm")
    assert (cost.adds, cost.muls, cost.other) == work


@pytest.mark.parametrize(
    ("freeze", "expected"),
    [
        # Nothing below the last trained layer needs a gradient.
        (["stem", "norm", "grouped", "depthwise", "up"], {"fc": FC}),
        # What stands between needs that of its input alone.
        (
            ["grouped", "up"],
            {"stem": STEM, "grouped": GROUPED, "depthwise": 2 * DEPTHWISE, "up": UP, "fc": 2 * FC},
        ),
        # The norm is trained, so the gradient reaches it.
        (["stem"], {"grouped": 2 * GROUPED, "depthwise": 2 * DEPTHWISE, "up": 2 * UP, "fc": 2 * FC}),
        (["*"], {}),
    ],
    ids="+".join,
)
def test_frozen_layers(write_network: WriteNetwork, freeze: list[str], expected: dict[str, int]) -> None:
    """No gradient for their weights, and none for what is below the first trained layer."""
    found = training(_net(write_network), freeze=freeze)
    assert _backward(found) == expected
    assert found.forward.macs == FORWARD


def test_checkpointed_layers_run_again(write_network: WriteNetwork) -> None:
    """The forward of the layers that match once more, and the share is named; a frozen beginning is not kept anyway."""
    net = _net(write_network)
    found = training(net, checkpoint="grouped")
    assert _backward(found)["grouped"] == 3 * GROUPED
    assert found.recomputed == GROUPED
    assert training(net, checkpoint="stem", freeze=["stem", "norm"]).recomputed == 0


def test_a_pattern_that_matches_nothing(write_network: WriteNetwork) -> None:
    """An error that names the option."""
    for option in ("freeze", "checkpoint"):
        with pytest.raises(FlopcalcError, match="unknown layer") as caught:
            training(_net(write_network), **{option: "layer9"})  # type: ignore[arg-type]
        assert f"--{option}" in caught.value.hint


def test_shared_weights(write_network: WriteNetwork) -> None:
    """Each call has both gradients, and freezing the owner freezes all."""
    text = """\
input: [4, 6, 6]
layers:
  - one: {op: conv, out: 4}
  - two: {op: conv, out: 4, weights_of: one}
"""
    macs = 4 * 4 * 9 * 36
    assert _backward(training(_net(write_network, text))) == {"one": macs, "two": 2 * macs}
    assert _backward(training(_net(write_network, text), freeze="one")) == {}


def test_gradients_of_several_readers_are_added(write_network: WriteNetwork) -> None:
    """A residual block: the output of the first convolution is read twice, so its gradient is a sum."""
    text = """\
input: [4, 6, 6]
layers:
  - one: {op: conv, out: 4}
  - two: {op: conv, out: 4}
  - add: {op: add, from: [one, two]}
"""
    found = training(_net(write_network, text))
    assert _backward(found) == {"one": 4 * 4 * 9 * 36, "two": 2 * 4 * 4 * 9 * 36}
    assert found.backward.adds == 4 * 36


def test_attention(write_network: WriteNetwork) -> None:
    """Two products forward, four backward; the scores once more in a fused kernel."""
    text = """\
input: [16, 1, 9]
layers:
  - first: {op: linear, out: 16}
  - q: {op: linear, out: 16}
  - k: {op: linear, out: 16, from: first}
  - v: {op: linear, out: 16, from: first}
  - attend: {op: dot_product_attention, heads: 4, from: [q, k, v]}
"""
    product = 9 * 9 * 16
    net = _net(write_network, text)
    found = training(net)
    assert next(layer for layer in found.forward.layers if layer.name == "attend").cost.macs == 2 * product
    assert _backward(found)["attend"] == 4 * product
    # Only the module says that it is one kernel. It is not fused if nothing is said.
    assert _backward(training(net, fused=True))["attend"] == 4 * product
    net = _net(write_network, f"{text}calls: {{attend: F.scaled_dot_product_attention}}\n")
    assert _backward(training(net, fused=True))["attend"] == 5 * product
    for options in (TrainingOptions(), read_training("training")):
        assert options is not None
        assert _backward(network_training(net, options))["attend"] == 4 * product


# Published multiply-accumulates of the forward, and of the first convolution.
@pytest.mark.parametrize(("name", "first"), [("resnet50", 64 * 3 * 49 * 112**2), ("mobilenet_v2", 32 * 3 * 9 * 112**2)])
def test_three_times_the_forward(name: str, first: int) -> None:
    """But for the first layer, also where most convolutions are depthwise; at all sizes, by formula."""
    found = training(name)
    assert found.macs == 3 * found.forward.macs - first
    forms = formula(name), formula(name, mode="training")
    for sizes in ({"N": 1, "H": 224, "W": 224}, {"N": 3, "H": 225, "W": 257}):
        forward, both = (form.at(**sizes)["macs"] for form in forms)
        positions = sizes["N"] * -(-sizes["H"] // 2) * -(-sizes["W"] // 2)
        assert both == 3 * forward - first // 112**2 * positions


def test_by_formula_resnet50() -> None:
    """Three times each coefficient of the forward, and twice that of the first convolution."""
    exact = formula("resnet50", mode="training", assume="H = 32 h, W = 32 w").exact["macs"]
    forward = formula("resnet50", assume="H = 32 h, W = 32 w").exact["macs"]
    # 64 x 3 x 49 weights at 16 h x 16 w positions.
    first = 64 * 3 * 49 * 256
    numbers = [int(text.split("*")[0]) for text in forward.split(" + ")]
    assert exact == f"{3 * numbers[0] - first}*N*h*w + {3 * numbers[1]}*N"


def test_frozen_by_formula() -> None:
    """Frozen layers and checkpoints are in the formula too."""
    form = formula("resnet18", mode="training", freeze=["conv1", "bn1", "layer*"], checkpoint="fc")
    assert form.at(N=2, H=224, W=224)["macs"] == 2 * (1_814_073_344 + 2 * 512_000)


def test_a_network_without_parameters(write_network: WriteNetwork) -> None:
    """There is no backward pass."""
    found = training(_net(write_network, "input: [4, 6, 6]\nlayers:\n  - pool: {op: maxpool, k: 2}\n"))
    assert found.backward.flops == found.backward.steps == 0


def test_the_record() -> None:
    """Both passes with all kinds, rows by layer, and a short text."""
    found = training("alexnet")
    record = found.to_dict()
    assert record["macs"] == record["forward"]["macs"] + record["backward"]["macs"]
    rows = found.to_rows()
    assert sum(row["backward"] for row in rows) == found.backward.macs
    assert repr(found).startswith("<Training of alexnet: 714,")
    assert found.steps == found.forward.steps + found.backward.steps


@pytest.mark.parametrize("name", [operator.name for operator in lookup.every()])
def test_no_kernel_of_an_operator_does_less_than_nothing(name: str) -> None:
    """Whatever the options: sizes are differences of others, and must not be negative."""
    for e in cases(lookup.get(name)):
        step = training(e)
        assert all(min(part[2:10]) >= 0 for net in (step.forward, step.backward) for part in net.layers[0].cost), e
        assert step.input_gradient_macs + step.weight_gradient_macs == step.backward.macs


@pytest.mark.parametrize(
    ("name", "maps", "weights"),
    [
        # One mixed kernel for each of two samples.
        ("condconv", 2 * 16 * 100, 2 * 16 * 16 * 9),
        ("dynamic_conv", 2 * 16 * 100, 2 * 16 * 16 * 9),
        ("odconv", 2 * 16 * 100, 2 * 16 * 16 * 9),
        # Four rotations of 16 channels each, with the same filters for all samples.
        ("gconv", 2 * 64 * 100, 64 * 64 * 9),
    ],
)
def test_gradients_of_computed_weights(name: str, maps: int, weights: int) -> None:
    """The product reads and writes tensors of these sizes."""
    parts = training(layer(name, 16, hw=10, batch=2)).backward.layers[0].cost
    of_input, of_weight = (
        next(part for part in parts if part.work == "conv" and part.name.endswith(end))
        for end in ("grad_input", "grad_weight")
    )
    assert (of_input.writes, of_weight.writes) == (maps, weights)
    assert (of_input.reads - weights, of_weight.reads - maps) == (maps, maps)


RESIZED = """\
input: [4, 8, 8]
layers:
  - first: {{op: conv, out: 4}}
  - small: {{op: maxpool, k: 2}}
  - resized: {resized}
  - last: {{op: conv, out: 2, k: 1}}
"""


@pytest.mark.parametrize(
    ("resized", "adds", "muls"),
    [
        # A sum for each of the 4 x 8 x 8 gradients; bilinear a product and a sum for each of 4 taps.
        ("{op: upsample, scale: 2}", 256, 0),
        ("{op: upsample, from: [small, first]}", 256, 0),
        ("{op: upsample_bilinear, scale: 2}", 4 * 256, 4 * 256),
        ("{op: upsample_bilinear, from: [small, first]}", 4 * 256, 4 * 256),
    ],
)
def test_gradients_of_upsampling(write_network: WriteNetwork, resized: str, adds: int, muls: int) -> None:
    """The kernels add each gradient to those of its taps; a second input that gives the size has no gradient."""
    found = training(_net(write_network, RESIZED.format(resized=resized))).backward
    cost = {layer.name: layer.cost for layer in found.layers}
    assert (cost["resized"].adds, cost["resized"].muls) == (adds, muls)
    # The gradient of the weights alone: its output is read once.
    assert cost["first"].adds == 0
    assert cost["first"].macs == 4 * 4 * 9 * 64
    # Pooling adds each of its 4 x 4 x 4 gradients.
    assert found.adds == adds + 4 * 4 * 4


def test_crop_reads_only_the_size_of_its_second_input(write_network: WriteNetwork) -> None:
    """No sum of gradients, and its kernels do not wait for the second input."""
    text = """\
input: [4, 9, 9]
layers:
  - first: {op: conv, out: 4}
  - pad: {op: pad, amount: 3}
  - relu: relu
  - crop: {op: crop, from: [relu, first]}
  - last: {op: conv, out: 2, k: 1}
"""
    found = training(_net(write_network, text)).backward
    assert found.adds == 0
    assert found.other == 4 * 12 * 12
    # An image that is cut to the size of a trained layer's output needs no gradient, only the weights do.
    sized = text.replace("[relu, first]", "[input, first]")
    assert _backward(training(_net(write_network, sized)))["last"] == 2 * 4 * 81


@pytest.mark.parametrize("name", ["swin_t", "mobilevit_s", "mobilevit_v3_s"])
def test_layers_that_only_some_sizes_have_by_formula(name: str) -> None:
    """Where a resize is left out, its readers read its input: as the step itself at sizes with and without it."""
    form = formula(name, mode="training")
    for side in (256, 288):
        step = training(name, input=f"3x{side}x{side}")
        at = form.at(N=1, H=side, W=side)
        assert [at[kind] for kind in ("macs", "adds", "muls", "steps")] == [
            step.total(kind) for kind in ("macs", "adds", "muls", "steps")
        ]


@pytest.mark.parametrize(("version", "muls", "adds"), [("v1", 14, 15), ("v2", 17, 16)])
def test_a_deformable_convolution(version: str, muls: int, adds: int) -> None:
    """The same products and sums for each tap as those of torchvision's kernel, whose test derives them."""
    found = training(layer("deform_conv", 6, hw=(5, 4), version=version))
    parts = {part.name: part for part in found.backward.layers[-1].cost.parts}
    gradients = [part for name, part in parts.items() if name.startswith("conv.")]
    taps = 6 * 9 * 20
    assert sum(part.muls for part in gradients) == muls * taps
    # The kernel sums a bias in any case: 6 channels on 20 positions.
    assert sum(part.adds for part in gradients) == adds * taps + 6 * 20
    assert sum(part.macs for part in gradients) == 2 * 6 * taps

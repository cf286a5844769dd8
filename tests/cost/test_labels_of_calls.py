"""How labels of parts are read, and the rules of other counters on single parts, by hand."""

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network
from flopcalc.cost import convention, parts
from flopcalc.cost.calls import How, how, is_label, lacks_sizes
from flopcalc.cost.cost import Cost, Part
from flopcalc.networks.counted import counted


def test_a_part_has_no_work_but_one_step() -> None:
    """Whatever is not given is 0."""
    part = Part("empty", "conv")
    assert (part.params, part.macs, part.adds, part.muls, part.other, part.activations) == (0,) * 6
    assert (part.reads, part.writes, part.traffic, part.steps) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("label", "sizes"),
    [
        ("own Conv", 1),
        ("Conv subclass", 1),
        ("torchvision.ops.deform_conv2d", 1),
        ("own RMSNorm", 1),
        ("Softmax", 1),
        ("F.interpolate to size", 1),
        ("F.interpolate to size, bilinear", 1),
        ("+ and -", 2),
        # In the output, and what two counters make of it.
        ("ConvTranspose", 3),
    ],
)
def test_labels_that_need_sizes(label: str, sizes: int) -> None:
    """Without one of them nothing is known of the call."""
    for given in range(4):
        part = Part("a", "conv", call=label, extra=(1, 2, 3)[:given])
        assert lacks_sizes(part) == (given < sizes)
        assert (how(part) == How()) == (given < sizes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Conv", True),
        ("another class", False),
        ("", False),
        ("Conv, 12 products of sizes", True),
        ("1 product of sizes", True),
        ("another class, 12 products of sizes", False),
    ],
)
def test_what_is_a_label(text: str, expected: bool) -> None:
    """One of the table, with products of sizes or without, or these alone."""
    assert is_label(text) == expected


def test_kernels_on_the_cpu() -> None:
    """Attention is one kernel there, which ptflops' back end for kernels does not know. bmm adds nothing."""
    aten = convention.get("ptflops-aten")
    for call, figure in (("F.scaled_dot_product_attention", 0), ("torch.bmm", 60), ("", 60)):
        assert aten.of(Cost((Part("a", "matmul", macs=60, adds=5, call=call),))) == figure
    assert aten.of(Cost((Part("a", "linear", macs=60, adds=5),))) == 65
    # A kernel of another package.
    assert aten.of(Cost((Part("a", "conv", macs=60, call="torchvision.ops.deform_conv2d", extra=(1,)),))) == 0


def test_flops() -> None:
    """Two for each MAC, and each other operation. The batch is 1 where none is given."""
    part = Part("a", "linear", params=6, macs=1000, adds=1, muls=10, other=100)
    assert convention.get("flops").of(Cost((part,))) == 2111
    assert convention.get("torchinfo").of(Cost((part,))) == 6


def test_a_mean_over_the_batch() -> None:
    """Ptflops divides by the batch that it takes from the only input; of several inputs it finds none."""
    cost = Cost((Part("a", "conv", macs=400),))
    assert convention.get("ptflops").of(cost, 4) == 100
    assert convention.get("ptflops").of(cost, 4, inputs=2) == 400


def test_products_of_sizes_in_a_label() -> None:
    """Behind the label of the call, or alone."""
    assert how(Part("a", "conv", call="Conv, 12 products of sizes")).products == 12
    assert how(Part("a", "conv", call="1 product of sizes")).products == 1
    assert how(Part("a", "conv", call="Conv, 12 products of sizes")).module == "Conv"
    assert how(Part("a", "conv", call="Conv")).products == 0


def test_operations_of_a_multiply_accumulate() -> None:
    """Conventions that say `2 x MACs` have two for each of a plain convolution; the others have one."""
    plain = Part("a", "conv", macs=1000)
    for one in convention.CONVENTIONS.values():
        assert one.per_mac == (2 if "2 x MACs" in one.text else 1), one.name
        assert one.of(Cost((plain,))) in (0, one.per_mac * 1000), one.name


@pytest.mark.parametrize("call", ["Softmax", "MultiheadAttention"])
@pytest.mark.parametrize("name", ["thop", "ultralytics-thop"])
def test_softmax(name: str, call: str) -> None:
    """4 rows of 6: of each row 6 exponentials, 5 additions and 6 divisions; thop knows no attention."""
    part = Part("a", "softmax", adds=24, other=48, reads=24, writes=24, call=call, extra=(4,))
    found = convention.get(name).of(Cost((part,)))
    assert found == (0 if (name, call) == ("thop", "MultiheadAttention") else 4 * (6 + 5 + 6))


@pytest.mark.parametrize(
    ("part", "figure"),
    [
        # 5 outputs of 12 weights each, with biases: 12 products and 11 additions; of a convolution the bias counts.
        (Part("a", "linear", macs=60, adds=5, activations=5), 5 * (12 + 11)),
        (Part("a", "conv", macs=60, adds=5, activations=5), 65),
        # A norm has 4 operations for each of 10 elements.
        (Part("a", "norm", adds=12, muls=8, writes=10), 40),
        # Two maps of 9: 9 additions and a division each; as windows of 3 x 3 it takes 3 for the window.
        (Part("a", "gap", adds=18, other=2), 20),
        (Part("a", "act", other=7), 0),
        (Part("a", "act", other=7, call="LeakyReLU"), 7),
        # 2 x 3 outputs of 5 channels, each from 4 channels in 2 groups and 9 places, and a bias.
        (parts.transposed_conv("a", 4, 10, 9, 2, 6, groups=2, bias=True), 10 * 6 * (4 // 2 * 9 + 1)),
        # Products of functions are not seen.
        (parts.matmul("a", 3, 4, 5), 0),
    ],
)
def test_thop_of_2019(part: Part, figure: int) -> None:
    """By its docstring."""
    assert convention.get("thop-2019").of(Cost((part,))) == figure


def test_a_product_of_complex_numbers_counts_once() -> None:
    """Four products of real numbers each, which other counters take for one."""
    cost = Cost((Part("a", "matmul", macs=4000, call="torch.bmm, complex"),))
    assert convention.get("macs").of(cost) == 4000
    assert convention.get("fvcore").of(cost) == 1000
    assert convention.get("flop-counter").of(cost) == 2 * 1000


@pytest.mark.parametrize(
    ("call", "each"),
    [
        *(
            ("ReLU", 2),
            ("ReLU6", 2),
            ("LeakyReLU", 2),
            ("PReLU", 2),
            ("ELU", 3),
            ("SiLU", 5),
            ("Sigmoid", 3),
            ("Tanh", 6),
        ),
        *(("Hardswish", 4), ("Hardsigmoid", 4), ("GELU", 0)),
    ],
)
def test_activations_of_open_model_zoo(call: str, each: int) -> None:
    """Operations for each of 7 elements by its layer_provider.py; what that does not know is left out."""
    assert convention.get("open-model-zoo").of(Cost((Part("a", "act", other=7, call=call),))) == each * 7


def test_layer_norms_of_open_model_zoo() -> None:
    """2 for each element, and a product and a sum for an affine map."""
    norm = parts.layer_norm("a", 6, 5)
    assert convention.get("open-model-zoo").of(Cost((norm,))) == 4 * 30
    plain = norm._replace(params=0, adds=norm.adds - 30, muls=norm.muls - 30)
    assert convention.get("open-model-zoo").of(Cost((plain,))) == 2 * 30


@pytest.mark.parametrize(
    ("part", "figure"),
    [
        # 5 outputs of 12 weights each and a bias.
        (Part("a", "conv", macs=60, adds=5, activations=5), 5 * (12 + 1)),
        # A comparison and a product for each of 7 elements.
        (Part("a", "act", other=7, call="ReLU"), 2 * 7),
        (Part("a", "act", other=7, call="Sigmoid"), 0),
        (parts.norm("a", 3, 5), 0),
        # From 13 x 13 to 6 x 6 the stride is 2, with the edges cut off; from 14 x 14 to 14 x 14 it is 1.
        (parts.max_pool("a", 5, 169, 36, 9), 2 * 5 * 36 * 2**2),
        (parts.avg_pool("a", 5, 196, 196, 9), 2 * 5 * 196),
        # From 5 x 5 to 2 x 2, and from 7 x 7 to 4 x 4 with padding.
        (parts.max_pool("a", 5, 25, 4, 9), 2 * 5 * 4 * 2**2),
        (parts.max_pool("a", 5, 49, 16, 9), 2 * 5 * 16 * 2**2),
        # From 6 x 6 to 4 x 4, where the last window reaches beyond the padding; from 19 x 19 to 13 x 13 with 7 x 7.
        (parts.max_pool("a", 5, 36, 16, 9), 2 * 5 * 16 * 2**2),
        (parts.max_pool("a", 5, 361, 169, 49), 2 * 5 * 169),
        (parts.max_pool("a", 5, 0, 0, 9), 0),
        (parts.global_avg_pool("a", 5, 49, 1), 5 * 49),
        (parts.upsample("a", 5, 49, 196)._replace(call="F.interpolate, bilinear"), 4 * 5 * 196),
        (parts.add("a", 5, 49), 5 * 49),
        (Part("a", "mul", muls=7), 7),
    ],
)
def test_layers_of_convnet_burden(part: Part, figure: int) -> None:
    """By its core/burden.m."""
    assert convention.get("convnet-burden").of(Cost((part,))) == figure


def test_the_example_of_paddle(write_network: WriteNetwork) -> None:
    """LeNet on 1 x 28 x 28, in the docstring of paddle.flops: the figure of each layer, and of all."""
    text = """
name: lenet
input: [1, 28, 28]
layers:
  - conv1: {op: conv, out: 6, bias: true}
  - relu1: relu
  - pool1: {op: maxpool, k: 2, stride: 2}
  - conv2: {op: conv, out: 16, k: 5, padding: 0, bias: true}
  - relu2: relu
  - pool2: {op: maxpool, k: 2, stride: 2}
  - flat: flatten
  - fc1: {op: linear, out: 120}
  - fc2: {op: linear, out: 84}
  - fc3: {op: linear, out: 10}
"""
    found = counted(network(write_network(text)), convention.get("paddle-flops"))
    assert [one for one in found.by_layer if one] == [47040, 241600, 48000, 10080, 840]
    assert found.total == 347560


@pytest.mark.parametrize(
    ("part", "figure"),
    [
        # 2 x 3 outputs of 5 channels, each from 4 channels in 2 groups and 9 places, and a bias.
        (parts.transposed_conv("a", 4, 10, 9, 2, 6, groups=2, bias=True), 10 * 6 * (4 // 2 * 9 + 1)),
        # 2 for each of 7 channels at 5 places, with an affine map or without.
        (parts.norm("a", 7, 5), 2 * 35),
        (parts.norm("a", 7, 5)._replace(params=0, call="BatchNorm without affine"), 2 * 35),
        # Windows of 3 x 3 for 4 outputs: one for each; to a mean of 9 places, 9 additions and a division.
        (parts.avg_pool("a", 4, 9, 1, 9)._replace(call="AvgPool"), 4),
        (parts.avg_pool("a", 4, 9, 1, 9)._replace(call="AdaptiveAvgPool"), 4 * (9 + 1)),
        (Part("a", "act", other=7, call="LeakyReLU"), 7),
        (Part("a", "act", other=7, call="ReLU"), 0),
    ],
)
def test_layers_of_paddle(part: Part, figure: int) -> None:
    """By its hapi/dynamic_flops.py."""
    assert convention.get("paddle-flops").of(Cost((part,))) == figure


def test_a_kind_that_there_is_not() -> None:
    """Whatever it is."""
    for kind in ("reads", "", 7, None, ["macs"]):
        with pytest.raises(FlopcalcError) as caught:
            Cost(()).total(kind)  # type: ignore[arg-type]
        assert caught.value.code == "unknown-kind"

"""How labels of parts are read, and the rules of other counters on single parts, by hand."""

import pytest

from flopcalc import FlopcalcError
from flopcalc.cost import convention
from flopcalc.cost.calls import how, lacks_sizes
from flopcalc.cost.cost import Cost, Part


def test_a_part_has_no_work_but_one_step() -> None:
    """Whatever is not given is 0."""
    part = Part("empty", "conv")
    assert (part.params, part.macs, part.adds, part.muls, part.other, part.activations) == (0,) * 6
    assert (part.reads, part.writes, part.traffic, part.steps) == (0, 0, 0, 1)


@pytest.mark.parametrize("label", ["own Conv", "Conv subclass", "ConvTranspose", "Softmax", "own RMSNorm"])
def test_labels_that_need_a_size(label: str) -> None:
    """Without it nothing is known of the call."""
    assert lacks_sizes(Part("a", "conv", call=label))
    assert how(Part("a", "conv", call=label)).operator == ""
    given = Part("a", "conv", call=label, extra=(1, 2, 3))
    assert not lacks_sizes(given)
    assert how(given).module == label


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
        # Twice what a norm does: 3 additions and 2 multiplications for each of 4 elements.
        (Part("a", "norm", adds=12, muls=8), 40),
        # Two maps of 9: 9 additions and a division each; as windows of 3 x 3 it takes 3 for the window.
        (Part("a", "gap", adds=18, other=2), 20),
        (Part("a", "act", other=7), 0),
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
    ("call", "figure"), [("ReLU", 2 * 7), ("SiLU", 5 * 7), ("Hardswish", 4 * 7), ("Sigmoid", 3 * 7), ("GELU", 7)]
)
def test_activations_of_open_model_zoo(call: str, figure: int) -> None:
    """Operations for each of 7 elements by its table; of a function that is not in it, one."""
    assert convention.get("open-model-zoo").of(Cost((Part("a", "act", other=7, call=call),))) == figure


def test_a_kind_that_there_is_not() -> None:
    """Whatever it is."""
    for kind in ("reads", "", 7, None, ["macs"]):
        with pytest.raises(FlopcalcError) as caught:
            Cost(()).total(kind)  # type: ignore[arg-type]
        assert caught.value.code == "unknown-kind"

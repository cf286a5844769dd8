"""Closed forms of described networks: against forms derived by hand, and against plain costs at random sizes."""

import random
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
from helpers import WriteNetwork

from flopcalc.analysis.assumptions import assumed
from flopcalc.analysis.closed_forms import network_form
from flopcalc.analysis.form_record import form_record, python_source
from flopcalc.analysis.leading_terms import limit
from flopcalc.analysis.network_form import NetworkForm, changed, form_of
from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError
from flopcalc.networks import library
from flopcalc.symbolic.size import Size
from flopcalc.symbolic.writing import text
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import from_texts

# A spread over the families: strides, pools with a last window, dense blocks, windows, detectors, tokens, two inputs.
SPREAD = (
    *("resnet50", "densenet121", "googlenet", "swin_t", "vit_b_16", "mobilevit_s", "efficientnet_b0", "hrnet_w18"),
    *(
        "yolov3",
        "yolox",
        "shufflenet_v1",
        "squeezenet1_0",
        "inception_v3",
        "caffe_alexnet",
        "mixnet_s",
        "poolformer_s12",
    ),
    *("rtmpose", "odconv_resnet50", "res2net50", "convnext_tiny", "mnasnet_a1", "van", "densenet_cifar", "vgg16"),
)


def _form(name: str, *vary: str, **more: Any) -> NetworkForm:
    return network_form(from_texts(name, **more), vary or None)


@pytest.mark.parametrize("name", SPREAD)
def test_exact_at_random_sizes(name: str) -> None:
    """All kinds, odd sizes included; where the conditions do not hold, the description must not be held against it."""
    form = _form(name)
    description, draws, met = library.compiled(name), random.Random(name), 0  # noqa: S311
    channels = description.at().input_shape[0]
    for attempt in range(200):
        if met == 20:
            break
        step = 32 if attempt % 2 else 1
        point = {
            "N": draws.randrange(1, 6),
            "H": draws.randrange(1, 500 // step) * step,
            "W": draws.randrange(1, 500 // step) * step,
        }
        if not form.allows(point):
            continue
        met += 1
        network = description.at({}, (channels, point["H"], point["W"]), point["N"])
        assert form.at(point) == {kind: network.total(kind) for kind in KINDS}, point
    assert met == 20


def test_resnet50_as_it_is_derived_by_hand() -> None:
    """The stem is a 7x7 convolution 3 -> 64 at half the size: 3 * 64 * 49. Then the four stages, at H/4 to H/32.

    A bottleneck of width w with 4w outputs has w * 4w + 9 w^2 + w * 4w weights; the first one of a stage has other
    inputs, a strided 3x3 convolution, and a shortcut. The convolution in front of the stride is on the larger grid.
    """

    def stage(width: int, given: int, blocks: int) -> tuple[int, int]:
        """(weights on the grid of the input, weights on that of the output)."""
        inside = 9 * width**2 + width * 4 * width
        rest = (blocks - 1) * (4 * width * width + inside)
        return given * width, inside + given * 4 * width + rest

    first = stage(64, 64, 3)
    grids = {4: sum(first)}
    for width, blocks, size in ((128, 4, 8), (256, 6, 16), (512, 3, 32)):
        before, after = stage(width, 2 * width, blocks)
        grids[size // 2] += before
        grids[size] = after
    expected = f"N*({3 * 64 * 49}*ceil(H/2)*ceil(W/2)"
    expected += "".join(f" + {weights}*ceil(H/{size})*ceil(W/{size})" for size, weights in grids.items())
    form = _form("resnet50")
    assert text(form.cost["macs"]) == f"{expected} + {2048 * 1000})"
    assert form.cost["params"] == 25557032
    polynomial = assumed(form, ["H = 32 h, W = 32 w"])
    # 16^2, 8^2, 4^2, 2^2 and 1 positions for each 32x32 square.
    squares = 3 * 64 * 49 * 16**2 + sum(weights * (32 // size) ** 2 for size, weights in grids.items())
    assert text(polynomial.cost["macs"]) == f"{squares}*N*h*w + 2048000*N"
    assert squares == 83410944


def test_a_small_network_by_hand(write_network: WriteNetwork) -> None:
    path = write_network(
        "input: [3, 9, 11]\nlayers:\n  - a: {op: conv, out: 4, k: 3, stride: 2, padding: 0, bias: true}\n  - b: relu\n"
        "  - c: {op: maxpool, k: 2, ceil: true}\n"
    )
    form = _form(path)
    # floor((H - 3)/2) + 1 positions, and half of them, rounded up.
    assert text(form.cost["params"]) == str(3 * 9 * 4 + 4)
    for h, w, n in ((3, 3, 1), (4, 7, 2), (10, 31, 5)):
        p, q = (h - 1) // 2, (w - 1) // 2
        pooled = -(-p // 2) * -(-q // 2)
        expected = {"macs": 108 * n * p * q, "adds": 4 * n * p * q, "other": 4 * n * p * q + 4 * 4 * n * pooled}
        found = form.at({"N": n, "H": h, "W": w})
        assert {kind: found[kind] for kind in expected} == expected
    assert {one.condition for one in form.requirements} == {"H >= 3", "W >= 3"}


def test_where_it_holds_is_where_the_network_exists() -> None:
    """Below the least size AlexNet's last pooling has no output, and the description says so."""
    form = _form("alexnet")
    least = {one.condition for one in form.requirements}
    assert least == {"H >= 63", "W >= 63"}
    description = library.compiled("alexnet")
    assert description.at({}, (3, 63, 63)).macs == form.at({"N": 1, "H": 63, "W": 63})["macs"]
    with pytest.raises(FlopcalcError):
        description.at({}, (3, 62, 63))


def test_options_as_symbols() -> None:
    """The width of MobileNetV2, a fraction, and the classes, whole."""
    form = _form("mobilenet_v2", "set.width", "classes", "batch")
    description = library.compiled("mobilenet_v2")
    for width in ("0.35", "0.5", "0.75", "1.4", "2", "0.65"):
        for classes in (1, 10, 1000):
            network = description.at({"width": width, "classes": classes}, None, 2)
            point = {"width": Fraction(width), "classes": classes, "N": 2}
            assert form.allows(point)
            assert form.at(point) == {kind: network.total(kind) for kind in KINDS}
    # The head: 1280 -> classes, with a bias.
    assert "1281*classes" in text(_form("mobilenet_v2", "classes").cost["params"])


def test_a_setting_of_a_layer_as_a_symbol(write_network: WriteNetwork) -> None:
    """288 elements, each of which is read once and written times^2 times."""
    text = "input: [8, 6, 6]\noptions: {times: {default: 2}}\nlayers:\n  - up: {op: upsample, scale: times}\n"
    form = _form(write_network(text), "set.times")
    for times in (1, 3, 10):
        assert form.at({"times": times})["traffic"] == 288 + 288 * times**2


def test_the_depth_as_symbols() -> None:
    """A bottleneck of width w, as it is repeated: 4w * w + 9 w^2 + w * 4w weights, and batch norms of w, w and 4w."""
    form = _form("resnet50", "blocks")
    params = form.cost["params"]
    for place, width in enumerate((64, 128, 256, 512), 1):
        repeated = 17 * width**2 + 2 * 6 * width
        assert f"{repeated}*blocks_{place}" in text(params)
    for blocks in ((2, 2, 2, 2), (3, 4, 23, 3), (3, 8, 36, 3), (1, 1, 1, 9)):
        network = library.load("resnet50", {"blocks": blocks})
        point = {f"blocks_{place}": number for place, number in enumerate(blocks, 1)}
        assert form.at(point) == {kind: network.total(kind) for kind in KINDS}


def test_the_depth_of_a_dense_network_is_quadratic() -> None:
    form = _form("densenet121", "blocks")
    assert "blocks_1^2" in text(form.cost["params"])
    for blocks in ((6, 12, 32, 32), (2, 3, 4, 5), (6, 12, 48, 32)):
        network = library.load("densenet121", {"blocks": blocks})
        point = {f"blocks_{place}": number for place, number in enumerate(blocks, 1)}
        assert form.at(point)["macs"] == network.macs


@pytest.mark.parametrize("replace", ["compconv", "spconv", "ghost", "octconv", "winograd", "dsc"])
def test_replaced_networks(replace: str) -> None:
    spec = from_texts("resnet50", replace_texts=[replace])
    form = network_form(spec)
    assert form.baseline is not None
    assert text(form.baseline.cost["macs"]) == text(_form("resnet50").cost["macs"])
    found = limit(form, "macs")
    large = {"N": 1, "H": 32 * 64 * 63, "W": 32 * 64 * 65}
    if form.allows(large) and found is not None:
        ratio = Fraction(form.at(large)["macs"], form.baseline.at(large)["macs"])
        assert abs(ratio - found) < Fraction(1, 10**5)
    assert found is not None


def test_a_form_that_differs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A size that is lost on the way, as by a plug-in that takes it for a number, is found by the comparison."""
    from flopcalc.analysis import closed_forms as forms

    plain = form_of

    def lost(*args: Any) -> NetworkForm:
        form = plain(*args)
        cost: Mapping[str, Any] = {**form.cost, "macs": form.cost["macs"] + 1}
        return changed(form, cost=cost)

    monkeypatch.setattr(forms, "form_of", lost)
    with pytest.raises(FlopcalcError, match="and the form gives"):
        _form("resnet18")


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "swin_t", "vgg16"])
def test_python_source_is_exact(name: str) -> None:
    form = _form(name)
    space: dict[str, Any] = {}
    exec(python_source(form), space)  # noqa: S102 - our own text
    for point in ({"N": 3, "H": 225, "W": 301}, {"N": 10**6, "H": 10**8 + 7, "W": 10**8 + 9}):
        expected = form.at(point)
        assert {kind: space[kind](**point) for kind in KINDS} == expected


def test_stages_and_layers_add_up() -> None:
    form = _form("resnet50")
    for parts in (form.stages, form.layers):
        for kind in ("params", "macs", "traffic"):
            total = sum((part.cost[kind] for part in parts), 0)
            assert not isinstance(total - form.cost[kind], Size)
            assert total - form.cost[kind] == 0
    shares = [one["share"] for one in form_record(form)["terms"]]
    assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["H = 0"], "whole number"),
        (["Q = 3"], "no symbol"),
        (["H = 20"], "contradicts"),
        (["H"], "form SYMBOL = expression"),
        (["H = 64, H = 128"], "twice"),
        (["H = W, W = H"], "assumed too"),
        (["H = true"], "not a number"),
        (["H = h/2"], "not whole"),
        (["H = h +"], "not an arithmetic expression"),
    ],
)
def test_wrong_assumptions(texts: list[str], why: str) -> None:
    form = _form("alexnet")
    with pytest.raises(FlopcalcError, match=why):
        assumed(form, texts)


def test_an_assumption_of_one_size() -> None:
    form = assumed(_form("alexnet"), ["H = W"])
    assert form.symbols == {"N": "batch", "W": "width"}
    assert form.at({"N": 1, "W": 224})["macs"] == library.load("alexnet").macs


# A layer for wide inputs, and one for squares.
BY_SIZE = (
    "input: [3, 32, 32]\nlayers:\n  - a: {op: conv, out: 8}\n  - b: {when: w > 40, op: conv, out: 8}\n"
    "  - d: {when: h == w, op: conv, out: 16}\n  - e: {op: conv, out: '8 if h < 50 else 32'}\n"
)


def test_the_path_is_that_of_the_input(write_network: WriteNetwork) -> None:
    """At 32x32 there are a (3 -> 8), d (8 -> 16) and e (16 -> 8), of 9 weights for each pair of channels."""
    form = _form(write_network(BY_SIZE))
    weights = 9 * (3 * 8 + 8 * 16 + 16 * 8)
    assert form.reference == {"N": 1, "H": 32, "W": 32}
    assert form.allows(form.reference)
    assert (form.cost["params"], text(form.cost["macs"])) == (weights, f"{weights}*N*H*W")
    assert {one.condition for one in form.requirements} == {"W <= 40", "H == W", "H <= 49"}
    shares = [part["share"] for part in form_record(form)["parts"]]
    assert shares == [9 * 3 * 8 / weights, 9 * 8 * 16 / weights, 9 * 16 * 8 / weights]
    assert form_record(form)["notes"] == []


def test_the_path_of_a_wide_input(write_network: WriteNetwork) -> None:
    """At 32x48 there are a (3 -> 8), b (8 -> 8) and e (8 -> 8)."""
    form = _form(write_network(BY_SIZE), input_texts=["3x32x48"])
    assert (form.reference, form.input_shape) == ({"N": 1, "H": 32, "W": 48}, (3, 32, 48))
    assert form.cost["params"] == 9 * (3 * 8 + 8 * 8 + 8 * 8)
    assert {one.condition for one in form.requirements} == {"W >= 41", "H != W", "H <= 49"}


def test_a_network_for_squares_only(write_network: WriteNetwork) -> None:
    """Sizes that differ give no channels, which is an error; the form is that of squares."""
    form = _form(write_network("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, out: '8 if h == w else 0'}\n"))
    assert {one.condition for one in form.requirements} == {"H == W"}
    assert text(form.cost["macs"]) == f"{3 * 8 * 9}*N*H*W"


@pytest.mark.parametrize(
    ("let", "used", "weights", "conditions"),
    [
        ("a: 3 if h > 8 else 1", "a", 3, {"H >= 9"}),
        ("a: 3 if h > 8 else 1", "5", 5, set()),
        # Used by another name that nothing uses, and then itself.
        ("a: 3 if h > 8 else 1, b: 2 * a", "a", 3, {"H >= 9"}),
        ("a: 3 if h > 8 else 1, b: a + (1 if w > 4 else 2)", "a", 3, {"H >= 9"}),
        ("a: 3 if h > 8 else 1, b: a + (1 if w > 4 else 2)", "b", 4, {"H >= 9", "W >= 5"}),
        ("a: 3 if h > 8 else 1, b: a", "b", 3, {"H >= 9"}),
        # The same expression again.
        ("a: 3 if h > 8 else 1", "3 if h > 8 else 1", 3, {"H >= 9"}),
        ("a: 3 if h > 8 else 1, b: 3 if h > 8 else 1", "b", 3, {"H >= 9"}),
    ],
)
def test_names_that_decide(
    let: str, used: str, weights: int, conditions: set[str], write_network: WriteNetwork
) -> None:
    """What a name of `let` decides is a condition where it is used, and no condition of a name without a use."""
    layers = f"[x: {{op: conv, k: 1, out: {used}}}]"
    for written in (
        f"input: [1, 16, 16]\nlayers: [m: {{let: {{{let}}}, layers: {layers}}}]\n",
        f"input: [1, 16, 16]\nblocks: {{b: {{let: {{{let}}}, layers: {layers}}}}}\nlayers: [m: {{block: b}}]\n",
    ):
        form = _form(write_network(written))
        assert form.cost["params"] == weights
        assert {one.condition for one in form.requirements} == conditions


@pytest.mark.parametrize("name", ["resnet20_cifar", "resnet18", "mobilenet_v2"])
def test_transforms_of_the_size_of_the_input(name: str) -> None:
    """The side of an FFT is a power of two for an interval of sizes, in which that of the input must be."""
    spec = from_texts(name, replace_texts=["fft_conv"])
    form, target = network_form(spec), read_target(spec)
    assert form.allows(form.reference)
    assert form.baseline is not None
    for one, network in ((form, target.network), (form.baseline, target.plain)):
        assert one.at(form.reference) == {kind: network.total(kind) for kind in KINDS}


def test_shares_are_where_the_form_holds(write_network: WriteNetwork) -> None:
    """At m = 3 the first layer is left out; the form for other values is at one of those, 3 + 8, and says so."""
    path = write_network(
        "input: [3, 8, 8]\noptions:\n  m: {default: 3, help: channels}\nlayers:\n"
        "  - a: {when: m != 3, op: conv, out: m, k: 1}\n  - b: {op: conv, out: 2, k: 1}\n"
    )
    form = _form(path, "m")
    assert text(form.cost["params"]) == "5*m"
    assert form.reference == {"m": 11}
    assert any(
        "does not hold at m = 3: its shares and ratios are at m = 11" in one for one in form_record(form)["notes"]
    )
    # 3 * 11 and 11 * 2 weights.
    assert [part["share"] for part in form_record(form)["parts"]] == [33 / 55, 22 / 55]


def test_an_assumption_that_leaves_out_the_input(write_network: WriteNetwork) -> None:
    """H = 7 h is 32 nowhere. 35 is the nearest, where a square has w = 7; its nearest to 32 is w = 6, where none is."""
    form = assumed(_form(write_network(BY_SIZE)), ["H = 7 h", "W = 5 w"])
    assert form.reference == {"N": 1, "h": 5, "w": 6}
    assert form_record(form)["notes"] == [
        "the formula does not hold at N = 1, h = 5, w = 6, where its shares and ratios are taken"
    ]


def test_attention_across_patches(write_network: WriteNetwork) -> None:
    """24 channels at hw positions, in 4 groups of t = hw/4: 4 * 24^2 hw of layers, 2 * 24 * 4 t^2 of products.

    At 8x8 they are 147456 and, with t = 16, 49152.
    """
    form = _form(write_network("input: [24, 8, 8]\nlayers:\n  - a: {op: attention, patch: 2}\n"))
    assert text(form.cost["macs"]) == "12*N*H^2*W^2 + 2304*N*H*W"
    assert form.at(form.reference)["macs"] == 147456 + 49152
    assert {one.condition for one in form.requirements} == {"H % 2 == 0", "W % 2 == 0"}
    shares = {one["term"]: one["share"] for one in form_record(form)["terms"]}
    assert shares["12*N*H^2*W^2"] == 1 / 4

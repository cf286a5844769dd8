"""Networks with dynamic kernels and on groups: derived from the plain ones by hand, and their papers' sums."""

from collections import Counter
from typing import Any

import pytest

from flopcalc import FlopcalcError, network
from flopcalc.catalog import lookup
from flopcalc.networks.network import Network
from flopcalc.replacing.described import replace_convolutions

KINDS = ("params", "macs", "adds", "muls", "other", "activations", "traffic", "steps")


def _weights(net: Network) -> dict[str, int]:
    """Parameters by layer."""
    return {layer.name: layer.cost.params for layer in net.layers if layer.cost.params}


def _parts(net: Network) -> Counter[str]:
    """MACs by the name of the part, for layers with mixed kernels; `plain` and `prediction` for the others."""
    macs = Counter[str]()
    for layer in net.layers:
        for part in layer.cost:
            macs[part.name if layer.kind == "mixed_conv" else layer.kind] += part.macs
    return macs


@pytest.mark.parametrize(("experts", "params", "printed"), [(4, 13_314_116, 402), (8, 24_013_284, 413)])
def test_condconv_efficientnet_b0(experts: int, params: int, printed: int) -> None:
    """The plain network with so many kernels in the convolutions of the last three stages; a routing for each block.

    Their prints, 391M for the plain network too, are rounded to millions: what CondConv adds may be 1M off.
    """
    plain, net = network("efficientnet_b0"), network("condconv_efficientnet_b0", experts=experts)
    ours, theirs = _weights(net), _weights(plain)
    routings = {name: size for name, size in ours.items() if ".routing." in name}
    inputs = {
        f"features.{stage}.{block}.routing.fc": 192 if stage == 7 or (block and stage == 6) else 112
        for stage, count in ((5, 3), (6, 4), (7, 1))
        for block in range(count)
    }
    inputs["features.5.0.routing.fc"] = 80
    assert routings == {name: c_in * experts + experts for name, c_in in inputs.items()}
    mixed = {layer.name for layer in net.layers if layer.kind == "mixed_conv"}
    assert len(mixed) == 3 * 8
    assert set(ours) - set(routings) == set(theirs)
    for name, size in theirs.items():
        assert ours[name] == size * (experts if name in mixed else 1), name
    assert net.params == params
    assert abs(net.macs - plain.macs - (printed - 391) * 10**6) < 10**6


def test_deeper_condconv_efficientnet_b0() -> None:
    """The authors' third network has as many blocks as EfficientNet-B1."""
    deep, b1 = network("condconv_efficientnet_b0", depth=1.1), network("efficientnet_b1")
    assert {name for name in _weights(deep) if ".routing." not in name} == set(_weights(b1))


@pytest.mark.parametrize("width", [1, 0.5])
@pytest.mark.parametrize(("blocks", "last"), [(6, False), (11, True), (0, False), (17, True)])
def test_condconv_mobilenet_v2(width: float, blocks: int, last: bool) -> None:
    """By hand from the plain network: 7 more kernels in the last blocks and the classifier, which has no bias."""
    plain = network("mobilenet_v2", width=width)
    net = network("condconv_mobilenet_v2", width=width, blocks=blocks, last=last)
    expected = plain.params - 1000 + 7 * 1280 * 1000 + 1281 * 8
    dynamic = {f"features.{number}" for number in range(18 - blocks, 18)} | ({"features.18"} if last else set())
    seen = set()
    for layer in plain.layers:
        place = ".".join(layer.name.split(".")[:2])
        if layer.kind == "conv" and place in dynamic:
            expected += 7 * layer.cost.params
            if place not in seen:
                expected += 8 * (layer.in_shape[0] + 1)
            seen.add(place)
    assert len(seen) == blocks + last
    assert net.params == expected


@pytest.mark.parametrize("width", [1, 0.35])
def test_dynamic_mobilenet_v2_is_the_replacement(width: float) -> None:
    """The network of the paper is MobileNetV2 with every convolution replaced but the first."""
    operator, plain = lookup.get("dynamic_conv"), network("mobilenet_v2", width=width)
    replaced = replace_convolutions(plain, operator, {}).network
    net = network("dynamic_mobilenet_v2", width=width)
    assert _weights(net) == _weights(replaced)
    for kind in KINDS:
        assert net.total(kind) == replaced.total(kind), kind


def test_dy_mobile_adds_up_as_its_paper() -> None:
    """129.26M of convolutions, 2.90M to fuse kernels, 2.98M to predict coefficients; the classifier is not in it."""
    macs = _parts(network("dy_mobile", classes=0))
    assert f"{(macs['conv'] + macs['convolution']) / 1e6:.2f}" == "129.26"
    assert f"{macs['aggregation'] / 1e6:.2f}" == "2.90"
    assert f"{macs['linear'] / 1e6:.2f}" == "2.98"
    fixed = _parts(network("dy_mobile", classes=0, dynamic=False))
    assert fixed == {**dict.fromkeys(fixed, 0), "conv": macs["conv"] + macs["convolution"]}
    assert network("dy_mobile").macs - network("dy_mobile", classes=0).macs == 1280 * 1000
    # One sixth of the overhead with one kernel; the convolutions do not see it.
    one = _parts(network("dy_mobile", classes=0, g_t=1))
    assert (6 * one["aggregation"], 6 * one["linear"]) == (macs["aggregation"], macs["linear"])
    assert one["convolution"] == macs["convolution"]


def test_dy_mobile_channels() -> None:
    """Multiples of 6, as many groups of 6 channels in the second convolution, and no expansion."""
    shapes = {layer.name: layer.out_shape for layer in network("dy_mobile").layers}
    assert [shapes[f"features.{place}.conv.2"][0] for place in (1, 2, 4, 7, 11, 14, 17)] == [
        18,
        24,
        36,
        66,
        96,
        162,
        324,
    ]
    assert shapes["features.14.conv.0.0"] == (162, 14, 14)
    assert shapes["features.14.conv.1.0"] == (162, 7, 7)
    weights = _weights(network("dy_mobile", dynamic=False))
    assert weights["features.14.conv.1.0"] == 162 * 6 * 9


@pytest.mark.parametrize(
    ("group", "params", "macs"), [("Z2", 1_372_254, 281.2), ("p4", 1_371_006, 1119.9), ("p4m", 1_219_678, 1989.4)]
)
def test_all_cnn_c(group: str, params: int, macs: float) -> None:
    """As in tests/operators/test_gconv.py, where the nine layers stand by hand."""
    net = network("allcnn_c_cifar", group=group)
    assert (net.params, round(net.macs / 1e6, 1)) == (params, macs)


def test_maps_of_the_group_resnets() -> None:
    """The README's: 11, 23, 45 maps for 32, 64, 128 channels, and 25, 50, 100 for 71, 142, 284."""
    for name, last, maps in (("44", 22, (11, 23, 45)), ("26", 13, (25, 50, 100))):
        net = network(f"gcnn_resnet{name}_cifar", group="p4m")
        channels = [layer.out_shape[0] for layer in net.layers if layer.name.endswith(".conv2")]
        assert sorted(set(channels)) == [8 * count for count in maps]
        assert [layer.name for layer in net.layers][-5:] == [str(last), "relu", "pool", str(last + 1), "flatten"]


CHANGED: list[tuple[str, dict[str, Any]]] = [
    ("dy_mobile", {"dynamic": False, "classes": 0}),
    ("dy_mobile", {"g_t": 2, "width": 0.5}),
    ("condconv_mobilenet_v2", {"blocks": 11, "last": True, "experts": 3, "width": 0.5}),
    ("condconv_efficientnet_b0", {"experts": 1}),
    ("dynamic_mobilenet_v2", {"last": False, "kernels": 2}),
    ("allcnn_c_cifar", {"group": "p4"}),
    ("allcnn_c_cifar", {"group": "p4m"}),
    ("gcnn_resnet26_cifar", {"group": "p4m"}),
]


@pytest.mark.parametrize(("name", "options"), CHANGED, ids=str)
def test_the_module_built_with_other_options(name: str, options: dict[str, Any]) -> None:
    """Every kind of work of every layer, counted."""
    pytest.importorskip("torch")
    from flopcalc.pytorch.comparison import compare_network

    for row in compare_network(network(name, batch=2, **options)):
        assert row.derived == row.counted, row.part


@pytest.mark.parametrize(("group", "mirrored"), [("p4", False), ("p4m", True)])
def test_a_turned_image_has_the_same_classes(group: str, mirrored: bool) -> None:
    """Where the windows fit, the whole network is invariant: norms and means are those of maps, not of channels."""
    torch: Any = pytest.importorskip("torch")
    from flopcalc.pytorch import build_network

    torch.manual_seed(0)
    module = build_network(network("allcnn_c_cifar", input=(3, 33, 33), group=group), dtype=torch.float64)
    x = torch.rand(2, 3, 33, 33, dtype=torch.float64)
    for _ in range(3):
        module(x)
    module.eval()
    out = module(x)
    assert torch.allclose(module(torch.rot90(x, 1, (2, 3))), out)
    assert torch.allclose(module(x.flip(3)), out) == mirrored


@pytest.mark.parametrize(
    ("name", "option", "value", "wanted"),
    [
        ("dy_mobile", "classes", -1, "0 or more"),
        ("dy_mobile", "dynamic", "perhaps", "true or false"),
        ("dy_mobile", "g_t", 0, "positive"),
        ("dy_mobile", "width", "wide", "positive number"),
        ("condconv_efficientnet_b0", "experts", 2.5, "whole number"),
        ("allcnn_c_cifar", "group", "p5", "Z2, p4, p4m"),
        ("condconv_mobilenet_v2", "blocks", -1, "0 or more"),
        ("gcnn_resnet44_cifar", "group", "p4", "Z2, p4m"),
        ("dynamic_mobilenet_v2", "kernels", 0, "positive"),
        ("dynamic_mobilenet_v2", "kernels", 2000, "1024"),
    ],
)
def test_wrong_options(name: str, option: str, value: Any, wanted: str) -> None:
    """One line each."""
    with pytest.raises(FlopcalcError, match=wanted) as caught:
        network(name, **{option: value})
    assert "\n" not in caught.value.message + caught.value.hint


def test_dynamic_resnet18_by_replacement() -> None:
    """All convolutions but the first: 45.47M parameters in print, 45,472,052 by hand (test_dynamic_conv.py)."""
    found = replace_convolutions(network("resnet18"), lookup.get("dynamic_conv"), {})
    assert (len(found.replaced), [name for name, _ in found.skipped]) == (19, ["conv1"])
    assert found.network.params == 45_472_052


@pytest.mark.parametrize(
    ("name", "options", "printed", "unit"),
    [
        ("resnet32_cifar", {"shortcut": "B"}, "69.12", 10**6),
        ("resnet18", {}, "1.8", 10**9),
        ("resnet50", {"stride_in": "v1"}, "3.9", 10**9),
    ],
)
def test_adder_resnets_by_replacement(name: str, options: dict[str, Any], printed: str, unit: int) -> None:
    """AdderNet's tables print a network's multiplications, and twice as many additions where adders stand for them."""
    plain = network(name, **options)
    net = replace_convolutions(plain, lookup.get("adder"), {}).network
    assert f"{plain.macs / unit:.{len(printed.partition('.')[2])}f}" == printed
    adders = sum(layer.cost.total("adds") for layer in net.layers if layer.kind == "adder")
    assert adders == 2 * (plain.macs - net.macs)
    stays = [layer.name for layer in net.layers if layer.cost.macs]
    assert (stays[0], len(stays)) == ("conv1", 2)
    assert net.params == plain.params

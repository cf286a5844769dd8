"""Figures read backwards, profiles, and ways of counting."""

from decimal import ROUND_DOWN, ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal

import pytest
from helpers import for_author, import_torchvision

from flopcalc import FlopcalcError, network
from flopcalc.analysis.profile import EXTRA, is_name, profile
from flopcalc.analysis.readings import Reading, readings, siblings
from flopcalc.analysis.ways import PARAMS_WAYS, WAYS, all_ways, measure
from flopcalc.networks import library
from flopcalc.networks.inputs import Input
from flopcalc.targets.spec import TargetSpec, from_texts
from flopcalc.text.figure import read_printed


def _read(target: str, figure: str, params: str = "", **options: str) -> list[Reading]:
    spec = from_texts(target, settings=[f"{name}={value}" for name, value in options.items()])
    return readings(spec, read_printed(figure), read_printed(params) if params else None)


@pytest.mark.parametrize(
    ("figure", "params", "expected"),
    [
        ("4.09G", "", ("resnet50", "macs", "3x224x224", {})),
        ("4.11G", "", ("resnet50", "fvcore", "3x224x224", {})),
        ("8.2G", "25.6M", ("resnet50", "two-per-mac", "3x224x224", {})),
        # He et al. print 3.8 x 10^9: the stride is in the first 1x1 convolution there.
        ("3.86G", "", ("resnet50", "macs", "3x224x224", {"stride_in": "v1"})),
        ("2.09G", "25.6M", ("resnet50", "macs", "3x160x160", {})),
        ("11.5G", "60.2M", ("resnet152", "macs", "3x224x224", {})),
        # Open Model Zoo's page, and PaddleClas' new and old tables.
        ("8.216G", "25.53M", ("resnet50", "open-model-zoo", "3x224x224", {})),
        ("4.11G", "25.61M", ("resnet50", "fvcore", "3x224x224", {})),
        ("8.19G", "25.56M", ("resnet50", "model_stat", "3x224x224", {})),
    ],
)
def test_what_a_figure_counts(figure: str, params: str, expected: tuple[str, str, str, dict[str, str]]) -> None:
    """The simplest explanation is the first one."""
    first = _read("resnet50", figure, params)[0]
    assert (first.target, first.convention, first.input, dict(first.options)) == expected
    assert first.agrees


@pytest.mark.parametrize("target", ["hrnet_w18", "swin_t"])
def test_a_width_in_channels_is_no_multiplier(target: str) -> None:
    """Nothing gives this figure; shares such as 1/4 of the width, a whole number of channels here, were an error."""
    found = _read(target, "123456789T")
    assert found
    assert not any(one.agrees for one in found)
    assert not any("width" in one.options for one in found)


def test_an_option_that_changes_nothing_is_no_reading() -> None:
    """shortcut=pool of resnet50 has the same MACs and parameters as the network itself."""
    found = _read("resnet50", "4.11G")
    numbers = [(one.target, one.convention, one.input, one.figure, one.params) for one in found]
    assert len(set(numbers)) == len(numbers)
    assert not [one for one in found if "shortcut" in one.options]


def test_commas_between_thousands() -> None:
    """As flopcalc prints numbers itself."""
    read = read_printed("4,089,184,256")
    assert [read.value, read.step, read.unit] == [4_089_184_256, 1, ""]
    assert read.text == "4,089,184,256"
    assert read_printed("1,814.1M").value == 1_814_100_000
    assert read_printed("1,814 M").like(1_900_000_000) == "1900 M"
    for wrong in ("40,89", "4,0891", ",100", "1,23,456"):
        with pytest.raises(FlopcalcError, match="cannot read the figure"):
            read_printed(wrong)


def test_other_networks() -> None:
    """A width, a version, and a transformer whose products of attention a tool did not see."""
    first = _read("mobilenet_v2", "209M", "2.64M")[0]
    assert (first.convention, dict(first.options)) == ("macs", {"width": "3/4"})
    first = _read("squeezenet1_0", "0.35G", "1.24M")[0]
    assert first.target == "squeezenet1_1" or dict(first.options) == {"version": "1.1"}
    first = _read("vit_b_16", "16.85G", "86.42M")[0]
    assert (first.convention, first.params_as) == ("without products of attention", "layers only")


def test_readings_agree_with_the_printed_digits() -> None:
    """By another arithmetic; ranks increase."""
    found = _read("resnet50", "4.1G", "25.6M")
    assert len(found) > 5
    for one in found:
        figures = {
            (Decimal(one.figure) / 10**9).quantize(Decimal("0.1"), way)
            for way in (ROUND_HALF_UP, ROUND_HALF_DOWN, ROUND_DOWN)
        }
        assert Decimal("4.1") in figures
        assert one.agrees == (bool(one.agreement) and one.params_agree is True)
    assert [one.rank for one in found] == sorted(one.rank for one in found)
    record = found[0].record()
    assert {"convention", "input", "options", "figure", "agrees"} <= record.keys()


def test_nothing_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest numbers, the nearest first, and none of them claimed."""
    monkeypatch.setattr("flopcalc.analysis.readings._models_of_libraries", lambda spec: iter(()))
    found = _read("alexnet", "123.456M", "7.7M")
    assert found
    assert not any(one.agrees for one in found)


def test_a_target_that_does_not_exist() -> None:
    with pytest.raises(FlopcalcError, match="unknown network"):
        _read("resnet5", "4.1G")


def test_siblings() -> None:
    """Networks of the same family and for images of the same kind."""
    found = siblings("resnet50")
    assert {"resnet18", "resnet152", "resnext50_32x4d", "wide_resnet50_2"} <= set(found)
    assert not [name for name in found if name.endswith("cifar")]
    assert "resnet50" not in found


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_small", "swin_t", "googlenet", "vgg11_bn", "convnext_tiny"])
def test_profiles_are_sums(name: str) -> None:
    """The totals are those of the network, and the kinds of work add up to them."""
    described = library.load(name)
    found = profile(described)
    for kind in ("params", "macs", "adds", "muls", "other", "activations"):
        assert found[kind] == described.total(kind)
        works = [key for key in found.sums if key.endswith(f"_{kind}") and key.split("_")[0] in _WORKS]
        assert sum(found[key] for key in works) == found[kind]
    assert all(is_name(key) for key in found.sums), sorted(key for key in found.sums if not is_name(key))
    assert not is_name("conv_nothing")


_WORKS = {
    *("conv", "linear", "matmul", "distance", "norm", "layernorm", "act", "softmax", "add", "mul"),
    *("maxpool", "avgpool", "gap", "move", "mixed", "other"),
}


def test_a_profile_by_hand() -> None:
    """ResNet-50: 53 batch norms on 11,113,984 elements, a classifier of 2048 x 1000."""
    found = profile(network("resnet50"))
    assert (found["norm_params"], found["norm_adds"]) == (53_120, 11_113_984)
    assert (found["head_params"], found["head_macs"], found["head_adds"]) == (2_049_000, 2_048_000, 1000)
    assert (found["conv_biases"], found["own_params"]) == (0, 0)
    assert profile(network("vgg11"))["conv_biases"] == 64 + 128 + 2 * 256 + 4 * 512
    # A depthwise convolution has 9 weights for each channel. Channels and output sides of MobileNet's table 1.
    sides = [(32, 112), (64, 56), (128, 56), (128, 28), (256, 28), (256, 14), *[(512, 14)] * 5, (512, 7), (1024, 7)]
    assert profile(network("mobilenet_v1"))["depthwise_macs"] == sum(9 * c * side**2 for c, side in sides)
    # A class token and 197 positions.
    assert profile(network("vit_b_16"))["own_params"] == 768 + 197 * 768
    assert set(EXTRA) <= {name for name in EXTRA if is_name(name)}


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "densenet121", "vit_b_16", "swin_t"])
def test_profiles_of_modules(name: str) -> None:
    """A description and its module in torchvision have the same sums."""
    import_torchvision()
    from flopcalc.targets.read import read_target

    module = profile(read_target(TargetSpec("network", f"torchvision:{name}", inputs=(Input((3, 224, 224)),))).plain)
    described = profile(library.load(name))
    for key in ("params", "macs", "conv_macs", "linear_macs", "norm_params", "norm_adds", "head_macs", "conv_biases"):
        if name in ("vit_b_16", "swin_t") and key in ("conv_macs", "linear_macs"):
            continue
        assert module[key] == described[key], for_author(f"{name}, {key}", "find out which side is wrong", "profile.py")


def test_ways() -> None:
    """Each is computed for a network; names are unique, and every name in an expression is one of a profile."""
    sums = measure(network("efficientnet_b0"))
    for way in (*all_ways(), *PARAMS_WAYS.values()):
        assert (way.of(sums) or 0) >= 0
        assert way.means
        assert all(is_name(name) for name in way.needs) or not way.gives
    names = [way.name for way in all_ways()]
    assert len(set(names)) == len(names)
    assert WAYS["mmcv"].of(measure(network("resnet50"))) == 4_119_876_096
    assert PARAMS_WAYS["batch norms folded"].of(measure(network("resnet50"))) == 25_530_472

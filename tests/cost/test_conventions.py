"""Conventions compared with the counters that they are named after, run on the same modules."""

import logging
import warnings
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import for_author, import_torchvision

from flopcalc import FlopcalcError, layer, network
from flopcalc.cost import convention, parts
from flopcalc.pytorch import build_layer, build_network
from flopcalc.pytorch.layers import input_shape
from flopcalc.spec.operator import Evaluation

LAYERS = [
    ("conv", {"bias": True, "groups": 4}),
    ("linear", {}),
    ("dsc", {"norm": True, "bias": True}),
    ("ghost", {"norm": True}),
    ("spconv", {"norm": True, "stride": 2}),
    ("compconv", {"norm": True, "stride": 2}),
    ("sic", {}),
]


def _fvcore(module: Any, x: Any) -> int:
    counter = pytest.importorskip("fvcore.nn").FlopCountAnalysis(module, x)
    return int(counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def _thop(module: Any, x: Any) -> int:
    return int(pytest.importorskip("thop").profile(module, inputs=(x,), verbose=False)[0])


def _torchinfo(module: Any, x: Any) -> int:
    return int(pytest.importorskip("torchinfo").summary(module, input_data=x, verbose=0).total_mult_adds)


def _ptflops(module: Any, x: Any) -> int:
    # It imports torchvision where that is installed.
    import_torchvision()
    count = pytest.importorskip("ptflops").get_model_complexity_info
    found = count(
        module, tuple(x.shape[1:]), as_strings=False, print_per_layer_stat=False, verbose=False, backend="pytorch"
    )
    return int(found[0])


def _flop_counter(module: Any, x: Any) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    return int(counter.get_total_flops())


PEERS = {"fvcore": _fvcore, "thop": _thop, "torchinfo": _torchinfo, "ptflops": _ptflops, "flop-counter": _flop_counter}


def _ask(peer: str, module: Any, x: Any) -> int:
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return PEERS[peer](module.eval(), x)
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize(("name", "options"), LAYERS, ids=[name for name, _ in LAYERS])
def test_layers(peer: str, name: str, options: dict[str, Any]) -> None:
    """Each operator, as built, to the unit."""
    e: Evaluation = layer(name, 64, hw=1 if name == "linear" else 16, **options)
    found = _ask(peer, build_layer(e), torch.zeros(input_shape(e)))
    assert convention.get(peer).of(e.cost, 1) == found, for_author(
        f"{peer} on {name}",
        "the convention gives another number than the counter itself; correct its `fold` for the `work` of these parts",
        "docs/conventions.md",
    )


@pytest.mark.parametrize("peer", PEERS)
def test_resnet50(peer: str) -> None:
    """The network, built from its description."""
    net = network("resnet50")
    found = _ask(peer, build_network(net), torch.zeros(1, 3, 224, 224))
    assert net.fold(convention.get(peer).of) == found, for_author(
        peer,
        "on ResNet-50 the convention gives another number than the counter itself; correct its `fold`",
        "docs/conventions.md",
    )


def test_flops_by_hand() -> None:
    """2 x MACs + every element-wise operation: a convolution with bias, and SIC's residual and ReLU."""
    e = layer("conv", 4, 8, hw=5, bias=True)
    assert convention.get("flops").of(e.cost) == e.cost.flops == 2 * 4 * 8 * 9 * 25 + 8 * 25
    sic = layer("sic", 4, hw=5, b=1)
    assert sic.cost.flops == 2 * (4 * 9 + 16) * 25 + 2 * 4 * 25


def test_thop_2019_by_hand() -> None:
    """Its rules for one layer each: no package of it lives. Linear: a product per weight, the sums between."""
    fold = convention.get("thop-2019").of
    assert fold(layer("linear", 64, 10).cost) == 10 * (64 + 63)
    assert fold(layer("conv", 4, 8, hw=5, bias=True).cost) == 8 * 25 * (4 * 9 + 1)
    dsc = layer("dsc", 4, 8, hw=5, norm=True)
    assert fold(dsc.cost) == dsc.cost.macs + 4 * (4 + 8) * 25
    net = network("resnet50")
    pools = {one.name: fold(one.cost) for one in net.layers if "pool" in one.name}
    assert pools == {"maxpool": 0, "avgpool": 2048 * (49 + 1)}
    # A pooling of 2 x 2: 2 additions and a division for each of its 16 x 12 x 12 outputs.
    pool = next(part for part in layer("spconv", 16, hw=24, stride=2).cost if part.name == "pool")
    assert convention.get("thop-2019").fold(pool, 1) == 3 * 16 * 12 * 12


OF_25 = ("x", 4, 25)
KERNELS = {
    "conv": parts.conv("x", 4, 8, 9, 25, 25),
    "conv with a bias": parts.conv("x", 4, 8, 9, 25, 25, bias=True),
    "linear": parts.linear("x", 64, 10, 1),
    "matmul": parts.matmul("x", 5, 4, 3),
    "norm": parts.norm(*OF_25),
    "act": parts.act(*OF_25),
    "hardswish": parts.called("Hardswish", parts.act(*OF_25)),
    "softmax": parts.softmax("x", 100),
    "add": parts.add(*OF_25),
    "scale": parts.scale(*OF_25, 1),
    "maxpool": parts.max_pool("x", 4, 100, 25, 6),
    "avgpool": parts.avg_pool("x", 4, 100, 25, 6),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # MACs and biases of convolutions and linear layers.
        ("pycls", {"conv": 7200, "conv with a bias": 7200 + 200, "linear": 640 + 10}),
        # Batch norms are folded into convolutions, which have biases then; two for each MAC; its own numbers for
        # activations, and 5 for each element of a softmax. Pooling: its windows.
        (
            "open-model-zoo",
            {
                "conv": 14400 + 200,
                "conv with a bias": 14400 + 200,
                "linear": 1280 + 10,
                "matmul": 120,
                "act": 200,
                "hardswish": 400,
                "softmax": 500,
                "add": 100,
                "scale": 100,
                "maxpool": 600,
                "avgpool": 600,
            },
        ),
    ],
)
def test_conventions_without_a_package(name: str, expected: dict[str, int]) -> None:
    """By hand, for one kernel each; the others have nothing."""
    fold = convention.get(name).fold
    assert {kernel: fold(part, 1) for kernel, part in KERNELS.items()} == dict.fromkeys(KERNELS, 0) | expected


def test_unknown_convention() -> None:
    """Names are suggested."""
    with pytest.raises(FlopcalcError, match="fvcor") as caught:
        convention.get("fvcor")
    assert "fvcore" in caught.value.hint

"""padding="same" with even kernels: one more zero at the end of an axis than at its start, as in torch."""

import json
import warnings
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import Runner, build, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import FlopcalcError, layer
from flopcalc.pytorch.comparison import compare_layer


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    """Torch warns that it copies the input."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def test_same_padding_by_hand() -> None:
    """4x4 on 10 x 10: 16 taps at 100 positions. Torch first copies the input with a row and a column more, 11 x 11."""
    e = layer("conv", 3, 8, k=4, hw=10, padding="same")
    assert (e.out_shape, e.cost.macs, e.cost.steps) == ((8, 10, 10), 8 * 3 * 16 * 100, 2)
    copy = 3 * 100 + 3 * 121
    assert e.cost.total("traffic") == copy + 8 * 3 * 16 + 3 * 121 + 8 * 100
    # An odd kernel, and an even one with taps 2 apart, need the same at both ends: no copy.
    assert layer("conv", 3, 8, padding="same").cost == layer("conv", 3, 8).cost
    assert layer("conv", 3, 8, k=4, hw=10, padding="same", dilation=2).cost.steps == 1


CASES: list[tuple[str, dict[str, Any]]] = [
    ("conv", {"k": 4}),
    ("conv", {"k": (2, 3), "hw": (7, 9), "batch": 2, "bias": True}),
    ("conv", {"k": 4, "dilation": 2}),
    ("group", {"k": 2, "groups": 4}),
    ("dilated", {"k": (4, 2), "dilation": (1, 3)}),
    ("depthwise", {"k": 4, "multiplier": 2}),
    ("conv1d", {"k": 4}),
    ("depthwise1d", {"k": 6}),
    ("conv3d", {"k": (2, 3, 4), "depth": 3}),
    ("depthwise3d", {"k": 2, "depth": 3}),
]


@pytest.mark.parametrize(("name", "given"), CASES, ids=str)
def test_same_padding_is_that_of_torch(name: str, given: dict[str, Any]) -> None:
    """The size stays, and every kind of cost is that of the counted module."""
    shape = {"hw": 8, **given}
    e = layer(name, 8, padding="same", **shape)
    assert e.out_shape[1:] == e.in_shape[1:]
    differ = [row for row in compare_layer(e) if not row.agrees]
    assert not differ


def test_same_padding_pads_the_end() -> None:
    """Written out with zeros: one at the start, two at the end, for 4 taps."""
    module, x = build("conv", 3, 5, k=4, hw=8, padding="same"), random_tensor(1, 3, 8, 8)
    assert torch.allclose(module(x), F.conv2d(F.pad(x, (1, 2, 1, 2)), module.weight))


def test_same_padding_refuses(run: Runner) -> None:
    """Strides, operators whose modules pad both ends alike, and other words."""
    with pytest.raises(FlopcalcError, match="the stride is 2"):
        layer("conv", 4, k=4, padding="same", stride=2)
    refused("not the same at both ends", "ghost", 4, k=4, padding="same")
    assert layer("ghost", 4, padding="same").cost == layer("ghost", 4).cost
    done = run("layer", "conv", "--cin", "4", "--padding", "valid")
    assert (done.code, "or same" in done.err) == (2, True)
    done = run("layer", "conv", "--cin", "4", "-k", "4", "--padding", "same", "--format", "json")
    record = json.loads(done.out)
    assert (record["inputs"]["padding"], record["output"]) == ("same", [4, 56, 56])

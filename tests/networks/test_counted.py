"""The numbers of counters: for a module by layer, for a description with those of the module built from it."""

import copy
import re
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import WriteNetwork
from torch import Tensor, nn

from flopcalc import network
from flopcalc.analysis.explain import Step, explain
from flopcalc.cost.convention import CONVENTIONS, get
from flopcalc.networks.counted import Share, counted
from flopcalc.presets.registry import RULES
from flopcalc.pytorch import build_network, counted_network
from flopcalc.pytorch.calls.log import log_of


class View(nn.Module):
    """Multiplies two sizes, which a trace records, and is no layer: it has no kernel."""

    def forward(self, x: Tensor) -> Tensor:
        """(a, b, 4) or (ab, 4) -> (ab, 4)."""
        return x.reshape(x.shape[0] * (x.shape[1] // 4 if x.dim() == 2 else x.shape[1]), 4)


class Gate(nn.Module):
    """A layer, with a module inside that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Sequential(View())

    def forward(self, x: Tensor) -> Tensor:
        """One product for each element."""
        y: Tensor = self.inside(x)
        return y * y


class Body(View):
    """No layer, with one inside."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(4, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(a, 4) -> (a, 2)."""
        y: Tensor = self.proj(super().forward(x))
        return y


class Whole(nn.Module):
    """On (2, 3, 4): own work only if asked."""

    def __init__(self, own: bool) -> None:
        super().__init__()
        self.stem, self.gate, self.body, self.view = nn.Linear(4, 4, bias=False), Gate(), Body(), View()
        self.own = own

    def forward(self, x: Tensor) -> Tensor:
        """(2, 3, 4) -> (3, 4)."""
        x = self.body(self.gate(self.stem(x)))
        x = self.view(x.reshape(x.shape[0] * x.shape[1] // 4, 4))
        return x * 0.5 if self.own else x


@pytest.mark.parametrize("own", [False, True])
def test_what_a_counter_finds_in_a_module_without_a_layer(own: bool) -> None:
    """By hand: torchprofile counts products of a linear layer and of elements, and one for each product of two sizes.

    That of a module is its own layer's, that of a module which contains it, or which is inside. Else it is that of the
    whole, here a half of 12 elements, or of the first layer.
    """
    found = counted(counted_network(Whole(own), (3, 4), batch=2), get("torchprofile"))
    stem, gate, body, outside = 6 * 4 * 4, 24 + 1, 6 * 4 * 2 + 1, 2
    assert found.by_layer == ((stem, gate, body, 12 + outside) if own else (stem + outside, gate, body))
    assert found.total == sum(found.by_layer)
    assert not found.remarks


def test_a_number_without_layers() -> None:
    """A module that has no kernel; torchprofile counts the product of its sizes."""
    described = counted_network(View(), (3, 4), batch=2)
    found = counted(described, get("torchprofile"))
    assert (found.total, found.by_layer) == (1, ())
    (row,) = explain(described, ["torchprofile"])
    assert row.steps == (Step("products of sizes, which a trace records", 1, ()),)


def test_activations_of_a_module_by_their_class() -> None:
    """Of a tool without rules for modules: paddle.flops takes one for each element of LeakyReLU, none of others.

    Of the others by hand, at 16 positions: 2 x 3 products and 3 biases of a convolution, 2 for each element of a norm.
    """
    module = nn.Sequential(nn.Conv2d(2, 3, 1), nn.LeakyReLU(), nn.ReLU(), nn.BatchNorm2d(3), nn.Softplus())
    found = counted(counted_network(module, (2, 4, 4)), get("paddle-flops"))
    assert found.shares == (Share(0, "conv", 16 * (6 + 3)), Share(1, "act", 48), Share(3, "norm", 2 * 48))


def test_activations_of_a_description_by_its_calls(write_network: WriteNetwork) -> None:
    """A function is not seen by hooks."""
    text = "name: a\ninput: [3, 4, 4]\n{}layers:\n  - a: leaky_relu\n  - b: leaky_relu\n"
    for calls, by_layer in (("", (48, 48)), ("calls: {a: F.leaky_relu}\n", (0, 48))):
        assert counted(network(write_network(text.format(calls))), get("paddle-flops")).by_layer == by_layer


FLAT = """
name: flat
input: [4, 8, 8]
{}
layers:
  - a: {{op: linear, out: 6}}
  - b: {{op: conv, out: 6, bias: true}}
  - c: {{op: conv, out: 6, bias: true, weights_of: b}}
"""
# Twice the same two layers, and twice again: in four containers.
NESTED = """
name: nested
input: [6, 8, 8]
blocks:
  pair: {layers: [a: {op: linear, out: 6}, b: {op: conv, out: 6, bias: true}]}
  twice: {layers: [a: {block: pair}, b: {block: pair, weights_of: a}]}
layers:
  - x: {block: twice}
  - y: {block: twice, weights_of: x}
"""
# Two containers, and a layer without products.
TWINS = """
name: twins
input: [6, 8, 8]
blocks:
  pair: {layers: [a: {op: conv, out: 6, bias: true}, b: batchnorm]}
layers:
  - x: {block: pair}
  - y: {block: pair, weights_of: x}
"""
# One container.
SIBLINGS = """
name: siblings
input: [6, 8, 8]
layers:
  - a: {op: linear, out: 6}
  - b: {op: linear, out: 6, weights_of: a}
"""
# A linear layer on no map.
FLAT_TWICE = """
name: flat_twice
input: [6, 8, 8]
layers:
  - pool: global_avgpool
  - flat: flatten
  - a: {op: linear, out: 6}
  - b: {op: linear, out: 6, weights_of: a}
"""
# At one position, where a linear layer and a 1x1 convolution are often the same.
SMALL = """
name: small
input: [6, 8, 8]
layers:
  - a: {op: linear, out: 6}
  - pool: {op: avgpool, k: 8}
  - b: {op: linear, out: 6}
"""
DESCRIBED = {
    "flat": FLAT.format(""),
    "called": FLAT.format("calls: {a: F.linear}"),
    "nested": NESTED,
    "twins": TWINS,
    "siblings": SIBLINGS,
    "flat twice": FLAT_TWICE,
    "small": SMALL,
}


@pytest.mark.parametrize("name", DESCRIBED)
@pytest.mark.parametrize("batch", [1, 2])
def test_the_module_that_is_built_has_the_number_of_the_remark(
    name: str, batch: int, write_network: WriteNetwork
) -> None:
    """Of each counter with rules, on a log of its calls; without a remark it has the number itself."""
    described = network(write_network(DESCRIBED[name]), batch=batch)
    log = log_of(build_network(described), ((batch, *described.input_shape),))
    for tool, rules in RULES.items():
        found = counted(described, get(tool))
        said = re.search(r"reports ([\d,]+) \((.*)\)", " ".join(found.remarks))
        number = found.total + int(said[2].replace(",", "")) if said else found.total
        assert number == sum(one.amount for one in rules(log)), tool
        assert said is None or int(said[1].replace(",", "")) == number


def test_the_text_of_a_remark(write_network: WriteNetwork) -> None:
    """By hand, for calflops: 2 for each product, and one for each bias of a convolution; a linear layer has none.

    On 64 positions with 4 containers, whose hooks each have the sum of all 4 calls.
    """
    linear, conv, bias = 64 * 2 * 6 * 6, 64 * 2 * 6 * 6 * 9, 64 * 6
    total = 4 * (linear + conv + bias)
    gap = 16 * (linear + bias + conv + bias) - total
    found = counted(network(write_network(NESTED)), get("calflops"))
    assert found.total == total
    assert found.remarks == (
        "linear layers on maps (x.a.a and 3 more) are counted as nn.Linear; layers with the weights of other layers "
        "(x.b.a and 5 more) are counted as calls of one module; where a module has 1x1 convolutions instead and holds "
        "that module in a container for each call, as the one that flopcalc builds, calflops 0.3.2 reports "
        f"{total + gap:,} (+{gap:,})",
    )
    found = counted(network(write_network(TWINS)), get("ptflops"))
    assert found.remarks[0].startswith("layers with the weights of other layers (y.a and 1 more) are counted as calls")
    found = counted(network(write_network(SMALL)), get("torchinfo"))
    assert "linear layers on maps (a) are counted" in found.remarks[0]
    found = counted(network(write_network(SIBLINGS)), get("calflops"))
    assert found.remarks[0].startswith("linear layers on maps (a and 1 more) are counted as nn.Linear; where")
    # What no tool reports has no such remark, though paddle.flops takes biases of convolutions only.
    assert not counted(network(write_network(SMALL)), get("paddle-flops")).remarks


def test_weights_of_weights(write_network: WriteNetwork) -> None:
    """The second layer of a container that has the weights of another container has those of the first one of all."""
    found = network(write_network(NESTED))
    assert {(layer.name[-1], layer.weights_of) for layer in found.layers[2:]} == {("a", "x.a.a"), ("b", "x.a.b")}


def test_a_copy_of_a_module_has_no_remark_on_what_is_built() -> None:
    """It cannot be run again; its linear layer on a map of rows is one."""
    found = copy.copy(counted_network(nn.Linear(4, 6), (3, 5, 4)))
    for tool in RULES:
        assert not counted(found, CONVENTIONS[tool]).remarks


def test_a_layer_that_a_counter_knows_as_a_whole(write_network: WriteNetwork) -> None:
    """The remark has the number that is found for torch's module."""
    found = counted(
        network(write_network("name: a\ninput: [4, 1, 5]\nlayers:\n  - rnn: {op: lstm, out: 3}\n")), get("thop")
    )
    whole = counted(counted_network(nn.LSTM(4, 3, batch_first=True), (5, 4)), get("thop"))
    assert found.total != whole.total
    (remark,) = found.remarks
    assert remark.startswith(f"rnn: thop 0.1.1 reports {whole.total:,} for nn.LSTM")

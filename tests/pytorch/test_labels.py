"""What other counters report for a description is what their rules give for the calls of its module."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT

from flopcalc import network
from flopcalc.catalog import registry
from flopcalc.catalog.cases import cases
from flopcalc.cost import convention, parts
from flopcalc.cost.calls import how, lacks_sizes
from flopcalc.networks.counted import counted
from flopcalc.presets.call import CallLog, ToolFailsError
from flopcalc.presets.registry import RULES
from flopcalc.spec.operator import Evaluation

torch = pytest.importorskip("torch")

from flopcalc.pytorch import build_layer, build_network
from flopcalc.pytorch.calls.log import log_of
from flopcalc.pytorch.described import module_of
from flopcalc.pytorch.layers import input_shape
from flopcalc.pytorch.loading import torchvision_operators

# Of each kind: torchvision's modules, which labels describe, and modules that are built from the description.
NETWORKS = (
    *("alexnet", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "vit_b_16"),
    *("caffe_alexnet", "condconv_mobilenet_v2", "dy_mobile", "picodet", "rednet50", "shiftresnet20"),
)


def _by_tools(log: CallLog) -> dict[str, int]:
    found = {}
    for tool, rules in RULES.items():
        try:
            found[tool] = sum(amount.amount for amount in rules(log))
        except ToolFailsError:
            # Shown as a remark; see flopcalc.networks.counted.
            continue
    return found


def _built(e: Evaluation) -> Any:
    torchvision_operators.declare()
    try:
        with torch.device("meta"):
            return build_layer(e)
    except NotImplementedError:
        return build_layer(e)


def _two_cases(name: str) -> Iterator[Evaluation]:
    """Two of the operator's cases: one of its defaults, and the one with the most parts."""
    operator = registry.named(name)
    assert operator is not None
    every = list(cases(operator))
    yield every[len(every) // 3]
    yield max(every, key=lambda e: len(e.cost.parts))


@pytest.mark.parametrize("name", registry.names())
def test_an_operator_is_counted_as_its_module(name: str) -> None:
    """Each counter, on two cases of each operator."""
    for e in _two_cases(name):
        shape, n = input_shape(e), e.geometry.batch
        found = _by_tools(log_of(_built(e), (shape,)))
        if isinstance(shape[0], tuple):
            # Several maps are one argument, which ptflops takes for a batch of 1.
            del found["ptflops"]
        assert {tool: convention.get(tool).of(e.cost, n) for tool in found} == found, e.label()


def test_a_primitive_is_counted_as_its_module(write_network: Callable[[str], Path]) -> None:
    """Each counter, on each primitive of the test that has all of them."""
    source = (ROOT / "tests" / "primitives" / "test_primitives.py").read_text(encoding="utf-8")
    named = {
        ast.unparse(node.targets[0]): node.value for node in ast.parse(source).body if isinstance(node, ast.Assign)
    }
    described = network(str(write_network(ast.literal_eval(named["EVERY_PRIMITIVE"]))), batch=2)
    module = build_network(described)
    for layer in described.layers:
        if layer.kind in registry.names():
            continue
        shapes = tuple((described.batch, *shape) for shape in (layer.in_shape, *layer.further))
        found = _by_tools(log_of(module.get_submodule(layer.name), shapes))
        cost = {tool: convention.get(tool).of(layer.cost, described.batch) for tool in found}
        assert cost == found, f"{layer.name}: {layer.kind}"


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_counted_as_its_module(name: str) -> None:
    """Each counter, on the module of torchvision that a description mirrors, or on the one built from it."""
    described = network(name)
    log = log_of(module_of(described), ((described.batch, *described.input_shape),))
    found = _by_tools(log)
    ours = {tool: counted(described, convention.get(tool)) for tool in found}
    assert {tool: number.total for tool, number in ours.items()} == found
    assert not any(number.remarks for number in ours.values())


def test_a_label_that_needs_more_than_a_part_has_is_named(write_network: Callable[[str], Path]) -> None:
    """A softmax over heads has no number of sums, unless its operator gives it: THOP's rule needs it."""
    text = 'name: one\ninput: [8, 4, 4]\ncalls: {"*:softmax": Softmax}\nlayers:\n  - mix: {op: dot_product_attention'
    found = counted(network(str(write_network(text + ", from: [input, input]}\n"))), convention.get("thop"))
    assert found.total == 0
    (remark,) = found.remarks
    assert remark.startswith("mix, part softmax: thop 0.1.1 needs more of 'Softmax'")


def test_products_of_sizes_are_part_of_a_label() -> None:
    """A trace records them next to the call."""
    part = parts.called("2 products of sizes", parts.add("sum", 3, 5))
    assert how(part).operator == "add"
    assert convention.get("torchprofile").fold(part, 1) == 2
    assert convention.get("torchprofile").fold(parts.called("torch.mul, 1 product of sizes", part), 1) == 1
    assert not lacks_sizes(part)
    assert lacks_sizes(parts.called("Softmax", part))

"""The layers of a described network are made on the first access; callers do not notice."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, Network, network
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.cost.kinds import KINDS
from flopcalc.networks import library


def facts(net: Network) -> Any:
    """All that a network has; the evaluations of operators by their text."""
    layers = [layer._replace(evaluation=repr(layer.evaluation)) for layer in net.layers]  # type: ignore[arg-type]
    fields = [getattr(net, field.name) for field in dataclasses.fields(net) if field.name != "layers"]
    return fields, layers, [net.total(kind) for kind in KINDS]


def test_totals_need_no_layers() -> None:
    """They are the same as those of a network that is made from the layers, in every kind and convention."""
    for name in library.names():
        net = network(name, batch=3)
        found = [net.total(kind) for kind in KINDS], [net.fold(one.of) for one in CONVENTIONS.values()]
        assert "layers" not in vars(net), name
        built = dataclasses.replace(net, layers=net.layers)
        assert found == ([built.total(kind) for kind in KINDS], [built.fold(one.of) for one in CONVENTIONS.values()])
        assert net.layers is net.layers


@pytest.mark.parametrize(
    "copied",
    [lambda net: pickle.loads(pickle.dumps(net)), copy.copy, copy.deepcopy, dataclasses.replace],  # noqa: S301
)
@pytest.mark.parametrize("name", ["swin_t", "mobilenet_v3_small", "resnet18"])
def test_a_copy_has_the_layers(name: str, copied: Callable[[Network], Network]) -> None:
    """Also one that is made before they are accessed."""
    net = network(name)
    again = copied(net)
    assert type(again) is Network
    assert facts(again) == facts(net) == facts(network(name))


def test_the_record_is_as_before() -> None:
    """Frozen, with the same fields, and nothing else by name."""
    net = network("alexnet")
    with pytest.raises(dataclasses.FrozenInstanceError):
        net.layers = ()  # type: ignore[misc]
    with pytest.raises(AttributeError, match="'Network' object has no attribute 'layer'"):
        net.layer  # type: ignore[attr-defined] # noqa: B018
    # 13 of the features, the pooling, the flattening, 7 of the classifier.
    assert repr(net).startswith("<Network alexnet: 22 layers, 61,100,840 params")


def test_layers_of_the_same_sizes_share_their_cost() -> None:
    """ResNet-50 repeats blocks: the second one of layer1 has the sizes of the third."""
    layers = {layer.name: layer for layer in network("resnet50").layers}
    assert layers["layer1.1.conv2"].cost is layers["layer1.2.conv2"].cost


def test_a_layer_with_the_weights_of_another(write_network: WriteNetwork) -> None:
    """It counts no parameters; its operator has its own, here 8 x 8 products."""
    text = "input: [8, 4, 4]\nlayers: [{a: {op: conv, out: 8, k: 1}}, {b: {op: conv, out: 8, k: 1, weights_of: a}}]\n"
    found = [(layer.cost.params, layer.evaluation.cost.params) for layer in network(write_network(text)).layers]  # type: ignore[union-attr]
    assert found == [(64, 64), (0, 64)]


def test_threads_get_the_same_layers() -> None:
    """Eight threads that access them for the first time."""
    net = network("resnet50")
    with ThreadPoolExecutor(8) as threads:
        assert len({id(layers) for layers in threads.map(lambda _: net.layers, range(64))}) == 1


def test_errors_come_before_any_access(write_network: WriteNetwork) -> None:
    """An operator that is checked once for all layers of its settings is still checked for each of them."""
    layers = "[{a: {op: conv, out: w - 2, k: 1}}, {p: maxpool}, {b: {op: conv, out: w - 2, k: 1}}]"
    with pytest.raises(FlopcalcError, match="layer b: c_out is 0; it must be a positive whole number"):
        network(write_network(f"input: [8, 4, 4]\nlayers: {layers}\n"))


def test_a_window_of_three_sizes_is_an_error(write_network: WriteNetwork) -> None:
    """It was a ValueError of the window that the layer shows."""
    with pytest.raises(FlopcalcError, match=r"layer a \(maxpool\): k is \(3, 3, 3\), not a whole number"):
        network(write_network("input: [8, 9, 9]\nlayers: [{a: {op: maxpool, k: [3, 3, 3]}}]\n"))


@pytest.mark.parametrize("inputs", ["[c, b]", "[b, c]"])
@pytest.mark.parametrize("join", ["add", "concat"])
def test_steps_of_branches(join: str, inputs: str, write_network: WriteNetwork) -> None:
    """The longest chain: a, b, and what follows, whichever branch comes first. Each layer is one kernel."""
    text = """
input: [3, 8, 8]
layers:
  - a: {op: conv, out: 4}
  - b: {op: conv, out: 4}
  - c: {op: conv, out: 4, from: input}
  - joined: {op: JOIN, from: INPUTS}
  - d: {op: conv, out: 4}
"""
    net = network(write_network(text.replace("JOIN", join).replace("INPUTS", inputs)))
    assert net.steps == dataclasses.replace(net, layers=net.layers).steps == 4

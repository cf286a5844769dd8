"""torchvision's own ResNet-50, the witness from outside: names, parameters, MACs, and the output itself."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import import_torchvision

from flopcalc import network
from flopcalc.pytorch import build_network, count


@pytest.fixture(scope="module")
def theirs() -> Any:
    """A random ResNet-50 of torchvision."""
    models = import_torchvision().models
    torch.manual_seed(0)
    return models.resnet50(weights=None).eval()


def test_layer_by_layer(theirs: Any) -> None:
    """Params and MACs by the name of the layer, to the unit."""
    counted = count(theirs, (1, 3, 224, 224))
    net = network("resnet50")
    ours = {layer.name: layer.cost for layer in net.layers if layer.cost.params}
    assert {name: cost.params for name, cost in ours.items()} == counted.params
    assert {name: cost.macs for name, cost in ours.items() if cost.macs} == {
        name: work.macs for name, work in counted.work.items() if work.macs
    }
    assert (net.params, net.macs) == (25_557_032, 4_089_184_256)
    assert (net.params, net.macs) == (counted.total("params"), counted.macs)
    # Every kind, and the length of the longest chain.
    for kind in ("adds", "muls", "other", "activations", "traffic", "steps"):
        assert net.total(kind) == counted.total(kind), kind


def test_the_same_function(theirs: Any) -> None:
    """Our module built from the description takes their weights and gives their output."""
    ours = build_network(network("resnet50", input_shape=(3, 64, 64))).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(ours(x), theirs(x), atol=1e-4, rtol=1e-4)

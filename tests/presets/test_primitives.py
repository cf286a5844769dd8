"""What counters report for layers of a description other than operators, next to the presets of its parts."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import WriteNetwork, for_author

from flopcalc import network
from flopcalc.cost import parts
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.cost.cost import Cost
from flopcalc.pytorch import build_network
from flopcalc.pytorch.counters import COUNTERS, Figure, run_counter, version_of

TOOLS = [tool for tool in COUNTERS if tool in CONVENTIONS and version_of(COUNTERS[tool].package)]

# Layers in a row. A convolution is in front of them, since calflops fails on a module without weights.
NETWORKS: dict[str, str | list[dict[str, Any]]] = {
    "activations": "relu relu6 leaky_relu elu silu gelu sigmoid tanh hardswish hardsigmoid softmax prelu",
    "norms": "batchnorm layernorm layer_scale scalenorm rmsnorm instancenorm local_response_norm",
    "norms with options": [
        {"op": "batchnorm", "frozen": True},
        {"op": "prelu", "shared": True},
        {"op": "groupnorm", "groups": 4},
        {"op": "instancenorm", "affine": True},
        {"op": "channel_bias"},
    ],
    "pools": [
        {"op": "maxpool", "k": 3, "stride": 2, "padding": 1},
        {"op": "upsample"},
        {"op": "avgpool", "k": 3, "stride": 1},
        {"op": "upsample_bilinear", "scale": 3},
        {"op": "maxpool", "k": 3, "stride": 2, "ceil": True},
        {"op": "avgpool", "k": [1, 3], "stride": [1, 2], "padding": [0, 1], "ceil": True},
        {"op": "adaptive_avgpool", "size": [3, 2]},
        {"op": "adaptive_avgpool"},
        {"op": "upsample", "from": ["layer7", "first"]},
        {"op": "upsample_bilinear", "from": ["layer8", "layer1"], "multiple": 5},
        {"op": "global_avgpool"},
    ],
    "several channels in each map": [
        {"op": "batchnorm", "per_map": 2},
        {"op": "batchnorm", "per_map": 4, "frozen": True},
        {"op": "global_avgpool", "per_map": 2},
    ],
    # Tracers drop what the output does not need, so each reads the one before it.
    "joined": [
        {"op": "add", "from": ["first", "first"]},
        {"op": "mul", "from": ["layer0", "first"]},
        {"op": "dot_product_attention", "from": ["layer1", "first", "layer0"], "heads": 4},
        {"op": "concat", "from": ["layer2", "layer0"]},
        {"op": "matmul", "from": ["layer3", "layer3"]},
        {"op": "transpose"},
    ],
    "sums and products of several": [
        {"op": "add", "from": ["first", "first", "first"]},
        {"op": "global_avgpool"},
        {"op": "mul", "from": ["layer1", "layer0"]},
        {"op": "mul", "from": ["layer2", "layer1"]},
    ],
}


def _described(layers: str | list[dict[str, Any]]) -> str:
    entries = [{"op": op} for op in layers.split()] if isinstance(layers, str) else layers
    lines = [f"  - layer{place}: {entry}".replace("'", "") for place, entry in enumerate(entries)]
    return "\n".join(["input: [6, 7, 9]", "layers:", "  - first: {op: conv, out: 8, k: 3}", *lines, ""])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_figures_of_the_tools(name: str, batch: int, write_network: WriteNetwork) -> None:
    """To the unit, on the modules as they are built."""
    net = network(write_network(_described(NETWORKS[name])), batch=batch)
    module = build_network(net)
    for tool in TOOLS:
        found = run_counter(tool, module, (torch.zeros(batch, 6, 7, 9),))
        assert isinstance(found, Figure)
        assert found.value == net.fold(CONVENTIONS[tool].of), for_author(
            f"{tool} on the layers of {name}",
            "the preset gives another number than the tool; name in `call` of each part the function or the module "
            "that computes it",
            "docs/networks.md",
        )


PRODUCTS = {
    "@": lambda x: x @ x.mT,
    "torch.matmul": lambda x: torch.matmul(x, x.mT),
    "Tensor.matmul": lambda x: x.matmul(x.mT),
    "torch.bmm": lambda x: torch.bmm(x, x.mT),
    "Tensor.bmm": lambda x: x.bmm(x.mT),
    "torch.einsum": lambda x: torch.einsum("bij,bkj->bik", x, x),
}


class _Product(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    def __init__(self, label: str) -> None:
        super().__init__()
        self.first, self.label = torch.nn.Conv1d(6, 51, 1, bias=False), label

    def forward(self, x: Any) -> Any:
        return PRODUCTS[self.label](self.first(x))


@pytest.mark.parametrize("label", PRODUCTS)
def test_the_ways_to_call_a_product(label: str) -> None:
    """Of 51 vectors with each other, of 47 numbers each, in a batch of 3: 3 * 51 * 51 * 47 after the convolution.

    In profilers that read what NumPy prints, an einsum has four digits: 733,500 for 733,482.
    """
    product = parts.called(label, parts.matmul("product", 51, 47, 51, batch=3))
    cost = Cost((parts.conv("first", 6, 51, 1, 3 * 47, 3 * 47), product))
    for tool in TOOLS:
        found = run_counter(tool, _Product(label), (torch.zeros(3, 6, 47),))
        assert isinstance(found, Figure)
        assert found.value == CONVENTIONS[tool].of(cost, 3), tool

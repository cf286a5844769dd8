"""torchvision's own modules, the witness from outside: names, parameters, MACs, and the output itself.

Every network that says `mirrors: torchvision.models.NAME` is compared with that module, layer by layer.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import for_author, import_torchvision

from flopcalc import FlopcalcError, network
from flopcalc.networks import library
from flopcalc.networks.network import Network
from flopcalc.pytorch import build_network, count


def _mirrored() -> dict[str, str]:
    """The networks that mirror a model of torchvision, with the name of the model."""
    found = {}
    for name in library.names():
        # The tests of shipped networks report one that cannot be read.
        with suppress(FlopcalcError):
            mirrors = network(name).mirrors
            if mirrors.startswith("torchvision.models.") and "detection" not in mirrors:
                found[name] = mirrors.removeprefix("torchvision.models.")
    return found


MIRRORED = _mirrored()


def _theirs(name: str) -> Any:
    models = import_torchvision().models
    more = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    widths = models.regnet.BlockParams.from_init_params

    def on_cpu(**settings: Any) -> Any:
        with torch.device("cpu"):
            return widths(**settings)

    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        # RegNet computes its widths with tensors and reads their values.
        patch.setattr(models.regnet.BlockParams, "from_init_params", on_cpu)
        assert hasattr(models, name), for_author(
            name,
            "`mirrors` names a model that torchvision does not have; correct it, or leave the key out",
            "docs/shipping-a-network.md",
        )
        return getattr(models, name)(weights=None, **more).eval()


def _by_layer(figures: Iterable[tuple[str, int]], names: set[str]) -> dict[str, int]:
    """Figures summed by our layer: the one with the name of the module, or of the module that it is inside."""
    sums: Counter[str] = Counter()
    for name, figure in figures:
        pieces = name.split(".")
        inside = [".".join(pieces[:length]) for length in range(len(pieces), 0, -1)]
        sums[next((prefix for prefix in inside if prefix in names), name)] += figure
    return {name: figure for name, figure in sums.items() if figure}


@pytest.mark.parametrize("name", sorted(MIRRORED))
def test_layer_by_layer(name: str) -> None:
    """Params and MACs by the name of the layer, to the unit."""
    _compare(name, network(name))


ODD = [
    ("swin_t", (3, 250, 330)),
    ("swin_t", (3, 65, 90)),
    ("convnext_tiny", (3, 250, 330)),
    ("regnet_y_400mf", (3, 97, 130)),
]


@pytest.mark.parametrize(("name", "shape"), ODD, ids=str)
def test_layer_by_layer_at_odd_sizes(name: str, shape: tuple[int, int, int]) -> None:
    """Maps that windows and patches do not divide are padded; some axes have one window alone."""
    _compare(name, network(name, input=shape))


def _compare(name: str, net: Network) -> None:
    theirs = _theirs(MIRRORED[name])
    counted = count(theirs, (1, *net.input_shape))
    params = {layer.name: layer.cost.params for layer in net.layers if layer.cost.params}
    macs = {layer.name: layer.cost.macs for layer in net.layers if layer.cost.macs}
    advice = "a layer costs another than in torchvision's module; correct the description, or take `mirrors` out of it"
    to_do = for_author(name, advice, "docs/networks.md")
    their_params = _by_layer(((at, tensor.numel()) for at, tensor in theirs.named_parameters()), set(params))
    assert params == their_params, to_do
    assert macs == _by_layer(((at, work.macs) for at, work in counted.work.items()), set(macs)), to_do
    assert (net.params, net.macs) == (counted.total("params"), counted.macs), to_do


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet50",
        "resnext50_32x4d",
        "alexnet",
        "vgg16_bn",
        "squeezenet1_0",
        "googlenet",
        "inception_v3",
        "regnet_y_400mf",
        "convnext_tiny",
    ],
)
def test_every_kind(name: str) -> None:
    """Not MACs alone: all kinds, and the length of the longest chain."""
    net = network(name)
    counted = count(_theirs(name), (1, *net.input_shape))
    for kind in ("params", "macs", "adds", "muls", "other", "activations", "traffic", "steps"):
        assert net.total(kind) == counted.total(kind), kind


def test_the_same_function() -> None:
    """Our module built from the description takes their weights and gives their output."""
    torch.manual_seed(0)
    theirs = import_torchvision().models.resnet50(weights=None).eval()
    ours = build_network(network("resnet50", input=(3, 64, 64))).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(ours(x), theirs(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "heads"),
    [("googlenet", {"aux1": (512, 14), "aux2": (528, 14)}), ("inception_v3", {"AuxLogits": (768, 17)})],
)
def test_auxiliary_classifiers(name: str, heads: dict[str, tuple[int, int]]) -> None:
    """With aux they are layers like others; torchvision's run in training alone, so each is counted by itself."""
    with torch.device("meta"):
        theirs = getattr(import_torchvision().models, name)(weights=None, aux_logits=True, init_weights=False).eval()
    net = network(name, aux=True)
    params = {layer.name: layer.cost.params for layer in net.layers if layer.cost.params}
    assert params == _by_layer(((at, tensor.numel()) for at, tensor in theirs.named_parameters()), set(params))
    macs = net.macs
    for head, (channels, side) in heads.items():
        counted = count(theirs.get_submodule(head), (1, channels, side, side))
        ours = {layer.name: layer.cost.macs for layer in net.layers if layer.name.startswith(f"{head}.")}
        named = ((f"{head}.{at}", work.macs) for at, work in counted.work.items())
        assert {at: figure for at, figure in ours.items() if figure} == _by_layer(named, set(ours))
        macs -= sum(ours.values())
    assert macs == network(name).macs


_RENAMED = {
    "attn.qkv.": "attn.qkv.conv.",
    "attn.proj.": "attn.projection.",
    "attn.relative_position_bias_table": "attn.position.table",
    "self_attention.in_proj_": "self_attention.qkv.conv.",
    "self_attention.out_proj.": "self_attention.projection.",
    "layer_scale": "layer_scale.scale",
    "class_token": "class_token.token",
    "pos_embedding": "pos_embedding.embedding",
}


SAME = [("swin_t", (100, 64)), ("convnext_tiny", (64, 96)), ("vit_b_32", (224, 224)), ("regnet_y_400mf", (64, 64))]


@pytest.mark.parametrize(("name", "hw"), SAME, ids=str)
def test_the_same_function_channels_first(name: str, hw: tuple[int, int]) -> None:
    """Ours keeps channels first; with their weights, in its order, it gives their output."""
    torch.manual_seed(0)
    theirs = getattr(import_torchvision().models, name)(weights=None).eval()
    ours = build_network(network(name, input=(3, *hw))).eval()
    wanted, given = ours.state_dict(), {}
    for key, tensor in theirs.state_dict().items():
        renamed = key
        for old, new in _RENAMED.items():
            renamed = renamed.replace(old, new)
        if renamed not in wanted:
            continue
        if tensor.is_floating_point() and tensor.ndim < 4:
            # Fresh tables, embeddings, scales and heads hardly move the output, so let them.
            tensor.add_(torch.randn_like(tensor), alpha=0.1)
        # Tables and embeddings have the heads or channels last.
        last = renamed.endswith(("position.table", "pos_embedding.embedding"))
        given[renamed] = (tensor.movedim(-1, 0) if last else tensor).reshape(wanted[renamed].shape)
    assert set(given) == set(wanted)
    ours.load_state_dict(given)
    # What is added to a variance costs nothing, and differs among their networks.
    small = {module.eps for module in theirs.modules() if isinstance(module, torch.nn.LayerNorm)}
    for module in ours.modules():
        if isinstance(module, torch.nn.LayerNorm):
            (module.eps,) = small
    x = torch.randn(1, 3, *hw)
    with torch.no_grad():
        assert torch.allclose(ours(x), theirs(x), atol=1e-3, rtol=1e-3)

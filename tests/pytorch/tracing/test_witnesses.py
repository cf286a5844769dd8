"""The tracer against the dispatch mode, which lets torch decide which kernels run and how large their results are.

Everything that both count must be the same: the work of each module by kind, kernels, steps, layers with their inputs
and shapes, unused parameters, what is uncounted. `benchmarks/witnesses.py` does this for whole zoos.
"""

from dataclasses import asdict
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from pytorch.traps import (  # noqa: F401  (they add to the list)
    attention,
    convolutions,
    higher_order,
    inputs,
    products,
    special_modules,
    values,
)
from pytorch.traps.table import TRAPS, Trap

from flopcalc import FlopcalcError
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.record import NOTHING
from flopcalc.pytorch.loading import torchvision_operators


def _counted(module: Any, args: Any, named: Any, witness: Any) -> Any:
    """The count on the meta device as a dict, or why there is none."""
    try:
        return asdict(count_call(module, args, named, on="meta", witness=witness))
    except FlopcalcError as error:
        return str(error)


def _compare(module: Any, args: Any, named: Any = None) -> Any:
    traced, dispatched = (_counted(module, args, named or {}, witness) for witness in ("trace", "dispatch"))
    assert traced == dispatched
    return traced


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_traps(trap: Trap) -> None:
    """All traps, also those that fail on the meta device: with the same words."""
    torchvision_operators.declare()
    _compare(*trap.build())


class Attention(torch.nn.Module):  # type: ignore[misc]
    """Scaled dot products."""

    def forward(self, q: Any, k: Any, v: Any) -> Any:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v).relu()


TYPES = ("float32", "float64", "float16", "bfloat16")


@pytest.mark.parametrize("name", TYPES)
def test_attention_in_every_type(name: str) -> None:
    """In 16 bits torch computes in float32: copies of the three inputs, and of the result and the weights back."""
    dtype = getattr(torch, name)
    shapes = ((2, 4, 6, 8), (2, 4, 9, 8), (2, 4, 9, 5))
    found = _compare(Attention(), [torch.empty(shape, dtype=dtype) for shape in shapes])
    moved = found["by_work"].get(("", "move"), NOTHING)
    copies = 2 * 4 * (6 * 8 + 9 * 8 + 9 * 5 + 6 * 5 + 6 * 9)
    assert moved.writes == (copies if name in ("float16", "bfloat16") else 0)


@pytest.mark.parametrize("name", TYPES)
def test_layers_with_attention_in_every_type(name: str) -> None:
    """One step in the tracer, where torch runs many functions."""
    dtype = getattr(torch, name)
    x = torch.empty(2, 5, 16, dtype=dtype)
    _compare(torch.nn.MultiheadAttention(16, 4, batch_first=True, dtype=dtype), (x, x, x), {"need_weights": False})
    _compare(torch.nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, dtype=dtype), (x,))


CLASSIFIERS = {
    "mobilenet_v2": 300_774_272,
    "resnet18": 1_814_073_344,
    "vit_b_16": 17_563_828_224,
    "swin_t": 4_490_566_656,
    "swin_v2_t": None,
    "convnext_tiny": None,
    "maxvit_t": None,
    "efficientnet_b0": None,
    "mobilenet_v3_small": None,
    "shufflenet_v2_x1_0": None,
    "densenet121": None,
    "squeezenet1_0": None,
    "vgg11_bn": None,
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name: str) -> None:
    """A spread of torchvision, with MACs of FlopCounterMode on the meta device (torch 2.13) where they are written."""
    torchvision_operators.declare()
    models = pytest.importorskip("torchvision").models
    with torch.device("meta"):
        module = models.get_model(name, weights=None)
    found = _compare(module, ((1, 3, 224, 224),))
    macs = sum(work["macs"] if isinstance(work, dict) else work.macs for work in found["work"].values())
    assert CLASSIFIERS[name] in (None, macs)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "beit_base_patch16_224",
            "cait_xxs24_224",
            "coat_lite_tiny",
            "crossvit_tiny_240",
            "davit_tiny",
            "edgenext_small",
        ),
        *("efficientformer_l1", "gcvit_xxtiny", "hrnet_w18_small", "levit_128s", "mixer_b16_224", "res2net50_26w_4s"),
    ],
)
def test_timm(name: str) -> None:
    """A spread of timm: unusual attention, convolutions and branches."""
    torchvision_operators.declare()
    timm = pytest.importorskip("timm")
    module = timm.create_model(name, pretrained=False)
    _compare(module, ((1, *module.default_cfg["input_size"]),))


@pytest.mark.parametrize("kind", ["bert", "gpt2", "llama", "mamba", "t5", "vit"])
def test_transformers(kind: str) -> None:
    """A spread of transformers with two layers."""
    torchvision_operators.declare()
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(kind)
    for field in ("num_hidden_layers", "num_layers", "n_layer"):
        if isinstance(getattr(config, field, None), int):
            setattr(config, field, 2)
    with torch.device("meta"):
        module = transformers.AutoModel.from_config(config)
    tokens = torch.zeros((1, 12), dtype=torch.long)
    given = {"pixel_values": torch.zeros(1, 3, 224, 224)} if kind == "vit" else {"input_ids": tokens}
    _compare(module, (), {**given, **({"decoder_input_ids": tokens[:, :5]} if kind == "t5" else {})})

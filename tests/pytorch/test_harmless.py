"""Counting leaves a module, its inputs and the process as they were."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

from helpers import import_torchvision
from pytorch import snapshots
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
from torch import nn

from flopcalc import FlopcalcError
from flopcalc.pytorch.counting.counter import count_call


def _unchanged(module: nn.Module, given: Any, run: Callable[[], Any]) -> None:
    """Run it, and compare everything before and after."""
    holder = nn.Module()
    # The class would register what is set the usual way.
    holder.__dict__["all"] = [module, given]
    before, process = snapshots.of_module(holder), snapshots.of_process()
    run()
    after = snapshots.of_module(holder)
    assert {path: one for path, one in after.items() if before.get(path) != one} == {}
    assert before.keys() == after.keys()
    now = snapshots.of_process()
    assert {what: (process[what], now[what]) for what in process if process[what] != now[what]} == {}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_traps_are_unharmed(trap: Trap) -> None:
    """Every trap, counted twice, in training mode."""
    if trap.name == "deform_conv":
        import_torchvision()
    module, given, named = trap.build()
    with suppress(NotImplementedError):
        module.train()
    # The first count may import what torch needs for it.
    first = count_call(module, given, named)
    _unchanged(module, (given, named), lambda: count_call(module, given, named))
    assert count_call(module, given, named).macs == first.macs


class Breaks(nn.Module):
    """Changes all that it can reach, and raises an error at the end."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error = error
        self.linear, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.calls, self.kept, self.named = 0, [torch.ones(4)], {"a": torch.ones(4)}
        self.register_buffer("memory", torch.zeros(4))
        self.array = np.zeros(3)
        outside: list[Any] = []
        self.linear.register_forward_hook(lambda module, given, out: outside.append(out))
        self.look = lambda: outside

    def forward(self, x: Any) -> Any:
        self.calls += 1
        y = self.norm(self.linear(x["x"]))
        self.kept.append(y)
        self.named["b"] = y
        self.memory += y.sum(0)
        self.linear.weight.data.mul_(2)
        self.linear.register_forward_hook(lambda *_: None)
        self.norm = nn.BatchNorm1d(4)
        self.array += 1
        x["x"] += 1
        x["y"] = y
        torch.rand(3)
        self.train(not self.training)
        del self.named["a"]
        raise self.error("stop")


@pytest.mark.parametrize("on", ["meta", "cpu", "auto"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_forward_that_fails_leaves_nothing(error: type[BaseException], on: Any) -> None:
    """Neither in the module, nor in its inputs, nor in the process."""
    module, given = Breaks(error), {"x": torch.ones(2, 4)}

    def run() -> None:
        with pytest.raises((FlopcalcError, KeyboardInterrupt, SystemExit)) as caught:
            count_call(module, (given,), on=on)
        assert isinstance(caught.value, FlopcalcError if error is ValueError else error)

    _unchanged(module, given, run)


TORCHVISION = [
    *("resnet18", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_0", "mnasnet0_5"),
    *("googlenet", "efficientnet_b0", "densenet121", "regnet_y_400mf"),
]
TIMM = [
    *("vit_tiny_patch16_224", "convnext_atto", "ghostnet_050", "mobilevit_xxs", "levit_128s", "lcnet_050"),
    *("mixer_s32_224", "poolformer_s12", "tinynet_e", "fastvit_t8"),
]
TRANSFORMERS = {
    "bert": "tokens",
    "gpt2": "tokens",
    "roberta": "tokens",
    "distilbert": "tokens",
    "llama": "tokens",
    "t5": "both",
    "vit": "pixels",
    "segformer": "pixels",
    "mamba": "tokens",
    "mixtral": "tokens",
}


def _check_library_model(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
    module.train()
    count_call(module, given, named)
    _unchanged(module, (given, named), lambda: count_call(module, given, named))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_is_unharmed(name: str) -> None:
    """Ten networks of torchvision."""
    _check_library_model(getattr(import_torchvision().models, name)(weights=None), ((1, 3, 64, 64),), {})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TIMM)
def test_timm_is_unharmed(name: str) -> None:
    """Ten networks of timm."""
    import_torchvision()
    timm: Any = pytest.importorskip("timm")
    module = timm.create_model(name)
    size = module.pretrained_cfg["input_size"]
    _check_library_model(module, ((1, *size),), {})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_are_unharmed(name: str) -> None:
    """Ten networks of transformers, with all hidden states, for which they register hooks."""
    import_torchvision()
    transformers: Any = pytest.importorskip("transformers")
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    small |= {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "n_embd": 32, "n_layer": 2, "n_head": 4}
    small |= {"num_key_value_heads": 2, "d_model": 32, "num_layers": 2, "d_kv": 8, "d_ff": 64, "num_heads": 4}
    small |= {"vocab_size": 100, "image_size": 32, "patch_size": 8, "pad_token_id": 0, "bos_token_id": 1}
    if name == "segformer":
        small = {}
    module = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(name, **small))
    named: dict[str, Any] = {"output_hidden_states": True}
    if TRANSFORMERS[name] == "pixels":
        named["pixel_values"] = torch.rand(1, 3, 32, 32)
    else:
        named["input_ids"] = torch.ones(1, 8, dtype=torch.int64)
    if TRANSFORMERS[name] == "both":
        named["decoder_input_ids"] = torch.ones(1, 4, dtype=torch.int64)
    before = module.eval()(**named).hidden_states if TRANSFORMERS[name] != "both" else ()
    _check_library_model(module, (), named)
    if before:
        assert len(module.eval()(**named).hidden_states) == len(before)

"""The models of torchvision can be named and built, of every task: no weights, no network, no values."""

import socket
from typing import Any

import pytest
from helpers import import_torchvision

torch: Any = pytest.importorskip("torch")

from flopcalc.pytorch.loading.module import load_module, split_target

# One name of each task, with the parameters that the documentation of torchvision gives. Where the published model has
# frozen statistics or an auxiliary head, the default builder has another number.
TASKS = {
    "resnet18": 11_689_512,
    "fcn_resnet50": None,
    "fcos_resnet50_fpn": None,
    "r3d_18": 33_371_472,
    "raft_small": 990_162,
    "quantized_mobilenet_v2": 3_504_872,
}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection is an error."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("network access")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", TASKS)
def test_a_model_of_each_task_is_built_on_meta(name: str) -> None:
    import_torchvision()
    before = torch.get_rng_state()
    loaded = load_module(f"torchvision:{name}", {})
    assert torch.equal(torch.get_rng_state(), before)
    assert {one.device.type for one in loaded.module.parameters()} == {"meta"}
    if (params := TASKS[name]) is not None:
        assert sum(one.numel() for one in loaded.module.parameters()) == params


def test_built_again_with_values() -> None:
    """For a forward that reads values: the same structure, real tensors, and no random number is used up."""
    import_torchvision()
    loaded = load_module("torchvision:resnet18", {"num_classes": 3})
    assert loaded.rebuild is not None
    before = torch.get_rng_state()
    again = loaded.rebuild(None)
    assert torch.equal(torch.get_rng_state(), before)
    assert {one.device.type for one in again.parameters()} == {"cpu"}
    assert {k: v.shape for k, v in again.state_dict().items()} == {
        k: v.shape for k, v in loaded.module.state_dict().items()
    }


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("hf:path/config.json", ("hf", "path/config.json")),
        ("timm:vit_base_patch16_224.augreg_in21k", ("timm", "vit_base_patch16_224.augreg_in21k")),
        ("folder/net.py:Net.small", ("folder/net.py", "Net.small")),
        ("package.module:Net", ("package.module", "Net")),
    ],
)
def test_place_and_name(target: str, parts: tuple[str, str]) -> None:
    assert split_target(target) == parts

"""`flopcalc formula` on PyTorch models, from the command line and in Python."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from helpers import Runner

torch = pytest.importorskip("torch")

from torch import Tensor, nn

from flopcalc import count, formula
from flopcalc.errors import FlopcalcError

CALLS: dict[str, Any] = {"ceil": math.ceil, "floor": math.floor, "max": max, "min": min}

NETS = """
import torch
from torch import nn


class Stem(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 8, stride=8)
        self.pos_embed = nn.Parameter(torch.zeros(1, 16, 16))

    def forward(self, x):
        return self.patch(x).flatten(2).transpose(1, 2) + self.pos_embed


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 12)
        self.key = nn.Linear(12, 12, bias=False)

    def forward(self, ids):
        x = self.embed(ids)
        return (self.key(x) @ x.transpose(1, 2)).softmax(-1) @ x


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        y = self.a(x)
        return self.b(y) if f"{x.shape[3]}" in ("48", "56") else y


class Far(Text):
    def forward(self, x):
        x = self.a(x)
        return self.b(x) if x.shape[-1] // 1100 else x


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)

    def forward(self, x):
        return self.norm(self.a(x))


class Values(nn.Module):
    def forward(self, x):
        return x[x > 0].sum()
"""


@pytest.fixture
def nets(tmp_path: Path) -> str:
    path = tmp_path / "nets.py"
    path.write_text(NETS)
    return str(path)


def _json(run: Runner, *words: str) -> dict[str, Any]:
    done = run("formula", *words, "--format", "json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_a_convolution_by_hand(run: Runner, nets: str) -> None:
    data = _json(run, f"{nets}:Stem", "--input", "3x32x32")
    assert data["symbols"] == {"N": "batch", "H": "height", "W": "width"}
    cost = {kind: one["exact"] for kind, one in data["cost"].items()}
    # 3 * 8 * 9 weights at ceil(H/2) x ceil(W/2) positions; a bias for each output; then 8 -> 10.
    assert cost["macs"] == "N*(216*ceil(H/2)*ceil(W/2) + 80)"
    assert cost["params"] == str(216 + 8 + 80 + 10)
    assert len(data["checked_at"]) >= 3


def test_attention_in_tokens_by_hand(run: Runner, nets: str) -> None:
    """A linear layer of 12 x 12 for each token, and two products of T x 12 x T."""
    data = _json(run, f"{nets}:Tokens", "--input", "9:int64", "--vary", "tokens")
    assert data["cost"]["macs"]["exact"] == "24*T^2 + 144*T"


def test_a_size_that_the_model_fixes(run: Runner, nets: str) -> None:
    """With the parameter that fixes it; what is left is exact in the batch."""
    data = _json(run, f"{nets}:Positions", "--input", "3x32x32")
    fixed = {one["size"]: one for one in data["fixed"]}
    assert {name: one["value"] for name, one in fixed.items()} == {"H": 32, "W": 32}
    assert all("pos_embed" in one["by"] for one in fixed.values())
    assert data["cost"]["macs"]["exact"] == f"{3 * 16 * 64 * 16}*N"
    shown = run("formula", f"{nets}:Positions", "--input", "3x32x32").out
    assert "H = 32 only" in shown
    assert "pos_embed" in shown


def test_paths_by_sizes(run: Runner, nets: str) -> None:
    """A path by a size in a text is refused; one far away is a condition; a norm costs the same in a batch of 1."""
    text = run("formula", f"{nets}:Text", "--input", "3x48x48")
    assert text.code == 2
    assert "no closed form that holds at N = 1, H = 48, W = 48" in text.err
    far = _json(run, f"{nets}:Far", "--input", "3x224x224")
    assert [one["condition"] for one in far["valid"]] == ["W <= 1099"]
    norm = _json(run, f"{nets}:Norm", "--input", "3x32x32")
    assert not [one for one in norm["valid"] if one["condition"].startswith("N")]


def test_no_form_says_why(run: Runner, nets: str) -> None:
    done = run("formula", f"{nets}:Values", "--input", "3x8x8")
    assert (done.code, done.out) == (2, "")
    assert "no closed form" in done.err
    assert "nets.py" in done.err
    assert len(done.err.splitlines()) == 2


def test_a_replaced_model(run: Runner, nets: str) -> None:
    data = _json(run, "torchvision:resnet18", "--input", "3x64x64", "--replace", "spconv")
    plain = _json(run, "torchvision:resnet18", "--input", "3x64x64")
    assert data["baseline"]["macs"] == plain["cost"]["macs"]
    after = json.loads(
        run("model", "torchvision:resnet18", "--input", "3x97x65", "--replace", "spconv", "--format", "json").out
    )
    value = eval(data["cost"]["macs"]["python"], dict(CALLS), {"N": 1, "H": 97, "W": 65})  # noqa: S307 - our own text
    assert value == after["macs"]
    assert len(data["replaced"]) == after["replaced"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--input", "3x32x32", "--vary", "tokens"], "no axis 'tokens'"),
        (["--input", "3x32x32", "--vary", "depth"], "no axis 'depth'"),
        ([], "shape of its input"),
        (["--input", "4x32x32"], "forward"),
    ],
)
def test_wrong_usage(run: Runner, nets: str, words: list[str], why: str) -> None:
    done = run("formula", f"{nets}:Stem", *words)
    assert (done.code, done.out) == (2, "")
    assert why in done.err


def test_a_module_in_python_is_left_as_it_is() -> None:
    """Its tensors, hooks, flags and attributes, and the state of the random numbers."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)).train()
    before = {name: (tensor.data_ptr(), tensor.clone()) for name, tensor in module.state_dict().items()}
    keys = [sorted(child.__dict__) for child in module.modules()]
    random = torch.get_rng_state()
    found = formula(module, input=(3, 16, 16))
    assert module.training
    assert torch.equal(random, torch.get_rng_state())
    assert keys == [sorted(child.__dict__) for child in module.modules()]
    for name, tensor in module.state_dict().items():
        assert tensor.data_ptr() == before[name][0]
        assert torch.equal(tensor, before[name][1])
    counted = count(module, (3, 3, 21, 33))
    at = found.at(N=3, H=21, W=33)
    assert (at["macs"], at["adds"], at["traffic"]) == (counted.macs, counted.adds, counted.traffic)
    with pytest.raises(FlopcalcError, match="does not hold"):
        found.at(N=3, H=1, W=33)


def test_a_difference_of_a_model_and_a_description(run: Runner) -> None:
    done = run("diff", "resnet18", "torchvision:resnet18 --input 3x224x224", "--symbolic", "--format", "json")
    found = json.loads(done.out)["symbolic"]
    assert {kind: one["exact"] for kind, one in found["difference"].items() if kind != "steps"} == dict.fromkeys(
        [kind for kind in found["difference"] if kind != "steps"], "0"
    )


class TwoHeads(nn.Module):
    """Two convolutions on the same map, which both need 5 rows; a third needs 3."""

    def __init__(self) -> None:
        super().__init__()
        self.small, self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 5), nn.Conv2d(3, 4, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(n, 3, h, w) -> three maps."""
        return self.small(x), self.first(x), self.second(x)


def test_a_condition_names_the_first_layer_that_needs_it() -> None:
    """Of those that need the most rows."""
    found = formula(TwoHeads(), input=(3, 32, 32)).to_dict()["valid"]
    assert found == [{"condition": "H >= 5", "why": "first"}, {"condition": "W >= 5", "why": "first"}]

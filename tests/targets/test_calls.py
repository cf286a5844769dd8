"""How a Python model is called: --arg, --method, --on, and inputs that are lists of tensors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import Runner

from flopcalc import FlopcalcError
from flopcalc.networks.inputs import FORWARD, parse_input
from flopcalc.targets.spec import from_python, from_texts, read_call

NETS = """
from typing import List

import torch
from torch import Tensor, nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.head = nn.Linear(4, 5)

    def encode(self, x):
        return self.conv(x)

    def forward(self, x, size=None, pool=True, name="mean"):
        x = self.conv(x)
        if size is not None:
            assert type(size) is tuple, size
            x = x[:, :, : size[0], : size[1]]
        assert isinstance(name, str)
        x = getattr(x, name)((2, 3)) if pool else x.permute(0, 2, 3, 1)
        return self.head(x)

class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

class New(Images):
    def forward(self, images: list[Tensor], scale=1):
        assert type(images) is list and all(one.dim() == 3 for one in images)
        return [self.conv(one[None]) for one in images]

class Old(New):
    def forward(self, images: List[torch.Tensor], scale=1):
        return super().forward(images, scale)

class Text(New):
    def forward(self, images: "list[torch.Tensor]", scale=1):
        return super().forward(images, scale)

class Batched(Images):
    def forward(self, images):
        return self.conv(images)

class Typed(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = getattr(torch, dtype)
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x, other):
        assert other.dtype is self.dtype, other.dtype
        return self.conv(x)
"""
PIXELS = 8 * 8
CONV = 3 * 4


@pytest.fixture
def macs(tmp_path: Path, run: Runner) -> Callable[..., int]:
    """The MACs of a class of the file, for a line of words."""
    pytest.importorskip("torch")
    (tmp_path / "nets.py").write_text(NETS)

    def call(name: str, *words: str) -> int:
        done = run("model", f"{tmp_path}/nets.py:{name}", *words, "--format", "json")
        assert done.code == 0, done.err
        return int(json.loads(done.out)["macs"])

    return call


def test_values_that_are_not_tensors(macs: Callable[..., int]) -> None:
    shape = ("--input", "3x8x8")
    assert macs("Net", *shape) == PIXELS * CONV + 4 * 5
    assert macs("Net", *shape, "--arg", "pool=false") == PIXELS * (CONV + 4 * 5)
    # The head runs on what is left of the picture.
    assert macs("Net", *shape, "--arg", "pool=false", "--arg", "size=4,2") == PIXELS * CONV + 4 * 2 * 4 * 5
    assert macs("Net", *shape, "--arg", "name=amax") == PIXELS * CONV + 4 * 5
    assert macs("Net", "--input", "x=3x8x8", "--arg", "size=none", "--batch", "2") == 2 * (PIXELS * CONV + 4 * 5)


def test_another_method(macs: Callable[..., int]) -> None:
    assert macs("Net", "--input", "3x8x8", "--method", "encode") == PIXELS * CONV


@pytest.mark.parametrize("name", ["New", "Old", "Text"])
def test_a_list_of_images(name: str, macs: Callable[..., int]) -> None:
    """`--batch` images of each input."""
    assert macs(name, "--input", "3x8x8") == PIXELS * CONV
    assert macs(name, "--input", "3x8x8", "--batch", "3") == 3 * PIXELS * CONV
    assert macs(name, "--input", "images=3x8x8", "--batch", "3", "--arg", "scale=2") == 3 * PIXELS * CONV
    assert macs(name, "--input", "3x8x8", "--input", "3x4x8") == (PIXELS + 32) * CONV


def test_a_parameter_called_images_may_be_a_tensor(macs: Callable[..., int]) -> None:
    assert macs("Batched", "--input", "3x8x8", "--batch", "3") == 3 * PIXELS * CONV


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "bfloat16", "float64", "complex64"])
def test_types_of_inputs(dtype: str, macs: Callable[..., int]) -> None:
    words = ("--set", f"dtype={dtype}", "--input", "3x8x8", "--input", f"other=7:{dtype}")
    assert macs("Typed", *words) == PIXELS * CONV


def test_where_layers_are_replaced(macs: Callable[..., int]) -> None:
    """A low rank of a pointwise layer keeps the method: the head does not run."""
    words = ("--input", "3x8x8", "--method", "encode", "--replace", "lowrank_pointwise:mid=1 where k == 1")
    assert macs("Net", *words) == PIXELS * (3 + 4)


def test_budgets(tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys arg, method and on; `on` is a word of YAML for true."""
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    shared = "network: nets.py:Net, input: 3x8x8"
    (tmp_path / "flopcalc.yaml").write_text(
        "targets:\n"
        f"  - {{{shared}, name: a, arg: {{pool: false, size: '4,2'}}, on: meta, limits: [macs == 928]}}\n"
        f"  - {{{shared}, name: b, method: encode, limits: [macs == 768]}}\n"
    )
    done = run("check")
    assert done.code == 0, done.err or done.out


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("arg: 3", "arg is 3"),
        ("arg: {a b: 1}", "'a b' is not the name"),
        ("method: 3", "method is 3"),
        ("method: a b", "method is 'a b'"),
        ("on: cuda", "on is 'cuda'"),
    ],
)
def test_wrong_keys_of_budgets(key: str, says: str, tmp_path: Path, run: Runner) -> None:
    path = tmp_path / "flopcalc.yaml"
    path.write_text(f"targets:\n  - network: nets.py:Net\n    input: 3x8x8\n    {key}\n")
    done = run("check", str(path))
    assert done.code == 2
    assert "line 4" in done.err
    assert says in done.err, done.err
    assert "--" not in done.err.splitlines()[0]


REFUSED: dict[str, tuple[list[str], str, str]] = {
    "described": (["resnet50", "--arg", "a=1"], "described network", "--arg"),
    "described method": (["resnet50", "--method", "encode"], "described network", "--method"),
    "described device": (["resnet50", "--on", "cpu"], "described network", "--on"),
    "no value": (["x.py:N", "--arg", "a"], "--arg 'a'", "return_dict=false"),
    "twice": (["x.py:N", "--arg", "a=1", "--arg", "a=2"], "twice", "--arg"),
    "no keyword": (["x.py:N", "--arg", "a.b=1"], "'a.b'", "--arg"),
    "no name": (["x.py:N", "--method", "a b"], "'a b'", "encode_image"),
    "device": (["x.py:N", "--on", "cuda"], "cuda", "--help"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, run: Runner) -> None:
    words, says, hints = REFUSED[name]
    done = run("model", *words, "--input", "3x8x8")
    assert (done.code, done.out) == (2, ""), done.err
    error, hint = done.err.splitlines()
    assert says in error
    assert hints in hint


@pytest.mark.parametrize(
    ("words", "says", "hints"),
    [
        (["--method", "encod"], "no method 'encod'", "encode"),
        (["--method", "conv.weight"], "not the name", "encode_image"),
        (["--arg", "siz=1"], "siz", "size=None"),
        (["--arg", "x=1", "--input", "x=3x8x8"], "--input and by --arg", "once"),
    ],
)
def test_refused_by_the_model(words: list[str], says: str, hints: str, tmp_path: Path, run: Runner) -> None:
    pytest.importorskip("torch")
    (tmp_path / "nets.py").write_text(NETS)
    shape = [] if "x=1" in words else ["--input", "3x8x8"]
    done = run("model", f"{tmp_path}/nets.py:Net", *shape, *words)
    assert done.code == 2
    error, hint = done.err.splitlines()
    assert says in error
    assert hints in hint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16,16", (16, 16)),
        ("16,", (16,)),
        ("0.5,none", (0.5, None)),
        ("true", True),
        ("none", None),
        ("1/4", 0.25),
        ("a,b", "a,b"),
        ("16x16", "16x16"),
    ],
)
def test_values(text: str, value: Any) -> None:
    """Text is parsed, and printed as flags that are parsed as the same value."""
    spec = from_texts("x.py:N", argument_texts=[f"a={text}"], method="encode", on="cpu")
    assert spec.call.arguments == {"a": value}
    flags = dict(spec.flags)
    assert (flags["--method"], flags["--on"]) == ("encode", "cpu")
    again = from_texts("x.py:N", argument_texts=[flags["--arg"]], method="encode", on="cpu")
    assert again.call == spec.call
    assert again == spec != from_texts("x.py:N")


def test_from_python() -> None:
    spec = from_python("x.py:N", (3, 8, 8), arg={"size": (4, 4)}, method="encode", on="meta")
    assert spec.call == (("encode", "meta", {"size": (4, 4)}))
    assert from_python("x.py:N").call == FORWARD == read_call()
    with pytest.raises(FlopcalcError, match="cuda"):
        from_python("x.py:N", on="cuda")
    with pytest.raises(FlopcalcError, match="keyword"):
        from_python("x.py:N", arg={"a b": 1})


def test_complex_input() -> None:
    assert parse_input("3x8:complex64").dtype == "complex64"


@pytest.mark.parametrize("method", ["forward", "encode"])
def test_a_description_has_no_methods(method: str, run: Runner) -> None:
    """The usual method is refused as others are: it would have no effect."""
    done = run("model", "resnet18", "--method", method)
    assert done.code == 2
    assert done.err.splitlines() == [
        f"error: --method '{method}' does not apply to 'resnet18', which is a described network",
        "hint:  leave --method out; it is for a Python model such as file.py:Net",
    ]

"""BOPs of quantised layers and networks: published figures, exact sums, clear errors."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from helpers import Runner

from flopcalc import FlopcalcError, layer, network
from flopcalc.cost import bits
from flopcalc.cost.cost import Cost, Part
from flopcalc.cost.hierarchy import paths


def _bops(name: str, text: str, **options: Any) -> int:
    net, given = network(name, **options), bits.read(text)
    widths = given.of_layers([one.name for one in net.layers], [one.cost for one in net.layers])
    return sum(width.of(one.cost) for width, one in zip(widths, net.layers, strict=True))


@pytest.mark.parametrize(
    ("name", "options", "text", "billions"),
    [
        ("resnet18", {}, "w32a32", 1858),
        ("resnet18", {}, "w8a8", 116),
        ("resnet18", {}, "w4a4:first=w8a8,last=w8a8", 34),
        ("resnet50", {"stride_in": "v1"}, "w32a32", 3951),
        ("resnet50", {"stride_in": "v1"}, "w8a8", 247),
        ("resnet50", {"stride_in": "v1"}, "w4a4:first=w8a8,last=w8a8", 67),
    ],
)
def test_published_bops_of_hawq_v3(name: str, options: dict[str, Any], text: str, billions: int) -> None:
    """HAWQ-V3 (arXiv 2011.10680), table 1, in billions; its 4-bit networks keep 8 bits at both ends.

    Its figures are rounded (1857.6, 246.9) or cut off (34.7); its ResNet-50 has the stride in the first 1x1.
    """
    found = Fraction(_bops(name, text, **options), 10**9)
    assert billions in (int(found), round(found))


def test_published_operations_of_bi_real_net() -> None:
    """Bi-Real Net (arXiv 1808.00278) gives 1.63e8 for ResNet-18: 118.0M, 19.3M and 0.5M with 32 bits, the rest / 64."""
    net = network("resnet18")
    costs = [one.cost for one in net.layers]
    given = bits.read("w1a1:first=w32a32,last=w32a32,*.downsample.*=w32a32")
    operations = bits.binary_operations(given.of_layers([one.name for one in net.layers], costs), costs)
    assert operations is not None
    full = 118_013_952 + 512_000 + 3 * 6_422_528
    assert operations == full + Fraction(net.macs - full, 64)
    assert int(operations / 10**6) == 163


def test_the_first_and_the_last_layer() -> None:
    """Those with MACs of weights: not a norm, nor attention. A layer may have other work beside it."""
    costs = [
        Cost((Part("norm", "norm", params=4, adds=8),)),
        Cost((Part("conv", "conv", params=4, macs=90), Part("act", "act", other=9))),
        Cost((Part("scores", "matmul", macs=50),)),
        Cost((Part("fc", "linear", params=4, macs=40), Part("act", "act", other=9))),
        Cost((Part("softmax", "softmax", other=9),)),
    ]
    found = bits.read("w4a4:first=w8a8,last=w2a2").of_layers(list("abcde"), costs)
    assert list(map(str, found)) == ["w4a4", "w8a8", "w4a4", "w2a2", "w4a4"]


def test_operations_of_binary_networks_by_hand() -> None:
    """64 binary MACs are one; no figure without a binary layer, nor with other bits. 64 bits are the most."""
    costs = [Cost((Part("a", "conv", params=1, macs=macs),)) for macs in (640, 7)]
    widths = {text: bits.read_one(text).width for text in ("w1a1", "w32a32", "w8a8", "w64a64")}

    def operations(*texts: str) -> Fraction | None:
        return bits.binary_operations([widths[text] for text in texts], costs)

    assert operations("w1a1", "w32a32") == 10 + 7
    assert operations("w1a1", "w1a1") == 10 + Fraction(7, 64)
    assert operations("w32a32", "w32a32") is operations("w1a1", "w8a8") is operations("w64a64", "w8a8") is None


def test_bops_by_hand() -> None:
    """A 3x3 convolution of 16 channels on 10 x 10: 230,400 MACs. Attention multiplies activations by activations."""
    assert layer("conv", 16, hw=10).macs == 230_400
    assert bits.read("w4a8").width.of(layer("conv", 16, hw=10).cost) == 230_400 * 32
    attention = layer("attention", 16, hw=4, heads=2)
    # Four projections of 16 x 16 weights; two products of 16 x 16 tokens; 16 channels and tokens.
    assert bits.read("w2a8").width.of(attention.cost) == 16 * 4 * 256 * 16 + 2 * 256 * 16 * 64
    # No MACs, no BOPs: AdderNet adds.
    assert bits.read("w8a8").width.of(layer("adder", 16, hw=10).cost) == 0


def test_a_module_is_all_layers_in_it() -> None:
    """By its name, as by a pattern for the layers in it; `layer1` is not the beginning of another module's name."""
    net = network("resnet18")
    inside = sum(one.cost.total("macs") for one in net.layers if one.name.startswith("layer1."))
    expected = 32 * 32 * (net.total("macs") - inside) + 8 * 8 * inside
    for text in ("w32a32:layer1=w8a8", "w32a32:layer1.*=w8a8", "w32a32:layer1.?=w8a8", "w32a32:*r1=w8a8"):
        assert _bops("resnet18", text) == expected
    with pytest.raises(FlopcalcError, match="no layer is named 'layer'"):
        _bops("resnet18", "w32a32:layer=w8a8")


def test_the_last_entry_that_names_a_layer_applies() -> None:
    """Patterns, first and last, in the order in which they are written."""
    names = ["stem", "block.relu", "block.conv", "head"]
    conv, relu = layer("conv", 4, hw=4).cost, layer("shift_only", 9, hw=4).cost
    given = bits.read("w2a2:block.*=w3a4,first=w8a8,stem=w5a6,last=w8a8")
    found = given.of_layers(names, [conv, relu, conv, conv])
    assert list(map(str, found)) == ["w5a6", "w3a4", "w3a4", "w8a8"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not the bits"),
        ("8", "'8' is not the bits"),
        ("w4", "'w4' is not the bits"),
        ("w4a", "'w4a' is not the bits"),
        ("w4a8b", "'w4a8b' is not the bits"),
        ("w-4a8", "'w-4a8' is not the bits"),
        ("w4.5a8", "'w4.5a8' is not the bits"),
        ("w٤a8", "is not the bits"),
        ("w0a8", "0 bits; they must be from 1 to 64"),
        ("w4a65", "65 bits; they must be from 1 to 64"),
        ("w4a8:", "'' is not a layer with its bits"),
        ("w4a8:first", "'first' is not a layer with its bits"),
        ("w4a8:first=w8a8, first=w2a2", "'first' has bits twice"),
        ("w4a8:=w8a8", "'=w8a8' is not a layer with its bits"),
        ("w4a8:first=w8", "'w8' is not the bits"),
    ],
)
def test_bad_bits(text: str, message: str) -> None:
    """One line that names the value, and one with an example."""
    with pytest.raises(FlopcalcError, match=message) as caught:
        bits.read(text)
    assert "w4a8" in caught.value.hint


def test_bits_are_read_as_written() -> None:
    """Capital letters and spaces around are fine."""
    assert bits.read(" W4A8 ").width == (4, 8)
    with pytest.raises(FlopcalcError, match="a single layer has one entry"):
        bits.read_one("w4a8:first=w8a8")


def _json(run: Runner, *arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--format", "json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_layer_record(run: Runner) -> None:
    """Parts add up, the plain convolution has its own; without --bits there is no such key."""
    record = _json(run, "layer", "spconv", "--cin", "64", "--bits", "w4a8")
    assert record["bits"] == "w4a8"
    assert record["bops"] == 32 * record["macs"] == sum(part["bops"] for part in record["parts"])
    assert record["baseline"]["bops"] == 32 * record["baseline"]["macs"]
    assert record["binary_ops"] is None
    assert "bops" not in _json(run, "layer", "spconv", "--cin", "64")
    binary = _json(run, "layer", "conv", "--cin", "64", "--bits", "w1a1")
    assert binary["binary_ops"] == binary["macs"] / 64


def test_compare_record(run: Runner) -> None:
    """Each row has its BOPs."""
    rows = _json(run, "compare", "conv", "ghost", "--cin", "64", "--bits", "w2a4")["rows"]
    assert [row["bops"] for row in rows] == [8 * row["macs"] for row in rows]


def test_model_record(run: Runner) -> None:
    """Layers add up to the total; what was replaced is compared with the network before."""
    record = _json(run, "model", "resnet18", "--bits", "w4a4:first=w8a8,last=w8a8", "--replace", "spconv")
    assert record["bops"] == sum(one["bops"] for one in record["layers"])
    found = {one["name"]: one["bits"] for one in record["layers"]}
    assert (found["conv1"], found["fc"], found["layer1.0.conv1"]) == ("w8a8", "w8a8", "w4a4")
    assert record["baseline"]["bops"] == _bops("resnet18", "w4a4:first=w8a8,last=w8a8")


@pytest.mark.parametrize("by", ["layer", "stage", "type", "tree"])
def test_rows_add_up(by: str, run: Runner) -> None:
    """The column BOPs of every kind of row; with --top the others are one row."""
    expected = _bops("resnet18", "w4a4:first=w8a8")
    texts = ["--depth=1"] if by == "tree" else ["--top=2"]
    done = run(
        *("model", "resnet18", "--bits=w4a4:first=w8a8", f"--by={by}", "--columns=bops", "--format=markdown", *texts)
    )
    cells = re.findall(r"^\| ([0-9,]+) \|$", done.out, re.MULTILINE)
    *rows, total = [int(cell.replace(",", "")) for cell in cells]
    assert sum(rows) == total == expected


def test_a_counted_model(tmp_path: Path, run: Runner) -> None:
    """A module of PyTorch, with a pattern for one of its layers."""
    pytest.importorskip("torch")
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\n\n\ndef net():\n"
        "    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 1))\n"
    )
    record = _json(run, "model", f"{path}:net", "--input", "3x10x10", "--bits", "w4a4:2=w8a8")
    assert record["bops"] == 64 * 8 * 27 * 16 + 64 * 32 * 64


def test_a_product_with_a_parameter(tmp_path: Path, run: Runner) -> None:
    """A module that multiplies its input by a weight, and then the result by itself: 5 x 4 x 4 and 5 x 4 x 5 MACs."""
    pytest.importorskip("torch")
    path = tmp_path / "net.py"
    path.write_text(
        "import torch\nfrom torch import nn\n\n\nclass Times(nn.Module):\n    def __init__(self):\n"
        "        super().__init__()\n        self.weight = nn.Parameter(torch.ones(4, 4))\n\n"
        "    def forward(self, x):\n        return torch.matmul(x, self.weight)\n\n\n"
        "class Square(nn.Module):\n    def forward(self, x):\n        return torch.matmul(x, x.transpose(1, 2))\n\n\n"
        "def net():\n    return nn.Sequential(Times(), Square())\n"
    )
    record = _json(run, "model", f"{path}:net", "--input", "5x4", "--bits", "w2a8")
    assert record["bops"] == 80 * 2 * 8 + 100 * 8 * 8


def test_errors_on_the_command_line(run: Runner) -> None:
    """Exit code 2, and no traceback; a pattern that names no layer is an error."""
    for arguments in (["layer", "conv", "--cin", "8", "--bits", "4"], ["model", "resnet18", "--bits", "w4a4:foo=w8a8"]):
        done = run(*arguments)
        assert done.code == 2
        assert "--bits" in done.err
        assert "Traceback" not in done.err


def test_modules_around_a_layer() -> None:
    """Each once, and the layer."""
    assert paths("a.b.c") == ["a", "a.b", "a.b.c"]

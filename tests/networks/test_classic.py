"""Residual networks, VGGs and ShiftResNets for CIFAR, and options of the classic networks: witnesses from outside."""

from itertools import pairwise
from typing import Any

import pytest

from flopcalc import network

ALL_KINDS = ("params", "macs", "adds", "muls", "other", "activations", "traffic", "steps")


def _identity_resnet(blocks: int) -> Any:
    """A CIFAR ResNet with shortcut A, written as people write it, apart from any description."""
    torch: Any = pytest.importorskip("torch")
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self, c_in: int, c_out: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(c_out)
            self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(c_out)
            self.more = c_out - c_in

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
            if self.more:
                x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2))
            return functional.relu(y + x)

    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for c_in, c_out in ((16, 16), (16, 32), (32, 64)):
        layers.append(Block(c_in, c_out, 1 if c_in == c_out else 2))
        layers += [Block(c_out, c_out, 1) for _ in range(blocks - 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)).eval()


@pytest.mark.parametrize(("name", "blocks"), [("resnet20_cifar", 3), ("resnet56_cifar", 9)])
def test_identity_shortcuts(name: str, blocks: int) -> None:
    """Every kind of work; the shortcut itself has neither parameters nor MACs."""
    theirs = _identity_resnet(blocks)
    from flopcalc.pytorch import count

    counted, net = count(theirs, (1, 3, 32, 32)), network(name)
    for kind in ALL_KINDS:
        assert net.total(kind) == counted.total(kind), kind
    shortcuts = [layer for layer in net.layers if ".shortcut." in layer.name]
    assert [layer.kind for layer in shortcuts] == ["subsample", "pad"] * 2
    assert sum(layer.cost.params + layer.cost.macs for layer in shortcuts) == 0


def test_projection_shortcuts() -> None:
    """By hand: two 1x1 convolutions, 16 x 32 and 32 x 64 weights, with norms, at 16x16 and at 8x8."""
    plain, projected = network("resnet20_cifar"), network("resnet20_cifar", shortcut="B")
    assert projected.params - plain.params == 512 + 2048 + 2 * (32 + 64)
    assert projected.macs - plain.macs == 512 * 256 + 2048 * 64


def test_what_the_shiftnet_script_prints() -> None:
    """Its counts of MACs take the stem for 9 x 64 at each position, where it is 9 x 3 x 16."""
    stem = 32 * 32 * (9 * 64 - 9 * 3 * 16)
    assert network("resnet20_cifar", shortcut="B").macs + stem == 40_960_640
    assert network("shiftresnet20", expansion=3).macs + stem == 16_581_248


def test_vgg16_for_cifar_by_hand() -> None:
    """13 convolutions with biases and norms, then one linear layer, two with a norm between, or three."""
    channels = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    convolutions = sum(9 * one * other + 3 * other for one, other in pairwise(channels))
    assert network("vgg16_cifar").params == convolutions + 5130
    assert network("vgg16_cifar", head="512-512-10").params == convolutions + 5130 + 513 * 512 + 1024
    assert network("vgg16_cifar", head="512-512-512-10").params == convolutions + 5130 + 2 * 513 * 512


def test_squeezenet_at_the_size_of_its_authors() -> None:
    """Conv10 with padding 1 has 15x15 outputs in the place of 13x13."""
    padded = network("squeezenet1_0", input=(3, 227, 227), conv10_padding=1)
    assert padded.macs - network("squeezenet1_0", input=(3, 227, 227)).macs == (225 - 169) * 512_000
    assert padded.macs == 861_339_936


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet18", {"blocks": "1,2"}),
        ("resnet50", {"stride_in": "v1", "groups": 2, "width_per_group": 48}),
        ("resnet20_cifar", {"shortcut": "B"}),
        ("resnet20_cifar", {"width": 5}),
        ("wrn28_10", {"blocks": "1,2", "widen": 1}),
        ("vgg16_cifar", {"head": "512-512-10"}),
        ("vgg16_cifar", {"head": "512-512-512-10", "blocks": "1,1,2"}),
        ("squeezenet1_1", {"conv10_padding": 2}),
        ("googlenet", {"aux": True}),
        ("inception_v3", {"aux": True}),
        ("densenet121", {"blocks": "2,1,3", "growth": 6, "stem": 10}),
        ("shiftresnet20", {"expansion": 2}),
    ],
)
def test_options_as_modules(name: str, options: dict[str, Any]) -> None:
    """The module that a description builds counts the same in every kind under other options, at an odd size too."""
    pytest.importorskip("torch")
    from flopcalc.pytorch.comparison import compare_network

    side = network(name).input_shape[1] + (1 if name != "vgg16_cifar" else 0)
    for row in compare_network(network(name, input=(3, side, side), batch=2, **options)):
        assert row.derived == row.counted, row.part

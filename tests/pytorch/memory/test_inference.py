"""Memory of modules in inference: eager PyTorch's tensors, and those of the descriptions."""

import pytest
from helpers import Runner, import_torchvision

from flopcalc import FlopcalcError, memory

pytest.importorskip("torch")

import torch
from torch import Tensor, nn
from torch.nn import functional

MAP = 4 * 8 * 8 * 4


class Block(nn.Module):
    """A residual block: its input lives until the sum."""

    def __init__(self, *, inplace: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.conv1(x))
        y = self.conv2(y)
        y += x
        out: Tensor = self.relu(y)
        return out


@pytest.mark.parametrize("inplace", [True, False])
def test_a_block_by_hand(inplace: bool) -> None:
    """Two maps beside the input, that of the first convolution and its ReLU's, are one where ReLU is in place."""
    model = Block(inplace=inplace)
    found = memory(model, (4, 8, 8))
    assert found.input == MAP
    assert found.activations_peak == 2 * MAP
    # A planner has the input, which the sum reads, and the input and the output of the second convolution.
    assert (found.layer_peak, found.layer_peak_at) == (3 * MAP, "conv2")
    assert [one.live // MAP for one in found.layers] == ([1, 2, 2, 2] if not inplace else [1, 2])
    assert not any(parameter.is_meta for parameter in model.parameters())


def test_views_share_memory() -> None:
    """A reshape and a transpose make nothing; a copy does."""

    class Views(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 2
            z = y.transpose(1, 2).reshape(2, -1)[:, :3]
            return z + 1 if z.is_contiguous() else z.contiguous() + 1

    found = memory(Views(), (8, 8), batch=2)
    size = 2 * 8 * 8 * 4
    # y, which its variable keeps, the copy that the reshape of its transposed view makes, and both of 2 x 3 numbers.
    assert found.activations_peak == 2 * size + 2 * 2 * 3 * 4


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2", "vgg16", "efficientnet_b0"])
def test_a_description_has_the_peak_of_its_module(name: str, run: Runner) -> None:
    """Within the norms' small vectors; torchvision's modules."""
    import_torchvision()
    described = memory(name)
    module = memory(name, rules="cuda")
    assert described.activations_peak == pytest.approx(module.activations_peak, rel=2e-3)
    assert described.layer_peak == module.layer_peak
    assert described.peak == pytest.approx(module.peak, rel=2e-3)
    assert (described.weights, described.input) == (module.weights, module.input)


def test_resnet50_as_a_module() -> None:
    """The eager peak to the element."""
    import_torchvision()
    found = memory("torchvision:resnet50", (3, 224, 224), order="best").to_dict()
    assert found["activations_peak_elements"] == 2_609_664
    assert found["activations_peak_at"] == "layer1.0.downsample.1"
    assert found["layer_peak_elements"] == 3 * 256 * 56 * 56
    assert found["best_order"]["proved"]


def test_half_precision() -> None:
    """All tensors have half the size, and so has the input."""
    plain, half = (memory(Block(inplace=True), (4, 8, 8), dtype=dtype) for dtype in (None, "float16"))
    assert (half.weights * 2, half.input * 2, half.activations_peak * 2) == (
        plain.weights,
        plain.input,
        plain.activations_peak,
    )
    assert half.dtype == "float16"


def test_a_forward_that_reads_values() -> None:
    """It is followed on real values, and a note says so."""

    class Reads(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 2 if x.sum().item() > 0 else functional.relu(x)

    found = memory(Reads(), (4, 8, 8))
    # The map, or the sum of it before.
    assert found.activations_peak == MAP
    assert any("real values" in note for note in found.notes)


def test_attention_stores_no_matrix_on_cuda() -> None:
    """The matrix of 64 x 64 for each of 2 heads is there by the meta device's rules only."""

    class Attention(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.scaled_dot_product_attention(x, x, x)

    found = memory(Attention(), (2, 64, 16))
    assert found.activations_peak < 2 * 64 * 64 * 4
    assert any("memory-efficient" in note for note in found.notes)


def test_weights_in_a_type_that_only_holds_them() -> None:
    """32 x 64 weights of float8, used as float32: 2,048 bytes, and 4 times as much while the layer runs."""

    class Quantized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(32, 64).to(torch.float8_e4m3fn), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            return functional.linear(x, self.weight.float())

    found = memory(Quantized(), (64,))
    assert (found.weights, found.activations_peak, found.dtype) == (2048, 4 * 2048 + 4 * 32, "float32")


class _FailsAfterGradients(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        torch.autograd.grad(x.requires_grad_().square().sum(), x)
        raise ValueError("its own fault")


def test_the_error_is_that_of_the_last_try() -> None:
    """Not the one by which the forward asked for gradients."""
    with pytest.raises(FlopcalcError) as caught:
        memory(_FailsAfterGradients(), (4,))
    assert "ValueError: its own fault" in caught.value.message

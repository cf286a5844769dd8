"""Dynamic convolution: a kernel for each sample by attention over kernels, and ResNet-18."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import DYNAMIC_SHAPES, conv_arguments, convolve_by_sample, part_total, random_tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer
from flopcalc.pytorch.layers.dynamic_conv import DynamicConv2d


@pytest.mark.parametrize("given", DYNAMIC_SHAPES, ids=str)
def test_dynamic_conv_has_a_kernel_for_each_sample(given: dict[str, Any]) -> None:
    """A softmax over the kernels, at a temperature; three samples get three kernels, and both modes agree."""
    module: Any = DynamicConv2d(8, 6, 3, kernels=3, reduction=2, dtype=torch.float64, **given)
    module.routing.temperature = 30.0
    x = random_tensor(3, 8, 7, 9)
    first, second = module.routing.squeeze, module.routing.excite
    scores = F.linear(F.relu(F.linear(x.mean((2, 3)), first.weight, first.bias)), second.weight, second.bias)
    powers = torch.exp(scores / 30)
    expected = convolve_by_sample(module, x, powers / powers.sum(1, keepdim=True), **conv_arguments(given))
    assert torch.allclose(module(x), expected)
    training: Any = DynamicConv2d(8, 6, 3, kernels=3, reduction=2, mode="training", dtype=torch.float64, **given)
    training.load_state_dict(module.state_dict())
    training.routing.temperature = 30.0
    assert torch.allclose(training(x), expected)


def test_dynamic_conv_by_hand() -> None:
    """c_in 16, c_out 32, k 3, 10 x 10, K 4, reduction 4, batch 2.

    W = 4608. Routing: 16 * 4 + 4 and 4 * 4 + 4 parameters, 64 + 16 MACs; the paper's attention adds the
    1600 values that the pooling sums. Aggregation: 4 * 4608. Convolution: 4608 * 100.
    """
    e = layer("dynamic_conv", 16, 32, hw=10, batch=2)
    assert (part_total(e, "routing", "params"), part_total(e, "routing", "macs")) == (88, 2 * 80)
    assert e.derived == {"squeezed": 4, "attention": 1680}
    assert part_total(e, "routing", "adds") == 2 * (1600 + 4 + 4 + 4)
    assert e.cost.macs == 2 * (80 + 18_432 + 460_800)
    assert e.cost.params == 88 + 18_432
    # pool, fc, relu, fc, softmax, mixing, convolution.
    assert e.cost.steps == 7
    t = layer("dynamic_conv", 16, 32, hw=10, batch=2, mode="training")
    assert part_total(t, "convolution", "macs") == 2 * 4 * 460_800


def test_dynamic_conv_resnet18() -> None:
    """ResNet-18, all convolutions but conv1, K = 4: 45.472M parameters, printed 45.47M elsewhere.

    The 19 convolutions have 11,157,504 of the plain network's 11,689,512 parameters; each becomes 4 kernels.
    Biases of both fully connected layers are counted; with those of the kernels too it would be 45.491M.
    """
    convs = [(64, 64, 3)] * 4
    for c_in, c_out in ((64, 128), (128, 256), (256, 512)):
        convs += [(c_in, c_out, 3), (c_in, c_out, 1), *[(c_out, c_out, 3)] * 3]
    weights = sum(a * b * k * k for a, b, k in convs)
    assert (len(convs), weights) == (19, 11_157_504)
    dynamic = [layer("dynamic_conv", a, b, k=k) for a, b, k in convs]
    total = 11_689_512 - weights + sum(e.cost.params for e in dynamic)
    hidden = sum(a // 4 for a, _, _ in convs)
    attention = sum(a * (a // 4) + a // 4 * 4 for a, _, _ in convs)
    # 45,471,016 without any bias; hidden = 960 + 76 biases of the attention make 45,472,052.
    assert 11_689_512 + 3 * weights + attention == 45_471_016
    assert (hidden, 4 * len(convs)) == (960, 76)
    assert total == 45_472_052
    assert round(total / 10**6, 3) == 45.472

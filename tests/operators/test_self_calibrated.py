"""Self-calibrated convolution: numbers by hand, the definition, and SCNet as printed."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import batch_norm, build_block, convolve, random_tensor, refused
from torch.nn import functional as F  # noqa: N812

from flopcalc import layer


def test_self_calibrated_numbers() -> None:
    """64 channels on 28 x 28: four convolutions 32 -> 32 of 9,216 weights, one of them on 7 x 7."""
    e = layer("self_calibrated", 64, hw=28)
    assert e.cost.params == 4 * 9216 == e.baseline.params
    assert e.cost.macs == 9216 * (3 * 784 + 49)
    # K1 and K4 on 14 x 14, K3 on 28 x 28: more than the plain convolution at this stride.
    strided = layer("self_calibrated", 64, hw=28, stride=2)
    assert strided.cost.macs == 9216 * (2 * 196 + 784 + 49) > strided.baseline.macs
    # 30 x 30 has 7 windows of 4 along each axis; two rows and columns are left out.
    assert layer("self_calibrated", 64, hw=30).cost.macs == 9216 * (3 * 900 + 49)
    # pool, K2, upsampling, sum, gate, product, K4, concatenation.
    assert e.cost.steps == 8
    assert layer("self_calibrated", 64, norm=True).cost.params == 36_864 + 4 * 64
    refused("no halves", "self_calibrated", 37)
    refused("has no window of 4x4", "self_calibrated", 64, hw=3)
    refused("differ", "self_calibrated", 64, 32)


@pytest.mark.parametrize("given", [{}, {"norm": True, "stride": 2}, {"pool": 2, "k": (1, 3), "dilation": 2}], ids=str)
def test_self_calibrated_by_its_definition(given: dict[str, Any]) -> None:
    """Eq. 1 to 5, with enlarging written as an index: the second half is gated."""
    module = build_block("self_calibrated", 6, **given)
    x = random_tensor(2, 6, 11, 9)
    stride, dilation, pool = given.get("stride", 1), given.get("dilation", 1), given.get("pool", 4)
    padding = (0, dilation) if "k" in given else dilation

    def run(block: Any, y: Any, stride: int = 1) -> Any:
        y = convolve(block, y, stride=stride, padding=padding, dilation=dilation)
        return batch_norm(block.norm, y) if "norm" in given else y

    act = F.relu if "norm" in given else (lambda y: y)
    first, second = x[:, :3], x[:, 3:]
    rows, columns = 11 // pool, 9 // pool
    pooled = second[:, :, : rows * pool, : columns * pool].reshape(2, 3, rows, pool, columns, pool).mean((3, 5))
    small = run(module.k2, pooled)
    down, across = torch.arange(11) * rows // 11, torch.arange(9) * columns // 9
    gate = torch.sigmoid(second + small[:, :, down][:, :, :, across])
    second = act(run(module.k4, run(module.k3, second) * gate, stride))
    assert torch.allclose(module(x), torch.cat([act(run(module.k1, first, stride)), second], dim=1))


SCNETS = {50: ((3, 4, 6, 3), "25.56M", "4.0G"), 101: ((3, 4, 23, 3), "44.57M", "7.2G")}


@pytest.mark.parametrize("depth", SCNETS)
def test_scnets_as_printed(depth: int) -> None:
    """ResNets with it as the 3 x 3 convolution of all blocks; the printed MAdds contain element-wise work.

    SCNet-50 has 3.93 G MACs, and 0.04 G operations of normalisation, activation, gates and sums.
    """
    blocks, params_text, madds_text = SCNETS[depth]
    params, macs, other = 3 * 64 * 49 + 2 * 64, 3 * 64 * 49 * 112**2, 3 * 64 * 112**2
    c_in, hw = 64, 56
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        for block in range(count):
            stride = 2 if stage and not block else 1
            middle = layer("self_calibrated", width, hw=hw, stride=stride, norm=True).cost
            # Both halves come from a 1x1 convolution each, with batch norm; another one gives the output.
            params += c_in * width + 2 * width + middle.params + width * 4 * width + 8 * width
            macs += c_in * width * hw**2 + middle.macs
            other += 3 * width * hw**2 + sum(middle.total(kind) for kind in ("adds", "muls", "other"))
            hw //= stride
            macs += width * 4 * width * hw**2
            other += 4 * 4 * width * hw**2
            if not block:
                params += c_in * 4 * width + 8 * width
                macs += c_in * 4 * width * hw**2
                other += 8 * width * hw**2
            c_in = 4 * width
    params, macs = params + 2048 * 1000 + 1000, macs + 2048 * 1000
    assert f"{params / 10**6:.2f}M" == params_text
    assert f"{(macs + other) / 10**9:.1f}G" == madds_text
    assert f"{macs / 10**9:.1f}G" == {50: "3.9G", 101: "7.2G"}[depth]

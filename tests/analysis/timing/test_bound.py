"""Bounds against numbers worked out by hand, and against measured times."""

from pathlib import Path

import pytest

import flopcalc
from flopcalc import FlopcalcError, roofline
from flopcalc.analysis.timing import measured
from flopcalc.analysis.timing.bound import LEAST_MULTIPLICATIONS
from flopcalc.analysis.timing.kernels import of_evaluation, of_network
from flopcalc.analysis.timing.library import device

PLAIN = """
name: plain
units: 10
clock: 1.0e9
operations: {float32: 100, float16: 400}
bandwidth: 1.0e11
efficiency: {like: h200}
"""


@pytest.fixture
def plain(tmp_path: Path) -> str:
    """A device of 1 TFLOPS in float32, 4 in float16, and 100 GB/s."""
    path = tmp_path / "plain.yaml"
    path.write_text(PLAIN)
    return str(path)


def test_a_pointwise_convolution_by_hand(plain: str) -> None:
    """64 -> 128 channels on 56x56, batch 2: compute in float16 at a large batch, memory as the tensors have it."""
    positions = 2 * 56 * 56
    macs = 64 * 128 * positions
    elements = 64 * positions + 64 * 128 + 128 * positions
    found = roofline("pointwise", device=plain, c_in=64, c_out=128, hw=56, batch=2, dtype="float16")
    assert found.bound_s == pytest.approx(max(2 * macs / 4e12, 2 * elements / 1e11))
    found = roofline("pointwise", device=plain, c_in=64, c_out=128, hw=56, batch=2)
    assert found.bound_s == pytest.approx(max(2 * macs / 1e12, 4 * elements / 1e11))


def test_float32_convolutions_count_what_transforms_leave(plain: str) -> None:
    """A 3x3 convolution of 512 channels is limited by compute: 1.5 of 9 products count in float32, all in float16."""
    macs = 512 * 512 * 9 * 28 * 28
    single = roofline("conv", device=plain, c_in=512, hw=28)
    assert single.bound_s == pytest.approx(2 * macs * LEAST_MULTIPLICATIONS / 9 / 1e12)
    assert any("Winograd" in note for note in single.notes)
    half = roofline("conv", device=plain, c_in=512, hw=28, dtype="float16")
    assert half.bound_s == pytest.approx(2 * macs / 4e12)
    assert not any("Winograd" in note for note in half.notes)


def test_the_fused_bound_leaves_out_elementwise_kernels(plain: str) -> None:
    """Of convolution, norm and activation the convolution is left."""
    whole = roofline("ghost", device=plain, c_in=64, hw=56)
    fused = roofline("ghost", device=plain, c_in=64, hw=56, fused=True)
    kept = [layer.bound_s for layer in whole.layers if layer.name != "join"]
    assert fused.bound_s == pytest.approx(sum(kept))
    assert fused.bound_s < whole.bound_s


def test_a_strided_1x1_convolution_reads_what_it_needs() -> None:
    """Stride 2: one of four positions."""
    (layer,) = of_evaluation(flopcalc.layer("pointwise", 64, hw=56, stride=2))
    (kernel,) = layer.kernels
    assert kernel.kind == "pointwise"
    assert kernel.reads - kernel.weights - kernel.skipped == 64 * 28 * 28


@pytest.mark.parametrize(
    ("operator", "kinds"),
    [
        ("conv", ["conv"]),
        ("depthwise", ["depthwise"]),
        ("group", ["grouped"]),
        ("dsc", ["depthwise", "pointwise"]),
        ("fire", ["pointwise", "elementwise", "pointwise", "elementwise", "conv", "elementwise", "move"]),
        ("conv3d", ["conv"]),
        ("adder", ["gather", "distance", "elementwise"]),
    ],
)
def test_kinds_of_kernels(operator: str, kinds: list[str]) -> None:
    """Windows and groups are found from the sizes of parts."""
    layers = of_evaluation(flopcalc.layer(operator, 64, hw=28))
    assert [kernel.kind for layer in layers for kernel in layer.kernels] == kinds


def test_attention_of_a_network_is_one_kernel() -> None:
    """Its scores are not moved in the estimate; those of the operator, which has kernels of its own, are."""
    network = flopcalc.network("vit_b_32")
    layer = next(one for one in of_network(network) if one.name.endswith("self_attention"))
    assert {kernel.kind for kernel in layer.kernels if not kernel.is_merged} == {"pointwise"}
    operator = of_evaluation(flopcalc.layer("attention", 64, hw=14))
    assert not any(kernel.is_merged for one in operator for kernel in one.kernels)


@pytest.mark.parametrize(
    "name", ["h100", "h200", "a100", "t4", "l4", "rtx3090", "rtx4090", "rtx5090", "raspberry-pi-5"]
)
def test_more_bandwidth_is_never_slower(name: str) -> None:
    """Nor is a higher peak; for bound and estimate."""
    known = device(name)
    network = flopcalc.network("mobilenet_v2", batch=8)
    base = roofline(network, device=known)
    for more in (
        known._replace(bandwidth=2 * known.bandwidth),
        known._replace(peaks={key: 2 * peak for key, peak in known.peaks.items()}),
    ):
        found = roofline(network, device=more)
        assert found.bound_s <= base.bound_s
        assert found.estimate_s <= base.estimate_s * (1 + 1e-12)
        assert found.bound_s < base.bound_s or found.estimate_s < base.estimate_s


@pytest.mark.parametrize("execution", ["eager", "graph", "compiled"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_sums(execution: str, dtype: str) -> None:
    """Layers add up, what limits them adds up, and no estimate is below the bound that applies."""
    found = roofline("resnet50", device="h200", dtype=dtype, batch=4, execution=execution)
    assert found.fused == (execution == "compiled")
    assert found.bound_s == pytest.approx(sum(layer.bound_s for layer in found.layers))
    assert found.estimate_s == pytest.approx(sum(found.limited_by.values()))
    assert all(layer.estimate_s >= layer.bound_s for layer in found.layers)
    assert sum(layer.macs for layer in found.layers) == flopcalc.network("resnet50", batch=4).macs


def _measured_rows() -> list[measured.Measured]:
    from flopcalc.networks import library

    return [row for row in measured.rows() if row.target in library.names()][::7]


@pytest.mark.parametrize("row", _measured_rows(), ids=lambda row: " ".join(map(str, row[1:7])))
def test_measured_times(row: measured.Measured) -> None:
    """No measured pass is faster than its bound; at batch 32 and 128 a CUDA graph takes the estimate +- 60 %."""
    found = roofline(
        row.target,
        device=row.device,
        dtype=row.dtype,
        batch=row.batch,
        execution=row.execution,
        input=row.input,
        replace=[row.replace] if row.replace else (),
    )
    assert found.bound_s < row.seconds
    assert found.measured_s == row.seconds
    if row.batch > 1 and row.execution == "graph":
        assert found.estimate_s / row.seconds == pytest.approx(1, abs=0.6)


def test_uncounted_kernels_make_a_lower_bound() -> None:
    """As `flopcalc.network` of a module with an operation without a rule."""
    network = flopcalc.network("resnet18")
    from dataclasses import replace

    from flopcalc.networks.network import Uncounted

    part = replace(network, uncounted=(Uncounted("aten.cumsum", "(model)", 1),))
    found = roofline(part, device="h100")
    assert "at least" in repr(found)
    assert found.to_dict()["at_least"] is True
    assert found.to_dict()["uncounted"] == [{"op": "aten.cumsum", "module": "(model)", "count": 1}]


def test_errors() -> None:
    """Each names what is wrong."""
    with pytest.raises(FlopcalcError, match="unknown device 'h10'") as error:
        roofline("resnet18", device="h10")
    assert "did you mean h100" in error.value.hint
    with pytest.raises(FlopcalcError, match="t4 has no peak for bfloat16"):
        roofline("resnet18", device="t4", dtype="bf16")
    with pytest.raises(FlopcalcError, match="unknown dtype 'float61'"):
        roofline("resnet18", device="t4", dtype="float61")
    with pytest.raises(FlopcalcError, match="execution is 'jit'"):
        roofline("resnet18", device="t4", execution="jit")
    with pytest.raises(FlopcalcError, match="mode is 'trainig'"):
        roofline("resnet18", device="t4", mode="trainig")
    with pytest.raises(FlopcalcError, match="batch is 0"):
        roofline("resnet18", device="t4", batch=0)

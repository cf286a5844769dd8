"""ResNet-50: its figures, its options, other inputs and batches."""

from flopcalc import network


def test_resnet50_figures() -> None:
    """torchvision documents 25557032 parameters and 4.09 GFLOPS (MACs)."""
    net = network("resnet50")
    assert (net.params, net.macs) == (25_557_032, 4_089_184_256)
    assert net.macs == 4_087_136_256 + 2048 * 1000


def test_resnet50_v1() -> None:
    """The paper's stride in the first 1x1: 3.8 x 10^9 in its Table 1, 3.858 G counted."""
    v1 = network("resnet50", stride_in="v1")
    assert f"{v1.macs / 1e9:.3f}" == "3.858"
    assert v1.params == network("resnet50").params


def test_options_input_and_batch() -> None:
    """classes changes the head alone; MACs are linear in the batch, and params do not see it."""
    plain, ten = network("resnet50"), network("resnet50", classes="10")
    assert plain.params - ten.params == 2049 * 990
    batch = network("resnet50", batch=5)
    assert (batch.macs, batch.params) == (5 * plain.macs, plain.params)
    small = network("resnet50", input=(3, 160, 160))
    # 160 = 5 x 32 and 224 = 7 x 32: convolutions scale with (5 / 7)^2, the head does not.
    assert (small.macs - 2_048_000) * 49 == (plain.macs - 2_048_000) * 25

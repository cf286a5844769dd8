"""The time of a training step: the kernels of both passes, by hand and as `flopcalc.training` counts them."""

import json

import pytest
from helpers import Runner, import_torchvision

import flopcalc
from flopcalc import FlopcalcError, roofline
from flopcalc.analysis.timing import library
from flopcalc.analysis.timing.backward import Step
from flopcalc.analysis.timing.bound import least_macs
from flopcalc.analysis.timing.estimate import KernelEstimate
from flopcalc.analysis.timing.kernels import Kernel, KernelKind, of_evaluation, of_network
from flopcalc.analysis.timing.network_time import network_time
from flopcalc.analysis.timing.training import of_training
from flopcalc.analysis.training.training import operator_training
from flopcalc.networks.network import Network
from flopcalc.spec.operator import Evaluation


def _kernels(name: str, layer: str, **options: object) -> list[Kernel]:
    step = flopcalc.training(flopcalc.network(name, **options))  # type: ignore[arg-type]
    return list(next(one for one in of_training(step.forward, step.backward) if one.name == layer).kernels)


def test_a_convolution_has_three_kernels() -> None:
    """The output, the gradient of the weights and that of the input: equal MACs, and transforms save the same."""
    forward, *gradients = _kernels("resnet18", "layer1.0.conv1", batch=4)
    assert len(gradients) == 2
    by_hand = 4 * 56 * 56 * 64 * 64 * 9
    for kernel in (forward, *gradients):
        assert (kernel.kind, kernel.area, kernel.macs) == ("conv", 9, by_hand)
        assert least_macs(kernel, "float32") == pytest.approx(by_hand * 1.5 / 9)
        assert least_macs(kernel, "float16") == by_hand
    # An output, the other output, and the weights.
    maps, weights = 4 * 64 * 56 * 56, 64 * 64 * 9
    assert [kernel.least_moved for kernel in (forward, *gradients)] == [2 * maps + weights] * 3
    assert [kernel.inner for kernel in (forward, *gradients)] == [64 * 9, 4 * 56 * 56, 64 * 9]


def test_the_first_layer_needs_no_gradient_of_its_input() -> None:
    """The picture is not trained."""
    assert [kernel.name for kernel in _kernels("resnet18", "conv1")] == ["conv", "conv.grad_weight"]


def test_depthwise_stays_depthwise() -> None:
    """Also turned around."""
    kinds = [kernel.kind for kernel in _kernels("mobilenet_v2", "features.3.conv.1.0")]
    assert kinds == ["depthwise"] * 3


def test_a_strided_pointwise_convolution_reads_what_it_needs() -> None:
    """A quarter of the input, in the forward and for the gradient of the weights."""
    forward, data, weights = sorted(
        _kernels("resnet18", "layer2.0.downsample.0"), key=lambda one: ("weight" in one.name, "input" in one.name)
    )
    assert forward.skipped == weights.skipped == 64 * 56 * 56 * 3 // 4
    assert data.skipped == 0


def test_max_pooling_keeps_an_index() -> None:
    """Its gradient does not read its input."""
    _, gradient, _ = _kernels("resnet18", "maxpool")
    assert gradient.least_moved == 64 * 56 * 56 + 64 * 112 * 112


def test_attention_keeps_its_scores_on_the_chip() -> None:
    """Softmax costs nothing in the bound, and products read no scores."""
    kernels = _kernels("vit_b_32", "encoder.layers.encoder_layer_0.self_attention")
    scores = 12 * 50 * 50
    assert all(kernel.least_moved == 0 for kernel in kernels if "softmax" in kernel.name)
    products = [kernel for kernel in kernels if kernel.kind == "matmul"]
    assert [kernel.hidden for kernel in products] == [scores, scores, 2 * scores, 2 * scores]
    assert all(kernel.least_moved > 0 for kernel in products)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vit_b_32", "densenet121"])
def test_the_work_is_that_of_training(name: str) -> None:
    """All MACs of both passes, and more time than the forward pass alone, in both numbers."""
    found = roofline(name, device="h200", batch=8, mode="training")
    step = flopcalc.training(name, batch=8)
    assert sum(layer.macs for layer in found.layers) == step.macs
    assert sum(layer.traffic_bytes for layer in found.layers) == 4 * step.traffic
    forward = roofline(name, device="h200", batch=8)
    assert 2 * forward.bound_s < found.bound_s < 4 * forward.bound_s
    assert found.estimate_s > 1.5 * forward.estimate_s
    assert found.estimate_s >= found.bound_s
    assert found.mode == "training"
    assert any("three factors of the backward pass were fitted" in note for note in found.notes)
    assert found.measured_s is None


def test_a_module_has_nearly_the_bound_of_its_description() -> None:
    """Its kernels are those that ran; in-place sums are one more, and the gradients of a convolution one kernel."""
    pytest.importorskip("torch")
    import_torchvision()
    one = roofline("resnet18", device="h200", batch=8, dtype="float16", mode="training")
    module, shape = "torchvision:resnet18", (3, 224, 224)
    other = roofline(module, input=shape, device="h200", batch=8, dtype="float16", mode="training")
    assert other.bound_s == pytest.approx(one.bound_s, rel=0.1)


def test_inference_is_as_before() -> None:
    """The kernels of a forward pass do not change."""
    found = roofline("resnet18", device="h200")
    assert len(found.layers) == len(of_network(flopcalc.network("resnet18")))
    assert not any("backward" in note for note in found.notes)


def test_command(run: Runner) -> None:
    """JSON says the mode; before and after replacement are both training steps."""
    asked = ("roofline", "resnet18", "--device", "h200", "--mode", "training", "--replace", "ghost")
    data = json.loads(run(*asked, "--format", "json").out)
    assert data["mode"] == "training"
    assert data["estimate_s"] == roofline("resnet18", device="h200", mode="training", replace="ghost").estimate_s
    assert data["before"]["bound_s"] == roofline("resnet18", device="h200", mode="training").bound_s
    assert run(*asked).out.startswith("resnet18, training step on h200")


@pytest.mark.parametrize(("name", "hw"), [("conv", 28), ("ghost", 28), ("attention", 14), ("condconv", 28)])
def test_operators(name: str, hw: int) -> None:
    """As the same operator between two others in a network; its input needs a gradient."""
    found = roofline(name, cin=64, device="h200", mode="training", hw=hw)
    e = flopcalc.layer(name, 64, hw=hw)
    assert sum(layer.macs for layer in found.layers) == flopcalc.training(e).macs
    forward = roofline(name, cin=64, device="h200", hw=hw)
    assert found.bound_s > 2 * forward.bound_s
    assert found.estimate_s > forward.estimate_s
    assert roofline(e, device="h200", mode="training") == found


def test_checkpoints_run_the_forward_again() -> None:
    """The bound grows by that of the forward pass of these layers; all kernels are launched again."""
    plain, again = (
        roofline("resnet18", device="h200", mode="training", checkpoint=one) for one in ((), ("layer2", "layer3"))
    )
    forward = roofline("resnet18", device="h200")
    chosen = [layer for layer in forward.layers if layer.name.startswith(("layer2.", "layer3."))]
    assert again.bound_s - plain.bound_s == pytest.approx(sum(layer.bound_s for layer in chosen))
    assert sum(one.kernels for one in again.layers) - sum(one.kernels for one in plain.layers) == sum(
        layer.kernels for layer in chosen
    )
    assert any("checkpointed layers run again" in note for note in again.notes)


def test_frozen_layers_have_no_gradient_of_weights() -> None:
    """Of a frozen network with a trained last layer, the backward pass is one product."""
    found = roofline("resnet18", device="h200", mode="training", freeze=["conv1", "bn1", "layer*"])
    forward = roofline("resnet18", device="h200")
    assert sum(one.kernels for one in found.layers) == sum(one.kernels for one in forward.layers) + 1


def test_errors(run: Runner) -> None:
    """Patterns that match nothing, and options of training without it."""
    with pytest.raises(FlopcalcError, match="unknown layer 'lyer1'"):
        roofline("resnet18", device="h200", mode="training", freeze="lyer1")
    done = run("roofline", "resnet18", "--device", "h200", "--checkpoint", "layer1")
    assert (done.code, "--checkpoint applies to training only" in done.err) == (2, True)
    with pytest.raises(FlopcalcError, match="mode is 'train'"):
        roofline("resnet18", device="h200", mode="train")


def test_factors_of_the_backward_pass() -> None:
    """A kernel of the backward pass takes the time of a forward kernel of its sizes, times the factor of its role."""
    step = Step(dense=0.5, other=4.0, host=2.0)
    one = KernelEstimate(compute=3.0, memory=5.0, launch=7.0, number=1)

    def of(name: str, kind: KernelKind, execution: str = "eager") -> KernelEstimate:
        return step.of(Kernel(name, kind, 1, 1, 0, 1, 1), one, execution)

    assert of("conv", "conv") == (3.0, 5.0, 14.0, 1)
    assert of("conv.again", "conv") == (3.0, 5.0, 14.0, 1)
    assert of("conv.grad_input", "conv") == (1.5, 2.5, 14.0, 1)
    assert of("fc.grad_weight", "pointwise", "graph") == (1.5, 2.5, 7.0, 1)
    assert of("scores.gradient", "matmul") == (1.5, 2.5, 14.0, 1)
    assert of("depthwise.grad_weight", "depthwise") == (12.0, 20.0, 14.0, 1)
    assert of("norm.gradient", "norm") == (12.0, 20.0, 14.0, 1)


def test_the_estimate_has_the_factors_and_the_bound_has_not() -> None:
    """Of a linear layer alone: one product forward, two backward."""
    e = flopcalc.layer("linear", 4096, 4096, batch=4096)
    device = library.device("h200")
    layers = of_training(*_passes(e))
    plain = network_time(layers, device, "float32", "graph")
    found = network_time(layers, device, "float32", "graph", step=Step(dense=2.0, other=1.0, host=1.0))
    forward = network_time(of_evaluation(e), device, "float32", "graph")
    assert found.bound_s == plain.bound_s
    assert found.busy_s - forward.busy_s == pytest.approx(2 * (plain.busy_s - forward.busy_s))


def _passes(e: Evaluation) -> tuple[Network, Network]:
    step = operator_training(e)
    return step.forward, step.backward

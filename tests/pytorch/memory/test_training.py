"""Memory of training: autograd's saved tensors on real tensors, gradients, optimizers, autocast and checkpointing."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest
from helpers import ROOT, Runner, import_torchvision, script

from flopcalc import FlopcalcError, memory

pytest.importorskip("torch")

import torch
from torch import Tensor, nn
from torch.nn import functional

MAP = 4 * 8 * 8 * 4
WEIGHT = 4 * 4 * 9 * 4


def benchmark() -> Any:
    """`benchmarks/memory.py`."""
    return script(ROOT / "benchmarks" / "memory.py")


class Net(nn.Module):
    """Two convolutions with a ReLU between them."""

    def __init__(self, *, inplace: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.relu(self.conv1(x)))
        return out


def test_by_hand() -> None:
    """ReLU and the second convolution save the same map; the backward needs that map and two gradients of maps."""
    found = memory(Net(), (4, 8, 8), mode="training")
    assert found.saved == MAP
    assert found.saved_with_weights == MAP + MAP + 2 * WEIGHT
    assert found.gradients == found.weights == 2 * WEIGHT
    assert found.optimizer_state == 0
    # The worst moment is the backward of ReLU or of the second convolution: the output, the saved map, the gradients of
    # its input and of its output, the gradient of its weight, and the loss with its gradient.
    weight, loss = 1024, 512
    activations = found.peak - 2 * weight - MAP
    assert 4 * MAP <= activations <= 4 * MAP + weight + 2 * loss


def test_frozen_layers() -> None:
    """A frozen layer has no gradient and saves nothing; a convolution saves its input and its weight together."""
    model = Net()
    model.conv1.weight.requires_grad_(False)
    found = memory(model, (4, 8, 8), mode="training", optimizer="adam")
    assert found.gradients == WEIGHT
    assert found.optimizer_state == 2 * WEIGHT
    assert found.saved_with_weights == MAP + WEIGHT


@pytest.mark.parametrize(
    ("optimizer", "dtype", "state"),
    [
        ("none", None, 0),
        ("sgd", None, 0),
        ("momentum", None, 1),
        ("adam", None, 2),
        ("adamw", None, 2),
        ("adamw", "bfloat16", 1),
        ("momentum", "float64", 2),
    ],
)
def test_state_of_optimizers(optimizer: str, dtype: str | None, state: int) -> None:
    """Of momentum one number for each parameter, of Adam two."""
    found = memory(Net(), (4, 8, 8), mode="training", optimizer=optimizer, optimizer_dtype=dtype)
    assert found.optimizer_state == state * found.weights


@pytest.mark.parametrize("freeze", [["conv1"], ["conv1", "bn1", "layer1", "layer2"], ["layer4.*.conv*"]])
def test_frozen_by_patterns(freeze: list[str]) -> None:
    """As the same module whose parameters are frozen: what autograd saves on real tensors, and the gradients."""
    import_torchvision()
    tools = benchmark()
    module = tools.model("resnet18")
    found = memory(module, (3, 64, 64), batch=2, mode="training", rules="cpu", freeze=freeze)
    for name, parameter in module.named_parameters():
        parts = name.split(".")
        above = [".".join(parts[:length]) for length in range(1, len(parts))]
        if any(fnmatchcase(one, pattern) for one in above for pattern in freeze):
            parameter.requires_grad_(False)
    assert (found.saved, found.saved_with_weights) == tools.saved_by_hooks(module, torch.rand(2, 3, 64, 64))
    trained = sum(one.numel() for one in module.parameters() if one.requires_grad)
    assert found.gradients == 4 * trained < 4 * sum(one.numel() for one in module.parameters())
    with pytest.raises(FlopcalcError, match="unknown layer 'lyer1'"):
        memory(module, (3, 64, 64), mode="training", freeze="lyer1")
    with pytest.raises(FlopcalcError, match="--freeze is about training"):
        memory(module, (3, 64, 64), freeze="layer1")


def test_the_state_is_that_of_torch() -> None:
    """Adam's state after one real step, without its counters."""
    model = Net()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(1, 4, 8, 8)).sum().backward()
    optimizer.step()
    real = sum(
        one.nbytes
        for state in optimizer.state.values()
        for one in state.values()
        if isinstance(one, Tensor) and one.dim()
    )
    assert memory(Net(), (4, 8, 8), mode="training", optimizer="adam").optimizer_state == real


def test_the_step_can_be_the_worst_moment() -> None:
    """With few activations Adam's square roots are: weights, gradients, state and one more copy."""
    found = memory(nn.Linear(256, 256, bias=False), (256,), mode="training", optimizer="adam")
    assert found.peak_at == "optimizer step"
    assert found.peak == found.weights * 5 + 1024


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vit_b_32", "squeezenet1_1"])
def test_saved_tensors_are_those_of_real_tensors(name: str) -> None:
    """To the byte, each storage once; the benchmark has 30 models."""
    import_torchvision()
    module = benchmark()
    found = module.compare_saved(name, module.SAVED[name])
    assert found.computed == found.real


class Odd(nn.Module):
    """Normalisation, dropout, attention, recurrent layers, embeddings and views in one model."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.drop = nn.Dropout(0.25)
        self.group = nn.GroupNorm(2, 8)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16), nn.SiLU(), nn.Softmax(-1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        y = x + self.drop(self.attention(y, y, y, need_weights=False)[0])
        y = self.group(y.view(y.shape[0], 8, -1)).view_as(y)
        z = torch.cat([self.mlp(y), functional.layer_norm(y, (16,)).transpose(1, 2).reshape(y.shape)], 1)
        return z.exp().mean(1) * functional.log_softmax(z[:, 0], -1)


@pytest.mark.parametrize("rules", ["cpu", "cuda"])
def test_what_leads_to_no_output_is_not_kept(rules: str) -> None:
    """A code book: the layer before it gets no gradient, and only the 2 x 5 indices are kept, of 8 bytes each."""

    class Codes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.book = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16)), nn.Embedding(16, 4)

        def forward(self, x: Any) -> Any:
            return self.book(self.encoder(x).argmax(-1))

    found = memory(Codes(), input=(5, 8), batch=2, mode="training", rules=rules)
    assert (found.saved, found.saved_with_weights) == (2 * 5 * 8, 2 * 5 * 8)


def test_saved_tensors_of_odd_functions() -> None:
    """As above, for what torchvision's models do not have."""
    model = Odd()
    found = memory(model, (8, 16), batch=3, mode="training", rules="cpu")
    real = benchmark().saved_by_hooks(model, torch.rand(3, 8, 16))
    assert (found.saved, found.saved_with_weights) == real


class Unused(torch.nn.Module):
    """A layer, and another one with an exponential whose result no output needs."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = torch.nn.Linear(8, 4), torch.nn.Linear(8, 16)

    def forward(self, x: Any) -> Any:
        self.unused(x).exp()
        return self.used(x).exp()


def test_what_no_output_needs() -> None:
    """Its nodes are gone with what they had saved. An exponential of 3 x 4 stays, and the input, for the weight."""
    found = memory(Unused(), (8,), batch=3, mode="training", rules="cpu")
    real = benchmark().saved_by_hooks(Unused(), torch.rand(3, 8))
    assert real == (4 * 3 * 4, 4 * (3 * 4 + 3 * 8))
    assert (found.saved, found.saved_with_weights) == real


def test_rules_of_cuda_and_their_notes() -> None:
    """A dropout's mask has one byte for each element; attention has no matrix; both are said."""

    class Drop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 8, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return functional.dropout(self.linear(x), 0.5, self.training)

    size = 4 * 8
    cpu, cuda = (memory(Drop(), (8,), batch=4, mode="training", rules=rules) for rules in ("cpu", "cuda"))
    assert (cpu.saved, cuda.saved) == (4 * size, size)
    assert any("mask of one byte" in note for note in cuda.notes)
    assert not any("mask of one byte" in note for note in cpu.notes)
    assert any("memory-efficient" in note for note in memory(Odd(), (8, 16), mode="training").notes)


def test_autocast() -> None:
    """Weights and gradients stay float32; maps have half the size, and each weight has a copy of half its size."""
    plain = memory(Net(inplace=True), (4, 8, 8), mode="training")
    cast = memory(Net(inplace=True), (4, 8, 8), mode="training", autocast="bfloat16")
    assert (cast.weights, cast.gradients, cast.dtype) == (plain.weights, plain.gradients, "float32")
    # The map, the input in half precision, and the weights; the first weight is saved for no gradient of the input.
    assert cast.saved in {plain.saved // 2 + MAP // 2 + WEIGHT // 2, plain.saved // 2 + MAP // 2 + WEIGHT}


@pytest.mark.parametrize("autocast", ["float16", "bfloat16"])
def test_autocast_runs_whole_models(autocast: str) -> None:
    """Less is saved, and weights are the same."""
    import_torchvision()
    plain = memory("torchvision:resnet18", (3, 64, 64), batch=4, mode="training")
    cast = memory("torchvision:resnet18", (3, 64, 64), batch=4, mode="training", autocast=autocast)
    assert cast.weights == plain.weights
    assert cast.gradients == plain.gradients
    assert cast.saved < plain.saved + plain.weights // 2


def test_half_precision() -> None:
    """All of it has half the size."""
    plain, half = (memory(Net(), (4, 8, 8), mode="training", dtype=dtype) for dtype in (None, "bfloat16"))
    assert (half.saved * 2, half.gradients * 2, half.weights * 2) == (plain.saved, plain.gradients, plain.weights)


def test_checkpointing() -> None:
    """Only the inputs of the modules are kept, and less is needed at the worst moment."""
    model = nn.Sequential(*[nn.Sequential(*[Net() for _ in range(4)]) for _ in range(4)])
    plain = memory(model, (4, 8, 8), mode="training", batch=16)
    less = memory(model, (4, 8, 8), mode="training", batch=16, checkpoint="?")
    assert plain.saved == (16 + 15) * 16 * MAP
    # The inputs of the second, third and fourth group, of which the first is the model's.
    assert less.saved == 3 * 16 * MAP
    assert less.peak <= plain.peak
    assert any("computed again in the backward: 0, 1, 2, 3" in note for note in less.notes)
    with pytest.raises(FlopcalcError, match="matches no module"):
        memory(model, (4, 8, 8), mode="training", checkpoint="layer*")


@pytest.mark.parametrize("rules", ["cpu", "cuda"])
def test_checkpointing_with_autocast_and_attention(rules: str) -> None:
    """What is computed again runs by the same rules, so that as much is saved as the first time."""
    import_torchvision()
    plain, less = (
        memory("vit_b_32", batch=4, mode="training", rules=rules, autocast="bfloat16", checkpoint=checkpoint)
        for checkpoint in ((), "encoder.layers.*")
    )
    assert less.saved < plain.saved // 3
    assert less.peak <= plain.peak


class Attends(nn.Module):
    """Attention and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)

    def forward(self, x: Any) -> Any:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        out = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return functional.dropout(out, 0.1, self.training)


class Checkpoints(nn.Module):
    """A checkpoint of its own around one module. reentrant: None for no checkpoint."""

    def __init__(self, reentrant: bool | None) -> None:
        super().__init__()
        self.stem, self.body, self.reentrant = nn.Linear(16, 16), Attends(), reentrant

    def forward(self, x: Any) -> Any:
        y = self.stem(x)
        if self.reentrant is None:
            return self.body(y)
        return torch.utils.checkpoint.checkpoint(self.body, y, use_reentrant=self.reentrant)


@pytest.mark.parametrize("reentrant", [False, True])
def test_what_a_model_checkpoints_runs_again_by_the_same_rules(reentrant: bool) -> None:
    """Autograd calls it, where modes for functions are not active. No matrix of scores is made there either."""
    own = memory(Checkpoints(reentrant), (256, 16), mode="training")
    asked = memory(Checkpoints(None), (256, 16), mode="training", checkpoint="body")
    assert own.to_dict()["on"] == asked.to_dict()["on"] == "meta"
    assert own.saved == asked.saved == 256 * 16 * 4
    # The older way keeps the gradient of the input until its inner pass has ended.
    assert asked.peak <= own.peak <= asked.peak + 2 * 256 * 16 * 4 < 2 * 256 * 256 * 4


def test_accumulation_keeps_gradients() -> None:
    """From the second batch on the gradients of the first are there during the whole pass."""
    one = memory(Net(), (4, 8, 8), mode="training")
    several = memory(Net(), (4, 8, 8), mode="training", accumulate=4)
    assert several.saved == one.saved
    assert one.peak < several.peak <= one.peak + 2 * 1024 + 1024


def test_a_description_is_followed_on_its_module(run: Runner) -> None:
    """That of torchvision which it mirrors."""
    import_torchvision()
    described = memory("resnet18", mode="training", batch=2)
    module = memory("torchvision:resnet18", (3, 224, 224), mode="training", batch=2)
    assert (described.saved, described.peak) == (module.saved, module.peak)
    done = run("memory", "resnet18", "--mode", "training", "--optimizer", "adamw", "--checkpoint", "layer*")
    assert done.code == 0
    assert "computed again in the backward: layer1, layer2, layer3, layer4" in done.out


@pytest.mark.parametrize(
    ("network", "batch", "mode", "measured"),
    [
        ("resnet50", 32, "training", 4212833792 - 1406953984),
        ("mobilenet_v3_large", 32, "training", 2758753792 - 1325737472),
        ("vit_b_32", 32, "training", 2713577984 - 1656785920),
        ("resnet50", 1, "inference", 1398921728 - 1388288512),
    ],
)
def test_measured_peaks(network: str, batch: int, mode: str, measured: int) -> None:
    """Of one GPU, without weights, buffers and input: within 2 %, and not above by more than that."""
    import_torchvision()
    found = memory(f"torchvision:{network}", (3, 224, 224), batch=batch, mode=mode, optimizer=_NONE[mode])
    computed = found.peak - found.weights - found.buffers - found.input
    assert 0.98 * measured <= computed <= 1.02 * measured


_NONE = {"inference": None, "training": "none"}


def test_recurrent_layers_are_noted() -> None:
    """What is followed is not what cuDNN saves, and the output says so."""
    assert any("recurrent" in note for note in memory(nn.LSTM(4, 4), (3, 4), mode="training").notes)


def test_nothing_to_train() -> None:
    """A model without parameters that are trained has no backward."""
    with pytest.raises(FlopcalcError, match="no output depends on a parameter"):
        memory(nn.ReLU(), (4,), mode="training")


def test_a_forward_without_gradients() -> None:
    """Its parameters are trained, and the hint names what hides them."""

    class Decodes(nn.Linear):
        @torch.inference_mode()
        def forward(self, x: Any) -> Any:
            return super().forward(x)

    with pytest.raises(FlopcalcError, match="no output depends on a parameter") as caught:
        memory(Decodes(4, 4), (4,), mode="training")
    assert "torch.inference_mode" in caught.value.hint


def test_batch_norm_of_one_value() -> None:
    """torch refuses to train it, and the hint says what to give."""
    with pytest.raises(FlopcalcError, match="more than 1 value per channel") as caught:
        memory(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), (4,), mode="training")
    assert "larger batch" in caught.value.hint


def test_the_model_stays_as_it_is() -> None:
    """No gradient, no statistics of norms, no hooks."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    keys = [set(vars(module)) for module in model.modules()]
    memory(model.eval(), (3, 8, 8), mode="training", checkpoint="0")
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert [set(vars(module)) for module in model.modules()] == keys
    assert not model.training
    check: Callable[[], bool] = torch.is_grad_enabled
    assert check()


def test_a_peak_in_the_backward_says_so() -> None:
    """As the rows of the layers do."""
    found = memory(nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)), (4, 64, 64), mode="training")
    assert found.peak_at.endswith(" (backward)")
    assert found.peak_at in {row["layer"] for row in found.to_rows()}


def test_a_complex_output() -> None:
    """A loss is real: the sum of real and imaginary parts. Weights, and a gradient of each: 16 of 8 bytes."""
    model = nn.Linear(4, 4, bias=False, dtype=torch.complex64)
    found = memory(model, "4:complex64", mode="training")
    assert (found.weights, found.gradients, found.input) == (128, 128, 32)


def test_a_module_that_keeps_out_of_training_mode() -> None:
    """An attribute in the place of the method, as `evaluate` allows it as well."""
    model: Any = Net()
    model.__dict__["train"] = True
    assert memory(model, (4, 8, 8), mode="training").gradients == 2 * WEIGHT


class Grouped(nn.Module):
    """Attention of four heads of queries with two heads of keys and values, of 8 channels each."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(16, 32), nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(-1, (-1, 8)).transpose(1, 2) for layer in (self.query, self.key, self.value))
        return functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)


@pytest.mark.skipif(torch.__version__ < "2.5", reason="heads have no groups")
def test_heads_in_groups() -> None:
    """On CUDA FlashAttention takes them in half precision, and the memory-efficient kernel does not.

    It keeps queries, keys, values, the result, and a float32 for each query and head. Otherwise keys and values are
    repeated for each head, and shares are kept.
    """
    model = Grouped()
    found = memory(model, (5, 16), batch=3, mode="training", rules="cpu")
    assert (found.saved, found.saved_with_weights) == benchmark().saved_by_hooks(model, torch.rand(3, 5, 16))
    half = memory(model, (64, 16), batch=3, mode="training", dtype="bfloat16")
    tokens = 3 * 64
    # FlashAttention also keeps the state of the random numbers.
    assert 0 <= half.saved - (2 * tokens * (32 + 16 + 16 + 32) + 4 * tokens * 4) <= 64
    assert any("FlashAttention" in note for note in half.notes)
    full = memory(model, (64, 16), batch=3, mode="training")
    assert full.saved == 4 * tokens * 3 * 32 + 4 * 4 * 3 * 64**2

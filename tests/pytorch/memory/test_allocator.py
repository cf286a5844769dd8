"""Peaks next to those of allocators: that of the CPU, which torch's profiler shows, and of an H100."""

import gc
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc import memory
from flopcalc.pytorch.memory.fused_attention import fused_attention

# One tensor has 1 MiB. Blocks of 512 bytes and small tensors are less than this.
ROWS, COLUMNS, SMALL = 256, 1024, 10_000
_NONE = {"inference": None, "training": "none"}
Function = Callable[[Tensor], Tensor]


def peak_of_the_allocator(step: Callable[[], Any]) -> int:
    """The most bytes that the CPU's allocator gives out in a step, next to those from before."""
    gc.collect()
    cpu = torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[cpu], profile_memory=True) as found:
        out = step()
    del out
    results: Any = found.profiler.kineto_results
    events = sorted((one for one in results.events() if one.name() == "[memory]"), key=lambda one: one.start_ns())
    now = peak = 0
    for event in events:
        now += event.nbytes()
        peak = max(peak, now)
    return peak


class Net(nn.Module):
    """A function of a parameter."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.rand(ROWS, COLUMNS) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x * self.weight)


class Doubled(torch.autograd.Function):
    """A function of the user's, whose backward adds two tensors of its own: autograd adds no gradients there."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        first, second = gradient.sin(), gradient.cos()
        return first + second


_doubled: Any = Doubled.apply


def _heads(x: Tensor) -> Tensor:
    # Five axes, for which there is no fused kernel.
    return x.view(1, 2, 8, 128, 128)


FUNCTIONS: dict[str, Function] = {
    # A gradient is added into the first one, where nothing else has it.
    "three branches": lambda x: x.sin() + x.cos() + x.exp(),
    "a residual": lambda x: x + x.relu(),
    "a square": lambda x: (x * x).sin(),
    "a sum of twins": lambda x: (x + x).sin(),
    "four readers": lambda x: (x.exp() * x.sin()) * (x.cos() + x.tanh() * x),
    "views": lambda x: x.view(-1).sin().sum() + x.t().cos().sum(),
    "a transposed gradient": lambda x: x.t().sin().t() + x.exp(),
    "halves": lambda x: x[:128].sin().sum() + x[128:].cos().sum(),
    "chunks": lambda x: torch.cat([one.sin() for one in x.chunk(4)]),
    "a function of one's own": lambda x: _doubled(x.sin()),
    # A gradient is scattered into zeros.
    "a gather": lambda x: x.gather(1, torch.zeros_like(x, dtype=torch.long)).sin(),
    "the largest": lambda x: x.topk(200, 1)[0].sin(),
    "a maximum": lambda x: x.max(1)[0].sin(),
    "rows by index": lambda x: x[torch.arange(0, 200, device=x.device)].sin(),
    "selected rows": lambda x: x.index_select(0, torch.arange(0, 200, device=x.device)).sin(),
    "elements by index": lambda x: x.take(torch.arange(1000, device=x.device)).sin(),
    # Kernels make tensors that they do not return.
    "a softmax without values": lambda x: torch._safe_softmax(x, 1),
    "attention in products": lambda x: F.scaled_dot_product_attention(_heads(x), _heads(x), _heads(x)),
    "a logarithm of sums": lambda x: x.logsumexp(1),
    "a distance": lambda x: torch.dist(x, x.sin()),
    "distances": lambda x: torch.cdist(x, x.cos()),
    # On the meta device torch has no kernel for its backward.
    "mish": F.mish,
    "mish behind a sine": lambda x: F.mish(x.sin()),
    "mish in place": lambda x: F.mish(x * 2, inplace=True) * 3,
    # Losses of all elements, of which their sum or mean is made.
    "a squared error": lambda x: F.mse_loss(x, torch.zeros_like(x)),
    "squared errors": lambda x: F.mse_loss(x, torch.zeros_like(x), reduction="none").sin(),
    "a smooth error": lambda x: F.smooth_l1_loss(x, torch.zeros_like(x), reduction="sum"),
    "an error of Huber": lambda x: F.huber_loss(x, torch.zeros_like(x)),
    "a cross entropy of probabilities": lambda x: F.binary_cross_entropy(x / 2, torch.zeros_like(x)),
    "a soft margin": lambda x: F.soft_margin_loss(x, torch.zeros_like(x)),
    "soft margins": lambda x: F.soft_margin_loss(x, torch.zeros_like(x), reduction="none").sin(),
    "a bilinear form": lambda x: F.bilinear(x[:, :32], x[:, 32:64], x.view(-1)[: 1 << 16].view(64, 32, 32)),
    "a softmax": lambda x: x.softmax(1),
    "a norm": lambda x: F.layer_norm(x, (COLUMNS,)) * x,
    "an activation": lambda x: F.silu(x) * x,
}
# The CPU's kernel copies the gradient, which it reads by one stride.
CPU_ONLY = {("attention in products", "training"): 80_000}


@pytest.mark.parametrize("mode", _NONE)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_peaks_of_functions(name: str, mode: str) -> None:
    """As many tensors as the CPU's allocator has at most."""
    module, given = Net(FUNCTIONS[name]), torch.rand(ROWS, COLUMNS)

    def step() -> Any:
        with torch.set_grad_enabled(mode == "training"):
            out = module(given)
            loss = out.sum()
        if mode == "training":
            loss.backward()
        return out

    # What is loaded on first use is not of a step.
    step()
    module.zero_grad(set_to_none=True)
    real = peak_of_the_allocator(step)
    found = memory(module, (COLUMNS,), batch=ROWS, mode=mode, rules="cpu", optimizer=_NONE[mode])
    computed = found.peak - found.weights - found.input
    assert abs(computed - real) < CPU_ONLY.get((name, mode), SMALL)


def test_a_norm_of_the_input() -> None:
    """Its input has no gradient: the largest tensors are the output and, in the backward, none."""
    found = memory(nn.BatchNorm1d(COLUMNS), (COLUMNS,), batch=ROWS, mode="training", rules="cpu", optimizer="none")
    computed = found.peak - found.weights - found.buffers - found.input
    # The output, and small ones of each channel: two saved, two gradients.
    assert 0 <= computed - ROWS * COLUMNS * 4 - 4 * COLUMNS * 4 < SMALL


def test_gradients_without_one_storage() -> None:
    """Sparse ones of two look-ups are added; those of Mish can be differentiated."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(100, 8, sparse=True)

        def forward(self, x: Tensor) -> Any:
            return self.table(x) + self.table(x.flip(-1)).sin()

    class Slope(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Any:
            y = F.mish(self.layer(x))
            return torch.autograd.grad(y.sum(), [self.layer.weight], create_graph=True)[0]

    assert memory(Twice(), "32:int64", batch=4, mode="training").gradients > 0
    assert memory(Slope(), (8,), batch=4, mode="training").gradients > 0


class Grouped(nn.Module):
    """Attention whose keys have fewer heads than its queries."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.o = nn.Linear(256, 256), nn.Linear(256, 256)
        self.k, self.v = nn.Linear(256, 64), nn.Linear(256, 64)

    def forward(self, x: Tensor) -> Any:
        batch, tokens, _ = x.shape
        q, k, v = (layer(x).view(batch, tokens, -1, 32).transpose(1, 2) for layer in (self.q, self.k, self.v))
        # The CPU needs values for it, the meta device does not.
        if self.on_cpu and not x.isfinite().all():
            raise AssertionError
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.o(out.transpose(1, 2).reshape(batch, tokens, -1))

    on_cpu = False


class GroupedWithValues(Grouped):
    """The same with a look at values, which sends it to the CPU."""

    on_cpu = True


def _volumes() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv3d(3, 16, 3, padding=1), nn.BatchNorm3d(16), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(16, 32, 3)),
        *(nn.InstanceNorm3d(32), nn.GELU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(32, 10)),
    )


def _signals() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv1d(8, 32, 9, padding=4), nn.BatchNorm1d(32), nn.PReLU(32), nn.ConvTranspose1d(32, 8, 4, 2, 1)),
        nn.GLU(1),
    )


def _encoder() -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(128, 4, 256, batch_first=True), 2)


# The bytes that PyTorch 2.11 asked for on an H100, next to weights and inputs, at batch 4: without TF32, float16 by
# autocast.
MEASURED: list[tuple[Callable[[], nn.Module], tuple[int, ...], str, str | None, int]] = [
    (Grouped, (256, 256), "inference", None, 23_863_300),
    (Grouped, (256, 256), "training", None, 38_011_912),
    (GroupedWithValues, (256, 256), "inference", None, 23_863_300),
    (GroupedWithValues, (256, 256), "training", None, 38_011_912),
    (_volumes, (3, 16, 32, 32), "inference", None, 8_388_608),
    (_volumes, (3, 16, 32, 32), "training", None, 16_834_256),
    (_volumes, (3, 16, 32, 32), "training", "float16", 8_841_376),
    (_signals, (8, 400), "inference", None, 409_600),
    (_signals, (8, 400), "training", None, 1_079_720),
    (_signals, (8, 400), "training", "float16", 572_328),
    (_encoder, (100, 128), "training", None, 6_661_000),
    (_encoder, (100, 128), "training", "float16", 4_444_704),
]


@pytest.mark.parametrize(("build", "size", "mode", "autocast", "measured"), MEASURED)
def test_peaks_on_a_gpu(
    build: Callable[[], nn.Module], size: tuple[int, ...], mode: str, autocast: str | None, measured: int
) -> None:
    """Equal up to the blocks of small tensors, which the measured figure does not have."""
    found = memory(build(), size, batch=4, mode=mode, rules="cuda", optimizer=_NONE[mode], autocast=autocast)
    computed = found.peak - found.weights - found.buffers - found.input
    assert 0 <= computed - measured < SMALL


class Typed(nn.Module):
    """A function of the input, whose type is that of the parameter. values: it also looks at the values."""

    def __init__(self, function: Function, values: bool = False) -> None:
        super().__init__()
        self.function, self.values = function, values
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        if self.values and not x.isfinite().all():
            raise AssertionError
        return self.function(x)


def _mask(x: Tensor) -> Tensor:
    return torch.zeros(512, 512, device=x.device)


@pytest.mark.parametrize(
    ("head", "dtype", "function", "scores"),
    [
        (32, "float32", lambda q: F.scaled_dot_product_attention(q, q, q), False),
        # A mask whose last axis is not the innermost, and one of one column for all: not for the fused kernels.
        (32, "float32", lambda q: F.scaled_dot_product_attention(q, q, q, _mask(q)), False),
        (32, "float32", lambda q: F.scaled_dot_product_attention(q, q, q, _mask(q).t()), True),
        (32, "float32", lambda q: F.scaled_dot_product_attention(q, q, q, _mask(q)[:, :1].expand(512, 512)), True),
        # FlashAttention pads its heads; the memory-efficient kernel, which takes a mask, does not.
        (20, "float16", lambda q: F.scaled_dot_product_attention(q, q, q), False),
        (20, "float16", lambda q: F.scaled_dot_product_attention(q, q, q, _mask(q).half()), True),
        # Not with a causal mask on fewer queries than keys.
        (20, "float16", lambda q: F.scaled_dot_product_attention(q[:, :, :256], q, q, is_causal=True), True),
        (24, "float16", lambda q: F.scaled_dot_product_attention(q[:, :, :256], q, q, is_causal=True), False),
    ],
)
@pytest.mark.parametrize("values", [False, True])
def test_which_attention_is_fused(head: int, dtype: str, function: Function, scores: bool, values: bool) -> None:
    """Only the others store the scores, with and without real values."""

    found = memory(Typed(function, values), (8, 512, head), dtype=dtype, rules="cuda")
    # Of the scores in half precision, of half of the queries.
    assert (found.activations_peak > 8 * 256 * 512 * 2) is scores


@pytest.mark.parametrize("kind", ["plain", "causal", "masked", "scaled"])
def test_values_of_fused_attention(kind: str) -> None:
    """They and their gradients are those of attention, since a forward may look at them."""
    torch.manual_seed(0)
    q, k, v = (torch.rand(2, 3, 8, 16, requires_grad=True) for _ in range(3))
    mask = torch.rand(2, 3, 8, 8) if kind == "masked" else None
    causal, scale = kind == "causal", 0.5 if kind == "scaled" else None
    right = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scale)
    gradient = torch.rand_like(right)
    wanted = torch.autograd.grad(right, [q, k, v], gradient)
    aten: Any = torch.ops.aten
    given, named = [one.detach() for one in (q, k, v)], {"scale": scale}
    # As torch passes them: defaults at the end are left out.
    last = [0.0, True] if causal else []
    efficient = aten._scaled_dot_product_efficient_attention
    found = fused_attention(efficient.default, [*given, mask, True, *last], named)
    torch.testing.assert_close(found[0], right)
    back = aten._scaled_dot_product_efficient_attention_backward.default
    every = [True, True, True, False]
    args = [gradient, *given, mask, *found, 0.0, every, *([True] if causal else [])]
    torch.testing.assert_close(fused_attention(back, args, named)[:3], wanted)
    if mask is None:
        flash = aten._scaled_dot_product_flash_attention.default
        out, sums, first, second, most, longest, seed, offset, _ = fused_attention(flash, [*given, *last], named)
        torch.testing.assert_close(out, right)
        back = aten._scaled_dot_product_flash_attention_backward.default
        args = [gradient, *given, out, sums, first, second, most, longest, 0.0, causal, seed, offset]
        torch.testing.assert_close(fused_attention(back, args, named)[:3], wanted)


def test_a_softmax_from_float16_to_float32() -> None:
    """CUDA reads float16 and writes float32 in one kernel; the CPU copies first."""

    module = Typed(lambda x: x.softmax(-1, dtype=torch.float32))
    size = 64 * 1024 * 4
    peaks = {
        rules: memory(module, (64, 1024), dtype="float16", rules=rules).activations_peak for rules in ("cuda", "cpu")
    }
    assert peaks == {"cuda": size, "cpu": 2 * size}

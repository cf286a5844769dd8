"""What version 0.1 did to real models: one test for each kind of fault, and each failed on version 0.1."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from helpers import fresh

torch = pytest.importorskip("torch")

from torch import Tensor, nn
from torch.nn import functional

from flopcalc.pytorch import count
from flopcalc.testing import Costs


class Registers(nn.Module):
    """Registers a hook on a child in each forward, as `output_hidden_states` of transformers does."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        self.linear.register_forward_hook(lambda module, given, out: out * 2)
        out: Tensor = self.linear(x)
        return out


def test_hooks_that_a_forward_registers_are_gone() -> None:
    module = Registers()
    assert count(module, (1, 4)).macs == 16
    assert count(module, (1, 4)).macs == 16
    assert not module.linear._forward_hooks


class Fills(nn.Module):
    """Keeps tensors in a list, a dict and a set of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.tables: dict[int, Tensor] = {}
        self.states: list[Tensor | None] = [None]

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] not in self.tables:
            self.tables[x.shape[0]] = torch.ones(4, device=x.device)
        if self.states[0] is not None:
            x = x + self.states[0]
        self.states[0] = x
        out: Tensor = self.linear(x * self.tables[x.shape[0]])
        return out


def test_containers_that_a_forward_fills_are_empty() -> None:
    module = Fills()
    assert count(module, (1, 4)).macs == 16
    assert (module.tables, module.states) == ({}, [None])
    assert module(torch.ones(1, 4)).device.type == "cpu"


def test_eight_threads_count_one_model_while_it_is_trained() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(288, 8), nn.Dropout(0.1)
    ).train()
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    right = 36 * 8 * 27 + 288 * 8
    # An optimizer on all parameters, and one of them replaced on the way, as quantisation does.
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    stop = threading.Event()

    def counts(_: int) -> list[int]:
        found: list[int] = []
        while not stop.is_set() or len(found) < 3:
            found.append(count(module, (1, 3, 8, 8)).macs)
            count(attention, (1, 4, 8), (1, 4, 8), (1, 4, 8))
        return found

    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(counts, index) for index in range(8)]
        try:
            for _ in range(20):
                optimizer.zero_grad()
                module(torch.rand(2, 3, 8, 8)).square().mean().backward()
                optimizer.step()
                assert {tensor.device.type for tensor in module.state_dict().values()} == {"cpu"}
                assert torch.backends.mha.get_fastpath_enabled()
        finally:
            stop.set()
        assert {macs for one in running for macs in one.result()} == {right}
    assert all(child.training for child in module.modules())
    assert module.state_dict()["1.num_batches_tracked"] == 20


def test_inference_mode_inside_and_outside() -> None:
    class Inference(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 4)

        @torch.inference_mode()  # type: ignore[untyped-decorator]
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = torch.matmul(self.linear(x), x)
            return out

    module = Inference()
    right = 3 * 4 * 8 * 4 + 3 * 4 * 4 * 8
    inside = count(module, (3, 4, 8))
    with torch.inference_mode():
        outside = count(nn.LSTM(4, 4, batch_first=True), (1, 3, 4))
    assert (inside.macs, dict(inside.uncounted)) == (right, {})
    assert (outside.macs, dict(outside.uncounted)) == (3 * 16 * 8, {})


def test_a_limit_fails_on_uncounted_work() -> None:
    library = torch.library.Library("flopcalc_tests", "FRAGMENT")
    library.define("secret(Tensor x) -> Tensor")
    library.impl("secret", torch.empty_like, "Meta")

    class Secret(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = torch.ops.flopcalc_tests.secret(x)
            return out

    with pytest.raises(pytest.fail.Exception, match="secret"):
        Costs(__file__, "uncounted", False).assert_cost(Secret(), (4,), macs=1)


PRODUCTS: dict[str, tuple[Any, list[tuple[int, ...]], int]] = {
    "addbmm": (torch.addbmm, [(3, 6), (5, 3, 4), (5, 4, 6)], 5 * 3 * 4 * 6),
    "addmm_": (lambda x, a, b: x.clone().addmm_(a, b), [(3, 6), (3, 4), (4, 6)], 3 * 4 * 6),
    "baddbmm_": (lambda x, a, b: x.clone().baddbmm_(a, b), [(5, 3, 6), (5, 3, 4), (5, 4, 6)], 5 * 3 * 4 * 6),
    "vdot": (torch.vdot, [(8,), (8,)], 8),
    # For each of 2 rows and 5 outputs a sum over 3 x 4 products.
    "bilinear": (functional.bilinear, [(2, 3), (2, 4), (5, 3, 4)], 2 * 5 * 3 * 4),
    # Padding counts as taps: 10 steps, 2 in the batch, 16 outputs, 3 x 8 taps.
    "conv_tbc": (lambda x, w, b: torch.conv_tbc(x, w, b, 1), [(10, 2, 8), (3, 8, 16), (16,)], 10 * 2 * 16 * 3 * 8),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_without_a_rule(name: str) -> None:
    function, shapes, macs = PRODUCTS[name]

    class Product(nn.Module):
        def forward(self, *given: Tensor) -> Any:
            return function(*given)

    found = count(Product(), *shapes)
    assert (found.macs, dict(found.uncounted)) == (macs, {})


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.amax(1),
        lambda x: x.argmax(1),
        lambda x: x.max(1).values,
        lambda x: x.std(1),
        lambda x: x.var(1),
        lambda x: x.norm(),
        lambda x: x.cumsum(1),
        lambda x: x.prod(1),
        lambda x: x.sort(1).values,
        lambda x: x.topk(2, 1).values,
        lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda x: functional.interpolate(x, scale_factor=2, mode="bicubic"),
        lambda x: functional.grid_sample(x, x.new_zeros(1, 4, 4, 2), align_corners=False),
    ],
)
def test_reductions_and_resampling_are_counted(function: Any) -> None:
    class Reduces(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return function(x)

    found = count(Reduces(), (1, 4, 8, 8))
    assert not found.uncounted
    assert found.macs == 0
    assert found.total("adds") + found.total("muls") + found.total("other") > 0


def test_norms_that_compute_statistics_cost_more() -> None:
    """Mean and variance are two more passes over the data."""

    class Norm(nn.Module):
        def __init__(self, training: bool) -> None:
            super().__init__()
            self.norm, self.statistics = nn.BatchNorm1d(4), training

        def forward(self, x: Tensor) -> Tensor:
            norm = self.norm
            return functional.batch_norm(
                x, norm.running_mean, norm.running_var, norm.weight, norm.bias, self.statistics
            )

    fixed, computed = (count(Norm(training), (8, 4)) for training in (False, True))
    assert computed.total("adds") > fixed.total("adds")
    assert count(nn.Linear(4, 4, dtype=torch.complex64), (1, 4)).macs == 4 * 16


class Pair(NamedTuple):
    """Two inputs in one."""

    x: Tensor
    y: Tensor


class Batch(dict):  # type: ignore[type-arg]
    """Inputs by name and as attributes, as tokenizers give them."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def _module(forward: Any, **held: Any) -> nn.Module:
    """A linear layer of 4 to 4, and a forward of (layer, held values, inputs...)."""

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)
            for name, value in held.items():
                setattr(self, name, value)

        def forward(self, *given: Any, **named: Any) -> Any:
            return forward(self, *given, **named)

    return Module()


def _packed(x: Tensor) -> Any:
    return nn.utils.rnn.pack_padded_sequence(x, torch.tensor([3, 2]), batch_first=True)


REFUSED: dict[str, Any] = {
    "scripted child": lambda: (nn.Sequential(torch.jit.script(nn.Linear(4, 4))), torch.ones(1, 4)),
    "traced": lambda: (torch.jit.trace(nn.Linear(4, 4), torch.ones(1, 4)), torch.ones(1, 4)),
    "exported": lambda: (torch.export.export(nn.Linear(4, 4), (torch.ones(1, 4),)).module(), torch.ones(1, 4)),
    "NamedTuple": lambda: (_module(lambda m, pair: m.linear(pair.x) + pair.y), Pair(torch.ones(1, 4), torch.ones(4))),
    "dict subclass": lambda: (_module(lambda m, batch: m.linear(batch.x)), Batch(x=torch.ones(1, 4))),
    "tuple of integers": lambda: (_module(lambda m, x, size: m.linear(x).view(*size)), torch.ones(1, 4), (2, 2)),
    "plain tensor": lambda: (_module(lambda m, x: m.linear(x) * m.mask, mask=torch.ones(4)), torch.ones(1, 4)),
    "tensors in a list": lambda: (_module(lambda m, x: m.linear(x) * m.all[0], all=[torch.ones(4)]), torch.ones(1, 4)),
    "NumPy constant": lambda: (
        _module(lambda m, x: m.linear(x) * torch.from_numpy(pytest.importorskip("numpy").ones(4, dtype="float32"))),
        torch.ones(1, 4),
    ),
    "lazy": lambda: (nn.LazyLinear(4), torch.ones(1, 4)),
    "packed sequence": lambda: (
        _module(lambda m, packed: m.linear(packed.data.new_ones(1, 4))),
        _packed(torch.ones(2, 3, 4)),
    ),
    "cond": lambda: (
        _module(lambda m, x: torch.cond(x.sum() > 0, m.linear, lambda t: t * 2, (x,))),
        torch.ones(1, 4),
    ),
    "sparse": lambda: (
        _module(lambda m, x: torch.sparse.mm(m.a, m.linear(x)), a=torch.zeros(1, 1).to_sparse()),
        torch.ones(1, 4),
    ),
    "nested": lambda: (_module(lambda m, x: m.linear(x)), torch.nested.nested_tensor([torch.ones(1, 4)])),
    "item": lambda: (_module(lambda m, x: m.linear(x) * x.sum().item()), torch.ones(1, 4)),
    "boolean mask": lambda: (_module(lambda m, x: m.linear(x[x.sum(1) > 0])), torch.ones(1, 4)),
    "nonzero": lambda: (_module(lambda m, x: m.linear(x[x.sum(1).nonzero()[:, 0]])), torch.ones(1, 4)),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", REFUSED)
def test_what_was_refused(kind: str) -> None:
    """Each runs one linear layer of 4 to 4 on one row."""
    module, *given = REFUSED[kind]()
    found = count(module, *given)
    assert (found.macs, dict(found.uncounted)) == (16, {})


def test_a_hook_that_raises_and_is_caught() -> None:
    """The name of the module that was not entered is not left."""

    def refuse(*_: Any) -> None:
        raise ValueError("not this one")

    class Catches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
            for layer in self.layers[:2]:
                layer.register_forward_pre_hook(refuse)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                with suppress(ValueError):
                    x = layer(x)
            return x * 2

    assert {name: work.macs for name, work in count(Catches(), (1, 4)).work.items()} == {"layers.2": 16, "": 0}


def test_one_convolution_does_not_load_the_compiler() -> None:
    done = fresh(
        "import torch, sys; before = set(sys.modules)\n"
        "from flopcalc.pytorch import count\n"
        "print(count(torch.nn.Conv2d(3, 4, 3), (1, 3, 8, 8)).macs)\n"
        "print('torch._dynamo' in set(sys.modules) - before)\n"
    )
    assert done.out.split("\n") == [str(36 * 4 * 27), "False", ""], done.err

"""The passes of a count: which one a forward needs, and what it says when none will do."""

import dataclasses
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

from torch import Tensor, nn
from torch.nn import functional

import flopcalc
from flopcalc import FlopcalcError
from flopcalc.pytorch import count
from flopcalc.pytorch.counting import twins
from flopcalc.pytorch.counting.counter import COMPLEX, REAL_VALUES, count_call
from flopcalc.pytorch.counting.failures import asks_for_gradients
from flopcalc.pytorch.counting.random_numbers import own_random
from flopcalc.pytorch.measuring.subject import Pass
from flopcalc.pytorch.memory.run import Subject, Way, follow


class Scaled(nn.Module):
    """Reads the sum of its output."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        return x * x.sum().item()


def module_of(forward: Any, **held: Any) -> nn.Module:
    """A linear layer of 4 to 4, and a forward of (module, inputs...)."""

    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)
            for name, value in held.items():
                setattr(self, name, value)

        def forward(self, *given: Any, **named: Any) -> Any:
            return forward(self, *given, **named)

    return Module()


def test_values_are_read_on_the_cpu_and_a_note_says_so() -> None:
    found = count(Scaled(), (1, 4))
    assert (found.macs, found.on, found.notes) == (16, "cpu", [REAL_VALUES])
    assert count(nn.Linear(4, 4), (1, 4)).notes == []


def test_complex_parameters_have_a_note() -> None:
    """4 x 4 products of 4 MACs each, and a bias; 20 parameters, as PyTorch counts them."""
    found = count_call(nn.Linear(4, 4, dtype=torch.complex64), [torch.ones(1, 4, dtype=torch.complex64)])
    assert (found.macs, found.params, found.notes) == (64, 20, [COMPLEX])


def test_either_device_can_be_forced() -> None:
    assert count_call(nn.Linear(4, 4), [(1, 4)], on="cpu").on == "cpu"
    with pytest.raises(FlopcalcError, match=r"item.*\(test_passes.py, line \d+\)") as caught:
        count_call(Scaled(), [(1, 4)], on="meta")
    assert "count it on the CPU" in caught.value.hint


def test_a_model_too_large_for_real_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 x 4 + 4 parameters of 4 bytes do not fit into 79 bytes, and they fit into 80."""
    monkeypatch.setattr(twins, "free_memory", lambda: 79)
    with pytest.raises(FlopcalcError, match="item") as caught:
        count(Scaled(), (1, 4))
    assert "GiB" in caught.value.hint
    monkeypatch.setattr(twins, "free_memory", lambda: 80)
    assert count(Scaled(), (1, 4)).macs == 16


def test_a_model_on_meta_takes_its_memory_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once built again, and once copied: 160 bytes, where a model with values of its own takes 80 more."""
    with torch.device("meta"):
        module = Scaled()
    monkeypatch.setattr(twins, "free_memory", lambda: 159)
    with pytest.raises(FlopcalcError, match="item") as caught:
        count_call(module, [(1, 4)], rebuild=Scaled)
    assert "once built and once copied" in caught.value.hint
    monkeypatch.setattr(twins, "free_memory", lambda: 160)
    assert count_call(module, [(1, 4)], rebuild=Scaled).macs == 16


def test_a_model_on_meta_that_reads_values_is_built_again() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.turns: Tensor
            self.register_buffer("turns", torch.tensor(3))

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(int(self.turns)):
                x = self.linear(x)
            return x

    with torch.device("meta"):
        module = Gate()
    # Without the real values, the number of turns is not known; integers are 0.
    assert count(module, (1, 4)).macs == 0
    assert count_call(module, [(1, 4)], rebuild=Gate).macs == 3 * 16


def test_a_mean_of_values_made_up_can_be_normalised() -> None:
    """Variances of a model on the meta device are not negative: the forward checks its values."""
    with torch.device("meta"):
        norm = nn.BatchNorm1d(4)

    def forward(module: Any, x: Tensor) -> Tensor:
        x = module.norm(module.linear(x))
        if x.isnan().any():
            raise ValueError("not a number")
        return x

    assert count(module_of(forward, norm=norm), (2, 4)).on == "cpu"


def test_gradients_inside_a_forward() -> None:
    """Worked by hand: 4 x 4 forward, and 4 x 4 back to the input."""

    def enabled(module: Any, x: Tensor) -> Any:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(module.linear(x).sum(), x)

    def plain(module: Any, x: Tensor) -> Any:
        x = x.requires_grad_()
        return torch.autograd.grad(module.linear(x).sum(), x)

    for forward in (enabled, plain):
        found = count(module_of(forward), (1, 4))
        assert (found.macs, found.on) == (32, "meta")


def test_errors_without_gradients() -> None:
    """As torch words them: nothing has a gradient, or what has one was not used."""
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    with torch.no_grad(), pytest.raises(RuntimeError) as none:
        torch.autograd.grad(x.sum(), x)
    with pytest.raises(RuntimeError) as unused:
        torch.autograd.grad(x.sum(), y)
    assert asks_for_gradients(none.value)
    assert asks_for_gradients(unused.value)
    assert not asks_for_gradients(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not asks_for_gradients(ValueError(str(none.value)))


def test_a_tensor_is_cast_as_the_forward_says() -> None:
    """On the meta device `to` with a type, with a device, with both, and like another tensor."""

    def forward(module: Any, x: Tensor) -> Tensor:
        double = x.to(torch.float64)
        half = x.to("cpu", torch.float16)
        also = x.to(half)
        assert (double.dtype, half.dtype, also.dtype) == (torch.float64, torch.float16, torch.float16)
        assert x.to("cpu").dtype is x.dtype
        return module.linear(x + double.to(x.dtype) + also)  # type: ignore[no-any-return]

    for witness in ("trace", "dispatch"):
        assert count_call(module_of(forward), [(1, 4)], on="meta", witness=witness).macs == 16


def test_kernels_that_write_into_lists() -> None:
    """They have no output: 3 tensors of 4 elements are multiplied in place, one product each."""

    def forward(module: Any, x: Tensor) -> Tensor:
        several = [x, x + 1, x + 2]
        torch._foreach_mul_(several, 2.0)
        return module.linear(several[2])  # type: ignore[no-any-return]

    for on in ("meta", "cpu"):
        found = count_call(module_of(forward), [(1, 4)], on=on)
        assert (found.macs, found.total("muls")) == (16, 12)
        assert not found.uncounted


def test_threads_of_a_forward_are_counted() -> None:
    def pool(module: Any, x: Tensor) -> Any:
        with ThreadPoolExecutor(2) as threads:
            return list(threads.map(module.linear, [x, x, x]))

    def product(module: Any, x: Tensor) -> Any:
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(torch.matmul, x, module.linear.weight).result()

    found = count(module_of(pool), (1, 4))
    assert (found.macs, found.times["linear"]) == (48, 3)
    outside = count_call(module_of(product), [(1, 4)], witness="dispatch")
    assert [operator for operator, _ in outside.uncounted] == ["kernels of another thread"]


@dataclasses.dataclass(frozen=True)
class Two:
    """Two tensors."""

    x: Tensor
    y: Tensor | None = None


@pytest.mark.parametrize(
    ("given", "pick"),
    [
        (Two(torch.ones(1, 4)), lambda value: value.x),
        (OrderedDict(x=torch.ones(1, 4)), lambda value: value["x"]),
        ({"x": [(1, 4), None, "text"]}, lambda value: value["x"][0]),
        (np.ones((1, 4), dtype="float32"), lambda value: value),
        (((1, 4), (1, 4)), lambda value: value[1]),
    ],
    ids=["dataclass", "OrderedDict", "nested", "NumPy", "tuple"],
)
@pytest.mark.parametrize("on", ["meta", "cpu"])
def test_inputs(given: Any, pick: Any, on: Any) -> None:
    """Also as outputs: the shape of the output is found in the same kind."""

    def forward(module: Any, value: Any) -> Any:
        out = module.linear(pick(value))
        return Two(out) if isinstance(value, Two) else {"y": [out]}

    found = count_call(module_of(forward), [given], on=on)
    assert (found.macs, found.output) == (16, [(1, 4)])


def test_a_tuple_of_integers_is_a_shape_or_a_value() -> None:
    def resize(module: Any, x: Tensor, size: Any) -> Tensor:
        return functional.interpolate(module.linear(x), size=size)

    def add(module: Any, x: Tensor, y: Tensor) -> Tensor:
        out: Tensor = module.linear(x) + module.linear(y)
        return out

    image = torch.ones(1, 3, 4, 4)
    for given, named in (((image, (8, 8)), {}), (((1, 3, 4, 4), (8, 8)), {}), (((1, 3, 4, 4),), {"size": (8, 8)})):
        found = count_call(module_of(resize), given, named)
        assert (found.macs, found.output) == (12 * 16, [(1, 3, 8, 8)])
        assert [note for note in found.notes if "(8, 8)" in note and "not as a shape" in note]
    for both in ((image, (1, 3, 4, 4)), ((1, 3, 4, 4), (1, 3, 4, 4))):
        found = count_call(module_of(add), both)
        assert (found.macs, found.notes) == (2 * 12 * 16, [])


def test_an_annotation_decides() -> None:
    """Both readings would run; the annotation says which is meant."""

    class Takes(nn.Module):
        def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
            return x.sum() * len(size)

    class TakesTensor(nn.Module):
        def forward(self, x: Tensor, size: Tensor) -> Tensor:
            return x.sum() * len(size)

    assert count(Takes(), (1, 4), (3, 2)).notes == []
    assert count(TakesTensor(), torch.ones(1, 4), (3, 2)).notes == []


def test_a_method_is_counted_on_the_copy() -> None:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.calls = nn.Linear(4, 4), 0

        def encode(self, x: Tensor) -> Tensor:
            self.calls += 1
            out: Tensor = self.linear(x)
            return out

    module = Encoder()
    assert count(module.encode, (1, 4)).macs == count_call(module, [(1, 4)], method="encode").macs == 16
    assert module.calls == 0


def test_branches_loops_and_scans() -> None:
    """A branch is the more expensive one; a loop is one turn; a scan is all of its steps."""
    from torch._higher_order_ops.scan import scan
    from torch._higher_order_ops.while_loop import while_loop

    def branch(module: Any, x: Tensor) -> Any:
        return torch.cond(x.sum() > 0, lambda t: t.sin(), module.linear, (x,))

    def turned(module: Any, x: Tensor) -> Any:
        return torch.cond(x.sum() > 0, module.linear, lambda t: t.sin(), (x,))

    def loop(module: Any, x: Tensor) -> Any:
        start = torch.zeros(1, dtype=torch.int64), x
        return while_loop(lambda i, t: i < 5, lambda i, t: (i + 1, module.linear(t)), start)  # type: ignore[no-untyped-call]

    def steps(module: Any, x: Tensor) -> Any:
        return scan(lambda carry, row: (carry + 1, module.linear(row)), torch.zeros(4), x)

    *branches, looped, scanned = (count(module_of(one), (6, 4)) for one in (branch, turned, loop, steps))
    for branched in branches:
        assert (branched.macs, branched.work["linear"].macs) == (96, 96)
        # Beside it only the condition is counted: a sum and a comparison, and no sine of 24 elements.
        assert branched.total("other") <= 1
        assert [note for note in branched.notes if "more expensive branch" in note]
    assert looped.macs == 96
    assert [note for note in looped.notes if "one turn" in note]
    assert (scanned.macs, scanned.notes) == (6 * 16, [])


def test_the_training_flag_makes_no_difference() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout())
    found = [count(module.train(mode), (2, 3, 8, 8)).by_work for mode in (True, False)]
    assert found[0] == found[1]
    assert not module.training


def test_an_interrupt_comes_through_at_once() -> None:
    passes = []

    def forward(module: Any, x: Tensor) -> Tensor:
        passes.append(x.device.type)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count(module_of(forward), (1, 4))
    assert passes == ["meta"]


def test_a_warning_is_shown_once(recwarn: pytest.WarningsRecorder) -> None:
    import warnings

    warnings.simplefilter("default")

    def forward(module: Any, x: Tensor) -> Any:
        warnings.warn("old", UserWarning, stacklevel=1)
        return module.linear(x) * x.sum().item()

    assert count(module_of(forward), (1, 4)).on == "cpu"
    assert [str(one.message) for one in recwarn] == ["old"]


def test_random_numbers_of_a_forward() -> None:
    """Kernels, composite functions, vmap, Python and NumPy, a seed: the process's numbers go on as before."""

    def forward(module: Any, x: Tensor) -> Any:
        if x.sum() > 1e9 or random.random() > 2:  # noqa: S311
            return x
        y = functional.dropout(module.linear(x), 0.5, training=True) + torch.rand_like(x) + torch.randn(4)
        y = y + torch.randint(0, 3, (4,)) + torch.bernoulli(torch.full((4,), 0.5)) + torch.multinomial(x[0], 4)
        y = y + torch.empty(4).exponential_() + functional.gumbel_softmax(x) + torch.randperm(4)
        y = y + torch.vmap(lambda row: row + torch.rand(4), randomness="different")(x)
        torch.manual_seed(1)
        return y * float(np.random.rand())

    module = module_of(forward)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    found = count(module, (1, 4))
    assert (found.on, dict(found.uncounted)) == ("cpu", {})
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]


def test_numbers_of_a_generator_of_our_own() -> None:
    """As torch draws them from it, also by operators that have a generator in another overload only."""
    seeded = [torch.Generator().manual_seed(5) for _ in range(2)]
    before = torch.get_rng_state()
    for func, args in ((torch.ops.aten.rand.default, ([3],)), (torch.ops.aten.randint.low, (2, 9, [4]))):
        found = own_random(func)
        assert found is not None
        assert torch.equal(found(seeded[0], *args), getattr(torch, func._opname)(*args, generator=seeded[1]))
    assert torch.equal(torch.get_rng_state(), before)
    assert own_random(torch.ops.aten.add.Tensor) is None


def test_a_gpu_named_in_a_forward_is_the_device_of_the_pass() -> None:
    def forward(module: Any, x: Tensor) -> Any:
        return module.linear(x.cuda()) + torch.zeros(4, device="cuda") + torch.ones(4).to("cuda:0", non_blocking=True)

    for on in ("meta", "cpu"):
        assert count_call(module_of(forward), [(1, 4)], on=on).macs == 16


def test_a_constant_that_goes_to_the_device_of_the_input_takes_no_kernel() -> None:
    """One sum: 4 elements of each operand are read, and 4 written. A conversion is a kernel: 4 read, 4 written."""

    def moved(module: Any, x: Tensor) -> Any:
        return x + torch.ones(4).to(x.device)

    def converted(module: Any, x: Tensor) -> Any:
        return x + torch.ones(4, dtype=torch.float64).to(x)

    ways: list[dict[str, Any]] = [{}, {"witness": "dispatch"}, {"on": "cpu"}]
    for way in ways:
        found = count_call(module_of(moved), [(1, 4)], **way)
        assert (found.adds, found.total("traffic"), found.total("steps")) == (4, 12, 1)
        found = count_call(module_of(converted), [(1, 4)], **way)
        assert (found.adds, found.total("traffic"), found.total("steps")) == (4, 20, 2)


def test_types_of_tensors_name_no_other_device() -> None:
    """Code of the time before `to`: a type names a device and a dtype. 16 products."""

    def forward(module: Any, x: Tensor) -> Any:
        mask = (x > 0).type(x.type()) + (x < 0).type(torch.FloatTensor) + x.type("torch.cuda.FloatTensor")
        whole = torch.ones(4).type_as(x).type(torch.cuda.LongTensor)
        assert (mask.dtype, whole.dtype) == (torch.float32, torch.int64)
        assert mask.device == whole.device == x.device
        return module.linear(x * mask) + whole

    ways: list[dict[str, Any]] = [{"on": "meta"}, {"on": "meta", "witness": "dispatch"}, {"on": "cpu"}]
    for way in ways:
        assert count_call(module_of(forward), [(1, 4)], **way).macs == 16


def test_a_forward_may_set_a_weight_to_a_tensor_of_numpy() -> None:
    """16 products, on the meta device too."""

    def forward(module: Any, x: Tensor) -> Any:
        module.linear.weight.data = torch.from_numpy(np.eye(4, dtype=np.float32))
        return module.linear(x)

    for on in ("meta", "cpu"):
        assert count_call(module_of(forward), [(1, 4)], on=on).macs == 16


class Positions(nn.Module):
    """Positions as language models compute them: 4 frequencies at each of 5 positions, as a product."""

    frequencies: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.register_buffer("frequencies", torch.ones(4))

    def forward(self, x: Tensor) -> Any:
        at = torch.arange(x.shape[1], device=x.device)[None, None].float()
        with torch.autocast(device_type=x.device.type, enabled=False):
            angles = (self.frequencies[None, :, None].float() @ at).transpose(1, 2)
        kind = x.device.type
        assert not torch.is_autocast_enabled(kind)
        with torch.amp.autocast(kind, dtype=torch.get_autocast_dtype(kind)):
            assert torch.is_autocast_enabled(kind)
            return self.linear(x) * torch.cat((angles, angles), -1).cos()


def test_autocast_for_the_device_of_the_input() -> None:
    """No values are needed for it: 2 x 5 rows times 8 x 8, and 4 x 5 angles, on the meta device."""
    functions = [torch.is_autocast_enabled, torch.get_autocast_dtype, torch._C._is_autocast_available]
    ways: list[dict[str, Any]] = [{}, {"witness": "dispatch"}, {"on": "cpu"}]
    for way in ways:
        found = count_call(Positions(), [(2, 5, 8)], **way)
        assert (found.macs, found.on) == (2 * 5 * 64 + 4 * 5, way.get("on", "meta"))
    assert functions == [torch.is_autocast_enabled, torch.get_autocast_dtype, torch._C._is_autocast_available]
    with pytest.raises(RuntimeError, match="autocast"):
        torch.is_autocast_enabled("meta")


def test_autocast_for_the_device_of_the_input_in_memory_and_training() -> None:
    """They need no values either."""
    assert follow(Subject(Positions(), [(2, 5, 8)], {}), Way(training=True)).on == "meta"
    assert follow(Subject(Positions(), [(2, 5, 8)], {}), Way()).on == "meta"


def test_what_a_forward_sets_in_the_process_is_set_back() -> None:
    """Default dtype and device, flags, hooks of all modules, filters of warnings."""
    import warnings

    from torch.nn.modules import module as hooks

    def forward(module: Any, x: Tensor) -> Any:
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("cpu")
        torch.backends.cudnn.benchmark = True
        torch.backends.mha.set_fastpath_enabled(False)
        torch.set_float32_matmul_precision("high")
        hooks.register_module_forward_hook(lambda *_: None)
        warnings.simplefilter("ignore")
        torch.set_grad_enabled(False)
        return module.linear(x)

    def state() -> tuple[Any, ...]:
        flags = torch.backends.cudnn.benchmark, torch.backends.mha.get_fastpath_enabled()
        defaults = torch.get_default_dtype(), torch.get_default_device(), torch._GLOBAL_DEVICE_CONTEXT.__dict__
        kept = dict(hooks._global_forward_hooks), list(warnings.filters), torch._C._len_torch_function_stack()
        return *flags, *defaults, *kept, torch.get_float32_matmul_precision(), torch.is_grad_enabled()

    before = state()
    assert count(module_of(forward), (1, 4)).macs == 16
    after = state()
    # Without a default device is with none.
    assert after[4].pop("device_context", None) is None
    assert after == before


class Steps(nn.Module):
    """A forward that yields its results one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Iterator[Tensor]:
        for _ in range(3):
            x = self.linear(x)
            yield x

    def lazy(self, x: Tensor) -> Iterator[Tensor]:
        """The same layer on two inputs, when they are asked for."""
        return map(self.linear, (x, x))


def test_what_a_generator_computes_is_counted() -> None:
    """3 products of 4 x 4, which run when the results are drawn; in training also their gradients."""
    module = Steps()
    for options in ({}, {"on": "cpu"}, {"witness": "dispatch"}):
        found = count_call(module, [(1, 4)], **options)  # type: ignore[arg-type]
        assert (found.macs, found.output) == (3 * 16, [(1, 4)] * 3)
    assert count(module.lazy, (1, 4)).macs == 2 * 16
    # The gradient of the weight each time, and of the inputs of the second and the third.
    assert flopcalc.training(module, input=(4,)).backward.macs == 5 * 16


def test_generators_inside_of_an_output() -> None:
    """In a tuple, a list and a dict, and one in another."""

    class Nested(Steps):
        def forward(self, x: Tensor) -> Any:
            return self.lazy(x), {"some": [(self.linear(one) for one in (x, x, x))]}, ((x for _ in y) for y in [x])

    found = count(Nested(), (1, 4))
    assert (found.macs, found.output) == (5 * 16, [(1, 4)] * 6)


def test_a_generator_without_an_end_is_an_error() -> None:
    """It would be drawn for ever, and fill the memory."""

    class Endless(Steps):
        def forward(self, x: Tensor) -> Iterator[Tensor]:
            while True:
                yield x

    with pytest.raises(FlopcalcError, match="more than 10,000 items"):
        count(Endless(), (1, 4))


def test_a_coroutine_is_an_error() -> None:
    """Nothing awaits it, so that its work would count as nothing."""

    class Waits(Steps):
        async def forward(self, x: Tensor) -> Any:  # type: ignore[override]
            return self.linear(x)

        async def items(self, x: Tensor) -> AsyncIterator[Tensor]:
            """As a generator."""
            yield self.linear(x)

    module = Waits()
    for what in (module, module.items):
        with pytest.raises(FlopcalcError, match="it is asynchronous"):
            count(what, (1, 4))


def test_what_a_generator_computes_has_memory() -> None:
    """Three results of 4 numbers, which the caller keeps."""
    assert flopcalc.memory(Steps(), (4,)).activations_peak == 3 * 4 * 4


def test_what_a_generator_computes_is_measured() -> None:
    """The list of the items, of which training takes the gradients."""
    module = Steps()
    assert len(Pass(module, [torch.rand(1, 4)], {}, "forward").run()) == 3
    Pass(module, [torch.rand(1, 4)], {}, "forward", training=True).run()
    assert module.linear.weight.grad is not None

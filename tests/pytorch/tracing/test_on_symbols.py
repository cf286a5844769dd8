"""What runs below the tracer on symbolic sizes: tensors on the CPU, random numbers, rules of users, and errors."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc import FlopcalcError
from flopcalc.catalog.kernels import KernelRule
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.kernels import new_work
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing.nodes import wrapped
from flopcalc.pytorch.tracing.on_symbols import NoFormError, SymbolicNet, SymbolicTracer
from flopcalc.pytorch.tracing.symbolic import SymbolicNetwork, symbolic_network
from flopcalc.symbolic.evaluating import evaluate
from flopcalc.symbolic.scope import Scope

from .multiplied import Multiplied

aten = torch.ops.aten


def _form(function: Callable[[Any], Any], **more: Any) -> SymbolicNetwork:
    return symbolic_network(Multiplied(function, 4, 3), (6, 4), **more)


# Tensors that the forward makes on the CPU, and the MACs.
ON_CPU: dict[str, Callable[[Any], Any]] = {
    "expanded": lambda x: x + torch.ones(1, 4).expand(x.shape[1], 4),
    "expanded twice": lambda x: x + torch.ones(4)[None, None].expand(x.shape[0], x.shape[1], -1),
    "a part": lambda x: x + torch.ones(1000, 4)[: x.shape[1]],
    "a view": lambda x: x + torch.arange(x.shape[1]).view(1, -1, 1),
    "repeated": lambda x: x + torch.ones(1, 4).repeat(x.shape[1], 1),
    "two joined": lambda x: x + torch.cat([torch.ones(1, 4), torch.zeros(x.shape[1] - 1, 4)]),
    "a value that is read": lambda x: x * int((torch.tensor([1, 2]) + 1).sum()),
    "a value of a view": lambda x: x * int(torch.tensor([[1, 2]])[0, 1:].sum()),
    "with strides": lambda x: x + torch.empty_strided((x.shape[1], 4), (4, 1)),
    "random": lambda x: x + torch.rand(4) * torch.randn(1, 4),
}


@pytest.mark.parametrize("name", ON_CPU)
def test_tensors_on_the_cpu(name: str) -> None:
    """With symbolic sizes they have no values; others keep theirs. 12 MACs for each token, and nothing is fixed."""
    found = _form(ON_CPU[name])
    assert not found.fixed
    assert str(found.network.total("macs")) == "12*N*T"
    assert all(found.allows({"N": size, "T": size}) for size in range(2, 40))


def test_random_numbers_are_not_those_of_the_process() -> None:
    """Torch's own generator is as it was."""
    before = torch.get_rng_state()
    _form(ON_CPU["random"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("first", [nn.Linear(4, 4), nn.LazyLinear(4)], ids=str)
def test_a_number_that_the_forward_draws(first: nn.Module) -> None:
    """It is that of an ordinary count, also after a first pass, and torch's own generator is as it was."""

    def repeated(x: Any) -> Any:
        return x.repeat(1, int(torch.tensor([0.0]).uniform_(2, 1000)), 1)

    module = nn.Sequential(first, Multiplied(repeated, 4, 3))
    before = torch.get_rng_state()
    total = symbolic_network(module, (6, 4)).network.total("macs")
    assert torch.equal(torch.get_rng_state(), before)
    assert evaluate(total, {"N": 1, "T": 6}) == count_call(module, ((1, 6, 4),)).macs >= 6 * (16 + 2 * 12)


def test_a_rule_of_the_user() -> None:
    """It computes with numbers, which fixes the sizes: one MAC more for each of 6 x 4 elements."""
    assert str(_form(torch.neg).network.total("macs")) == "12*N*T"
    found = _form(torch.neg, kernels=[KernelRule("aten::neg", {"macs": "out_numel"})])
    assert [one.name for one in found.fixed] == ["batch", "tokens"]
    assert found.network.total("macs") == 12 * 6 + 24


def _gradient(x: Any) -> Any:
    y = x.detach().requires_grad_()
    return torch.autograd.grad((y * y).sum(), y)[0]


def _gradient_if_there_is_one(x: Any) -> Any:
    try:
        return _gradient(x)
    except Exception:
        return x


NO_FORM: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a branch": (lambda x: torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,)), "decided by values"),
    "a gradient": (_gradient, r"it differentiates \(test_on_symbols\.py, line \d+\)"),
    "a gradient if there is one": (_gradient_if_there_is_one, "it differentiates"),
    "a kernel of values": (lambda x: x + torch.nonzero(x).shape[0], "it reads values"),
    "a kernel of numbers": (lambda x: torch.linalg.pinv(x).mT, "aten::linalg_pinv needs its sizes as numbers"),
}


@pytest.mark.parametrize("name", NO_FORM)
def test_what_has_no_form(name: str) -> None:
    """The error says why, also where the forward catches torch's."""
    function, why = NO_FORM[name]
    with pytest.raises(FlopcalcError, match=why) as caught:
        _form(function)
    assert caught.value.code == "no-closed-form"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("SymIntArrayRef expected to contain only concrete integers"), "fails needs its sizes as numbers"),
        (NoFormError("it says why: expected to contain only concrete integers"), "it says why"),
        (RuntimeError("another one"), "another one"),
    ],
)
def test_an_error_of_torch_about_symbolic_sizes(error: Exception, said: str) -> None:
    """It names the function; other errors stay."""

    def fails() -> None:
        raise error

    with pytest.raises(RuntimeError, match=f"^{said}") as caught:
        SymbolicTracer(Recorder({})).__torch_function__(fails, ())
    assert isinstance(caught.value, NoFormError) is (said != "another one")


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_sizes_that_torch_asks_for_as_numbers(mode: Callable[[], AbstractContextManager[None]]) -> None:
    """One of them, or all: they are fixed. In inference mode torch asks in other ways."""
    scope: Any = Scope({"H": 20})
    h = wrapped(scope.symbol("H"))
    net: TorchDispatchMode = SymbolicNet(Recorder({}))
    with mode(), net:
        x = torch.empty((6, h), device="meta")
        assert not scope.conditions
        found = [aten.size.int(x, 0), aten.size.int(x, -1), aten.stride.int(x, 0), aten.stride.int(x, 1)]
        assert found == [6, 20, 20, 1]
        assert [aten.size.default(x), aten.stride.default(x)] == [[6, 20], [20, 1]]
    assert [(str(one.expression), one.relation) for one in scope.conditions] == [("H - 20", "==")]


def test_a_rule_that_fails() -> None:
    """Before its first kernel it does not apply, and torch runs the function; after it, that would count twice."""
    recorder = Recorder({})
    x = torch.empty(2, 3, device="meta")

    def fails_first(recorder: Recorder, x: Any) -> Any:
        raise ValueError

    def fails_last(recorder: Recorder, x: Any) -> Any:
        recorder.kernel("other", new_work((0, 6, 0, 0, 0, 6, 6)), (x,), (x,))
        raise ValueError

    tracer = SymbolicTracer(recorder)
    assert tracer.ran(fails_first, (x,)) is None
    assert tracer.ran(lambda recorder, x, more: more, (x,), {"more": 7}) == 7
    with pytest.raises(ValueError):  # noqa: PT011 (it has no message)
        tracer.ran(fails_last, (x,))

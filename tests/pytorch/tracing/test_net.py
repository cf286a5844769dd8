"""What the dispatch mode below the tracer spares: views that it has seen, and kernels whose shapes are known."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn

from flopcalc import register_kernel
from flopcalc.catalog.kernels import KernelRule, unregister_kernel
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.dispatch import DispatchCounter
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing.net import Net


class Of(nn.Module):
    """A function of the input."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        """The function."""
        return self.function(x)


# A view, and the kernel that takes it.
VIEWS: dict[str, Callable[[Any], Any]] = {
    "view": lambda x: x.flatten(1),
    "transpose": lambda x: x.swapaxes(0, 1),
    "permute": lambda x: x.movedim(0, 1),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "expand": lambda x: x.expand(2, 4, 4),
    "select": lambda x: x[0],
    "slice": lambda x: x[:, 1:],
    "unfold": lambda x: x.unfold(1, 2, 1),
    "diagonal": lambda x: x.diagonal(),
    "split": lambda x: x.chunk(2),
}
SEVEN = {"macs": "7"}


@pytest.fixture
def registered() -> Iterator[Callable[[str], None]]:
    """Register a rule for the time of a test."""
    names: list[str] = []

    def register(name: str) -> None:
        names.append(name)
        register_kernel(name, SEVEN)

    yield register
    for name in names:
        unregister_kernel(name)


def _macs(function: Callable[[Any], Any], *rules: KernelRule) -> int:
    return count_call(Of(function), ((2, 4, 4),), kernels=rules).macs


@pytest.mark.parametrize("name", VIEWS)
def test_a_rule_for_a_view_that_earlier_counts_have_seen(
    name: str, registered: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its 7 MACs count whether the rule is for one count or registered, and in no count without it."""
    monkeypatch.setattr("flopcalc.pytorch.tracing.net._views", set())
    function, rule = VIEWS[name], KernelRule(f"aten::{name}", SEVEN)
    other = KernelRule("aten::neg", SEVEN)
    with torch.no_grad(), Net(Recorder({})):
        function(torch.empty(2, 4, 4, device="meta"))
    assert [_macs(function), _macs(function, other), _macs(function, rule), _macs(function)] == [0, 0, 7, 0]
    registered(f"aten::{name}")
    assert _macs(function) == 7


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_looked_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second time on it only runs."""
    monkeypatch.setattr("flopcalc.pytorch.tracing.net._views", set())
    seen: list[str] = []
    whole = DispatchCounter.__torch_dispatch__

    def noted(self: Any, func: Any, *rest: Any) -> Any:
        seen.append(func._schema.name)
        return whole(self, func, *rest)

    monkeypatch.setattr(DispatchCounter, "__torch_dispatch__", noted)
    x = torch.empty(2, 4, 4, device="meta")
    with torch.no_grad(), Net(Recorder({})):
        first, second = VIEWS[name](x), VIEWS[name](x)
        total = x + 1
    assert seen.count(f"aten::{name}") == 1
    assert "aten::add" in seen
    assert total.shape == x.shape
    assert [one.shape for one in first] == [one.shape for one in second]


def test_a_kernel_with_work_is_no_view(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum and the copy are counted each time."""
    monkeypatch.setattr("flopcalc.pytorch.tracing.net._views", set())
    recorder = Recorder({})
    x = torch.empty(2, 4, 4, device="meta")
    with torch.no_grad(), Net(recorder):
        for _ in range(3):
            x.transpose(0, 1).contiguous().copy_(x.transpose(0, 1) + x.transpose(0, 1))
    assert recorder.finish([], ()).adds == 3 * 32


@pytest.mark.parametrize(
    "function",
    [torch.neg, lambda x: x + x, lambda x: torch.cat([x, x]), torch.exp, lambda x: x.sum(1), lambda x: torch.bmm(x, x)],
    ids=["neg", "add", "cat", "exp", "sum", "bmm"],
)
def test_a_shape_rule_spares_torchs_kernel(function: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch computes many shapes in Python, and slowly: its kernel does not run where ours says the shape."""
    ran: list[Any] = []
    run = DispatchCounter.run

    def noted(self: Any, func: Any, *rest: Any) -> Any:
        ran.append(func)
        return run(self, func, *rest)

    monkeypatch.setattr(DispatchCounter, "run", noted)
    x = torch.empty(2, 4, 4, device="meta")
    with torch.no_grad(), Net(Recorder({})):
        found = function(x)
    assert not ran
    assert found.shape == function(x).shape

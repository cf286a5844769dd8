"""The log of calls: what was called, and under which name."""

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional
from torch.nn import functional as F  # noqa: N812
from torch.nn.functional import relu as held

from flopcalc import count
from flopcalc.presets.call import CallLog
from flopcalc.pytorch.calls.log import log_of


class Fn(nn.Module):
    """A module with one parameter and a function as its forward."""

    def __init__(self, function: Callable[..., Any], **children: Any) -> None:
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.ones(4))
        for name, child in children.items():
            setattr(self, name, child)

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def log(function: Callable[..., Any], shape: tuple[int, ...] = (2, 4, 8, 8), **children: Any) -> CallLog:
    return log_of(Fn(function, **children), (shape,))


def vias(found: CallLog) -> list[str]:
    return [call.via for call in found.of("function") if call.within < 0]


CALLS: list[tuple[str, Callable[..., Any], str]] = [
    ("module.name", lambda s, x: F.relu(x), "F.relu"),
    ("package.module.name", lambda s, x: torch.nn.functional.relu(x), "F.relu"),
    ("another name of the module", lambda s, x: functional.gelu(x), "F.gelu"),
    ("of torch", lambda s, x: torch.relu(x), "torch.relu"),
    ("a method", lambda s, x: x.relu(), "Tensor.relu"),
    ("a method of a result", lambda s, x: (x + 0).relu(), "Tensor.relu"),
    ("a function of one's own", lambda s, x: held(x), ""),
    ("a function in an attribute", lambda s, x: s.act(x), ""),
    ("a sum", lambda s, x: x + x, "operator"),
    ("a sum as a method", lambda s, x: x.add(x), "Tensor.add"),
    ("a sum as a function", lambda s, x: torch.add(x, x), "torch.add"),
    ("a product of matrices", lambda s, x: x @ x, "operator"),
    ("a product by name", lambda s, x: torch.matmul(x, x), "torch.matmul"),
    ("through the class", lambda s, x: torch.Tensor.matmul(x, x), "Tensor.matmul"),
]


@pytest.mark.parametrize(("function", "via"), [case[1:] for case in CALLS], ids=[case[0] for case in CALLS])
def test_the_name_under_which_a_function_was_called(function: Callable[..., Any], via: str) -> None:
    """A counter that replaces `torch.nn.functional.relu` notices the first three, and nothing else."""
    child = Fn(function)
    child.__dict__["act"] = F.relu
    found = vias(log_of(child, ((2, 4, 8, 8),)))
    assert found[-1] == via


def test_a_statement_that_adds_is_an_operator() -> None:
    """`a += b`."""

    def add(module: Any, x: Any) -> Any:
        total = x * 1
        total += x
        return total

    assert vias(log(add)) == ["operator", "operator"]


def test_functions_inside_functions() -> None:
    """What a function in Python calls is within it, under the names of its module."""
    found = log(lambda s, x: F.softmax(F.interpolate(x, scale_factor=2), dim=1))
    names = [(call.name, call.within) for call in found.of("function")]
    assert [name for name, within in names if within < 0] == ["F.interpolate", "F.softmax"]
    assert ("Tensor.softmax", next(i for i, one in enumerate(found.calls) if one.name == "F.softmax")) in names


def test_modules_with_their_inputs_and_the_modules_around_them() -> None:
    """A hook on the module sees the same."""
    found = log(lambda s, x: s.block(x), block=nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU()))
    calls = {call.name: call for call in found.of("module")}
    assert calls["Conv2d"].args[0].shape == (2, 4, 8, 8)
    assert calls["Conv2d"].result.shape == (2, 6, 6, 6)
    assert [found.nodes[index].name for index in calls["ReLU"].running] == ["", "block", "block.1"]
    assert found.nodes[calls["Conv2d"].node].facts["kernel_size"] == (3, 3)


def test_sizes_are_those_of_before() -> None:
    """A function that changes its argument in place."""

    def shrink(module: Any, x: Any) -> Any:
        y = x * 1
        return y.unsqueeze_(0)

    call = next(call for call in log(shrink, (2, 4)).of("function") if call.name == "Tensor.unsqueeze_")
    assert call.args[0].shape == (2, 4)


def test_the_module_is_left_as_it_was() -> None:
    """No hook, no attribute."""
    module = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU())
    before = {name: (set(vars(one)), len(one._forward_hooks)) for name, one in module.named_modules()}
    log_of(module, ((1, 4, 8, 8),))
    assert {name: (set(vars(one)), len(one._forward_hooks)) for name, one in module.named_modules()} == before


def test_modules_with_methods_and_containers_of_their_own() -> None:
    """Parameters in groups; a state that holds itself, passed between modules."""

    class Child(nn.Linear):
        def forward(self, state: Any) -> Any:
            state["y"] = super().forward(state["me"]["x"])
            return state

    class Grouped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.child = Child(4, 4)

        def named_parameters(self) -> Any:  # type: ignore[override]
            raise RuntimeError("in groups")

        def forward(self, x: Any) -> Any:
            state = {"x": x}
            state["me"] = state
            return self.child(state)

    found = log_of(Grouped(), ((2, 4),))
    assert "F.linear" in [call.via for call in found.of("function")]
    assert any(call.name.endswith("Child") for call in found.of("module"))
    counted = count(Grouped(), (2, 4))
    assert (counted.macs, counted.output) == (32, [(2, 4), (2, 4)])


def shapes_in_python(run: Callable[[], object]) -> int:
    """How often a run, also one in a thread of its own, calls a function by which torch computes shapes in Python."""
    calls = [0]

    def seen(frame: Any, event: str, arg: Any) -> None:
        calls[0] += event == "call" and f"{os.sep}torch{os.sep}_refs{os.sep}" in frame.f_code.co_filename

    threading.setprofile(seen)
    sys.setprofile(seen)
    try:
        run()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return calls[0]


@pytest.mark.parametrize("of", ["log", "second", "trace"])
def test_the_steps_of_a_recurrent_layer_need_no_shapes_of_torch(of: str) -> None:
    """They took most of the time of a report of such a model: they do not grow with the steps."""
    module = nn.GRU(4, 8)

    def run(steps: int) -> None:
        found = log_of(module, ((steps, 2, 4),))
        if of == "second":
            assert found.second.calls
        elif of == "trace":
            assert list(found.operators)

    run(2)
    assert shapes_in_python(lambda: run(40)) == shapes_in_python(lambda: run(4))


def test_a_log_has_the_kernels_that_a_forward_traces() -> None:
    """A mode of torch's own sees each kernel, and so does the log."""

    def forward(self: Any, x: Any) -> Any:
        graph = make_fx(lambda value: value.relu() + value)(x)
        assert [node.name for node in graph.graph.nodes if node.op == "call_function"] == ["relu", "add"]
        return graph(x)

    found = [call.name for call in log(forward).of("kernel")]
    assert found.count("aten::relu") == found.count("aten::add") == 2

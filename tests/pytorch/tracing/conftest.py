"""What reaches the dispatch mode below the tracer, and which functions a rule left to torch."""

from typing import Any

import pytest


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The kernels that no rule took, of all counts of the test so far."""
    net = pytest.importorskip("flopcalc.pytorch.tracing.net")
    seen: list[Any] = []
    run = net.Net.__torch_dispatch__

    def noted(self: Any, func: Any, *rest: Any) -> Any:
        seen.append(func)
        return run(self, func, *rest)

    monkeypatch.setattr(net.Net, "__torch_dispatch__", noted)
    return seen


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The rules of functions that were asked and did not apply, of all counts of the test so far."""
    tracer = pytest.importorskip("flopcalc.pytorch.tracing.tracer")
    rules: list[Any] = []
    ran = tracer.Tracer.ran

    def noted(self: Any, rule: Any, args: Any, kwargs: Any = None) -> Any:
        out = ran(self, rule, args, kwargs)
        if out is None:
            rules.append(rule)
        return out

    monkeypatch.setattr(tracer.Tracer, "ran", noted)
    return rules

"""What reaches the dispatch mode below the tracer."""

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

"""Results that no output depends on: a trace forgets their operators, and other counters do not."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("fvcore")
pytest.importorskip("torchprofile")

from torch import nn

from flopcalc.presets.registry import RULES
from flopcalc.pytorch.calls.log import log_of
from flopcalc.pytorch.counters import Figure, run_counter


class Unused(nn.Module):
    """Convolutions of 3 to 4 channels on 6 x 6 positions; which of them the output needs, depends on the kind."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.a, self.b = (nn.Conv2d(3, 4, 1, bias=False) for _ in range(2))

    def forward(self, x: Any) -> Any:
        """The output of the first convolution, or something of both."""
        a, b = self.a(x), self.b(x)
        match self.kind:
            case "not used":
                return a
            case "both in a list":
                return [a, {"b": b}]
            case "only its size":
                return a + torch.zeros(b.shape)
            case "a view, written in place":
                a.flatten(1)[:] = b.flatten(1)
                return a
            case "written in place into what is not used":
                b.add_(a)
                return a
            case "a number":
                return a if b.shape[0] * 2 > 1 else b
            case "used by what is not used":
                _ = b.relu() * 2
                return a.relu_()
        raise AssertionError


KINDS = {
    "not used": 432,
    "both in a list": 864,
    "only its size": 864,
    "a view, written in place": 864,
    "written in place into what is not used": 432,
    "a number": 432,
    "used by what is not used": 432,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tool", ["fvcore", "torchprofile"])
def test_tracers_forget_it(tool: str, kind: str) -> None:
    """One convolution has 3 x 4 x 36 = 432 MACs."""
    module = Unused(kind)
    found = run_counter(tool, module, ((1, 3, 6, 6),))
    assert isinstance(found, Figure), found
    assert sum(one.amount for one in RULES[tool](log_of(module, ((1, 3, 6, 6),)))) == found.value
    assert found.value // 432 == KINDS[kind] // 432


def test_hooks_do_not() -> None:
    """thop hooks modules."""
    found = run_counter("thop", Unused("not used"), ((1, 3, 6, 6),))
    assert isinstance(found, Figure)
    log = log_of(Unused("not used"), ((1, 3, 6, 6),))
    assert sum(one.amount for one in RULES["thop"](log)) == found.value == 864

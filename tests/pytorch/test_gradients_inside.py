"""Forwards that differentiate: what is counted is what runs with all gradients that the user's own call would have."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn

from flopcalc.pytorch.counting.counter import On, Witness, count_call


class Of(nn.Module):
    """A linear layer of 4 to 4, and a forward of (module, input)."""

    def __init__(self, function: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.linear, self.function = nn.Linear(4, 4), function

    def forward(self, x: Tensor) -> Any:
        """The function."""
        return self.function(self, x)


WITNESSES: tuple[Witness, ...] = ("trace", "dispatch")
DEVICES: tuple[On, ...] = ("auto", "cpu")
STEPS: dict[str, Callable[[Any, Tensor, Any], Any]] = {
    "backward": lambda module, x, loss: loss.backward(),
    "grad": lambda module, x, loss: setattr(x, "grad", torch.autograd.grad(loss, (x, *module.parameters()))[0]),
}
ASKED: dict[str, Callable[[Tensor], Any]] = {
    "requires_grad_": lambda x: x.requires_grad_(),
    "requires_grad": lambda x: setattr(x, "requires_grad", True),
}


@pytest.mark.parametrize("reads", [False, True])
@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("step", STEPS)
def test_gradients_inside_are_those_of_all_that_has_some(step: str, asked: str, reads: bool) -> None:
    """One step against the input: forward, gradients of input and weight, forward, 48 MACs each."""

    def forward(module: Any, x: Tensor) -> Any:
        with torch.enable_grad():
            x = x.detach().clone()
            ASKED[asked](x)
            loss = module.linear(x).sum()
            STEPS[step](module, x, loss)
        far = float(loss.item() * 0 + 0.1) if reads else 0.1
        given: Any = x.grad
        return module.linear(x + far * given.sign())

    for witness, on in product(WITNESSES, DEVICES):
        found = count_call(Of(forward), [(3, 4)], witness=witness, on=on)
        assert found.macs == 4 * 48
        assert found.on == ("cpu" if reads or on == "cpu" else "meta")

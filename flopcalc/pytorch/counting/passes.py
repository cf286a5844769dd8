"""The ways to run a copy, the plainest first: what a forward needs beyond it is seen from the error that it raises."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal, NamedTuple

import torch

from flopcalc.pytorch.counting.autocast import asks_for_autocast, autocast_on_meta
from flopcalc.pytorch.counting.dispatch import compiled_in_pieces
from flopcalc.pytorch.counting.failures import asks_for_gradients, is_compiled_whole, lacks_operators
from flopcalc.pytorch.loading import torchvision_operators


class Pass(NamedTuple):
    """One way to run the copy.

    compiled: it calls functions that insist on being compiled as a whole. autocast: it asks for autocast on the meta
    device. operators: it calls operators of a torchvision whose compiled part does not fit this torch.
    """

    on: Literal["meta", "cpu"]
    gradients: bool = False
    compiled: bool = False
    autocast: bool = False
    operators: bool = False

    def after(self, error: Exception) -> "Pass | None":
        """The way that has what the forward lacked; None where the error is its own."""
        if asks_for_gradients(error) and not self.gradients:
            return self._replace(gradients=True)
        if lacks_operators(error) and not self.operators:
            return self._replace(operators=True)
        if is_compiled_whole(error) and not self.compiled:
            return self._replace(compiled=True)
        if asks_for_autocast(error) and not self.autocast and self.on == "meta":
            return self._replace(autocast=True)
        return None

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """The state of the process in which the copy runs."""
        with ExitStack() as modes:
            modes.enter_context(torch.set_grad_enabled(self.gradients))
            if self.compiled:
                modes.enter_context(compiled_in_pieces())
            if self.autocast:
                modes.enter_context(autocast_on_meta())
            if self.operators:
                modes.enter_context(torchvision_operators.enabled())
            yield

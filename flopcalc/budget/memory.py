"""Memory as a quantity of limits: it is computed only where a limit reads it."""

import os
from collections.abc import Callable, Mapping
from contextlib import chdir
from typing import Any

from flopcalc.analysis.memory.memory import memory_of
from flopcalc.analysis.memory.question import question
from flopcalc.errors import FlopcalcError
from flopcalc.targets.limits import MEMORY
from flopcalc.targets.spec import TargetSpec


class Totals(dict[str, int]):
    """Totals by kind of cost, and the quantities of memory, which are computed on the first access.

    dtype: of weights and activations of a description. failed: makes, of an error, the one to raise.
    """

    def __init__(
        self,
        totals: Mapping[str, int],
        spec: TargetSpec,
        dtype: str,
        failed: Callable[[FlopcalcError], FlopcalcError] = lambda error: error,
    ) -> None:
        super().__init__(totals)
        self._spec = spec
        self._dtype = None if dtype == "float32" else dtype
        self._failed = failed
        # Paths in the spec are relative to it.
        self._folder = os.getcwd()
        self._memory: dict[str, int] = {}

    def __missing__(self, name: str) -> int:
        """A quantity of memory. Raises FlopcalcError."""
        if name not in MEMORY:
            raise KeyError(name)
        if name not in self._memory:
            try:
                with chdir(self._folder):
                    self._memory.update(self._found(name))
            except FlopcalcError as error:
                raise self._failed(error) from error
        return self._memory[name]

    def get(self, name: str, default: Any = None) -> Any:
        """As of a dict, and for the quantities of memory."""
        return self[name] if name in MEMORY else super().get(name, default)

    def _found(self, name: str) -> dict[str, int]:
        if name == "training_peak":
            return {name: memory_of(self._spec, question(mode="training", dtype=self._dtype)).peak}
        found = memory_of(self._spec, question(dtype=self._dtype))
        return {"peak_memory": found.peak, "weights_bytes": found.weights}

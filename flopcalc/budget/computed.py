"""Memory and time as quantities of limits: they are computed only where a limit reads them."""

import os
from collections.abc import Callable, Mapping
from contextlib import chdir
from fractions import Fraction
from typing import Any

from flopcalc.analysis.memory.memory import memory_of
from flopcalc.analysis.memory.question import Question, question
from flopcalc.analysis.roofline import roofline_spec
from flopcalc.analysis.timing.device import read_execution
from flopcalc.analysis.timing.library import device as find_device
from flopcalc.errors import FlopcalcError
from flopcalc.networks.training import TrainingOptions
from flopcalc.targets.limits import is_computed, read_time
from flopcalc.targets.spec import TargetSpec


class Totals(dict[str, Any]):
    """Totals by kind of cost, and the quantities of memory and time, which are computed on the first access.

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
        self._dtype = dtype
        self._failed = failed
        # Paths in the spec are relative to it.
        self._folder = os.getcwd()
        self._computed: dict[str, int | Fraction] = {}

    def __missing__(self, name: str) -> int | Fraction:
        """A quantity of memory in bytes, or a time in seconds. Raises FlopcalcError."""
        if not is_computed(name):
            raise KeyError(name)
        if name not in self._computed:
            try:
                with chdir(self._folder):
                    self._computed.update(self._found(name))
            except FlopcalcError as error:
                raise self._failed(error) from error
        return self._computed[name]

    def get(self, name: str, default: Any = None) -> Any:
        """As of a dict, and for the quantities of memory and time."""
        return self[name] if is_computed(name) else super().get(name, default)

    def _found(self, name: str) -> Mapping[str, int | Fraction]:
        time = read_time(name)
        if time is not None:
            return {name: self._time(*time)}
        # A Python model has the dtype of its own weights, if no other one is asked for.
        dtype = None if self._dtype == "float32" else self._dtype
        if name == "training_peak":
            return {name: memory_of(self._spec, self._step(dtype)).peak}
        found = memory_of(self._spec, question(dtype=dtype))
        return {"peak_memory": found.peak, "weights_bytes": found.weights}

    def _step(self, dtype: str | None) -> Question:
        """The training step of the target; with SGD where the target does not say how it is trained."""
        step = self._spec.training or TrainingOptions()
        of_memory = step.memory._asdict()
        return question(mode="training", dtype=dtype, checkpoint=step.checkpoint, freeze=step.freeze, **of_memory)

    def _time(self, device: str, execution: str) -> Fraction:
        found = roofline_spec(self._spec, find_device(device), self._dtype, read_execution(execution))
        return Fraction(found.estimate_s)

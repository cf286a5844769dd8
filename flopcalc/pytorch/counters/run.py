"""Running one counter on a copy of a module."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from flopcalc.errors import reason, unknown_name
from flopcalc.pytorch.calls.own_thread import in_own_thread
from flopcalc.pytorch.counters.counters import COUNTERS, Counter, Result
from flopcalc.pytorch.counters.figure import Figure
from flopcalc.pytorch.counters.guard import guarded
from flopcalc.pytorch.counters.installed import load, version_of
from flopcalc.pytorch.counting.contents import dtype_of, named_buffers_of, parameters_of
from flopcalc.pytorch.counting.copying import Copier
from flopcalc.pytorch.counting.counter import check_countable
from flopcalc.pytorch.counting.evaluation_mode import evaluate
from flopcalc.pytorch.counting.twins import has_no_values, input_values, is_meta, on_cpu, on_meta, real_copy
from flopcalc.pytorch.counting.values import Reading, placed, readings
from flopcalc.pytorch.loading import torchvision_operators

On = Literal["auto", "meta", "cpu"]


def run_counter(
    name: str, module: nn.Module, args: Sequence[Any] = (), named: Mapping[str, Any] | None = None, *, on: On = "auto"
) -> Figure | str:
    """The figure that a counter reports for one forward of a module, or one line that says why there is none.

    name: one of COUNTERS. args, named: as `flopcalc.count` takes them: tensors, or shapes with the batch. on: "meta"
    or "cpu" forces the device of the copy; by default it is the meta device where the figure is the same there, and
    the CPU where the forward fails on it. The module is left as it was, and so is the process. Raises
    FlopcalcError (unknown-counter), (uncountable-module), and (cannot-copy).
    """
    if name not in COUNTERS:
        raise unknown_name("counter", name, COUNTERS, f"one of: {', '.join(COUNTERS)}")
    check_countable(module)
    counter = COUNTERS[name]
    if not version_of(counter.package):
        return f"{counter.package} is not installed"
    devices = (counter.on, "cpu") if on == "auto" and counter.on == "meta" else (counter.on if on == "auto" else on,)
    failure = ""
    # As in a count: where the first reading of the arguments fails, the next one is tried.
    for device in dict.fromkeys(devices):
        for reading in readings(args, named or {}, module.forward):
            found = _run(name, counter, device, module, reading)
            if isinstance(found, Figure):
                return found
            failure = failure or found
    return failure


def reported(
    name: str, module: nn.Module, args: Sequence[Any] = (), named: Mapping[str, Any] | None = None
) -> tuple[int, str] | str:
    """What `run_counter` finds as plain data: the figure and the tool's version, or one line on why there is none."""
    found = run_counter(name, module, args, named)
    return (found.value, found.version) if isinstance(found, Figure) else found


def _run(name: str, counter: Counter, device: str, module: nn.Module, reading: Reading) -> Figure | str:
    with guarded(module) as printed:
        try:
            tool = load(counter.package)
        except Exception as error:
            return f"{counter.package} cannot be imported: {reason(error)}"
        copy, given, by_name = _copy(module, reading, device)
        try:
            value, macs, uncounted = in_own_thread(_reported, counter, tool, copy, given, by_name)
        except Exception as error:
            return _why_not(error, printed)
    numbers = [None if number is None else int(number) for number in (value, macs)]
    if numbers != [value, macs] or numbers[0] is None:
        return f"its figure is {value!r}, which is not a whole number"
    return Figure(name, version_of(counter.package), numbers[0], numbers[1], device, tuple(sorted(uncounted.items())))


def _reported(counter: Counter, tool: Any, copy: nn.Module, given: list[Any], by_name: dict[str, Any]) -> Result:
    with torch.enable_grad(), torchvision_operators.enabled():
        return counter.run(tool, copy, given, by_name)


def _why_not(error: Exception, printed: io.StringIO) -> str:
    """One line on a failure. torchinfo wraps the error of the forward in its own, and ptflops prints it."""
    cause = error.__cause__ or error
    if str(cause) == "no result":
        lines = [line for line in printed.getvalue().splitlines() if line.strip() and not line.startswith(" ")]
        return reason(lines[-1]) if lines else "it gives no result"
    return reason(f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__)


def _usable(copy: nn.Module) -> None:
    """Give a copy with values made up those that a forward can compute with: a variance is not negative.

    Biases of 1 keep the values of deep networks from becoming so small that a CPU multiplies them slowly.
    """
    with torch.no_grad():
        for where, buffer in named_buffers_of(copy):
            if where.endswith("running_var"):
                buffer.fill_(1)
        for parameter in parameters_of(copy):
            if parameter.ndim == 1 and parameter.is_floating_point():
                parameter.fill_(1)


def _copy(module: nn.Module, reading: Reading, device: str) -> tuple[nn.Module, list[Any], dict[str, Any]]:
    """A copy of the module and of its arguments on a device, in evaluation mode, with gradients as in the original."""
    generator = torch.Generator().manual_seed(0)
    meta = device == "meta"
    with Copier(on_meta if meta else on_cpu(generator), gradients=True) as copier:
        copy: nn.Module = copier.copy(module)
        evaluate(copy)
        if not meta and has_no_values(module):
            _usable(copy)
        dtype = dtype_of(copy)

        def new(shape: tuple[int, ...]) -> Tensor:
            empty = torch.empty(shape, dtype=dtype, device="meta")
            return empty if meta else input_values(empty, generator)

        def values(tensor: Tensor) -> Tensor:
            return input_values(tensor, generator) if is_meta(tensor) else real_copy(tensor)

        given, by_name = placed(reading, copier, on_meta if meta else values, new)
    return copy, given, by_name

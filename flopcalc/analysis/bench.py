"""`flopcalc.bench`: how long a pass takes on this machine, next to the bound and the estimate of a device."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, SupportsIndex

from flopcalc.analysis.roofline import Roofline, of_result, of_target
from flopcalc.analysis.timing.device import Device, Execution, read_dtype, read_execution
from flopcalc.analysis.timing.library import device as find_device
from flopcalc.cost.result import Result
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.inputs import InputLike
from flopcalc.networks.network import Network
from flopcalc.networks.progress_bar import Words, following
from flopcalc.networks.training import TrainingOptions, read_training
from flopcalc.spec.operator import Evaluation
from flopcalc.targets.call import from_call
from flopcalc.targets.read import Target, is_python, python_request, read_operator, read_target
from flopcalc.targets.spec import TargetSpec, as_flag

SCHEMA = "flopcalc/bench/1"
PLACES = ("cpu", "cuda")
MOST_SECONDS = 3600


class Times(NamedTuple):
    """Measured seconds of one run: the median, both quartiles, the fastest. warm_up: runs that do not count.

    macs: of the forward, or of both passes. bound_s, estimate_s: of the device that was named, None without one.
    """

    macs: int
    median_s: float
    lower_quartile_s: float
    upper_quartile_s: float
    least_s: float
    runs: int
    warm_up: int
    bound_s: float | None = None
    estimate_s: float | None = None


@dataclass(frozen=True, repr=False)
class Bench(Result):
    """The measured time of a target. before: the same before replacement, None where nothing is replaced.

    on: cpu or cuda. machine: the processor or the GPU. threads: those that torch uses on the CPU. device: whose bound
    and estimate are shown, or None. seconds: the budget of the measurement. execution: eager, graph or compiled. mode:
    a run is a forward (inference), or a forward and a backward pass (training).
    """

    target: str
    on: str
    machine: str
    threads: int
    torch: str
    dtype: str
    batch: int
    channels_last: bool
    seconds: float
    times: Times
    before: Times | None = None
    device: Device | None = None
    notes: tuple[str, ...] = ()
    execution: Execution = "eager"
    mode: str = "inference"

    @property
    def median_s(self) -> float:
        """Seconds of one run, the median of all timed runs."""
        return self.times.median_s

    @property
    def ratio(self) -> float | None:
        """The median time after replacement over that before it."""
        return None if self.before is None else self.times.median_s / self.before.median_s

    def __repr__(self) -> str:
        """A short text: the median and the quartiles."""
        times = self.times
        what = "" if self.mode == "inference" else ", training step"
        return (
            f"<Bench of {self.target}{what} on {self.on}, {self.dtype}, batch {self.batch}: {times.median_s:.3g} s, "
            f"quartiles {times.lower_quartile_s:.3g} and {times.upper_quartile_s:.3g} s, {times.runs} runs>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as `flopcalc bench --format json` shows it."""
        return {
            "schema": SCHEMA,
            "target": self.target,
            "on": self.on,
            "machine": self.machine,
            "threads": self.threads,
            "torch": self.torch,
            "dtype": self.dtype,
            "batch": self.batch,
            "mode": self.mode,
            "execution": self.execution,
            "channels_last": self.channels_last,
            "seconds": self.seconds,
            "device": None if self.device is None else self.device.name,
            **self.times._asdict(),
            "before": None if self.before is None else self.before._asdict(),
            "ratio": self.ratio,
            "notes": list(self.notes),
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """One row for each version: before and after replacement, or the only one."""
        if self.before is None:
            version = "forward" if self.mode == "inference" else "step"
            return [{"version": version, **self.times._asdict()}]
        return [{"version": "before", **self.before._asdict()}, {"version": "after", **self.times._asdict()}]


class Way(NamedTuple):
    """How to measure, and for how long. channels_last: None for the usual order of the device and the dtype.

    step: how it is trained; None for inference.
    """

    on: str = "cpu"
    dtype: str = "float32"
    seconds: float = 5.0
    channels_last: bool | None = None
    device: Device | None = None
    execution: Execution = "eager"
    step: TrainingOptions | None = None


def read_seconds(value: Any) -> float:
    """A budget. Raises FlopcalcError (bad-option) unless it is larger than 0 and at most an hour."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_SECONDS:
        why = f"seconds is {clip(value)}; it must be larger than 0 and at most {MOST_SECONDS}"
        raise FlopcalcError("bad-option", why, "write for example --seconds 5")
    return float(value)


def way(
    on: str,
    dtype: str,
    seconds: Any,
    channels_last: bool | None = None,
    device: str | os.PathLike[str] | Device | None = None,
    execution: str = "eager",
    mode: str = "inference",
) -> Way:
    """How to measure, from the values that a user gives. Raises FlopcalcError."""
    if on not in PLACES:
        raise FlopcalcError("bad-option", f"on is {clip(on)}", f"one of: {', '.join(PLACES)}")
    found = None if device is None else find_device(device)
    kind = read_dtype(dtype)
    if found is not None:
        found.peak(kind)
    chosen = read_execution(execution)
    if chosen == "graph" and on != "cuda":
        why = "--execution graph is a CUDA graph, and the CPU has none"
        raise FlopcalcError("bad-option", why, "write --on cuda, or --execution eager")
    if channels_last is not None:
        channels_last = as_flag(channels_last, "channels_last")
    return Way(on, kind, read_seconds(seconds), channels_last, found, chosen, read_training(mode))


def bench(
    what: Any,
    /,
    *,
    on: str = "cpu",
    dtype: str = "float32",
    batch: SupportsIndex = 1,
    execution: str = "eager",
    mode: str = "inference",
    seconds: float = 5.0,
    channels_last: bool | None = None,
    device: str | os.PathLike[str] | Device | None = None,
    input: InputLike | Sequence[InputLike] | None = None,
    replace: str | Iterable[str] = (),
    where: str | None = None,
    keep: str | Iterable[str] = (),
    arg: Mapping[str, Any] | None = None,
    method: str | None = None,
    timeout: float | None = None,
    **options: Any,
) -> Bench:
    """How long a forward takes on this machine: `bench("resnet50", replace="spconv", seconds=10)`.

    what: a network or an operator as `flopcalc list` shows it, a path, or a Python model as in `flopcalc model`; a
    module is copied first. on: cpu or cuda. execution: `eager`, `graph` (a CUDA graph, captured once and replayed) or
    `compiled` (by torch.compile). mode: `training` runs a forward and a backward pass, with the sum of the outputs as
    the loss and without an optimizer. seconds: the budget of the measurement; with replace both versions share
    it, and take turns. channels_last: None for half precision on a GPU only. device: adds the bound and the estimate
    of `flopcalc.roofline`. The other keywords describe the target as in `flopcalc.roofline`.

    `.median_s` is the time of one forward without gradients, or of one training step, `.times` has the quartiles and
    the number of runs, `.before` the same before replacement. Needs PyTorch. Threads, flags and random numbers of the
    process stay as they are. Raises FlopcalcError.
    """
    chosen = way(on, dtype, seconds, channels_last, device, execution, mode)
    spec = from_call(
        what, options, batch=batch, timeout=timeout,
        input=input, replace=replace, where=where, keep=keep, arg=arg, method=method,
    )  # fmt: skip
    with following(Words(spec.shown)):
        return bench_spec(spec, chosen)


def bench_spec(spec: TargetSpec, asked: Way) -> Bench:
    """As `bench`, of a target that a spec names. Raises FlopcalcError."""
    # Imports torch, or raises missing-package.
    torch = import_module("flopcalc.pytorch.measuring.run")
    place = torch.place(asked.on, asked.dtype, asked.channels_last)
    chosen = place._replace(execution=asked.execution, training=asked.step is not None)
    found: Roofline | None = None
    if spec.kind == "operator":
        evaluation = read_operator(spec)
        name, batch = evaluation.operator.name, int(evaluation.geometry.batch)
        macs = [int(_macs(evaluation, asked.step))]
        if asked.device is not None:
            found = of_result(evaluation, asked.device, asked.dtype, asked.execution, step=asked.step, first=True)
        times = torch.measure_described([evaluation], chosen, asked.seconds)
        notes: list[str] = []
    else:
        target = read_target(spec)
        _check_replaced(target)
        name, batch = target.network.name, target.network.batch
        versions = [target.plain] if target.replacement is None else [target.plain, target.network]
        macs = [int(_macs(one, asked.step)) for one in versions]
        if asked.device is not None:
            found = of_target(target, asked.device, asked.dtype, asked.execution, step=asked.step)
        if isinstance(spec.what, str) and not is_python(spec.what):
            times = torch.measure_described(versions, chosen, asked.seconds)
            notes = ["the module is built from the description, with random weights"]
        else:
            times = torch.measure_model(python_request(spec, torch), chosen, asked.seconds)
            notes = []
        if target.network.uncounted:
            notes.append("some kernels have no counting rule: MACs, bound and estimate are at least those shown")
    rooflines = [] if found is None else [found.before, found.time] if found.before is not None else [found.time]
    rows = [
        Times(count, *one, *((rooflines[place].bound_s, rooflines[place].estimate_s) if rooflines else (None, None)))
        for place, (count, one) in enumerate(zip(macs, times, strict=True))
    ]
    if found is not None and any(row.bound_s and row.least_s < row.bound_s for row in rows):
        notes.append(f"measured faster than the bound: this machine is not {found.device.name}, or its peaks are low")
    setting = torch.setting(asked.on)
    return Bench(
        target=name,
        on=asked.on,
        machine=setting.machine,
        threads=setting.threads,
        torch=setting.torch,
        dtype=asked.dtype,
        batch=batch,
        channels_last=chosen.channels_last,
        seconds=asked.seconds,
        times=rows[-1],
        before=rows[0] if len(rows) > 1 else None,
        device=asked.device,
        notes=tuple(notes),
        execution=asked.execution,
        mode="inference" if asked.step is None else "training",
    )


def _macs(what: Evaluation | Network, step: TrainingOptions | None) -> int:
    """The MACs of the forward, or of a training step, in which an input needs no gradient."""
    if step is None:
        return what.macs
    # Only training needs it.
    from flopcalc.analysis.training.training import network_training, operator_training

    return (
        network_training(what, step) if isinstance(what, Network) else operator_training(what, step, first=True)
    ).macs


def _check_replaced(target: Target) -> None:
    """Raise FlopcalcError (nothing-replaced) where before and after would be the same."""
    if target.replacement is not None and not target.replacement.replaced:
        why = f"{target.replacement.plan.text} replaces nothing"
        raise FlopcalcError("nothing-replaced", why, "`flopcalc model ... --replace` shows the reason for each layer")

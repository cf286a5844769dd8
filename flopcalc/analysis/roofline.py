"""`flopcalc.roofline`: how long a network or an operator takes on a device."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

from flopcalc.analysis.timing import kernels, measured, words
from flopcalc.analysis.timing.backward import FITTED
from flopcalc.analysis.timing.device import Device, Execution, read_dtype, read_execution
from flopcalc.analysis.timing.library import device as find_device
from flopcalc.analysis.timing.network_time import LayerTime, NetworkTime, network_time
from flopcalc.analysis.timing.training import of_training
from flopcalc.cost.result import Result
from flopcalc.networks.inputs import InputLike
from flopcalc.networks.network import Network, Uncounted
from flopcalc.networks.network import size as shape_text
from flopcalc.networks.progress_bar import Words, following
from flopcalc.networks.training import TrainingOptions, read_training
from flopcalc.spec.operator import Evaluation
from flopcalc.targets.call import from_call, refuse_on_result
from flopcalc.targets.read import Target, read_operator, read_target
from flopcalc.targets.spec import TargetSpec, as_flag, as_texts

SCHEMA = "flopcalc/roofline/1"


@dataclass(frozen=True, repr=False)
class Roofline(Result):
    """The time of a target on a device, in seconds.

    bound_s: no execution of these kernels is faster. estimate_s: what to expect. time: both for each layer. before: the
    same before replacement, or None. measured_s, measured_before_s: the measured time, where one is on file. uncounted:
    operations without a counting rule, by name and number; if there are some, all times are lower bounds ("at least").
    rows: the word for one of `layers`: layer, or part, of an operator.
    """

    target: str
    device: Device
    dtype: str
    batch: int
    mode: str
    execution: Execution
    fused: bool
    time: NetworkTime
    before: NetworkTime | None = None
    measured_s: float | None = None
    measured_before_s: float | None = None
    uncounted: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    rows: str = "layer"

    @property
    def bound_s(self) -> float:
        """Seconds that no execution of the kernels beats."""
        return self.time.bound_s

    @property
    def estimate_s(self) -> float:
        """Seconds to expect."""
        return self.time.estimate_s

    @property
    def limited_by(self) -> Mapping[str, float]:
        """The seconds of the estimate, by what limits the layers: compute, memory or launch."""
        return dict(self.time.limited_by.items())

    @property
    def layers(self) -> tuple[LayerTime, ...]:
        """The layers with their times, in order; of an operator its parts."""
        return self.time.layers

    def __repr__(self) -> str:
        """A short text: bound and estimate."""
        least = "at least " if self.uncounted else ""
        return (
            f"<Roofline of {self.target} on {self.device.name}, {self.dtype}, batch {self.batch}, {self.execution}: "
            f"{least}{self.estimate_s:.3g} s expected, bound {self.bound_s:.3g} s>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as `flopcalc roofline --format json` shows it."""
        return {
            "schema": SCHEMA,
            "target": self.target,
            "device": self.device.name,
            "dtype": self.dtype,
            "batch": self.batch,
            "mode": self.mode,
            "execution": self.execution,
            "fused": self.fused,
            "at_least": bool(self.uncounted),
            **_totals(self.time),
            "measured_s": self.measured_s,
            "peak_flops": self.device.peak(self.dtype),
            "bandwidth": self.device.bandwidth,
            "before": None if self.before is None else {**_totals(self.before), "measured_s": self.measured_before_s},
            "layers": self.to_rows(),
            "uncounted": [dict(one) for one in self.uncounted],
            "notes": list(self.notes),
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """One row for each layer; of an operator for each part."""
        return [
            {
                "name": layer.name,
                "macs": layer.macs,
                "traffic_bytes": layer.traffic_bytes,
                "intensity": layer.intensity,
                "kernels": layer.kernels,
                "bound_s": layer.bound_s,
                "estimate_s": layer.estimate_s,
                "limited_by": layer.limited_by,
            }
            for layer in self.layers
        ]


def _totals(time: NetworkTime) -> dict[str, Any]:
    flops, traffic = sum(one.flops for one in time.layers), sum(one.traffic_bytes for one in time.layers)
    return {
        "bound_s": time.bound_s,
        "estimate_s": time.estimate_s,
        "limited_by": dict(time.limited_by),
        "macs": sum(one.macs for one in time.layers),
        "flops": flops,
        "traffic_bytes": traffic,
        "intensity": flops / traffic if traffic else None,
        "kernels": sum(one.kernels for one in time.layers),
    }


def roofline(
    what: Any,
    /,
    *,
    device: str | os.PathLike[str] | Device,
    dtype: str = "float32",
    batch: SupportsIndex = 1,
    execution: str = "eager",
    fused: bool = False,
    mode: str = "inference",
    freeze: str | Iterable[str] = (),
    checkpoint: str | Iterable[str] = (),
    input: InputLike | Sequence[InputLike] | None = None,
    replace: str | Iterable[str] = (),
    where: str | None = None,
    keep: str | Iterable[str] = (),
    arg: Mapping[str, Any] | None = None,
    method: str | None = None,
    on: str | None = None,
    timeout: float | None = None,
    **options: Any,
) -> Roofline:
    """How long a target takes on a device: `roofline("resnet50", device="h200", dtype="float16", batch=32)`.

    what: a network or an operator as `flopcalc list` shows it, a path, a Python model as in `flopcalc model`, or the
    result of `flopcalc.network` or `flopcalc.layer`. device: a shipped device such as h100, the path of a YAML file, or
    a `Device`. dtype: of all tensors; float32 is without TF32, which is `tf32`. execution: `eager`, `graph` (a CUDA
    graph: no host between the kernels) or `compiled`. fused: the bound is that of a compiler, which merges element-wise
    kernels; always so for compiled execution. mode: `training` is the time of a forward and a backward pass; freeze and
    checkpoint are then as in `flopcalc.training`, and an operator is a layer whose input needs a gradient. The other
    keywords describe the target as `flopcalc.network` and `flopcalc.layer` do.

    All times are in seconds. `.bound_s` is a limit that follows from the data sheet, `.estimate_s` an expectation with
    efficiencies that were fitted on measurements (docs/roofline.md); `.layers` has both for each layer. Raises
    FlopcalcError for unknown names, dtypes that the device lacks, and wrong values.

    >>> from flopcalc import roofline
    >>> found = roofline("resnet50", device="h200", dtype="float16", batch=32, replace="spconv")
    >>> found.estimate_s > found.bound_s
    True
    """
    fused = as_flag(fused, "fused")
    chosen = find_device(device), read_dtype(dtype), read_execution(execution)
    step = read_training(mode, as_texts(freeze, "freeze", "conv1"), as_texts(checkpoint, "checkpoint", "layer1"))
    if isinstance(what, Network | Evaluation):
        of_target = {"input": input, "replace": replace, "where": where, "keep": keep, "arg": arg, "method": method}
        refuse_on_result(what, batch, {**of_target, "on": on, **options})
        return of_result(what, *chosen, fused=fused, step=step)
    spec = from_call(
        what, options, batch=batch, timeout=timeout,
        input=input, replace=replace, where=where, keep=keep, arg=arg, method=method, on=on,
    )  # fmt: skip
    with following(Words(spec.shown)):
        return roofline_spec(spec._replace(training=step), *chosen, fused=fused)


def roofline_spec(
    spec: TargetSpec, device: Device, dtype: str, execution: Execution, *, fused: bool = False
) -> Roofline:
    """As `roofline`, of a target that a spec names, in training if the spec says so. Raises FlopcalcError."""
    # Before a model is built, which can take long.
    device.peak(dtype)
    step = spec.training
    if spec.kind == "operator":
        return of_result(read_operator(spec), device, dtype, execution, fused=fused, step=step)
    target = read_target(spec)
    found = of_target(target, device, dtype, execution, fused=fused, step=step)
    return found if step is not None else with_measured(found, spec, target)


def of_result(
    what: Network | Evaluation,
    device: Device,
    dtype: str,
    execution: Execution,
    *,
    fused: bool = False,
    step: TrainingOptions | None = None,
    first: bool = False,
) -> Roofline:
    """The time of a network or of an operator on a shape. Raises FlopcalcError.

    step: how it is trained; None for inference. first: the input of the operator needs no gradient.
    """
    fused = fused or execution == "compiled"
    if isinstance(what, Network):
        return of_target(Target(what, None), device, dtype, execution, fused=fused, step=step)
    layers = kernels.of_evaluation(what) if step is None else _of_operator(what, step, first)
    time = network_time(layers, device, dtype, execution, fused=fused, step=None if step is None else FITTED)
    more = () if step is None else words.NOTES_ON_TRAINING
    # A training step is one row, of both passes.
    rows = "part" if step is None else "layer"
    return Roofline(
        what.operator.name, device, dtype, int(what.geometry.batch), _mode(step), execution, fused, time,
        notes=(*more, *_notes(time, device, dtype, execution, fused=fused, rows=rows)), rows=rows,
    )  # fmt: skip


def _of_operator(e: Evaluation, step: TrainingOptions, first: bool) -> list[kernels.Timed]:
    # Only training needs it.
    from flopcalc.analysis.training.training import operator_training

    found = operator_training(e, step, first=first)
    return of_training(found.forward, found.backward)


def of_target(
    target: Target,
    device: Device,
    dtype: str,
    execution: Execution,
    *,
    fused: bool = False,
    step: TrainingOptions | None = None,
) -> Roofline:
    """The time of a network, and before replacement where layers were replaced. Raises FlopcalcError.

    step: how it is trained; None for inference.
    """
    # A compiler merges kernels: the bound of separate ones is none.
    fused = fused or execution == "compiled"
    network = target.network
    layers, uncounted = _layers(network, step)
    factors = None if step is None else FITTED
    time, before = network_time(layers, device, dtype, execution, fused=fused, step=factors), None
    notes: tuple[str, ...] = ()
    if target.replacement is not None:
        plain = _layers(target.plain, step)[0]
        before = network_time(plain, device, dtype, execution, fused=fused, step=factors)
        notes = tuple(words.why(before, time))
    if step is not None:
        again = (words.NOTE_ON_CHECKPOINTS,) if step.checkpoint else ()
        notes = (*notes, *words.NOTES_ON_TRAINING, *again)
    return Roofline(
        target=network.name,
        device=device,
        dtype=dtype,
        batch=network.batch,
        mode=_mode(step),
        execution=execution,
        fused=fused,
        time=time,
        before=before,
        uncounted=tuple({"op": one.op, "module": one.module, "count": one.times} for one in uncounted),
        notes=(*notes, *_notes(time, device, dtype, execution, fused=fused)),
    )


def _mode(step: TrainingOptions | None) -> str:
    return "inference" if step is None else "training"


def _layers(network: Network, step: TrainingOptions | None) -> tuple[list[kernels.Timed], tuple[Uncounted, ...]]:
    """The layers with their kernels, and the kernels without a rule."""
    if step is None:
        return kernels.of_network(network), network.uncounted
    # Only training needs it.
    from flopcalc.analysis.training.training import network_training

    found = network_training(network, step)
    return of_training(found.forward, found.backward), found.network.uncounted


def _notes(
    time: NetworkTime, device: Device, dtype: str, execution: Execution, *, fused: bool, rows: str = "layer"
) -> tuple[str, ...]:
    return (
        *words.notes_on_bound(time, dtype, fused=fused, rows=rows),
        *words.notes_on_estimate(device, dtype, execution),
    )


def with_measured(found: Roofline, spec: TargetSpec, target: Target) -> Roofline:
    """The same with the measured times of this pass, and of the one before replacement."""
    if spec.settings or not isinstance(spec.what, str):
        return found
    plan = spec.plan
    clause = "" if plan is None else " ".join(one.command for one in plan.requests)
    if plan is not None and (plan.where is not None or plan.keep or len(plan.requests) > 1):
        clause = "(not on file)"
    name = spec.what.removeprefix("torchvision:")
    asked = found.device.name, name, shape_text(target.plain.input_shape)
    rest = spec.batch, found.dtype, found.execution
    after = measured.find(*asked, clause, *rest)
    plain = measured.find(*asked, "", *rest) if plan is not None else None
    notes = tuple(f"measured: {one.source}" for one in (after or plain,) if one is not None)
    return Roofline(
        **{
            **found.__dict__,
            "measured_s": after.seconds if after else None,
            "measured_before_s": plain.seconds if plain else None,
            "notes": (*found.notes, *notes),
        }
    )

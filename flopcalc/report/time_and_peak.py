"""Time on a device and peak memory in the records of layers and networks: keys that are there if a column asks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from flopcalc.analysis.memory.memory import memory_of
from flopcalc.analysis.memory.operator import DIFFERENCES, operator_peak
from flopcalc.analysis.memory.question import question
from flopcalc.analysis.memory.record import at
from flopcalc.analysis.roofline import Roofline, of_result, of_target
from flopcalc.analysis.timing import words
from flopcalc.analysis.timing.device import Device, Execution
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.networks.training import TrainingOptions
from flopcalc.report.columns import ALL, Field, cell_of, names_of
from flopcalc.report.document import Column, people, seconds
from flopcalc.report.uncounted import at_least
from flopcalc.spec.operator import Evaluation
from flopcalc.targets.read import Target
from flopcalc.targets.spec import TargetSpec

# The names that --columns takes. Each needs more than the formula.
TIME = ("time", "bound")
PEAK = "peak"
NAMES = (*TIME, PEAK)
# By the keys of a record.
COLUMNS = {
    "bound_s": Column("bound", "seconds", key="bound_s"),
    "estimate_s": Column("time", "seconds", key="estimate_s"),
    "activations_peak_bytes": Column("peak (bytes)", key="activations_peak_bytes"),
}


class Asked(NamedTuple):
    """What to compute. device: that of the time, or None without a time. dtype: of all tensors."""

    device: Device | None
    execution: Execution
    dtype: str
    peak: bool

    def __bool__(self) -> bool:
        """Whether there is anything to compute."""
        return self.device is not None or self.peak


def reads(columns: str | None, *wanted: str) -> bool:
    """Whether `--columns` names one of the columns."""
    return any(name in wanted for name in names_of(columns))


def reads_time(columns: str | None) -> bool:
    """Whether `--columns` can show a time."""
    return reads(columns, *TIME, ALL)


def add_to_layer(record: dict[str, Any], e: Evaluation, asked: Asked) -> None:
    """Of an operator: device, execution, bound_s, estimate_s, limited_by; activations_peak_bytes.

    The time is that of a training step where the record is of one.
    """
    if asked.device is not None:
        step = TrainingOptions() if record.get("mode") == "training" else None
        first = bool(record.get("first"))
        record |= _time(of_result(e, asked.device, asked.dtype, asked.execution, step=step, first=first))
    if asked.peak:
        record["activations_peak_bytes"] = operator_peak(e, DTYPE_BYTES[asked.dtype])


def add_to_model(record: dict[str, Any], target: Target, spec: TargetSpec, asked: Asked) -> None:
    """As `add_to_layer`, of a network, of each layer (its part of the peak is live_bytes), and before replacement."""
    if asked.device is not None:
        _add_time(record, of_target(target, asked.device, asked.dtype, asked.execution, step=spec.training))
    if asked.peak:
        _add_peak(record, spec, asked.dtype)


def _add_time(record: dict[str, Any], found: Roofline) -> None:
    record |= _time(found)
    times = {layer.name: layer for layer in found.layers}
    for layer in record["layers"]:
        one = times.get(layer["name"])
        layer["bound_s"], layer["estimate_s"] = (one.bound_s, one.estimate_s) if one else (0.0, 0.0)
        layer["limited_by"] = one.limited_by if one else None
    if found.before is not None:
        record["baseline"] |= {"bound_s": found.before.bound_s, "estimate_s": found.before.estimate_s}
        record["notes"] = [*record["notes"], *words.why(found.before, found.time)]
    record["notes"] = [*record["notes"], *words.notes_on_estimate(found.device, found.dtype, found.execution)]


def _add_peak(record: dict[str, Any], spec: TargetSpec, dtype: str) -> None:
    # A Python model has the dtype of its own weights, if no other one is asked for.
    asked = question(dtype=None if dtype == "float32" else dtype)
    found = memory_of(spec, asked)
    record["activations_peak_bytes"], record["activations_peak_at"] = found.activations_peak, found.activations_at
    live = {moment.name: moment.live for moment in found.layers}
    for layer in record["layers"]:
        layer["live_bytes"] = live.get(layer["name"])
    if record["baseline"] is not None:
        record["baseline"]["activations_peak_bytes"] = memory_of(spec.without_plan(), asked).activations_peak


def _time(found: Roofline) -> dict[str, Any]:
    return {
        "device": found.device.name,
        "execution": found.execution,
        "bound_s": found.bound_s,
        "estimate_s": found.estimate_s,
        "limited_by": dict(found.limited_by),
    }


def peak_notes(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    """Where the peak of an operator is not that of its module."""
    for name in dict.fromkeys(e.operator.name for e in evaluations):
        if name in DIFFERENCES:
            yield f"{name}: its peak is that of its parts: {DIFFERENCES[name]}"


def time_fields(record: Mapping[str, Any]) -> list[Field]:
    """The columns, as far as the record has them."""
    found = []
    if "estimate_s" in record:
        found += [
            Field("time", COLUMNS["estimate_s"], cell_of("estimate_s")),
            Field("bound", COLUMNS["bound_s"]._replace(drop=1), cell_of("bound_s")),
        ]
    if "activations_peak_bytes" in record:
        column = COLUMNS["activations_peak_bytes"]
        found.append(Field(PEAK, column, lambda row: row.get("activations_peak_bytes", row.get("live_bytes"))))
    return found


def with_default(columns: str | None, default: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """What to choose from: if `--columns` names no other column than these, they are added to the default ones."""
    names = names_of(columns)
    if names and all(name in NAMES for name in names):
        return None, (*default, *names)
    return columns, tuple(default)


def kinds_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a record that can be compared with those before replacement."""
    return tuple(key for key in COLUMNS if key in record)


def time_facts(record: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What the columns of a network are, with the totals."""
    unknown = record["uncounted"]
    if "estimate_s" in record:
        total = record["estimate_s"] or 1.0
        limits = ", ".join(f"{name} {part / total:.0%}" for name, part in record["limited_by"].items())
        time = at_least(f"{seconds(record['estimate_s'])} expected", unknown)
        bound = at_least(seconds(record["bound_s"]), unknown)
        yield "time", f"{time} on {_where(record)}; bound {bound}; limited by {limits}"
    if "activations_peak_bytes" in record:
        size = people(record["activations_peak_bytes"])
        where = f",{at(record['activations_peak_at'])}" if record["activations_peak_at"] else ""
        yield "peak", f"{size} bytes of tensors alive at once in inference, without weights and input{where}"


def compare_facts(record: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What the columns of operators are."""
    if "estimate_s" in record:
        what = ", of both passes" if "backward" in record else ""
        yield "time", f"expected on {_where(record)}{what}"
    if "activations_peak_bytes" in record:
        yield "peak", "bytes of tensors alive at once in inference, without weights and input"


def _where(record: Mapping[str, Any]) -> str:
    return f"{record['device']} in {record['dtype']}, {record['execution']}"

"""Fitting the efficiencies of a device on measured passes, in plain Python.

Each parameter is searched on a logarithmic scale, one after the other, with steps that become smaller; the loss is
robust, so that a disturbed measurement counts little, and draws each parameter to its value before the fit, so that one
that the measurements say little of keeps it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import NamedTuple

from flopcalc.analysis.timing.device import Device, Efficiency, Execution, Rates, share
from flopcalc.analysis.timing.estimate import POWER, Coefficients, Terms, coefficients_of, seconds, smooth_max, terms_of
from flopcalc.analysis.timing.kernels import MATRIX, Kernel, Timed, all_kernels
from flopcalc.analysis.timing.ties import BANDWIDTHS, RATES

# Steps of the search, as logarithms; each is used until no parameter improves, and at most so often.
_STEPS = (1.2, 0.6, 0.3, 0.12, 0.05)
_ROUNDS = 3
# How strongly a parameter is drawn to its start, and the error from which a row counts less.
_PULL = 0.05
_SCALE = 0.1
# Shares of a peak: no kernel is faster than the data sheet; and a lower end that keeps the search finite.
_LEAST, _MOST = 1e-4, 1.0


class Measured(NamedTuple):
    """A measured pass: its layers, and the seconds of one forward."""

    name: str
    layers: Sequence[Timed]
    dtype: str
    seconds: float


@dataclass(frozen=True)
class Fit:
    """The fitted efficiencies, and the seconds that they give for each measured pass."""

    efficiency: Efficiency
    estimates: tuple[float, ...]


class _Entry(NamedTuple):
    """Equal kernels of a pass. times: how often the kernel runs."""

    kernel: Kernel
    terms: Terms
    times: float
    launches: float


def fit(device: Device, rows: Sequence[Measured], execution: Execution = "eager") -> Fit:
    """The parameters of a device that give the times of all rows best, from those that it has."""
    entries = [_entries(row, device) for row in rows]
    names = _parameters(rows, entries)
    value = dict.fromkeys(names, 0.0)
    logs = [log(row.seconds) for row in rows]

    def loss(given: Mapping[str, float]) -> float:
        changed = _changed(device, given, execution)
        total = sum((_PULL * one) ** 2 for one in given.values())
        for row, one, truth in zip(rows, entries, logs, strict=True):
            miss = (log(_estimate(changed, row, one, execution)) - truth) / _SCALE
            total += 2 * _SCALE**2 * (sqrt(1 + miss * miss) - 1)
        return total

    best = loss(value)
    for step in _STEPS:
        for _ in range(_ROUNDS):
            before = best
            for name in names:
                for move in (step, -step):
                    tried = {**value, name: value[name] + move}
                    one = loss(tried)
                    if one < best - 1e-9:
                        best, value = one, tried
                        break
            if best > before - 1e-6:
                break
    found = _changed(device, value, execution)
    return Fit(found.efficiency, tuple(_estimate(found, *one, execution) for one in zip(rows, entries, strict=True)))


def estimates(device: Device, rows: Sequence[Measured], execution: Execution = "eager") -> list[float]:
    """The seconds of each pass by the parameters that a device has."""
    return [_estimate(device, row, _entries(row, device), execution) for row in rows]


def _entries(row: Measured, device: Device) -> list[_Entry]:
    found = []
    for kernel, times in Counter(one._replace(name="") for one in all_kernels(row.layers)).items():
        if not (kernel.is_merged and kernel.kind != "matmul"):
            # Where libraries change the layout, they launch more.
            is_copied = kernel.axes != 2 and kernel.kind in MATRIX and kernel.kind != "depthwise"
            copies = device.rates(row.dtype)[0].copies if is_copied else 0.0
            number = float(times * kernel.number)
            found.append(_Entry(kernel, terms_of(kernel, row.dtype), number, number * (1 + copies)))
    return found


def _parameters(rows: Sequence[Measured], entries: Sequence[Sequence[_Entry]]) -> list[str]:
    """The parameters that the rows say something of."""
    names = ["launch", "start", "cache"]
    for dtype in dict.fromkeys(row.dtype for row in rows):
        own = [one for row, found in zip(rows, entries, strict=True) if row.dtype == dtype for one in found]
        kinds = {one.kernel.kind for one in own}
        names += [f"{dtype}.rate.{group}" for group, tied in RATES.items() if kinds & set(tied)]
        names += [f"{dtype}.bandwidth.{group}" for group, tied in BANDWIDTHS.items() if kinds & set(tied)]
        names += [f"{dtype}.{name}" for name in ("inner", "columns", "group_columns", "outputs")]
        if any(one.terms.extra_taps for one in own):
            names.append(f"{dtype}.depthwise_window")
        if dtype == "float32":
            names.append("float32.winograd_gain")
    return names


def _changed(device: Device, value: Mapping[str, float], execution: Execution) -> Device:
    """The device with its parameters times the factors, whose logarithms are given."""
    old = device.efficiency
    dtypes = dict.fromkeys(name.partition(".")[0] for name in value if "." in name)
    by_dtype = {**old.by_dtype, **{dtype: _rates(device.rates(dtype)[0], value, dtype) for dtype in dtypes}}
    launch = {**old.launch, execution: (old.launch[execution] or 1e-6) * exp(value["launch"])}
    start = {**old.start, execution: (old.start[execution] or 1e-6) * exp(value["start"])}
    cache = (old.cache or 0.05) * exp(value["cache"])
    return device._replace(
        efficiency=old._replace(launch=launch, start=start, cache=min(cache, 3.0), by_dtype=by_dtype, like="")
    )


def _rates(old: Rates, value: Mapping[str, float], dtype: str) -> Rates:
    tables = []
    for key, ties in (("rate", RATES), ("bandwidth", BANDWIDTHS)):
        table: dict[str, float] = {str(kind): one for kind, one in getattr(old, key).items()}
        for group, kinds in ties.items():
            factor = exp(value.get(f"{dtype}.{key}.{group}", 0.0))
            for kind in kinds:
                table[kind] = min(max(share(getattr(old, key), kind) * factor, _LEAST), _MOST)
        tables.append(table)
    numbers = {
        name: getattr(old, name) * exp(value[f"{dtype}.{name}"])
        for name in ("inner", "columns", "group_columns", "outputs", "winograd_gain", "depthwise_window")
        if f"{dtype}.{name}" in value
    }
    return old._replace(rate=tables[0], bandwidth=tables[1], **numbers)


def _estimate(device: Device, row: Measured, entries: Sequence[_Entry], execution: Execution) -> float:
    """The seconds of a pass, as `network_time` has them before it compares layers with their bounds."""
    known: dict[tuple[str, int], Coefficients] = {}
    work = launches = 0.0
    for one in entries:
        key = one.kernel.kind, one.kernel.axes
        if key not in known:
            known[key] = coefficients_of(one.kernel, device, row.dtype)
        compute, memory = seconds(one.terms, known[key])
        work += (compute**POWER + memory**POWER) ** (1 / POWER) * one.times
        launches += one.launches
    gaps = launches * device.efficiency.launch[execution] * device.rates(row.dtype)[0].launch
    start = device.efficiency.start[execution]
    return start + (smooth_max(work, gaps) if execution == "eager" else work + gaps)

"""The parameters of a device's estimate as a vector, and their fit, for `fit_devices.py`. Needs NumPy and SciPy.

The time of a pass is computed by the formula that flopcalc itself has (`flopcalc.analysis.timing.estimate.seconds`), on
arrays of all kernels. Parameters are fitted as logarithms, on the logarithms of times, with a robust loss, and are
drawn to start values that follow from what kernels do; so that a parameter that the rows say little of stays sensible.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares
from timing_data import Row

from flopcalc.analysis.timing.device import Device, Efficiency, Rates
from flopcalc.analysis.timing.estimate import POWER, Coefficients, Terms, seconds, terms_of
from flopcalc.analysis.timing.kernels import KERNEL_KINDS, MATRIX, Kernel
from flopcalc.analysis.timing.ties import BANDWIDTHS, KEPT, RATES


class Start(NamedTuple):
    """The start value of a parameter, how strongly it is drawn to it, and its limits."""

    value: float
    pull: float = 1.0
    low: float = 1e-9
    high: float = 1e12


FLOAT32 = {
    "rate.conv": Start(0.6, 1, 0.01, 1),
    "rate.pointwise": Start(0.5, 1, 0.01, 1),
    "rate.depthwise": Start(0.3, 1, 0.001, 1),
    "rate.distance": Start(0.03, 1, 0.001, 1),
    "bandwidth.matrix": Start(0.5, 1, 0.01, 1),
    "bandwidth.depthwise": Start(0.6, 1, 0.01, 1),
    "bandwidth.norm": Start(0.7, 1, 0.01, 1),
    "bandwidth.stream": Start(0.7, 1, 0.01, 1),
    "bandwidth.reduce": Start(0.5, 1, 0.01, 1),
    "bandwidth.gather": Start(0.2, 1, 0.01, 1),
    "inner": Start(15),
    "columns": Start(5),
    "group_columns": Start(8, 8),
    "outputs": Start(2300),
    "depthwise_window": Start(0.3, 1),
    "launch": Start(1.0, 1000),
    "winograd_gain": Start(0.5, 1, 0.01, 5),
    "winograd_outputs": Start(7.5e4),
}
FLOAT16 = {
    **{name: start for name, start in FLOAT32.items() if not name.startswith("winograd") and name != "rate.distance"},
    "rate.conv": Start(0.7, 1, 0.01, 1),
    "rate.pointwise": Start(0.7, 1, 0.01, 1),
    "rate.depthwise": Start(0.02, 8, 0.001, 1),
    "bandwidth.depthwise": Start(0.5, 1, 0.01, 1),
    "bandwidth.norm": Start(0.5, 1, 0.01, 1),
    "bandwidth.stream": Start(0.5, 1, 0.01, 1),
    "bandwidth.reduce": Start(0.4, 1, 0.01, 1),
    "bandwidth.gather": Start(0.08, 1, 0.01, 1),
    "inner": Start(60, 8),
    "columns": Start(20, 8),
    "group_columns": Start(20, 8),
    "outputs": Start(7600),
    "launch": Start(1.2),
}
# Of a half-precision convolution of a sequence or a volume: a copy before it and one after it.
COPIES = {"float16": 2.0, "bfloat16": 2.0}
COMMON = {
    "cache": Start(0.2, 1, 1e-3, 3),
    "launch.graph": Start(2.3e-6),
    "start.graph": Start(4e-6),
    "launch.eager": Start(12e-6),
    "start.eager": Start(10e-6),
    "launch.compiled": Start(3e-6),
    "start.compiled": Start(10e-6),
    "kept.norm": Start(0.1, 1, 0.001, 1),
    "kept.elementwise": Start(0.3, 1, 0.001, 1),
    "kept.reduce": Start(0.7, 1, 0.001, 1),
    "kept.copies": Start(0.7, 1, 0.001, 1),
    "kept.matrix": Start(0.9, 1, 0.3, 1.2),
}


class Table(NamedTuple):
    """Kernels of rows as arrays; row: the row that a kernel belongs to. times: how often it occurs there."""

    rows: list[Row]
    row: Any
    kind: Any
    dtype: Any
    execution: Any
    times: Any
    copies: Any
    terms: Terms
    seconds: Any

    def part(self, chosen: Any) -> "Table":
        """The rows that a mask chooses, with their kernels."""
        keep = chosen[self.row]
        place = np.cumsum(chosen) - 1
        return Table(
            rows=[row for row, is_chosen in zip(self.rows, chosen, strict=True) if is_chosen],
            row=place[self.row[keep]],
            kind=self.kind[keep],
            dtype=self.dtype[keep],
            execution=self.execution[keep],
            times=self.times[keep],
            copies=self.copies[keep],
            terms=Terms(*(column[keep] for column in self.terms)),
            seconds=self.seconds[chosen],
        )


EXECUTIONS = ("eager", "graph", "compiled")


def table(rows: Sequence[Row], device: Device) -> Table:
    """The arrays of rows. Equal kernels of a row are one entry."""
    dtypes = sorted({row.dtype for row in rows})
    entries: list[tuple[float, ...]] = []
    for place, row in enumerate(rows):
        for kernel, times in Counter(kernel._replace(name="") for kernel in row.kernels).items():
            if not (kernel.is_merged and kernel.kind != "matmul"):
                head = (
                    place,
                    KERNEL_KINDS.index(kernel.kind),
                    dtypes.index(row.dtype),
                    EXECUTIONS.index(row.execution),
                )
                entries.append((*head, times * kernel.number, _copied(kernel), *terms_of(kernel, row.dtype)))
    columns = np.array(entries, dtype=float).T
    whole = [column.astype(int) for column in columns[:4]]
    times = np.array([row.seconds for row in rows])
    row, kind, dtype, execution = whole
    # Sizes at the batch of a row are extrapolated, and may miss by little.
    columns[6:11] = np.maximum(columns[6:11], 1)
    return Table(list(rows), row, kind, dtype, execution, columns[4], columns[5], Terms(*columns[6:]), times)


def _copied(kernel: Kernel) -> float:
    return float(kernel.axes != 2 and kernel.kind in MATRIX and kernel.kind != "depthwise")


class Model:
    """The parameters of a device for the dtypes and executions of some rows. fixed: names that are not fitted."""

    def __init__(
        self, device: Device, rows: Sequence[Row], start: Mapping[str, Start] | None = None, pull: float = 0.1
    ) -> None:
        self.device, self.pull = device, pull
        self.dtypes = sorted({row.dtype for row in rows})
        self.executions = {row.execution for row in rows}
        starts: dict[str, Start] = {}
        for name, one in COMMON.items():
            head, _, tail = name.partition(".")
            used = tail in self.executions if head in ("launch", "start") else "compiled" in self.executions
            if head == "cache" or used:
                starts[name] = one
        for dtype in self.dtypes:
            for name, one in (FLOAT32 if dtype == "float32" else FLOAT16).items():
                starts[f"{dtype}.{name}"] = one
        if self.dtypes != ["float16", "float32"]:
            # The factor of a dtype is relative to float32.
            starts = {name: one for name, one in starts.items() if not name.endswith(".launch")}
        if self.executions == {"compiled"}:
            # What a compiler saves cannot be told from what the device does well.
            starts |= {"kept.matrix": Start(1.0, 1000), "kept.copies": Start(0.7, 1, 0.001, 1)}
        self.starts = {name: (start or {}).get(name, one) for name, one in starts.items()}
        self.names = list(self.starts)
        self.start = np.log([one.value for one in self.starts.values()])
        self.pulls = pull * np.array([one.pull for one in self.starts.values()])
        self.low = np.log([one.low for one in self.starts.values()])
        self.high = np.log([one.high for one in self.starts.values()])

    def busy_and_launch(self, x: Any, t: Table) -> tuple[Any, Any]:
        """Seconds of work and of launching of each kernel."""
        value = dict(zip(self.names, np.exp(x), strict=True))
        lookup = self._lookup(value)

        def of(name: str) -> Any:
            return lookup[name][t.dtype, t.kind]

        device = self.device
        coefficients = Coefficients(
            peak=np.array([device.peak(dtype) for dtype in self.dtypes])[t.dtype],
            rate=of("rate"),
            bandwidth=device.bandwidth,
            share=of("bandwidth"),
            inner=of("inner"),
            columns=of("columns"),
            outputs=of("outputs"),
            winograd_gain=of("winograd_gain"),
            winograd_outputs=of("winograd_outputs"),
            depthwise_window=of("depthwise_window"),
            cache=value["cache"],
            cache_bytes=device.cache,
        )
        compute, memory = seconds(t.terms, coefficients)
        kept = np.where(t.execution == EXECUTIONS.index("compiled"), of("kept"), 1.0)
        launch = np.array([value.get(f"launch.{one}", 0.0) for one in EXECUTIONS])[t.execution] * of("launch")
        copies = 1 + t.copies * np.array([COPIES.get(dtype, 0.0) for dtype in self.dtypes])[t.dtype]
        return (compute**POWER + memory**POWER) ** (1 / POWER) * kept, launch * np.minimum(kept, 1.0) * copies

    def predict(self, x: Any, t: Table) -> Any:
        """Seconds of each row."""
        value = dict(zip(self.names, np.exp(x), strict=True))
        busy, launch = self.busy_and_launch(x, t)
        n = len(t.rows)
        work, gaps = (np.bincount(t.row, one * t.times, minlength=n) for one in (busy, launch))
        eager = np.array([row.execution == "eager" for row in t.rows])
        begin = np.array([value.get(f"start.{row.execution}", 0.0) for row in t.rows])
        return begin + np.where(eager, (work**POWER + gaps**POWER) ** (1 / POWER), work + gaps)

    def _lookup(self, value: Mapping[str, float]) -> dict[str, Any]:
        """Parameters as arrays by dtype and kind."""
        shape = len(self.dtypes), len(KERNEL_KINDS)
        found = {name: np.zeros(shape) for name in ("winograd_gain", "inner", "columns", "outputs", "depthwise_window")}
        found |= {name: np.ones(shape) for name in ("rate", "bandwidth", "winograd_outputs", "kept", "launch")}
        matrix = [KERNEL_KINDS.index(kind) for kind in MATRIX]
        for place, dtype in enumerate(self.dtypes):
            own = {name.removeprefix(f"{dtype}."): one for name, one in value.items() if name.startswith(f"{dtype}.")}
            for table_name, ties in (("rate", RATES), ("bandwidth", BANDWIDTHS)):
                for group, kinds in ties.items():
                    for kind in kinds:
                        found[table_name][place, KERNEL_KINDS.index(kind)] = own.get(f"{table_name}.{group}", 1.0)
            for name in ("inner", "columns", "outputs"):
                found[name][place, matrix] = own[name] * (self.device.units if name == "outputs" else 1)
            found["columns"][place, KERNEL_KINDS.index("grouped")] = own["group_columns"]
            found["columns"][place, KERNEL_KINDS.index("depthwise")] = 0.0
            found["winograd_gain"][place] = own.get("winograd_gain", 0.0)
            found["winograd_outputs"][place] = own.get("winograd_outputs", 1.0) * self.device.units
            found["launch"][place] = own.get("launch", 1.0)
            found["depthwise_window"][place] = own.get("depthwise_window", 0.0)
        for group, kinds in KEPT.items():
            for kind in kinds:
                found["kept"][:, KERNEL_KINDS.index(kind)] = value.get(f"kept.{group}", 1.0)
        return found

    def fit(self, t: Table, weight: Any, start: Any = None, most: int = 40) -> Any:
        """The parameters that fit the rows best. weight: of each row."""
        logs = np.log(t.seconds)

        def misses(x: Any) -> Any:
            return np.concatenate([weight * (np.log(self.predict(x, t)) - logs), self.pulls * (x - self.start)])

        first = np.clip(self.start if start is None else start, self.low + 1e-6, self.high - 1e-6)
        bounds = (self.low, self.high)
        return least_squares(misses, first, bounds=bounds, loss="soft_l1", f_scale=0.1, max_nfev=most, ftol=1e-4).x

    def efficiency(self, x: Any, source: str) -> Efficiency:
        """The parameters as the device has them."""
        value = dict(zip(self.names, map(float, np.exp(x)), strict=True))
        by_dtype = {}
        for dtype in self.dtypes:
            own = {name.removeprefix(f"{dtype}."): one for name, one in value.items() if name.startswith(f"{dtype}.")}
            tables: list[dict[str, float]] = [
                {
                    kind: own[f"{key}.{group}"]
                    for group, kinds in ties.items()
                    if f"{key}.{group}" in own
                    for kind in kinds
                }
                for key, ties in (("rate", RATES), ("bandwidth", BANDWIDTHS))
            ]
            numbers = {name: own[name] for name in Rates._fields if name in own}
            rate, bandwidth = tables
            by_dtype[dtype] = Rates(rate, bandwidth, **{**numbers, "copies": COPIES.get(dtype, 0.0)})
        return Efficiency(
            launch={name: value.get(f"launch.{name}", 0.0) for name in EXECUTIONS},
            start={name: value.get(f"start.{name}", 0.0) for name in EXECUTIONS},
            cache=value["cache"],
            kept={
                kind: value[f"kept.{group}"]
                for group, kinds in KEPT.items()
                if f"kept.{group}" in value
                for kind in kinds
            },
            by_dtype=by_dtype,
            source=source,
        )


def leave_out(model: Model, t: Table, weight: Any, groups: Sequence[str], start: Any, most: int = 40) -> Any:
    """Predictions of all rows of these groups, each by a fit without its group; NaN for the others."""
    group = np.array([row.group for row in t.rows])
    found = np.full(len(t.rows), np.nan)
    for name in groups:
        mine = group == name
        x = model.fit(t.part(~mine), weight[~mine], start, most)
        found[mine] = model.predict(x, t.part(mine))
    return found

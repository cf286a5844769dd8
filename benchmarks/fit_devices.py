"""Fits the efficiencies of devices on measured times, and prints how well times of other rows are estimated.

    python benchmarks/fit_devices.py FOLDER [--cache FILE] [--device NAME] [--write]

FOLDER holds the measured files (see `timing_data.py`; those of an H100 are in benchmarks/measured). --cache keeps the
counts of timm's models, which take 20 minutes of one core. --write puts the parameters into configs/devices/*.yaml.
Prints, and exits with 1 where a figure fails:

- bounds: the rows that are faster than the bound, which must be none. Eager and graph rows are compared with the bound,
  compiled rows with the fused bound.
- estimates of rows that were not fitted: one operator (or replacement, or family of timm) is left out at a time. Of
  families with few rows, the parameters without them are those of one Gauss-Newton step from the fit of all rows.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import timing_data
from scipy.stats import spearmanr
from timing_data import Row
from timing_fit import Model, Start, Table, leave_out, table

from flopcalc.analysis.timing.bound import kernel_bound
from flopcalc.analysis.timing.device import Device, Efficiency
from flopcalc.analysis.timing.device_file import efficiency_lines
from flopcalc.analysis.timing.library import device as find_device

FOLDER = Path(__file__).resolve().parent.parent / "configs" / "devices"
# Families of timm with at least this number of rows are left out by a fit of their own.
LARGE = 60
# Required: rank correlation at least, median error at most.
OPERATORS = {("float32", 1): 0.90, ("float16", 1): 0.85}
OPERATORS |= {(dtype, batch): 0.93 for dtype in ("float32", "float16") for batch in (32, 128)}
TIMM = {"compiled": (0.98, 0.13), "eager": (0.965, 0.16)}
CPU = (0.96, None)
# The device whose operators have required figures.
REQUIRED = "h200"
# Launch times in eager execution are those of the host. That of the H100 was a virtual machine, and twice as slow.
HOSTS = {"h100": "h200"}


class Report:
    """The lines of the table, and whether all of them are as required."""

    def __init__(self) -> None:
        self.failed = 0

    def line(self, what: str, rows: int, rank: float, median: float, need: tuple[float | None, float | None]) -> None:
        """A line of estimates; need: rank correlation and median error, None where nothing is required."""
        is_short = need[0] is not None and rank < need[0]
        is_far = need[1] is not None and median > need[1]
        self.failed += is_short or is_far
        wanted = [f">= {need[0]:.3f}"] if need[0] is not None else []
        wanted += [f"<= {need[1]:.0%}"] if need[1] is not None else []
        verdict = "FAILS" if is_short or is_far else "ok" if wanted else ""
        print(f"{what:<44} {rows:>5} {rank:>9.4f} {median:>8.1%}   {', '.join(wanted):<18} {verdict}", flush=True)

    def bound(self, what: str, rows: int, slower: int, closest: float) -> None:
        """A line of bounds."""
        self.failed += slower > 0
        print(
            f"{what:<44} {rows:>5} {slower:>9} {closest:>8.2f}   0 violations{'':<6} {'FAILS' if slower else 'ok'}",
            flush=True,
        )


def bound(row: Row, device: Device) -> float:
    """The bound of a row, for compiled rows that of merged kernels."""
    fused = row.execution == "compiled"
    return sum(kernel_bound(kernel, device, row.dtype, fused=fused).seconds for kernel in row.kernels)


def whole_bound(row: Row, device: Device) -> float:
    """A bound by the MACs of the row alone, for networks that were not counted."""
    return 2e9 * row.gmacs * row.batch / device.peak(row.dtype) / (1 if row.dtype != "float32" else 6)


def check_bounds(rows: Sequence[Row], report: Report) -> None:
    """Compare all rows with their bounds."""
    groups: dict[str, list[float]] = {}
    fastest: dict[str, tuple[float, str]] = {}
    for row in rows:
        device = find_device(row.device)
        ratio = row.seconds / ((bound(row, device) if row.layers else whole_bound(row, device)) or 1e-12)
        key = f"{row.device} {row.kind} {row.execution}"
        groups.setdefault(key, []).append(ratio)
        fastest[key] = min(fastest.get(key, (np.inf, "")), (ratio, f"{row.name}, batch {row.batch}"))
    print(f"\n{'bound':<44} {'rows':>5} {'violated':>9} {'closest':>8}")
    for key, ratios in groups.items():
        report.bound(key, len(ratios), sum(ratio < 1 for ratio in ratios), min(ratios))
        print(f"    closest: {fastest[key][1]}")


def _weights(rows: Sequence[Row]) -> Any:
    """A network says more of many kernels than an operator does."""
    return np.array([1.0 if row.kind == "operator" else 1.5 for row in rows])


def fit_measured(name: str, rows: Sequence[Row], report: Report) -> Efficiency:
    """Fit a device on its own rows, and print the estimates of operators and replacements that were left out."""
    device = find_device(name)
    graph = [row for row in rows if row.execution == "graph"]
    t, model, weight = table(graph, device), Model(device, graph), _weights(graph)
    x = model.fit(t, weight)
    groups = sorted({row.group for row in graph if row.kind != "torchvision"})
    predicted = leave_out(model, t, weight, groups, x)
    named = {"operator": f"{name} operators", "replaced": f"{name} replaced ResNet-50"}
    for kind, title in named.items():
        for (dtype, batch), least in OPERATORS.items():
            chosen = np.array([(row.kind, row.dtype, row.batch) == (kind, dtype, batch) for row in graph])
            need = (least, 0.25) if kind == "operator" else (None, 0.15 if batch > 1 else None)
            need = need if name == REQUIRED else (None, None)
            if chosen.sum() > 2:
                _line(report, f"{title}, {dtype}, batch {batch}", predicted, t, chosen, need)
    return _with_eager(name, model, x, rows)


def _with_eager(name: str, model: Model, x: Any, rows: Sequence[Row]) -> Efficiency:
    """The parameters with those of eager execution, which are fitted last."""
    source = f"one {name.upper()}: operators, ResNet-50s with layers replaced, networks of torchvision"
    if name in HOSTS:
        found = find_device(HOSTS[name]).efficiency
        source += f"; launch times in eager execution from the host of the {HOSTS[name].upper()}"
    else:
        device, eager = find_device(name), [row for row in rows if row.execution == "eager"]
        known = {key: Start(value, 1000) for key, value in zip(model.names, np.exp(x), strict=True)}
        second = Model(device, eager, known)
        found = second.efficiency(second.fit(table(eager, device), _weights(eager)), "")
    own = model.efficiency(x, source)
    launch, start = dict(own.launch), dict(own.start)
    launch["eager"], start["eager"] = found.launch["eager"], found.start["eager"]
    return own._replace(launch=launch, start=start)


def fit_timm(name: str, rows: Sequence[Row], report: Report) -> Efficiency:
    """Fit a device on timm's results, and print the estimates of families that were left out."""
    device = find_device(name)
    counted = [row for row in rows if row.layers]
    others = [row for row in rows if not row.layers]
    t, model, weight = table(counted, device), Model(device, counted), np.ones(len(counted))
    x = model.fit(t, weight)
    sizes: dict[str, int] = {}
    for row in counted:
        sizes[row.group] = sizes.get(row.group, 0) + 1
    large = [group for group, size in sizes.items() if size >= LARGE]
    predicted = leave_out(model, t, weight, large, x, most=8)
    stepped = without(model, t, x, [group for group in sizes if group not in large])
    predicted = np.where(np.isnan(predicted), stepped, predicted)
    whole = whole_network(rows, others)
    for execution in ("eager", "compiled"):
        chosen = np.array([row.execution == execution for row in counted])
        if chosen.any():
            need = CPU if device.kind == "cpu" else TIMM[execution]
            more = [
                (seconds / row.batch, row.seconds / row.batch)
                for row, seconds in zip(others, whole, strict=True)
                if row.execution == execution
            ]
            _line(report, f"timm, {name}, {counted[0].dtype}, {execution}", predicted, t, chosen, need, more)
    return model.efficiency(x, f"timm's inference results of this device ({', '.join(sorted(model.executions))})")


def without(model: Model, t: Table, x: Any, groups: Iterable[str]) -> Any:
    """Predictions of the rows of these groups with parameters that one step leads to from those of all rows."""
    step = 1e-4
    base = np.log(model.predict(x, t))
    jacobian = np.stack([(np.log(model.predict(x + step * unit, t)) - base) / step for unit in np.eye(len(x))], axis=1)
    miss = base - np.log(t.seconds)
    robust = 1 / np.sqrt(1 + (miss / 0.1) ** 2)
    prior = np.diag(model.pulls**2)
    group = np.array([row.group for row in t.rows])
    found = np.full(len(t.rows), np.nan)
    for name in groups:
        mine = group == name
        j, w = jacobian[~mine], robust[~mine]
        hessian = (j * w[:, None]).T @ j + prior
        gradient = (j * w[:, None]).T @ miss[~mine] + model.pulls**2 * (x - model.start)
        free = (x > model.low + 1e-3) & (x < model.high - 1e-3)
        move = np.zeros(len(x))
        move[free] = -np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        y = np.clip(x + np.clip(move, -1, 1), model.low, model.high)
        found[mine] = model.predict(y, t.part(mine))
    return found


def whole_network(rows: Sequence[Row], wanted: Sequence[Row]) -> list[float]:
    """Times of networks that were not counted, from the MACs and activations of their rows alone.

    A polynomial of degree 2 in both, by execution, fitted on the other families.
    """
    found = []
    for row in wanted:
        others = [one for one in rows if one.execution == row.execution and one.group != row.group]
        x = np.array([_polynomial(one) for one in others])
        y = np.log([one.seconds / one.batch for one in others])
        found.append(float(np.exp(_polynomial(row) @ np.linalg.lstsq(x, y, rcond=None)[0])) * row.batch)
    return found


def _polynomial(row: Row) -> Any:
    a, b = np.log(max(row.gmacs, 0.005)), np.log(max(row.macts, 0.005))
    return np.array([1, a, b, a * a, a * b, b * b])


def _line(
    report: Report,
    what: str,
    predicted: Any,
    t: Table,
    chosen: Any,
    need: tuple[float | None, float | None],
    more: Sequence[tuple[float, float]] = (),
) -> None:
    """A line for some rows; for timm, times of one image, since batches differ."""
    batch = np.array([row.batch if row.kind == "timm" else 1 for row in t.rows])[chosen]
    found = [*(predicted[chosen] / batch), *(one[0] for one in more)]
    truth = [*(t.seconds[chosen] / batch), *(one[1] for one in more)]
    ratio = np.array(found) / np.array(truth)
    report.line(what, len(found), float(spearmanr(found, truth)[0]), float(np.median(abs(ratio - 1))), need)


def completed(name: str, efficiency: Efficiency, found: Mapping[str, Efficiency]) -> Efficiency:
    """The parameters, with what was not measured on a device from others: compiled on the H200, graphs elsewhere."""
    if find_device(name).kind != "gpu":
        # Without a graph, kernels are launched as in a compiled pass.
        launch, start = (
            {one: value or table["compiled"] for one, value in table.items()}
            for table in (efficiency.launch, efficiency.start)
        )
        return efficiency._replace(launch=launch, start=start)
    measured = found.get("h200", find_device("h200").efficiency)
    merged = found.get("rtx5090", find_device("rtx5090").efficiency)
    launch, start = (
        {
            one: getattr(efficiency, key)[one] or getattr(measured, key)[one] or measured_graph
            for one in efficiency.launch
        }
        for key, measured_graph in (("launch", measured.launch["graph"]), ("start", measured.start["graph"]))
    )
    by_dtype = {**measured.by_dtype, **efficiency.by_dtype}
    if "bfloat16" in efficiency.by_dtype:
        by_dtype["float16"] = efficiency.by_dtype["bfloat16"]
    return efficiency._replace(launch=launch, start=start, kept=efficiency.kept or merged.kept, by_dtype=by_dtype)


def write(name: str, efficiency: Efficiency) -> None:
    """Put the parameters into the file of a device, in the place of those that it has."""
    path = FOLDER / f"{name}.yaml"
    head = path.read_text(encoding="utf-8").partition("# Fitted")[0].partition("\nefficiency:")[0]
    lines = ["# Fitted by benchmarks/fit_devices.py.", *efficiency_lines(efficiency)]
    path.write_text(head.rstrip("\n") + "\n" + "\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Fit, compare and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--device", action="append", default=[])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", choices=("bounds", "estimates"))
    asked = parser.parse_args(arguments)
    report = Report()
    names = [name for name in timing_data.devices(asked.folder) if not asked.device or name in asked.device]
    own = {name: timing_data.measured(asked.folder, name) for name in names}
    has_timm = (asked.folder / "timm_inference.csv").exists() and (not asked.device or set(asked.device) - set(names))
    timm = timing_data.timm(asked.folder, asked.cache) if has_timm else []
    timm = [row for row in timm if not asked.device or row.device in asked.device]
    if asked.only != "estimates":
        check_bounds([*chain.from_iterable(own.values()), *timm], report)
    if asked.only == "bounds":
        return 1 if report.failed else 0
    print(f"\n{'estimate of rows that were left out':<44} {'rows':>5} {'Spearman':>9} {'median':>8}   required")
    found = {name: fit_measured(name, rows, report) for name, rows in own.items()}
    for name in dict.fromkeys(row.device for row in timm):
        found[name] = fit_timm(name, [row for row in timm if row.device == name], report)
    if asked.write:
        for name, efficiency in found.items():
            write(name, completed(name, efficiency, found))
    print(f"\n{report.failed} figures fail" if report.failed else "\nall figures are as required")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

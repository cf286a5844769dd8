"""`flopcalc calibrate`: the file of a device with efficiencies that are fitted on measurements of this machine."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from flopcalc.analysis.bench import PLACES, read_seconds
from flopcalc.analysis.timing.bound import kernel_bound
from flopcalc.analysis.timing.device import Device, read_dtype
from flopcalc.analysis.timing.device_file import device_text
from flopcalc.analysis.timing.fitting import Fit, Measured, estimates, fit
from flopcalc.analysis.timing.kernels import all_kernels, of_evaluation, of_network
from flopcalc.analysis.timing.library import device as find_device
from flopcalc.catalog.layer import layer
from flopcalc.cost.result import Result
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks import library
from flopcalc.networks.network import Network
from flopcalc.spec.operator import Evaluation
from flopcalc.text.atomic_file import write_atomically

SCHEMA = "flopcalc/calibrate/1"
# What is measured: operators that run all kinds of kernels, on shapes of early and late layers, then networks.
_OPERATORS = (
    *("conv", "pointwise", "depthwise", "linear", "ghost", "group", "dsc", "se", "attention", "spconv"),
    *("mbconv", "octconv", "convnext_block", "shuffle_unit", "mixconv", "eca"),
)
_SHAPES = ((64, 28), (256, 14), (32, 56), (512, 8))
_NETWORKS = ("mobilenet_v2", "resnet18", "squeezenet1_1", "shufflenet_v2_x1_0")
_BATCHES = {"cpu": (1, 4), "cuda": (1, 32, 128)}
# Passes that are measured also where the budget is used up.
FEWEST = 12
# The part of the budget that networks have, each of which has many kernels.
_OF_NETWORKS = 0.4


class Case(NamedTuple):
    """A measured pass with the estimates before the fit, after it, and of a fit that did not have its operator."""

    name: str
    batch: int
    dtype: str
    measured_s: float
    before_s: float
    estimate_s: float
    left_out_s: float
    bound_s: float


@dataclass(frozen=True, repr=False)
class Calibration(Result):
    """A device with fitted efficiencies, the file that has it, and the passes that it was fitted on."""

    device: Device
    file: str
    on: str
    machine: str
    base: str
    cases: tuple[Case, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        """A short text: the number of passes and the median errors."""
        return (
            f"<Calibration of {self.device.name}: {len(self.cases)} passes, median error {self.error():.0%}, "
            f"{self.error('left_out_s'):.0%} of passes that were left out>"
        )

    def error(self, which: str = "estimate_s") -> float:
        """The median error of estimates. which: `before_s`, `estimate_s` or `left_out_s`."""
        return float(median(abs(getattr(one, which) / one.measured_s - 1) for one in self.cases))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as `flopcalc calibrate --format json` shows it."""
        return {
            "schema": SCHEMA,
            "device": self.device.name,
            "file": self.file,
            "on": self.on,
            "machine": self.machine,
            "base": self.base,
            "median_error_before": self.error("before_s"),
            "median_error": self.error(),
            "median_error_left_out": self.error("left_out_s"),
            "rows": self.to_rows(),
            "notes": list(self.notes),
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """One row for each measured pass."""
        return [one._asdict() for one in self.cases]


class Given(NamedTuple):
    """What the user gives of the device: another one that it is like, and figures of its own."""

    base: str | None = None
    peaks: Mapping[str, float] = {}
    bandwidth: float | None = None


def calibrate(
    file: str | os.PathLike[str],
    *,
    given: Given,
    on: str = "cpu",
    dtypes: Sequence[str] = ("float32",),
    seconds: float = 60.0,
    force: bool = False,
) -> Calibration:
    """Measure operators and networks on this machine, and write the file of a device with fitted efficiencies.

    file: its path, ending in .yaml; an existing one is replaced only with force. given: peaks and bandwidth, which no
    measurement gives. on: cpu or cuda. seconds: the budget of all measurements. Needs PyTorch. The file is written at
    the end, completely or not at all. Raises FlopcalcError.
    """
    path = os.fspath(file)
    _check_file(path, force=force)
    if on not in PLACES:
        raise FlopcalcError("bad-option", f"on is {clip(on)}", f"one of: {', '.join(PLACES)}")
    budget, kinds = read_seconds(seconds), [read_dtype(one) for one in dict.fromkeys(dtypes)]
    base = _base(os.path.splitext(os.path.basename(path))[0], given, on)
    for dtype in kinds:
        base.peak(dtype)
    # Imports torch, or raises missing-package.
    torch = import_module("flopcalc.pytorch.measuring.run")
    places = {dtype: torch.place(on, dtype) for dtype in kinds}
    setting = torch.setting(on)
    base = base._replace(title=setting.machine)
    if given.base is None:
        base = base._replace(units=setting.units)
    rows, groups = _measure(torch, places, on, budget)
    found = fit(base, rows)
    threads = f" with {setting.threads} threads" if on == "cpu" else ""
    networks = sum(group in _NETWORKS for group in groups)
    networks_text = "1 network" if networks == 1 else f"{networks} networks"
    source = (
        f"{setting.machine}{threads}, torch {setting.torch}, eager, {', '.join(kinds)}: "
        f"{len(rows) - networks} passes of operators and {networks_text}, by flopcalc calibrate"
    )
    fitted = base._replace(efficiency=found.efficiency._replace(source=source))
    cases = _cases(base, rows, groups, found)
    write_atomically(path, device_text(fitted, "Written by flopcalc calibrate."))
    return Calibration(fitted, path, on, setting.machine, given.base or _like(on), cases, tuple(_notes(cases, on)))


def _check_file(path: str, *, force: bool) -> None:
    """Raise FlopcalcError (bad-option, unwritable-output) before anything is measured."""
    if not path.endswith((".yaml", ".yml")):
        raise FlopcalcError("bad-option", f"the device file is {clip(path)}", "give it a name that ends in .yaml")
    if os.path.exists(path) and not force:
        raise FlopcalcError("unwritable-output", f"{clip(path)} exists", "choose another name, or replace it: --force")
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        why = f"cannot write {clip(path)}: {clip(folder)} is not a folder that you may write to"
        raise FlopcalcError("unwritable-output", why, "give the path of a file in a folder of yours")


def _like(on: str) -> str:
    return "i9-10940x" if on == "cpu" else "h200"


def _base(name: str, given: Given, on: str) -> Device:
    """The device before the fit, with the figures that are given."""
    for key, value in (*given.peaks.items(), ("bandwidth", given.bandwidth)):
        if value is not None and not 0 < value < 1e30:
            raise FlopcalcError("bad-option", f"{key} is {value}; it must be larger than 0", "write for example 1.5e12")
    peaks = {read_dtype(key): float(value) for key, value in given.peaks.items()}
    if given.base is None and (not peaks or given.bandwidth is None):
        what = "the peak" if not peaks else "the bandwidth"
        how = "give --peak float32=1.5e12 (FLOP/s) and --bandwidth 5e10 (bytes a second), or --from with a device"
        raise FlopcalcError("missing-option", f"{what} of the device is not known: a data sheet has it", how)
    like = find_device(given.base or _like(on))
    user = {"peaks": "given by the user"} if peaks else {}
    user |= {"bandwidth": "given by the user"} if given.bandwidth is not None else {}
    if given.base is None:
        return like._replace(
            name=name, title=name, kind="cpu" if on == "cpu" else "gpu", units=1, clock=0.0, peaks=peaks, sparse={},
            bandwidth=float(given.bandwidth or 0), memory=0.0, cache=0.0, sources=user, unverified=(),
        )  # fmt: skip
    sources = {key: text for key, text in like.sources.items() if key != "operations"} | user
    if not peaks:
        sources["peaks"] = f"as of {like.name}"
    return like._replace(
        name=name, peaks={**like.peaks, **peaks}, sparse={}, bandwidth=float(given.bandwidth or like.bandwidth),
        sources=sources,
    )  # fmt: skip


def _measure(torch: Any, places: Mapping[str, Any], on: str, budget: float) -> tuple[list[Measured], list[str]]:
    """The measured passes, and the operator or the network of each."""
    rows: list[Measured] = []
    groups: list[str] = []
    every = list(_subjects(on))
    for is_network, share in ((False, 1 - _OF_NETWORKS), (True, _OF_NETWORKS)):
        start, part = perf_counter(), budget * share
        chosen = [one for one in every if isinstance(one[1], Network) == is_network]
        jobs = [(group, subject, dtype) for group, subject in chosen for dtype in places]
        for place, (group, subject, dtype) in enumerate(jobs):
            left = part - (perf_counter() - start)
            if left <= 0 and (is_network or len(rows) >= FEWEST):
                break
            try:
                (times,) = torch.measure_described(
                    [subject], places[dtype], max(left, 0.0) / (len(jobs) - place) + 1e-6
                )
            except FlopcalcError as error:
                # Some kernels have no half precision on a CPU.
                if error.code not in ("unmeasurable-module", "out-of-memory", "too-large"):
                    raise
                continue
            layers = of_network(subject) if isinstance(subject, Network) else of_evaluation(subject)
            rows.append(Measured(_name(group, subject), layers, dtype, times.median))
            groups.append(group)
    if len(rows) < FEWEST:
        why = f"only {len(rows)} passes could be measured, and a fit needs {FEWEST}"
        raise FlopcalcError("unmeasurable-module", why, "see `flopcalc bench conv --cin 64` with the same options")
    return rows, groups


def _subjects(on: str) -> Iterator[tuple[str, Evaluation | Network]]:
    """All passes, in the order in which they are measured: all operators on a shape, then on the next one."""
    for batch in _BATCHES[on]:
        for channels, size in _SHAPES:
            for name in _OPERATORS:
                yield name, layer(name, channels, hw=size, batch=batch)
    for batch in _BATCHES[on]:
        for name in _NETWORKS:
            yield name, library.load(name, {}, None, batch)


def _name(group: str, subject: Evaluation | Network) -> str:
    if isinstance(subject, Network):
        return f"{group}, batch {subject.batch}"
    g = subject.geometry
    return f"{group} {g.c_in} x {g.h} x {g.w}, batch {g.batch}"


def _cases(base: Device, rows: Sequence[Measured], groups: Sequence[str], found: Fit) -> tuple[Case, ...]:
    """The passes with their estimates; left_out_s of each half of the operators is of a fit on the other half."""
    names = list(dict.fromkeys(groups))
    halves = [{name for place, name in enumerate(names) if place % 2 == half} for half in (0, 1)]
    left_out = [0.0] * len(rows)
    for half in halves:
        others = [row for row, group in zip(rows, groups, strict=True) if group not in half]
        device = base._replace(efficiency=fit(base, others).efficiency)
        for place, seconds in enumerate(estimates(device, rows)):
            if groups[place] in half:
                left_out[place] = seconds
    before = estimates(base, rows)
    bounds = [sum(kernel_bound(one, base, row.dtype).seconds for one in all_kernels(row.layers)) for row in rows]
    return tuple(
        Case(row.name.partition(", batch")[0], int(row.name.rpartition(" ")[2]), row.dtype, row.seconds, *rest)
        for row, *rest in zip(rows, before, found.estimates, left_out, bounds, strict=True)
    )


def _notes(cases: Sequence[Case], on: str) -> Iterator[str]:
    faster = sum(one.measured_s < one.bound_s for one in cases)
    if faster:
        yield f"{faster} passes are faster than their bound: the peak or the bandwidth that was given is too low"
    other = "in a graph and compiled" if on == "cuda" else "compiled"
    yield f"only eager execution was measured; launch times {other} are those of the device before the fit"

"""Fits the factors of a training step on measured steps, and prints how well steps of other networks are estimated.

    python benchmarks/fit_training.py FOLDER [--write]

FOLDER holds h200_torchvision.csv (network, batch, size, train_s: one forward and backward, float32, eager), of which
the networks that flopcalc describes are used. Prints the rows that are faster than the bound, which must be none, and
the rank correlation and the median error of the estimates: with the efficiencies of the forward kernels alone, and with
the factors, each family of networks being left out of the fit for its own estimate. --write puts the factors into
flopcalc/analysis/timing/backward.py. Run it again after the efficiencies of the device have changed.
"""

import argparse
import csv
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import spearmanr

from flopcalc.analysis.timing import backward
from flopcalc.analysis.timing.backward import ROLES, role
from flopcalc.analysis.timing.bound import kernel_bound
from flopcalc.analysis.timing.estimate import POWER, kernel_estimate
from flopcalc.analysis.timing.library import device as find_device
from flopcalc.analysis.timing.training import of_training
from flopcalc.analysis.training.training import network_training
from flopcalc.networks import library
from flopcalc.networks.training import TrainingOptions
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import from_python

DEVICE, DTYPE, EXECUTION = "h200", "float32", "eager"
# Of the logarithm of a factor towards 0, where the rows say little.
PULL = 0.1


class Row(NamedTuple):
    """A measured step. busy: seconds of its kernels by role, as forward kernels take them; launch: of the host."""

    name: str
    family: str
    batch: int
    seconds: float
    busy: tuple[float, ...]
    launch: float
    bound: float


def rows(folder: Path) -> Iterator[Row]:
    """The steps of described networks."""
    device = find_device(DEVICE)
    with (folder / "h200_torchvision.csv").open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["train_s"] and line["network"] in library.names()]
    for line in lines:
        name, side, batch = line["network"], int(line["size"]), int(line["batch"])
        step = network_training(read_target(from_python(name, (3, side, side), batch=batch)).network, TrainingOptions())
        busy, launch, bound = dict.fromkeys(ROLES, 0.0), 0.0, 0.0
        for layer in of_training(step.forward, step.backward):
            for kernel in layer.kernels:
                estimate = kernel_estimate(kernel, device, DTYPE, EXECUTION)
                busy[role(kernel)] += estimate.busy
                launch += estimate.launch
                bound += kernel_bound(kernel, device, DTYPE).seconds
        family = (re.match(r"[a-z]+", name) or [name])[0]
        yield Row(name, family, batch, float(line["train_s"]), tuple(busy.values()), launch, bound)


class Arrays(NamedTuple):
    """Of all rows."""

    busy: Any
    launch: Any
    seconds: Any

    def part(self, chosen: Any) -> "Arrays":
        """Of some rows."""
        return Arrays(self.busy[chosen], self.launch[chosen], self.seconds[chosen])


def predict(logs: Any, t: Arrays) -> Any:
    """Seconds of the rows, with the logarithms of the factors."""
    dense, other, host = np.exp(logs)
    start = find_device(DEVICE).efficiency.start[EXECUTION]
    busy = t.busy @ np.array([1.0, dense, other])
    return start + (busy**POWER + (t.launch * host) ** POWER) ** (1 / POWER)


def fit(t: Arrays) -> Any:
    """The logarithms of the factors that fit the rows best."""

    def misses(logs: Any) -> Any:
        return np.concatenate([np.log(predict(logs, t) / t.seconds), PULL * logs])

    return least_squares(misses, np.zeros(3), loss="soft_l1", f_scale=0.1).x


def left_out(found: Sequence[Row], t: Arrays) -> Any:
    """The estimates of all rows, each with factors that were fitted without its family."""
    family = np.array([row.family for row in found])
    estimates = np.zeros(len(found))
    for name in sorted(set(family)):
        mine = family == name
        estimates[mine] = predict(fit(t.part(~mine)), t.part(mine))
    return estimates


def line(what: str, estimates: Any, t: Arrays) -> float:
    """Print how good estimates are; the median error."""
    median = float(np.median(abs(estimates / t.seconds - 1)))
    print(f"{what:<58} Spearman {spearmanr(estimates, t.seconds)[0]:.3f}, median error {median:.1%}")
    return median


def write(step: backward.Step) -> None:
    """Put the factors into the module that has them."""
    path = Path(backward.__file__)
    text = path.read_text(encoding="utf-8")
    values = ", ".join(f"{name}={value:.3g}" for name, value in step._asdict().items())
    path.write_text(re.sub(r"(?m)^FITTED = .*$", f"FITTED = Step({values})", text), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Fit, compare and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path, help="the folder of h200_torchvision.csv")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args(arguments)
    found = list(rows(asked.folder))
    t = Arrays(*(np.array([getattr(row, name) for row in found]) for name in ("busy", "launch", "seconds")))
    faster = [row for row in found if row.seconds < row.bound]
    print(f"bound: violated by {len(faster)} of {len(found)} steps")
    plain = line("as forward kernels:", predict(np.zeros(3), t), t)
    estimates = left_out(found, t)
    other = line("with factors, each family left out of the fit:", estimates, t)
    logs = fit(t)
    line("with factors, fitted on all:", predict(logs, t), t)
    for row, seconds in sorted(zip(found, estimates, strict=True), key=lambda pair: pair[1] / pair[0].seconds):
        print(f"  {row.name:20} batch {row.batch:3} measured {row.seconds:.2e} s, left out {seconds / row.seconds:.2f}")
    step = backward.Step(*map(float, np.exp(logs)))
    print(step)
    if asked.write:
        write(step)
    return 0 if not faster and other < plain else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Measured times with the kernels of what was measured, for `fit_devices.py`.

Of a device: NAME_operators.csv (operator, channels, hw, batch, dtype, eager_s, graph_s), NAME_resnet50_replaced.csv
(network, replace, batch, dtype, eager_s, graph_s) and NAME_torchvision.csv (network, batch, size, infer_s, graph_s), as
`measure_cuda.py` writes them. Those of the H100 are in benchmarks/measured/, those of the H200 are not part of the
repository, nor is timm_inference.csv (device, mode, precision, model, size, batch, samples_per_s, gmacs, macts,
params_m). Kernels come from flopcalc's own formulas and counts; those of timm's models from counting them.
"""

import csv
import pickle
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flopcalc
from flopcalc.analysis.timing import kernels
from flopcalc.analysis.timing.kernels import Kernel, Timed
from flopcalc.errors import FlopcalcError
from flopcalc.networks import library
from flopcalc.networks.network import Network
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import from_python

DTYPES = {"fp32": "float32", "fp16": "float16", "amp_fp16": "float16", "bf16": "bfloat16"}
OPERATORS = "_operators.csv"
TIMM_DEVICES = {
    "rtx3090": "rtx3090",
    "rtx4090": "rtx4090",
    "rtx5090": "rtx5090",
    "rtx_pro6000_maxq": "rtx-pro-6000-maxq",
    "cpu_i9_10940x": "i9-10940x",
}
# A counted network is the published one if its activations differ by no more than this; twelve names stand for
# different networks in different files. MACs differ more: fvcore rounds, and counts pooling and norms in some.
SAME = 0.02
# Sizes of a kernel that grow with the batch.
_GROWING = ("macs", "operations", "reads", "writes", "skipped", "hidden", "outputs")


class Row(NamedTuple):
    """A measured pass. kind: the file. group: what is left out together: an operator, a replacement, a family."""

    kind: str
    group: str
    name: str
    device: str
    dtype: str
    batch: int
    execution: str
    seconds: float
    layers: Sequence[Timed]
    gmacs: float = 0.0
    macts: float = 0.0
    at_two: Sequence[Timed] = ()

    @property
    def kernels(self) -> Iterator[Kernel]:
        """The kernels of all layers. at_two: of a network that was counted at batch 1, the layers at batch 2."""
        ones = kernels.all_kernels(self.layers)
        if not self.at_two:
            return ones
        twos = kernels.all_kernels(self.at_two)
        return (_at_batch(one, two, self.batch) for one, two in zip(ones, twos, strict=True))


def _at_batch(one: Kernel, two: Kernel, batch: int) -> Kernel:
    """A kernel at a batch. Kernels of weights alone do not grow, and all sizes are linear in the batch."""
    sizes = {name: getattr(one, name) for name in _GROWING}
    more = {name: (getattr(two, name) - size) * (batch - 1) for name, size in sizes.items()}
    return one._replace(**{name: size + more[name] for name, size in sizes.items()})


def devices(folder: Path) -> list[str]:
    """The names of the devices whose operators were measured."""
    return sorted(path.name.removesuffix(OPERATORS) for path in folder.glob(f"*{OPERATORS}"))


def measured(folder: Path, device: str) -> list[Row]:
    """The rows of a device: operators, replaced ResNet-50s and torchvision's networks that are described."""
    found: list[Row] = []

    def add(kind: str, group: str, name: str, row: dict[str, str], layers: Sequence[Timed]) -> None:
        for execution, column in (("graph", "graph_s"), ("eager", "eager_s" if "eager_s" in row else "infer_s")):
            if row.get(column):
                batch, dtype = int(row["batch"]), DTYPES[row.get("dtype", "fp32")]
                found.append(Row(kind, group, name, device, dtype, batch, execution, float(row[column]), layers))

    for row in _rows(folder / f"{device}{OPERATORS}"):
        name, channels, size = row["operator"], int(row["channels"]), int(row["hw"])
        layers = kernels.of_evaluation(flopcalc.layer(name, channels, hw=size, batch=int(row["batch"])))
        add("operator", name, f"{name} {channels} {size}", row, layers)
    for row in _rows(folder / f"{device}_resnet50_replaced.csv"):
        layers = _described("resnet50", 224, int(row["batch"]), row["replace"])
        group = row["replace"].partition(":")[0] or "(plain)"
        add("replaced", group, f"resnet50 {row['replace']}".strip(), row, layers)
    for row in _rows(folder / f"{device}_torchvision.csv"):
        if row["network"] in library.names():
            layers = _described(row["network"], int(row["size"]), int(row["batch"]))
            add("torchvision", row["network"], row["network"], row, layers)
    return found


def _described(name: str, size: int, batch: int, replace: str = "") -> list[Timed]:
    spec = from_python(name, (3, size, size), batch=batch, replace=(replace,) if replace else ())
    return kernels.of_network(read_target(spec).network)


class Counted(NamedTuple):
    """A model of timm, with its layers at batch 1 and at batch 2."""

    macs: int
    activations: int
    layers: tuple[Timed, ...]
    at_two: tuple[Timed, ...]


def timm(folder: Path, cache: Path | None) -> list[Row]:
    """The rows of timm's benchmark results. Those whose model is not counted as it was published have no layers."""
    rows = [row for row in _rows(folder / "timm_inference.csv") if row["gmacs"] and row["macts"]]
    counted = _counted({(row["model"], row["size"]) for row in rows}, cache)
    found = []
    for row in rows:
        one = counted.get((row["model"], row["size"]))
        macts = float(row["macts"])
        layers: Sequence[Timed] = ()
        at_two: Sequence[Timed] = ()
        if one is not None and abs(one.activations / 1e6 - macts) <= SAME * macts + 0.01:
            layers, at_two = one.layers, one.at_two
        execution = row["mode"]
        seconds = 1 / float(row["samples_per_s"])
        family = (re.match(r"[a-z]+", row["model"]) or [row["model"]])[0]
        device, batch = TIMM_DEVICES[row["device"]], int(row["batch"])
        found.append(
            Row(
                "timm", family, f"{row['model']} {row['size']}", device, DTYPES[row["precision"]], batch, execution,
                seconds * batch, layers, float(row["gmacs"]), macts, at_two,
            )
        )  # fmt: skip
    return found


def _counted(wanted: set[tuple[str, str]], cache: Path | None) -> dict[tuple[str, str], Counted]:
    """The models by name and size. The cache is a file of this script's own, to be deleted when kernels change."""
    found: dict[tuple[str, str], Counted] = {}
    if cache is not None and cache.exists():
        found = pickle.loads(cache.read_bytes())  # noqa: S301
    missing = sorted(wanted - found.keys())
    for place, (model, size) in enumerate(missing):
        settings: dict[str, Any]
        for settings in ({}, {"img_size": int(size)}):
            try:
                one, two = (_model(model, size, batch, settings) for batch in (1, 2))
            except FlopcalcError:
                continue
            if not one.uncounted:
                first, second = (tuple(kernels.of_network(network)) for network in (one, two))
                if len(list(kernels.all_kernels(first))) != len(list(kernels.all_kernels(second))):
                    # At batch 1 some copies are views.
                    third = tuple(kernels.of_network(_model(model, size, 3, settings)))
                    first = tuple(_less(two, three) for two, three in zip(second, third, strict=True))
                found[model, size] = Counted(one.macs, one.activations, first, second)
            break
        if place % 100 == 0:
            print(f"counting timm's models: {place} of {len(missing)}", flush=True)
    if cache is not None and missing:
        cache.write_bytes(pickle.dumps(found))
    return found


def _less(two: Timed, three: Timed) -> Timed:
    """A layer at batch 1, from batch 2 and 3."""
    found = [_at_batch(one, other, 0) for one, other in zip(two.kernels, three.kernels, strict=True)]
    return two._replace(kernels=tuple(found))


def _model(name: str, size: str, batch: int, settings: dict[str, Any]) -> Network:
    return read_target(from_python(f"timm:{name}", f"3x{size}x{size}", batch=batch, set=settings)).network


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))

"""Memory that is computed, compared with memory that was measured and with what autograd saves on real tensors.

`python benchmarks/memory.py FOLDER [--device h100]` reads `h200_torchvision.csv` there, or that of another device (an
H100's is in benchmarks/measured): peaks of torchvision models on one GPU, of inference and of one forward and backward,
beside what was there before. `--saved` compares what autograd saves on 30 models, in training on the CPU, with
`saved_tensors_hooks` on real tensors, each storage once.

A measured peak has the blocks of PyTorch's allocator, which differ from run to run, and cuDNN's workspace. Where the
file has the bytes that were asked for (`requested`), they are compared too: those have the workspace only.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple
from weakref import WeakSet

import torch
from torch import Tensor, nn

from flopcalc import memory
from flopcalc.pytorch.loading import torchvision_operators

# torchvision's models of different kinds, with an input size that is small and valid.
SAVED = {
    "alexnet": 224,
    "convnext_tiny": 64,
    "densenet121": 64,
    "efficientnet_b0": 64,
    "efficientnet_v2_s": 64,
    "googlenet": 128,
    "inception_v3": 299,
    "maxvit_t": 224,
    "mnasnet0_5": 64,
    "mnasnet1_0": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_large": 64,
    "mobilenet_v3_small": 64,
    "regnet_x_400mf": 64,
    "regnet_y_400mf": 64,
    "resnet18": 64,
    "resnet34": 64,
    "resnet50": 64,
    "resnext50_32x4d": 64,
    "shufflenet_v2_x0_5": 64,
    "shufflenet_v2_x1_0": 64,
    "squeezenet1_0": 64,
    "squeezenet1_1": 64,
    "swin_t": 64,
    "swin_v2_t": 64,
    "vgg11": 64,
    "vgg11_bn": 64,
    "vgg16_bn": 64,
    "vit_b_32": 224,
    "wide_resnet50_2": 64,
}


def model(name: str) -> nn.Module:
    """A model of torchvision."""
    torchvision_operators.declare()
    import torchvision

    options = {"init_weights": False} if name in {"googlenet", "inception_v3"} else {}
    made: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return made


class _Kept:
    """A tensor that a node of the graph has saved."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def saved_by_hooks(module: nn.Module, given: Tensor) -> tuple[int, int]:
    """The bytes that autograd saves for the backward of a forward on real tensors.

    The first without parameters, buffers and the input, the second with them; each storage once.
    """
    known = {tensor.untyped_storage()._cdata for tensor in (*module.parameters(), *module.buffers(), given)}
    # What a node has saved goes with it, where no output needs its gradient.
    kept: WeakSet[_Kept] = WeakSet()

    def pack(tensor: Tensor) -> _Kept:
        # Without its node, which would keep itself alive by what it has saved.
        one = _Kept(tensor.detach())
        kept.add(one)
        return one

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda one: one.tensor):
        out = module.train()(given)
    storages = [one.tensor.untyped_storage() for one in kept]
    sizes = {storage._cdata: storage.nbytes() for storage in storages}
    del out
    return sum(size for place, size in sizes.items() if place not in known), sum(sizes.values())


class Saved(NamedTuple):
    """Bytes that autograd saves, computed and on real tensors."""

    name: str
    computed: tuple[int, int]
    real: tuple[int, int]

    @property
    def equal(self) -> bool:
        """To the byte."""
        return self.computed == self.real


def compare_saved(name: str, size: int, batch: int = 2) -> Saved:
    """What autograd saves for one model."""
    module = model(name)
    found = memory(module, (3, size, size), batch=batch, mode="training", rules="cpu")
    torch.manual_seed(0)
    real = saved_by_hooks(module, torch.rand(batch, 3, size, size))
    return Saved(name, (found.saved, found.saved_with_weights), real)


class Row(NamedTuple):
    """One figure: computed, and measured, in bytes. workspace, allocator: the estimates next to the peak.

    there: weights, buffers and input, which both have beside the figure. requested: measured without what blocks add,
    0 where that is not known.
    """

    what: str
    network: str
    batch: int
    there: int
    computed: int
    measured: int
    requested: int
    workspace: int
    allocator: int

    @property
    def ratio(self) -> float:
        """Computed over measured."""
        return self.computed / self.measured

    @property
    def whole(self) -> float:
        """The same of the whole peak, as `peak_bytes` has it: with weights, buffers and input."""
        return (self.there + self.computed) / (self.there + self.measured)

    @property
    def without_blocks(self) -> float:
        """Computed over requested; 0 where that is not known."""
        return self.computed / self.requested if self.requested else 0.0

    @property
    def with_blocks(self) -> float:
        """The same with what the allocator adds to blocks."""
        return (self.computed + self.allocator) / self.measured

    @property
    def with_all(self) -> float:
        """The same with both estimates."""
        return (self.computed + self.allocator + self.workspace) / self.measured


def rows(folder: Path, device: str, networks: Collection[str] = ()) -> Iterator[Row]:
    """The figures of the measured file of a device, of some networks or of all."""
    with (folder / f"{device}_torchvision.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if networks and line["network"] not in networks:
                continue
            batch, size, module = int(line["batch"]), int(line["size"]), model(line["network"])
            for mode, prefix in (("inference", "infer"), ("training", "train")):
                if not line[f"{prefix}_peak_bytes"]:
                    continue
                measured, requested = (
                    int(line[f"{prefix}_{key}peak_bytes"]) - int(line[f"{prefix}_{key}base_bytes"])
                    if f"{prefix}_{key}peak_bytes" in line
                    else 0
                    for key in ("", "requested_")
                )
                found = memory(module, (3, size, size), batch=batch, mode=mode, optimizer=_NONE[mode])
                # Weights, buffers and input were there before.
                there = sum(map(_blocks, (*module.parameters(), *module.buffers()))) + _rounded(found.input)
                own = found.peak - there
                estimates = found.workspace, found.allocator
                yield Row(mode, line["network"], batch, there, own, measured, requested, *estimates)


_NONE = {"inference": None, "training": "none"}


def _blocks(tensor: Tensor) -> int:
    return _rounded(tensor.numel() * tensor.element_size())


def _rounded(size: int) -> int:
    return -(-size // 512) * 512


def print_rows(folder: Path, device: str) -> bool:
    """The comparison, and the shares that are required; whether all of them are met."""
    found = list(rows(folder, device))
    for row in found:
        print(
            f"{row.what:9} {row.network:20} batch {row.batch:3} {row.computed:15,} of {row.measured:15,} "
            f"{row.ratio:7.4f}, whole peak {row.whole:.4f}, with the allocator's blocks {row.with_blocks:.4f}, with "
            f"both estimates {row.with_all:.4f}; measured beside the tensors {max(0, row.measured - row.computed):,}"
            + (f"; of the bytes asked for {row.without_blocks:.4f}" if row.requested else "")
        )
    for batch in (1, 32):
        steps = _of(found, "training", batch)
        for title, name in (("peak alone", "ratio"), ("with blocks", "with_blocks"), ("with both", "with_all")):
            errors = [abs(getattr(row, name) - 1) for row in steps]
            shares = [sum(error <= limit for error in errors) for limit in (0.005, 0.02, 0.1)]
            print(
                f"training at batch {batch}, {title}: median error {statistics.median(errors):.2%}; within 0.5 %, 2 % "
                f"and 10 %: {', '.join(map(str, shares))} of {len(steps)}"
            )
    met = [_print_share(*check) for check in _checks(found)]
    return all(met)


class Check(NamedTuple):
    """Rows whose ratio, of this name, must hold for a share of them; a share of 0 is only shown."""

    text: str
    among: list[Row]
    ratio: str
    holds: Callable[[float], bool]
    share: float = 0.0


def _checks(found: list[Row]) -> Iterator[Check]:
    one, many = _of(found, "training", 1), _of(found, "training", 32)
    forward = _of(found, "inference", 1)

    def within(limit: float) -> Callable[[float], bool]:
        return lambda ratio: abs(ratio - 1) <= limit

    for name, title in (("whole", "whole peak"), ("ratio", "what a pass adds")):
        yield Check(f"{title}: at most 2 % above the measured one", found, name, lambda ratio: ratio <= 1.02, 1.0)
        yield Check(f"{title}: training within 5 % at batch 32", many, name, within(0.05), 16 / 26)
        share = 0.9 if name == "whole" else 0.0
        yield Check(f"{title}: training within 10 % at batch 1", one, name, within(0.1), share)
        yield Check(f"{title}: inference within 3 % at batch 1", forward, name, within(0.03), share)
    if found[0].requested:
        name, title = "without_blocks", "bytes asked for"
        yield Check(f"{title}: training within 1 % at batch 1", one, name, within(0.01))
        yield Check(f"{title}: training within 1 % at batch 32", many, name, within(0.01))
        yield Check(f"{title}: inference within 0.1 % at batch 1", forward, name, within(0.001), 0.9)
        yield Check(f"{title}: inference within 0.1 % at batch 32", _of(found, "inference", 32), name, within(0.001))


def _print_share(text: str, among: list[Row], name: str, holds: Callable[[float], bool], share: float) -> bool:
    others = [row for row in among if not holds(getattr(row, name))]
    good = len(among) - len(others)
    is_met = good >= share * len(among)
    verdict = "" if not share else ", as required" if is_met else f", REQUIRED: {share:.0%}"
    print(f"{text}: {good} of {len(among)}{verdict}")
    print(f"  others: {', '.join(f'{row.network} {getattr(row, name):.3f}' for row in others) or 'none'}")
    return is_met


def _of(found: list[Row], what: str, batch: int) -> list[Row]:
    return [row for row in found if (row.what, row.batch) == (what, batch)]


def print_saved() -> bool:
    """What autograd saves, model by model; whether all are equal."""
    equal = 0
    for name, size in SAVED.items():
        begun = time.perf_counter()
        found = compare_saved(name, size)
        equal += found.equal
        sign = "equal" if found.equal else f"REAL TENSORS: {found.real[0]:,}"
        print(f"{name:20} {found.computed[0]:14,} bytes, {sign}, {time.perf_counter() - begun:.1f} s", flush=True)
    print(f"equal to the byte: {equal} of {len(SAVED)}")
    return equal == len(SAVED)


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="the folder of the measured file")
    parser.add_argument("--device", default="h200", help="the begin of the file's name")
    parser.add_argument("--saved", action="store_true", help="compare what autograd saves on 30 models")
    given = parser.parse_args()
    if given.folder is None and not given.saved:
        parser.error("give the folder of the measured file, or --saved")
    met = print_rows(given.folder, given.device) if given.folder else True
    return 0 if (print_saved() if given.saved else True) and met else 1


if __name__ == "__main__":
    sys.exit(main())

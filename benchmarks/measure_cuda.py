"""Measures a CUDA device, in the files that `timing_data.py` and `memory.py` read.

    python benchmarks/measure_cuda.py FOLDER [--prefix NAME] [--part PART ...] [--seconds NUMBER]

Writes NAME_operators.csv, NAME_resnet50_replaced.csv and NAME_torchvision.csv into FOLDER, row by row, so that what was
measured stays when the run is stopped. --seconds ends each part. Times are medians of CUDA events: float32 without
TF32, float16 with channels last; graph_s is the replay of a CUDA graph. Memory is what PyTorch's allocator reports of
one pass beside what was there before: `peak_bytes` in its blocks, `requested_bytes` as asked for, without what blocks
add. Two passes ran before, as in use.
"""

import argparse
import csv
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from memory import model
from torch import nn

from flopcalc import layer
from flopcalc.catalog import registry
from flopcalc.errors import FlopcalcError
from flopcalc.networks.network import Network
from flopcalc.pytorch.measuring.clock import in_turns
from flopcalc.pytorch.measuring.place import measured_state, place
from flopcalc.pytorch.measuring.run import measure_described
from flopcalc.pytorch.measuring.subject import Pass
from flopcalc.spec.operator import Evaluation
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import from_python

SHAPES = ((128, 28), (512, 7), (64, 56), (256, 14), (256, 56))
BATCHES = (1, 32, 128)
DTYPES = {"fp32": "float32", "fp16": "float16"}
REPLACEMENTS = (
    "",
    *("adder", "compconv", "condconv", "dynamic_conv", "ghost", "hetconv", "involution", "mixconv", "pconv"),
    *("spatial_bottleneck", "spconv", "svd", "topological", "tucker2", "dsc", "scconv", "octconv"),
)
TORCHVISION = (
    *("alexnet", "vgg11", "vgg16", "vgg16_bn", "resnet18", "resnet34", "resnet50", "resnext50_32x4d"),
    *("wide_resnet50_2", "densenet121", "inception_v3", "squeezenet1_0", "squeezenet1_1", "mobilenet_v3_small"),
    *("mobilenet_v3_large", "mnasnet1_0", "shufflenet_v2_x0_5", "efficientnet_b0", "efficientnet_b3"),
    *("efficientnet_v2_s", "regnet_x_400mf", "regnet_y_400mf", "convnext_base", "vit_b_32", "swin_v2_t", "maxvit_t"),
    *("mobilenet_v2", "googlenet", "resnet101", "densenet169", "efficientnet_b1", "regnet_y_800mf", "convnext_tiny"),
    *("swin_t", "vit_b_16", "shufflenet_v2_x1_0", "mnasnet0_5", "vgg13_bn"),
)
# The budget of one time, in seconds.
SHORT = 0.05

Row = dict[str, Any]


def seconds_of(what: Network | Evaluation, dtype: str, execution: str) -> float | None:
    """The median of one pass; None where it cannot be run or captured so."""
    try:
        chosen = place("cuda", dtype)._replace(execution=execution)
        return measure_described([what], chosen, SHORT)[0].median
    except FlopcalcError as error:
        print(f"{what!r}, {dtype}, {execution}: {error}", file=sys.stderr, flush=True)
        return None


def both_seconds(what: Network | Evaluation, dtype: str) -> Row:
    """eager_s and graph_s of a pass."""
    return {f"{execution}_s": seconds_of(what, dtype, execution) for execution in ("eager", "graph")}


def operator_rows() -> Iterator[Row]:
    """All operators on all shapes."""
    for channels, size in SHAPES:
        for name in registry.names():
            for batch in BATCHES:
                try:
                    found = layer(name, channels, hw=size, batch=batch)
                except FlopcalcError as error:
                    print(f"{name} {channels} {size}: {error}", file=sys.stderr, flush=True)
                    break
                for short, dtype in DTYPES.items():
                    head = {"operator": name, "channels": channels, "hw": size, "batch": batch, "dtype": short}
                    yield {**head, **both_seconds(found, dtype)}


def replaced_rows() -> Iterator[Row]:
    """ResNet-50 with its layers replaced."""
    for batch in (32, 1, 128):
        for replace in REPLACEMENTS:
            spec = from_python("resnet50", batch=batch, replace=(replace,) if replace else ())
            target = read_target(spec)
            number = len(target.replacement.replaced) if target.replacement else 0
            for short, dtype in DTYPES.items():
                head = {"network": "resnet50", "replace": replace, "replaced": number, "batch": batch, "dtype": short}
                yield {**head, **both_seconds(target.network, dtype)}


def torchvision_rows() -> Iterator[Row]:
    """Times and memory of torchvision's models, in float32."""
    for name in TORCHVISION:
        with torch.device("cuda"):
            module = model(name)
        size = 299 if name == "inception_v3" else 224
        for batch in (1, 32):
            yield {"network": name, "batch": batch, "size": size, **model_row(module, size, batch)}
        del module
        gc.collect()
        torch.cuda.empty_cache()


def model_row(module: nn.Module, size: int, batch: int) -> Row:
    """infer_* and train_* of a model."""
    given = torch.rand(batch, 3, size, size, device="cuda")
    found: Row = {}

    for prefix, training in (("infer", False), ("train", True)):
        one = Pass(module.train(training), [given], {}, "forward", training)
        with measured_state(place("cuda", "float32")._replace(training=training)):
            try:
                found |= {f"{prefix}_{key}": value for key, value in peaks(one).items()}
                (measured,) = in_turns([one.run], SHORT, "cuda")
                found[f"{prefix}_s"] = measured.median
            except (RuntimeError, ValueError) as error:
                print(f"{type(module).__name__}, batch {batch}, {prefix}: {error}", file=sys.stderr, flush=True)
        one.forget()
    return found


def peaks(one: Pass) -> Row:
    """The bytes before a pass and at most in it, in blocks and as asked for."""
    for _ in range(2):
        one.run()
        one.forget()
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_stats()
    out = one.run()
    torch.cuda.synchronize()
    after = torch.cuda.memory_stats()
    del out
    one.forget()
    found = {}
    for key, name in (("allocated_bytes", ""), ("requested_bytes", "requested_")):
        found[f"{name}base_bytes"] = before[f"{key}.all.current"]
        found[f"{name}peak_bytes"] = after[f"{key}.all.peak"]
    return found


_MEASURED = ("s", "base_bytes", "peak_bytes", "requested_base_bytes", "requested_peak_bytes")
PARTS: dict[str, tuple[Callable[[], Iterator[Row]], Sequence[str]]] = {
    "torchvision": (
        torchvision_rows,
        ("network", "batch", "size", *(f"{prefix}_{key}" for prefix in ("infer", "train") for key in _MEASURED)),
    ),
    "resnet50_replaced": (
        replaced_rows,
        ("network", "replace", "replaced", "batch", "dtype", "eager_s", "graph_s"),
    ),
    "operators": (operator_rows, ("operator", "channels", "hw", "batch", "dtype", "eager_s", "graph_s")),
}


def main() -> int:
    """Measure the parts that are asked for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prefix", default="device", help="the begin of the files' names")
    parser.add_argument("--part", action="append", choices=tuple(PARTS), help="default: all")
    parser.add_argument("--seconds", type=float, default=3600, help="after which each part ends")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("PyTorch has no CUDA device on this machine")
    for part in asked.part or PARTS:
        rows, columns = PARTS[part]
        start, number = perf_counter(), 0
        with (asked.folder / f"{asked.prefix}_{part}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            for row in rows():
                shown = {key: f"{value:.4e}" if isinstance(value, float) else value for key, value in row.items()}
                writer.writerow(shown)
                file.flush()
                number += 1
                if perf_counter() - start > asked.seconds:
                    break
        print(f"{part}: {number} rows in {perf_counter() - start:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

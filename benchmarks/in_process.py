"""Measurements in this process: formulas, descriptions next to a YAML parser, sweeps next to NumPy, depth.

    python benchmarks/in_process.py formulas|descriptions|sweep|depth [quick]

Prints one JSON value. Each runs in a process of its own, so that none finds what another one loaded.
"""

import json
import math
import sys
import timeit
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from processes import best_of


def formulas(quick: bool) -> dict[str, Any]:
    """Microseconds of one evaluation of each operator's formula on ints, with its default options."""
    from flopcalc import layer
    from flopcalc.catalog import lookup

    found = {}
    number, rounds = (20, 2) if quick else (300, 7)
    for operator in lookup.every():
        e = layer(operator.name, 256)
        job = lambda e=e: e.operator.cost(e.geometry, e.named)  # noqa: E731
        found[operator.name] = min(timeit.repeat(job, number=number, repeat=rounds)) / number
    slowest = max(found, key=lambda name: found[name])
    times = list(found.values())
    return {
        "operators": len(found),
        "least_s": min(times),
        "median_s": median(times),
        "most_s": found[slowest],
        "slowest": slowest,
    }


def descriptions(quick: bool) -> dict[str, Any]:
    """Reading the shipped networks, with the shapes and costs of all layers, next to parsing the text of their YAML.

    Each reading starts from the files: what `flopcalc.network` keeps for the next call is not used.
    """
    import yaml

    from flopcalc.networks import library
    from flopcalc.networks.description import Description
    from flopcalc.networks.like import read_network_file

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    rows: list[dict[str, Any]] = []
    for name in library.names()[:: 20 if quick else 1]:
        own = library.source(name)
        _, base = read_network_file(own, library.source)
        texts = []
        for path in dict.fromkeys((own, base)):
            with open(path, encoding="utf-8") as file:
                texts.append(file.read())

        def read(own: str = own) -> int:
            layers = Description(*read_network_file(own, library.source)).at().layers
            for one in layers:
                _ = one.cost
            return len(layers)

        def parse(texts: Sequence[str] = texts) -> None:
            for text in texts:
                loader(text).get_single_data()

        best = best_of({"ours": read, "peer": parse}, 2 if quick else 4, 1)
        rows.append({"name": name, "layers": read(), "cpu_s": best["ours"], "peer_s": best["peer"]})
    total, peer = (sum(row[key] for row in rows) for key in ("cpu_s", "peer_s"))
    slowest = sorted(rows, key=lambda row: -row["cpu_s"])[:5]
    return {
        "peer": loader.__name__,
        "networks": len(rows),
        "cpu_s": total,
        "peer_s": peer,
        "ratio": total / peer,
        "slowest": slowest,
    }


def sweep(quick: bool) -> list[dict[str, Any]]:
    """Sweeps of three operators next to hand-written NumPy, with the same rows."""
    from sweep import FUNCTIONS, compare

    return [compare(name, function, rounds=1 if quick else 5) for name, function in FUNCTIONS.items()]


def slope(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The exponent b of seconds = a * size^b, by least squares on logarithms; 1 is proportional."""
    x, y = ([math.log(value) for value in values] for values in (sizes, seconds))
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)


def depth(quick: bool) -> dict[str, Any]:
    """Modules of ever more linear layers: flopcalc.count and FlopCounterMode, and the exponent of each."""
    import torch
    from torch import nn
    from torch.utils.flop_counter import FlopCounterMode

    from flopcalc.pytorch import count

    sizes = (100, 300, 1_000) if quick else (300, 1_000, 3_000, 10_000)
    rows = []
    for layers in sizes:
        module = nn.Sequential(*(nn.Linear(8, 8, device="meta") for _ in range(layers))).eval()
        x = torch.empty(1, 8, device="meta")

        def ours(module: nn.Module = module) -> int:
            return count(module, (1, 8)).macs

        def peer(module: nn.Module = module, x: torch.Tensor = x) -> int:
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                module(x)
            return int(counter.get_total_flops())

        if not 2 * ours() == peer() == 2 * 64 * layers:
            raise SystemExit(f"{layers} layers: the two count differently")
        jobs: dict[str, Callable[[], object]] = {"ours": ours, "peer": peer}
        best = best_of(jobs, 1 if quick or layers > 3_000 else 3, 1)
        rows.append({"layers": layers, "cpu_s": best["ours"], "peer_s": best["peer"]})
    found = {name: slope(sizes, [row[name] for row in rows]) for name in ("cpu_s", "peer_s")}
    return {"rows": rows, "slope": found["cpu_s"], "peer_slope": found["peer_s"]}


PARTS: dict[str, Callable[[bool], Any]] = {
    "formulas": formulas,
    "descriptions": descriptions,
    "sweep": sweep,
    "depth": depth,
}

if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]]("quick" in sys.argv[2:])))

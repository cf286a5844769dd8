"""Measure the evaluation of described networks, compared with torch's FlopCounterMode on the same network.

Each evaluation has an input that was not evaluated before. "MACs" and "kinds": `network(name, input=...)` and its MACs,
or the totals in all kinds; "options" changes an option together with the input; "layers" also looks at the record of
every layer; "form" is the MACs by the closed form, which was derived once. FlopCounterMode counts torchvision's module
on the meta device, in the same process. "First" is the first reading in a fresh process, in CPU time: the YAML file is
read and parsed, and the network is evaluated; imports are excluded. Then the ten shipped networks with the longest
first readings are listed, each read again in this process.
No test depends on the results.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

ROUNDS = 15
# The step of the input's size, and an option that changes sizes only.
NETWORKS: dict[str, tuple[int, str]] = {
    "resnet50": (32, "width_per_group"),
    "resnet152": (32, "width_per_group"),
    "mobilenet_v2": (32, "width"),
    "mobilenet_v3_large": (32, "width"),
    "efficientnet_b0": (32, "width"),
    "densenet121": (32, "growth"),
    "densenet201": (32, "growth"),
    "convnext_tiny": (32, "classes"),
    "resnext50_32x4d": (32, "width_per_group"),
    "shufflenet_v2_x1_0": (32, "classes"),
    "vgg16": (32, "classes"),
    "vit_b_16": (16, "classes"),
    "swin_t": (32, "width"),
}
FIRST = """
import time
from flopcalc import network
from flopcalc.catalog import lookup
list(lookup.every())
start = time.process_time()
network({!r})
print((time.process_time() - start) * 1e3)
"""


def first(name: str) -> float:
    """The CPU milliseconds of the first reading in a fresh process; the minimum of several processes."""
    command = [sys.executable, "-c", FIRST.format(name)]
    return min(float(subprocess.run(command, capture_output=True, check=True, text=True).stdout) for _ in range(7))


def longest(count: int = 10) -> list[tuple[float, int, str]]:
    """The shipped networks with the longest readings of the file: CPU milliseconds, layers, name."""
    from flopcalc.networks import library
    from flopcalc.networks.description import Description
    from flopcalc.networks.like import read_network_file

    found = []
    for name in library.names():
        times = []
        for _ in range(7):
            start = time.thread_time()
            described = Description(*read_network_file(library.source(name), library.source)).at()
            times.append((time.thread_time() - start) * 1e3)
        found.append((min(times), len(described.layers), name))
    return sorted(found, reverse=True)[:count]


def changed(name: str, option: str, place: int) -> dict[str, Any]:
    """A new value of an option for each evaluation."""
    value: object = 100 + 2 * place if option == "classes" else None
    if value is None:
        value = {"width_per_group": 64 + 2 * place, "growth": 24 + 2 * place}.get(option)
    if value is None:
        value = 48 + 48 * place if name == "swin_t" else f"{50 + place}/100"
    return {option: value}


def milliseconds(function: Callable[[int], object]) -> float:
    """The median CPU time of a call, each with another number."""
    times = []
    for place in range(1, ROUNDS + 1):
        start = time.thread_time()
        function(place)
        times.append((time.thread_time() - start) * 1e3)
    return median(times)


def main() -> None:
    """Print a table."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from flopcalc import formula, network
    from flopcalc.cost.kinds import KINDS
    from flopcalc.pytorch.loading.importing import import_named, with_operators
    from flopcalc.symbolic.evaluating import evaluate

    models = with_operators(lambda: import_named("torchvision.models", None))
    head = (
        "network",
        "rows",
        "first",
        "peer",
        *(cell for one in ("MACs", "kinds", "options", "layers", "form") for cell in (one, "ratio")),
    )
    print(" ".join(f"{text:>{19 if text == 'network' else 8}}" for text in head), " (ms)")
    for name, (step, option) in NETWORKS.items():
        with torch.device("meta"):
            module = getattr(models, name)().eval()
        x = torch.empty(1, 3, 224, 224, device="meta")

        def peer(_: int, module: Any = module, x: Any = x) -> None:
            with FlopCounterMode(display=False), torch.no_grad():
                module(x)

        def sizes(place: int, step: int = step) -> int:
            return 224 + step * place

        def macs(place: int, name: str = name, sizes: Any = sizes) -> None:
            _ = network(name, input=sizes(place)).macs

        def kinds(place: int, name: str = name, sizes: Any = sizes) -> None:
            net = network(name, input=sizes(place + ROUNDS))
            for kind in KINDS:
                net.total(kind)

        def options(place: int, name: str = name, option: str = option, sizes: Any = sizes) -> None:
            _ = network(name, input=sizes(place + 2 * ROUNDS), **changed(name, option, place)).macs

        def layers(place: int, name: str = name, sizes: Any = sizes) -> None:
            for layer in network(name, input=sizes(place + 3 * ROUNDS)).layers:
                _ = layer.name, layer.in_shape, layer.out_shape, layer.cost.parts

        found_form = formula(name).form
        closed = found_form.cost["macs"] if found_form else 0

        def form(place: int, closed: Any = closed, sizes: Any = sizes) -> None:
            evaluate(closed, {"N": 1, "H": sizes(place), "W": sizes(place + 1)})

        macs(0)
        peer(0)
        slow = milliseconds(peer)
        found = [milliseconds(one) for one in (macs, kinds, options, layers, form)]
        cells = [f"{name:>19} {len(network(name).layers):8d} {first(name):8.2f} {slow:8.1f}"]
        cells += [f"{one:8.3f} {slow / one:8.0f}" for one in found]
        print(" ".join(cells), flush=True)
    for slow, rows, name in longest():
        print(f"{name:>19} {rows:8d} {slow:8.2f}")


if __name__ == "__main__":
    main()

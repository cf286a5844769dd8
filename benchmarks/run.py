"""Speed, as ratios to peers measured in the same run. Nothing here passes or fails a test.

Start-up is CPU time of fresh processes, against a process that only imports click and Rich's tables.
Counting is time in process, against torch's FlopCounterMode on the same network on the meta device.
Reading networks is time in process, against PyYAML's C loader on the text of the same files.
"""

import resource
import subprocess
import sys
import timeit
from collections.abc import Callable

ROUNDS = 15


def cpu(arguments: list[str]) -> float:
    """CPU seconds of one fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def start_up() -> None:
    """Commands against the import of what they need at least."""
    script = "import sys; sys.argv = {}; from flopcalc.__main__ import run; run()"
    layer = ["flopcalc", "layer", "--type", "compconv", "--cin", "256"]
    model = ["flopcalc", "model", "resnet50", "--replace", "spconv"]
    jobs = {
        "import click, rich.console, rich.table": ["-c", "import click, rich.console, rich.table"],
        " ".join(layer): ["-c", script.format(layer)],
        " ".join(model): ["-c", script.format(model)],
        " ".join([*layer, "--format", "json"]): ["-c", script.format([*layer, "--format", "json"])],
        "import torch": ["-c", "import torch"],
    }
    # Interleaved, so that a slow moment of the machine hits all alike; the least is the least disturbed.
    best = dict.fromkeys(jobs, float("inf"))
    for _ in range(ROUNDS):
        for name, arguments in jobs.items():
            best[name] = min(best[name], cpu(arguments))
    peer = next(iter(best.values()))
    print("Start-up, CPU time of a fresh process")
    for name, seconds in best.items():
        print(f"  {name:56} {seconds * 1e3:8.1f} ms  {seconds / peer:6.2f} x")


def best_of(function: Callable[[], object], number: int) -> float:
    """Least seconds for one call."""
    return min(timeit.repeat(function, number=number, repeat=7)) / number


def in_process() -> None:
    """Formulas and networks against counting by running."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from flopcalc import layer, network
    from flopcalc.catalog import lookup
    from flopcalc.pytorch import build_network, count
    from flopcalc.replacing.described import replace_convolutions

    print("Formulas on ints")
    for operator in lookup.every():
        e = layer(operator.name, 256)
        seconds = best_of(lambda e=e: e.operator.cost(e.geometry, e.named), 500)  # type: ignore[misc]
        print(f"  {operator.name:42} {seconds * 1e6:8.1f} us")

    def described() -> None:
        replace_convolutions(network("resnet50"), lookup.get("spconv"), {})

    module = build_network(network("resnet50"), device="meta").eval()
    x = torch.empty(1, 3, 224, 224, device="meta")

    def counter() -> None:
        with FlopCounterMode(display=False), torch.no_grad():
            module(x)

    counter()
    peer = best_of(counter, 3)
    print("ResNet-50")
    for name, seconds in {
        "FlopCounterMode on meta": peer,
        "flopcalc.pytorch.count": best_of(lambda: count(module, (1, 3, 224, 224)), 3),
        "description read and replaced by spconv": best_of(described, 5),
    }.items():
        print(f"  {name:56} {seconds * 1e3:8.1f} ms  {seconds / peer:6.3f} x")


def descriptions() -> None:
    """All shipped networks and the slowest of them: read, with every layer's shapes and cost."""
    import yaml

    from flopcalc import network
    from flopcalc.networks import library
    from flopcalc.networks.like import read_network_file

    def sources(name: str) -> list[str]:
        """The texts that a network is read from: its own, and that of the network that it is like."""
        own = library.source(name)
        _, base = read_network_file(own, library.source)
        texts = []
        for path in dict.fromkeys((own, base)):
            with open(path, encoding="utf-8") as file:
                texts.append(file.read())
        return texts

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read, parsed, layers = {}, {}, {}
    for name in library.names():
        texts = sources(name)
        layers[name] = len(network(name).layers)
        read[name] = best_of(lambda name=name: network(name), 1)  # type: ignore[misc]
        parsed[name] = best_of(lambda texts=texts: [loader(text).get_single_data() for text in texts], 1)  # type: ignore[misc]
    print(f"Descriptions, against {loader.__name__} on the same text")
    slowest = sorted(read, key=lambda name: read[name])[-5:]
    for name in slowest:
        label = f"{name} ({layers[name]} layers)"
        print(f"  {label:56} {read[name] * 1e3:8.1f} ms  {read[name] / parsed[name]:6.2f} x")
    label, whole, peer = f"all {len(read)} networks", sum(read.values()), sum(parsed.values())
    print(f"  {label:56} {whole * 1e3:8.1f} ms  {whole / peer:6.2f} x")


if __name__ == "__main__":
    start_up()
    descriptions()
    in_process()

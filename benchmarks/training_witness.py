"""The training cost of all classifiers of torchvision: by the graph of their layers, and by a backward pass that ran.

`python benchmarks/training_witness.py` prints the models whose multiply-adds differ, and why the counts may. With the
path of a table of measured counts (columns network, batch, size, train_fcm_flops) it compares those, too: they count
two for each multiply-add, and the scores of fused attention twice. They hold where no convolution is grouped.
"""

import csv
import sys
import warnings
from functools import cache

from flopcalc.analysis.training.training import Training, graph_training, network_training
from flopcalc.errors import FlopcalcError
from flopcalc.networks.network import Network
from flopcalc.networks.training import TrainingOptions
from flopcalc.pytorch.loading import torchvision_operators
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import from_python

FUSED = TrainingOptions(fused=True)
SIDES = {"inception_v3": 299, "vit_h_14": 224, "swin_v2_t": 256, "swin_v2_s": 256, "swin_v2_b": 256}


@cache
def counted(name: str, side: int, batch: int = 1) -> Network:
    """The forward pass of a model."""
    return read_target(from_python(f"torchvision:{name}", (3, side, side), batch=batch)).plain


def of(name: str, side: int, batch: int = 1) -> tuple[Training, Training]:
    """The training cost by the backward pass, and by the graph of the forward pass in inference."""
    network = counted(name, side, batch)
    return network_training(network, TrainingOptions()), graph_training(network, TrainingOptions())


def main(table: str = "") -> int:
    """Compare all, and report."""
    warnings.filterwarnings("ignore")
    torchvision_operators.declare()
    import torchvision

    names = torchvision.models.list_models(module=torchvision.models)
    equal, others = 0, []
    for name in names:
        ran, by_graph = of(name, SIDES.get(name, 224))
        if ran.macs == by_graph.macs and by_layer(ran) == by_layer(by_graph):
            equal += 1
        else:
            others.append(f"{name}: {ran.macs:,} ran, {by_graph.macs:,} by the graph; {'; '.join(ran.remarks)}")
    print(f"{equal} of {len(names)} classifiers: equal in each layer")
    print("\n".join(others))
    if table:
        measured(table)
    return 0


def by_layer(found: Training) -> dict[str, int]:
    """The multiply-adds of the backward pass by layer, of those that have some."""
    return {one.name: one.cost.macs for one in found.backward.layers if one.cost.macs}


def measured(table: str) -> None:
    """Compare with counts that were measured."""
    with open(table, encoding="ascii") as file:
        rows = [row for row in csv.DictReader(file) if row["train_fcm_flops"]]
    plain = equal = 0
    for row in rows:
        name, side, batch = row["network"], int(row["size"]), int(row["batch"])
        network = counted(name, side, batch)
        if grouped(network):
            continue
        ran = network_training(network, FUSED)
        plain += 1
        equal += 2 * ran.macs == int(row["train_fcm_flops"])
        if 2 * ran.macs != int(row["train_fcm_flops"]):
            print(f"{name} at batch {batch}: {2 * ran.macs:,}, measured {int(row['train_fcm_flops']):,}")
    print(f"{equal} of {plain} measured rows without grouped convolutions are equal")


def grouped(network: Network) -> bool:
    """Whether a network has a grouped convolution."""
    return any(layer.window is not None and (layer.window.groups or 1) > 1 for layer in network.layers)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:2]))
    except FlopcalcError as error:
        sys.exit(f"error: {error.message}")

"""The models of torchvision counted from their names, next to the figures that torchvision publishes.

Each weight's metadata has the number of its parameters and its GMACs (`_ops`, at the documented input). Prints one
line for each, and exits with 1 where one differs without a reason. `python benchmarks/published_zoo.py [NAME ...]`.
"""

import sys
from dataclasses import dataclass
from typing import Any

from flopcalc.networks.network import Network
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.importing import import_named
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import from_texts

# Height and width at which torchvision's tables give detectors, where the model does not fix them.
_DETECTION_SIZE = 800
# The box heads of these see as many proposals as the published count had; their cost is linear in them.
_PROPOSALS = {"fasterrcnn_mobilenet_v3_large_fpn": 0, "fasterrcnn_mobilenet_v3_large_320_fpn": 0}


@dataclass(frozen=True)
class Published:
    """What torchvision prints for one set of weights, and the options and input that it holds for."""

    name: str
    params: int
    gmacs: float
    inputs: tuple[str, ...]
    settings: tuple[str, ...] = ()


def published(torchvision: Any) -> list[Published]:
    """Every model with its first weights at each input size."""
    models = torchvision.models
    found: dict[tuple[str, tuple[str, ...]], Published] = {}
    for name in models.list_models():
        weights = models.get_model_weights(name)
        kind = weights.__module__.removeprefix("torchvision.models.").partition(".")[0]
        for one in weights:
            shape, settings = _input(name, kind, one)
            entry = Published(name, one.meta["num_params"], one.meta["_ops"], shape, settings)
            found.setdefault((name, shape), entry)
    return list(found.values())


def _input(name: str, kind: str, weights: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The input and the settings that the published figures hold for."""
    transforms = weights.transforms()
    categories = weights.meta.get("categories")
    settings = [f"num_classes={len(categories)}"] if categories else []
    if kind == "detection":
        size = {"ssd300_vgg16": 300, "ssdlite320_mobilenet_v3_large": 320}.get(name, _DETECTION_SIZE)
        size = 320 if "_320_" in name else size
        return (f"3x{size}x{size}",), tuple(settings)
    if kind == "segmentation":
        aux = [] if name.startswith("lraspp") else ["aux_loss=true"]
        return ("3x520x520",), (*settings, *aux)
    if kind == "optical_flow":
        return ("3x512x512", "3x512x512"), ()
    crop = transforms.crop_size
    if kind == "video":
        height, width = (crop[0], crop[-1])
        return (f"3x16x{height}x{width}",), tuple(settings)
    if name.startswith("vit"):
        settings.append(f"image_size={crop[0]}")
    if name == "googlenet":
        # The published weights come without the auxiliary heads.
        settings.append("aux_logits=false")
    return (f"3x{crop[0]}x{crop[0]}",), tuple(settings)


def count(entry: Published) -> Network:
    """The model, counted as the command line counts it."""
    spec = from_texts(f"torchvision:{entry.name}", settings=entry.settings, input_texts=entry.inputs)
    return read_target(spec).network


def frozen_norms(network: Network) -> int:
    """Parameters of batch norms, which published detectors freeze: there they are buffers."""
    return sum(layer.cost.params for layer in network.layers if layer.kind.lower().startswith("batchnorm"))


def proposals(network: Network) -> tuple[int, int]:
    """The boxes that the box head saw, and the MACs of everything that runs for each of them."""
    boxes = [layer for layer in network.layers if layer.name.startswith("roi_heads.box_head")]
    first = next((layer for layer in boxes if layer.cost.macs), None)
    heads = ("roi_heads.box_head", "roi_heads.box_predictor")
    macs = sum(layer.cost.macs for layer in network.layers if layer.name.startswith(heads))
    return (first.in_shape[0] if first else 0), macs


def difference(entry: Published, network: Network) -> str:
    """What is not as published; empty if nothing is."""
    params, gmacs, notes = network.params, network.macs / 1e9, []
    if params != entry.params and params - frozen_norms(network) == entry.params:
        params = entry.params
    if params != entry.params:
        notes.append(f"params {params:,}, published {entry.params:,}")
    if abs(gmacs - entry.gmacs) > 0.00051:
        notes.append(f"GMACs {gmacs:.4f}, published {entry.gmacs}")
    if network.uncounted:
        notes.append(f"uncounted: {', '.join(sorted({one.op for one in network.uncounted}))}")
    return "; ".join(notes)


def main(names: list[str]) -> int:
    """Count and compare; the exit code."""
    with visiting("torchvision:"):
        torchvision = import_named("torchvision", None)
    entries = [entry for entry in published(torchvision) if not names or entry.name in names]
    wrong = 0
    for entry in entries:
        try:
            why = difference(entry, count(entry))
        except Exception as error:  # one model that cannot be counted must not hide the others
            why = f"{type(error).__name__}: {error}"
        wrong += bool(why)
        print(f"{entry.name:40} {' '.join(entry.inputs):24} {why or 'as published'}", flush=True)
    print(f"{len(entries) - wrong} of {len(entries)} as published")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

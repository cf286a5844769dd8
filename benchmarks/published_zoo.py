"""The models of torchvision counted from their names, next to the figures that torchvision publishes.

Each weight's metadata has the number of its parameters and its GMACs (`_ops`, at the documented input). Prints one
line for each, and exits with 1 where one differs without a reason. `python benchmarks/published_zoo.py [NAME ...]`.
"""

import sys
from dataclasses import dataclass
from typing import Any

from flopcalc.networks.network import Network
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.importing import import_named, with_operators
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import from_texts

# Height and width at which torchvision's tables give detectors, where the model does not fix them.
_DETECTION_SIZE = 800
# Boxes that the published count ran the heads on, where they are known: proposals for the box head, and instances
# for the head of masks or keypoints. The cost of a head is linear in them.
_BOXES = {
    "fasterrcnn_mobilenet_v3_large_fpn": (0, 0),
    "fasterrcnn_mobilenet_v3_large_320_fpn": (0, 0),
    "maskrcnn_resnet50_fpn": (1000, 0),
    "maskrcnn_resnet50_fpn_v2": (1000, 100),
    "keypointrcnn_resnet50_fpn": (1000, 1),
    "keypointrcnn_resnet50_fpn COCO_LEGACY": (1000, 0),
}
_HEADS = (
    ("roi_heads.box_head", "roi_heads.box_predictor"),
    ("roi_heads.mask_head", "roi_heads.mask_predictor", "roi_heads.keypoint_head", "roi_heads.keypoint_predictor"),
)


@dataclass(frozen=True)
class Published:
    """What torchvision prints for one set of weights, and the options and input that it holds for."""

    name: str
    weights: str
    params: int
    gmacs: float
    inputs: tuple[str, ...]
    settings: tuple[str, ...] = ()


def published(torchvision: Any) -> list[Published]:
    """Every model with the first of its weights that have a figure, at each input size."""
    models = torchvision.models
    found: dict[tuple[str, float, tuple[str, ...]], Published] = {}
    for name in models.list_models():
        weights = models.get_model_weights(name)
        kind = weights.__module__.removeprefix("torchvision.models.").partition(".")[0]
        for one in weights:
            shape, settings = _input(name, kind, one)
            entry = Published(name, one.name, one.meta["num_params"], one.meta["_ops"], shape, settings)
            found.setdefault((name, entry.gmacs, shape), entry)
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
    if name.endswith("googlenet"):
        # The published weights come without the auxiliary heads.
        settings += ["aux_logits=false", "init_weights=false"]
    return (f"3x{crop[0]}x{crop[0]}",), tuple(settings)


def count(entry: Published) -> Network:
    """The model, counted as the command line counts it."""
    spec = from_texts(f"torchvision:{entry.name}", settings=entry.settings, input_texts=entry.inputs)
    return read_target(spec).network


def frozen_norms(network: Network) -> int:
    """Parameters of batch norms, which published detectors freeze: there they are buffers."""
    return sum(layer.cost.params for layer in network.layers if layer.kind.lower().startswith("batchnorm"))


def boxes_of(entry: Published) -> tuple[int, ...]:
    """The boxes that the heads ran on for the published figure; empty where they are as many as here."""
    return _BOXES.get(f"{entry.name} {entry.weights}", _BOXES.get(entry.name, ()))


def at_published_boxes(network: Network, entry: Published) -> int:
    """The MACs of a detector with as many boxes as the published count had."""
    macs = network.macs
    for names, wanted in zip(_HEADS, boxes_of(entry), strict=False):
        head = [layer for layer in network.layers if layer.name.startswith(names) and layer.cost.macs]
        if head:
            now, boxes = sum(layer.cost.macs for layer in head), head[0].in_shape[0]
            macs += now // boxes * wanted - now
    return macs


def difference(entry: Published, network: Network) -> str:
    """What is not as published; empty if nothing is."""
    params, gmacs, notes = network.params, at_published_boxes(network, entry) / 1e9, []
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
        torchvision = with_operators(lambda: import_named("torchvision", None))
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

"""What a network needs in memory as a record, and as plain data: the JSON contract `flopcalc/memory/1`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flopcalc.cost.result import Result
from flopcalc.networks.dataflow import Moment

SCHEMA = "flopcalc/memory/1"


@dataclass(frozen=True, repr=False)
class Memory(Result):
    """What `flopcalc memory` shows; sizes in bytes.

    activations_peak: the largest sum of tensors alive at once during the forward as eager PyTorch keeps them, without
    weights and input, at the layer activations_at. layer_peak: the largest sum of the input and the output of one layer
    and of what later layers still need, with batch norm and activation functions as part of the layer before them;
    None for training. best_order: the same for the best order of the layers, if that was asked for.
    saved: what autograd keeps for the backward, without weights, buffers and input, and saved_with_weights with these.
    gradients, optimizer_state: of the parameters that are trained. workspace: an estimate of what cuDNN takes beside
    the tensors. allocator: an estimate of what CUDA's caching allocator gives out in blocks that it does not split, in
    training. peak: weights, buffers, input, saved tensors, gradients, optimizer state and temporaries at the worst
    moment, in blocks of 512 bytes; peak_at: the layer that runs then, with `(backward)` in the backward pass. layers:
    the bytes of activations, and in training also of gradients, that are alive during each layer.
    """

    target: str
    title: str
    inputs: tuple[str, ...]
    batch: int
    dtype: str
    mode: str
    optimizer: str
    weights: int
    buffers: int
    input: int
    activations_peak: int
    activations_at: str
    element: int
    saved: int
    saved_with_weights: int
    gradients: int
    optimizer_state: int
    workspace: int
    peak: int
    peak_at: str
    layers: tuple[Moment, ...]
    allocator: int = 0
    layer_peak: int | None = None
    layer_peak_at: str = ""
    best_order: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """A short text: the peak and where it is."""
        what = "training" if self.mode == "training" else "inference"
        return (
            f"<Memory of {self.target}: {what}, batch {self.batch}, {self.dtype}, peak {readable(self.peak)}"
            f"{at(self.peak_at)}>"
        )

    @property
    def peak_bytes(self) -> int:
        """The peak, as its key in JSON is called."""
        return self.peak

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as `flopcalc memory --format json` shows it."""
        return {
            "schema": SCHEMA,
            "target": self.target,
            "title": self.title,
            "inputs": list(self.inputs),
            "batch": self.batch,
            "dtype": self.dtype,
            "mode": self.mode,
            "optimizer": self.optimizer,
            "weights_bytes": self.weights,
            "buffers_bytes": self.buffers,
            "input_bytes": self.input,
            "activations_peak_bytes": self.activations_peak,
            "activations_peak_elements": _elements(self.activations_peak, self.element),
            "activations_peak_at": self.activations_at,
            "layer_peak_bytes": self.layer_peak,
            "layer_peak_elements": _elements(self.layer_peak, self.element),
            "layer_peak_at": self.layer_peak_at or None,
            "best_order": None if self.best_order is None else dict(self.best_order),
            "saved_bytes": self.saved,
            "saved_with_weights_bytes": self.saved_with_weights,
            "gradients_bytes": self.gradients,
            "optimizer_bytes": self.optimizer_state,
            "workspace_bytes": self.workspace,
            "allocator_bytes": self.allocator,
            "peak_bytes": self.peak,
            "peak_at": self.peak_at,
            **self.settings,
            "layers": [{"name": one.name, "live_bytes": one.live} for one in self.layers],
            "notes": list(self.notes),
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """One row for each layer: the bytes that are alive while it runs."""
        return [{"layer": one.name, "live_bytes": one.live} for one in self.layers]


def _elements(size: int | None, element: int) -> int | None:
    """A size in elements; None where it is not a whole number of them."""
    return None if size is None or size % element else size // element


def at(layer: str | None) -> str:
    """Where a peak is, for the end of a phrase: ` at conv1`; nothing for a model without layers."""
    return f" at {layer}" if layer else ""


def readable(size: int) -> str:
    """Bytes as a person reads them, with the unit of 1024."""
    value, units = float(size), ["B", "KiB", "MiB", "GiB", "TiB"]
    # A byte less than 1 MiB is 1.00 MiB.
    while round(value, 2) >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{size} B" if units[0] == "B" else f"{value:.2f} {units[0]}"

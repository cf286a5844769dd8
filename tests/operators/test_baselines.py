"""The convolution that each operator is compared with, next to the layer of torch that its text names."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import for_author
from torch import nn

from flopcalc import layer
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.cost.geometry import SAME
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.pytorch.counting.counter import count
from flopcalc.spec.operator import Evaluation, Operator

# Their option `bias` is of other layers than the one that they are compared with.
WITHOUT_BIAS = {"cbam", "coordinate_attention", "eca", "se", "spatial_bottleneck"}


def _module(e: Evaluation) -> tuple[nn.Module, tuple[int, ...]]:
    """The layer that `baseline_text` names, and the shape of its input."""
    g = e.geometry
    flat: dict[str, Any] = {"device": "meta"}
    flat["bias"] = bool(e.named.get("bias", False)) and e.operator.name not in WITHOUT_BIAS
    match e.operator.baseline_text:
        case "plain conv" | "conv k x k":
            padding = SAME if g.uneven else g.padding
            conv: nn.Module = nn.Conv2d(g.c_in, g.c_out, g.kernel, g.stride, padding, g.dilation, **flat)
            return conv, (g.batch, g.c_in, g.h, g.w)
        case "plain conv1d":
            padding = SAME if g.uneven else g.padding_w
            conv = nn.Conv1d(g.c_in, g.c_out, g.k_w, g.stride_w, padding, g.dilation_w, **flat)
            return conv, (g.batch, g.c_in, g.w)
        case "plain conv3d":
            window: dict[str, Any] = {
                name: (getattr(g.depth, name), *getattr(g, name)) for name in ("stride", "padding", "dilation")
            }
            if g.uneven:
                window["padding"] = SAME
            conv = nn.Conv3d(g.c_in, g.c_out, (g.depth.k, *g.kernel), **window, **flat)
            depth = g.h if e.named["depth"] is None else e.named["depth"]
            return conv, (g.batch, g.c_in, depth, g.h, g.w)
        case "conv 3x3":
            return nn.Conv2d(g.c_in, g.c_out, 3, padding=1, **flat), (g.batch, g.c_in, g.h, g.w)
        case "linear":
            return nn.Linear(g.c_in, g.c_out, **flat), (g.batch, g.w, g.c_in)
        case "conv, same output":
            # On the map of the output; the zeros around it are not read.
            height, width = e.out_shape[1:]
            return nn.Conv2d(g.c_in, g.c_out, g.kernel, padding=SAME, **flat), (g.batch, g.c_in, height, width)
    raise AssertionError(for_author(e.operator.name, f"say here which layer `{e.operator.baseline_text}` is"))


@pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)
def test_the_baseline_is_a_layer_of_torch(operator: Operator) -> None:
    """In every kind of cost."""
    for e in cases(operator):
        _compare(e)


@pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)
def test_the_text_of_a_block(operator: Operator) -> None:
    """A block is not the `plain` form of a convolution: its text names the one that it is compared with."""
    if operator.family in ("blocks", "attention", "recurrent layers") and operator.policy.text == "no convolution":
        assert not operator.baseline_text.startswith("plain"), for_author(
            operator.name, "it replaces no convolution; name in `baseline_text` the one that it is compared with"
        )


@pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)
def test_the_text_fits_the_axes(operator: Operator) -> None:
    """Who takes sequences or volumes is compared with a layer that takes them too."""
    taken = {"plain conv1d": 1, "linear": 1, "plain conv3d": 3}.get(operator.baseline_text, 2)
    assert taken == (3 if operator.volume else operator.axes), for_author(
        operator.name, f"the {operator.baseline_text} does not take its input; correct `baseline_text`"
    )


PADS_UNEVENLY = [operator.name for operator in lookup.every() if operator.pads_unevenly]


@pytest.mark.parametrize("name", PADS_UNEVENLY)
def test_uneven_padding(name: str) -> None:
    """Where torch copies the input with more zeros at its end, it does so for the plain convolution too."""
    e = layer(name, 8, hw=9, k=4, padding="same", dilation=1)
    _compare(e)
    assert e.baseline.steps == e.cost.steps == 2


def _compare(e: Evaluation) -> None:
    module, shape = _module(e)
    counted, base = count(module, shape), e.baseline
    work = "linear" if e.operator.baseline_text == "linear" else "conv"
    assert {part.work for part in base} - {"move"} == {work}, for_author(
        e.label(), f"its baseline is not the {e.operator.baseline_text} that its text names; give it `baseline`"
    )
    copies = e.operator.baseline_text == "conv, same output" and counted.steps > 1
    for kind in (*OF_A_KERNEL, "steps"):
        if copies and kind in ("traffic", "steps"):
            continue
        assert base.total(kind) == counted.total(kind), for_author(
            e.label(),
            f"on {e.geometry} its baseline is not the {e.operator.baseline_text} of torch in {kind}; correct "
            "`baseline` or `baseline_text`",
        )

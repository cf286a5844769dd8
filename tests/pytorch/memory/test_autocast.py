"""Memory under autocast: which functions compute in which type, and what is saved then."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc import memory
from flopcalc.pytorch.memory import autocast

HEADER = Path(torch.__file__).parent / "include" / "ATen" / "autocast_mode.h"
LISTS = {
    "LOWER_PRECISION_FP": autocast._LOWER,
    "FP32": autocast._FLOAT32,
    # A cumulative sum is copied to float32 inside.
    "FP32_SET_OPT_DTYPE": autocast._FLOAT32_OUT | autocast._named("cumsum"),
    "PROMOTE": autocast._WIDEST,
}


@pytest.mark.skipif(not HEADER.exists(), reason="a torch without its headers")
@pytest.mark.parametrize("name", LISTS)
def test_the_lists_are_those_of_torch(name: str) -> None:
    """Each function of torch's own list that Python can call."""
    text = HEADER.read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(rf"#define AT_FORALL_{name}\(_\)(.*)", text)
    names = {one.removeprefix("linalg_") for one in re.findall(r"_\((\w+)", line)}
    assert len(names) > 5
    missing = [
        one for one in names for place in autocast._PLACES if getattr(place, one, None) not in {None, *LISTS[name]}
    ]
    # Kernels below functions that are in the lists.
    below = {"_convolution", "_thnn_fused_lstm_cell", "_thnn_fused_gru_cell", "_scaled_dot_product_flash_attention"}
    assert not set(missing) - below


class _Behind(nn.Module):
    """A function behind a linear layer, which gives bfloat16."""

    def __init__(self, function: Callable[..., Any], module: nn.Module | None = None) -> None:
        super().__init__()
        self.linear, self.function, self.module = nn.Linear(8, 8), function, module

    def forward(self, x: Tensor) -> Any:
        return self.function(self.linear(x), x, self.module)


# Of 2 x 4 x 8 = 64 elements. A sine saves its input, and shows the type that comes out.
HALF, FULL = 2 * 64, 4 * 64
FUNCTIONS: dict[str, tuple[Callable[..., Any], nn.Module | None, int]] = {
    # Four times as many elements, in float32.
    "upsampling": (lambda y, x, _: F.interpolate(y[:, None], scale_factor=2.0, mode="bilinear").sin(), None, 4 * FULL),
    "nearest": (lambda y, x, _: F.interpolate(y[:, None], scale_factor=2.0).sin(), None, 4 * FULL),
    # The other factor in half precision; 2 x 4 x 4 products.
    "einsum": (lambda y, x, _: torch.einsum("bij,bkj->bik", y, x).sin(), None, HALF + 2 * 32),
    # Its two inputs are float32, of which one is the model's.
    "bilinear layer": (lambda y, x, layer: layer(y, x).sin(), nn.Bilinear(8, 8, 8), FULL + FULL),
    # The inverse, in float32, and what the sine reads: the inverse times 1.
    "division of a number": (lambda y, x, _: (1 / y).sin(), None, FULL + FULL),
    # It reads half precision, which the linear layer has written, and writes the norms of 8 rows in float32, which are
    # limited then; the quotient of both types is float32.
    "norms": (lambda y, x, _: F.normalize(y, dim=-1).sin(), None, HALF + 2 * 4 * 8 + FULL),
    # An index of 8 bytes for each element, and the sum, in float32.
    "sums at places": (
        lambda y, x, _: x.clone().scatter_add(1, torch.zeros_like(x, dtype=torch.long), y).sin(),
        None,
        2 * FULL + FULL,
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    """The linear layer saves its input in half precision; what is behind it is in the comments."""
    function, module, saved = FUNCTIONS[name]
    assert (
        memory(_Behind(function, module), (4, 8), batch=2, mode="training", autocast="bfloat16").saved == HALF + saved
    )


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers(layer: Any) -> None:
    """They take the half precision of the layer before them, as with cuDNN; torch's flag is as it was."""
    model = _Behind(lambda y, x, layer: layer(y)[0], layer(8, 8, batch_first=True))
    cast = memory(model, (4, 8), batch=2, mode="training", autocast="bfloat16")
    assert cast.saved < memory(model, (4, 8), batch=2, mode="training").saved + cast.weights // 2
    assert not torch.is_autocast_enabled("cuda")

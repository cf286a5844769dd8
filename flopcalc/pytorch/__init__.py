"""PyTorch: layers of the operators, counts of modules, networks as modules. Only this package imports torch.

Public: `count` (a module's cost by running it), `counted_network` (the same as named layers),
`build_network` (a description as an nn.Module), `replace` (convolutions of any module by operators),
`build_layer` (an operator's module), and the layers themselves in `flopcalc.pytorch.layers`.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from flopcalc import optional
from flopcalc.errors import FlopcalcError

try:
    os.getcwd()
except OSError:
    # A library of torch would end the process with a message of its own.
    why = "the current folder does not exist, and PyTorch needs one"
    raise FlopcalcError("no-folder", why, "change to a folder that exists, for example `cd ~`") from None

optional.load("torch", "PyTorch", "torch>=2.4", "counting real layers")

if TYPE_CHECKING:
    from flopcalc.pytorch.build import build_network
    from flopcalc.pytorch.counting.counter import Count, count
    from flopcalc.pytorch.counting.network import counted_network
    from flopcalc.pytorch.layers import build_layer
    from flopcalc.pytorch.replacing.swap import Replaced, replace

__all__ = ["Count", "Replaced", "build_layer", "build_network", "count", "counted_network", "replace"]

_HOMES = {
    "Count": "counting.counter",
    "Replaced": "replacing.swap",
    "build_layer": "layers",
    "build_network": "build",
    "count": "counting.counter",
    "counted_network": "counting.network",
    "replace": "replacing.swap",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use: counting a model needs no layers of ours."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

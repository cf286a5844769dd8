"""PyTorch: layers of the operators, counts of modules, networks as modules. Only this package imports torch.

Public: `count` (a module's cost by running it), `counted_network` (the same as named layers),
`build_network` (a description as an nn.Module), `replace` (convolutions of any module by operators),
`build_layer` (an operator's module), and the layers themselves in `flopcalc.pytorch.layers`.
"""

import os

from flopcalc.errors import ExitCode, FlopcalcError, missing_package, reason
from flopcalc.interrupts import blocked_interrupts

try:
    os.getcwd()
except OSError:
    # A library of torch would end the process with a message of its own.
    why = "the current folder does not exist, and PyTorch needs one"
    raise FlopcalcError("no-folder", why, "change to a folder that exists, for example `cd ~`") from None

try:
    # An interrupt in the midst of it is swallowed by C code of torch, and NumPy cannot be imported after it.
    with blocked_interrupts():
        import torch  # noqa: F401
except ImportError as error:
    if isinstance(error, ModuleNotFoundError) and error.name == "torch":
        raise missing_package("PyTorch", "torch>=2.4", "counting real layers") from None
    why = f"PyTorch is installed but cannot be imported: {reason(error)}"
    how = "run `python -c 'import torch'` to see why"
    raise FlopcalcError("missing-package", why, how, ExitCode.MISSING) from error

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

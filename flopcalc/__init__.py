"""flopcalc: what a convolution operator or a network costs, by formula, by algebra and by count.

Public names are resolved on first use, so that `import flopcalc` stays light.
"""

from typing import Any

__version__ = "0.1.0"

# name -> module that holds it, and its name there.
_PUBLIC = {
    "Cost": ("flopcalc.cost.cost", "Cost"),
    "FlopcalcError": ("flopcalc.errors", "FlopcalcError"),
    "Geometry": ("flopcalc.cost.geometry", "Geometry"),
    "Network": ("flopcalc.networks.network", "Network"),
    "layer": ("flopcalc.catalog.layer", "layer"),
    "network": ("flopcalc.networks.library", "load"),
}

__all__ = ["Cost", "FlopcalcError", "Geometry", "Network", "__version__", "layer", "network"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _PUBLIC:
        raise AttributeError(f"module 'flopcalc' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(import_module(module), attribute)

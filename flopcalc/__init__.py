"""flopcalc: what a convolution operator or a network costs, by formula, by algebra and by count.

Public names are resolved on first use, so that `import flopcalc` stays light.
"""

from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "Cost": "flopcalc.cost",
    "FlopcalcError": "flopcalc.errors",
    "Geometry": "flopcalc.geometry",
    "Network": "flopcalc.networks.network",
    "geometry": "flopcalc.geometry",
    "layer": "flopcalc.api",
    "load_network": "flopcalc.networks",
    "network": "flopcalc.networks",
}

__all__ = [
    "Cost",
    "FlopcalcError",
    "Geometry",
    "Network",
    "__version__",
    "geometry",
    "layer",
    "load_network",
    "network",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _PUBLIC:
        raise AttributeError(f"module 'flopcalc' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)

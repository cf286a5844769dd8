"""Kinds of kernels that share a fitted parameter, since few measured rows tell them apart."""

from collections.abc import Mapping

from flopcalc.analysis.timing.kernels import KernelKind

RATES: Mapping[str, tuple[KernelKind, ...]] = {
    "conv": ("conv", "grouped"),
    "pointwise": ("pointwise", "matmul"),
    "depthwise": ("depthwise",),
    "distance": ("distance",),
}
BANDWIDTHS: Mapping[str, tuple[KernelKind, ...]] = {
    "matrix": ("conv", "grouped", "pointwise", "matmul"),
    "depthwise": ("depthwise",),
    "norm": ("norm",),
    "stream": ("elementwise", "pool", "move", "distance"),
    "reduce": ("reduce",),
    "gather": ("gather",),
}
KEPT: Mapping[str, tuple[KernelKind, ...]] = {
    "norm": ("norm",),
    "elementwise": ("elementwise",),
    "reduce": ("reduce",),
    "copies": ("move", "gather"),
    "matrix": ("conv", "grouped", "pointwise", "matmul", "depthwise"),
}

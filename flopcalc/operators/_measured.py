"""Shared by errata about speed: measured times, as facts with their source. Nothing here was computed by flopcalc."""

from flopcalc.spec.source import Evidence

_H200 = "measured on one NVIDIA H200, PyTorch 2.11"
# ResNet-50 of torchvision, batch 32, CUDA graph: seconds of one forward pass.
_PLAIN = {"float32": "0.013175", "float16": "0.0023205"}
# The same network with the operator's replacements at their defaults.
_REPLACED = {
    "spconv": {"float32": "0.013031", "float16": "0.0037935"},
    "ghost": {"float32": "0.010423", "float16": "0.0035825"},
    "compconv": {"float32": "0.013930", "float16": "0.0045588"},
    "hetconv": {"float32": "0.015122", "float16": "0.0064374"},
}


def resnet50_time(operator: str, dtype: str) -> Evidence:
    """The time of ResNet-50 with the operator over that of the plain network, batch 32, in a CUDA graph."""
    return Evidence(
        f"time of ResNet-50 with {operator} over the plain network's, batch 32, {dtype}, CUDA graph",
        expression=f"{_REPLACED[operator][dtype]} / {_PLAIN[dtype]}",
        source=_H200,
    )


def resnet50_times(operator: str) -> tuple[Evidence, ...]:
    """Both element types."""
    return resnet50_time(operator, "float32"), resnet50_time(operator, "float16")

"""What a training step takes beyond what the efficiencies of forward kernels say: three factors, fitted on steps.

The time of a kernel of the backward pass is that of a forward kernel of its sizes, times a factor of its role. The host
launches a kernel of a training step more slowly than one of an inference: autograd records it in the forward pass, and
finds it again in the backward pass. `benchmarks/fit_training.py` fits the factors and writes them here, on one device
in float32 and in eager execution; other devices and dtypes have the same.
"""

from typing import Literal, NamedTuple, TypeAlias

from flopcalc.analysis.timing.estimate import KernelEstimate
from flopcalc.analysis.timing.kernels import Kernel

Role: TypeAlias = Literal["forward", "dense", "other"]
ROLES: tuple[Role, ...] = ("forward", "dense", "other")
_GRADIENTS = ("grad_input", "grad_weight", "gradient")
_DENSE = ("conv", "pointwise", "matmul")


class Step(NamedTuple):
    """Factors on the time of kernels of the backward pass, by role, and on the time of launches of both passes.

    dense: gradients of dense products. other: all other gradients, those of grouped and depthwise convolutions, norms
    and element-wise work. host: launches in eager execution.
    """

    dense: float
    other: float
    host: float

    def of(self, kernel: Kernel, estimate: KernelEstimate, execution: str) -> KernelEstimate:
        """The estimate of a kernel of a training step, from the estimate of a forward kernel of its sizes."""
        factor = {"forward": 1.0, "dense": self.dense, "other": self.other}[role(kernel)]
        return estimate._replace(
            compute=estimate.compute * factor,
            memory=estimate.memory * factor,
            launch=estimate.launch * (self.host if execution == "eager" else 1.0),
        )


def role(kernel: Kernel) -> Role:
    """What a kernel of a training step computes, by its name."""
    if kernel.name.rpartition(".")[2] not in _GRADIENTS:
        return "forward"
    return "dense" if kernel.kind in _DENSE else "other"


# One H200, float32 without TF32, eager: training steps of networks of torchvision.
FITTED = Step(dense=0.561, other=5.17, host=2.16)

"""The time that no execution of the kernels beats: for each kernel the larger of compute and memory time.

Compute time is the work at the dense peak, memory time is the traffic at the bandwidth of the data sheet. Three things
make real kernels do less than their formulas say, so that the bound counts less, too:

- Winograd and Fourier transforms reduce the multiplications of a convolution with more than one tap. Whatever the
  tile, a Fourier transform of real maps leaves 1.5 multiplications for each output and input channel (half of the
  frequencies, three real products each); Winograd's F(4x4, 3x3) needs 2.25, F(6x6, 3x3) 1.78. So with float32 and
  float64 a convolution of `area` taps counts 1.5 / area of its MACs, if that is less.
- Fused attention keeps its scores on the chip.
- A 1x1 convolution with a stride reads only the positions that it needs.

Fused: element-wise kernels, norms, reductions, pooling and copies are merged into their neighbours, and cost nothing.
Convolutions, linear layers and products still read their inputs and write their outputs, as compilers have them.
"""

from typing import NamedTuple

from flopcalc.analysis.timing.device import DTYPES, Device
from flopcalc.analysis.timing.kernels import MATRIX, Kernel

# Multiplications that a transform leaves for each output and input channel.
LEAST_MULTIPLICATIONS = 1.5
_TRANSFORMED = ("float64", "float32")
# Kinds that a compiler keeps as kernels of their own.
KEPT = (*MATRIX, "distance")


class KernelBound(NamedTuple):
    """Seconds of compute and of memory traffic, at the peaks."""

    compute: float
    memory: float

    @property
    def seconds(self) -> float:
        """The larger one."""
        return max(self.compute, self.memory)


def least_macs(kernel: Kernel, dtype: str) -> float:
    """The multiplications that a kernel cannot do without, at most its MACs."""
    if kernel.area > 1 and dtype in _TRANSFORMED:
        return kernel.macs * min(1.0, LEAST_MULTIPLICATIONS / kernel.area)
    return kernel.macs


def kernel_bound(kernel: Kernel, device: Device, dtype: str, *, fused: bool = False) -> KernelBound:
    """The bound of one kernel (of all of them, where the record is of several). Raises FlopcalcError (no-dtype)."""
    if fused and kernel.kind not in KEPT:
        return KernelBound(0.0, 0.0)
    peak = device.peak(dtype)
    flops = 2 * least_macs(kernel, dtype) if kernel.macs else kernel.operations
    return KernelBound(flops / peak, kernel.least_moved * DTYPES[dtype] / device.bandwidth)

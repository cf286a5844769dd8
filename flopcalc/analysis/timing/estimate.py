"""What to expect of a kernel on a device: the terms of the bound, each with an efficiency that was fitted.

The formula is arithmetic without a condition on sizes, so that it runs on numbers and, where parameters are fitted, on
arrays of all kernels at once.

- compute: FLOPs / (peak x rate of the kind), longer by 1 + inner / K for short sums (K: MACs of an output), by
  1 + columns / N for few output channels (N: those that share an input), and by 1 + outputs / M for few outputs (M),
  which do not fill the device; depthwise kernels with windows beyond 3x3 by 1 + depthwise_window x (taps / 9 - 1),
  since libraries have fast kernels for small windows;
- memory: bytes / (bandwidth x share of the kind), faster for tensors that the cache holds;
- the kernel takes the smooth maximum of both, (compute^3 + memory^3)^(1/3), and a launch time. Half-precision
  convolutions of sequences and volumes copy their tensors, since the kernels want another layout.

In eager mode the host launches kernels while the device computes: the whole pass takes the smooth maximum of the sum
of the kernels and the sum of their launches.
"""

from typing import Any, NamedTuple

from flopcalc.analysis.timing.device import DTYPES, Device, share
from flopcalc.analysis.timing.kernels import MATRIX, Kernel

# Sharpness of the smooth maxima.
POWER = 3


class Terms(NamedTuple):
    """The sizes of kernels that the formula takes, each a number or an array; of a single kernel, not of several.

    work: FLOPs or, of kernels without products, operations. moved: bytes. has_winograd: 1 or 0. extra_taps: of a
    depthwise window, those beyond 3x3, in multiples of 9.
    """

    work: Any
    moved: Any
    inner: Any
    columns: Any
    outputs: Any
    has_winograd: Any
    extra_taps: Any


class Coefficients(NamedTuple):
    """The parameters that belong to the terms, each a number or an array. peak: FLOP/s; bandwidth: bytes a second."""

    peak: Any
    rate: Any
    bandwidth: Any
    share: Any
    inner: Any
    columns: Any
    outputs: Any
    winograd_gain: Any
    winograd_outputs: Any
    depthwise_window: Any
    cache: Any
    cache_bytes: Any


def seconds(x: Terms, c: Coefficients) -> tuple[Any, Any]:
    """Seconds of compute and of memory traffic of kernels; numbers or arrays."""
    filled = (x.outputs / c.winograd_outputs) ** 2
    gain = 1 + x.has_winograd * c.winograd_gain * filled / (1 + filled)
    slowed = (1 + c.inner / x.inner) * (1 + c.columns / x.columns) * (1 + c.outputs / x.outputs)
    compute = x.work / (c.peak * c.rate * gain) * slowed * (1 + c.depthwise_window * x.extra_taps)
    memory = x.moved / (c.bandwidth * c.share * (1 + c.cache * c.cache_bytes / (x.moved + c.cache_bytes)))
    return compute, memory


def terms_of(kernel: Kernel, dtype: str) -> Terms:
    """The terms of one of the kernels that a record is of."""
    n = kernel.number
    is_matrix = kernel.kind in MATRIX
    return Terms(
        work=(2 * kernel.macs if is_matrix else kernel.operations) / n,
        moved=kernel.moved * DTYPES[dtype] / n,
        inner=kernel.inner or 1,
        columns=kernel.columns or 1,
        outputs=(kernel.outputs or kernel.writes or 1) / n,
        has_winograd=int(has_winograd(kernel, dtype)),
        extra_taps=max(0.0, kernel.area / 9 - 1) if kernel.kind == "depthwise" else 0.0,
    )


def has_winograd(kernel: Kernel, dtype: str) -> bool:
    """Whether libraries have a Winograd kernel for it: a dense 3x3 convolution with stride 1 in float32."""
    return kernel.kind == "conv" and kernel.area == 9 and not kernel.is_strided and dtype == "float32"


def coefficients_of(kernel: Kernel, device: Device, dtype: str) -> Coefficients:
    """The parameters of a kernel on a device."""
    rates, _ = device.rates(dtype)
    is_matrix = kernel.kind in MATRIX
    columns = {"grouped": rates.group_columns, "depthwise": 0.0}.get(kernel.kind, rates.columns)
    return Coefficients(
        peak=device.peak(dtype),
        rate=share(rates.rate, kernel.kind),
        bandwidth=device.bandwidth,
        share=share(rates.bandwidth, kernel.kind),
        inner=rates.inner if is_matrix else 0.0,
        columns=columns if is_matrix else 0.0,
        outputs=rates.outputs * device.units if is_matrix else 0.0,
        winograd_gain=rates.winograd_gain,
        winograd_outputs=rates.winograd_outputs * device.units,
        depthwise_window=rates.depthwise_window,
        cache=device.efficiency.cache,
        cache_bytes=device.cache,
    )


class KernelEstimate(NamedTuple):
    """Seconds of compute, of memory traffic and of launching, each as if it were alone; and how many kernels."""

    compute: float
    memory: float
    launch: float
    number: int

    @property
    def busy(self) -> float:
        """Seconds in which the device computes or moves data."""
        return smooth_max(self.compute, self.memory)


def kernel_estimate(kernel: Kernel, device: Device, dtype: str, execution: str) -> KernelEstimate:
    """The estimate of a record of kernels. Raises FlopcalcError (no-dtype)."""
    compute, memory = seconds(terms_of(kernel, dtype), coefficients_of(kernel, device, dtype))
    efficiency, n = device.efficiency, kernel.number
    if kernel.is_merged and kernel.kind != "matmul":
        # The fused kernel of the products does its work.
        return KernelEstimate(0.0, 0.0, 0.0, 0)
    kept = share(efficiency.kept, kernel.kind) if execution == "compiled" else 1.0
    is_copied = kernel.axes != 2 and kernel.kind in MATRIX and kernel.kind != "depthwise"
    copies = device.rates(dtype)[0].copies if is_copied else 0.0
    launch = efficiency.launch[execution] * device.rates(dtype)[0].launch * min(1.0, kept) * (1 + copies)
    return KernelEstimate(compute * n * kept, memory * n * kept, launch * n, n)


def smooth_max(one: float, other: float, power: int = POWER) -> float:
    """(one^power + other^power)^(1/power), without underflow."""
    large, small = (one, other) if one >= other else (other, one)
    return large * (1 + (small / large) ** power) ** (1 / power) if large > 0 else 0.0

"""The time of all layers of a network on a device, and what limits each."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from flopcalc.analysis.timing.backward import Step
from flopcalc.analysis.timing.bound import kernel_bound, least_macs
from flopcalc.analysis.timing.device import DTYPES, Device, Execution
from flopcalc.analysis.timing.estimate import KernelEstimate, kernel_estimate, smooth_max
from flopcalc.analysis.timing.kernels import Kernel, Timed

Limit: TypeAlias = Literal["compute", "memory", "launch"]
LIMITS: tuple[Limit, ...] = get_args(Limit)


class LayerTime(NamedTuple):
    """The time of one layer, in seconds. macs, flops, traffic_bytes: its cost. kernels: how many are launched."""

    name: str
    macs: int
    flops: int
    traffic_bytes: int
    kernels: int
    bound_s: float
    estimate_s: float
    limited_by: Limit

    @property
    def intensity(self) -> float | None:
        """FLOPs for each byte of traffic; None without traffic."""
        return self.flops / self.traffic_bytes if self.traffic_bytes else None


class NetworkTime(NamedTuple):
    """The time of a forward pass, in seconds. limited_by: the estimate, by what limits its layers.

    busy_s: seconds in which the device works. launch_s: seconds in which the host launches, or the device starts
    kernels. transformed: layers whose bound counts fewer multiplications than their formula.
    """

    layers: tuple[LayerTime, ...]
    bound_s: float
    estimate_s: float
    limited_by: Mapping[Limit, float]
    busy_s: float
    launch_s: float
    transformed: int


def network_time(
    layers: Sequence[Timed],
    device: Device,
    dtype: str,
    execution: Execution = "eager",
    *,
    fused: bool = False,
    step: Step | None = None,
) -> NetworkTime:
    """The time of layers one after the other. fused: the bound is that of a compiler, which merges kernels.

    step: the factors of a training step, if the layers have its kernels.

    Raises FlopcalcError (no-dtype).
    """
    estimates = [[kernel_estimate(kernel, device, dtype, execution) for kernel in one.kernels] for one in layers]
    if step is not None:
        estimates = [
            [step.of(kernel, own, execution) for kernel, own in zip(one.kernels, found, strict=True)]
            for one, found in zip(layers, estimates, strict=True)
        ]
    bounds = [sum(kernel_bound(k, device, dtype, fused=fused).seconds for k in one.kernels) for one in layers]
    busy = [sum(one.busy for one in found) for found in estimates]
    launch = [sum(one.launch for one in found) for found in estimates]
    start = device.efficiency.start[execution]
    shares = _together(busy, launch, execution)
    floors = _floors(layers, device, dtype, execution, bounds, fused=fused)
    found = []
    limited = dict.fromkeys(LIMITS, 0.0)
    for layer, own, bound, floor, seconds in zip(layers, estimates, bounds, floors, shares, strict=True):
        limit = _limit(own, execution, sum(busy), sum(launch))
        estimate = max(seconds, floor)
        limited[limit] += estimate
        kernels = sum(one.number for one in own)
        traffic = layer.traffic * DTYPES[dtype]
        found.append(LayerTime(layer.name, layer.macs, layer.flops, traffic, kernels, bound, estimate, limit))
    limited["launch"] += start
    return NetworkTime(
        layers=tuple(found),
        bound_s=sum(bounds),
        estimate_s=sum(limited.values()),
        limited_by=limited,
        busy_s=sum(busy),
        launch_s=sum(launch) + start,
        transformed=sum(any(_is_transformed(k, dtype) for k in one.kernels) for one in layers),
    )


def _is_transformed(kernel: Kernel, dtype: str) -> bool:
    return bool(kernel.macs) and least_macs(kernel, dtype) < kernel.macs


def _floors(
    layers: Sequence[Timed], device: Device, dtype: str, execution: Execution, bounds: list[float], *, fused: bool
) -> list[float]:
    """What no layer's estimate falls below: its bound, for compiled execution that of merged kernels."""
    merges = execution == "compiled"
    if merges == fused:
        return bounds
    return [sum(kernel_bound(k, device, dtype, fused=merges).seconds for k in one.kernels) for one in layers]


def _together(busy: list[float], launch: list[float], execution: Execution) -> list[float]:
    """Seconds of each layer, from the work of the device and the launches.

    In a graph the device starts one kernel after the other. In eager mode the host runs ahead, so that the pass takes
    the longer one of both sums; each layer has its share of it.
    """
    if execution != "eager":
        return [work + gap for work, gap in zip(busy, launch, strict=True)]
    all_work, all_gaps = sum(busy), sum(launch)
    total = smooth_max(all_work, all_gaps)
    if not total:
        return [0.0] * len(busy)
    # The share of the launches in the total: 0 where the device is the slower one, 1 where the host is.
    of_gaps = (all_gaps / total) ** 3
    return [
        total
        * ((1 - of_gaps) * (work / all_work if all_work else 0.0) + of_gaps * (gap / all_gaps if all_gaps else 0.0))
        for work, gap in zip(busy, launch, strict=True)
    ]


def _limit(kernels: Sequence[KernelEstimate], execution: Execution, busy: float, launch: float) -> Limit:
    """What takes most of the time of a layer. In eager mode launches only count where the host is the slower one."""
    seconds: dict[Limit, float] = {
        "compute": sum(one.busy for one in kernels if one.compute >= one.memory),
        "memory": sum(one.busy for one in kernels if one.compute < one.memory),
        "launch": sum(one.launch for one in kernels) if execution != "eager" or launch > busy else 0.0,
    }
    return max(LIMITS, key=lambda limit: seconds[limit])

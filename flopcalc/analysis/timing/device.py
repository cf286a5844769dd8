"""What is known of a device: peaks, bandwidth, memory with their sources, and fitted efficiencies."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias, get_args

from flopcalc.analysis.timing.kernels import KernelKind
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.errors import FlopcalcError, clip, unknown_name

Execution: TypeAlias = Literal["eager", "graph", "compiled"]
EXECUTIONS: tuple[Execution, ...] = get_args(Execution)
DeviceKind: TypeAlias = Literal["gpu", "cpu", "npu"]
DEVICE_KINDS: tuple[DeviceKind, ...] = get_args(DeviceKind)

# Bytes of an element. tf32: float32 tensors whose products run on matrix units with a mantissa of 10 bits.
DTYPES: Mapping[str, int] = {**DTYPE_BYTES, "tf32": 4, "float8": 1}
# Other names that users write.
_ALIASES = {
    "fp64": "float64",
    "fp32": "float32",
    "float": "float32",
    "fp16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "fp8": "float8",
}
# Whose fitted efficiencies a dtype has where it was not measured itself.
_LIKE = {
    "bfloat16": "float16",
    "tf32": "float16",
    "float8": "float16",
    "int8": "float16",
    "float64": "float32",
    "float16": "float32",
    "float32": "float16",
}


class Rates(NamedTuple):
    """How close to its peaks a device comes in one dtype.

    rate: by kind of kernel, the share of the dense peak that long sums and many outputs reach. bandwidth: by kind, the
    share of the data sheet's bandwidth. inner, columns: the length of the sum, and the number of output channels (of a
    group), at which half of it is reached; group_columns: columns of a grouped convolution. outputs: the same for the
    outputs of a kernel, for each unit of the device. launch: factor on the time of launches. copies: launches, and
    passes over the tensors, that a convolution without two axes has in addition, because libraries change its layout.
    winograd_gain: by how much a 3x3 convolution with stride 1 and many outputs is faster than a direct one;
    winograd_outputs: the outputs for each unit at which half of that is reached. depthwise_window: by how much
    the compute of a depthwise window grows beyond its taps, for each 9 taps more than 9.
    """

    rate: Mapping[str, float]
    bandwidth: Mapping[str, float]
    inner: float
    columns: float
    group_columns: float
    outputs: float
    launch: float = 1.0
    copies: float = 0.0
    winograd_gain: float = 0.0
    winograd_outputs: float = 1.0
    depthwise_window: float = 0.0


class Efficiency(NamedTuple):
    """The fitted parameters of a device. launch: seconds for each kernel, start: for each forward pass, by execution.

    cache: how much faster than memory a tensor moves that is much smaller than the cache, minus 1. kept: by kind of
    kernel, the share of its traffic that is left when a compiler merges it into its neighbours. by_dtype: the rest.
    source: what it was fitted on. like: the device whose parameters these are, where they are not its own.
    """

    launch: Mapping[str, float]
    start: Mapping[str, float]
    cache: float
    kept: Mapping[str, float]
    by_dtype: Mapping[str, Rates]
    source: str = ""
    like: str = ""


class Device(NamedTuple):
    """A device. peaks: FLOP/s by dtype, dense: units x FLOPs of a unit and clock x the highest clock.

    sparse: peaks with structured sparsity, for information. bandwidth: bytes a second of the data sheet. memory, cache:
    bytes. units: multiprocessors or cores. clock: Hz. sources: where each figure is from. unverified: the names of the
    figures that could not be checked against a source.
    """

    name: str
    title: str
    kind: DeviceKind
    units: int
    clock: float
    peaks: Mapping[str, float]
    sparse: Mapping[str, float]
    bandwidth: float
    memory: float
    cache: float
    sources: Mapping[str, str]
    unverified: tuple[str, ...]
    efficiency: Efficiency

    def __repr__(self) -> str:
        """A short text: name, and the peaks in FLOP/s."""
        peaks = ", ".join(f"{name} {peak / 1e12:.4g} T" for name, peak in self.peaks.items())
        return f"<Device {self.name}: {peaks}; {self.bandwidth / 1e9:.4g} GB/s>"

    def peak(self, dtype: str) -> float:
        """The dense peak in FLOP/s. Raises FlopcalcError (no-dtype) where the device has none for the dtype."""
        if dtype not in self.peaks:
            raise FlopcalcError("no-dtype", f"{self.name} has no peak for {dtype}", f"it has: {', '.join(self.peaks)}")
        return self.peaks[dtype]

    def rates(self, dtype: str) -> tuple[Rates, str]:
        """The efficiencies of a dtype, and the dtype that they were fitted on."""
        fitted, seen = dtype, {dtype}
        while fitted not in self.efficiency.by_dtype:
            fitted = _LIKE[fitted]
            if fitted in seen:
                fitted = next(iter(self.efficiency.by_dtype))
            seen.add(fitted)
        return self.efficiency.by_dtype[fitted], fitted


def read_dtype(text: object) -> str:
    """The name of a dtype, from its name or a usual short form such as fp16. Raises FlopcalcError (unknown-dtype)."""
    name = str(text).lower().removeprefix("torch.")
    name = _ALIASES.get(name, name)
    if name not in DTYPES:
        raise unknown_name("dtype", str(text), DTYPES, f"one of: {', '.join(DTYPES)}")
    return name


def read_execution(text: object) -> Execution:
    """The way of execution that a text names. Raises FlopcalcError (bad-option)."""
    for name in EXECUTIONS:
        if isinstance(text, str) and text == name:
            return name
    raise FlopcalcError("bad-option", f"execution is {clip(text)}", f"one of: {', '.join(EXECUTIONS)}")


def share(table: Mapping[str, float], kind: KernelKind) -> float:
    """The value of a kind of kernel; `other` is that of kinds that are not named."""
    return table[kind] if kind in table else table.get("other", 1.0)

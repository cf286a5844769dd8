"""Sentences about a time: what the bound leaves out, where the estimate is from, and why fewer MACs help or not."""

from collections.abc import Iterator

from flopcalc.analysis.timing.bound import LEAST_MULTIPLICATIONS
from flopcalc.analysis.timing.device import Device
from flopcalc.analysis.timing.network_time import LIMITS, NetworkTime

# Of a training step.
NOTES_ON_TRAINING = (
    "a training step is one forward and one backward pass, without the loss and the optimizer",
    "estimate: three factors of the backward pass were fitted on training steps of one H200 (float32, eager)",
)
NOTE_ON_CHECKPOINTS = (
    "checkpointed layers run again in full, also in the bound; torch leaves out the kernels after the last tensor that "
    "is needed, such as a last linear layer"
)


def notes_on_bound(time: NetworkTime, dtype: str, *, fused: bool, rows: str = "layer") -> Iterator[str]:
    """What the bound assumes. rows: the word for what has times of its own."""
    if time.transformed:
        many = f"1 {rows}" if time.transformed == 1 else f"{time.transformed:,} {rows}s"
        yield (
            f"bound: Winograd and Fourier transforms need fewer multiplications; in {many} with larger windows it "
            f"counts {LEAST_MULTIPLICATIONS:g} for each output and input channel, which no transform is below"
        )
    if fused:
        yield "bound: element-wise kernels, norms, pooling and copies are merged into their neighbours and cost nothing"
    if dtype == "float32":
        yield "float32 is without TF32; --dtype tf32 is the time with it"


def notes_on_estimate(device: Device, dtype: str, execution: str) -> Iterator[str]:
    """Where the parameters of the estimate are from."""
    efficiency = device.efficiency
    _, fitted = device.rates(dtype)
    if efficiency.like:
        yield (
            f"estimate: {device.name} was not measured; its efficiencies are those of {efficiency.like}, "
            "so that ratios are more reliable than seconds"
        )
    else:
        yield f"estimate: with efficiencies fitted on {efficiency.source}"
    if fitted != dtype:
        yield f"estimate: the efficiencies of {dtype} are those that were fitted on {fitted}"
    if device.unverified:
        yield f"{device.name}: not checked against a source: {', '.join(device.unverified)}"


def percent(new: float, old: float) -> str:
    """A ratio in words: `71 %` of something, or `1.63 times`."""
    ratio = new / old if old else 0.0
    return f"{ratio:.0%}".replace("%", " %") if ratio < 1 else f"{ratio:.2f} times"


def why(before: NetworkTime, after: NetworkTime) -> Iterator[str]:
    """Why the time changes less than the MACs do, or the other way round."""
    macs = [sum(layer.macs for layer in one.layers) for one in (before, after)]
    traffic = [sum(layer.traffic_bytes for layer in one.layers) for one in (before, after)]
    kernels = [sum(layer.kernels for layer in one.layers) for one in (before, after)]
    if not before.estimate_s or not macs[0]:
        return
    saved, ratio = macs[1] / macs[0], after.estimate_s / before.estimate_s
    joined = "but" if (saved < 1) != (ratio < 0.97) else "and"
    yield (
        f"the MACs are {percent(macs[1], macs[0])} of those before, {joined} the expected time is "
        f"{percent(after.estimate_s, before.estimate_s)} {'of that before' if ratio < 1 else 'as long'}"
    )
    if joined == "and" and abs(ratio - saved) < 0.1:
        return
    if traffic[1] > traffic[0]:
        yield (
            f"the kernels move {percent(traffic[1], traffic[0])} as many bytes: more and smaller kernels read and "
            "write more intermediate tensors, which takes time although it is no MAC"
        )
    if kernels[1] > kernels[0]:
        yield f"there are {kernels[1]:,} kernels instead of {kernels[0]:,}, each with its launch"
    shares = {limit: before.limited_by[limit] / before.estimate_s for limit in LIMITS}
    if shares["compute"] < 0.005:
        yield "nothing of the time before was limited by compute, so that fewer MACs alone save nothing"
    elif shares["compute"] < 0.5:
        yield (
            f"only {percent(shares['compute'], 1)} of the time before was limited by compute, so that fewer MACs "
            "can save no more than that"
        )
    rates = [
        2 * macs[i] / one.limited_by["compute"] for i, one in enumerate((before, after)) if one.limited_by["compute"]
    ]
    if len(rates) == 2 and rates[1] < 0.9 * rates[0]:
        yield (
            f"what is left is computed at {percent(rates[1], rates[0])} of the rate: sums are shorter, channels fewer "
            "or grouped, so that the device's units are not filled"
        )

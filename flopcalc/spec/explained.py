"""What one output channel of an evaluated operator reads."""

from flopcalc.errors import FlopcalcError
from flopcalc.spec.channel_map import ChannelMap
from flopcalc.spec.operator import Evaluation


def channel_map(e: Evaluation, channel: int) -> ChannelMap:
    """The input channels that an output channel reads, numbered from 0. Raises FlopcalcError (bad-channel)."""
    operator, c_out = e.operator, e.geometry.c_out
    if operator.channel_map is None:
        raise FlopcalcError(
            "bad-channel",
            f"{operator.name} has no map of its channels",
            "operators with one are conv, depthwise, dilated, group, pointwise, sic and topological",
        )
    if not 0 <= channel < c_out:
        why = f"channel {channel} is not an output channel: the layer has {c_out}, numbered from 0"
        raise FlopcalcError("bad-channel", why, f"give a number from 0 to {c_out - 1}")
    with operator.contained():
        return operator.channel_map(e.geometry, e.named, channel)

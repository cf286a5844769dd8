"""Modules that run as one kernel, of which a counter sees nothing."""

from collections.abc import Callable

from flopcalc.presets.call import Call, CallLog

_NOTHING = Call("function", "", 0, (), (), {}, None)


def without_fused(log: CallLog, layers: Callable[[str], bool]) -> CallLog:
    """A log without the calls inside of attention, and of encoder layers, that run as one kernel.

    layers: whether the encoder layer of this name does so under the counter. It does not where a module of it has a
    hook, as many counters add them; the attention inside of it then runs as one kernel.
    """
    gone = {index for index, kind in log.fused.items() if kind != "layer" or layers(log.nodes[index].name)}
    if not gone:
        return log

    def kept(call: Call) -> Call:
        # The call of the module itself stays. Places stay, too: calls refer to them.
        above = call.running if call.level != "module" else call.running[:-1]
        return _NOTHING if gone.intersection(above) else call

    def trace() -> CallLog:
        return CallLog(log.nodes, tuple(map(kept, log.operators)))

    left = {index for index in gone if not _is_inside(log, index, gone)}
    return CallLog(log.nodes, tuple(map(kept, log.calls)), trace, {index: log.fused[index] for index in left})


def _is_inside(log: CallLog, index: int, others: set[int]) -> bool:
    """Whether a module runs inside of others."""
    calls = (call for call in log.of("module") if call.node == index)
    return any(others.intersection(call.running[:-1]) for call in calls)

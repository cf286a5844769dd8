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

    def kept(call: Call) -> Call:
        # Calls of modules stay: attention calls none, and counters under which layers are one kernel read none. Places
        # stay, too: calls refer to them.
        return _NOTHING if call.level != "module" and gone.intersection(call.running) else call

    def trace() -> CallLog:
        return CallLog(log.nodes, tuple(map(kept, log.operators)))

    left = {index for index in gone if not _is_inside(log, index, gone)}
    return CallLog(log.nodes, tuple(map(kept, log.calls)), trace, {index: log.fused[index] for index in left})


def _is_inside(log: CallLog, index: int, others: set[int]) -> bool:
    """Whether a module runs inside of others only."""
    calls = (call for call in log.of("module") if call.node == index)
    return all(others.intersection(call.running[:-1]) for call in calls)

"""The counters with rules for the calls of a module, by the name of their convention."""

from collections.abc import Callable, Iterator

from flopcalc.presets import hooks, profilers, ptflops, traced
from flopcalc.presets.call import Amount, CallLog
from flopcalc.presets.fused import without_fused

Rules = Callable[[CallLog], Iterator[Amount]]


def _fusing(rules: Rules, layers: Callable[[str], bool] = lambda name: False) -> Rules:
    """Rules of a counter under which some modules run as one kernel."""
    return lambda log: rules(without_fused(log, layers))


# Under THOP, torchinfo and FlopCounterMode torch does not take such kernels.
RULES: dict[str, Rules] = {
    "fvcore": _fusing(traced.fvcore),
    "ptflops": _fusing(ptflops.ptflops),
    # It has hooks on the outermost module and on its children.
    "ptflops-aten": _fusing(traced.ptflops_aten, lambda name: "." in name),
    "thop": hooks.thop,
    "ultralytics-thop": hooks.ultralytics_thop,
    "torchinfo": hooks.torchinfo,
    "calflops": _fusing(profilers.calflops),
    # It runs the forward once before it counts.
    "deepspeed": lambda log: _fusing(profilers.deepspeed)(log.second),
    "torchprofile": _fusing(traced.torchprofile, lambda name: True),
    "flop-counter": traced.flop_counter,
}

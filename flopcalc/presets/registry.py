"""The counters with rules for the calls of a module, by the name of their convention."""

from collections.abc import Callable, Iterator

from flopcalc.presets import hooks, profilers, ptflops, traced
from flopcalc.presets.call import Amount, CallLog

Rules = Callable[[CallLog], Iterator[Amount]]

RULES: dict[str, Rules] = {
    "fvcore": traced.fvcore,
    "ptflops": ptflops.ptflops,
    "ptflops-aten": traced.ptflops_aten,
    "thop": hooks.thop,
    "ultralytics-thop": hooks.ultralytics_thop,
    "torchinfo": hooks.torchinfo,
    "calflops": profilers.calflops,
    "deepspeed": profilers.deepspeed,
    "torchprofile": traced.torchprofile,
    "flop-counter": traced.flop_counter,
}

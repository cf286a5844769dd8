"""The counters with rules for the calls of a module, by the name of their convention."""

from collections.abc import Callable, Iterator

from flopcalc.presets import hooks, profilers, ptflops, traced
from flopcalc.presets.call import Amount, CallLog, ToolFailsError
from flopcalc.presets.fused import without_fused

Rules = Callable[[CallLog], Iterator[Amount]]


def _fusing(rules: Rules, layers: Callable[[str], bool] = lambda name: False) -> Rules:
    """Rules of a counter under which some modules run as one kernel."""
    return lambda log: rules(without_fused(log, layers))


def _hooking(rules: Rules, hooked: Callable[[str], bool] = lambda name: True) -> Rules:
    """Rules of a counter that fails on the programs of TorchScript among the modules that it hooks. hooked: by name."""

    def checked(log: CallLog) -> Iterator[Amount]:
        for node in log.nodes:
            if "torch.jit._script.ScriptModule" in node.bases and hooked(node.name):
                raise ToolFailsError(f"{node.name or 'the module'} is a program of TorchScript, which takes no hooks")
        return rules(log)

    return checked


def _of_fixed_modules(rules: Rules) -> Rules:
    """Rules of a counter that notes something on each module before the forward, and reads it of each one after."""

    def checked(log: CallLog) -> Iterator[Amount]:
        if log.made is not None:
            raise ToolFailsError(f"the forward makes the module {log.made}")
        return rules(log)

    return checked


# Under THOP, torchinfo and FlopCounterMode torch does not take such kernels.
RULES: dict[str, Rules] = {
    "fvcore": _of_fixed_modules(_fusing(traced.fvcore)),
    "ptflops": _hooking(_of_fixed_modules(_fusing(ptflops.ptflops)), lambda name: name == ""),
    # It has hooks on the outermost module and on its children.
    "ptflops-aten": _hooking(
        _fusing(traced.ptflops_aten, lambda name: "." in name), lambda name: name != "" and "." not in name
    ),
    "thop": _hooking(_of_fixed_modules(hooks.thop)),
    "ultralytics-thop": hooks.ultralytics_thop,
    "torchinfo": hooks.torchinfo,
    "calflops": _hooking(_of_fixed_modules(_fusing(profilers.calflops))),
    # It runs the forward once before it counts.
    "deepspeed": _hooking(lambda log: _fusing(profilers.deepspeed)(log.second)),
    "torchprofile": _fusing(traced.torchprofile, lambda name: True),
    "flop-counter": traced.flop_counter,
}

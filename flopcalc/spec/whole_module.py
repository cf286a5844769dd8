"""Operators that torch has as one module, for which counters report another number than for the kernels."""

from flopcalc.cost.convention import Convention
from flopcalc.presets.registry import RULES
from flopcalc.presets.whole_recurrent import Recurrent, reported
from flopcalc.spec.operator import Evaluation


def whole_module(e: Evaluation) -> Recurrent | None:
    """Torch's module of an operator; None if it has none that counters know as a whole."""
    if e.operator.torch_module == "":
        return None
    g, named = e.geometry, e.named
    return Recurrent(
        cls=e.operator.torch_module,
        c_in=g.c_in,
        hidden=g.c_out,
        layers=named["num_layers"],
        both_ways=named["bidirectional"],
        bias=named["bias"],
        projected=named.get("proj_size") or 0,
        batch=g.batch,
        steps=g.w,
    )


def remark(e: Evaluation, convention: Convention) -> str:
    """One sentence on a counter that reports another number for torch's own module; empty if it reports the same."""
    one = whole_module(e) if convention.name in RULES else None
    if one is None:
        return ""
    stepwise = convention.of(e.cost, e.geometry.batch)
    whole = reported(one, convention.name, stepwise)
    if whole == stepwise:
        return ""
    return (
        f"{convention.counter} reports {whole:,} for nn.{one.cls} with batch_first=True, which it knows as a whole; "
        f"the number here, {stepwise:,}, is that of a module that computes step by step."
    )

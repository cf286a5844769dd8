"""torch's recurrent layers as one module: what counters report for nn.LSTM and nn.GRU, without torch.

A counter knows such a layer by its class, or by the one operator that it calls, and does not see its steps.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from flopcalc.presets.call import Call, CallLog, Node, Shape, Sized
from flopcalc.presets.registry import RULES

# These look at kernels: the kernels of a step on the meta device are those that formulas have.
_OF_KERNELS = ("flop-counter", "ptflops-aten")


class Recurrent(NamedTuple):
    """nn.LSTM or nn.GRU with `batch_first=True`, on rows of steps. projected: the size of the projection, or 0."""

    cls: Literal["LSTM", "GRU"]
    c_in: int
    hidden: int
    layers: int
    both_ways: bool
    bias: bool
    projected: int
    batch: int
    steps: int

    @property
    def gates(self) -> int:
        """The matrices' rows, in slices of the hidden size."""
        return 4 if self.cls == "LSTM" else 3

    @property
    def directions(self) -> int:
        """1, or 2 for both ways."""
        return 2 if self.both_ways else 1

    @property
    def state(self) -> int:
        """The size of what a step hands on, and of its output."""
        return self.projected or self.hidden


def reported(one: Recurrent, counter: str, stepwise: int) -> int:
    """What a counter reports for torch's module. counter: of RULES. stepwise: its figure for the kernels of each step.

    The kernels of nn.LSTM on the CPU are one, which ptflops does not know; it has none for a projected state. Where
    the steps of a batch lie apart in memory, the first bias is an addition, which it does not count.
    """
    if counter not in _OF_KERNELS:
        return int(sum(amount.amount for amount in RULES[counter](log_of(one))))
    if counter == "ptflops-aten":
        if one.cls == "LSTM" and not one.projected:
            return 0
        if one.bias and one.batch > 1 and one.steps > 1:
            return stepwise - one.batch * one.steps * one.gates * one.hidden * one.directions
    return stepwise


def log_of(one: Recurrent) -> CallLog:
    """The calls of one forward: of the module, and of the function of torch that it calls."""
    facts = {
        "input_size": one.c_in,
        "hidden_size": one.hidden,
        "num_layers": one.layers,
        "bidirectional": one.both_ways,
        "proj_size": one.projected,
        "params": tuple(_weights(one)),
    }
    x = Sized((one.batch, one.steps, one.c_in))
    out = Sized((one.batch, one.steps, one.directions * one.state))
    state = Sized((one.layers * one.directions, one.batch, one.state))
    # Of the function, rules read the input, the output and the first state.
    name = one.cls.lower()
    function = Call("function", f"torch.{name}", 0, (0,), (x,), {}, (out, state), operator=f"aten::{name}")
    module = Call("module", one.cls, 0, (0,), (x,), {}, (out, state))
    bases = (one.cls, "RNNBase", "Module")
    return CallLog((Node("", one.cls, bases, (), facts),), (function, module))


def _weights(one: Recurrent) -> Iterator[tuple[str, Shape]]:
    """The names and shapes of the module's parameters."""
    rows = one.gates * one.hidden
    for layer in range(one.layers):
        width = one.c_in if layer == 0 else one.directions * one.state
        for end in ("", "_reverse")[: one.directions]:
            yield f"weight_ih_l{layer}{end}", (rows, width)
            yield f"weight_hh_l{layer}{end}", (rows, one.state)
            if one.bias:
                yield f"bias_ih_l{layer}{end}", (rows,)
                yield f"bias_hh_l{layer}{end}", (rows,)
            if one.projected:
                yield f"weight_hr_l{layer}{end}", (one.projected, one.hidden)

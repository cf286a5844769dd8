"""Recurrent layers in the rules of counters that look at the whole module."""

from collections.abc import Callable
from typing import Any

from flopcalc.presets.call import Call, Node, Sized

_Cell = Callable[[int, int, bool, int], int]


def thop_rnn(c: int, h: int, bias: bool, projected: int) -> int:
    """One step of a plain recurrent cell."""
    return h * (c + h) + h + 2 * h * bias


def thop_gru(c: int, h: int, bias: bool, projected: int) -> int:
    """One step of a GRU cell: three gates, and four element-wise operations."""
    return 3 * ((h + c) * h + h + 2 * h * bias) + 4 * h


def thop_lstm(c: int, h: int, bias: bool, projected: int) -> int:
    """One step of an LSTM cell: four gates, and four element-wise operations."""
    return 4 * ((c + (projected or h)) * h + h + 2 * h * bias) + 4 * h + h * projected


THOP_CELLS: dict[str, _Cell] = {"RNN": thop_rnn, "GRU": thop_gru, "LSTM": thop_lstm}


def thop_stack(node: Node, kind: str, projected: int = 0) -> int:
    """One step of all layers and directions. projected: the size of the projection, 0 where a counter ignores it."""
    facts, cell = node.facts, THOP_CELLS[kind]
    h, directions, bias = facts["hidden_size"], 2 if facts["bidirectional"] else 1, has_bias(node)
    width = projected or h
    sizes = [facts["input_size"], *[width * directions] * (facts["num_layers"] - 1)]
    return sum(cell(c, h, bias, projected) * directions for c in sizes)


def has_bias(node: Node) -> bool:
    """Whether a recurrent layer or cell has biases."""
    return any(name.startswith("bias") for name, _ in node.facts["params"])


def weights_stack(node: Node, call: Call, *, twice: bool) -> int:
    """The rule of ptflops, DeepSpeed and calflops: the weights of each layer, once per position, times directions.

    twice: products count 2 per multiply-add, less one for each gate, as in the latter two.
    """
    given = _given(call)
    params = dict(node.facts["params"])
    facts, step = node.facts, 0
    for layer in range(facts["num_layers"]):
        step += _weights(node, params[f"weight_ih_l{layer}"], params[f"weight_hh_l{layer}"], twice)
        if has_bias(node):
            step += params[f"bias_ih_l{layer}"][0] + params[f"bias_hh_l{layer}"][0]
    return step * given.shape[0] * given.shape[1] * (2 if facts["bidirectional"] else 1)


def weights_cell(node: Node, call: Call, *, twice: bool) -> int:
    """The same for one step of a cell."""
    given = _given(call)
    params = dict(node.facts["params"])
    step = _weights(node, params["weight_ih"], params["weight_hh"], twice)
    if has_bias(node):
        step += params["bias_ih"][0] + params["bias_hh"][0]
    return step * given.shape[0]


def _given(call: Call) -> Sized:
    if not call.args or not isinstance(call.args[0], Sized):
        raise ValueError("it was called without a plain tensor by position")
    given: Sized = call.args[0]
    return given


def _weights(node: Node, of_input: Any, of_state: Any, twice: bool) -> int:
    h: int = node.facts["hidden_size"]
    extra = {"RNN": 1, "GRU": 7, "LSTM": 10}[node.cls.removesuffix("Cell")] * h
    products: int = of_input[0] * of_input[1] + of_state[0] * of_state[1]
    return (2 * products - 2 * of_input[0] if twice else products) + extra

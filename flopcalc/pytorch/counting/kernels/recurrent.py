"""Recurrent layers as one kernel: each weight matrix meets each position once, then the gates.

The figures are those of the same layer as single kernels, which is how it runs on the meta device.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from flopcalc.pytorch.counting.kernels.work import UNKNOWN, Answer, Kernel, Work, tensors


class _Cell(NamedTuple):
    """The gates of a cell and its element-wise work for each hidden element, biases apart.

    adds include the sum of what the input and what the hidden state give to each gate.
    """

    gates: int
    adds: int
    muls: int
    other: int


# LSTM: c = f c + i g; h = o tanh(c). GRU: n = tanh(a + r b); h = n + z (h - n).
_LSTM, _GRU, _RNN = _Cell(4, 5, 3, 5), _Cell(3, 5, 2, 3), _Cell(1, 1, 0, 1)
# Backwards: an activation for each of them. The gradient of the state is a sum of two, in a GRU of three. LSTM: times
# tanh(c) and times o, and that of the cell, a sum of two, times g, i, c and f. GRU: times (h - n), times z, which is
# taken off for n, and times b and r.
_LSTM_BACKWARD, _GRU_BACKWARD, _RNN_BACKWARD = _Cell(4, 2, 6, 5), _Cell(3, 3, 4, 3), _Cell(1, 1, 0, 1)
# As cuDNN and oneDNN number them.
_MODES = {0: _RNN, 1: _RNN, 2: _LSTM, 3: _GRU}
_BACKWARD = {0: _RNN_BACKWARD, 1: _RNN_BACKWARD, 2: _LSTM_BACKWARD, 3: _GRU_BACKWARD}


def _layer(kernel: Kernel, cell: _Cell, x: Tensor, weights: list[Tensor]) -> Work:
    positions = x.numel() // max(x.shape[-1], 1)
    matrices = [weight for weight in weights if weight.dim() == 2]
    # A projection of the hidden state has as many rows as the state: it is the third matrix of its layer.
    biases = sum(weight.numel() for weight in weights if weight.dim() == 1)
    gates = sum(matrix.shape[0] for matrix in matrices)
    hidden = _hidden(matrices, cell.gates)
    return Work(
        positions * sum(matrix.numel() for matrix in matrices),
        positions * (biases + cell.adds * hidden),
        positions * cell.muls * hidden,
        positions * cell.other * hidden,
        positions * gates,
        kernel.reads,
        sum(tensor.numel() for tensor in tensors(kernel.out)[: 3 if cell is _LSTM else 2]),
    )


def _hidden(matrices: list[Tensor], gates: int) -> int:
    """Hidden elements of all layers and directions: input and hidden matrices have `gates` rows for each."""
    rows = matrices[0].shape[0]
    return sum(matrix.shape[0] for matrix in matrices if matrix.shape[0] == rows) // (2 * gates)


def whole_layer(kernel: Kernel) -> Answer:
    """lstm, gru and rnn on padded or packed sequences, with all their layers and directions."""
    name = kernel.func.name()
    cell = _LSTM if "lstm" in name else _GRU if "gru" in name else _RNN
    params = kernel.argument("params")
    if not isinstance(params, list | tuple) or not all(isinstance(weight, Tensor) for weight in params):
        return UNKNOWN
    return _layer(kernel, cell, kernel.first, list(params))


def library_layer(kernel: Kernel) -> Answer:
    """The kernels of cuDNN, oneDNN and MIOpen."""
    cell = _MODES.get(kernel.argument("mode"))
    return UNKNOWN if cell is None else _layer(kernel, cell, kernel.first, _weights(kernel))


def _weights(kernel: Kernel) -> list[Tensor]:
    weights = kernel.argument("weight")
    if weights is None:
        # oneDNN's kernel repeats the matrices in the place of biases that a layer does not have.
        weights = kernel.args[1 : 5 if kernel.argument("has_biases") else 3]
    return tensors(list(weights))


def library_backward(kernel: Kernel) -> Answer:
    """The gradients of a layer: each product has one for its input or state, and one for its matrix where it is wanted.

    The libraries compute those of the input and of the first state in any case. A bias has a sum over the positions.
    """
    cell = _BACKWARD.get(kernel.argument("mode"))
    if cell is None:
        return UNKNOWN
    x, weights = kernel.first, _weights(kernel)
    positions = x.numel() // max(x.shape[-1], 1)
    matrices = [weight for weight in weights if weight.dim() == 2]
    elements = sum(matrix.numel() for matrix in matrices)
    biases = sum(weight.numel() for weight in weights if weight.dim() == 1)
    hidden = positions * _hidden(matrices, cell.gates)
    trained = list(kernel.argument("output_mask", (True,)))[-1]
    return Work(
        positions * elements * (1 + trained),
        cell.adds * hidden + positions * biases * trained,
        cell.muls * hidden,
        cell.other * hidden,
        positions * sum(matrix.shape[1] for matrix in matrices) + elements * trained,
        kernel.reads,
        kernel.written,
    )


def _packed(kernel: Kernel, cell: _Cell, rows: int, inner: int, units: int, scaled: bool) -> Work:
    """Layers with packed weights: `rows` rows of `inner` weights at each position, of `units` hidden elements.

    Each product of a matrix has a multiplication by its scale, unless its weights are not quantised.
    """
    x = kernel.first
    positions = x.numel() // max(x.shape[-1], 1)
    sums = 2 * positions * cell.gates * units
    biased = kernel.argument("has_biases", True)
    return Work(
        positions * rows * inner,
        (sums if biased else 0) + positions * cell.adds * units,
        (sums if scaled else 0) + positions * cell.muls * units,
        positions * cell.other * units,
        sums,
        kernel.reads + rows * inner,
        kernel.written,
    )


def packed_layer(kernel: Kernel) -> Answer:
    """quantized_lstm and quantized_gru: their weights are packed, so sizes follow from the state and the input."""
    cell = _LSTM if "lstm" in kernel.func.name() else _GRU
    x, state = kernel.first, tensors(kernel.argument("hx"))[0]
    hidden, sides = state.shape[-1], 2 if kernel.argument("bidirectional") else 1
    deeper = state.shape[0] // sides - 1
    rows = cell.gates * hidden * sides
    inner = x.shape[-1] + hidden + deeper * (hidden * sides + hidden)
    units = hidden * sides * (deeper + 1)
    work = _packed(kernel, cell, rows, inner, units, kernel.argument("dtype") is not torch.float16)
    # Its biases are packed too.
    return work._replace(reads=work.reads + (2 * cell.gates * units if kernel.argument("has_biases") else 0))


def packed_step(kernel: Kernel) -> Answer:
    """The cells of dynamic quantisation: one position, biases as tensors."""
    name = kernel.func.name()
    cell = _LSTM if "lstm" in name else _GRU if "gru" in name else _RNN
    x, hidden = kernel.first, tensors(kernel.argument("hx"))[0].shape[-1]
    weight = kernel.argument("w_ih").unpack()[0]
    return _packed(kernel, cell, cell.gates * hidden, x.shape[-1] + hidden, hidden, weight.is_quantized)


def one_step(kernel: Kernel) -> Answer:
    """lstm_cell, gru_cell and rnn_cell: one position."""
    name = kernel.func.name()
    cell = _LSTM if "lstm" in name else _GRU if "gru" in name else _RNN
    weights = [kernel.argument(key) for key in ("w_ih", "w_hh", "b_ih", "b_hh")]
    return _layer(kernel, cell, kernel.first, [weight for weight in weights if weight is not None])


def gates(kernel: Kernel) -> Answer:
    """The gates of one step, after their products."""
    lstm = "lstm" in kernel.func.name()
    cell, size = (_LSTM, kernel.size) if lstm else (_GRU, kernel.size)
    biases = sum(kernel.argument(key) is not None for key in ("input_bias", "hidden_bias"))
    adds = (cell.adds + biases * cell.gates) * size
    return Work(
        adds=adds, muls=cell.muls * size, other=cell.other * size, reads=kernel.reads, writes=size * (2 if lstm else 1)
    )


RULES = {
    whole_layer: "aten::lstm aten::gru aten::rnn_tanh aten::rnn_relu",
    library_layer: "aten::mkldnn_rnn_layer aten::_cudnn_rnn aten::miopen_rnn",
    library_backward: "aten::mkldnn_rnn_layer_backward aten::_cudnn_rnn_backward aten::miopen_rnn_backward",
    packed_layer: "aten::quantized_lstm aten::quantized_gru",
    packed_step: " ".join(
        f"quantized::quantized_{name}_cell_dynamic" for name in ("lstm", "gru", "rnn_relu", "rnn_tanh")
    ),
    one_step: "aten::lstm_cell aten::gru_cell aten::rnn_tanh_cell aten::rnn_relu_cell",
    gates: "aten::_thnn_fused_lstm_cell aten::_thnn_fused_gru_cell",
}

KINDS = {
    whole_layer: "linear",
    library_layer: "linear",
    library_backward: "linear",
    packed_layer: "linear",
    packed_step: "linear",
    one_step: "linear",
}

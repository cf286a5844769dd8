"""Losses in one kernel, and quantised cells: all seven figures of their work, by hand from the definitions."""

from typing import Any

import pytest
import torch
from kernel_runs import direct, i, run, whole, x
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.counting.kernels import Work

aten: Any = torch.ops.aten

# 7 positions, 2 samples, 5 classes; the samples have 7 and 5 positions, and 3 and 2 labels: 7 and 5 states.
LENGTHS = [7, 5], [3, 2]
LATER_STATES = 6 * 7 + 4 * 5
ALL_ELEMENTS = (7 + 5) * 5
# The losses of the samples, and a logarithm for each position and 7 states.
ALPHAS = x(2), x(2, 7, 7)
INPUTS = 7 * 2 * 5 + 2 * 3
# Each state: a sum of three exponentials, its logarithm, and a probability. Each sample ends in a sum of two.
FORWARD = 4 * LATER_STATES + 2 * 2, 4 * LATER_STATES + 3 * 2
# Each state: the same, alpha + beta, and the log of a sum of two. Each element: g (exp(p) - exp(sum + loss - p)).
BACKWARD = 7 * LATER_STATES + 3 * ALL_ELEMENTS, ALL_ELEMENTS, 7 * LATER_STATES + 2 * ALL_ELEMENTS


def test_ctc() -> None:
    """The states of each sample, at all positions after its first."""
    found = whole(lambda: aten._ctc_loss(x(7, 2, 5), i(2, 3), *LENGTHS))
    assert found == Work(adds=FORWARD[0], other=FORWARD[1], reads=INPUTS, writes=2 + 98)
    lengths = torch.tensor([7, 5]), torch.tensor([3, 2])
    found = whole(lambda: aten._ctc_loss(x(7, 2, 5), i(2, 3), *lengths))
    assert found == Work(adds=FORWARD[0], other=FORWARD[1], reads=INPUTS + 4, writes=2 + 98)


def test_ctc_of_one_sample_without_an_axis_of_samples() -> None:
    """6 later positions of 7 states; its lengths are numbers."""
    found = whole(lambda: F.ctc_loss(x(7, 5), i(3), torch.tensor(7), torch.tensor(3), reduction="none"))
    assert (found.adds, found.other) == (4 * 42 + 2, 4 * 42 + 3)


def test_ctc_without_values() -> None:
    """Lengths that cannot be read are the longest: 2 samples of 7 positions and 7 states."""
    lengths = (torch.empty(2, dtype=torch.long, device="meta"),) * 2
    found = direct(aten._ctc_loss.Tensor, x(7, 2, 5), i(2, 3), *lengths, out=ALPHAS)
    assert (found.adds, found.other) == (4 * 2 * 42 + 4, 4 * 2 * 42 + 6)


def test_gradient_of_ctc() -> None:
    """From the end, joined with the sums from the start; of cuDNN's kernel with the loss."""
    adds, muls, other = BACKWARD
    backward = aten._ctc_loss_backward.default
    found = direct(backward, x(2), x(7, 2, 5), i(2, 3), *LENGTHS, *ALPHAS, 0, out=x(7, 2, 5))
    assert found == Work(adds=adds, muls=muls, other=other, reads=2 + INPUTS + 2 + 98, writes=70)
    both = aten._cudnn_ctc_loss.default
    found = direct(both, x(7, 2, 5), i(2, 3), *LENGTHS, 0, False, False, out=(x(2), x(7, 2, 5)))
    assert found == Work(adds=adds + FORWARD[0], muls=muls, other=other + FORWARD[1], reads=INPUTS, writes=2 + 70)


def _in_pieces(*wanted: bool, bias: Tensor | None = None, weight: Tensor | None = None) -> Work:
    operator = torch.ops.torch_nn._linear_cross_entropy_batch_chunked.default
    gradients = (one if want else x(0) for one, want in zip((x(6, 8), x(5, 8), x(5)), wanted, strict=True))
    arguments = bias, weight, "mean", -100, 0.0, 2, "compact", torch.float32, False, *wanted
    return direct(operator, x(6, 8), x(5, 8), i(6), *arguments, out=(x(), *gradients))


CHUNKED = pytest.mark.skipif(not hasattr(nn, "LinearCrossEntropyOptions"), reason="older torch lacks it")


@CHUNKED
@pytest.mark.parametrize("more", [{}, {"reduction": "none"}, {"linear_bias": x(5)}, {"weight": x(5)}], ids=str)
def test_linear_cross_entropy_in_pieces_costs_what_its_kernels_cost(more: dict[str, Any]) -> None:
    """The same products, sums and logarithms; only the traffic is that of one kernel."""
    loss: Any = F.linear_cross_entropy
    options = nn.LinearCrossEntropyOptions(batch_chunk_size=2)
    single = run(lambda: loss(x(6, 8), x(5, 8), i(6), **more))
    pieces = run(lambda: loss(x(6, 8), x(5, 8), i(6), options=options, **more))
    assert not pieces.unknown
    assert len(pieces.kernels) == 1
    assert pieces.work[:5] == single.work[:5]


@CHUNKED
def test_linear_cross_entropy_with_gradients() -> None:
    """6 rows of 8 to 5 classes: 240 products, a sum and two functions of 30 logits, a loss of each row, summed."""
    read = 48 + 40 + 6
    plain = Work(240, adds=30 + 6, other=2 * 30 + 6, activations=30, reads=read, writes=1)
    no = (False, False, False)
    assert _in_pieces(*no) == plain
    assert _in_pieces(*no, bias=x(5), weight=x(5)) == plain._replace(adds=66, muls=6, reads=read + 10)
    # The input's: p w / sum for each logit, times the weight; the target's row of the weight, times w, added.
    assert _in_pieces(True, False, False) == Work(2 * 240, 36 + 48, 30 + 48, 66 + 6, 30 + 48, read, 1 + 48)
    # The weight's as well, and the bias's: a sum of all logits and of w.
    found = _in_pieces(True, True, True, bias=x(5))
    assert found == Work(3 * 240, 66 + 2 * 48 + 36, 30 + 2 * 48, 66 + 6, 30 + 48 + 40, read + 5, 1 + 48 + 40 + 5)


# Gates, and for each hidden element, without biases: adds, muls, other. LSTM: 4 sums, f c + i g; 3 sigmoids and 2 tanh.
CELLS = {nn.LSTMCell: (4, 5, 3, 5), nn.GRUCell: (3, 5, 2, 3), nn.RNNCell: (1, 1, 0, 1)}


@pytest.mark.parametrize("kind", CELLS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("dtype", [torch.qint8, torch.float16])
@pytest.mark.filterwarnings("ignore")
def test_quantised_cells(kind: Any, dtype: torch.dtype) -> None:
    """5 to 6 at batch 2: gates x 6 x (5 + 6) products; a gate has two biases and two scales, of float16 none."""
    gates, adds, muls, other = CELLS[kind]
    cell = torch.ao.quantization.quantize_dynamic(nn.Sequential(kind(5, 6)), {kind}, dtype)  # type: ignore[no-untyped-call]
    state: Any = (x(2, 6), x(2, 6)) if kind is nn.LSTMCell else x(2, 6)
    found = run(cell[0], x(2, 5), state)
    both = 2 * 2 * gates * 6
    assert not found.unknown
    assert found.work == Work(
        2 * gates * 6 * 11,
        adds=both + 12 * adds,
        muls=(both if dtype is torch.qint8 else 0) + 12 * muls,
        other=12 * other,
        activations=both,
        reads=10 + (24 if kind is nn.LSTMCell else 12) + gates * 6 * (11 + 2),
        writes=24 if kind is nn.LSTMCell else 12,
    )


@pytest.mark.skipif(not hasattr(torch, "hash_tensor"), reason="older torch lacks it")
def test_a_hash_reads_each_element_once() -> None:
    """An exclusive or for each."""
    assert whole(lambda: torch.hash_tensor(x(2, 3))) == Work(other=6, reads=6, writes=1)

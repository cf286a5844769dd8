"""Recurrent layers, fused attention and torchvision's operators: all seven figures of their work, by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers import import_torchvision
from kernel_runs import direct, whole, x
from torch import Tensor

from flopcalc.pytorch.counting.kernels import Work, elements, tensors, vision
from flopcalc.pytorch.counting.kernels.work import Kernel

aten: Any = torch.ops.aten

# 11 steps x 2 samples of 3 inputs and 5 hidden numbers: 22 positions.
STEPS, STATE, OUTPUTS = x(11, 2, 3), x(1, 2, 5), x(11, 2, 5)


def _weights(gates: int, biases: bool = True) -> list[Tensor]:
    matrices = [x(gates * 5, 3), x(gates * 5, 5)]
    return matrices + [x(gates * 5), x(gates * 5)] * biases


OPTIONS: Any = 1, 0.0, False, False, False  # layers, dropout, training, both directions, batch first
LSTM_OUT, GRU_OUT = (OUTPUTS, STATE, STATE), (OUTPUTS, STATE)
REST: Any = False, [], 2, 5, 1  # reversed, sizes of batches, the mode of an LSTM, hidden numbers, layers

# Each of 5 hidden numbers has 4 gates (i, f, g, o) in an LSTM: 4 sums of input and state, c = f c + i g, h = o tanh(c):
# 5 adds, 3 muls, 5 activations. In a GRU 3 gates: sums of r, z and n, h = n + z (h - n): 5 adds; r b and z (h - n):
# 2 muls; 3 activations. With biases, two for each gate.
RECURRENT: dict[str, tuple[Callable[[], Any], Work]] = {
    "LSTM": (
        lambda: direct(aten.lstm.input, STEPS, [STATE, STATE], _weights(4), True, *OPTIONS, out=LSTM_OUT),
        Work(22 * 20 * 8, 22 * (40 + 25), 22 * 15, 22 * 25, 22 * 40, 66 + 20 + 200, 110 + 20),
    ),
    "LSTM without biases": (
        lambda: direct(aten.lstm.input, STEPS, [STATE, STATE], _weights(4, False), False, *OPTIONS, out=LSTM_OUT),
        Work(22 * 20 * 8, 22 * 25, 22 * 15, 22 * 25, 22 * 40, 66 + 20 + 160, 110 + 20),
    ),
    "GRU": (
        lambda: direct(aten.gru.input, STEPS, STATE, _weights(3), True, *OPTIONS, out=GRU_OUT),
        Work(22 * 15 * 8, 22 * (30 + 25), 22 * 10, 22 * 15, 22 * 30, 66 + 10 + 150, 110 + 10),
    ),
    "RNN": (
        lambda: direct(aten.rnn_tanh.input, STEPS, STATE, _weights(1), True, *OPTIONS, out=GRU_OUT),
        Work(22 * 5 * 8, 22 * (10 + 5), 0, 22 * 5, 22 * 10, 66 + 10 + 50, 110 + 10),
    ),
    # The fourth result is a workspace.
    "LSTM of oneDNN": (
        lambda: direct(
            aten.mkldnn_rnn_layer.default,
            *(STEPS, *_weights(4), STATE, STATE, *REST, True, False, False, False),
            out=(*LSTM_OUT, x(97)),
        ),
        Work(22 * 20 * 8, 22 * (40 + 25), 22 * 15, 22 * 25, 22 * 40, 66 + 20 + 200, 110 + 20),
    ),
    # It gets the matrices twice, and reads what it gets.
    "LSTM of oneDNN without biases": (
        lambda: direct(
            aten.mkldnn_rnn_layer.default,
            *(STEPS, *_weights(4, False) * 2, STATE, STATE, *REST, False, False, False, False),
            out=(*LSTM_OUT, x(97)),
        ),
        Work(22 * 20 * 8, 22 * 25, 22 * 15, 22 * 25, 22 * 40, 66 + 20 + 2 * 160, 110 + 20),
    ),
    "GRU of cuDNN": (
        lambda: direct(
            aten._cudnn_rnn.default,
            *(STEPS, _weights(3), 4, None, STATE, None, 3, 5, 0, 1, False, 0.0, False, False, [], None),
            out=(OUTPUTS, STATE, x(0), x(97), x(0)),
        ),
        Work(22 * 15 * 8, 22 * (30 + 25), 22 * 10, 22 * 15, 22 * 30, 66 + 10 + 150, 110 + 10),
    ),
    # Each product has two gradients. Of an LSTM's unit: dh is a sum (1 add); o and c get dh tanh(c) and dh o, whose
    # tanh is an activation; dc is a sum (1 add); g, i, f and the last c get dc i, dc g, dc c and dc f: 6 muls, and 4
    # more activations. A bias of 20 numbers is a sum over 22 positions. The results of the products are 3 + 5 numbers
    # for each position, and the matrices'.
    "LSTM of oneDNN backwards": (
        lambda: direct(
            aten.mkldnn_rnn_layer_backward.default,
            *(STEPS, *_weights(4), STATE, STATE, OUTPUTS, STATE, STATE, OUTPUTS, None, None),
            *(False, 2, 5, 1, True, True, False, [], False, x(97)),
            out=(STEPS, *_weights(4), STATE, STATE),
        ),
        Work(
            2 * 22 * 20 * 8,
            adds=22 * (2 * 5 + 40),
            muls=22 * 6 * 5,
            other=22 * 5 * 5,
            activations=22 * 8 + 160,
            reads=66 + 200 + 4 * 10 + 2 * 110 + 97,
            writes=66 + 200 + 20,
        ),
    ),
    # Of a GRU's unit: dh is a sum of three (2 adds), dz = dh (h - n), dn = dh - dh z, da = dn', dr = da b, db = da r.
    "GRU of cuDNN backwards, of the input alone": (
        lambda: direct(
            aten._cudnn_rnn_backward.default,
            *(STEPS, _weights(3), 4, x(0), STATE, None, OUTPUTS, OUTPUTS, None, None, 3, 5, 0, 1, False, 0.0, True),
            *(False, [], None, x(0), [True, False, False, False]),
            out=(STEPS, STATE, None, []),
        ),
        Work(
            22 * 15 * 8,
            adds=22 * 3 * 5,
            muls=22 * 4 * 5,
            other=22 * 3 * 5,
            activations=22 * 8,
            reads=66 + 150 + 10 + 2 * 110,
            writes=66,
        ),
    ),
    # Two layers in both directions: 2 x 20 rows over 3 + 5 inputs, and over 10 + 5; 20 hidden numbers in all. Each
    # result of a product is scaled.
    "quantised LSTM": (
        lambda: direct(
            aten.quantized_lstm.input,
            *(STEPS, [x(4, 2, 5), x(4, 2, 5)], [], True, 2, 0.0, False, True, False),
            out=(x(11, 2, 10), x(4, 2, 5), x(4, 2, 5)),
        ),
        Work(
            22 * 40 * 23,
            adds=22 * 20 * (2 * 4 + 5),
            muls=22 * 20 * 3 + 2 * 22 * 20 * 4,
            other=22 * 20 * 5,
            activations=2 * 22 * 20 * 4,
            reads=66 + 2 * 40 + 40 * 23 + 2 * 20 * 4,
            writes=220 + 2 * 40,
        ),
    ),
    "quantised GRU, one layer, no biases": (
        lambda: direct(
            aten.quantized_gru.input, STEPS, STATE, [], False, 1, 0.0, False, False, False, out=(OUTPUTS, STATE)
        ),
        Work(22 * 15 * 8, 22 * 5 * 5, 22 * (10 + 30), 22 * 15, 2 * 22 * 15, 66 + 10 + 120, 110 + 10),
    ),
    "a step of an LSTM": (
        lambda: direct(aten.lstm_cell.default, x(2, 3), [x(2, 5), x(2, 5)], *_weights(4), out=(x(2, 5), x(2, 5))),
        Work(2 * 20 * 8, 2 * (40 + 25), 2 * 15, 2 * 25, 2 * 40, 6 + 20 + 200, 20),
    ),
    "a step of a GRU": (
        lambda: direct(aten.gru_cell.default, x(2, 3), x(2, 5), *_weights(3, False), None, None, out=x(2, 5)),
        Work(2 * 15 * 8, 2 * 25, 2 * 10, 2 * 15, 2 * 30, 6 + 10 + 120, 10),
    ),
    # 2 x 5 hidden numbers, after the products.
    "gates of an LSTM": (
        lambda: direct(
            aten._thnn_fused_lstm_cell.default,
            *(x(2, 20), x(2, 20), x(2, 5), x(20), x(20)),
            out=(x(2, 5), x(2, 5), x(2, 20)),
        ),
        Work(adds=10 * (5 + 2 * 4), muls=10 * 3, other=10 * 5, reads=40 + 40 + 10 + 20 + 20, writes=2 * 10),
    ),
    "gates of a GRU": (
        lambda: direct(
            aten._thnn_fused_gru_cell.default,
            *(x(2, 15), x(2, 15), x(2, 5), x(15), x(15)),
            out=(x(2, 5), x(2, 25)),
        ),
        Work(adds=10 * (5 + 2 * 3), muls=10 * 2, other=10 * 3, reads=30 + 30 + 10 + 15 + 15, writes=10),
    ),
    "gates of a GRU without biases": (
        lambda: direct(aten._thnn_fused_gru_cell.default, x(2, 15), x(2, 15), x(2, 5), out=(x(2, 5), x(2, 25))),
        Work(adds=10 * 5, muls=10 * 2, other=10 * 3, reads=30 + 30 + 10, writes=10),
    ),
}

QUERY, KEY, VALUE, ATTENDED = x(2, 3, 5, 7), x(2, 3, 11, 7), x(2, 3, 11, 13), x(2, 3, 5, 13)
MATH: Any = aten._scaled_dot_product_attention_math.default
TOKENS = x(2, 5, 6)
PROJECTIONS: Any = x(18, 6), x(18), x(6, 6), x(6)
NORM: Any = x(6), x(6)
FEED: Any = x(7, 6), x(7), x(6, 7), x(6)


def _swapped(tensor: Tensor) -> Tensor:
    """The tokens before the heads."""
    return tensor.transpose(1, 2).contiguous()


# 2 x 3 heads, 5 queries and 11 keys of 7 channels, values of 13: 330 scores; for each a scale, and of softmax a sum, an
# exponential and a division.
ATTENTION: dict[str, tuple[Callable[[], Any], Work]] = {
    "attention": (
        lambda: direct(MATH, QUERY, KEY, VALUE, out=ATTENDED),
        Work(330 * (7 + 13), 330, 330, 2 * 330, 390, 210 + 462 + 858, 390),
    ),
    "attention with a mask, which is added": (
        lambda: direct(MATH, QUERY, KEY, VALUE, x(5, 11), out=ATTENDED),
        Work(330 * (7 + 13), 2 * 330, 330, 2 * 330, 390, 210 + 462 + 858 + 55, 390),
    ),
    "attention with a bias": (
        lambda: direct(
            aten._scaled_dot_product_efficient_attention.default,
            *(QUERY, KEY, VALUE, x(5, 11), False),
            out=(ATTENDED, x(0), x(), x()),
        ),
        Work(330 * (7 + 13), 2 * 330, 330, 2 * 330, 390, 210 + 462 + 858 + 55, 390),
    ),
    # One head: 3 samples of 55 scores.
    "attention of one head": (
        lambda: direct(MATH, x(3, 5, 7), x(3, 11, 7), x(3, 11, 13), out=x(3, 5, 13)),
        Work(165 * (7 + 13), 165, 165, 2 * 165, 195, 105 + 231 + 429, 195),
    ),
    "attention of one sample": (
        lambda: direct(MATH, x(5, 7), x(11, 7), x(11, 13), out=x(5, 13)),
        Work(55 * (7 + 13), 55, 55, 2 * 55, 65, 35 + 77 + 143, 65),
    ),
    "attention of five axes: 2 x 2 x 3 x 55 scores": (
        lambda: direct(MATH, x(2, 2, 3, 5, 7), x(2, 2, 3, 11, 7), x(2, 2, 3, 11, 13), out=x(2, 2, 3, 5, 13)),
        Work(660 * (7 + 13), 660, 660, 2 * 660, 780, 420 + 924 + 1716, 780),
    ),
    "flash attention": (
        lambda: direct(
            aten._flash_attention_forward.default,
            *(_swapped(QUERY), _swapped(KEY), _swapped(VALUE), None, None, 5, 11, 0.0, False, False),
            out=(_swapped(ATTENDED), x(0)),
        ),
        Work(330 * (7 + 13), 330, 330, 2 * 330, 390, 210 + 462 + 858, 390),
    ),
    # The scores again, and the gradients of query and key, over 7 channels; those of shares and values over 13. The
    # scale, the logarithm of the sum taken off, an exponential; softmax backwards 2 adds and 2 muls; the scale. It
    # reads the result and its gradient too.
    "attention backwards": (
        lambda: direct(
            aten._scaled_dot_product_flash_attention_for_cpu_backward.default,
            *(ATTENDED, QUERY, KEY, VALUE, ATTENDED, x(2, 3, 5), 0.0, False),
            out=(QUERY, KEY, VALUE),
        ),
        Work(330 * (21 + 26), 3 * 330, 4 * 330, 330, 1530, 2 * 390 + 1530 + 30, 1530),
    ),
    "flash attention backwards": (
        lambda: direct(
            aten._flash_attention_backward.default,
            *(_swapped(ATTENDED), _swapped(QUERY), _swapped(KEY), _swapped(VALUE), _swapped(ATTENDED)),
            *(x(2, 3, 5), x(0), x(0), 5, 11, 0.0, False, x(0), x(0)),
            out=(_swapped(QUERY), _swapped(KEY), _swapped(VALUE)),
        ),
        Work(330 * (21 + 26), 3 * 330, 4 * 330, 330, 1530, 2 * 390 + 1530 + 30, 1530),
    ),
    # A mask of 2 x 3 x 5 x 11 is added to the scores again; its gradient is that of the scores.
    "attention backwards, with the gradient of a mask": (
        lambda: direct(
            aten._scaled_dot_product_efficient_attention_backward.default,
            *(ATTENDED, QUERY, KEY, VALUE, x(2, 3, 5, 11), ATTENDED, x(2, 3, 5), x(0), x(0), 0.0, [True] * 4),
            out=(QUERY, KEY, VALUE, x(2, 3, 5, 11)),
        ),
        Work(330 * 47, 4 * 330, 4 * 330, 330, 1530 + 330, 2 * 390 + 1530 + 330 + 30, 1530 + 330),
    ),
    # Samples of 2 and 3 queries and of 4 and 7 keys in rows of 5 and 11 tokens: 3 x (8 + 21) scores.
    "flash attention backwards, samples in a row": (
        lambda: direct(
            aten._flash_attention_backward.default,
            *(x(5, 3, 13), x(5, 3, 7), x(11, 3, 7), x(11, 3, 13), x(5, 3, 13), x(3, 5)),
            *(torch.tensor([0, 2, 5]), torch.tensor([0, 4, 11]), 3, 7, 0.0, False, x(0), x(0)),
            out=(x(5, 3, 7), x(11, 3, 7), x(11, 3, 13)),
        ),
        Work(87 * 47, 3 * 87, 4 * 87, 87, 765, 2 * 195 + 765 + 15 + 6, 765),
    ),
    # 10 tokens of 6 channels, 2 heads: 100 scores of 3 channels, twice; 4 projections with biases, of 6 x 6. Written as
    # layers' outputs: 4 x 60, and attention's 60. The tokens are read as query, key and value.
    "attention in one kernel": (
        lambda: torch._native_multi_head_attention(TOKENS, TOKENS, TOKENS, 6, 2, *PROJECTIONS, None, False),  # type: ignore[call-arg]
        Work(4 * 10 * 36 + 100 * 6, 4 * 60 + 100, 100, 2 * 100, 5 * 60, 3 * 60 + 168, 60),
    ),
    # With 7 hidden channels: 70 activations; two norms (3 adds, 2 muls), two sums, biases of 7 and of 6.
    "a transformer's layer in one kernel": (
        lambda: direct(
            aten._transformer_encoder_layer_fwd.default,
            *(TOKENS, 6, 2, *PROJECTIONS, True, False, 1e-5, *NORM, *NORM, *FEED),
            out=TOKENS,
        ),
        Work(
            4 * 10 * 36 + 100 * 6 + 10 * 2 * 42,
            adds=4 * 60 + 100 + 70 + 60 + 2 * 60 + 2 * 3 * 60,
            muls=100 + 2 * 2 * 60,
            other=2 * 100 + 70,
            activations=5 * 60 + 70 + 60,
            reads=60 + 168 + 4 * 6 + 42 + 7 + 42 + 6,
            writes=60,
        ),
    ),
}
CASES = {**RECURRENT, **ATTENTION}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_all_figures_by_hand(name: str) -> None:
    """Each comment or name says where the figures come from."""
    function, wanted = CASES[name]
    found = function()
    assert (found if isinstance(found, Work) else whole(function)) == wanted


@pytest.fixture
def operators() -> Any:
    """torchvision's operators."""
    pytest.importorskip("PIL")
    import_torchvision()
    return torch.ops.torchvision


# 2 x 4 x 7 x 9 = 504, six filters of 4 x 3 x 2, 2 x 6 x 5 x 8 = 480 results. 80 positions of 24 taps, each 3 adds and 4
# muls, and one for the mask; the offsets are 2 for each position and place of a filter.
DEFORMED: Any = x(2, 4, 7, 9), x(6, 4, 3, 2), x(2, 12, 5, 8), x(2, 6, 5, 8), x(6)
TAPS = 80 * 24
READ = 504 + 144 + 960 + 480 + 6


@pytest.mark.parametrize("masked", [True, False])
def test_deformable_convolutions(operators: Any, masked: bool) -> None:
    """Interpolated taps, then a convolution with a bias."""
    found = direct(operators.deform_conv2d.default, *DEFORMED, *(1, 1, 0, 0, 1, 1, 1, 1), masked, out=x(2, 6, 5, 8))
    assert found == Work(480 * 24, 3 * TAPS + 480, (5 if masked else 4) * TAPS, 0, 480, READ, 480)


def _ruled(rule: Any, name: str, arguments: str, *args: Any, out: Any) -> Any:
    """A rule applied to an operator that torchvision's compiled part alone declares."""
    library = torch.library.Library("flopcalc_tests_vision", "FRAGMENT")  # type: ignore[no-untyped-call]
    if not hasattr(torch.ops.flopcalc_tests_vision, name):
        library.define(f"{name}({arguments}) -> Tensor")  # type: ignore[no-untyped-call]
    operator = getattr(torch.ops.flopcalc_tests_vision, name).default
    return rule(Kernel(operator, args, {}, out, sum(map(elements, tensors(args)))))


def test_gradients_of_deformable_convolutions() -> None:
    """A tap is v = m (a x1 + b x2 + c x3 + d x4), whose factors are products of distances; its gradient is g.

    v / m again, for the weights: 4 muls, 3 adds. x1 to x4: g m a and so on, added: 4 muls, 4 adds. Along an axis v / m
    has the slope h (x3 - x1) + l (x4 - x2), 2 muls, 3 adds, times g m, summed: 1 mul, 1 add. With m: v and g m, 2 muls,
    and its own gradient, which is g v / m, summed: 1 mul, 1 add.
    """
    arguments = ", ".join(f"Tensor {name}" for name in ("grad", "input", "weight", "offset", "mask", "bias"))
    arguments += ", bool use_mask"
    for masked, muls, adds in ((False, 4 + 4 + 2 * 3, 3 + 4 + 2 * 4), (True, 4 + 4 + 2 * 3 + 2 + 1, 3 + 4 + 2 * 4 + 1)):
        given = x(2, 6, 5, 8), *DEFORMED, masked
        found = _ruled(vision.deformable_backward, "deformed_back", arguments, *given, out=DEFORMED)
        assert found == Work(2 * 480 * 24, adds * TAPS + 480, muls * TAPS, 0, READ, 480 + READ, READ)


# Of 2 x 3 x 11 x 13 = 858; one box has 4 x 6 positions and one 3 x 5.
PICTURE, BOXES = x(2, 3, 11, 13), torch.tensor([[0.0, 1, 2, 4, 7], [1, 0, 0, 2, 4]])
CELLS = x(2, 3, 2, 5)


def test_boxes(operators: Any) -> None:
    """Into 2 x 5 cells: 60 results, of 2 boxes and 3 channels."""
    # 2 boxes x 10 cells x 7 x 7 points x 3 channels.
    points = 2 * 10 * 49 * 3
    found = direct(operators.roi_align.default, PICTURE, BOXES, 1.0, 2, 5, 7, False, out=CELLS)
    assert found == Work(adds=4 * points, muls=4 * points + 60, reads=858 + 10, writes=60)
    found = direct(operators.roi_pool.default, PICTURE, BOXES, 1.0, 2, 5, out=(CELLS, CELLS))
    assert found == Work(other=(24 + 15) * 3, reads=858 + 10, writes=60)
    # Of the 30 channels each cell has 3 of its own; here the last row and column of a box are not in it.
    found = direct(operators.ps_roi_pool.default, x(2, 30, 11, 13), BOXES, 1.0, 2, 5, out=(CELLS, CELLS))
    assert found == Work(adds=(3 * 5 + 2 * 4) * 3, other=60, reads=8580 + 10, writes=60)
    # At half the scale the corners are at 1, 1, 2, 4 (halves go up, as in C) and 0, 0, 1, 2: 2 x 4 and 2 x 3 positions.
    found = direct(operators.roi_pool.default, PICTURE, BOXES, 0.5, 2, 5, out=(CELLS, CELLS))
    assert found == Work(other=(8 + 6) * 3, reads=858 + 10, writes=60)
    # From -1, 0 to 1, 2: 3 x 3 positions.
    found = direct(
        operators.roi_pool.default, PICTURE, torch.tensor([[0.0, -1, 0, 2, 4]]), 0.5, 2, 5, out=(CELLS, CELLS)
    )
    assert found == Work(other=9 * 3, reads=858 + 5, writes=60)
    found = direct(operators.nms.default, x(7, 4), x(7), 0.5, out=torch.zeros(3, dtype=torch.long))
    assert found == Work(other=7 * 6 // 2, reads=28 + 7, writes=3)


def test_gradients_of_boxes() -> None:
    """Each of 60 cells to 9 points, 4 positions each, by a factor for the mean; of a maximum, to one place."""
    align = "Tensor grad, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, int sampling_ratio"
    found = _ruled(vision.pooled_backward, "_roi_align_backward", align, CELLS, BOXES, 1.0, 2, 5, 3, out=PICTURE)
    assert found == Work(adds=4 * 60 * 9, muls=4 * 60 * 9 + 60, reads=60 + 10, writes=858)
    # As many points as a cell has positions: of 6 x 3 in 2 x 5 cells 3 x 1, of 4 x 2 cells 2 x 1; 10 cells, 3 channels.
    found = _ruled(vision.pooled_backward, "_roi_align_backward", align, CELLS, BOXES, 1.0, 2, 5, 0, out=PICTURE)
    assert found == Work(adds=4 * 30 * 5, muls=4 * 30 * 5 + 60, reads=60 + 10, writes=858)
    pool = "Tensor grad, Tensor rois, Tensor argmax"
    found = _ruled(vision.pooled_backward, "_roi_pool_backward", pool, CELLS, BOXES, CELLS, out=PICTURE)
    assert found == Work(adds=60, reads=60 + 10 + 60, writes=858)
    # A mean: each gradient, divided, goes to the positions of its box; 3 x 5 and 2 x 4 of them for each channel.
    mean = "Tensor grad, Tensor rois, Tensor mapping, float spatial_scale, int pooled_height, int pooled_width"
    found = _ruled(vision.pooled_backward, "_ps_roi_pool_backward", mean, CELLS, BOXES, CELLS, 1.0, 2, 5, out=PICTURE)
    assert found == Work(adds=(3 * 5 + 2 * 4) * 3, other=60, reads=60 + 10 + 60, writes=858)

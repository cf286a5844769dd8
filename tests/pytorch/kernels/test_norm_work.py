"""Norms and softmax, forwards and backwards: all seven figures of their work, by hand from the definitions."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_runs import direct, whole, x
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch.counting.kernels import Work

aten: Any = torch.ops.aten
ALL = [True, True, True]
STATISTICS = 5  # weight, running mean and variance, saved mean and deviation: one for each channel


def _batch_norm_backward(train: bool, mask: list[bool]) -> Any:
    vectors = (x(3) for _ in range(STATISTICS))
    return aten.native_batch_norm_backward(x(2, 3, 5, 7), x(2, 3, 5, 7), *vectors, train, 1e-5, mask)


# 2 x 3 x 5 x 7 = 210 elements, unless a name says otherwise.
NORMS: dict[str, tuple[Callable[[], Any], Work]] = {
    "batch norm: scale and shift, four vectors": (
        lambda: F.batch_norm(x(2, 3, 5, 7), x(3), x(3), x(3), x(3)),
        Work(adds=210, muls=210, reads=210 + 4 * 3, writes=210),
    ),
    "batch norm in training": (
        lambda: F.batch_norm(x(2, 3, 5, 7), x(3), x(3), x(3), x(3), training=True),
        Work(adds=3 * 210, muls=2 * 210, reads=210 + 4 * 3, writes=210),
    ),
    "batch norm without statistics": (
        lambda: F.batch_norm(x(2, 3, 5, 7), None, None, x(3), x(3), training=True),
        Work(adds=3 * 210, muls=2 * 210, reads=210 + 2 * 3, writes=210),
    ),
    "layer norm": (
        lambda: F.layer_norm(x(2, 3, 5, 7), (7,), x(7), x(7)),
        Work(adds=3 * 210, muls=2 * 210, reads=210 + 2 * 7, writes=210),
    ),
    "group norm": (
        lambda: F.group_norm(x(2, 3, 5, 7), 3, x(3), x(3)),
        Work(adds=3 * 210, muls=2 * 210, reads=210 + 2 * 3, writes=210),
    ),
    # A squared norm of each of 2 rows of 15 (add, mul), its root and a division, and a factor for each element.
    "weight norm": (
        lambda: torch._weight_norm(x(2, 15), x(2, 1), 0),
        Work(adds=30, muls=2 * 30, other=2 * 2, reads=30 + 2, writes=30),
    ),
    "weight norm backward": (
        lambda: aten._weight_norm_interface_backward(x(2, 15), x(2, 15), x(2, 1), x(2, 1), 0),
        Work(adds=2 * 30, muls=3 * 30, other=2 * 2, reads=2 * 30 + 2 * 2, writes=30 + 2),
    ),
    # Two statistics for each of 30 positions.
    "layer norm backward": (
        lambda: aten.native_layer_norm_backward(
            x(2, 3, 5, 7), x(2, 3, 5, 7), [7], x(2, 3, 5, 1), x(2, 3, 5, 1), x(7), x(7), ALL
        ),
        Work(adds=7 * 210, muls=6 * 210, reads=2 * 210 + 2 * 30 + 2 * 7, writes=210 + 2 * 7),
    ),
    # The normalised input (1 add, 1 mul); two means of it and the gradient (2 adds, 1 mul); their combination (2 each).
    "layer norm backward, without weights": (
        lambda: aten.native_layer_norm_backward(
            x(2, 3, 5, 7), x(2, 3, 5, 7), [7], x(2, 3, 5, 1), x(2, 3, 5, 1), None, None, [True, False, False]
        ),
        Work(adds=5 * 210, muls=4 * 210, reads=2 * 210 + 2 * 30, writes=210),
    ),
    # The gradient is multiplied by the weight before.
    "layer norm backward, the input's": (
        lambda: aten.native_layer_norm_backward(
            x(2, 3, 5, 7), x(2, 3, 5, 7), [7], x(2, 3, 5, 1), x(2, 3, 5, 1), x(7), x(7), [True, False, False]
        ),
        Work(adds=5 * 210, muls=5 * 210, reads=2 * 210 + 2 * 30 + 2 * 7, writes=210),
    ),
    # The normalised input times the gradient, summed; the bias is a sum of its own.
    "layer norm backward, the weight's": (
        lambda: aten.native_layer_norm_backward(
            x(2, 3, 5, 7), x(2, 3, 5, 7), [7], x(2, 3, 5, 1), x(2, 3, 5, 1), x(7), None, [False, True, False]
        ),
        Work(adds=2 * 210, muls=2 * 210, reads=2 * 210 + 2 * 30 + 7, writes=7),
    ),
    "layer norm backward, the bias's": (
        lambda: aten.native_layer_norm_backward(
            x(2, 3, 5, 7), x(2, 3, 5, 7), [7], x(2, 3, 5, 1), x(2, 3, 5, 1), x(7), x(7), [False, False, True]
        ),
        Work(adds=210, reads=2 * 210 + 2 * 30 + 2 * 7, writes=7),
    ),
    # 60 elements; two statistics for each of 2 x 3 groups; six weights.
    "group norm backward": (
        lambda: aten.native_group_norm_backward(x(2, 6, 5), x(2, 6, 5), x(2, 3), x(2, 3), x(6), 2, 6, 5, 3, ALL),
        Work(adds=7 * 60, muls=6 * 60, reads=2 * 60 + 2 * 6 + 6, writes=60 + 2 * 6),
    ),
    "batch norm backward": (
        lambda: _batch_norm_backward(True, ALL),
        Work(adds=5 * 210, muls=4 * 210, reads=2 * 210 + 5 * 3, writes=210 + 2 * 3),
    ),
    # The normalised input (1 each) and its product with the gradient, summed (1 each), are needed in any case but for
    # the bias; the sum for the bias also for the input; the combination is 2 each.
    "batch norm backward, the input's": (
        lambda: _batch_norm_backward(True, [True, False, False]),
        Work(adds=5 * 210, muls=4 * 210, reads=2 * 210 + 5 * 3, writes=210),
    ),
    "batch norm backward, the weight's": (
        lambda: _batch_norm_backward(True, [False, True, False]),
        Work(adds=2 * 210, muls=2 * 210, reads=2 * 210 + 5 * 3, writes=3),
    ),
    "batch norm backward, scale and shift": (
        lambda: _batch_norm_backward(True, [False, True, True]),
        Work(adds=3 * 210, muls=2 * 210, reads=2 * 210 + 5 * 3, writes=2 * 3),
    ),
    "batch norm backward, the bias's": (
        lambda: _batch_norm_backward(True, [False, False, True]),
        Work(adds=210, reads=2 * 210 + 5 * 3, writes=3),
    ),
    # With given statistics: of the input a factor; of the weight the normalised input (add, mul) times the gradient,
    # summed; of the bias a sum.
    "fixed batch norm backward": (
        lambda: _batch_norm_backward(False, ALL),
        Work(adds=(2 + 1) * 210, muls=(1 + 2) * 210, reads=2 * 210 + 5 * 3, writes=210 + 2 * 3),
    ),
    "fixed batch norm backward, the input's": (
        lambda: _batch_norm_backward(False, [True, False, False]),
        Work(muls=210, reads=2 * 210 + 5 * 3, writes=210),
    ),
    "fixed batch norm backward, the weight's": (
        lambda: _batch_norm_backward(False, [False, True, False]),
        Work(adds=2 * 210, muls=2 * 210, reads=2 * 210 + 5 * 3, writes=3),
    ),
    "fixed batch norm backward, the bias's": (
        lambda: _batch_norm_backward(False, [False, False, True]),
        Work(adds=210, reads=2 * 210 + 5 * 3, writes=3),
    ),
    "softmax: exponential, sum, division": (
        lambda: x(2, 3, 5).softmax(1),
        Work(adds=30, other=2 * 30, reads=30, writes=30),
    ),
    "log softmax": (lambda: x(2, 3, 5).log_softmax(1), Work(adds=30, other=2 * 30, reads=30, writes=30)),
    # y (g - sum(g y)).
    "softmax backward": (
        lambda: aten._softmax_backward_data(x(2, 3, 5), x(2, 3, 5), 1, torch.float32),
        Work(adds=2 * 30, muls=2 * 30, reads=2 * 30, writes=30),
    ),
    # g - exp(y) sum(g).
    "log softmax backward": (
        lambda: aten._log_softmax_backward_data(x(2, 3, 5), x(2, 3, 5), 1, torch.float32),
        Work(adds=2 * 30, muls=30, other=30, reads=2 * 30, writes=30),
    ),
}

DIRECT: dict[str, tuple[Callable[[], Work], Work]] = {}
RMS_OUT = x(2, 3, 5, 7), x(2, 3, 5, 1)
if hasattr(aten, "_fused_rms_norm"):
    # The kernel also gives the inverse roots of the 30 positions, which are kept for the gradient and not counted.
    DIRECT["RMS norm"] = (
        lambda: direct(aten._fused_rms_norm.default, x(2, 3, 5, 7), [7], x(7), 1e-5, out=RMS_OUT),
        Work(adds=210, muls=3 * 210, reads=210 + 7, writes=210),
    )
    DIRECT["RMS norm without a weight"] = (
        lambda: direct(aten._fused_rms_norm.default, x(2, 3, 5, 7), [7], None, 1e-5, out=RMS_OUT),
        Work(adds=210, muls=2 * 210, reads=210, writes=210),
    )
if hasattr(aten, "_fused_rms_norm_backward"):
    GRADIENTS = x(2, 3, 5, 7), x(7)

    def _rms_norm_backward(weight: Tensor | None, mask: list[bool]) -> Work:
        given = x(2, 3, 5, 7), x(2, 3, 5, 7), [7], x(2, 3, 5, 1), weight, mask
        return direct(aten._fused_rms_norm_backward.default, *given, out=GRADIENTS)

    # The input times its 30 inverse roots (1 mul). Of the weight: times the gradient (1 mul), summed (1 add). Of the
    # input: the gradient times the weight (1 mul), its products with the normalised input (1 mul), their mean (1 add),
    # times the normalised input (1 mul), taken off (1 add), times the inverse root (1 mul).
    DIRECT["RMS norm backward"] = (
        lambda: _rms_norm_backward(x(7), [True, True]),
        Work(adds=3 * 210, muls=6 * 210, reads=2 * 210 + 30 + 7, writes=210 + 7),
    )
    DIRECT["RMS norm backward, the input's"] = (
        lambda: _rms_norm_backward(x(7), [True, False]),
        Work(adds=2 * 210, muls=5 * 210, reads=2 * 210 + 30 + 7, writes=210),
    )
    DIRECT["RMS norm backward, without a weight"] = (
        lambda: _rms_norm_backward(None, [True, False]),
        Work(adds=2 * 210, muls=4 * 210, reads=2 * 210 + 30, writes=210),
    )
    DIRECT["RMS norm backward, the weight's"] = (
        lambda: _rms_norm_backward(x(7), [False, True]),
        Work(adds=210, muls=2 * 210, reads=2 * 210 + 30 + 7, writes=7),
    )


@pytest.mark.parametrize("name", NORMS)
def test_all_figures_by_hand(name: str) -> None:
    """Each comment or name says where the figures come from."""
    function, wanted = NORMS[name]
    assert whole(function) == wanted


@pytest.mark.parametrize("name", DIRECT)
def test_kernels_that_do_not_run(name: str) -> None:
    """By their arguments and the sizes of their output."""
    function, wanted = DIRECT[name]
    assert function() == wanted

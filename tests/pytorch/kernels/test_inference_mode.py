"""A function costs the same inside inference mode, where functions made of others reach the dispatch mode whole."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_runs import run
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch import count

Call = Callable[[Tensor], Any]

# Each takes a map of 2 x 4 x 12 x 12.
FUNCTIONS: dict[str, Call] = {
    "conv same": lambda x: F.conv2d(x, x.new_ones(8, 4, 3, 3), padding="same"),
    "conv transposed": lambda x: F.conv_transpose2d(x, x.new_ones(4, 8, 3, 3)),
    "linear": lambda x: F.linear(x, x.new_ones(3, 12), x.new_ones(3)),
    "matmul": lambda x: x @ x.mT,
    "einsum": lambda x: torch.einsum("bchw,oc->bohw", x, x.new_ones(3, 4)),
    "multi_dot": lambda x: torch.linalg.multi_dot([x[0, 0], x[0, 1], x[0, 2]]),
    "matrix_power": lambda x: torch.matrix_power(x[0], 5),
    "cdist": lambda x: torch.cdist(x[:, 0], x[:, 1]),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "LSTM cell": lambda x: nn.LSTMCell(12, 6, device=x.device)(x[0, 0]),
    "GRU cell": lambda x: nn.GRUCell(12, 6, device=x.device)(x[0, 0]),
    "batch norm": lambda x: nn.BatchNorm2d(4, device=x.device).eval()(x),
    "batch norm in training": lambda x: nn.BatchNorm2d(4, device=x.device)(x),
    "instance norm": nn.InstanceNorm2d(4),
    "group norm": lambda x: F.group_norm(x, 2),
    "layer norm": lambda x: F.layer_norm(x, (12,)),
    "RMS norm": lambda x: F.rms_norm(x, (12,)),
    "local response norm": lambda x: F.local_response_norm(x, 3),
    "bilinear": lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear"),
    "bicubic": lambda x: F.interpolate(x, scale_factor=1.5, mode="bicubic"),
    "nearest exact": lambda x: F.interpolate(x, scale_factor=1.5, mode="nearest-exact"),
    "area": lambda x: F.interpolate(x, size=5, mode="area"),
    "antialias": lambda x: F.interpolate(x, size=(5, 5), mode="bicubic", antialias=True),
    "pooling": lambda x: [F.max_pool2d(x, 2), F.avg_pool2d(x, 3), F.adaptive_max_pool2d(x, 3), F.lp_pool2d(x, 2, 2)],
    "pooling along one axis": lambda x: [F.max_pool1d(x[0], 2), F.avg_pool1d(x[0], 3), F.adaptive_max_pool1d(x[0], 5)],
    "padding": lambda x: [F.pad(x, (1, 1, 1, 1), mode=mode) for mode in ("constant", "reflect", "circular")],
    "fold": lambda x: F.fold(F.unfold(x, 3), (12, 12), 3),
    "dropout": lambda x: [F.dropout(x), F.dropout2d(x), F.alpha_dropout(x)],
    "losses": lambda x: [F.mse_loss(x, x), F.huber_loss(x, x), F.kl_div(x, x), F.cross_entropy(x, x)],
    "reductions": lambda x: [x.std(), x.norm(), x.median(), x.logsumexp(1), x.quantile(0.5), x.nanmean(), x.diff()],
    "sorts": lambda x: [x.msort(), x.argsort(), x.topk(2), torch.isin(x, x)],
    "fft": lambda x: [torch.fft.rfft2(x), torch.fft.fftn(x), torch.fft.fftshift(x)],
    "linear algebra": lambda x: [
        torch.linalg.det(x),
        torch.linalg.inv(x),
        torch.linalg.solve(x, x),
        torch.linalg.qr(x),
    ],
    "activations": lambda x: [F.gelu(x), F.softsign(x), F.logsigmoid(x), F.relu6(x), F.glu(x), F.softmin(x, 1)],
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_same_cost_inside_and_outside(name: str, device: str) -> None:
    """All kinds of cost, and no kernel without a rule."""
    x = torch.rand(2, 4, 12, 12, device=device)
    outside = run(FUNCTIONS[name], x)
    with torch.inference_mode():
        inside = run(FUNCTIONS[name], x)
    assert inside.work == outside.work
    assert not inside.unknown
    assert not outside.unknown


def test_functions_below_a_nested_tensor() -> None:
    """A mean of 4 and of 5 rows of 8: a padded sum of 2 x 5 x 8, 2 lengths from 3 offsets, and 2 x 8 divisions.

    The kernels of the layout jagged call functions that are made of kernels, such as diff.
    """

    class Mean(nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows.mean(1)

    rows = torch.nested.nested_tensor([torch.ones(4, 8), torch.ones(5, 8)], layout=torch.jagged)
    found = count(Mean(), rows)
    assert not found.uncounted
    assert found.total("adds") == 80 + 2
    assert found.total("other") == 16

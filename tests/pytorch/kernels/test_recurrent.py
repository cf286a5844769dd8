"""Recurrent layers: as one kernel they cost what their single kernels cost, and that is what the paper counts."""

from typing import Any

import pytest
import torch
from kernel_runs import run
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

GATES = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2}, {"bidirectional": True, "num_layers": 2}, {"bias": False}])
@pytest.mark.parametrize("cell", GATES, ids=lambda cell: cell.__name__)
def test_layers(cell: Any, options: dict[str, Any], inference: bool) -> None:
    """gates x hidden x (input + hidden) for each position, layer and direction; the same on CPU and on meta."""
    module = cell(16, 32, **options)
    sides = 2 if options.get("bidirectional") else 1
    inputs = [16] + [32 * sides] * (options.get("num_layers", 1) - 1)
    macs = 10 * 3 * sum(sides * GATES[cell] * 32 * (size + 32) for size in inputs)
    with torch.inference_mode(inference):
        found = run(module, torch.rand(10, 3, 16))
    assert found.work.macs == macs
    assert not found.unknown


@pytest.mark.parametrize("cell", GATES, ids=lambda cell: cell.__name__)
def test_a_fused_layer_costs_what_its_kernels_cost(cell: Any) -> None:
    """The kernel of the whole layer, by its rule, compared with the kernels of the same layer one by one."""
    from flopcalc.pytorch.counting.kernels import Work, work_of

    module = cell(16, 32)
    x, h = torch.rand(10, 3, 16), torch.zeros(1, 3, 32)
    state: Any = [h, h] if cell is nn.LSTM else h
    name = {"LSTM": "lstm", "GRU": "gru", "RNN": "rnn_tanh"}[cell.__name__]
    args = (x, state, list(module.parameters()), True, 1, 0.0, False, False, False)
    operator = getattr(torch.ops.aten, name).input
    whole = work_of(operator, args, {}, operator(*args), 0)
    assert isinstance(whole, Work)
    single = run(lambda: [_step(cell, module, x[0], h[0]) for _ in range(10)]).work
    assert (whole.macs, whole.activations) == (single.macs, single.activations)
    assert (whole.adds, whole.muls, whole.other) == (single.adds, single.muls, single.other)


def _step(cell: Any, module: Any, x: torch.Tensor, h: torch.Tensor) -> Any:
    """One position, as the equations of torch's documentation say."""
    a = torch.nn.functional.linear(x, module.weight_ih_l0, module.bias_ih_l0)
    b = torch.nn.functional.linear(h, module.weight_hh_l0, module.bias_hh_l0)
    if cell is nn.RNN:
        return (a + b).tanh()
    if cell is nn.LSTM:
        i, f, g, o = (a + b).chunk(4, 1)
        c = f.sigmoid() * h + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh()
    ar, az, an = a.chunk(3, 1)
    br, bz, bn = b.chunk(3, 1)
    r, z = (ar + br).sigmoid(), (az + bz).sigmoid()
    n = (an + r * bn).tanh()
    return n + z * (h - n)


def test_packed_sequences_and_projections() -> None:
    """16 positions of lengths 10 and 6; a projection of 32 to 8 is a third matrix."""
    packed = pack_padded_sequence(torch.rand(2, 10, 16), torch.tensor([10, 6]), batch_first=True)
    assert run(nn.LSTM(16, 32), packed).work.macs == 16 * 4 * 32 * 48
    found = run(nn.LSTM(16, 32, proj_size=8), torch.rand(10, 1, 16))
    assert found.work.macs == 10 * (4 * 32 * (16 + 8) + 32 * 8)


def test_quantised_layers() -> None:
    """Dynamic quantisation keeps the products: 2 layers on 10 positions, and one in both directions."""
    module = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
        nn.Sequential(nn.LSTM(16, 32, num_layers=2)), {nn.LSTM}, torch.qint8
    )
    found = run(module, torch.rand(10, 1, 16)).work
    assert found.macs == 10 * 4 * 32 * (48 + 64)
    # At each position and layer: two biases and a sum for each of 4 gates, and one for the cell.
    assert found.adds == 10 * 2 * (3 * 4 + 1) * 32
    module = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
        nn.Sequential(nn.LSTM(16, 32, bidirectional=True)), {nn.LSTM}, torch.qint8
    )
    assert run(module, torch.rand(10, 1, 16)).work.macs == 10 * 2 * 4 * 32 * 48

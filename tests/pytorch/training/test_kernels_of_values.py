"""Kernels of both passes on the meta device and on real values, next to those that torch runs on the CPU."""

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc import count, training

ROWS, COLUMNS = 6, 8


class Names(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The names of the kernels that run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func._schema.name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("in_place", [False, True])
def test_mish_is_one_kernel_in_each_pass(in_place: bool) -> None:
    """Torch has nine kernels for its backward pass on the meta device, and one where there are values."""
    module = nn.Sequential(nn.Linear(COLUMNS, COLUMNS), nn.Mish(in_place), nn.Sigmoid())
    plain = nn.Sequential(module[0], nn.Sigmoid(), nn.Sigmoid())
    with Names() as real:
        module(torch.rand(ROWS, COLUMNS)).sum().backward()
    assert real.names.count("mish_backward") == 1
    ours, other = (training(one, input=(COLUMNS,), batch=ROWS).backward for one in (module, plain))
    # One operation for each element of an activation, as for a sigmoid.
    assert (ours.adds, ours.muls, ours.other) == (other.adds, other.muls, other.other)
    assert ours.other == 2 * ROWS * COLUMNS
    # It reads its input, where a sigmoid reads its output: both read as much.
    assert ours.traffic == other.traffic


class Reads(nn.Module):
    """It reads a value, and so runs on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(COLUMNS, COLUMNS)

    def forward(self, x: Tensor) -> Any:
        x = self.linear(x)
        return x.relu() if x.sum().item() < 1e9 else x


def test_the_gradient_of_the_loss_is_no_part_of_a_pass() -> None:
    """On real values a tensor of ones is made for it, which neither pass of the module makes."""
    found, forward = training(Reads(), input=(COLUMNS,), batch=ROWS), count(Reads(), (ROWS, COLUMNS))
    assert forward.on == "cpu"
    assert found.forward.traffic == forward.traffic


class Forces(nn.Module):
    """An energy, and its gradient by the positions."""

    def __init__(self, slope: Any) -> None:
        super().__init__()
        self.one, self.two, self.slope = nn.Linear(3, 16), nn.Linear(16, 1), slope

    def forward(self, positions: Tensor) -> Any:
        energy = self.two(self.slope(self.one(positions))).sum()
        return torch.autograd.grad(energy, positions)[0]


@pytest.mark.parametrize("slope", [F.mish, torch.sigmoid])
def test_a_gradient_inside_of_a_forward(slope: Any) -> None:
    """Also by an input that is the result of other tensors, which a forward may change in place."""
    module, positions = Forces(slope), torch.rand(5, 3, requires_grad=True)
    found = count(module, positions)
    # Two products forward, and their gradients by the positions: none by the weights is asked for.
    assert found.macs == 2 * 5 * (3 * 16 + 16)
    assert found.other == 2 * 5 * 16
    of_result = count(module, positions * 1)
    assert [of_result.total(kind) for kind in ("macs", "adds", "muls", "other", "traffic")] == [
        found.total(kind) for kind in ("macs", "adds", "muls", "other", "traffic")
    ]

    class Moved(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return torch.autograd.grad((x.add_(1) ** 2).sum(), x)[0]

    moved = positions * 1
    assert Moved()(moved).shape == (5, 3)
    assert count(Moved(), positions * 1).macs == 0


def test_the_slope_of_mish_can_be_differentiated() -> None:
    """Where a gradient of the gradient is asked for, torch runs the kernels one by one on all devices."""

    class Twice(nn.Module):
        def forward(self, x: Tensor) -> Any:
            slope = torch.autograd.grad(F.mish(x).sum(), x, create_graph=True)[0]
            return torch.autograd.grad(slope.sum(), x)[0]

    x = torch.rand(ROWS, COLUMNS, requires_grad=True)
    with Names() as real:
        Twice()(x)
    assert "mish_backward" not in real.names
    found, on_values = count(Twice(), x), count(_read(Twice()), x)
    assert (found.on, on_values.on) == ("meta", "cpu")
    assert found.muls == on_values.muls > 0
    assert found.adds == on_values.adds > 0


def _read(module: nn.Module) -> nn.Module:
    """The module behind a value that is read."""

    class Behind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, x: Tensor) -> Any:
            assert x.detach().max().item() < 2
            return self.module(x)

    return Behind()


@pytest.mark.parametrize("how", ["expanded", "every other column", "transposed"])
def test_inputs_keep_their_strides_on_real_values(how: str) -> None:
    """An expanded axis counts with its size in memory, and a copy is made where values must be contiguous."""

    class Net(nn.Module):
        def __init__(self, reads: bool) -> None:
            super().__init__()
            self.table, self.reads = nn.Embedding(4, 3), reads

        def forward(self, ids: Tensor) -> Any:
            if self.reads:
                assert ids.max().item() == 0
            return self.table(ids.contiguous())

    rows, columns = 7, 512
    ids = {
        "expanded": torch.zeros(1, columns, dtype=torch.long).expand(rows, columns),
        "every other column": torch.zeros(rows, 2 * columns, dtype=torch.long)[:, ::2],
        "transposed": torch.zeros(columns, rows, dtype=torch.long).t(),
    }[how]
    found = count(Net(reads=True), ids)
    assert found.on == "cpu"
    with Names() as real:
        Net(reads=False)(ids)
    assert real.names.count("clone") == 1
    held = columns if how == "expanded" else rows * columns
    # The largest index, the copy, and the rows of the table.
    assert found.traffic == (held + 1) + (held + rows * columns) + rows * columns * (1 + 3 + 3)


@pytest.mark.parametrize("affine", [False, True])
def test_an_empty_batch(affine: bool) -> None:
    """Torch copies it, and then scales it by the first weight and bias; an activation of nothing is a kernel, too."""
    module = nn.Sequential(nn.BatchNorm2d(5, affine=affine), nn.ReLU()).eval()
    with torch.no_grad(), Names() as real:
        module(torch.rand(0, 5, 4, 4))
    kernels = [name for name in real.names if name in {"clone", "mul", "add", "relu"}]
    found = count(module, (0, 5, 4, 4))
    assert found.steps == len(kernels) == (4 if affine else 2)
    assert found.traffic == (2 if affine else 0)


def test_a_table_whose_rows_have_a_largest_norm() -> None:
    """Only the rows that are looked up are read, and scaled, however large the table is."""
    ids = torch.tensor([1, 5, 7])
    table = nn.Embedding(1000, COLUMNS, max_norm=0.1)
    before = table.weight.detach().clone()
    table(ids)
    assert (table.weight != before).any(1).nonzero().flatten().tolist() == ids.tolist()
    found, size = count(table, ids), len(ids) * COLUMNS
    # The square, the sum and the root of each row; the quotient of the largest norm and its own; the product with it.
    assert (found.adds, found.muls, found.other) == (size, 2 * size, 2 * len(ids))
    # The indices and the rows are read and the rows written, and again for the look-up.
    assert found.traffic == 2 * (len(ids) + 2 * size)

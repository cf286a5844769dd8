"""The ways to read the arguments of a forward: which tuples are shapes, in which order, each way once."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn

from flopcalc import FlopcalcError
from flopcalc.pytorch import counted_network
from flopcalc.pytorch.counting.values import readings

X = torch.empty(2, 3)


def plain(x: Any, size: Any = None) -> Any:
    """Its arguments may be anything."""


def annotated(x: Any, size: tuple[int, int]) -> Any:
    """It takes a tuple."""


@pytest.mark.parametrize(
    ("forward", "args", "named", "shapes"),
    [
        (plain, (X,), {}, [set()]),
        (plain, ((2, 3),), {}, [{0}]),
        # A list is a shape where it is the only input.
        (plain, ([2, 3],), {}, [{0}]),
        (plain, ([2, 3], X), {}, [set()]),
        # Next to a tensor, a tuple is likelier a value.
        (plain, (X, (2, 3)), {}, [set(), {1}]),
        (plain, (X,), {"size": (2, 3)}, [set(), {"size"}]),
        (plain, (X, (-1, 3)), {}, [set()]),
        (plain, (X, 3), {}, [set()]),
        # Something must be a tensor, and the first is the likeliest.
        (plain, ((2, 3), (4, 5)), {}, [{0, 1}, {0}]),
        (plain, ((2, 3),), {"size": (4, 5)}, [{0, "size"}, {0}]),
        (annotated, ((2, 3), (4, 5)), {}, [{0}]),
    ],
)
def test_each_way_once(forward: Any, args: Any, named: Any, shapes: list[set[int | str]]) -> None:
    """Which of them torch accepts is tried in this order."""
    found = list(readings(args, named, forward))
    assert [set(one.shapes) for one in found] == shapes
    for one in found:
        assert len(one.args) == len(args)
        assert one.named == named


def test_inputs_are_tensors() -> None:
    """What the command line names as an input is a tensor, also next to one with a dtype."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 3)

        def forward(self, ids: Any, x: Any) -> Any:
            return self.fc(torch.ones(x) if isinstance(x, tuple) else x[:, :1] * ids[..., None])

    network = counted_network(Two(), ["5:int64", "1x8"], batch=2)
    assert network.macs == 2 * 5 * 8 * 3
    assert network.remarks == ()
    with pytest.raises(FlopcalcError, match=r"shapes cannot be multiplied|must match"):
        counted_network(Two(), ["5:int64", "1x7"], batch=2)

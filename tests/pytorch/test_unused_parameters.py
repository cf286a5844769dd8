"""Which parameters a pass did not read: exactly those, by both ways of counting."""

from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn
from torch.nn import functional as F  # noqa: N812

from flopcalc.pytorch import counted_network
from flopcalc.pytorch.counting.counter import count_call


class Holder(nn.Module):
    """A parameter of 4 x 4 that the function may use, and one of 3 that it never uses."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4))
        self.spare = nn.Parameter(torch.ones(3))
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x, self.weight)


USES: dict[str, Callable[..., Any]] = {
    "as it is": lambda x, w: x @ w,
    "a view": lambda x, w: F.linear(x, w.t()),
    "a part": lambda x, w: x + w[0],
    "a view of a view": lambda x, w: x * w.view(16)[4:8].reshape(1, 4),
    "expanded": lambda x, w: x[:, None] + w.expand(2, 4, 4),
    "stacked": lambda x, w: torch.stack((x[0], w[0])),
    "unpacked": lambda x, w: x + w.unbind(0)[1],
    "by a keyword": lambda x, w: F.linear(input=x, weight=w),
    "in a list": lambda x, w: torch.cat([x, w]),
    "as an index of a table": lambda x, w: F.embedding(torch.zeros(2, dtype=torch.long), w),
    "of another type": lambda x, w: x.double() @ w.double(),
    "in place": lambda x, w: x.clone().addmm_(x, w),
    "in a bound": lambda x, w: torch.maximum(x, w[:2]),
    "given out": lambda x, w: (x + 1, w),
    "a view given out": lambda x, w: (x + 1, w[1:]),
}
UNUSED: dict[str, Callable[..., Any]] = {
    "not at all": lambda x, w: x + 1,
    "its shape": lambda x, w: x.new_zeros(w.shape) + x[0],
    "its type": lambda x, w: x.to(w.dtype) + 1,
    "its device": lambda x, w: x + torch.zeros(4, device=w.device),
    "a view that nothing reads": lambda x, w: (w.t(), x + 1)[1],
}


@pytest.mark.parametrize("witness", ["trace", "dispatch"])
@pytest.mark.parametrize("how", USES)
def test_used(how: str, witness: Any) -> None:
    """Only the spare one is left."""
    assert count_call(Holder(USES[how]), ((2, 4),), witness=witness).idle == {"": 3}


@pytest.mark.parametrize("witness", ["trace", "dispatch"])
@pytest.mark.parametrize("how", UNUSED)
def test_unused(how: str, witness: Any) -> None:
    """Both are left: 4 x 4 and 3."""
    assert count_call(Holder(UNUSED[how]), ((2, 4),), witness=witness).idle == {"": 19}


def test_of_modules() -> None:
    """Layers that read all of theirs, and layers that are left out; tied to one that is read, a weight is read."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.norm = nn.BatchNorm2d(4)
            self.lstm = nn.LSTM(4, 5, 2, bidirectional=True)
            self.attention = nn.MultiheadAttention(10, 2)
            self.aux = nn.Sequential(nn.Linear(10, 10), nn.LayerNorm(10))
            self.tied = nn.Linear(10, 10)
            self.last = nn.Linear(10, 10)
            self.tied.weight = self.last.weight

        def forward(self, x: Any) -> Any:
            x = self.norm(self.conv(x)).flatten(2).permute(2, 0, 1)
            x, _ = self.lstm(x)
            return self.last(self.attention(x, x, x)[0])

    for witness in ("trace", "dispatch"):
        found = count_call(Net(), ((1, 3, 6, 6),), witness=witness)
        # aux: 10 x 10 + 10 and 2 x 10; of `tied` only the bias.
        assert found.idle == {"aux.0": 110, "aux.1": 20, "tied": 10}


def test_after_several_views_of_one_vector() -> None:
    """Parameters that are views of one vector, as optimisers make them, are parameters of their own."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4)))
    model[1].forward = lambda x: x
    nn.utils.vector_to_parameters(torch.zeros(40), model.parameters())
    assert count_call(model, ((2, 4),)).idle == {"1.0": 20}


@pytest.mark.parametrize(
    ("count", "remark"),
    [
        (0, ""),
        (1, "6 of the parameters were not used in this pass: left.0"),
        (2, "12 of the parameters were not used in this pass: left.0, left.1"),
        (3, "18 of the parameters were not used in this pass: left.0, left.1, left.2"),
        (4, "24 of the parameters were not used in this pass: left.0, left.1, left.2, ..."),
        (5, "30 of the parameters were not used in this pass: left.0, left.1, left.2, ..."),
    ],
)
def test_the_remark_names_three(count: int, remark: str) -> None:
    """With the parameters of all, 2 x 2 and 2 of each, and dots where there are more."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Linear(2, 2)
            self.left = nn.ModuleList(nn.Linear(2, 2) for _ in range(count))

        def forward(self, x: Any) -> Any:
            return self.used(x)

    assert counted_network(Net(), (2,)).remarks == ((remark,) if remark else ())

"""What a form says of each condition: the module, the parameter and the line."""

from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn

import flopcalc
from flopcalc.pytorch.tracing.symbolic import SymbolicNetwork, symbolic_network


class Of(nn.Module):
    """A function of a position embedding and the input, which are 16 tokens of 8."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.position, self.function = nn.Parameter(torch.zeros(16, 8)), function

    def forward(self, x: Any) -> Any:
        """The function."""
        return self.function(self.position, x)


def _form(module: nn.Module) -> SymbolicNetwork:
    return symbolic_network(module, (16, 8))


EMBEDDINGS: dict[str, Callable[[Any, Any], Any]] = {
    "as it is": lambda position, x: x + position,
    "first": lambda position, x: position + x,
    "with an axis more": lambda position, x: x + position[None],
    "repeated for the batch": lambda position, x: x + position.expand(x.shape[0], -1, -1),
    "turned": lambda position, x: x.transpose(1, 2) + position.T,
    "next to the input": lambda position, x: torch.cat([x, position.expand(x.shape[0], -1, -1)], 2) @ x.new_ones(16, 3),
}


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_an_embedding_is_named(name: str) -> None:
    """Also where the forward takes a view of it, which shares its memory."""
    (fixed,) = _form(Of(EMBEDDINGS[name])).fixed
    assert fixed[:5] == ("T", "tokens", 16, "position", "the parameter has this size")
    assert fixed.line.startswith("test_places.py:")


def test_an_assumption_keeps_what_is_fixed() -> None:
    """A batch that is 2 n does not make other numbers of tokens possible."""
    found = flopcalc.formula(Of(EMBEDDINGS["first"]), input=(16, 8), assume="N = 2 n").form
    assert found is not None
    assert list(found.symbols) == ["n"]
    assert [one[:2] for one in found.fixed] == [("T", 16)]


def test_a_new_tensor_of_a_parameter_is_not_the_parameter() -> None:
    """Twice the embedding has a memory of its own: it is the module that fixes the size."""
    (fixed,) = _form(Of(lambda position, x: x + 2 * position)).fixed
    assert fixed[:5] == ("T", "tokens", 16, "(model)", "a size that it computes fits for this one only")


def test_a_buffer_without_one_storage() -> None:
    """A sparse table has none; the embedding is named as without it."""
    module = Of(lambda position, x: x + position)
    module.register_buffer("table", torch.eye(8).to_sparse())
    assert [one.by for one in _form(module).fixed] == ["position"]


def test_a_condition_after_the_run() -> None:
    """Where the sizes of a form are compared afterwards, no module runs."""
    found = _form(Of(lambda position, x: x @ position.T))
    size = found.scope.symbol("T")
    assert not found.scope.conditions
    assert size > 3
    assert [str(one.where) for one in found.scope.conditions] == ["(model)"]


def test_the_line_is_that_of_the_model() -> None:
    """Not that of a package which the model hands its tensors to."""
    einops = pytest.importorskip("einops")
    (fixed,) = _form(Of(lambda position, x: einops.rearrange(x + position[:1], "n (h w) c -> n h w c", h=4, w=4))).fixed
    assert fixed[:3] == ("T", "tokens", 16)
    assert fixed.line.startswith("test_places.py:")

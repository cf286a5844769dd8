"""Products of a batch of matrices with a vector: one `mv`, which some counters leave out, or one `bmm`.

Torch takes `mv` where the rows lie in one order in memory, or where the vector needs a gradient.
"""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn
from torch.nn import functional

from flopcalc.presets.registry import RULES
from flopcalc.pytorch.calls.log import log_of
from flopcalc.pytorch.counters import COUNTERS, Figure, run_counter, version_of

SIZE = 6


def no_gradient(vector: Any) -> Any:
    """Computed while gradients are off."""
    with torch.no_grad():
        return vector * 2


VECTORS: dict[str, Callable[[Any], Any]] = {
    "a parameter": lambda vector: vector,
    "computed": lambda vector: vector * 2,
    "a view": lambda vector: vector[:],
    "detached": lambda vector: vector.detach(),
    "detached in place": lambda vector: (vector * 2).detach_(),
    "its data": lambda vector: (vector * 2).data,
    "as large": torch.ones_like,
    "a new one": lambda vector: vector.new_full((SIZE,), 0.5),
    "computed from a detached one": lambda vector: vector.detach() * 2,
    "computed without gradients": no_gradient,
    "a constant": lambda vector: torch.ones(SIZE, device=vector.device),
}
PRODUCTS: dict[str, Callable[[Any, Any], Any]] = {
    "x @ v": lambda x, v: x @ v,
    "v @ x": lambda x, v: v @ x,
    "matmul": torch.matmul,
    "x.matmul(v)": lambda x, v: x.matmul(v),
    "linalg.matmul": torch.linalg.matmul,
    "by name": lambda x, v: torch.matmul(x, other=v),
    "linear": functional.linear,
    "without gradients": torch.no_grad()(torch.matmul),
    "of four axes": lambda x, v: x.unflatten(1, (2, 3)) @ v,
    "inner": torch.inner,
    "of matrices": lambda x, v: x[0] @ v,
    "einsum": lambda x, v: torch.einsum("abc,c->ab", x, v),
}
# Inputs of cubes, so that each axis can be the last.
LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "contiguous": lambda x: x,
    "rows apart": lambda x: x.transpose(0, 1),
    "columns first": lambda x: x.transpose(1, 2),
    "all the other way": lambda x: x.permute(2, 1, 0),
}


class Product(nn.Module):
    """One product, of an input in a layout and something made of a vector."""

    def __init__(self, product: str, layout: str, vector: str, frozen: bool = False) -> None:
        super().__init__()
        self.made = (PRODUCTS[product], LAYOUTS[layout], VECTORS[vector])
        self.vector = nn.Parameter(torch.ones(SIZE), requires_grad=not frozen)

    def forward(self, x: Any) -> Any:
        """The product."""
        product, layout, vector = self.made
        return product(layout(x), vector(self.vector))


@pytest.mark.parametrize("tool", ["flop-counter", "ptflops-aten"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_presets_equal_the_tools(product: str, tool: str) -> None:
    """For each layout and each way to make the vector, of a parameter that needs a gradient or does not."""
    if not version_of(COUNTERS[tool].package):
        pytest.skip(f"{tool} is not installed")
    x = torch.rand(SIZE, SIZE, SIZE)
    vectors = [*((one, False) for one in VECTORS), ("a parameter", True), ("computed", True)]
    for layout in LAYOUTS:
        for vector, frozen in vectors:
            module = Product(product, layout, vector, frozen).eval()
            figure = run_counter(tool, module, (x,))
            assert isinstance(figure, Figure), figure
            ours = sum(one.amount for one in RULES[tool](log_of(module, (x,))))
            assert ours == figure.value, (layout, vector, frozen)


def test_both_kernels_occur() -> None:
    """The products above reach both: a vector that needs a gradient counts 0 where its rows lie apart."""
    x = torch.rand(SIZE, SIZE, SIZE)
    found = {}
    for frozen in (False, True):
        figure = run_counter("flop-counter", Product("x @ v", "rows apart", "a parameter", frozen), (x,))
        assert isinstance(figure, Figure)
        found[frozen] = figure.value
    assert found == {False: 0, True: 2 * SIZE**3}

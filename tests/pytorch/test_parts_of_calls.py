"""Which part of a counted module has its parameters."""

import pytest

pytest.importorskip("torch")

from flopcalc.cost.cost import Part
from flopcalc.pytorch.counting.network import _give_params


def parts(*names: str) -> list[Part]:
    """Parts of those names, each of the kind that its name ends with."""
    return [Part(name, name.rpartition(".")[2]) for name in names]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "prefix", "owner"),
    [
        (("act", "conv", "add"), "", "conv"),
        (("act", "linear", "matmul"), "", "linear"),
        # Of a module inside, its own kernels.
        (("conv", "inner.act", "inner.conv"), "inner", "inner.conv"),
        # It has no kernel of its own.
        (("act", "conv"), "inner", "conv"),
    ],
)
def test_parameters_go_to_the_kernel_with_weights(names: tuple[str, ...], prefix: str, owner: str) -> None:
    made = parts(*names)
    _give_params(made, prefix, 10)
    assert {part.name: part.params for part in made if part.params} == {owner: 10}
    _give_params(made, prefix, 3)
    assert [part.params for part in made if part.name == owner] == [13]


@pytest.mark.parametrize(("prefix", "name"), [("", "params"), ("inner", "inner.params")])
def test_parameters_without_such_a_kernel(prefix: str, name: str) -> None:
    """They are a part that costs nothing."""
    made = parts("act", "add")
    _give_params(made, prefix, 10)
    assert made[:2] == parts("act", "add")
    assert made[2:] == [Part(name, "move", params=10, steps=0)]

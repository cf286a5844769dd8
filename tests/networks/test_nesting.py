"""Groups and blocks in each other: how deep, and which names are seen where."""

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network


@pytest.mark.parametrize("blocks", [20, 21])
def test_blocks_in_blocks(blocks: int, write_network: WriteNetwork) -> None:
    """Twenty of them, one in the other, and no more."""
    inner = "".join(f"  b{n}: {{layers: [{{a: {{block: b{n + 1}}}}}]}}\n" for n in range(1, blocks))
    text = f"blocks:\n{inner}  b{blocks}: {{layers: [{{a: conv}}]}}\ninput: [3, 8, 8]\nlayers:\n  - a: {{block: b1}}\n"
    if blocks == 20:
        assert network(write_network(text)).layers[0].name == "a" + ".a" * 20
    else:
        with pytest.raises(FlopcalcError, match="layers nested more than 20 deep; does a block use itself"):
            network(write_network(text))


def test_names_that_an_entry_can_take(write_network: WriteNetwork) -> None:
    """In the hint: those of the entries above it, also further out; a block does not see those outside."""
    text = """
input: [3, 8, 8]
blocks: {unit: {layers: [x: relu, y: FROM]}}
layers:
  - a: relu
  - b: {layers: [c: relu, d: FROM]}
  - e: {block: unit}
"""
    for place, names in (("d", "input, a, c"), ("y", "input, x")):
        with pytest.raises(FlopcalcError) as caught:
            network(
                write_network(text.replace(f"{place}: FROM", f"{place}: {{op: relu, from: z}}").replace("FROM", "relu"))
            )
        assert caught.value.hint == f"above it: {names}"

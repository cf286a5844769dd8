"""Blocks of a description: their arguments, and repetitions, which are those that entries one by one are."""

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network

BLOCKS = """\
input: [4, 8, 8]
blocks:
  x: {args: {out: 4, mid: out * 2, k: 3}, layers: [a: {op: conv, out: mid, k: k}, b: {op: conv, out: out, k: 1}]}
  y: {args: {out: 4, mid: 1, k: 3}, layers: [a: {op: conv, out: out, k: k}]}
  z: {args: {out: null}, layers: [a: {op: conv, out: out}]}
"""


def test_arguments(write_network: WriteNetwork) -> None:
    """That of the entry, else the column, else the default, which may be an expression of the arguments before it."""
    entries = [
        "{block: x}",
        "{block: x, out: 2, k: 1}",
        "{block: x, mid: out + 1, each: {out: [2, 4]}}",
        "{block: z, out: 2}",
    ]
    text = BLOCKS + "layers:\n" + "".join(f"  - e{i}: {entry}\n" for i, entry in enumerate(entries))
    assert [layer.cost.params for layer in network(write_network(text)).layers] == [
        *(4 * 8 * 9, 8 * 4),
        *(4 * 4, 4 * 2),
        *(2 * 3 * 9, 3 * 2, 2 * 5 * 9, 5 * 4),
        4 * 2 * 9,
    ]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("{block: z}", "layer e: block z needs out"),
        ("{block: w, out: 3}", "layer e: unknown block 'w'"),
        ("{block: z, out: 3, width: 5}", "layer e: unknown key 'width'"),
        ("{block: z, out: 3 +, repeat: 2}", "layer e: out: cannot read the expression '3 +'"),
    ],
)
def test_wrong_arguments(entry: str, why: str, write_network: WriteNetwork) -> None:
    """An error at the entry."""
    with pytest.raises(FlopcalcError) as caught:
        network(write_network(f"{BLOCKS}layers:\n  - e: {entry}\n"))
    assert f"line 7: {why}" in caught.value.message


@pytest.mark.parametrize(
    ("repeated", "each"),
    [
        ("block: x", ["block: x"] * 3),
        ("block: x, out: i + 4", [f"block: x, out: {out}" for out in (4, 5, 6)]),
        ("block: x, out: c + 1", [f"block: x, out: {out}" for out in (5, 6, 7)]),
        ("block: x, out: h - 1, k: 1", ["block: x, out: 7, k: 1"] * 3),
        # A block, and the stage, whose name depends on the place.
        ('block: \'{"x" if i % 2 else "y"}\', out: 4', ["block: y", "block: x", "block: y"]),
        ("block: x, stage: 's{i}'", [f"block: x, stage: s{i}" for i in range(3)]),
        ("block: x, stage: last", ["block: x, stage: last"] * 3),
        ("block: x, when: i != 1", ["block: x", "block: x, when: false", "block: x"]),
        ("block: x, when: i < 1", ["block: x", "block: x, when: false", "block: x, when: false"]),
        ("block: x, weights_of: first", ["block: x, weights_of: first"] * 3),
    ],
)
def test_repetitions_are_entries_one_by_one(repeated: str, each: list[str], write_network: WriteNetwork) -> None:
    """By their sizes, costs, inputs, weights and stages."""
    first = f"{BLOCKS}layers:\n  - first: {{block: x}}\n"
    short = network(write_network(f"{first}  - g: {{{repeated}, repeat: 3}}\n"))
    entries = [f"  - g{i}: {{{entry}}}\n" for i, entry in enumerate(each)]
    long = network(write_network(first + "".join(entries)))
    renamed = {"g.0": "g0", "g.1": "g1", "g.2": "g2"}

    def name(text: str) -> str:
        return f"{renamed[text[:3]]}{text[3:]}" if text[:3] in renamed else text

    found = [(name(one.name), tuple(map(name, one.inputs)), one.weights_of) for one in short.layers]
    assert found == [(one.name, one.inputs, one.weights_of) for one in long.layers]
    for one, other in zip(short.layers, long.layers, strict=True):
        assert (one.kind, one.in_shape, one.out_shape, one.cost.parts) == (
            *(other.kind, other.in_shape, other.out_shape, other.cost.parts),
        )
        if "stage" in repeated:
            assert one.stage == other.stage

"""What an entry of a description means: left out, without a name, with the weights of another; limits; its errors."""

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network
from flopcalc.networks.network import Network

HEAD = "input: [4, 8, 8]\n"


def _stages(net: Network) -> dict[str, str]:
    return {layer.name: layer.stage for layer in net.layers}


# Left out --------------------------------------------------------------------------------------


def test_joins_that_are_left_out(write_network: WriteNetwork) -> None:
    """In whatever way they are written, their output is that of the entry before them; one that is there is a layer."""
    text = f"""{HEAD}
layers:
  - first: relu
  - second: {{op: relu, from: input}}
  - +: {{op: add, from: [first, second], when: c > 4}}
  - a: relu
  - staged: {{op: add, from: [first, second], when: c > 4, stage: joins}}
  - b: relu
  - once: {{op: add, from: [first, second], when: c > 4, repeat: 1}}
  - d: relu
  - none: {{op: add, from: [first, second], repeat: c // 5}}
  - n: relu
  - never: {{op: conv, from: first, when: c > 4, repeat: 2}}
  - e: relu
"""
    inputs = {layer.name: layer.inputs for layer in network(write_network(text)).layers}
    before = {"a": "second", "b": "a", "d": "b", "n": "d", "e": "first"}
    assert inputs == {"first": ("input",), "second": ("input",), **{name: (one,) for name, one in before.items()}}
    inputs = {layer.name: layer.inputs for layer in network(write_network(text.replace("c > 4", "c > 3"))).layers}
    # Each join is the input of the layer after it.
    assert [inputs[name] for name in "abde"] == [("0",), ("staged",), ("once.0",), ("never.1",)]
    assert [inputs[name] for name in ("0", "staged", "once.0")] == [("first", "second")] * 3


# Stages ----------------------------------------------------------------------------------------


def test_stages_of_entries_without_a_name(write_network: WriteNetwork) -> None:
    """The layers of `_` have their own stages, unless it has one or is inside of an entry with one."""
    text = f"""{HEAD}
blocks: {{unit: {{layers: [x: relu, y: relu]}}}}
layers:
  - _: {{layers: [a: relu, b: {{layers: [x: relu]}}]}}
  - _: {{stage: named, layers: [d: relu, e: {{layers: [x: relu]}}]}}
  - group: {{layers: [_: {{layers: [x: relu, y: {{layers: [z: relu]}}]}}]}}
  - f: {{block: unit}}
  - _: {{block: unit}}
  - _: {{layers: [g: {{block: unit}}]}}
"""
    assert _stages(network(write_network(text))) == {
        "a": "a",
        "b.x": "b",
        "d": "named",
        "e.x": "named",
        "group.x": "group",
        "group.y.z": "group",
        "f.x": "f",
        "f.y": "f",
        "x": "x",
        "y": "y",
        "g.x": "g",
        "g.y": "g",
    }


def test_blocks_without_a_name_are_those_that_they_name(write_network: WriteNetwork) -> None:
    """Two of them after each other, on the same shape."""
    text = f"""{HEAD}
blocks: {{one: {{layers: [x: relu]}}, two: {{layers: [y: silu, z: gelu]}}}}
layers: [_: {{block: one}}, _: {{block: two}}]
"""
    assert [(layer.name, layer.kind) for layer in network(write_network(text)).layers] == [
        ("x", "relu"),
        ("y", "silu"),
        ("z", "gelu"),
    ]


# Weights of another entry ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "prefix"),
    [
        ("_: {layers: [conv: conv, act: silu], weights_of: a}", ""),
        ("_: {block: unit, weights_of: a}", ""),
        ("b: {layers: [conv: conv, act: silu], weights_of: a}", "b."),
        ("b: {block: unit, weights_of: a}", "b."),
        ("b: {layers: [_: {block: unit}], weights_of: a}", "b."),
        ("b: {layers: [conv: {op: conv, repeat: 1}], weights_of: d}", "b."),
    ],
)
def test_weights_of_a_group(entry: str, prefix: str, write_network: WriteNetwork) -> None:
    """The layers with weights have those of their twins, 16 * 9 each; the others need no twin of their kind."""
    text = f"""{HEAD}
blocks: {{unit: {{layers: [conv: conv, act: silu]}}}}
layers:
  - a: {{layers: [conv: conv, act: relu]}}
  - d: {{layers: [conv: {{op: conv, repeat: 1}}]}}
  - aconv: conv
  - {entry}
"""
    net = network(write_network(text))
    assert net.params == 3 * 144
    shared = {layer.name: layer.weights_of for layer in net.layers if layer.weights_of}
    assert shared == ({"b.conv.0": "d.conv.0"} if "repeat" in entry else {f"{prefix}conv": "a.conv"})


def test_weights_of_a_layer_in_the_same_group(write_network: WriteNetwork) -> None:
    """Also from a group without a name, and the weights of weights are those of the first."""
    text = f"""{HEAD}
layers:
  - g: {{layers: [a: conv, b: {{op: conv, weights_of: a}}, _: {{layers: [d: {{op: conv, weights_of: b}}]}}]}}
"""
    net = network(write_network(text))
    assert [(layer.weights_of, layer.cost.params) for layer in net.layers] == [("", 144), ("g.a", 0), ("g.a", 0)]


def test_weights_of_a_group_with_weights_of_its_own(write_network: WriteNetwork) -> None:
    """All are those of the first layer, as replacements and counts need it."""
    tied = "layers: [a: conv, r: relu, b: {op: conv, weights_of: a}]"
    for entries in (
        f"g: {{{tied}}}, h: {{{tied}, weights_of: g}}, i: {{layers: [b: conv, a: conv], weights_of: h}}",
        "g: {block: t}, h: {block: t, weights_of: g}, i: {layers: [b: conv, a: conv], weights_of: h}",
    ):
        net = network(write_network(f"{HEAD}blocks: {{t: {{{tied}}}}}\nlayers: [{entries}]\n"))
        owners = {layer.name: layer.weights_of for layer in net.layers}
        assert owners == {"g.a": "", **dict.fromkeys(["g.b", "h.a", "h.b", "i.a", "i.b"], "g.a"), "g.r": "", "h.r": ""}
        assert net.params == 144


def test_weights_from_outside_of_a_block(write_network: WriteNetwork) -> None:
    """A block has no weights of a layer outside, whatever its name, else it would cost less in other places."""
    text = f"""{HEAD}
blocks: {{unit: {{layers: [y: {{op: conv, weights_of: x}}]}}}}
layers:
  - _: {{layers: [a: {{layers: [x: conv]}}]}}
  - a: {{block: unit}}
"""
    with pytest.raises(FlopcalcError, match=r"layer a\.y: a\.y has no twin of the same kind and size in 'a\.x'"):
        network(write_network(text))


# Errors ----------------------------------------------------------------------------------------

BLOCKS = (
    "blocks: {on: {args: {is_on: null}, layers: [x: {op: relu, when: is_on}]}, pair: {layers: [x: relu, y: relu]}, "
)
BLOCKS += "staged: {layers: [x: {op: relu, stage: own}, y: relu]}}"
OPTIONS = "options: {sizes: {default: [3, 4]}, mode: {default: fast, choices: [fast, slow]}}"


@pytest.mark.parametrize(
    ("entries", "line", "why"),
    [
        (
            "  - b:\n      op: add\n      from: [input, a]\n      repeat: 2\n      when: c > 0",
            9,
            "layer b is repeated and takes several inputs",
        ),
        (
            "  - b:\n      op: add\n      from: [input, a]\n      when: k > 0\n      each: {k: [1, 2]}",
            10,
            "layer b is repeated and",
        ),
        ("  - b: {layers: [x: relu],\n      from: [input, a]}", 7, "layer b takes one input, not 2"),
        ("  - b: {block: pair,\n      from: [input, a, a]}", 7, "layer b takes one input, not 3"),
        ("  - b: {op: relu, when: false}\n  - b: relu", 7, "two layers here are called b"),
        (
            "  - previous: relu\n  - b: {op: conv, from: previous}\n  - d: {op: relu, from: previous}",
            8,
            "is called previous",
        ),
        ("  - b: {layers: [x: relu], out: 3}", 6, "layer b: unknown key 'out'"),
        ("  - b: {op: conv, each: {k-1: [3, 5]}}", 6, "layer b: 'k-1' is not a name for a column"),
        ("  - b: {layers: [x: relu], let: [1]}", 6, "layer b: let maps names to expressions"),
        ("  - b: {layers: [x: relu], let: {fine: 1, a-b: 2}}", 6, "layer b: let maps names to expressions"),
        ("  - b: {op: relu, when: sizes}", 6, "layer b: when is '3,4', not true or false"),
        ("  - b: {op: relu, when: mode}", 6, "layer b: when is 'fast', not true or false"),
        ("  - b: {block: on, is_on: null}", 3, "layer b.x: when is None, not true or false"),
        ("  - _: {layers: [b: {layers: [y: relu]}]}\n  - d: {block: pair}\n  - b: {block: pair}", 8, "are called b.y"),
        # A block that was read before is put where the entry is; this one names a stage itself.
        (
            "  - _: {layers: [b: {layers: [y: relu]}]}\n"
            "  - d: {block: staged, stage: s}\n  - b: {block: staged, stage: s}",
            8,
            "two layers are called b.y",
        ),
    ],
)
def test_errors_of_entries(entries: str, line: int, why: str, write_network: WriteNetwork) -> None:
    """The line, and what is wrong there."""
    with pytest.raises(FlopcalcError) as caught:
        network(write_network(f"{HEAD}{OPTIONS}\n{BLOCKS}\nlayers:\n  - a: relu\n{entries}\n"))
    assert f"line {line}: " in caught.value.message
    assert why in caught.value.message


# Limits ----------------------------------------------------------------------------------------


def _refused(text: str, why: str, write_network: WriteNetwork) -> None:
    with pytest.raises(FlopcalcError, match=why):
        network(write_network(text))


@pytest.mark.parametrize("last", ["block: many", "op: relu, repeat: 10000"])
def test_a_hundred_thousand_layers(last: str, write_network: WriteNetwork) -> None:
    """Ten times 10,000 are read; with one more in front they are refused."""
    many = "blocks: {many: {layers: [x: {op: relu, repeat: 10000}]}}\n"
    entries = "".join(f"  - a{number}: {{block: many}}\n" for number in range(9))
    text = f"{HEAD}{many}layers:\n{entries}  - last: {{{last}}}\n"
    assert len(network(write_network(text)).layers) == 100_000
    _refused(text.replace("layers:\n", "layers:\n  - first: relu\n"), "more than 100,000 layers", write_network)


def test_two_hundred_thousand_entries(write_network: WriteNetwork) -> None:
    """Those that are left out count: a block of 8 and its own entry, 20,000 times; then 10,000, 9,999 and one."""
    none = (
        f"blocks: {{none: {{layers: [{', '.join(f'x{number}: {{op: relu, when: false}}' for number in range(8))}]}}}}"
    )
    entries = "".join(f"  - {name}: {{block: none, repeat: 10000}}\n" for name in "ab")
    entries += "".join(
        f"  - {name}: {{op: relu, when: false, repeat: {often}}}\n"
        for name, often in zip("de", (10000, 9999), strict=True)
    )
    text = f"{HEAD}{none}\nlayers:\n{entries}  - last: relu\n"
    assert [layer.name for layer in network(write_network(text)).layers] == ["last"]
    more = text.replace("layers:\n  - a", "layers:\n  - first: relu\n  - a")
    _refused(more, "more than 200,000 entries, with those that are left out", write_network)


def test_ten_thousand_rows(write_network: WriteNetwork) -> None:
    """As many as an entry can be repeated."""
    text = f"{HEAD}layers:\n  - a: {{op: relu, when: k, each: {{k: [1{', 0' * 9_999}]}}}}\n"
    assert [layer.name for layer in network(write_network(text)).layers] == ["a.0"]
    _refused(text.replace("[1,", "[1, 0,"), "different lengths, or are too long: k 10001", write_network)


def _nested(blocks: int, first: str, call: str) -> str:
    """Blocks inside of each other, of which the innermost has `first`."""
    found = [f"blocks:\n  b0: {{layers: [{first}]}}\n"]
    found += [f"  b{number}: {{layers: [{call.format(number - 1)}]}}\n" for number in range(1, blocks)]
    return f"{HEAD}{''.join(found)}layers: [a: {{block: b{blocks - 1}}}]\n"


def test_blocks_and_groups_inside_of_each_other(write_network: WriteNetwork) -> None:
    """Twenty, and not one more: blocks only, or each with a group inside."""
    why = "layers nested more than 20 deep; does a block use itself"
    for blocks, first, call in (
        (20, "x: relu", "x: {{block: b{}}}"),
        (10, "x: {layers: [x: relu]}", "x: {{layers: [x: {{block: b{}}}]}}"),
    ):
        assert len(network(write_network(_nested(blocks, first, call))).layers) == 1
        _refused(_nested(blocks, f"x: {{layers: [{first}]}}", call), why, write_network)
    _refused(
        f"{HEAD}blocks: {{b: {{layers: [x: {{layers: [y: {{block: b}}]}}]}}}}\nlayers: [a: {{block: b}}]\n",
        why,
        write_network,
    )

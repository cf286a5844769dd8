"""Entries with `op`: the sizes and options of operators, the settings of primitives, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network
from flopcalc.catalog import lookup
from flopcalc.networks import library


@pytest.mark.parametrize(
    ("layers", "line", "message"),
    [
        ("  - a: {op: conv, from: [input, input]}", 3, "layer a (conv) takes one input, not 2"),
        (
            "  - a: flatten\n  - b: conv",
            4,
            "layer b (conv): it takes channels x height x width, and its input is 256",
        ),
        (
            "  - a: flatten\n  - b: conv3d",
            4,
            "layer b (conv3d): it takes channels x depth x height x width, and its input is 256",
        ),
        ("  - a: conv3d", 3, "it takes channels x depth x height x width, and its input is 4x8x8"),
        ("  - a: {op: conv, k: 1x1x1}", 3, "layer a: k is one number or two, [height, width]"),
        ("  - a: {op: conv3d, k: [1, 1, 1, 1]}", 3, "layer a: k is one to three numbers, [depth, height, width]"),
        ("  - a: {op: conv, out: [4, 4]}", 3, "layer a: out is (4, 4), not a whole number"),
        ("  - a: {op: conv, groups: [2, 2]}", 3, "layer a: groups is (2, 2), not a whole number"),
        ("  - a: {op: conv, out: 4, groups: \"'same'\"}", 3, "layer a: groups is 'same', not a whole number"),
        ("  - a: {op: conv, k: \"'same'\"}", 3, "layer a: k is 'same', not a whole number"),
        ("  - a: {op: conv, k: 2, padding: [1, same]}", 3, "unknown name 'same'"),
        (
            "  - a: {op: conv, k: 4, stride: 2, padding: same}",
            3,
            "layer a: padding same keeps the size, and the stride",
        ),
        # The same list, but for a type: each has its own check.
        (
            "  - a: {op: mixconv, kernels: [1, 3]}\n  - b: {op: mixconv, kernels: [true, 3]}",
            4,
            "layer b: option kernels is (True, 3)",
        ),
        ("  - a: {op: conv, bias: true}\n  - b: {op: conv, bias: 1}", 4, "layer b: option bias is 1"),
    ],
)
def test_wrong_sizes_and_inputs(write_network: WriteNetwork, layers: str, line: int, message: str) -> None:
    """The line, and what is wrong with it, once."""
    with pytest.raises(FlopcalcError) as caught:
        network(write_network(f"input: [4, 8, 8]\nlayers:\n{layers}"))
    assert caught.value.code == "bad-network"
    assert message in caught.value.message
    assert caught.value.message.count(f"line {line}: ") == 1


def test_sizes_that_an_option_gives(write_network: WriteNetwork) -> None:
    """Also the padding `same`, and two sizes in a list; read once and evaluated again."""
    text = (
        "input: [4, 8, 8]\n"
        "options: {pad: {default: same, choices: [same, 1]}, wide: {default: 3}}\n"
        "layers:\n  - a: {op: conv, out: 2, k: 4, padding: pad}\n  - b: {op: conv, out: 6, k: [1, wide]}\n"
    )
    one = library.compiled(write_network(text))
    for _ in range(2):
        # A 4x4 window on a border of one zero leaves 7 of 8 positions. The weights: 4 * 2 * 16, and 2 * 6 * wide.
        for options, side, wide in (({}, 8, 3), ({"pad": 1}, 7, 3), ({"wide": 5}, 8, 5)):
            net = one.at(options)
            assert [layer.out_shape for layer in net.layers] == [(2, side, side), (6, side, side)]
            assert net.params == 128 + 12 * wide
            assert net.macs == net.params * side * side


def test_channels_that_an_operator_decides(write_network: WriteNetwork) -> None:
    """Depthwise convolutions with two filters for each channel double them: 9 weights for each output channel."""
    text = "input: [4, 8, 8]\nlayers:\n" + "".join(f"  - {name}: {{op: depthwise, multiplier: 2}}\n" for name in "abc")
    net = network(write_network(text))
    assert [layer.out_shape for layer in net.layers] == [(8, 8, 8), (16, 8, 8), (32, 8, 8)]
    assert net.params == 9 * (8 + 16 + 32)


def test_the_same_window_on_volumes_of_several_sizes(write_network: WriteNetwork) -> None:
    """Each layer halves the three sides: 2 * 2 * 27 products at each of 4 * 2 * 3 positions, and 2 * 1 * 2."""
    layer = "{op: conv3d, out: 2, k: 3, stride: 2}"
    net = network(write_network(f"input: [2, 8, 4, 6]\nlayers:\n  - a: {layer}\n  - b: {layer}\n"))
    assert [layer.out_shape for layer in net.layers] == [(2, 4, 2, 3), (2, 2, 1, 2)]
    assert net.macs == 108 * (24 + 4)


def test_settings_that_an_option_gives(write_network: WriteNetwork) -> None:
    """Of primitives: the window of a pooling, and whether a product of all pairs of positions is scaled."""
    text = (
        "input: [4, 8, 8]\noptions: {window: {default: 2}, scaled: {default: false}}\nlayers:\n"
        "  - pool: {op: maxpool, k: window, stride: window}\n"
        "  - product: {op: matmul, from: [pool, pool], scaled: scaled}\n"
    )
    one = library.compiled(write_network(text))
    for _ in range(2):
        for options, side, scaled in (({}, 4, 0), ({"window": 4}, 2, 0), ({"scaled": True}, 4, 1)):
            pool, product = one.at(options).layers
            pairs = side**4
            assert pool.out_shape == (4, side, side)
            assert (product.in_shape, product.further) == (pool.out_shape, (pool.out_shape,))
            assert (product.cost.macs, product.cost.total("muls")) == (4 * pairs, scaled * pairs)
            assert product.settings == {"scaled": bool(scaled)}


def test_operators_whose_shapes_are_not_those_of_images(
    write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a plug-in on rows, or with other channels than its input has: what it cannot take is refused, also later."""
    conv, found = lookup.get("conv"), lookup.find
    odd = {"row": replace(conv, axes=1), "half": replace(conv, c_in_of=lambda channels, options: channels // 2)}
    monkeypatch.setattr(lookup, "find", lambda name: odd.get(name) or found(name))
    net = "input: [4, 1, 8]\nlayers:\n"
    row = network(write_network(net + "  - a: {op: row, out: 6}\n  - b: {op: row, out: 6}"))
    # A window of three along the row.
    assert [layer.cost.params for layer in row.layers] == [4 * 6 * 3, 6 * 6 * 3]
    with pytest.raises(FlopcalcError, match=r"layer b \(conv\): it takes 4x1x16, and its input is 4x2x16"):
        network(write_network(net + "  - a: {op: row}\n  - up: {op: upsample, scale: 2}\n  - b: {op: row}"))
    with pytest.raises(FlopcalcError, match=r"layer a \(conv\): it takes 2x1x8, and its input is 4x1x8"):
        network(write_network(net + "  - a: {op: half}"))


def test_an_operator_of_a_file(write_network: WriteNetwork, tmp_path: Path) -> None:
    """Its layers have its name as their kind. A file that is none is an error of the entry, one in it its own."""
    file = tmp_path / "thing.yaml"
    net = write_network("input: [4, 8, 8]\nlayers:\n  - a: {op: thing.yaml, out: 5}\n  - b: {op: thing.yaml, out: 6}\n")
    file.write_text("title: Pointwise\nparts:\n  - only: {op: conv, k: 1, c_out: c_out}\n")
    assert [(layer.kind, layer.cost.params) for layer in network(net).layers] == [("thing", 20), ("thing", 30)]
    file.write_text("title: Pointwise\nparts: 3\n")
    with pytest.raises(FlopcalcError, match=r"thing\.yaml, line 2: ") as caught:
        network(net)
    assert "net.yaml" not in caught.value.message
    file.unlink()
    file.mkdir()
    with pytest.raises(FlopcalcError, match=r"net\.yaml, line 3: layer a: cannot read the operator .*directory"):
        network(net)


def test_options_with_names_of_kinds(write_network: WriteNetwork) -> None:
    """A word after `op` is a kind, and one in an expression the option."""
    text = "input: [4, 8, 8]\noptions: {conv: {default: 2}}\nlayers:\n  - a: {op: conv, out: conv * c}\n  - b: conv\n"
    # 9 weights for each pair of 4 and 8 channels, and of 8 and 8.
    assert [layer.cost.params for layer in network(write_network(text)).layers] == [9 * 32, 9 * 64]


AS_TEXT = """
input: [4, 8, 8]
options: {sizes: {default: [1, 3]}, p4: {default: 3}, kind: {default: p4, choices: [p4, Z2]}}
layers:
  - a: {op: mixconv, kernels: [1, 3]}
  - b: {op: mixconv, kernels: "1,3"}
  - c: {op: mixconv, kernels: sizes}
  - d: {op: gconv, k: 1, group: p4, lifting: true}
  - e: {op: gconv, k: 1, group: kind, lifting: true}
"""


def test_options_of_operators_as_text(write_network: WriteNetwork) -> None:
    """Numbers with a comma, a word that is a choice, also where an option of the network has its name, or the option.

    Two of 4 channels have a 1x1 kernel, two a 3x3 kernel. 4 * 4 weights make 4 maps in 4 rotations each, then 16 * 16.
    """
    net = network(write_network(AS_TEXT))
    assert [layer.cost.params for layer in net.layers] == [2 + 18] * 3 + [16, 256]
    assert [layer.out_shape[0] for layer in net.layers] == [4] * 3 + [16, 64]


REPEATED = """
input: [4, 8, 8]
options: {n: {default: 7}}
blocks:
  unit: {layers: [+: {op: conv, k: 1}]}
layers:
  - _: {block: unit, repeat: 3}
  - "m{n}_{i}": {block: unit, repeat: 3}
"""


def test_names_in_repetitions_of_a_block(write_network: WriteNetwork) -> None:
    """Without a name of their own the numbers go on; in a name, braces may hold options too."""
    names = [layer.name for layer in network(write_network(REPEATED)).layers]
    assert names == ["0", "1", "2", "m7_0.0", "m7_1.0", "m7_2.0"]

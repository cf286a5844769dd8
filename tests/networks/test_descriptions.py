"""The language of descriptions: what it reads, what it refuses and in what words, and blocks read once."""

from typing import Any

import pytest
from helpers import WriteNetwork, for_author

from flopcalc import FlopcalcError, network
from flopcalc.catalog import lookup
from flopcalc.networks import library
from flopcalc.replacing.described import replace_convolutions

SMALL = """
name: small
input: [3, 32, 32]
options:
  width: {default: 8, help: channels}
blocks:
  unit:
    args: {out: null, stride: 1}
    layers:
      - conv: {op: conv, out: out, k: [1, 3], stride: [1, 1], bias: true}
      - norm: batchnorm
      - down: {op: conv, out: out, stride: stride}
      - skip: {when: c != out or stride != 1, from: input, layers: [{proj: {op: conv, out: out, k: 1, stride: stride}}]}
      - add: {op: add, from: [down, skip]}
layers:
  - stem: {op: conv, out: width, k: 3}
  - body: {block: unit, repeat: 2, out: width * (i + 1), stride: 1 if i == 0 else 2}
  - a: {op: spconv, out: 2 * width, alpha: 1/4, from: body}
  - b: {op: ghost, out: width, s: 2, from: body}
  - both: {op: concat, from: [a, b]}
  - act: hardswish
  - pool: global_avgpool
  - flat: flatten
  - drop: dropout
  - fc: {op: linear, out: 10}
"""


def test_a_small_description(write_network: WriteNetwork) -> None:
    """Names, shapes, a skipped projection, branches; params summed by hand."""
    net = network(write_network(SMALL))
    names = [layer.name for layer in net.layers]
    assert "body.0.skip.proj" not in names
    assert "body.1.skip.proj" in names
    shapes = {layer.name: layer.out_shape for layer in net.layers}
    assert shapes["body.1.add"] == (16, 16, 16)
    assert shapes["both"] == (24, 16, 16)
    by_hand = {
        "stem": 3 * 8 * 9,
        "body.0.conv": 8 * 8 * 3 + 8,
        "body.0.norm": 16,
        "body.0.down": 8 * 8 * 9,
        "body.1.conv": 8 * 16 * 3 + 16,
        "body.1.norm": 32,
        "body.1.down": 16 * 16 * 9,
        "body.1.skip.proj": 8 * 16,
        "a": 16 * 16 + 4 * 16 * 9 // 2,
        "b": 16 * 4 * 9 + 4 * 9,
        "fc": 24 * 10 + 10,
    }
    assert {layer.name: layer.cost.params for layer in net.layers if layer.cost.params} == by_hand
    assert network(write_network(SMALL), width=16).layers[0].out_shape == (16, 32, 32)


def test_the_small_description_as_a_module(write_network: WriteNetwork) -> None:
    """Counted, every kind and layer, also with biases that an operator cannot carry."""
    pytest.importorskip("torch")
    from flopcalc.pytorch.comparison import compare_network

    net = network(write_network(SMALL), batch=2)
    for name in (None, "dsc", "ghost"):
        one = net if name is None else replace_convolutions(net, lookup.get(name), {}).network
        for row in compare_network(one):
            assert row.derived == row.counted, row.part


def test_operators_with_a_grid_of_their_own(write_network: WriteNetwork) -> None:
    """A transposed convolution doubles the map; a description uses blocks like any layer."""
    pytest.importorskip("torch")
    from flopcalc.pytorch.comparison import compare_network

    text = """
input: [16, 9, 7]
layers:
  - up: {op: transposed, out: 8, k: 4, stride: 2, padding: 1}
  - block: {op: mbconv, out: 12, stride: 2}
  - attend: {op: attention, heads: 3}
  - grouped: {op: group, out: 24}
"""
    net = network(write_network(text), batch=2)
    assert [layer.out_shape for layer in net.layers] == [(8, 18, 14), (12, 9, 7), (12, 9, 7), (24, 9, 7)]
    assert net.layers[0].cost.macs == 2 * 63 * 16 * 8 * 16
    for row in compare_network(net):
        assert row.derived == row.counted, row.part


def test_a_dropped_bias_is_noted(write_network: WriteNetwork) -> None:
    """dsc carries the bias on; ghost has none, and says so."""
    net = network(write_network(SMALL))
    dsc = replace_convolutions(net, lookup.get("dsc"), {})
    assert not dsc.notes
    assert {layer.name: layer for layer in dsc.network.layers}["body.0.conv"].evaluation.named["bias"]  # type: ignore[union-attr]
    assert replace_convolutions(net, lookup.get("ghost"), {}).notes == (
        "ghost has no bias: the bias of 2 replaced layers was dropped",
    )


TAIL = "\nlayers:\n  - a: {op: conv, out: 4}\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("layers: [", 1, "broken YAML"),
        ("a: b: c", 1, "broken YAML"),
        ("x: !!python/object/apply:os.system ['true']" + TAIL, 1, "tag"),
        ("input: !!binary aGk=" + TAIL, 1, "tag"),
        ("x: &a [1]\ny: *a" + TAIL, 1, "anchors"),
        ("name: a\nname: b" + TAIL, 2, "twice"),
        ("---\na: 1\n---\nb: 2\n", 3, "more than one document"),
        ("x: " + "[" * 60 + "]" * 60, 1, "deep"),
        ("- a", 0, "mapping"),
        ("", 0, "mapping"),
        ("inputs: [3, 8, 8]\nlayers:\n  - a: relu", 1, "unknown key 'inputs'"),
        ("input: [3, 8]\nlayers:\n  - a: relu", 1, "channels, height, width"),
        ("input: [3, 8, -8]\nlayers:\n  - a: relu", 1, "channels, height, width"),
        ("input: [3, 8, 8]\nlayers: []", 0, "list of layers"),
        ("input: [3, 8, 8]\nlayers:\n  - a", 3, "written"),
        ("input: [3, 8, 8]\nlayers:\n  - {a: relu, b: relu}", 3, "written"),
        ("input: [3, 8, 8]\nlayers:\n  - a: 7", 3, "not a name"),
        ("input: [3, 8, 8]\nlayers:\n  - a.b: relu", 3, "other characters than letters"),
        ("input: [3, 8, 8]\nlayers:\n  - a: relu\n  - a: relu", 4, "two layers"),
        ("input: [3, 8, 8]\nlayers:\n  - a: rellu", 3, "unknown layer kind 'rellu'"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, outt: 3}", 3, "unknown key 'outt'"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, out: 2 *}", 3, "arithmetic"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, out: width}", 3, "unknown name 'width'"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, out: 0}", 3, "c_out is 0"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, out: 1.5}", 3, "not a whole number"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, k: [1, 2, 3]}", 3, "height, width"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, k: 11, padding: 0}", 3, "does not fit"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, groups: 2}", 3, "groups = 2"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: spconv, alpha: 3/2}", 3, "alpha"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, weights_of: b}", 3, "no twin"),
        ("input: [3, 8, 8]\nlayers:\n  - a: conv\n  - b: {op: conv, k: 1, weights_of: a}", 4, "no twin"),
        ("input: [3, 8, 8]\nlayers:\n  - 'a{i}': relu", 3, "unknown name 'i'"),
        ("input: [3, 8, 8]\nlayers:\n  - 'a{1/2}': relu", 3, "other characters than letters"),
        ("input: [3, 8, 8]\nlayers:\n  - _: relu", 3, "needs a name"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, each: {k: 3}}", 3, "not a list"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, each: [1]}", 3, "each maps names"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, each: {k: [1], j: [1, 2]}}", 3, "different lengths"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, repeat: 2, each: {k: [1, 2]}}", 3, "both"),
        ("input: [3, 8, 8]\nlet: {x: 2 * y}\nlayers:\n  - a: relu", 2, "unknown name 'y'"),
        ("input: [3, 8, 8]\nlayers:\n  - _: {layers: [{a: relu}]}\n  - a: relu", 4, "two layers are called a"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: mul, from: [input]}", 3, "two inputs"),
        ("like: resnet5\nset: {classes: 3}", 1, "unknown network 'resnet5'"),
        ("like: resnet50\nset: {class: 3}", 2, "unknown option of resnet50 'class'"),
        ("like: resnet50\nset:\n  classes: none", 3, "whole number"),
        ("like: resnet50\nlayers: []", 2, "unknown key 'layers'"),
        ("like: net.yaml", 1, "like itself"),
        ("input: [3, 8, 8]\nlayers:\n  - a: flatten\n  - b: {op: conv}", 4, "channels x height x width"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, from: b}", 3, "'b', which is not above"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, from: []}", 3, "empty list of inputs"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: add}", 3, "two inputs"),
        (
            "input: [3, 8, 8]\nlayers:\n  - a: {op: conv, out: 4}\n  - b: {op: add, from: [a, input]}",
            4,
            "layer b (add): its inputs differ in shape: 4x8x8 and 3x8x8",
        ),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: maxpool, k: 9}", 3, "does not fit"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: maxpool, k: 2, padding: 2}", 3, "more than half"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {block: x}", 3, "unknown block 'x'"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, block: x}", 3, "one of op, block or layers"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, repeat: -1}", 3, "repeat"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, repeat: 10^9}", 3, "repeat"),
        ("blocks: {x: {layers: [{a: {block: x}}]}}\ninput: [3, 8, 8]\nlayers:\n  - a: {block: x}", 1, "use itself"),
        (
            "blocks: {x: {args: {v: null}, layers: [{a: relu}]}}\ninput: [3, 8, 8]\nlayers:\n  - a: {block: x}",
            4,
            "needs v",
        ),
        ("blocks: {x: {args: 1, layers: [{a: relu}]}}\ninput: [3, 8, 8]\nlayers:\n  - a: {block: x}", 1, "args maps"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {block: []}", 3, "unknown block"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: maxpool, stride: 0}", 3, "1 or more"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, repeat: true}", 3, "repeat is True"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, out: 'sum(i,1,4000,sum(j,1,4000,1))'}", 3, "too many steps"),
        ("options: {v: {default: 3, choices: [1, 2]}}\ninput: [3, 8, 8]\nlayers:\n  - a: relu", 1, "choices"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv1d}", 3, "it takes"),
        ("input: [4, 8, 8]\nlayers:\n  - a: {op: octconv}", 3, "it takes"),
        ("options: {v: 3}\ninput: [3, 8, 8]\nlayers:\n  - a: relu", 1, "default"),
        ("options: {v: {default: 3, least: x}}\ninput: [3, 8, 8]\nlayers:\n  - a: relu", 1, "least of option v is 'x'"),
        ("options: {v: {default: [3], least: [1]}}\ninput: [3, 8, 8]\nlayers:\n  - a: relu", 1, "not a whole number"),
        (
            "options: {v: {default: 3, choices: 5}}\ninput: [3, 8, 8]\nlayers:\n  - a: relu",
            1,
            "choices of option v is 5",
        ),
        ("options: {v: {default: a, choices: abc}}\ninput: [3, 8, 8]\nlayers:\n  - a: relu", 1, "not a list of values"),
        ("options: {v: {defalt: 3}}\ninput: [3, 8, 8]\nlayers:\n  - a: relu", 1, "unknown key 'defalt'"),
        ("options:\n  v: {default: foo}\ninput: [3, 8, 8]\nlayers:\n  - a: relu", 2, "positive number"),
        ("options:\n  v: {default: 0.0}\ninput: [3, 8, 8]\nlayers:\n  - a: relu", 2, "positive number"),
        ("options: {c: {default: 3}}\ninput: [3, 8, 8]\nlayers:\n  - a: relu", 1, "another meaning"),
        ("options: {a-b: {default: 3}}\ninput: [3, 8, 8]\nlayers:\n  - a: relu", 1, "other characters than letters"),
        (
            "blocks: {x: {args: {i: 1}, layers: [{b: relu}]}}\ninput: [3, 8, 8]\nlayers:\n  - a: {block: x}",
            1,
            "another meaning",
        ),
        ("input: [3, 8, 8]\nlayer:\n  - a: relu", 2, "unknown key 'layer'"),
        ("input: [3, 8, 8]", 1, "layers are missing"),
        ("layers:\n  - a: relu", 1, "input is missing"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, out: 4, stride: -1}", 3, "0 or more"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, out: 'divisble(c, 8)'}", 3, "no function divisble"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, when: c = 3}", 3, "write =="),
        ("title: [a]\ninput: [3, 8, 8]\nlayers:\n  - a: relu", 1, "title is ['a'], not text"),
        ("input: [3, 8, 8]\nname: {a: 1}\nlayers:\n  - a: relu", 2, "name is {'a': 1}, not text"),
        ("input: [3, 8, 8]\nmirrors: [a]\nlayers:\n  - a: relu", 2, "mirrors is ['a'], not text"),
        ("input: [3, 8, 8]\nsource: true\nlayers:\n  - a: relu", 2, "source is True, not text"),
        ("input: [3, 8, 8]\nreference: 3\nlayers:\n  - a: relu", 2, "reference is 3, not a list of mappings"),
        ("input: [3, 8, 8]\nreference: [3]\nlayers:\n  - a: relu", 2, "reference is [3], not a list of mappings"),
        ("input: [3, 8, 8]\noptions:\n  v: {default: 3, help: []}\nlayers:\n  - a: relu", 3, "help is [], not text"),
        ("input: [3, 8, 8]\nblocks:\n  x: 3\nlayers:\n  - a: relu", 3, "block x may only have args, let and layers"),
        ("input: [3, 8, 8]\nblocks:\n  x: {let: {a: 1}}\nlayers:\n  - a: relu", 3, "block x has no layers"),
        (
            "input: [3, 8, 8]\nblocks:\n  x: {args: {b: {}}, layers: [{a: relu}]}\nlayers:\n  - a: {block: x, b: 1}",
            3,
            "the default of b is {}, not a value",
        ),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, when: 3}", 3, "when is 3, not a condition"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, when: null}", 3, "when is empty, not a condition"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: relu, when: [true]}", 3, "when is [True], not a condition"),
        (
            "input: [3, 8, 8]\noptions: {v: {default: x, choices: [x, y]}}\nlayers:\n  - a: {op: relu, when: v}",
            4,
            "when is 'x', not true or false",
        ),
        ("input: [3, 8, 8]\nlet:\n  a: {b: 1}\nlayers:\n  - a: relu", 3, "a is {'b': 1}, not a value"),
        ("input: [3, 8, 8]\nlet:\n  a: null\nlayers:\n  - a: relu", 3, "a of let is empty"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, bias: {x: 3}}", 3, "bias is {'x': 3}, not a value"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, bias: [[3]]}", 3, "option bias is [[3]], not true or false"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: mixconv, kernels: [3, {}]}", 3, "option kernels is [3, {}], not"),
        ("input: [3, 8, 8]\nlayers:\n  - a: {op: maxpool, k: {x: 3}}", 3, "k is {'x': 3}, not a value"),
    ],
)
def test_broken_descriptions(write_network: WriteNetwork, text: str, line: int, message: str) -> None:
    """One line that names the file, the line and what is wrong; one that says what to do."""
    path = write_network(text)
    with pytest.raises(FlopcalcError) as caught:
        network(path)
    error = caught.value
    assert message in error.message
    assert path in error.message
    assert f"line {line}:" in error.message or line == 0
    assert "\n" not in error.message + error.hint
    assert error.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("wide // x", "names here: c, h, w, wide"),
        ("c // x", "names here: c, h, w, wide"),
        ("wide // 0", "use numbers, the names in scope"),
        ("wide wide", "use numbers, the names in scope"),
    ],
)
def test_hints_of_expressions(write_network: WriteNetwork, text: str, hint: str) -> None:
    """All names that an expression can use, those of sizes too, where one is unknown; else what it can be made of."""
    block = f"blocks: {{x: {{args: {{wide: null}}, layers: [a: {{op: conv, out: {text}}}]}}}}\n"
    with pytest.raises(FlopcalcError) as caught:
        network(write_network(block + "input: [3, 8, 8]\nlayers:\n  - a: {block: x, wide: 8}"))
    assert caught.value.hint.startswith(hint)


def test_entries_that_are_left_out(write_network: WriteNetwork) -> None:
    """Without a layer or a block its input goes on; without a join, the output of the entry before it."""
    text = """
input: [4, 8, 8]
blocks: {wider: {layers: [conv: {op: conv, out: 2 * c, k: 1}]}}
layers:
  - first: {op: conv, out: 4}
  - layer: {op: conv, out: 4, when: c > 4}
  - block: {block: wider, when: c > 4, from: first}
  - second: {op: relu, from: first}
  - join: {op: add, from: [first, second], when: c > 4}
  - last: relu
"""
    found = network(write_network(text))
    assert [layer.name for layer in found.layers] == ["first", "second", "last"]
    assert [layer.inputs for layer in found.layers] == [("input",), ("first",), ("second",)]
    # The condition is what leaves them out.
    found = network(write_network(text.replace("c > 4", "c > 3").replace("out: 2 * c", "out: c")))
    assert [layer.name for layer in found.layers] == ["first", "layer", "block.conv", "second", "join", "last"]


def test_a_network_too_large_is_refused(write_network: WriteNetwork) -> None:
    """Nested repeats multiply; they end in an error, not in memory."""
    block = "blocks: {x: {layers: [{a: {op: relu, repeat: 10000}}]}}\n"
    with pytest.raises(FlopcalcError, match="more than"):
        network(write_network(block + "input: [3, 8, 8]\nlayers:\n  - a: {block: x, repeat: 10000}"))


def test_left_out_layers_count_too(write_network: WriteNetwork) -> None:
    """Nested repeats of a layer that is never there end as well."""
    block = "blocks: {x: {layers: [{a: {op: relu, repeat: 10000, when: false}}]}}\n"
    with pytest.raises(FlopcalcError, match="left out"):
        network(write_network(block + "input: [3, 8, 8]\nlayers:\n  - a: {block: x, repeat: 10000}"))


TWINS = """
input: [4, 9, 9]
blocks:
  twins:
    args: {k: null}
    layers:
      - first: {op: conv, k: k}
      - pair:
          layers:
            - +: {op: conv, from: first, k: k}
            - +: {op: add, from: [first, previous]}
      - second: {op: conv, k: k, weights_of: first}
      - add: {op: add, from: [second, input]}
  spare: {args: {on: null}, layers: [{left_out: {op: relu, when: on}}]}
  staged: {layers: [{x: {op: relu, stage: own}}, {y: relu}]}
  inner: {layers: [{one: {block: staged}}, {two: {block: staged}}]}
  wide: {args: {out: null, k: 3}, layers: [{x: {op: conv, out: out, k: k}}, {in: {block: inner}}]}
layers:
  - a: {block: twins, repeat: 3, k: 3 if i < 2 else 1}
  - b: {block: spare, repeat: 2, on: i == 7}
  - c: {block: twins, k: 3, stage: other}
  - d: {block: twins, k: 3, from: a, weights_of: c, stage: other}
  - e: {block: staged, stage: this}
  - f: {block: staged, stage: that}
  - g: {block: inner, stage: this}
  - h: {block: inner, stage: that}
  - i: {block: inner, stage: own}
  - j: {block: inner, stage: this}
  - +: {block: spare, repeat: 3, on: true}
  - _: {layers: [+: {block: wide, repeat: 3, out: 2 * 3}]}
  - k: {block: wide, repeat: 3, out: c + 1}
  - l: {block: wide, repeat: 2, from: e, out: 5}
  - "m{i}": {block: spare, repeat: 2, on: true}
"""


def test_a_block_read_once_is_the_same_again(write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers put from memory are those that reading the block gives; in all shipped networks too."""
    from flopcalc.networks import items, reader

    class Forgetful(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            return None

    def forget(self: Any, *arguments: Any) -> None:
        start(self, *arguments)
        self.readings = Forgetful()

    targets = [write_network(TWINS), *library.names()]
    remembered = [network(target) for target in targets]
    start = reader.Reader.__init__
    monkeypatch.setattr(reader.Reader, "__init__", forget)
    monkeypatch.setattr(items, "is_alike", lambda spec: False)
    library._held.clear()
    for one, target in zip(remembered, targets, strict=True):
        again = network(target)
        assert [layer._replace(evaluation=None) for layer in again.layers] == [
            layer._replace(evaluation=None) for layer in one.layers
        ], for_author(
            target,
            "a block put from memory differs from reading it; what reading depends on must be in its key",
            "docs/networks.md",
        )
        assert again.output == one.output, for_author(
            target, "a block put from memory has another output than reading it", "docs/networks.md"
        )
    layers = {layer.name: layer for layer in remembered[0].layers}
    assert layers["a.1.second"].weights_of == "a.1.first"
    assert layers["a.1.add"].inputs == ("a.1.second", "a.0.add")
    assert layers["c.first"].inputs == ("a.2.add",)
    assert (layers["d.first"].weights_of, layers["d.second"].weights_of) == ("c.first", "c.first")
    assert [layers[f"{i}.left_out"].stage for i in range(3)] == ["0", "1", "2"]
    assert [layers[f"k.{i}.x"].out_shape for i in range(3)] == [(7, 9, 9), (8, 9, 9), (9, 9, 9)]


SEVERAL_MAPS = """
input: [3, 8, 8]
layers:
  - stage: {layers: [a: {op: conv, out: 4}, b: {op: conv, out: 4, from: input}]}
  - _:
      layers:
        - stage:
            repeat: 2
            layers:
              - x: {op: conv, out: 4, from: stage.a}
              - y: {op: conv, out: 4, from: stage.b}
              - a: {op: add, from: [x, y]}
              - b: {op: relu, from: y}
  - last: {op: add, from: [_.stage.a, _.stage.b]}
"""


def test_several_maps_from_one_repetition_to_the_next(write_network: WriteNetwork) -> None:
    """`group.name` is that of the repetition before, and in the first one that of a group further out."""
    inputs = {layer.name: layer.inputs for layer in network(write_network(SEVERAL_MAPS)).layers}
    assert (inputs["stage.0.x"], inputs["stage.0.y"]) == (("stage.a",), ("stage.b",))
    assert (inputs["stage.1.x"], inputs["stage.1.y"]) == (("stage.0.a",), ("stage.0.b",))
    assert inputs["last"] == ("stage.1.a", "stage.1.b")


def test_a_kind_that_an_argument_names(write_network: WriteNetwork) -> None:
    """Each entry of the block has the kind of its own reading, though the text is the same."""
    text = """
name: kinds
input: [4, 8, 8]
blocks:
  unit:
    args: {act: null, mixer: null}
    layers: [act: "{act}", mix: {op: "{mixer}", out: c}]
layers:
  - a: {block: unit, act: "'relu'", mixer: "'conv'"}
  - b: {block: unit, act: "'hardswish'", mixer: "'pointwise'"}
"""
    net = network(write_network(text))
    assert [layer.kind for layer in net.layers] == ["relu", "conv", "hardswish", "pointwise"]
    # 4 x 4 channels with 9 weights or 1, on 8 x 8 positions.
    assert [layer.cost.total("macs") for layer in net.layers] == [0, 16 * 9 * 64, 0, 16 * 64]
    assert [part.call for layer in net.layers[::2] for part in layer.cost] == ["ReLU", "Hardswish"]


def test_true_and_1_are_two_values(write_network: WriteNetwork) -> None:
    """Layers of the same entry share what they compute only if the values are the same, types included."""
    text = """
name: flags
input: [4, 8, 8]
blocks:
  unit: {args: {size: null}, layers: [conv: {op: conv, out: 4, k: size}]}
layers:
  - a: {block: unit, size: 1}
  - b: {block: unit, size: "true"}
"""
    with pytest.raises(FlopcalcError, match="k is True, not a whole number"):
        network(write_network(text))

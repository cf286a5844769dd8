"""Descriptions as files: the worked examples, the schema, and tables, names and options of the language."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from helpers import ROOT, for_author

from flopcalc import FlopcalcError, network
from flopcalc.networks import library
from flopcalc.networks.schema import network_schema

EXAMPLES = sorted((ROOT / "examples" / "networks").glob("*.yaml"))
SHIPPED = [Path(library.source(name)) for name in library.names()]
VALIDATOR: Any = jsonschema.Draft202012Validator(network_schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_worked_examples_are_what_they_say(path: Path) -> None:
    """Each layer, in every kind, against the module that is built from it; the guide shows the file as it is."""
    pytest.importorskip("torch")
    from flopcalc.pytorch.comparison import compare_network

    for row in compare_network(network(str(path), batch=2)):
        assert row.derived == row.counted, for_author(
            path.name,
            f"layer {row.part} costs another than the module that is built from the description",
            "docs/networks.md",
        )
    if path.stem != "wider":
        assert f"```yaml\n{path.read_text()}```" in (ROOT / "docs" / "networks.md").read_text(), for_author(
            path.name, "the guide shows each example as it is; copy it there", "docs/networks.md"
        )


def test_pocket_by_hand() -> None:
    """The inverted residuals with a gate: parameters summed by hand."""
    net = network(str(ROOT / "examples" / "networks" / "pocket.yaml"))
    # c_in, hidden, c_out, k, gate's width (0: none)
    rows = [(16, 16, 16, 3, 0), (16, 64, 24, 3, 0), (24, 96, 40, 5, 24), (40, 160, 40, 5, 40)]
    total = 3 * 16 * 9 + 2 * 16 + 40 * 100 + 100
    for c_in, hidden, c_out, k, gate in rows:
        total += (c_in * hidden + 2 * hidden) * (hidden != c_in) + hidden * (k * k + 2) + hidden * c_out + 2 * c_out
        total += (2 * hidden * gate + gate + hidden) * (gate > 0)
    assert net.params == total
    adds = [layer.name for layer in net.layers if layer.kind == "add"]
    assert adds == ["body.0.add", "body.3.add"]


def test_schema_is_a_schema_and_takes_all_that_is_read() -> None:
    """The examples and the shipped networks."""
    VALIDATOR.check_schema(VALIDATOR.schema)
    assert json.loads((ROOT / "configs" / "network.schema.json").read_text()) == VALIDATOR.schema
    for path in (*EXAMPLES, *SHIPPED):
        errors = [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(path.read_text()))]
        assert not errors, for_author(
            path.name,
            f"the reader takes what the schema refuses: {errors[:3]}; add the new key or kind to the schema, "
            "then write configs/network.schema.json by `flopcalc schema`",
            "docs/networks.md",
        )


@pytest.mark.parametrize(
    "text",
    [
        "inputs: [3, 8, 8]\nlayers: [{a: relu}]",
        "input: [3, 8, 8]",
        "input: [3, 8, 8]\nlayers: []",
        "input: [3, 8, 8]\nlayers: [{a: relu, b: relu}]",
        "input: [3, 8, 8]\nlayers: [{a: rellu}]",
        "input: [3, 8, 8]\nlayers: [{a: {op: conv, outt: 3}}]",
        "input: [3, 8, 8]\nlayers: [{a: {op: maxpool, kernel: 3}}]",
        "input: [3, 8, 8]\nlayers: [{a: {op: relu, layers: [{b: relu}]}}]",
        "input: [3, 8, 8]\nlayers: [{a: {k: 3}}]",
        "input: [3, 8, 8]\nblocks: {x: {layers: [{a: relu}], more: 1}}\nlayers: [{a: {block: x}}]",
        "input: [3, 8, 8]\noptions: {w: {help: a width}}\nlayers: [{a: relu}]",
        "input: []\nlayers: [{a: relu}]",
        "input: [3, 8]\nlayers: [{a: relu}]",
        "input: [3, 8, 8, 8, 8]\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\nmirrors: [a]\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\nsource: true\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\nreference: 3\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\noptions: {w: {default: 3, help: []}}\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\noptions: {w: {default: null}}\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\noptions: {w: {default: []}}\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\noptions: {w: {default: a, choices: []}}\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\nblocks: {x: 3}\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\nblocks: {x: {let: {a: 1}}}\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\nblocks: {x: {args: {b: {}}, layers: [{a: relu}]}}\nlayers: [{a: {block: x, b: 1}}]",
        "input: [3, 8, 8]\nlet: {a: null}\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\nlet: {a: {b: 1}}\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\nlayers: [{a: {op: relu, when: 3}}]",
        "input: [3, 8, 8]\nlayers: [{a: {op: relu, when: [true]}}]",
        "input: [3, 8, 8]\nlayers: [{a: {op: relu, repeat: -1}}]",
        "input: [3, 8, 8]\nlayers: [{a: {op: conv, each: {out: 3}}}]",
        "input: [3, 8, 8]\nlayers: [{a: {op: conv, bias: {x: 3}}}]",
        "like: resnet50\nlayers: [{a: relu}]",
        "like: [resnet50]",
    ],
)
def test_schema_refuses_what_the_reader_refuses(text: str, tmp_path: Path) -> None:
    """Structure and names; sizes are the reader's own affair."""
    assert not VALIDATOR.is_valid(yaml.safe_load(text))
    path = tmp_path / "net.yaml"
    path.write_text(text)
    with pytest.raises(FlopcalcError):
        network(str(path))


@pytest.mark.parametrize(
    "text",
    [
        "input: [3]\nlayers: [{a: relu}]",
        "title: 2024\ninput: [3, 8, 8]\nlayers: [{a: relu}]",
        "title:\nreference:\ninput: [3, 8, 8]\nlayers: [{a: relu}]",
        "input: [3, 8, 8]\nlet: {outs: [8, 16], last: true}\nlayers: [{a: {op: conv, each: {out: outs}}}]",
        "input: [3, 8, 8]\noptions: {ns: {default: [1, 2 * 2]}}\nlayers: [{a: relu}]",
        "input: [3, 8, 8, 8]\nlayers: [{a: {op: conv3d, out: 4}}]",
    ],
)
def test_schema_takes_what_the_reader_takes(text: str, tmp_path: Path) -> None:
    """An editor marks no mistake where there is none."""
    assert VALIDATOR.is_valid(yaml.safe_load(text))
    path = tmp_path / "net.yaml"
    path.write_text(text)
    assert network(str(path)).macs >= 0


TABLES = """
input: [3, 32, 32]
options:
  counts: {default: [1, 2], help: layers of each stage}
  width: {default: 0.5, help: multiplier}
  extra: {default: 0, least: 0, help: more layers}
let: {base: 16 * width}
layers:
  - features:
      layers:
        - _:
            each: {count: counts, out: [base, 2 * base]}
            stage: "stage {i + 1}"
            layers:
              - _: {repeat: count, layers: [{+: {op: conv, out: out, k: 1}}, {+: relu}]}
              - +: maxpool
        - _: {repeat: extra, layers: [{+: relu}]}
  - unit{2 * i + 1}: {op: conv, repeat: 2, k: 1, out: c}
"""


def test_tables_names_and_options(tmp_path: Path) -> None:
    """`+` counts on through groups without a name; options of lists and decimals; `let` at the top."""
    path = tmp_path / "net.yaml"
    path.write_text(TABLES)
    net = network(str(path))
    names = [layer.name for layer in net.layers]
    assert names == [f"features.{i}" for i in range(8)] + ["unit1", "unit3"]
    assert [layer.kind for layer in net.layers[:8]] == ["conv", "relu", "maxpool", *["conv", "relu"] * 2, "maxpool"]
    assert [layer.out_shape[0] for layer in net.layers if layer.kind == "conv"] == [8, 16, 16, 16, 16]
    assert {layer.stage for layer in net.layers[:8]} == {"stage 1", "stage 2"}
    assert net.params == 3 * 8 + 8 * 16 + 3 * 16 * 16
    more = network(str(path), counts="2,1", width="1.5", extra=1)
    assert [layer.out_shape[0] for layer in more.layers if layer.kind == "conv"][:3] == [24, 24, 48]
    assert more.layers[8].name == "features.8"
    for option, value, wanted in (
        ("counts", "2", "different lengths"),
        ("counts", "0,1", "1 or more"),
        ("counts", "a", "1 or more"),
        ("width", "-1", "positive number"),
        ("width", "wide", "positive number"),
        ("extra", "-1", "0 or more"),
    ):
        with pytest.raises(FlopcalcError, match=wanted):
            library.load(str(path), {option: value})


SHARED = """
input: [8, 16, 16]
blocks:
  head: {layers: [{conv: {op: conv, k: 3, bias: true}}, {relu: relu}, {out: {op: conv, k: 1, out: 4}}]}
layers:
  - small: {op: maxpool, from: input}
  - head1: {block: head, from: input}
  - head2: {block: head, from: small, weights_of: head1}
  - head3: {block: head, from: small, weights_of: head2}
"""


def test_shared_weights_count_once(tmp_path: Path) -> None:
    """A head that runs at three sizes; in the module it is one head under three names."""
    pytest.importorskip("torch")
    from flopcalc.pytorch import build_network
    from flopcalc.pytorch.comparison import compare_network

    path = tmp_path / "net.yaml"
    path.write_text(SHARED)
    net = network(str(path))
    weights = 8 * 8 * 9 + 8 + 8 * 4
    assert net.params == weights
    assert net.macs == (8 * 8 * 9 + 8 * 4) * (256 + 64 + 64)
    module = build_network(net)
    assert sum(parameter.numel() for parameter in module.parameters()) == weights
    # One module under three names: its work is counted under the first.
    rows = {row.part: row for row in compare_network(net)}
    assert all(row.agrees for row in rows.values())
    assert "head2.conv" not in rows
    assert rows["head1.conv"].counted["macs"] == 8 * 8 * 9 * (256 + 64 + 64)


INSIDE = """
input: [8, 16, 16]
layers:
  - body:
      layers:
        - one: {op: conv, out: 4}
        - deep: {layers: [{two: {op: conv, out: 5, stride: 2}}, {three: {op: conv, out: 6}}]}
  - back: {op: conv, out: 3, from: body.deep.two}
  - both: {op: upsample, from: [body.deep, body.one]}
"""


def test_entries_inside_a_group(tmp_path: Path) -> None:
    """`group.name`, also of a group in a group; not inside of what is left out, nor its `input`."""
    path = tmp_path / "net.yaml"
    path.write_text(INSIDE)
    layers = {layer.name: layer for layer in network(str(path)).layers}
    assert layers["back"].inputs == ("body.deep.two",)
    assert layers["both"].inputs == ("body.deep.three", "body.one")
    for old, new in (
        ("from: body.deep.two", "from: deep.two"),
        ("from: body.deep.two", "from: body.input"),
        ("- deep: {layers", "- deep: {when: c > 4, layers"),
    ):
        path.write_text(INSIDE.replace(old, new))
        with pytest.raises(FlopcalcError, match="not above it"):
            network(str(path))


def test_derived_networks(tmp_path: Path) -> None:
    """`like` takes the layers of another file or shipped name, `set` its own defaults, which --set overrides."""
    path = tmp_path / "ten.yaml"
    path.write_text("like: resnet50\ntitle: Ten classes\nset: {classes: 10}\ninput: [3, 64, 64]\n")
    net = network(str(path))
    assert (net.name, net.title, net.input_shape) == ("ten", "Ten classes", (3, 64, 64))
    assert net.params == network("resnet50", classes=10).params
    assert network(str(path), classes=1000).params == 25_557_032
    (tmp_path / "five.yaml").write_text("like: ten.yaml\nset: {classes: 5}\n")
    assert network(str(tmp_path / "five.yaml")).params == network("resnet50", classes=5).params


def test_schema_command(run: Any, tmp_path: Path) -> None:
    """Printed, or written to a file."""
    assert json.loads(run("schema").out) == VALIDATOR.schema
    target = tmp_path / "schema.json"
    assert run("schema", "-o", str(target)).code == 0
    assert json.loads(target.read_text()) == VALIDATOR.schema


def test_titles_tell_what_was_set(tmp_path: Path) -> None:
    """Expressions in a title read the options; values other than the default are shown; other braces are text."""
    assert network("resnet50", stride_in="v1").title.startswith("ResNet-50, v1 (the stride of a stage is in its ")
    assert network("resnet50", classes="10").title.endswith("convolution); classes 10")
    assert network("resnet50", classes="1000").title == network("resnet50").title
    path = tmp_path / "net.yaml"
    path.write_text('title: "{a plain set}"\ninput: [3, 8, 8]\nlayers: [{a: relu}]\n')
    assert network(str(path)).title == "{a plain set}"


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("{op: relu, repeat: 2.5}", "layer b: repeat is 2.5, not 0 to 10000"),
        ("{op: relu, repeat: 1 / 3}", "layer b: repeat is 1/3, not 0 to 10000"),
        ("{op: relu, repeat: -0.25}", "layer b: repeat is -0.25, not 0 to 10000"),
        ("{op: relu, stage: null}", "layer b: stage is empty, not a name"),
        ("{op: relu, stage: [a]}", "layer b: stage is ['a'], not a name"),
    ],
)
def test_values_as_they_are_written(entry: str, why: str, tmp_path: Path) -> None:
    """Errors show no records of Python, and a stage without a name is one."""
    path = tmp_path / "net.yaml"
    path.write_text(f"input: [3, 8, 8]\nlayers:\n  - b: {entry}\n")
    with pytest.raises(FlopcalcError) as caught:
        network(str(path))
    assert caught.value.message.endswith(f"net.yaml, line 3: {why}")


@pytest.mark.parametrize(
    ("layers", "remarks"),
    [
        (1, ()),
        (2, ("1 further output, which no layer takes: a0",)),
        (7, ("6 further outputs, which no layer takes: a0, a1, a2, a3, a4, a5",)),
        (8, ("7 further outputs, which no layer takes: a0, a1, a2, a3, a4, a5, ...",)),
    ],
)
def test_further_outputs(layers: int, remarks: tuple[str, ...], tmp_path: Path) -> None:
    """In the singular and the plural; the last layer is the output; six are named."""
    path = tmp_path / "net.yaml"
    entries = "".join(f"  - a{i}: {{op: relu, from: input}}\n" for i in range(layers))
    path.write_text(f"input: [3, 8, 8]\nlayers:\n{entries}")
    assert network(str(path)).remarks == remarks

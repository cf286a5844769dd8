"""Every primitive of the registry: its record, its module, its count and its documentation."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT

from flopcalc import FlopcalcError, network
from flopcalc.networks.blocks import COMMON
from flopcalc.networks.network import Network
from flopcalc.networks.options import option_text
from flopcalc.networks.schema import network_schema
from flopcalc.primitives.record import Primitive
from flopcalc.primitives.registry import PRIMITIVES

# What the layer may take: a map, two maps, a map and its row of tokens.
HEAD = """\
input: [8, 6, 9]
layers:
  - other: {op: conv, out: 8}
  - mean: global_avgpool
  - row: {op: to_tokens, from: other}
"""
SOURCES = ("other", "[other, input]", "[other, mean]", "row")
VALUES: dict[type, tuple[str, ...]] = {bool: ("true", "false"), int: ("0", "1", "2", "3"), tuple: ("1", "2", "[1, 2]")}


def _networks(primitive: Primitive, folder: Path) -> Iterator[Network]:
    """Networks with the primitive on all inputs that it takes, with its defaults and with other settings."""
    texts = [""]
    for name, default in primitive.settings.items():
        values = VALUES[tuple if default is None else type(default)]
        texts += [f", {name}: {value}" for value in values]
    for source in SOURCES:
        for settings in texts:
            path = folder / "net.yaml"
            path.write_text(f"{HEAD}  - layer: {{op: {primitive.name}, from: {source}{settings}}}\n")
            try:
                yield network(str(path), batch=2)
            except FlopcalcError as error:
                if error.code != "bad-network":
                    raise


@pytest.mark.parametrize("primitive", PRIMITIVES.values(), ids=list(PRIMITIVES))
def test_the_module_is_counted_as_its_parts(primitive: Primitive, tmp_path: Path) -> None:
    """The record's module runs, gives the shape that the record says, costs the parts, and has the record's name."""
    torch: Any = pytest.importorskip("torch")
    from flopcalc.pytorch import build_network
    from flopcalc.pytorch.comparison import compare_network
    from flopcalc.pytorch.counting.network import kind_of

    names, settings = set(), set()
    for net in _networks(primitive, tmp_path):
        layer = net.layers[-1]
        settings |= {name for name, value in layer.settings.items() if value != primitive.settings[name]}
        # The total is left out: an input of which only the size is read does not delay the kernels.
        for row in compare_network(net)[:-1]:
            assert row.derived == row.counted, f"{primitive.name} {dict(layer.settings)}: {row.part}"
        module: Any = build_network(net).eval()
        with torch.no_grad():
            assert tuple(module(torch.rand(2, 8, 6, 9)).shape) == (2, *layer.out_shape)
        names.add(kind_of(module.layer))
    assert names, f"{primitive.name} takes none of {SOURCES}: add an input that it takes to this test"
    # A mean over the whole map has a name of its own.
    assert names - {"global_avgpool"} <= {primitive.name}, f"add the module's class to {primitive.name}'s record"
    assert settings == set(primitive.settings), f"no value of a setting of {primitive.name} fits: add one to VALUES"


@pytest.mark.parametrize("primitive", PRIMITIVES.values(), ids=list(PRIMITIVES))
def test_device_and_dtype_reach_the_module(primitive: Primitive, tmp_path: Path) -> None:
    """All tensors of a module are where the user wants them, of the type that the user wants."""
    torch: Any = pytest.importorskip("torch")
    from flopcalc.pytorch import build_network

    for net in _networks(primitive, tmp_path):
        module: Any = build_network(net, device="meta", dtype=torch.float64).layer
        for tensor in (*module.parameters(), *module.buffers()):
            assert tensor.is_meta, f"{primitive.name}: set has_tensors in its record"
            assert not tensor.is_floating_point() or tensor.dtype == torch.float64


def test_a_setting_without_a_default() -> None:
    """The author of a primitive gets an error, and no settings with the defaults of their neighbours."""
    primitive = PRIMITIVES["chunk"]._replace(shape_and_parts=lambda shapes, n, of, part=0: ((), ()))
    with pytest.raises(ValueError, match="argument"):
        assert primitive.settings


def test_every_primitive_has_a_row_in_the_docs() -> None:
    """One row for each record, with every setting and its default; no row for a primitive that does not exist."""
    page = (ROOT / "docs/networks.md").read_text().partition("<!-- primitives:")[2].partition("<!-- end")[0]
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(PRIMITIVES), "run `make docs`"
    for row, primitive in zip(rows, PRIMITIVES.values(), strict=True):
        assert primitive.text in row, "run `make docs`"
        for name, default in primitive.settings.items():
            said = "" if default is None else f" ({option_text(default)})"
            assert f"`{name}`{said}" in row, "run `make docs`"


def test_the_schema_has_the_settings() -> None:
    """The schema has exactly the settings, and no setting has the name of a key of every layer."""
    rules = network_schema()["$defs"]["entry"]["allOf"]
    by_name = {rule["if"]["properties"].get("op", {}).get("const"): rule["then"] for rule in rules}
    for name, primitive in PRIMITIVES.items():
        assert name == primitive.name
        assert set(by_name[name]["properties"]) == set(primitive.settings)
        assert by_name[name]["description"] == primitive.text
        assert not set(primitive.settings) & COMMON, f"{name}: every layer has a key of this name; choose another"
        assert not primitive.text.endswith("."), f"the text of {name} is a part of a table, not a sentence"
        assert list(inspect.signature(primitive.shape_and_parts).parameters)[2:] == list(primitive.settings)

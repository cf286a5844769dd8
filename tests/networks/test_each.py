"""The columns of `each`: settings of layers, arguments of blocks, names of expressions, and columns without effect."""

from pathlib import Path

import pytest

from flopcalc import FlopcalcError
from flopcalc.networks import columns
from flopcalc.networks.library import load
from flopcalc.networks.network import Network
from flopcalc.text.yaml_file import Map, copied


def _load(folder: Path, text: str) -> Network:
    path = folder / "net.yaml"
    path.write_text(text)
    return load(str(path))


def _net(folder: Path, entry: str) -> Network:
    return _load(folder, f"input: [3, 8, 8]\nlayers:\n  - b: {entry}\n")


@pytest.mark.parametrize(
    ("entry", "params"),
    [
        # 1x1 from 3 to 16 channels, then 5x5 to 24.
        ("{op: conv, each: {k: [1, 5], stride: [1, 2], out: [16, 24]}}", [3 * 16, 25 * 16 * 24]),
        ("{op: '{kind}', each: {kind: [\"'conv'\", \"'depthwise'\"], k: [1, 5], out: [16, 16]}}", [3 * 16, 25 * 16]),
        # What the entry gives itself comes first, with the column as a name.
        ("{op: conv, k: 1, out: 2 * out, each: {out: [8, 12]}}", [3 * 16, 16 * 24]),
        # An option: the share of channels that is convolved, and the rest as it is.
        ("{op: pconv, k: 3, each: {ratio: [1/3, 1]}}", [9, 9 * 9]),
    ],
)
def test_a_column_that_is_a_setting(entry: str, params: list[int], tmp_path: Path) -> None:
    """It applies to its repetition."""
    assert [layer.cost.params for layer in _net(tmp_path, entry).layers] == params


def test_shapes_by_columns(tmp_path: Path) -> None:
    """Strides, and the settings of a primitive."""
    net = _net(tmp_path, "{op: conv, each: {k: [1, 5], stride: [1, 2], out: [16, 24]}}")
    assert [layer.out_shape for layer in net.layers] == [(16, 8, 8), (24, 4, 4)]
    net = _net(tmp_path, "{op: upsample, each: {scale: [3, 1, 2]}}")
    assert [layer.out_shape for layer in net.layers] == [(3, 24, 24), (3, 24, 24), (3, 48, 48)]


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("{op: conv, each: {kernel: [1, 5]}}", "the column kernel is not a setting of conv"),
        ("{op: relu, each: {k: [1, 5]}}", "the column k is not a setting of relu"),
        ("{op: conv, k: 3, each: {k: [1, 5]}}", "the entry gives k itself, so the column k has no effect"),
        ("{block: x, each: {deep: [1, 5]}}", "the column deep is not an argument of x"),
        ("{block: x, out: 4, each: {out: [1, 5]}}", "the entry gives out itself, so the column out has no effect"),
        (
            "{layers: [a: {op: conv, out: 4}], each: {out: [1, 5]}}",
            "the column out is not an argument, and no expression",
        ),
        # Names that are no expressions.
        ("{op: conv, each: {b: [1, 5]}}", "the column b is not a setting of conv"),
        ("{op: conv, stage: deep, each: {deep: [1, 5]}}", "the column deep is not a setting of conv"),
        ("{block: x, each: {x: [1, 5]}}", "the column x is not an argument of x"),
    ],
)
def test_a_column_without_effect(entry: str, why: str, tmp_path: Path) -> None:
    """An error that names the column and its line; it was left out silently."""
    blocks = "blocks:\n  x: {args: {out: 3}, layers: [a: {op: conv, out: out}]}\n"
    with pytest.raises(FlopcalcError) as caught:
        _load(tmp_path, f"{blocks}input: [3, 8, 8]\nlayers:\n  - b: {entry}\n")
    assert "net.yaml, line 5: layer b: " in caught.value.message
    assert why in caught.value.message
    assert (caught.value.code, "\n" in caught.value.hint) == ("bad-network", False)


def test_the_hint_on_a_column_without_effect(tmp_path: Path) -> None:
    """The settings of the entry; where it has none, what to do with the column."""
    for entry, hint in (
        ("{op: upsample, each: {size: [1, 5]}}", "settings: scale"),
        ("{layers: [a: relu], each: {size: [1, 5]}}", "write size where its values are needed"),
    ):
        with pytest.raises(FlopcalcError) as caught:
            _net(tmp_path, entry)
        assert caught.value.hint == hint


def test_a_name_by_a_column(tmp_path: Path) -> None:
    """The words in its braces are an effect."""
    net = _load(tmp_path, "input: [3, 8, 8]\nlayers:\n  - 'b{number}': {op: relu, each: {number: [3, 5]}}\n")
    assert [layer.name for layer in net.layers] == ["b3", "b5"]


def test_an_entry_with_columns_is_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reading keeps by its identity must not meet another one at its address."""
    copies = []

    def copy(spec: Map) -> Map:
        copies.append(copied(spec))
        return copies[-1]

    monkeypatch.setattr(columns, "copied", copy)
    assert len(_net(tmp_path, "{op: upsample, each: {scale: [3, 1, 2]}}").layers) == 3
    assert len(copies) == 1


@pytest.mark.parametrize(
    "entry",
    [
        "{op: conv, when: kept == 1, each: {kept: [1, 0]}}",
        "{op: conv, stage: 'stage {number}', each: {number: [1, 0]}}",
        "{layers: ['a{number}': relu], each: {number: [1, 0]}}",
        "{layers: [a: {layers: [n: {op: conv, let: {}, out: 2 * wide}]}], each: {wide: [1, 2]}}",
        "{layers: [a: {op: conv, out: half}], let: {half: wide // 2}, each: {wide: [4, 2]}}",
        "{block: '{which}', each: {which: [\"'x'\", \"'x'\"], out: [1, 2]}}",
        "{block: x, out: 2 * wide, each: {wide: [4, 2]}}",
    ],
)
def test_a_column_with_an_effect(entry: str, tmp_path: Path) -> None:
    """In any expression of the entry or inside of it."""
    blocks = "blocks:\n  x: {args: {out: 3}, layers: [a: {op: conv, out: out}]}\n"
    entry = entry.replace(", let: {}", "")
    assert _load(tmp_path, f"{blocks}input: [3, 8, 8]\nlayers:\n  - b: {entry}\n").layers


def test_the_path_of_an_operator_is_relative_to_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From whatever folder; a missing file is an error at the line of the network."""
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "op.yaml").write_text("parts:\n  - a: {op: conv}\n")
    text = "input: [3, 8, 8]\nlayers:\n  - b: {op: ./op.yaml, out: 5}\n"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert _load(inner, text).params == 3 * 5 * 9
    # The file of another network has another operator beside it.
    monkeypatch.chdir(inner)
    with pytest.raises(FlopcalcError) as caught:
        _load(tmp_path, text)
    assert caught.value.message.endswith("net.yaml, line 3: layer b: there is no file './op.yaml'")
    assert caught.value.hint == "the path is relative to the folder of this file"

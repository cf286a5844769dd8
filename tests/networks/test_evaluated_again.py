"""Descriptions evaluated again with other inputs and options, without reading: each figure worked out by hand."""

from itertools import pairwise
from typing import Any

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError
from flopcalc.networks import library, reader
from flopcalc.networks.network import Network


def _read_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, data: Any) -> str:
        raise AssertionError("read again")

    monkeypatch.setattr(reader.Reader, "read", refuse)


def _params(net: Network) -> list[int]:
    return [layer.cost.params for layer in net.layers if layer.cost.params]


SIZES = """
input: [4, 8, 6]
options:
  wide: {default: 0.5, help: a multiplier}
  rows: {default: [2, 3], help: channels}
title: "a net of {2 * 3} and {8 * wide}"
layers:
  - height: {op: conv, k: 1, stride: 2, out: h}
  - sum: {op: conv, k: 1, out: c + w}
  - square: {op: adaptive_avgpool, size: w}
  - lower: {op: adaptive_avgpool, size: h + 1}
  - area: {op: conv, k: 1, out: h * w}
  - cells: {op: adaptive_avgpool, size: c}
  - fourth: {op: conv, k: 1, out: 8 * wide}
  - kept: {op: relu, repeat: c // 4, when: c}
  - gone: {op: relu, when: c > 4}
  - row: {op: conv, k: 1, out: row, each: {row: rows}}
  - again: {op: conv, k: 1, out: row, each: {row: rows}}
"""


def _of_sizes(c: int, h: int, w: int, wide: int, rows: tuple[int, int]) -> list[int]:
    """Weights by hand. The first layer halves the map, then it is w/2 and w/2 + 1 squared."""
    half = -(-w // 2)
    area = (half + 1) ** 2
    chain = [c, h, h + half, area, wide, *rows, *rows]
    return [one * other for one, other in pairwise(chain)]


def test_sizes_options_and_rows(write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels, heights and widths as settings and in expressions; rows of an option; a title with both."""
    one = library.compiled(write_network(SIZES))
    first = one.at()
    assert _params(first) == _of_sizes(4, 8, 6, 4, (2, 3))
    assert first.layers[5].out_shape == (16, 16, 16)
    _read_no_more(monkeypatch)
    for c, h, w, rows in ((4, 8, 6, (2, 3)), (5, 9, 7, (2, 3)), (4, 12, 9, (7, 1)), (6, 8, 6, (3, 2))):
        found = one.at({"rows": rows}, (c, h, w))
        assert _params(found) == _of_sizes(c, h, w, 4, rows), (c, h, w, rows)
        half = -(-w // 2)
        shapes = [layer.out_shape for layer in found.layers]
        assert shapes[2:6] == [
            (h + half, half, half),
            (h + half, half + 1, half + 1),
            ((half + 1) ** 2, half + 1, half + 1),
            ((half + 1) ** 2,) * 3,
        ]
        assert found.title == "a net of 6 and 4" + (f"; rows {','.join(map(str, rows))}" if rows != (2, 3) else "")
        # Whole numbers, also where a multiplier is a fraction.
        assert {type(size) for shape in shapes for size in shape} == {int}


DECISIONS = """
input: [4, 8, 6]
options:
  wide: {default: 4, help: channels}
  rows: {default: [2, 3], help: channels}
layers:
  - a: {op: conv, k: 1, out: wide}
  - b: {op: relu, repeat: c}
  - d: {op: conv, k: 1, out: row, each: {row: rows}}
  - "e{c}": {op: conv, k: 1, out: 2, when: c > 2}
  - f: {op: relu, when: w > h}
"""


def test_decisions(write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repetitions, rows, names and conditions that follow from sizes or options are those of each evaluation."""
    one = library.compiled(write_network(DECISIONS))
    cases: list[tuple[dict[str, Any], tuple[int, int, int], list[str]]] = [
        ({}, (4, 8, 6), ["a", "b.0", "b.1", "b.2", "b.3", "d.0", "d.1", "e3"]),
        ({}, (4, 6, 8), ["a", "b.0", "b.1", "b.2", "b.3", "d.0", "d.1", "e3", "f"]),
        ({"wide": 2}, (4, 8, 6), ["a", "b.0", "b.1", "d.0", "d.1", "e3"]),
        ({"wide": 1, "rows": [2, 4]}, (4, 8, 6), ["a", "b.0", "d.0", "d.1", "e4"]),
        ({"wide": 1, "rows": [3, 2]}, (4, 8, 6), ["a", "b.0", "d.0", "d.1"]),
        ({"wide": 1, "rows": [3]}, (4, 8, 6), ["a", "b.0", "d.0", "e3"]),
        ({"wide": 1, "rows": [3, 3, 2]}, (4, 8, 6), ["a", "b.0", "d.0", "d.1", "d.2"]),
    ]
    for time in range(2):
        for options, shape, names in cases:
            assert [layer.name for layer in one.at(options, shape).layers] == names, (time, options, shape)
        # Each has its plan now; other channels decide nothing.
        _read_no_more(monkeypatch)
        assert [layer.name for layer in one.at({"wide": 2}, (7, 9, 9)).layers] == cases[2][2]


def test_arguments_that_are_equal_by_chance(write_network: WriteNetwork) -> None:
    """Two options with the same default, a number, and one that follows from the height: 4 x out weights each."""
    text = """
input: [4, 8, 8]
options:
  one: {default: 6, help: channels}
  other: {default: 6, help: channels}
blocks: {unit: {args: {out: null}, layers: [x: {op: conv, k: 1, out: out, from: input}]}}
layers:
  - a: {block: unit, out: one, from: input}
  - b: {block: unit, out: other, from: input}
  - d: {block: unit, out: 6, from: input}
  - e: {block: unit, out: h - 2, from: input}
"""
    one = library.compiled(write_network(text))
    for options, shape, outs in (
        ({}, (4, 8, 8), [6, 6, 6, 6]),
        ({"other": 5}, (4, 8, 8), [6, 5, 6, 6]),
        ({"one": 3}, (4, 9, 8), [3, 6, 6, 7]),
        ({"one": 2, "other": 1}, (4, 5, 8), [2, 1, 6, 3]),
    ):
        assert _params(one.at(options, shape)) == [4 * out for out in outs]


def test_sizes_of_volumes(write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """A depth, and no depth where an input has none: c x (d + 2h + 3w) weights."""
    one = library.compiled(
        write_network("input: [4, 6, 8, 5]\nlayers:\n  - a: {op: conv3d, k: 1, out: d + 2 * h + 3 * w}\n")
    )
    assert one.at().params == 4 * (6 + 16 + 15)
    with pytest.raises(FlopcalcError, match="unknown name 'd'"):
        one.at({}, (4, 8, 5))
    _read_no_more(monkeypatch)
    assert one.at({}, (2, 1, 9, 4)).params == 2 * (1 + 18 + 12)

"""Every shipped network: its reference figures, its options, and the module that is built from it."""

from fractions import Fraction
from typing import Any

import pytest
from helpers import for_author

from flopcalc import network
from flopcalc.cost import convention
from flopcalc.networks import library
from flopcalc.text.yaml_file import read_file


def test_every_shipped_network_loads() -> None:
    """And has the name of its file."""
    assert library.names()
    for name in library.names():
        assert network(name).name == name, for_author(
            name, "write `name:` as its file is called", "docs/shipping-a-network.md"
        )


NAMES = library.names()


def _agrees(printed: Any, ours: int) -> bool:
    """Equal to the unit, or, where digits are printed, rounded or cut to them."""
    if isinstance(printed, int):
        return printed == ours
    units = {"K": 3, "M": 6, "G": 9, "B": 9}
    text = str(printed)
    scale = Fraction(10 ** units.get(text[-1], 0))
    digits = text[:-1] if text[-1] in units else text
    step = Fraction(1, 10 ** len(digits.partition(".")[2])) * scale
    low = Fraction(digits) * scale
    return low - step / 2 <= ours <= low + step / 2 or low <= ours < low + step


@pytest.mark.parametrize("name", NAMES)
def test_reference_figures(name: str) -> None:
    """What the sources print for a network, and for its options, is what it comes to."""
    rows = (read_file(library.source(name), "network")).get("reference")
    assert rows, for_author(name, "give it `reference`: figures that its source prints", "docs/shipping-a-network.md")
    for row in rows:
        assert row.get("source"), for_author(name, f"say with `source` who prints {row}", "docs/shipping-a-network.md")
        assert {"params", "macs"} & set(row), for_author(
            name, f"{row} has neither params nor macs; add one", "docs/shipping-a-network.md"
        )
        shape = tuple(row["input"]) if "input" in row else None
        net = network(name, input=shape, **(row.get("options") or {}))
        for kind in ("params", "macs", "activations"):
            if kind in row:
                ours = net.total(kind)
                if kind == "macs" and "convention" in row:
                    ours = net.fold(convention.get(row["convention"]).of)
                assert _agrees(row[kind], ours), for_author(
                    name,
                    f"its {kind} come to {ours:,}, and {row['source']} prints {row[kind]}; correct the description, or "
                    "the row: its `options`, `input` or `convention`",
                    "docs/shipping-a-network.md",
                )


def test_printed_digits() -> None:
    """Rounded or cut, but no other neighbour."""
    assert _agrees("4.09G", 4_089_184_256)
    assert _agrees("4.08G", 4_089_184_256)
    assert not _agrees("4.10G", 4_089_184_256)
    assert not _agrees("4.07G", 4_089_184_256)
    assert _agrees(7, 7)
    assert not _agrees(7, 8)


@pytest.mark.parametrize("name", NAMES)
def test_the_module_built_from_it(name: str) -> None:
    """Every kind of work of every layer, counted in the module that the description builds."""
    pytest.importorskip("torch")
    from flopcalc.pytorch.comparison import compare_network

    for row in compare_network(network(name, batch=2)):
        assert row.derived == row.counted, for_author(
            name,
            f"layer {row.part} costs another than the module that is built from the description",
            "docs/shipping-a-network.md",
        )


@pytest.mark.parametrize("name", NAMES)
def test_every_option_says_what_it_is(name: str) -> None:
    """Options have a help text, and change something or are refused with a reason."""
    data = read_file(library.source(name), "network")
    for option, spec in (data.get("options") or {}).items():
        assert spec.get("help"), for_author(name, f"give its option {option} a `help`", "docs/shipping-a-network.md")


def test_parameters_do_not_depend_on_batch_and_macs_are_linear_in_it() -> None:
    """For all of them."""
    for name in NAMES:
        one, three = network(name), network(name, batch=3)
        assert one.params == three.params, for_author(
            name, "its parameters depend on the batch", "docs/shipping-a-network.md"
        )
        assert 3 * one.macs == three.macs, for_author(
            name, "its MACs are not three times as many at batch 3", "docs/shipping-a-network.md"
        )

"""Every shipped network: its reference figures, its options, and the module that is built from it."""

from fractions import Fraction
from typing import Any

import pytest
from helpers import for_author

from flopcalc import network
from flopcalc.catalog import registry
from flopcalc.cost import convention
from flopcalc.networks import library
from flopcalc.networks.like import read_network_file
from flopcalc.text.yaml_file import read_file

NAMES = library.names()
GUIDE = "docs/shipping-a-network.md"


def test_there_are_networks() -> None:
    """So that the tests below test something."""
    assert NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_and_is_documented(name: str) -> None:
    """It has the name of its file, a title and a source; an operator's name means the operator."""
    assert network(name).name == name, for_author(name, "write `name:` as its file is called", GUIDE)
    assert name not in registry.names(), for_author(name, "an operator has this name; choose another", GUIDE)
    data, _ = read_network_file(library.source(name), library.source)
    for key, text in {"title": "a few words", "source": "the paper, or the code, that it follows"}.items():
        assert str(data.get(key) or "").strip(), for_author(name, f"give it a `{key}`: {text}", GUIDE)


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
    """The cost of a network, and of its options, is the one that its sources print."""
    rows = (read_file(library.source(name), "network")).get("reference")
    assert rows, for_author(name, "give it `reference`: figures that its source prints", GUIDE)
    for row in rows:
        assert row.get("source"), for_author(name, f"say with `source` who prints {row}", GUIDE)
        assert {"params", "macs"} & set(row), for_author(name, f"{row} has neither params nor macs; add one", GUIDE)
        unknown = set(row) - {"params", "macs", "activations", "source", "input", "options", "convention"}
        assert not unknown, for_author(name, f"{row} has the unknown keys {sorted(unknown)}", GUIDE)
        if "convention" in row:
            # Raises an error with the known names.
            convention.get(row["convention"])
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
                    GUIDE,
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
            GUIDE,
        )


@pytest.mark.parametrize("name", NAMES)
def test_every_option_says_what_it_is(name: str) -> None:
    """Options have a help text, and change something or are refused with a reason."""
    data = read_file(library.source(name), "network")
    for option, spec in (data.get("options") or {}).items():
        assert spec.get("help"), for_author(name, f"give its option {option} a `help`", GUIDE)


def test_parameters_do_not_depend_on_batch_and_macs_are_linear_in_it() -> None:
    """For all of them."""
    for name in NAMES:
        one, three = network(name), network(name, batch=3)
        assert one.params == three.params, for_author(name, "its parameters depend on the batch", GUIDE)
        assert 3 * one.macs == three.macs, for_author(name, "its MACs are not three times as many at batch 3", GUIDE)

"""Inputs as text and as callers in Python write them: the limits of sizes, and what is no input."""

from typing import Any

import pytest

from flopcalc import FlopcalcError
from flopcalc.networks.inputs import Input, as_inputs, parse_input


def test_the_limits_of_sizes() -> None:
    """A size is at most 10^9, and all together are less than 2^62, since torch counts elements in 63 bits."""
    assert parse_input("1000000000x1").shape == (10**9, 1)
    # 2^61.
    assert parse_input("536870912x536870912x8").shape == (2**29, 2**29, 8)
    for text, why in (
        ("1000000001", "each size is from 1 to 10^9"),
        ("3x0", "each size is from 1 to 10^9"),
        ("536870912x536870912x16", "its sizes multiply to more than 10^18"),
    ):
        with pytest.raises(FlopcalcError) as caught:
            parse_input(text)
        assert (caught.value.code, why in caught.value.message) == ("bad-dimension", True)


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        (None, ()),
        (7, (Input((7,)),)),
        ((3, 4), (Input((3, 4)),)),
        ((), (Input(()),)),
        ("77:int64", (Input((77,), "int64"),)),
        (Input((3, 4), "int64", "x"), (Input((3, 4), "int64", "x"),)),
        ([Input((3, 4)), "x=7", (5, 6)], (Input((3, 4)), Input((7,), None, "x"), Input((5, 6)))),
    ],
)
def test_inputs_in_python(given: Any, inputs: tuple[Input, ...]) -> None:
    """One, or a list of several."""
    assert as_inputs(given) == inputs


@pytest.mark.parametrize("given", [(3, "4"), ["4", 3], ["3x4", None], [None], b"34", 1.5])
def test_what_is_no_input(given: Any) -> None:
    """A mixture of sizes and inputs, and nothing among inputs."""
    with pytest.raises(FlopcalcError, match=r"the input is .*, not a shape, a text, or a list of these"):
        as_inputs(given)

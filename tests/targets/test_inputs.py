"""Inputs of Python models as text."""

import pytest

from flopcalc import FlopcalcError
from flopcalc.networks.inputs import parse_input


@pytest.mark.parametrize(
    "text", ["", "3x", "0x3", "3x224x224:complex", "3x4:", "x", "a b=3", "-3", "999999999x999999999x999999999"]
)
def test_bad_inputs(text: str) -> None:
    """Refused with the value and an example."""
    with pytest.raises(FlopcalcError) as caught:
        parse_input(text)
    assert caught.value.code == "bad-dimension"

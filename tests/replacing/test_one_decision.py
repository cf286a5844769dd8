"""`list --matching` and `model --replace` give each operator the same answer for the same convolution."""

from typing import Any

import pytest

from flopcalc import FlopcalcError, layer
from flopcalc.catalog import lookup
from flopcalc.cost.geometry import Geometry, geometry
from flopcalc.networks.description import read_description
from flopcalc.networks.network import Network
from flopcalc.replacing.decide import applied_to_plain
from flopcalc.replacing.described import replace_convolutions
from flopcalc.spec.operator import Evaluation, Operator
from flopcalc.text.yaml_file import read_text

SHAPES: list[dict[str, Any]] = [
    {"c_in": 64},
    {"c_in": 64, "c_out": 128, "stride": 2},
    {"c_in": 64, "k": 1},
    {"c_in": 32, "groups": 32},
    {"c_in": 32, "groups": 4},
    {"c_in": 12, "c_out": 18, "k": (1, 5)},
    {"c_in": 16, "dilation": 2},
    {"c_in": 16, "k": 4, "padding": 1},
    {"c_in": 16, "padding": 0},
]


def _network(g: Geometry) -> Network:
    """The convolution as the second of three."""
    middle = {
        "op": "conv",
        "out": g.c_out,
        "k": list(g.kernel),
        "stride": list(g.stride),
        "padding": list(g.padding),
        "dilation": list(g.dilation),
        "groups": g.groups,
    }
    lines = [f"input: [{g.c_in}, {g.h}, {g.w}]", "layers:", "  - first: {op: conv}", f"  - middle: {middle}"]
    text = "\n".join([*lines, "  - last: {op: conv, k: 1}"]).replace("'", "")
    return read_description(read_text(text, "test"), "test", {}, None, 1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)
def test_listing_and_replacement_agree(operator: Operator, shape: dict[str, Any]) -> None:
    """The evaluation, or the reason word for word."""
    g = geometry(**shape)
    done = replace_convolutions(_network(g), operator, {})
    found = applied_to_plain(operator, g)
    if isinstance(found, Evaluation):
        (new,) = (one for one in done.network.layers if one.name == "middle")
        assert new.evaluation is not None
        assert "middle" in done.replaced
        assert (new.evaluation.operator.name, new.cost) == (operator.name, found.cost)
    else:
        assert dict(done.skipped)["middle"] == found


def test_a_convolution_does_not_replace_itself() -> None:
    """Nor does another operator that is the same convolution there."""
    assert applied_to_plain(lookup.get("conv"), geometry(64)) == "it is this convolution already"
    assert applied_to_plain(lookup.get("group"), geometry(64, groups=4)) == "it is this convolution already"


def test_the_reason_is_a_field_of_the_error() -> None:
    """The message names the operator, the reason does not."""
    with pytest.raises(FlopcalcError) as caught:
        layer("sic", 8, 9)
    error = caught.value
    assert (error.code, error.reason) == ("cannot-stand", "c_in = 8 and c_out = 9 differ")
    assert error.message == "sic does not apply here: c_in = 8 and c_out = 9 differ"
    assert applied_to_plain(lookup.get("sic"), geometry(8, 9)) == error.reason

"""Layers whose inputs or settings do not fit: one line, which names the shapes."""

import re

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network
from flopcalc.networks.network import Network

HEAD = """\
input: [8, 6, 9]
layers:
  - low: {op: maxpool, k: [2, 1], from: input}
  - narrow: {op: maxpool, k: [1, 3], from: input}
  - line: {op: maxpool, k: [6, 1], from: input}
  - column: {op: maxpool, k: [1, 9], from: input}
  - nine: {op: conv, out: 9, from: input}
  - more: {op: conv, out: 12, k: 3, from: input}
  - row: {op: to_tokens, from: input}
  - mean: {op: global_avgpool, from: input}
  - fewer: {op: chunk, of: 2, from: mean}
  - flat: {op: flatten, from: mean}
"""


def _network(write_network: WriteNetwork, entry: str) -> Network:
    return network(write_network(f"{HEAD}  - layer: {entry}\n"))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{op: relu, from: [low, low]}", "it takes one input, not 2"),
        ("{op: add, from: low}", "it needs two inputs"),
        ("{op: add, from: [low, low, narrow]}", "its inputs differ in shape: 8x3x9 and 8x6x3"),
        ("{op: concat, from: low}", "it needs two inputs"),
        ("{op: concat, from: [input, more, low]}", "its inputs differ in size: 8x6x9 and 8x3x9"),
        ("{op: mul, from: [input, more]}", "its inputs differ in shape: 8x6x9 and 12x6x9"),
        ("{op: mul, from: [input, low]}", "its inputs differ in shape: 8x6x9 and 8x3x9"),
        ("{op: mul, from: [input, fewer]}", "its inputs differ in shape: 8x6x9 and 4x1x1"),
        ("{op: mul, from: [input, line]}", "its inputs differ in shape: 8x6x9 and 8x1x9"),
        ("{op: mul, from: [input, column]}", "its inputs differ in shape: 8x6x9 and 8x6x1"),
        ("{op: mul, from: input}", "it takes two inputs, from: [one, other], not 1"),
        # A cut takes rows and columns away, of a map only.
        ("{op: crop, from: [low, input]}", "8x3x9 cannot be cut to the size of 8x6x9"),
        ("{op: crop, from: [narrow, input]}", "8x6x3 cannot be cut to the size of 8x6x9"),
        ("{op: crop, from: [input, flat]}", "8x6x9 cannot be cut to the size of 8"),
        ("{op: crop, from: [flat, input]}", "8 cannot be cut to the size of 8x6x9"),
        ("{op: batchnorm, per_map: 3, from: input}", "its 8 channels do not divide by per_map = 3"),
        ("{op: batchnorm, frozen: 1, from: input}", "frozen is 1, not true or false"),
        ("{op: prelu, shared: 0, from: input}", "shared is 0, not true or false"),
        ("{op: chunk, of: 3, from: input}", "part 0 of 3 equal parts of 8 channels does not exist"),
        ("{op: chunk, of: true, from: input}", "of is True, not a whole number, 1 or more"),
        ("{op: pixel_shuffle, scale: 3, from: more}", "its 12 channels are not groups of scale^2 = 9"),
        ("{op: take_token, index: 0, from: input}", "there is no token 0 in 6x9 positions"),
        ("{op: take_token, index: 54, from: row}", "there is no token 54 in 1x54 positions"),
        ("{op: matmul, from: [flat, row]}", "its inputs are not tokens of equal channels: 8 and 8x1x54"),
        ("{op: matmul, from: [row, flat]}", "its inputs are not tokens of equal channels: 8x1x54 and 8"),
        ("{op: dot_product_attention, from: [flat, row]}", "its queries are 8, without positions"),
        ("{op: dot_product_attention, from: [row, flat]}", "its keys are 8, without positions"),
        ("{op: dot_product_attention, from: [row, row, flat]}", "its values are 8, without positions"),
    ],
)
def test_what_does_not_fit(write_network: WriteNetwork, entry: str, message: str) -> None:
    """The line of the layer, and what is wrong."""
    with pytest.raises(FlopcalcError, match=re.escape(message)) as caught:
        _network(write_network, entry)
    assert "line 13: layer layer" in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("entry", "shape"),
    [
        ("{op: take_token, index: 53, from: row}", (8,)),
        ("{op: chunk, of: 8, part: 7, from: input}", (1, 6, 9)),
        ("{op: crop, from: [input, low]}", (8, 3, 9)),
        ("{op: crop, from: [input, more]}", (8, 6, 9)),
        ("{op: pixel_shuffle, scale: 3, from: nine}", (1, 18, 27)),
        ("{op: mul, from: [mean, mean]}", (8, 1, 1)),
        ("{op: dot_product_attention, from: [mean, mean]}", (8, 1, 1)),
        ("{op: matmul, from: [mean, mean]}", (1, 1, 1)),
    ],
)
def test_what_just_fits(write_network: WriteNetwork, entry: str, shape: tuple[int, ...]) -> None:
    """The last token and the last part, nothing to cut, one block, one position."""
    assert _network(write_network, entry).layers[-1].out_shape == shape

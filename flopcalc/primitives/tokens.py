"""Primitives of transformers: positions as a row of tokens, of shape channels x 1 x tokens."""

from collections.abc import Sequence
from math import prod

from flopcalc.cost.cost import Part
from flopcalc.primitives.record import Primitive
from flopcalc.primitives.shapes import Result, Shape, ShapeError, image, one, whole


def to_tokens(shapes: Sequence[Shape], n: int) -> Result:
    """The positions of a map in one row: a view."""
    c, h, w = image(shapes)
    return (c, 1, h * w), ()


def class_token(shapes: Sequence[Shape], n: int) -> Result:
    """One trained token in front of the others."""
    c, rows, tokens = image(shapes)
    if rows != 1:
        raise ShapeError(f"it needs a row of tokens, and its input is {rows}x{tokens}; put a to_tokens before it")
    out = (c, 1, tokens + 1)
    # The token is held once and expanded to the batch; the concatenation reads each element once.
    part = Part("concat", "move", params=c, reads=n * c * tokens + c, writes=n * prod(out))
    return out, (part,)


def position_embedding(shapes: Sequence[Shape], n: int) -> Result:
    """A trained number for every channel and position, added."""
    shape = one(shapes)
    size = prod(shape)
    return shape, (Part("add", "add", params=size, adds=n * size, reads=n * size + size, writes=n * size),)


def take_token(shapes: Sequence[Shape], n: int, index: int = 0) -> Result:
    """One token of a row: a view."""
    c, h, w = image(shapes)
    if h != 1 or whole("index", index, 0) >= w:
        raise ShapeError(f"there is no token {index} in {h}x{w} positions")
    return (c,), ()


_PLACE = "flopcalc.pytorch.layers._primitives"

TOKENS = (
    Primitive("to_tokens", "positions as a row of tokens, `c x 1 x tokens`; a view", to_tokens, f"{_PLACE}.ToTokens"),
    Primitive(
        "class_token",
        "one trained token in front of the others",
        class_token,
        f"{_PLACE}.ClassToken",
        lambda shapes, settings: {"channels": shapes[0][0]},
        has_tensors=True,
    ),
    Primitive(
        "position_embedding",
        "adds a trained number for every channel and position; its parameters grow with the input",
        position_embedding,
        f"{_PLACE}.PositionEmbedding",
        lambda shapes, settings: {"shape": shapes[0]},
        has_tensors=True,
    ),
    Primitive("take_token", "token `index` of a row; a view", take_token, f"{_PLACE}.TakeToken"),
)

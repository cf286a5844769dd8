"""Primitives of gated attention: products of two rows of tokens, and what stands around them."""

from collections.abc import Sequence
from math import prod

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.cost.parts import GIVEN
from flopcalc.primitives.record import Primitive, Settings
from flopcalc.primitives.shapes import Result, Shape, ShapeError, flag, one, text, two


def transpose(shapes: Sequence[Shape], n: int) -> Result:
    """Channels and positions exchanged: a view."""
    shape = one(shapes)
    return (prod(shape[1:]), 1, shape[0]), ()


def matmul(shapes: Sequence[Shape], n: int, scaled: bool = False) -> Result:
    """The products of the tokens of two inputs: for each token of the first, a number for each token of the second.

    scaled: each number is divided by the root of the number of channels.
    """
    first, second = two(shapes, "from: [one, other]")
    (c, *positions), (channels, *others) = first, second
    if not positions or not others or c != channels:
        raise ShapeError(f"its inputs are not tokens of equal channels: {text(first)} and {text(second)}")
    columns, rows = prod(positions), prod(others)
    product = parts.matmul("product", rows, c, columns, batch=n, after=("input0", "input1"))
    kernels = [parts.called("torch.bmm", product)]
    if flag("scaled", scaled):
        size = n * rows * columns
        kernels.append(Part("scale", "mul", muls=size, reads=size, writes=size))
    return (rows, *positions), tuple(kernels)


def shift(shapes: Sequence[Shape], n: int) -> Result:
    """A trained number added to each channel."""
    shape = one(shapes)
    size = n * prod(shape)
    return shape, (Part("shift", "add", params=shape[0], adds=size, reads=size + shape[0], writes=size),)


def scalenorm(shapes: Sequence[Shape], n: int) -> Result:
    """The channels of each position over the root of their mean square, times one trained number.

    The norm of each position, its factor, the division and the product are kernels of their own.
    """
    shape = one(shapes)
    c, p = shape[0], n * prod(shape[1:])
    size = c * p
    kernels = (
        Part("norm", "other", adds=size, muls=size, other=p, reads=size, writes=p, call="vector_norm"),
        Part("factor", "mul", muls=p, reads=p, writes=p),
        Part("divide", "other", other=size, reads=size + p, writes=size, after=(GIVEN, "factor"), call="/"),
        Part("scale", "mul", params=1, muls=size, reads=size + 1, writes=size),
    )
    return shape, kernels


def _channels(shapes: Sequence[Shape], settings: Settings) -> Settings:
    return {"shape": shapes[0]}


_PLACE = "flopcalc.pytorch.layers._token_products"

TOKEN_PRODUCTS = (
    Primitive(
        "transpose", "channels and positions exchanged, `positions x 1 x c`; a view", transpose, f"{_PLACE}.Transpose"
    ),
    Primitive(
        "matmul",
        "the product of two rows of tokens: for each token of the first input, a number for each token of the second; "
        "`scaled: true`: divided by the root of the number of channels",
        matmul,
        f"{_PLACE}.TokenProduct",
    ),
    Primitive(
        "channel_bias", "adds a trained number to each channel", shift, f"{_PLACE}.Shift", _channels, has_tensors=True
    ),
    Primitive(
        "scalenorm",
        "the channels of each position over the root of their mean square, times one trained number",
        scalenorm,
        f"{_PLACE}.ScaleNorm",
        lambda shapes, settings: {},
        has_tensors=True,
    ),
)

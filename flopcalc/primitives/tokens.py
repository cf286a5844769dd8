"""Primitives of transformers: positions as a row of tokens, of shape channels x 1 x tokens."""

from collections.abc import Sequence
from math import prod
from typing import Any

from flopcalc.cost import parts
from flopcalc.cost.cost import Part
from flopcalc.primitives.record import Primitive, Settings
from flopcalc.primitives.shapes import Result, Shape, ShapeError, image, one, text, whole


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


def dot_product_attention(shapes: Sequence[Shape], n: int, heads: int = 1, kv_heads: Any = None) -> Result:
    """softmax(q k^T / sqrt(d)) v of each head; a group of heads may share keys and values.

    The keys and the values are arranged by head, and repeated where heads share them.
    """
    if len(shapes) not in (2, 3):
        raise ShapeError(f"it takes queries, keys and values (or keys that are both), not {len(shapes)} inputs")
    query, key, value = shapes[0], shapes[1], shapes[-1]
    count = whole("heads", heads)
    shared = count if kv_heads is None else whole("kv_heads", kv_heads)
    queries, keys = _positions(query, "queries"), _positions(key, "keys")
    if _positions(value, "values") != keys:
        raise ShapeError(f"its keys and values differ in positions: {text(key)} and {text(value)}")
    if count % shared:
        raise ShapeError(f"kv_heads = {shared} does not divide heads = {count}")
    for name, shape, parts_of in (("queries", query, count), ("keys", key, shared), ("values", value, shared)):
        if shape[0] % parts_of:
            raise ShapeError(f"the {shape[0]} channels of its {name} do not divide by {parts_of} heads")
    width, deep = query[0] // count, value[0] // shared
    if key[0] // shared != width:
        raise ShapeError(f"heads of its queries have {width} channels, those of its keys {key[0] // shared}")
    q, scores, last = n * query[0] * queries, n * count * queries * keys, f"input{len(shapes) - 1}"
    out = (count * deep, *query[1:])
    return out, (
        Part("scale", "mul", muls=q, reads=q, writes=q, after=("input0",)),
        _by_head("keys", n * key[0] * keys, n * count * width * keys, "input1"),
        _by_head("values", n * value[0] * keys, n * count * deep * keys, last),
        parts.called("torch.bmm", parts.matmul("scores", queries, width, keys, n * count, after=("scale", "keys"))),
        parts.softmax("softmax", scores),
        parts.called("torch.bmm", parts.matmul("mix", deep, keys, queries, n * count, after=("softmax", "values"))),
    )


def _by_head(name: str, reads: int, writes: int, source: str) -> Part:
    return Part(name, "move", reads=reads, writes=writes, after=(source,), call="expand")


def _positions(shape: Shape, name: str) -> int:
    _, *sizes = shape
    if not sizes:
        raise ShapeError(f"its {name} are {text(shape)}, without positions")
    return prod(sizes)


def _of_attention(shapes: Sequence[Shape], settings: Settings) -> Settings:
    heads = settings["heads"]
    return {"heads": heads, "kv_heads": heads if settings["kv_heads"] is None else settings["kv_heads"]}


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
    Primitive(
        "dot_product_attention",
        "softmax(q k^T / sqrt(d)) v for each of `heads` heads; three inputs, queries, keys and values, from any layers "
        "(cross-attention), or two, where the keys are also the values; `kv_heads`: this number of heads of keys and "
        "values, shared by groups of heads; without weights, which are layers of their own",
        dot_product_attention,
        f"{_PLACE}.DotProductAttention",
        _of_attention,
    ),
)

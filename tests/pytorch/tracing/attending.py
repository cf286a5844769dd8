"""Arguments at random of torch's functions for attention."""

from collections.abc import Callable
from typing import Any

import torch

from .drawing import Draw


def dot_products(draw: Draw) -> list[Any]:
    """Queries, keys and values; the plain ones of four axes, with or without a scale."""
    batch = (draw.size(3), draw.size(3)) if draw.plain or draw.chance(0.8) else draw.shape(0, 3)
    rows, columns, width, out = (draw.size() for _ in range(4))
    given = [draw.tensor((*batch, *tail)) for tail in ((rows, width), (columns, width), (columns, out))]
    if draw.plain:
        return [*given, {"scale": draw.one((None, 0.5, 1.0, 0.0, -0.3))}] if draw.chance(0.5) else given
    mask = draw.one((None, None, None, draw.tensor((rows, columns)), draw.tensor((rows, columns), torch.bool)))
    scale = draw.one((None, None, 0.5, 1.0, 0.0, -0.3))
    return [*given, mask, draw.one((0.0, 0.0, 0.3)), draw.chance(0.2), scale, draw.chance(0.1)][: draw.number(3, 8)]


def of_heads(draw: Draw, unusual: str = "") -> list[Any]:
    """A sequence that attends to itself, with two or more channels in each head; or one thing is unusual."""
    heads = draw.number(1, 3)
    width = heads * draw.number(2 if draw.plain else 1, 3)
    length, batch = draw.one(((2, 1), (1, 2), (3, 2), (2, 2), (4, 3)))
    if not draw.plain and draw.chance(0.8):
        unusual = draw.one(UNUSUAL)
    if unusual in ROWS:
        length, batch = draw.one(ROWS[unusual])
    query = draw.tensor((length, width) if unusual == "no batch" else (length, batch, width))
    into, bias = draw.tensor((3 * width, width)), draw.maybe(draw.tensor((3 * width,)))
    out = draw.one((width, width + 2, 1)) if unusual == "projection" else width
    back, after = draw.tensor((out, width)), draw.maybe(draw.tensor((out,)))
    dropout, training = draw.one(((0.0, False), (0.0, True), (0.1, False)))
    named: dict[str, Any] = {"need_weights": False}
    if unusual:
        named |= _more(draw, unusual, heads, query)
    keys, values = (named.pop(name, query) for name in ("key", "value"))
    ends = [named.pop(name, None) for name in ("bias_k", "bias_v")]
    weight = None if "q_proj_weight" in named and draw.chance(0.7) else into
    dropout, training = named.pop("dropout", (dropout, training))
    zero = named.pop("zero", False)
    return [query, keys, values, width, heads, weight, bias, *ends, zero, dropout, back, after, training, named]


# Sizes for which torch needs no copy.
ROWS = {"one row": ((1, 1),), "no row": ((0, 2), (2, 0))}
UNUSUAL = (
    *(
        "one row",
        "no row",
        "no batch",
        "keys",
        "values",
        "both",
        "biases",
        "one bias",
        "zero",
        "dropout",
        "padding",
        "weights",
    ),
    *("mask", "causal", "static", "static values", "separate", "projection"),
)


def _more(draw: Draw, unusual: str, heads: int, query: Any) -> dict[str, Any]:
    """The arguments that make the call unusual."""
    length, batch, width = (query.shape[0], 1, query.shape[1]) if query.dim() == 2 else query.shape
    like, flags = query.shape, (False, True)
    channels = width // heads
    longer = draw.tensor((length + 1, *like[1:]))
    choices: dict[str, Callable[[], dict[str, Any]]] = {
        "keys": lambda: {"key": draw.tensor(like)},
        "values": lambda: {"value": draw.tensor(like)},
        "both": lambda: dict.fromkeys(("key", "value"), draw.one((draw.tensor(like), longer))),
        "biases": lambda: dict.fromkeys(("bias_k", "bias_v"), draw.tensor((1, 1, width))),
        "one bias": lambda: {draw.one(("bias_k", "bias_v")): draw.tensor((1, 1, width))},
        "zero": lambda: {"zero": True},
        "dropout": lambda: {"dropout": (0.1, True)},
        "padding": lambda: {"key_padding_mask": draw.tensor((batch, length), draw.one((torch.bool, None)))},
        "weights": lambda: {"need_weights": True, "average_attn_weights": draw.one(flags)},
        "mask": lambda: {
            "attn_mask": draw.tensor(
                draw.one(((length, length), (batch * heads, length, length))), draw.one((torch.bool, None))
            ),
            "need_weights": draw.one(flags),
        },
        "causal": lambda: {"is_causal": True, "attn_mask": draw.maybe(draw.tensor((length, length), torch.bool))},
        "static": lambda: {
            f"static_{one}": draw.tensor((batch * heads, length, channels)) for one in draw.one(("k", "kv"))
        },
        "static values": lambda: {"static_v": draw.tensor((batch * heads, length, channels))},
        "separate": lambda: {
            "use_separate_proj_weight": True,
            **{f"{one}_proj_weight": draw.tensor((width, width)) for one in "qkv"},
        },
    }
    return choices[unusual]() if unusual in choices else {}

"""The changes of a layer, in words."""

from typing import Any


def what_changed(row: dict[str, Any]) -> str:
    """The changes in words: `conv -> spconv`, `out 64x56x56 -> 128x56x56`, `added: conv, out 64x56x56`."""
    before, after = row["a"], row["b"]
    if row["status"] in ("added", "removed"):
        layer = after or before
        return f"{row['status']}: {layer['type']}, out {sizes(layer['out'])}"
    pieces = [f"was {row['was']}"] if row["was"] else []
    for key in row["changes"]:
        if key == "type":
            pieces.append(f"{before[key]} -> {after[key]}")
        elif key in ("in", "out"):
            pieces.append(f"{key} {sizes(before[key])} -> {sizes(after[key])}")
    if pieces:
        return "; ".join(pieces)
    kinds = [key for key in row["changes"] if key not in ("flops", "cost")]
    return f"{after['type']}: other {', '.join(kinds)}" if kinds else "equal"


def sizes(shape: list[int]) -> str:
    """64x56x56; ? without a shape."""
    return "x".join(map(str, shape)) or "?"

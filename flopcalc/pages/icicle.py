"""The tree of modules as a picture: each box is as high as its share of the cost, and has its parts to the right."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flopcalc.pages.page import Box, Icicle, Legend
from flopcalc.report.document import people
from flopcalc.targets.model_record import tree_rows

# Types of layers with a color of their own; the others share one.
COLORS = 6
OTHERS = COLORS + 1
# Pixels: of the picture, of one leaf, and of a line of text.
_LEAST, _MOST, _LEAF, _LINE = 220, 920, 18, 12
# Deeper than any model.
_DEPTH = 1_000


def icicle(name: str, layers: Sequence[dict[str, Any]], modules: Sequence[dict[str, Any]], what: str) -> Icicle | None:
    """The picture of the cost of the layers; None where nothing costs anything. what: the unit of the cost."""
    total = sum(layer["cost"] for layer in layers)
    if not total:
        return None
    rows = [row for row in tree_rows(layers, _DEPTH, modules) if row["cost"]]
    is_leaf = [here["level"] >= after["level"] for here, after in zip(rows, [*rows[1:], {"level": 0}], strict=True)]
    leaves = [row for row, leaf in zip(rows, is_leaf, strict=True) if leaf]
    colors, legend = _colors(leaves, total)
    columns = 1 + max(row["level"] for row in rows)
    height = min(_MOST, max(_LEAST, _LEAF * len(leaves)))
    boxes = [
        Box(name, 0, 0, 0, 100 / columns, 100, 0, _text(name, total), f"{name}: {people(total)} {what}", shown=True)
    ]
    for row, leaf, top in zip(rows, is_leaf, _tops(rows), strict=True):
        share = 100 * row["cost"] / total
        width = columns - row["level"] if leaf else 1
        boxes.append(
            Box(
                name=row["name"],
                level=row["level"],
                left=100 * row["level"] / columns,
                top=100 * top / total,
                width=100 * width / columns,
                height=share,
                color=colors[row["type"]] if leaf else 0,
                text=_text(row["short"], row["cost"], row["type"] if leaf else ""),
                title=_title(row, share, what),
                shown=share * height >= 100 * _LINE,
            )
        )
    return Icicle(boxes, legend, height, columns, what)


def _tops(rows: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    """The cost of all that is drawn above each row. Rows are in the order of the tree."""
    ends: dict[int, int] = {}
    above = 0
    for row in rows:
        # The parts of a module begin where it begins; after the last one the next module begins.
        level = row["level"]
        above = ends.get(level, above)
        yield above
        ends = {deeper: end for deeper, end in ends.items() if deeper < level} | {level: above + row["cost"]}


def _colors(leaves: Sequence[Mapping[str, Any]], total: int) -> tuple[dict[str, int], list[Legend]]:
    """The color of each type: the most expensive types have their own."""
    costs: Counter[str] = Counter()
    for row in leaves:
        costs[row["type"]] += row["cost"]
    ranked = [kind for kind, _ in costs.most_common()]
    few = ranked[: COLORS if len(ranked) != OTHERS else OTHERS]
    colors = {kind: few.index(kind) + 1 if kind in few else OTHERS for kind in ranked}
    legend = [Legend(colors[kind], f"{kind} {costs[kind] / total:.1%}") for kind in few]
    rest = sum(costs[kind] for kind in ranked if kind not in few)
    return colors, [*legend, Legend(OTHERS, f"other types {rest / total:.1%}")] if rest else legend


def _text(name: str, cost: int, kind: str = "") -> str:
    return f"{name}  {kind}  {people(cost, 'short')}" if kind and kind != name else f"{name}  {people(cost, 'short')}"


def _title(row: Mapping[str, Any], share: float, what: str) -> str:
    # The parts of an operator have no type but their name.
    kind = f"{row['type']}, " if row["type"] not in (None, row["short"]) else ""
    out = f", output {'x'.join(map(str, row['out']))}" if row["out"] else ""
    return f"{row['name']}: {kind}{people(row['cost'])} {what}, {share:.1f}%, {people(row['params'])} parameters{out}"

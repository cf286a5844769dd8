"""A block diagram of an operator as SVG: its parts, and which part waits for which.

The parts of a record say what each of them must wait for (`after`). Arrows that follow from other arrows are left out,
and each part is drawn one row below the last part that it waits for. Colours come from the style sheet of the site, so
that the diagram is legible on light and dark pages.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from flopcalc.cost.cost import PREVIOUS, Cost, Part
from flopcalc.report.document import people

# Keys of the two ends; a part may be named `input`.
SOURCE, SINK = "<input>", "<output>"

_WORK = {
    "conv": "convolution",
    "linear": "linear layer",
    "matmul": "matrix product",
    "distance": "L1 distances",
    "norm": "batch norm",
    "layernorm": "norm",
    "act": "activation",
    "softmax": "softmax",
    "add": "addition",
    "mul": "multiplication",
    "maxpool": "max pooling",
    "avgpool": "average pooling",
    "gap": "global average",
    "move": "copy",
    "mixed": "several kernels",
    "other": "element-wise",
}
# Sizes in pixels: of a letter, of the padding in a box, of the boxes and the space between them.
_LETTER, _PAD, _GAP_X, _GAP_Y = 6.9, 14, 22, 22
_TALL, _MIDDLE, _LOW, _LEAST = 62, 46, 34, 116
_PASSES = 20


class Node(NamedTuple):
    """A box: a part, the input, or the output. texts: lines below the name. waits: names of what it waits for."""

    name: str
    texts: tuple[str, ...]
    waits: tuple[str, ...]
    share: float
    is_work: bool


def nodes_of(cost: Cost) -> list[Node]:
    """The boxes of a diagram, in order of execution: the input, each part, the output."""
    total = cost.macs
    found = [Node(SOURCE, (), (), 0, False)]
    previous: tuple[str, ...] = (SOURCE,)
    known = {SOURCE}
    for part in cost:
        names = previous if part.after is PREVIOUS else part.after
        if names == ("nothing",):
            waits: tuple[str, ...] = ()
        else:
            waits = tuple(dict.fromkeys(SOURCE if _is_an_input(name) else name for name in names))
            waits = tuple(name for name in waits if name in known) or (SOURCE,)
        share = part.macs / total if total else 0
        found.append(Node(part.name, _texts_of(part), waits, share, True))
        known.add(part.name)
        previous = (part.name,)
    waited = {name for node in found for name in node.waits}
    last = tuple(node.name for node in found if node.name not in waited)
    found.append(Node(SINK, (), last or (SOURCE,), 0, False))
    return [node._replace(waits=_direct(node, found)) for node in found]


def _is_an_input(name: str) -> bool:
    """Whether a name in `after` is one of the layer's inputs: input0, input1, ..."""
    return name.startswith("input") and name[5:].isdigit()


def _texts_of(part: Part) -> tuple[str, ...]:
    work = _WORK[part.work] + (f", {part.steps:,} in turn" if part.steps > 1 else "")
    sizes = [(part.macs, "MACs"), (part.params, "params")]
    numbers = ", ".join(f"{people(size, 'short')} {unit if size > 1 else unit[:-1]}" for size, unit in sizes if size)
    return (work, numbers) if numbers else (work,)


def _direct(node: Node, nodes: Sequence[Node]) -> tuple[str, ...]:
    """What a box waits for, without what these boxes wait for themselves."""
    by_name = {one.name: one for one in nodes}

    def before(name: str) -> set[str]:
        found: set[str] = set()
        waiting = list(by_name[name].waits)
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += by_name[one].waits
        return found

    implied = {earlier for name in node.waits for earlier in before(name)}
    return tuple(name for name in dict.fromkeys(node.waits) if name not in implied)


def rows_of(nodes: Sequence[Node]) -> dict[str, int]:
    """The row of each box, from 0: below all boxes that it waits for, and no earlier than it must be for others."""
    rows: dict[str, int] = {}
    for node in nodes:
        rows[node.name] = 1 + max((rows[name] for name in node.waits), default=0 if node.is_work else -1)
    # Work on weights alone, which waits for nothing, directly above what needs it.
    for node in reversed(nodes):
        users = [rows[other.name] for other in nodes if node.name in other.waits]
        if users and _is_on_weights(node, nodes):
            rows[node.name] = max(rows[node.name], min(users) - 1)
    return rows


def _is_on_weights(node: Node, nodes: Sequence[Node]) -> bool:
    by_name = {one.name: one for one in nodes}
    return node.is_work and all(_is_on_weights(by_name[name], nodes) for name in node.waits)


class _Spot(NamedTuple):
    """A box, or the place where a long arrow passes a row. key: the box, or the arrow and the row."""

    key: str
    width: float


def svg(cost: Cost, title: str) -> str:
    """The diagram as an SVG element. title: what it shows, for readers who do not see it."""
    nodes = nodes_of(cost)
    rows = rows_of(nodes)
    sizes = {node.name: _size(node) for node in nodes}
    lines, arrows = _spots(nodes, rows, sizes)
    xs = _across(lines, arrows)
    left = min(xs[spot.key] - spot.width / 2 for line in lines for spot in line)
    right = max(xs[spot.key] + spot.width / 2 for line in lines for spot in line)
    heights = [max((sizes[n.name][1] for n in nodes if rows[n.name] == row), default=_LOW) for row in range(len(lines))]
    tops = [sum(heights[:row]) + row * _GAP_Y for row in range(len(lines))]
    centres = {name: (xs[name] - left, tops[row] + heights[row] / 2) for name, row in rows.items()}
    ids = {id(spot): row for row, line in enumerate(lines) for spot in line}
    places = {
        spot.key: (xs[spot.key] - left, tops[ids[id(spot)]] + heights[ids[id(spot)]] / 2)
        for line in lines
        for spot in line
    }
    width, height = right - left + 4, tops[-1] + heights[-1] + 4
    body = [_arrow([places[key] for key in path], sizes[path[0]][1], sizes[path[-1]][1]) for path in arrows]
    body += [_box(node, *centres[node.name], *sizes[node.name]) for node in nodes]
    label = f'role="img" aria-label={quoteattr(title)}'
    size = f'viewBox="-2 -2 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    marker = '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    tip = f'<defs>{marker}<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>'
    return f'<svg class="diagram" xmlns="http://www.w3.org/2000/svg" {label} {size}>{tip}{"".join(body)}</svg>'


def _size(node: Node) -> tuple[float, float]:
    letters = max(len(node.name) + 1, *(len(text) * 0.86 for text in ("", *node.texts)))
    width = max(_LEAST, letters * _LETTER + 2 * _PAD) if node.is_work else _LEAST
    return width, (_LOW, _MIDDLE, _TALL)[len(node.texts)]


def _spots(
    nodes: Sequence[Node], rows: dict[str, int], sizes: dict[str, tuple[float, float]]
) -> tuple[list[list[_Spot]], list[list[str]]]:
    """The spots of each row, and each arrow as the keys of the spots that it passes."""
    lines: list[list[_Spot]] = [[] for _ in range(max(rows.values()) + 1)]
    for node in nodes:
        lines[rows[node.name]].append(_Spot(node.name, sizes[node.name][0]))
    arrows = []
    for node in nodes:
        for name in node.waits:
            path = [name]
            for row in range(rows[name] + 1, rows[node.name]):
                key = f"{name}>{node.name}@{row}"
                lines[row].append(_Spot(key, 10))
                path.append(key)
            arrows.append([*path, node.name])
    return lines, arrows


def _across(lines: list[list[_Spot]], arrows: Sequence[Sequence[str]]) -> dict[str, float]:
    """The centre of each spot: near those that it has arrows to, and apart from those in its row.

    Sorts `lines` from left to right.
    """
    above: dict[str, list[str]] = {spot.key: [] for line in lines for spot in line}
    below: dict[str, list[str]] = {spot.key: [] for line in lines for spot in line}
    for path in arrows:
        for one, other in pairwise(path):
            below[one].append(other)
            above[other].append(one)
    xs: dict[str, float] = {}
    for line in lines:
        _place(line, {spot.key: index * 1000.0 for index, spot in enumerate(line)}, xs)
    # Up and down in turn; the last pass goes down, so that a chain hangs straight below its first box.
    for sweep in range(_PASSES):
        is_down = sweep % 2 == _PASSES % 2 ^ 1
        for line in lines if is_down else reversed(lines):
            wanted = {}
            for spot in line:
                near = [xs[key] for key in (above if is_down else below)[spot.key]]
                wanted[spot.key] = sum(near) / len(near) if near else xs[spot.key]
            if sweep < _PASSES - 6:
                line.sort(key=lambda spot: wanted[spot.key])
            _place(line, wanted, xs)
    return xs


def _place(line: Sequence[_Spot], wanted: dict[str, float], xs: dict[str, float]) -> None:
    """Put the spots of a row where they are wanted, in their order, without overlap: neighbours that collide become
    one group around the mean of what they want.
    """
    groups: list[tuple[list[_Spot], float]] = []
    for spot in line:
        group, centre = [spot], wanted[spot.key]
        while groups and groups[-1][1] + (_extent(groups[-1][0]) + _extent(group)) / 2 + _GAP_X > centre:
            before, middle = groups.pop()
            many = len(before) + len(group)
            centre = (middle * len(before) + centre * len(group)) / many
            group = [*before, *group]
        groups.append((group, centre))
    for group, centre in groups:
        left = centre - _extent(group) / 2
        for spot in group:
            xs[spot.key] = left + spot.width / 2
            left += spot.width + _GAP_X


def _extent(group: Sequence[_Spot]) -> float:
    return sum(spot.width for spot in group) + _GAP_X * (len(group) - 1)


def _arrow(points: Sequence[tuple[float, float]], above: float, below: float) -> str:
    (x, y), *rest = points
    pieces = [f"M{x:.1f} {y + above / 2:.1f}"]
    y += above / 2
    for index, (to_x, centre) in enumerate(rest):
        to_y = centre - below / 2 - 2 if index == len(rest) - 1 else centre
        middle = (y + to_y) / 2
        pieces.append(f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return f'<path class="arrow" d="{"".join(pieces)}" marker-end="url(#tip)"/>'


def _box(node: Node, x: float, y: float, width: float, height: float) -> str:
    left, top = x - width / 2, y - height / 2
    corner = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
    if not node.is_work:
        words = f'<text class="end" x="{x:.1f}" y="{y + 4:.1f}">{node.name.strip("<>")}</text>'
        return f'<rect class="end" {corner} rx="{height / 2:.0f}"/>{words}'
    kind = "box" if node.waits else "box weights"
    bar = ""
    if node.share:
        place = f'x="{left + 6:.1f}" y="{top + height - 7:.1f}"'
        bar = f'<rect class="share" {place} width="{node.share * (width - 12):.1f}" height="3"/>'
    texts = [f'<text class="name" x="{x:.1f}" y="{top + 18:.1f}">{escape(node.name)}</text>']
    for index, text in enumerate(node.texts):
        texts.append(f'<text class="text" x="{x:.1f}" y="{top + 33 + 14 * index:.1f}">{escape(text)}</text>')
    return f'<rect class="{kind}" {corner} rx="5"/>{bar}{"".join(texts)}'

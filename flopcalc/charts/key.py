"""The key of a picture, and the notes under it: drawn as marks below the plot, so that they fit any width."""

from collections.abc import Mapping, Sequence
from typing import Any

from flopcalc.charts.theme import LABEL, LINE_HEIGHT, MUTED, SMALL, text_layer, text_width
from flopcalc.charts.wrapping import wrapped

# Widths of the samples: a piece of a line, and a mark.
_LINE, _MARK = 22.0, 9.0
_GAP = 5.0
_BETWEEN = 14.0
_ROW = LABEL * 1.45
_NOTE_ROW = SMALL * 1.25
# Height of the axis below the plot: ticks, labels and a title.
_AXIS = 42.0


def pixels(field: str, channel: str) -> dict[str, Any]:
    """The encoding of a channel by pixels of the plot."""
    return {channel: {"field": field, "type": "quantitative", "scale": None, "axis": None}}


def key_layers(line: bool, scales: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The layers of a key. line: samples are pieces of lines. scales: color, and shape or strokeDash, by `series`."""
    layers: list[dict[str, Any]] = []
    if line:
        layers.append(
            {
                "data": {"name": "key"},
                "transform": [{"filter": "datum.shown && datum.line"}],
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {
                    **pixels("left", "x"),
                    "x2": {"field": "right"},
                    **pixels("py", "y"),
                    "color": scales["color"],
                    "strokeDash": scales["strokeDash"],
                },
            }
        )
    layers += [
        {
            "data": {"name": "key"},
            "transform": [{"filter": "datum.shown && !datum.bare"}],
            "mark": {
                "type": "point",
                "filled": True,
                "size": 44,
                "opacity": 1,
                **({} if "shape" in scales else {"shape": "square", "size": 90}),
            },
            "encoding": {
                **pixels("middle", "x"),
                **pixels("py", "y"),
                "color": scales["color"],
                **({"shape": scales["shape"]} if "shape" in scales else {}),
            },
        },
        text_layer("key", {**pixels("tx", "x"), **pixels("ty", "y")}, align="left"),
    ]
    return layers


def note_layer() -> dict[str, Any]:
    """The layer of the notes."""
    return {
        "data": {"name": "notes"},
        "mark": {"type": "text", "align": "left", "baseline": "middle", "fontSize": SMALL, "color": MUTED},
        "encoding": {**pixels("px", "x"), **pixels("py", "y"), "text": {"field": "text", "type": "nominal"}},
    }


def place_key(spec: dict[str, Any], layout: Mapping[str, Any], *, named: bool) -> None:
    """Set the rows of the data sets `key` and `notes`.

    layout["key"]: entries with series, name, and whether they are a line or bare text. layout["notes"]: sentences.
    layout["left"]: pixels between the left edge of the picture and the plot. named: the plot names the series itself.
    """
    left = -layout.get("left", 0.0)
    room = spec["width"] - left
    top = spec["height"] + layout.get("below", _AXIS)
    entries = [] if named else layout.get("key", [])
    rows, top = _key_rows(entries, left, room, top)
    if "key" in layout:
        spec["datasets"]["key"] = rows
    if "notes" in layout:
        lines = [line for note in layout["notes"] for line in wrapped(note, room, SMALL)]
        spec["datasets"]["notes"] = [
            {"px": round(left, 2), "py": round(top + place * _NOTE_ROW, 2), "text": line}
            for place, line in enumerate(lines)
        ]


def _key_rows(
    entries: Sequence[Mapping[str, Any]], left: float, room: float, top: float
) -> tuple[list[dict[str, Any]], float]:
    """The rows of the key, and the pixel at which the next line of text may be."""
    sample = _LINE if any(one.get("line") or one.get("bare") for one in entries) else _MARK
    head = sample + _GAP
    texts = [wrapped(one["name"], room - head) for one in entries]
    widths = [head + max(map(text_width, lines)) for lines in texts]
    columns = 1
    for count in range(len(entries), 1, -1):
        grid = [max(widths[column::count], default=0.0) for column in range(count)]
        if sum(grid) + _BETWEEN * (count - 1) <= room:
            columns = count
            break
    grid = [max(widths[column::columns], default=0.0) for column in range(columns)]
    rows: list[dict[str, Any]] = []
    for start in range(0, len(entries), columns):
        x = left
        tallest = max(len(lines) for lines in texts[start : start + columns])
        for column, place in enumerate(range(start, min(start + columns, len(entries)))):
            one, lines = entries[place], texts[place]
            rows.append(
                {
                    "series": one["series"],
                    "text": "\n".join(lines),
                    "line": one.get("line", False),
                    "bare": one.get("bare", False),
                    "left": round(x, 2),
                    "middle": round(x + sample / 2, 2),
                    "right": round(x + sample, 2),
                    "tx": round(x + head, 2),
                    "py": round(top, 2),
                    "ty": round(top, 2),
                    "shown": True,
                }
            )
            x += grid[column] + _BETWEEN
        top += _ROW + (tallest - 1) * LINE_HEIGHT
    return rows, top + (2.0 if entries else 0.0)

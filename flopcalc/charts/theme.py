"""The look of all pictures: sizes for paper, a font that every machine has, and marks that differ without colour too.

All lengths are CSS pixels, of which 96 are an inch: 7.5 points are 10 pixels, and a column of 84 mm has 317.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

PIXELS_PER_MM = 96 / 25.4
# Of a figure where no width is given: two columns of a paper, and the text of a page.
DEFAULT_MM = 170.0

# Widths of Liberation Sans, Arial and Helvetica are equal, so that text takes the same room with each of them.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
SMALL = 9.34
LABEL = 10.0
TITLE = 10.67
LINE_HEIGHT = 11.5

LINE = 1.5

INK = "#1a1a1a"
MUTED = "#595959"
GRID = "#e3e3e3"
PAPER = "#ffffff"

# The palette of Okabe and Ito, which readers with any common kind of colour blindness can tell apart, without its
# yellow, which is too light for lines on paper.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#000000", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-left", "triangle-right")
DASHES: tuple[tuple[int, ...], ...] = (
    (1, 0),
    (6, 2),
    (2, 2),
    (7, 2, 2, 2),
    (4, 4),
    (10, 3),
    (1, 3),
    (7, 2, 2, 2, 2, 2),
)
# More lines than this look too much alike.
MOST_SERIES = 24


# Hues of stages, each from dark to light, so that the order can also be read in grey.
FAMILIES = (("#08306b", "#c6dbef"), ("#7f2704", "#fdd0a2"), ("#00441b", "#c7e9c0"), ("#3f007d", "#dadaeb"))


class Look(NamedTuple):
    """How the marks of one series look. They differ in colour, in dashes and in shape."""

    colour: str
    dash: tuple[int, ...]
    shape: str


def look(index: int) -> Look:
    """The look of the series of that number, from 0; the first MOST_SERIES ones all differ."""
    turn, place = divmod(index, len(COLOURS))
    return Look(COLOURS[place], DASHES[(place + 3 * turn) % len(DASHES)], SHAPES[(place + 5 * turn) % len(SHAPES)])


def looks(names: Sequence[str]) -> Mapping[str, Look]:
    """The look of each series."""
    return {name: look(index) for index, name in enumerate(names)}


def series_scales(names: Sequence[str]) -> dict[str, Any]:
    """The encodings color, strokeDash and shape of the series of a picture, without a key."""
    found = looks(names)
    ranges: dict[str, list[Any]] = {
        "color": [found[name].colour for name in names],
        "strokeDash": [list(found[name].dash) for name in names],
        "shape": [found[name].shape for name in names],
    }
    return {channel: named_scale(list(names), values) for channel, values in ranges.items()}


def named_scale(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """The encoding of the field `series` by one value for each name, without a key."""
    scale = {"domain": list(names), "range": list(values)}
    return {"field": "series", "type": "nominal", "sort": None, "scale": scale, "legend": None}


def text_layer(
    data: str, at: Mapping[str, Any], *, background: bool = False, shown: bool = True, **mark: Any
) -> dict[str, Any]:
    """A layer with the texts of a data set. at: encodings of x and y. background: their outline in the colour of paper.

    shown: only rows that have a place.
    """
    outline = {"stroke": PAPER, "strokeWidth": 3, "strokeJoin": "round"} if background else {}
    return {
        "data": {"name": data},
        **({"transform": [{"filter": "datum.shown"}]} if shown else {}),
        "mark": {
            "type": "text", "fontSize": LABEL, "color": PAPER if background else INK, "baseline": "middle",
            "lineBreak": "\n", "lineHeight": LINE_HEIGHT, **outline, **mark,
        },
        "encoding": {**at, "text": {"field": "text", "type": "nominal"}},
    }  # fmt: skip


def placed_layers(data: str, x: Mapping[str, Any], y: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The layers of texts near points, with lines to those that are far. x, y: the axes of the points."""
    placed = {"x": {**x, "field": "lx"}, "y": {**y, "field": "ly"}}
    line = {
        "data": {"name": data},
        "transform": [{"filter": "datum.shown && datum.far"}],
        "mark": {"type": "rule", "color": MUTED, "strokeWidth": 0.6},
        "encoding": {"x": dict(x), "y": dict(y), "x2": {"field": "ex"}, "y2": {"field": "ey"}},
    }
    return [line, text_layer(data, placed, background=True), text_layer(data, placed)]


def config() -> dict[str, Any]:
    """The configuration of Vega-Lite that all pictures share."""
    return {
        "background": PAPER,
        "font": FONT,
        "padding": 4,
        "view": {"stroke": None},
        "axis": {
            "labelFontSize": LABEL,
            "titleFontSize": TITLE,
            "titleFontWeight": "normal",
            "labelColor": INK,
            "titleColor": INK,
            "domainColor": MUTED,
            "tickColor": MUTED,
            "gridColor": GRID,
            "tickSize": 4,
            "titlePadding": 6,
            "labelLimit": 0,
            "titleLimit": 0,
        },
        "legend": {
            "labelFontSize": LABEL,
            "titleFontSize": LABEL,
            "titleFontWeight": "normal",
            "labelColor": INK,
            "titleColor": INK,
            "labelLimit": 0,
            "titleLimit": 0,
            "rowPadding": 2,
            "columnPadding": 10,
        },
        "title": {
            "fontSize": TITLE,
            "fontWeight": "bold",
            "subtitleFontSize": LABEL,
            "color": INK,
            "subtitleColor": INK,
            "anchor": "start",
            "frame": "bounds",
            "offset": 6,
            "limit": 0,
        },
    }


# Widths of the printable ASCII characters in thousandths of the font size, from the space on.
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
_OTHER_WIDTH = 1000


def text_width(text: str, size: float = LABEL) -> float:
    """The width of a line of text in pixels, in the font of the pictures."""
    units = sum(_WIDTHS[ord(one) - 32] if 32 <= ord(one) < 127 else _OTHER_WIDTH for one in text)
    return units * size / 1000


def shades(dark: str, light: str, count: int) -> list[str]:
    """`count` colours, evenly from a dark one to a light one."""
    ends = [[int(one[place : place + 2], 16) for place in (1, 3, 5)] for one in (dark, light)]
    steps = max(1, count - 1)
    return [
        "#" + "".join(f"{round(a + (b - a) * index / steps):02x}" for a, b in zip(*ends, strict=True))
        for index in range(count)
    ]


def is_dark(colour: str) -> bool:
    """Whether white text has a higher contrast on a colour than INK has."""
    return (_luminance(colour) + 0.05) ** 2 < (_luminance(PAPER) + 0.05) * (_luminance(INK) + 0.05)


def _luminance(colour: str) -> float:
    """The relative luminance, as WCAG 2 defines it for contrasts."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return float(0.2126 * red + 0.7152 * green + 0.0722 * blue)

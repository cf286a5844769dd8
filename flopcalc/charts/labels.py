"""Placing texts next to points so that they hide neither points nor each other."""

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Any, NamedTuple

from flopcalc.charts.theme import LABEL, text_width


class Box(NamedTuple):
    """A rectangle in pixels of the plot, from its top left corner."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Whether both have a common point."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


class Scale(NamedTuple):
    """A scale from numbers to pixels. length: of the axis. turned: the largest number is at pixel 0."""

    low: float
    high: float
    length: float
    log: bool
    turned: bool = False

    def pixel(self, value: float) -> float:
        """The pixel of a number."""
        share = (
            log(value / self.low) / log(self.high / self.low)
            if self.log
            else (value - self.low) / (self.high - self.low)
        )
        return self.length * ((1 - share) if self.turned else share)

    def value(self, pixel: float) -> float:
        """The number at a pixel."""
        share = 1 - pixel / self.length if self.turned else pixel / self.length
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)


def place_labels(spec: dict[str, Any], layout: Mapping[str, Any]) -> None:
    """Set the places of the texts of a specification: `lx`, `ly` and `shown` in the rows of a data set.

    layout["labels"]: data: the name of the set, whose rows have x, y and text. around: sets of points to be kept
    visible, whose rows have x and y. x, y: low, high and log of the axes. Texts come in the order of the rows, so that
    the first ones are shown where not all fit.
    """
    labels = layout.get("labels")
    if labels is None:
        return
    across = Scale(*labels["x"], length=spec["width"], log=labels["log"][0])
    down = Scale(*labels["y"], length=spec["height"], log=labels["log"][1], turned=True)
    taken = [
        _around(across.pixel(row["x"]), down.pixel(row["y"]), labels.get("clearance", 4.0))
        for name in labels["around"]
        for row in spec["datasets"][name]
        if row["x"] is not None and row["y"] is not None
    ]
    taken += [box for name in labels.get("lines", ()) for box in _segments(spec["datasets"][name], across, down)]
    size = labels.get("size", LABEL)
    for row in spec["datasets"][labels["data"]]:
        box = _free(row, across, down, taken, size)
        row["shown"] = box is not None
        if box is None:
            row["lx"], row["ly"] = row["x"], row["y"]
            continue
        taken.append(box)
        row["lx"] = across.value((box.left + box.right) / 2)
        row["ly"] = down.value((box.top + box.bottom) / 2)


def _around(x: float, y: float, clearance: float) -> Box:
    return Box(x - clearance, y - clearance, x + clearance, y + clearance)


def _segments(rows: Iterable[Mapping[str, Any]], across: Scale, down: Scale) -> list[Box]:
    """Small boxes along lines, whose rows have x, y and series."""
    found = []
    last: dict[Any, tuple[float, float]] = {}
    for row in rows:
        here = across.pixel(row["x"]), down.pixel(row["y"])
        start = last.get(row.get("series"))
        last[row.get("series")] = here
        if start is None:
            continue
        steps = max(1, int(max(abs(here[0] - start[0]), abs(here[1] - start[1])) / 4))
        for step in range(steps + 1):
            share = step / steps
            found.append(_around(start[0] + share * (here[0] - start[0]), start[1] + share * (here[1] - start[1]), 1.0))
    return found


# Directions in which a text may lie from its point, the best ones first, and distances in pixels.
_DIRECTIONS = ((1, 0), (0, -1), (1, -1), (-1, 0), (0, 1), (1, 1), (-1, -1), (-1, 1))
_DISTANCES = (5.0, 11.0, 18.0, 27.0)


def _free(row: Mapping[str, Any], across: Scale, down: Scale, taken: Sequence[Box], size: float) -> Box | None:
    """A free place for a text near its point; None where there is none."""
    x, y = across.pixel(row["x"]), down.pixel(row["y"])
    width, height = text_width(row["text"], size) + 3, size * 1.1
    for distance in _DISTANCES:
        for right, low in _DIRECTIONS:
            left = x + right * (distance + width / 2) - width / 2
            top = y + low * (distance + height / 2) - height / 2
            box = Box(left, top, left + width, top + height)
            inside = box.left >= 0 and box.right <= across.length and box.top >= 0 and box.bottom <= down.length
            if inside and not any(box.meets(other) for other in taken):
                return box
    return None

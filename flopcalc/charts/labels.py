"""Placing texts: next to points, at the ends of lines, so that they hide neither marks nor each other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import atan2, degrees, hypot, log
from typing import Any, NamedTuple, TypeAlias

from flopcalc.charts.theme import LABEL, LINE_HEIGHT, text_width
from flopcalc.charts.wrapping import NAME_ROOM, shortened, wrapped

# Pixels between the ticks at the ends of stretches; nearer ones would be a black band.
_TICKS_APART = 3.0


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
        if self.log:
            share = log(value / self.low) / log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.length * ((1 - share) if self.turned else share)

    def value(self, pixel: float) -> float:
        """The number at a pixel."""
        share = 1 - pixel / self.length if self.turned else pixel / self.length
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)


def scales(spec: Mapping[str, Any], axes: Mapping[str, Any]) -> tuple[Scale, Scale]:
    """The scales of a plot. axes: x, y: low and high; log: of each, whether it is logarithmic."""
    (left, right), (low, high) = axes["x"], axes["y"]
    across = Scale(left, right, spec["width"], axes["log"][0])
    return across, Scale(low, high, spec["height"], axes["log"][1], turned=True)


def place_labels(spec: dict[str, Any], layout: Mapping[str, Any]) -> None:
    """Set the places of texts near points: `lx`, `ly`, `shown`, and `ex`, `ey`, where a line to a far one ends.

    layout["labels"]: data: the name of a set, whose rows have x, y and text. around: sets of points to be kept visible,
    whose rows have x and y. rather: sets of points that are hidden only where there is no other place. lines: sets of
    points that are connected within a series. texts: sets of texts that end at their points, above them. Texts come in
    the order of the rows, so that the first ones are shown where not all fit.
    """
    labels = layout.get("labels")
    if labels is None:
        return
    across, down = scales(spec, layout["axes"])
    data = spec["datasets"]
    taken: Grid = {}
    for name in labels["around"]:
        # Points of a line that have no marker are part of the line.
        rows = [row for row in data[name] if row.get("marker", True)]
        _put(taken, (_around(across.pixel(row["x"]), down.pixel(row["y"]), row.get("radius", 4.0)) for row in rows))
    for name in labels.get("lines", ()):
        _put(taken, _segments(data[name], across, down))
    for name in labels.get("texts", ()):
        _put(taken, (_left_of(row, across, down) for row in data[name]))
    rather: Grid = {}
    for name in labels.get("rather", ()):
        _put(rather, (_around(across.pixel(row["x"]), down.pixel(row["y"]), 2.5) for row in data[name]))
    placed: list[Box] = []
    for row in data[labels["data"]]:
        box = _free(row, across, down, (taken, rather), placed) or _free(row, across, down, (taken,), placed)
        row["shown"] = box is not None
        row["lx"], row["ly"], row["far"] = row["x"], row["y"], False
        if box is None:
            continue
        placed.append(box)
        row["lx"] = across.value((box.left + box.right) / 2)
        # Of the first line.
        row["ly"] = down.value(box.top + LINE_HEIGHT / 2)
        x, y = across.pixel(row["x"]), down.pixel(row["y"])
        end = _nearest(box, x, y)
        row["far"] = hypot(end[0] - x, end[1] - y) > row.get("radius", 4.0) + _NEAR
        row["ex"], row["ey"] = across.value(end[0]), down.value(end[1])
        if row["far"]:
            _put(taken, _along((x, y), end))


# Boxes by the squares of a grid that they touch, so that only those nearby are looked at.
Grid: TypeAlias = dict[tuple[int, int], list[Box]]
_CELL = 24.0


def _cells(box: Box) -> Iterator[tuple[int, int]]:
    for column in range(int(box.left // _CELL), int(box.right // _CELL) + 1):
        for row in range(int(box.top // _CELL), int(box.bottom // _CELL) + 1):
            yield column, row


def _put(grid: Grid, boxes: Iterable[Box]) -> None:
    """Add boxes to a grid."""
    for box in boxes:
        for cell in _cells(box):
            grid.setdefault(cell, []).append(box)


def _is_free(grid: Grid, box: Box) -> bool:
    return not any(box.meets(other) for cell in _cells(box) for other in grid.get(cell, ()))


def _left_of(row: Mapping[str, Any], across: Scale, down: Scale) -> Box:
    """The room of a text that ends at a point and lies above it."""
    x, y = across.pixel(row["x"]), down.pixel(row["y"])
    return Box(x - text_width(row["text"]) - 3, y - LABEL * 1.5, x, y)


def _around(x: float, y: float, clearance: float) -> Box:
    return Box(x - clearance, y - clearance, x + clearance, y + clearance)


def _segments(rows: Iterable[Mapping[str, Any]], across: Scale, down: Scale) -> list[Box]:
    """Small boxes along lines, whose rows have x, y and series."""
    found = []
    last: dict[Any, tuple[float, float]] = {}
    for row in rows:
        here = across.pixel(row["x"]), down.pixel(row["y"])
        start = last.setdefault(row.get("series"), here)
        # Rows of a long sweep are closer than a pixel.
        if hypot(here[0] - start[0], here[1] - start[1]) >= 1:
            found += _along(start, here)
            last[row.get("series")] = here
    return found


def _along(start: tuple[float, float], end: tuple[float, float]) -> list[Box]:
    """Small boxes along a straight line."""
    steps = max(1, int(max(abs(end[0] - start[0]), abs(end[1] - start[1])) / 4))
    shares = [step / steps for step in range(steps + 1)]
    return [
        _around(start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]), 1.0) for share in shares
    ]


def _nearest(box: Box, x: float, y: float) -> tuple[float, float]:
    """The point of a box that is nearest to another point."""
    return min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)


# Directions in which a text may lie from its point, the best ones first, and distances in pixels.
_DIRECTIONS = ((1, 0), (0, -1), (1, -1), (-1, 0), (0, 1), (1, 1), (-1, -1), (-1, 1))
# A text further from its point is connected with it.
_NEAR = 8.0
_DISTANCES = (5.0, 9.0, 14.0, 20.0, 28.0)


def _free(
    row: Mapping[str, Any], across: Scale, down: Scale, taken: Sequence[Grid], placed: Sequence[Box]
) -> Box | None:
    """A free place for a text near its point, of which a line to the point meets no other text; None without one.

    placed: the other texts. taken: what else must stay visible.
    """
    x, y = across.pixel(row["x"]), down.pixel(row["y"])
    lines = str(row["text"]).split("\n")
    width, height = max(map(text_width, lines)) + 3, LINE_HEIGHT * len(lines)
    for distance in _DISTANCES:
        for right, low in _DIRECTIONS:
            gap = distance + row.get("radius", 4.0) - 4.0
            left = x + right * (gap + width / 2) - width / 2
            top = y + low * (gap + height / 2) - height / 2
            box = Box(left, top, left + width, top + height)
            inside = box.left >= 0 and box.right <= across.length and box.top >= 0 and box.bottom <= down.length
            if not inside or any(map(box.meets, placed)) or not all(_is_free(grid, box) for grid in taken):
                continue
            line = _along((x, y), _nearest(box, x, y)) if placed else []
            if not any(piece.meets(other) for piece in line for other in placed):
                return box
    return None


def place_ends(spec: dict[str, Any], layout: Mapping[str, Any], width: float) -> bool:
    """Set the places of the names of lines at their right ends; whether there is room for them.

    layout["ends"]: data: the name of a set, whose rows have the y of a line's last point and its text. width: of the
    whole picture in pixels, of which the names take at most a third.
    """
    ends = layout.get("ends")
    if ends is None:
        return False
    rows = spec["datasets"][ends["data"]]
    _, down = scales(spec, layout["axes"])
    room = width * 0.36
    heights = []
    for row in rows:
        lines = wrapped(row["name"], room)
        row["text"] = "\n".join(lines)
        heights.append(len(lines) * LINE_HEIGHT)
        row["fits"] = max(map(text_width, lines)) <= room
    fits = bool(rows) and all(row["fits"] for row in rows) and sum(heights) <= spec["height"] and not ends["ragged"]
    order = sorted(range(len(rows)), key=lambda place: (down.pixel(rows[place]["y"]), place))
    places = _spread(
        [down.pixel(rows[place]["y"]) for place in order], [heights[place] for place in order], spec["height"]
    )
    for place, at in zip(order, places, strict=True):
        row = rows[place]
        row["shown"] = fits
        row["to"] = round(at, 2)
        # Of the first line.
        row["py"] = round(at - row["text"].count("\n") * LINE_HEIGHT / 2, 2)
        row["from"] = round(down.pixel(row["y"]), 2)
        row["px"], row["at"], row["tx"] = spec["width"] + 1, spec["width"] + 9, spec["width"] + 11
        del row["fits"]
    return fits


def _spread(wanted: Sequence[float], heights: Sequence[float], length: float) -> list[float]:
    """Centres as near to the wanted ones as heights allow, in their order, from 0 to length."""
    # Groups of neighbours that touch: first, last, and the top of the group where its members are nearest.
    groups: list[tuple[int, int, float]] = []
    for place, (at, height) in enumerate(zip(wanted, heights, strict=True)):
        groups.append((place, place, at - height / 2))
        while True:
            first, last, top = groups[-1]
            size = sum(heights[first : last + 1])
            top = min(max(top, 0.0), max(0.0, length - size))
            groups[-1] = first, last, top
            if len(groups) < 2 or groups[-2][2] + sum(heights[groups[-2][0] : groups[-2][1] + 1]) <= top + 1e-9:
                break
            start = groups[-2][0]
            del groups[-2:]
            offsets, below = [], 0.0
            for index in range(start, last + 1):
                offsets.append(wanted[index] - heights[index] / 2 - below)
                below += heights[index]
            groups.append((start, last, sum(offsets) / len(offsets)))
    found = []
    for first, last, top in groups:
        for index in range(first, last + 1):
            found.append(top + heights[index] / 2)
            top += heights[index]  # noqa: PLW2901
    return found


def place_angles(spec: dict[str, Any], layout: Mapping[str, Any]) -> None:
    """Set the angles of texts along lines. layout["along"]: data: a set with x, y, and x2, y2 on the line."""
    along = layout.get("along")
    if along is None:
        return
    across, down = scales(spec, layout["axes"])
    for row in spec["datasets"][along["data"]]:
        right = across.pixel(row["x2"]) - across.pixel(row["x"])
        row["angle"] = round(degrees(atan2(down.pixel(row["y2"]) - down.pixel(row["y"]), right)), 2)


def place_short(spec: dict[str, Any], layout: Mapping[str, Any]) -> None:
    """Set `text` of a set with long and short texts: the short one where the plot is narrower than the long one."""
    for row in spec["datasets"][layout["short"]["data"]] if "short" in layout else ():
        row["text"] = row["long"] if text_width(row["long"]) <= spec["width"] else row["short"]


def place_clamped(spec: dict[str, Any], layout: Mapping[str, Any]) -> None:
    """Set the places of texts above points so that they stay inside the plot: `tx`, `ty`, and lines of `text`."""
    clamped = layout.get("clamped")
    if clamped is None:
        return
    across, down = scales(spec, layout["axes"])
    for row in spec["datasets"][clamped["data"]]:
        lines = wrapped(row["name"], spec["width"] - 6)
        half = max(map(text_width, lines)) / 2 + 3
        row["ty"] = round(down.pixel(row["y"]) - 7 - (len(lines) - 1) * LINE_HEIGHT, 2)
        row["text"] = "\n".join(lines)
        row["tx"] = round(min(max(across.pixel(row["x"]), half), max(half, spec["width"] - half)), 2)


def place_inside(spec: dict[str, Any], layout: Mapping[str, Any]) -> None:
    """Set what is in the pieces of bars: `label`, and whether there is room for it: `shown`.

    layout["inside"]: data: a set of pieces. The label is the name, or a letter where the name does not fit; then each
    entry of the key gets its letter. Shades alone would be too much alike, above all in grey.
    """
    inside = layout.get("inside")
    if inside is None:
        return
    across, _ = scales(spec, layout["axes"])
    letters = {one["series"]: _letter(place) for place, one in enumerate(layout["key"])}
    are_lettered = False
    for row in spec["datasets"][inside["data"]]:
        room = across.pixel(row["end"]) - across.pixel(row["start"])
        fits = text_width(row["series"]) + 6 <= room
        are_lettered = are_lettered or not fits
        row["label"] = row["series"] if fits else letters[row["series"]]
        row["shown"] = text_width(row["label"]) + (6 if fits else 3) <= room
    for one in layout["key"]:
        one["name"] = f"{letters[one['series']]}: {one['series']}" if are_lettered else one["series"]


def _letter(place: int) -> str:
    """The letter of a place: a to z, aa, ab and so on."""
    rest, last = divmod(place, 26)
    return (_letter(rest - 1) if rest else "") + chr(ord("a") + last)


def place_stretches(spec: dict[str, Any], layout: Mapping[str, Any]) -> None:
    """Set the places of the names of stretches below the plot, and layout["below"], the room that they take.

    layout["stretches"]: data: a set with start, end and name. Names that fit are horizontal; where none of them would
    be shown, they are turned, and long ones shortened. bounds: a set of the ends of stretches; `shown` is set for
    those that are not too near the one before.
    """
    stretches = layout.get("stretches")
    if stretches is None:
        return
    across, _ = scales(spec, layout["axes"])
    rows = spec["datasets"][stretches["data"]]
    before = -_TICKS_APART
    for row in spec["datasets"][stretches["bounds"]]:
        place = across.pixel(row["x"])
        row["py"] = spec["height"] + 3
        row["shown"] = place - before >= _TICKS_APART
        before = place if row["shown"] else before
    fits = [text_width(row["name"]) + 4 <= across.pixel(row["end"]) - across.pixel(row["start"]) for row in rows]
    wide = [row["end"] - row["start"] for row in rows]
    # Turned where the names of most layers would be missing.
    turned = sum(size for size, fit in zip(wide, fits, strict=True) if fit) < 0.6 * sum(wide)
    last = -LABEL
    for row, fit in zip(rows, fits, strict=True):
        row["text"] = shortened(row["name"], NAME_ROOM) if turned else row["name"]
        row["px"] = round((across.pixel(row["start"]) + across.pixel(row["end"])) / 2, 2)
        row["shown"] = row["px"] - last >= LABEL * 1.05 if turned else fit
        last = row["px"] if row["shown"] else last
        row["angle"] = -90 if turned else 0
        row["py"] = spec["height"] + (9 + text_width(row["text"]) / 2 if turned else 14)
    longest = max((text_width(row["text"]) for row in rows if row["shown"]), default=0.0)
    spec["usermeta"]["flopcalc"]["below"] = round(longest + 22, 2) if turned else 32.0

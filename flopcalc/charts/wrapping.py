"""Names that are longer than their room: in several lines, or without their middle."""

from flopcalc.charts.theme import LABEL, text_width
from flopcalc.errors import printable

# Pixels of a line of a name on an axis.
NAME_ROOM = 110.0
# A name on an axis has no more lines than this.
_MOST_LINES = 3


def wrapped(text: str, room: float, size: float = LABEL) -> list[str]:
    """A text in lines of at most that width, broken after spaces, colons, underscores and slashes where possible.

    Words that are wider are broken after a dot or a dash, or between any two letters.
    """
    lines = [""]
    for piece in _fitting(text, room, size):
        if lines[-1] and text_width((lines[-1] + piece).rstrip(), size) > room:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += piece
    lines[-1] = lines[-1].rstrip()
    return lines


def one_line(name: str) -> str:
    r"""The name of a module as a picture shows it: a line break is a space, and a control character is its escape."""
    return printable(" ".join(name.splitlines()))


def name_lines(name: str) -> list[str]:
    """The lines of a name on an axis; of a very long one the first and the last two."""
    lines = wrapped(name, NAME_ROOM)
    if len(lines) <= _MOST_LINES:
        return lines
    return [wrapped(name, NAME_ROOM - text_width("..."))[0] + "...", *lines[1 - _MOST_LINES :]]


def shortened(name: str, room: float) -> str:
    """A name in one line of at most that width, with dots for its middle where it is longer."""
    if text_width(name) <= room:
        return name
    left, right = "", ""
    for first, last in zip(name, reversed(name), strict=True):
        longer = left + first, last + right
        if text_width(f"{longer[0]}...{longer[1]}") > room:
            break
        left, right = longer
    return f"{left}...{right}"


def _fitting(text: str, room: float, size: float) -> list[str]:
    """The shortest pieces between which a line may break, of which none is wider than the room."""
    found = []
    for piece in _pieces(text, " _/:"):
        if text_width(piece.rstrip(), size) <= room:
            found.append(piece)
            continue
        for part in _pieces(piece, ".-"):
            found += [part] if text_width(part.rstrip(), size) <= room else list(part)
    return found


def _pieces(text: str, ends: str) -> list[str]:
    """A text in pieces that end with one of these letters."""
    pieces, piece = [], ""
    for letter in text:
        piece += letter
        if letter in ends:
            pieces.append(piece)
            piece = ""
    return [*pieces, piece] if piece else pieces

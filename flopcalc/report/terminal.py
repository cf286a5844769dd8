"""A document for a terminal: the lines of the plain text, with styles."""

import os

from flopcalc.report.document import Document
from flopcalc.report.layout import Role, layout

# Bold and faint are not colours, so they are used with NO_COLOR too.
_STYLES: dict[Role, str] = {
    "title": "\x1b[1m",
    "heading": "\x1b[1m",
    "header": "\x1b[1m",
    "rule": "\x1b[2m",
    "note": "\x1b[2m",
}
_END = "\x1b[0m"


def render(document: Document, width: int) -> str:
    """The document in lines of at most `width` columns, styled where the terminal can do that."""
    styles = {} if os.environ.get("TERM") in ("dumb", "unknown") else _STYLES
    lines = layout(document, width)
    return "".join(
        f"{styles[line.role]}{line.text}{_END}\n" if line.text and line.role in styles else f"{line.text}\n"
        for line in lines
    )

"""A document as plain text, for pipes and files."""

from flopcalc.report.document import Document
from flopcalc.report.layout import layout


def render(document: Document, width: int) -> str:
    """The document in lines of at most `width` columns."""
    return "".join(f"{line.text}\n" for line in layout(document, width))

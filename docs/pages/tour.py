"""The notebook of the tour as a page, with the outputs that it was stored with, and its pictures as files."""

import re
from pathlib import Path

from nbconvert import MarkdownExporter

NOTEBOOK = Path(__file__).resolve().parent.parent.parent / "examples" / "tour.ipynb"
# Jupyter's links to headings keep capitals, those of the site do not.
_ANCHOR = re.compile(r"\]\(#([^)]+)\)")


def page() -> tuple[str, dict[str, bytes]]:
    """The page in Markdown, and the pictures by their path in docs/."""
    text, resources = MarkdownExporter().from_filename(str(NOTEBOOK))
    text = _ANCHOR.sub(lambda found: f"](#{found[1].lower()})", text)
    text = text.replace("](../docs/", "](")
    pictures = {f"tour/{name}": data for name, data in resources["outputs"].items()}
    for name in resources["outputs"]:
        text = text.replace(f"]({name})", f"](tour/{name})")
    return text, pictures

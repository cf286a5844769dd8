"""Files of the repository that pages link to, as pages of the site with their text; and the links that lead to them."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# Files that are pages of the site under another name.
_PAGES = {"README.md": "index.md", "CHANGELOG.md": "changes.md", "examples/tour.ipynb": "tour.md"}
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json", ".csv": "text"}
_LINK = re.compile(r"\]\(([^)\s#]+)")


def on_site(target: str, page: str) -> str:
    """The link from a page to a file outside of docs/, as it is written on the site; other links as they are."""
    path = _outside(target, page)
    return target if path is None else posixpath.relpath(_page_of(path), posixpath.dirname(page) or ".")


def pages_of(texts: Mapping[str, str]) -> dict[str, str]:
    """A page for each file or folder outside of docs/ that one of these pages links to, by its path on the site.

    texts: the pages in Markdown, by their path in docs/. Raises FileNotFoundError for a link to nothing.
    """
    found: dict[str, str] = {}
    for page, text in texts.items():
        for target in _LINK.findall(text):
            path = _outside(target, page)
            if path is not None and path not in _PAGES:
                found[_page_of(path)] = "\n".join(_text_of(ROOT / path, path)) + "\n"
    return found


def _outside(target: str, page: str) -> str | None:
    """The path in the repository of a link that leads out of docs/; None for any other link."""
    if "://" in target or target.startswith(("mailto:", "/")):
        return None
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target))
    return None if path.startswith("docs/") else path


def _page_of(path: str) -> str:
    return _PAGES.get(path, f"source/{path}.md")


def _text_of(file: Path, path: str) -> Iterator[str]:
    yield from (f"# {path}", "")
    if file.is_dir():
        yield from ("A folder of the repository.", "")
        for one in sorted(file.iterdir()):
            if one.is_file():
                yield from (f"## {one.name}", "", *_block(one), "")
    else:
        yield from ("A file of the repository.", "", *_block(file))


def _block(file: Path) -> Iterator[str]:
    yield f"~~~~{_LANGUAGES.get(file.suffix, 'text')}"
    yield file.read_text(encoding="utf-8").rstrip()
    yield "~~~~"

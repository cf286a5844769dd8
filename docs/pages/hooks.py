"""Hooks of MkDocs: pages that follow from the code, made in memory, and links that lead out of docs/.

Pages that a reader of the repository wants are files, which docs/generate.py writes. Those that only the site needs
(one for each operator, errata, the comparison of counters, the Python API) would be noise there.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent.parent
for _folder in (ROOT, ROOT / "docs"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

from flopcalc.catalog import lookup
from pages import api_page, comparison_page, errata_page, families, operator_page, plots, sources

_LINK = re.compile(r"(\]\()([^)\s#]+)([^)\s]*\))")


def made() -> dict[str, Callable[[], str]]:
    """The pages that are made when the site is built, by their path in docs/."""
    pages: dict[str, Callable[[], str]] = {
        "index.md": _home,
        "changes.md": lambda: (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        "api.md": api_page.page,
        "errata.md": errata_page.page,
        "comparison.md": comparison_page.page,
    }
    for operator in lookup.every():
        pages[f"operators/{operator.name}.md"] = lambda one=operator: operator_page.page(one, plots.of_operator(one))
    return pages


def _home() -> str:
    """The README as it reads from docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return _LINK.sub(lambda found: found[1] + _from_docs(found[2]) + found[3], text)


def _from_docs(target: str) -> str:
    if "://" in target:
        return target
    return target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the page of each operator into the menu, by family."""
    menu = [
        {family[:1].upper() + family[1:]: [{one.name: f"operators/{one.name}.md"} for one in found]}
        for family, found in families.family_index()
    ]
    for entry in config.nav or ():
        if "Operators" in entry:
            entry["Operators"] = ["operators.md", *menu]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here, and one for each file of the repository that a page links to."""
    texts = {page.src_uri: page.content_string for page in files.documentation_pages()}
    for path, write in made().items():
        texts[path] = write()
        files.append(File.generated(config, path, content=texts[path]))
    for path, text in sources.pages_of(texts).items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text of a page with links to pages that only the site has."""
    source = page.file.src_uri
    if source == "operators.md":
        markdown = re.sub(r"^\| `(\w+)` \|", r"| [`\1`](operators/\1.md) |", markdown, flags=re.MULTILINE)
    return _LINK.sub(lambda found: found[1] + sources.on_site(found[2], source) + found[3], markdown)

"""Hooks of MkDocs: pages that follow from the code, made in memory, and links that lead out of docs/.

Pages that a reader of the repository wants are files, which docs/generate.py writes. Those that only the site needs
(one for each operator, errata, the comparison of counters, the Python API) would be noise there.
"""

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from posixpath import dirname, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent.parent
for _folder in (ROOT, ROOT / "docs"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))

from flopcalc.catalog import lookup  # noqa: E402 - after the path
from pages import api_page, comparison_page, complete, errata_page, families, sources, tour  # noqa: E402

# Pages that a checked-in page names in italics, and that only the site has.
_ONLY_HERE = {"Errata": "errata.md", "Other counters compared": "comparison.md", "Python API": "api.md"}
_LINK = re.compile(r"(\]\()([^)\s#]+)([^)\s]*\))")
# A block of code, or code within a line; and an option in it.
_CODE = re.compile(r"<pre\b.*?</pre>|<code>([^<]*)</code>", re.DOTALL)
_OPTION = re.compile(r"(?<![\w.-])--?[A-Za-z][\w-]*")


def made() -> Iterator[tuple[str, str]]:
    """The pages that are made when the site is built: their path in docs/, and their text."""
    yield "index.md", _from_root("README.md")
    yield "changes.md", _from_root("CHANGELOG.md")
    yield "api.md", api_page.page()
    names = [operator.name for operator in lookup.every()]
    # Each page takes a closed form and a plot, about half a second.
    with ProcessPoolExecutor() as pool:
        pages = pool.map(complete.operator_page, names)
        yield "errata.md", errata_page.page()
        yield "comparison.md", comparison_page.page()
        yield from zip([f"operators/{name}.md" for name in names], pages, strict=True)


def _from_root(name: str) -> str:
    """A file of the root folder as it reads from docs/."""
    text = (ROOT / name).read_text(encoding="utf-8")
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
    tour_text, pictures = tour.page()
    for path, data in pictures.items():
        files.append(File.generated(config, path, content=data))
    for path, text in [("tour.md", tour_text), *made()]:
        texts[path] = text
        files.append(File.generated(config, path, content=text))
    for path, text in sources.pages_of(texts).items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text of a page with links to pages that only the site has."""
    source = page.file.src_uri
    if source == "index.md":
        page.meta["hide"] = ["navigation"]
    if source == "operators.md":
        markdown = re.sub(r"^\| `(\w+)` \|", r"| [`\1`](operators/\1.md) |", markdown, flags=re.MULTILINE)
    for title, path in _ONLY_HERE.items():
        markdown = markdown.replace(f"*{title}*", f"[{title}]({relpath(path, dirname(source) or '.')})")
    return _LINK.sub(lambda found: found[1] + sources.on_site(found[2], source) + found[3], markdown)


def on_post_template(output_content: str, template_name: str, config: MkDocsConfig) -> str:
    """The page for an address that does not exist: a file of its own. The theme's works at a server's root only."""
    if template_name != "404.html":
        return output_content
    return (ROOT / "docs" / "pages" / "not_found.html").read_text(encoding="utf-8")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with each option in a piece of its own, which is not broken after its hyphens on small screens."""
    return _CODE.sub(_with_whole_options, html)


def _with_whole_options(code: re.Match[str]) -> str:
    if code[1] is None:
        return code[0]
    whole = _OPTION.sub(r'<span class="option">\g<0></span>', code[1])
    return f"<code>{whole}</code>"

"""A page as HTML, with its style and its script inside, and as a block of Markdown for a model card."""

import re
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flopcalc import optional
from flopcalc.errors import ExitCode, FlopcalcError, printable
from flopcalc.pages.page import ModelCard, Page
from flopcalc.report.document import people
from flopcalc.report.formats import markdown_text

if TYPE_CHECKING:
    from jinja2 import Environment

# What each format needs: the package that is imported, and its requirement.
_JINJA = {"jinja2": "jinja2>=3.1"}
NEEDS = {
    "html": _JINJA
    | {"latex2mathml": "latex2mathml>=3.77", "altair": "altair>=5.4", "vl_convert": "vl-convert-python>=1.6"},
    "markdown": _JINJA,
}


def check_packages(fmt: str) -> None:
    """Raise FlopcalcError (missing-package, exit code 3) if a package that a format needs is missing or broken."""
    missing = [name for name in NEEDS[fmt] if not _is_installed(name)]
    if missing:
        wanted = " ".join(f'"{NEEDS[fmt][name]}"' for name in missing)
        are = "which is not installed" if len(missing) == 1 else "which are not installed"
        raise FlopcalcError(
            "missing-package",
            f"a report as {fmt} needs {', '.join(missing)}, {are}",
            f"pip install {wanted}",
            ExitCode.MISSING,
        )
    for name, requirement in NEEDS[fmt].items():
        optional.load(name, requirement.partition(">")[0], requirement, f"a report as {fmt}")


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        # The name is known, and has no module.
        return False


def html(page: Page) -> str:
    """The page as one HTML file that loads nothing from anywhere."""
    script = _text("page.js")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    template = _environment(autoescape=True).get_template("page.html.j2")
    found = template.render(
        page=page,
        sections=list(_sections(page)),
        style=_text("page.css"),
        script=script,
        script_hash=f"sha256-{digest}",
    )
    return printable(found)


def markdown(card: ModelCard) -> str:
    """A block for a model card, in GitHub's Markdown."""
    # What the template writes is Markdown; it escapes each value with a filter.
    return printable(_environment(autoescape=False).get_template("model_card.md.j2").render(card=card))


def code_span(text: str) -> str:
    """Text as code in a line of Markdown, whatever backticks it has."""
    text = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _sections(page: Page) -> Iterator[tuple[str, str]]:
    """Identifier and title of each section that the page has, in order."""
    yield "summary", "Summary"
    yield "where", "Where the cost is"
    if page.replaced:
        yield "replacement", "What the replacement did"
    yield "layers", "Layers" if page.layers.noun == "layers" else "Parts"
    yield "formula", "Closed form"
    if page.time:
        yield "time", "Time on a device"
    yield "memory", "Memory"
    yield "counters", "Conventions and other counters"
    if page.provenance:
        yield "equations", "Equations and their sources"
    if page.citations or page.data["source"]:
        yield "citations", "Citations"
    if page.notes:
        yield "notes", "Notes"


@lru_cache(maxsize=2)
def _environment(*, autoescape: bool) -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("flopcalc.pages"),
        # In Markdown other marks are special; its template escapes each value with a filter.
        autoescape=autoescape,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {"people": people, "md": markdown_text, "code": code_span}
    found.filters |= filters
    return found


def _text(name: str) -> str:
    """A file of this package. The script may not hold the end of its own element, which a test checks."""
    return (files("flopcalc.pages") / "templates" / name).read_text(encoding="utf-8")

"""The documentation site: its links, its pages of operators, and what a browser makes of it."""

import re
import shlex
import time
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from chromium import browser, executable
from helpers import ROOT, Run

from flopcalc.catalog import lookup
from flopcalc.errors import FlopcalcError
from flopcalc.spec.operator import Operator


class _Page(HTMLParser):
    """What a page links to and loads, its anchors, and the texts of its blocks of code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.blocks: list[str] = []
        self._in_block = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(given["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in given:
            self.loads.append(given["src"])
        if tag == "pre":
            self._in_block += 1
            self.blocks.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_block -= tag == "pre"

    def handle_data(self, data: str) -> None:
        if self._in_block:
            self.blocks[-1] += data


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, _Page]:
    """All pages of the site."""
    return {path: _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


def test_links_resolve(pages: dict[Path, _Page], site: Path) -> None:
    """Pages and anchors. Links to other sites are left alone."""
    broken, followed = [], 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            followed += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                broken.append(f"{path.relative_to(site)}: {link}")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                broken.append(f"{path.relative_to(site)}: {link} has no such anchor")
    assert followed > 1000
    assert not broken, "\n".join(broken)


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, _Page], site: Path) -> None:
    """Scripts, styles, pictures and fonts are files of the site."""
    for path, page in pages.items():
        assert page.loads
        for load in page.loads:
            parts = urlsplit(load)
            assert not parts.scheme or parts.scheme == "data", f"{path.name} loads {load}"
            assert not parts.netloc, f"{path.name} loads {load}"
            assert not parts.path or parts.scheme or (path.parent / unquote(parts.path)).exists(), (path, load)
    for style in site.rglob("*.css"):
        found = re.findall(r"url\(\s*['\"]?(\w+://[^)]+)|@import\s+['\"]?(\w+://[^'\"]+)", style.read_text())
        assert not found, f"{style.name}: {found}"


def test_every_operator_has_its_page(pages: dict[Path, _Page], site: Path) -> None:
    """With all sections, and the index links to it."""
    index = pages[site / "operators.html"]
    names = [operator.name for operator in lookup.every()]
    assert len(names) > 60
    for name in names:
        path = site / "operators" / f"{name}.html"
        assert f"operators/{name}.html" in index.links
        sections = {"structure", "cost-as-derived", "equations-as-printed", "options", "worked-example"}
        assert sections | {"cost-against-channels", "measured-time", "references"} <= pages[path].anchors, name
        assert '<svg class="diagram"' in path.read_text(encoding="utf-8"), name


def test_every_part_is_in_the_diagram(site: Path) -> None:
    """Of the operator at the sizes of its worked example, which the page names."""
    for operator in lookup.every():
        text = (site / "operators" / f"{operator.name}.html").read_text(encoding="utf-8")
        found = re.findall(r'<text class="name"[^>]*>([^<]+)</text>', text)
        (channels,) = re.findall(rf"flopcalc layer {operator.name} --cin (\d+)", re.sub(r"<[^>]+>", "", text))[:1]
        evaluation = operator.evaluate(operator.geometry(int(channels)))
        assert found == [part.name for part in evaluation.cost], operator.name


def test_worked_examples(pages: dict[Path, _Page], site: Path, run: Callable[..., Run]) -> None:
    """The command of each operator gives what its page shows."""
    for operator in lookup.every():
        blocks = pages[site / "operators" / f"{operator.name}.html"].blocks
        (block,) = [block for block in blocks if block.startswith("$ flopcalc")]
        command, _, expected = block.partition("\n")
        done = run(*shlex.split(command.removeprefix("$ flopcalc ")))
        assert done.code == 0, done.err
        shown = [line.rstrip() for line in expected.rstrip().splitlines()]
        assert shown == [line.rstrip() for line in done.out.rstrip().splitlines()], command


def test_plots_are_there_where_channels_vary(site: Path) -> None:
    """An operator that applies to 64 and to 128 channels has a plot, and its command names it."""
    without = []
    for operator in lookup.every():
        text = (site / "operators" / f"{operator.name}.html").read_text(encoding="utf-8")
        text = re.sub("</?span[^>]*>", "", text)
        if '<figure class="plot"' in text:
            assert re.search(rf"flopcalc plot [\w ]*\b{operator.name} --cin", text), operator.name
        else:
            without.append(operator)
    for operator in without:
        assert not all(_applies(operator, channels) for channels in (64, 128)), operator.name


def _applies(operator: Operator, channels: int) -> bool:
    try:
        operator.evaluate(operator.geometry(channels))
    except FlopcalcError:
        return False
    return True


def test_the_reference_has_every_public_name(pages: dict[Path, _Page], site: Path) -> None:
    """Each name of `flopcalc.__all__` has an entry, and examples in docstrings are blocks."""
    import flopcalc

    page = pages[site / "api.html"]
    for name in flopcalc.__all__:
        if not name.startswith("__"):
            assert any(anchor.endswith(f".{name}") for anchor in page.anchors), name
    assert any(">>> " in block for block in page.blocks)
    assert "&gt;&gt;&gt; " not in re.sub(r"<pre>.*?</pre>", "", (site / "api.html").read_text(), flags=re.DOTALL)


def test_errata_are_complete(site: Path) -> None:
    """An entry for each that `flopcalc errata` lists."""
    from flopcalc.published import tables
    from flopcalc.published.errata import errata, wrong_figures

    text = (site / "errata.html").read_text(encoding="utf-8")
    rows = [*errata(lookup.every()), *wrong_figures([tables.load(name) for name in tables.names()])]
    assert text.count('<table class="equations erratum"') == len(rows)


def test_the_menu_has_every_page() -> None:
    """Each page of docs/ is in the menu of mkdocs.yml."""
    menu = (ROOT / "mkdocs.yml").read_text()
    for path in (ROOT / "docs").rglob("*.md"):
        assert re.search(rf"[ -]{re.escape(path.relative_to(ROOT / 'docs').as_posix())}$", menu, re.MULTILINE), path


# In a browser -------------------------------------------------------------------------------------

_BROWSED = ("index.html", "start/index.html", "operators/compconv.html", "operators/odconv.html", "cli.html")
_MORE = ("api.html", "benchmarks.html", "errata.html", "comparison.html", "operators.html", "published.html")


@pytest.mark.skipif(executable() is None, reason="no Chromium is installed")
def test_in_a_browser(site: Path, tmp_path: Path) -> None:
    """From a disk: no errors, nothing from a network, no wider than a phone, and dark where that is preferred."""
    with browser(tmp_path) as tab:
        for name in (*_BROWSED, *_MORE):
            colours = set()
            for scheme, width in (("light", 1280), ("dark", 390)):
                tab.size(width, 900, mobile=width < 500)
                tab.prefer(scheme)
                # What the page before stored stays: a reader whose system turns dark has been here in the light.
                tab.open(site / name)
                assert not tab.problems, (name, tab.problems)
                elsewhere = [one for one in tab.requests if not one.startswith(("file:", "data:", "about:", "blob:"))]
                assert not elsewhere, (name, elsewhere)
                assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
                colours.add(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert len(colours) == 2, name
        # A number and its unit are on one line, and the first example is whole.
        tab.size(1280, 900)
        tab.open(site / "benchmarks.html")
        assert (
            tab.evaluate(
                "[...document.querySelectorAll('td[style*=right]')].filter(cell => cell.firstChild &&"
                " new Set([...(range => (range.selectNodeContents(cell), range.getClientRects()))"
                "(document.createRange())]"
                ".map(one => Math.round(one.top))).size > 1).map(cell => cell.textContent)"
            )
            == []
        )
        tab.open(site / "api.html")
        assert tab.evaluate("(code => code.scrollWidth - code.clientWidth)(document.querySelector('pre code'))") == 0
        # Equations are typeset: a fraction is taller than a letter.
        tab.open(site / "operators/ghost.html")
        assert tab.evaluate("document.querySelector('mfrac').getBoundingClientRect().height") > 20


class _Server(SimpleHTTPRequestHandler):
    """The site below /docs/, with its page for addresses that do not exist, as pages of a project are served."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def translate_path(self, path: str) -> str:
        inside = path.removeprefix("/docs/")
        return super().translate_path(f"/{inside}") if inside != path else ""

    def send_error(self, code: int, *_: Any) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write((Path(self.directory) / "404.html").read_bytes())


@pytest.mark.skipif(executable() is None, reason="no Chromium is installed")
def test_an_address_that_does_not_exist(site: Path, tmp_path: Path) -> None:
    """From a disk, and from a server at any depth, the page has its style, and leads to the start page."""
    handler = partial(_Server, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, browser(tmp_path) as tab:
        Thread(target=server.serve_forever, daemon=True).start()
        tab.open(site / "404.html")
        assert not tab.problems
        assert tab.evaluate("document.querySelector('a').href") == (site / "index.html").as_uri()
        root = f"http://127.0.0.1:{server.server_port}/docs/"
        tab.call("Page.navigate", url=f"{root}no/such/page.html")
        end = time.monotonic() + 20
        while tab.evaluate("document.querySelector('a')?.href") != f"{root}index.html":
            assert time.monotonic() < end
            time.sleep(0.1)
        server.shutdown()


# The options in code within lines whose pieces are on two lines.
_BROKEN = r"""
[...document.querySelectorAll('.md-content code')].filter(code => !code.closest('pre')).flatMap(code => {
    const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT), found = []
    while (texts.nextNode()) for (const option of texts.currentNode.data.matchAll(/(?<![\w.-])--?[A-Za-z][\w-]*/g)) {
        const range = document.createRange()
        range.setStart(texts.currentNode, option.index)
        range.setEnd(texts.currentNode, option.index + option[0].length)
        const lines = [...range.getClientRects()].filter(one => one.width).map(one => Math.round(one.top))
        if (new Set(lines).size > 1) found.push(option[0])
    }
    return found
})
"""


@pytest.mark.skipif(executable() is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_options_are_on_one_line(width: int, site: Path, tmp_path: Path) -> None:
    """`--freeze` is not broken after its hyphens."""
    with browser(tmp_path) as tab:
        tab.size(width, 900, mobile=width < 500)
        for name in ("training.html", "changes.html", "replacing.html", "roofline.html", "sweeping.html"):
            tab.open(site / name)
            assert tab.evaluate("document.querySelectorAll('code .option').length") > 3
            assert tab.evaluate(_BROKEN) == [], name


@pytest.mark.skipif(executable() is None, reason="no Chromium is installed")
def test_search_works_from_a_disk(site: Path, tmp_path: Path) -> None:
    """A word leads to its page."""
    with browser(tmp_path) as tab:
        tab.size(1280, 900)
        tab.open(site / "index.html")
        tab.evaluate("document.querySelector('.md-search__input').focus()")
        tab.call("Input.insertText", text="involution")
        links: list[str] = []
        end = time.monotonic() + 60
        while not any("involution" in link for link in links):
            assert time.monotonic() < end, (links, tab.problems)
            time.sleep(0.2)
            found = "[...document.querySelectorAll('.md-search-result__link')].map(one => one.getAttribute('href'))"
            links = tab.evaluate(found)
        assert not tab.problems


# Data of pages ------------------------------------------------------------------------------------


def test_the_comparison_of_counters_is_current(site: Path) -> None:
    """The networks and the presets are those that the counters were run next to, and the page has each figure."""
    import json

    from flopcalc.analysis.explain import explain
    from flopcalc.networks.library import network

    text = (site / "comparison.html").read_text(encoding="utf-8")
    found = json.loads((ROOT / "docs" / "pages" / "counters.json").read_text(encoding="utf-8"))
    assert len(found) > 5
    for name, one in found.items():
        net = network(name)
        assert (net.macs, net.params) == (one["macs"], one["params"]), f"{name}: run benchmarks/comparison.py again"
        for row, now in zip(one["rows"], explain(net, [row["tool"] for row in one["rows"]]), strict=True):
            assert row["figure"] == now.figure, f"{name}, {row['tool']}: run benchmarks/comparison.py again"
            assert f"{now.figure:,}" in text

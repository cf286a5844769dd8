"""The markup of a page: valid, complete for those who do not see it, with nothing loaded from elsewhere."""

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from helpers import Runner, import_for_pages

from flopcalc.cost.kinds import KINDS

import_for_pages()

_VOID = {"meta", "input", "br", "hr", "link", "img", "col"}
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")

# A title may hold anything; so may the names of the modules of a Python model.
EVIL = """\
name: evil
title: 'A "net" & <script>alert(1)</script>'
input: [3, 8, 8]
layers:
  - conv1: {op: conv, out: 8, bias: true}
"""
EVIL_MODEL = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3))
        self.add_module("<script>alert(1)</script>", nn.Sequential(nn.Conv2d(8, 8, 3), nn.ReLU()))
        self.add_module('"><img src=x onerror=alert(1)>', nn.Conv2d(8, 8, 1))
        self.add_module("&amp;", nn.Conv2d(8, 8, 1))
"""
NOTHING = "name: nothing\ntitle: One activation\ninput: [3, 8, 8]\nlayers:\n  - act: relu\n"

PAGES = {
    "described": ("resnet18",),
    "replaced": ("resnet18", "--replace", "spconv", "--device", "h200"),
    "operator": ("ghost", "--cin", "64", "--device", "h200"),
    "costs nothing": ("nothing.yaml",),
    "evil": ("evil.yaml",),
    "evil model": ("evil.py:Net", "--input", "3x8x8", "--replace", "ghost", "--device", "h200"),
}


class Tree(HTMLParser):
    """Every element with its attributes, and every mistake in nesting."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.problems: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.problems.append(f"{tag} has an attribute twice: {names}")
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()} closes another element")

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def close(self) -> None:
        super().close()
        self.problems += [f"<{tag}> is not closed" for tag in self._open]


def read(text: str) -> Tree:
    tree = Tree()
    tree.feed(text)
    tree.close()
    return tree


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages, each made once."""
    from flopcalc.cli.main import main

    folder = tmp_path_factory.mktemp("pages")
    (folder / "evil.yaml").write_text(EVIL)
    (folder / "evil.py").write_text(EVIL_MODEL)
    (folder / "nothing.yaml").write_text(NOTHING)
    found = {}
    for name, arguments in PAGES.items():
        first = str(folder / arguments[0]) if "." in arguments[0] else arguments[0]
        path = folder / f"{name}.html"
        assert main(["report", first, *arguments[1:], "-o", str(path)]) == 0
        found[name] = path.read_text()
    return found


@pytest.fixture(params=PAGES)
def tree(request: pytest.FixtureRequest, texts: dict[str, str]) -> Tree:
    return read(texts[request.param])


def test_elements_are_nested(tree: Tree) -> None:
    """Each element is closed where it was opened."""
    assert tree.problems == []
    assert len(tree.elements) > 100


def test_identifiers(tree: Tree) -> None:
    """Each is there once, and whatever refers to one finds it."""
    ids = Counter(attributes["id"] for _, attributes in tree.elements if "id" in attributes)
    assert max(ids.values()) == 1
    for tag, attributes in tree.elements:
        wanted = [
            attributes[name]
            for name in ("for", "aria-labelledby", "aria-describedby", "data-copy")
            if name in attributes
        ]
        if tag == "a" and attributes["href"].startswith("#"):
            wanted.append(attributes["href"][1:])
        for name in " ".join(wanted).split():
            assert name in ids, (tag, attributes)


def test_headings(tree: Tree) -> None:
    """One of the first level, and none that skips a level."""
    levels = [_HEADINGS.index(tag) + 1 for tag, _ in tree.elements if tag in _HEADINGS]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_names_for_those_who_do_not_see(tree: Tree) -> None:
    """Inputs have labels, pictures and scrolling parts have names, and header cells say what they are the head of."""
    labelled = {attributes.get("for") for tag, attributes in tree.elements if tag == "label"}
    for tag, attributes in tree.elements:
        if tag == "input":
            assert attributes["id"] in labelled
        if attributes.get("role") == "img" or attributes.get("tabindex") == "0":
            assert attributes["aria-label"].strip()
        if tag == "th":
            assert attributes["scope"] in ("col", "row")
        if tag == "button":
            assert attributes["type"] == "button"
    assert ("html", {"lang": "en", "class": "no-js"}) in tree.elements
    assert any(tag == "title" for tag, _ in tree.elements)
    sortable = [attributes for tag, attributes in tree.elements if tag == "th" and "aria-sort" in attributes]
    assert len(sortable) > 5
    assert {one["aria-sort"] for one in sortable} == {"none"}


def test_nothing_is_loaded(tree: Tree) -> None:
    """No source and no style from elsewhere; links lead to papers only, and only where a reader follows them."""
    for tag, attributes in tree.elements:
        assert not {"src", "srcset", "data", "poster", "background"} & set(attributes), (tag, attributes)
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form", "audio", "video", "image", "use")
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        if tag == "a":
            assert attributes["href"].startswith(("#", "https://arxiv.org/abs/", "https://doi.org/"))
    style = "".join(text for tag, text in tree.texts if tag == "style")
    assert "@import" not in style
    assert "url(" not in style
    script = "".join(text for tag, text in tree.texts if tag == "script")
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(|https?:|WebSocket|innerHTML|eval\(", script)


def test_a_policy_allows_the_own_script_only(texts: dict[str, str]) -> None:
    """By its hash, so that an injected one could not run."""
    from base64 import b64encode
    from hashlib import sha256

    text = texts["replaced"]
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in text
    assert "default-src 'none'" in text


def test_names_are_text(texts: dict[str, str]) -> None:
    """A title or a module with markup in its name adds no element."""
    for name in ("evil", "evil model"):
        tree = read(texts[name])
        assert [tag for tag, _ in tree.elements].count("script") == 1
        assert not [tag for tag, _ in tree.elements if tag in ("img", "b")]
        assert any("<script>alert(1)</script>" in text for _, text in tree.texts)
    shown = [text for tag, text in tree.texts if tag == "th"]
    assert '"><img src=x onerror=alert(1)>' in shown
    # An ampersand of a name is shown as it is written.
    assert "&amp;" in shown
    assert "&amp;amp;" in texts["evil model"]


@pytest.mark.parametrize("name", ["control\x1b[31m", "turned\u202egnp", "nul\x00"])
def test_control_characters_are_escaped(name: str) -> None:
    """As in all other output of the command line."""
    from flopcalc.errors import printable
    from flopcalc.pages.icicle import icicle

    layer = {"module": name, "type": "conv", "calls": 1, "in": [], "out": [], "unused": 0}
    layer |= dict.fromkeys((*KINDS, "elementwise", "cost"), 1)
    picture = icicle(name, [layer], (), "MACs")
    assert picture is not None
    assert all(letter.isprintable() for letter in printable(picture.boxes[1].title))


def _mathml(text: str) -> Iterator[str]:
    yield from re.findall(r"<math .*?</math>", text, re.DOTALL)


def test_formulas_are_well_formed(texts: dict[str, str]) -> None:
    """As XML, which is stricter than a browser; and no LaTeX is left in them."""
    from xml.etree import ElementTree

    found = [one for text in texts.values() for one in _mathml(text)]
    assert len(found) > 40
    for one in found:
        root = ElementTree.fromstring(one)  # noqa: S314 - our own page
        content = "".join(root.itertext())
        assert content
        assert "\\" not in content
        assert "{" not in content


def test_every_printed_equation_can_be_shown() -> None:
    """Of all operators, as printed and as corrected."""
    from xml.etree import ElementTree

    from flopcalc.catalog import lookup
    from flopcalc.pages.equations import citations, provenance

    operators = list(lookup.every())
    found = provenance(operators, {})
    equations = [row for one in found for row in one.equations]
    assert len(equations) > 80
    for row in equations:
        for formula in filter(None, (row.printed, row.right)):
            root = ElementTree.fromstring(formula)  # noqa: S314 - our own page
            assert "\\" not in "".join(root.itertext()), (row.label, formula)
        assert bool(row.right) == (row.status != "printed")
        assert bool(row.why) == (row.status != "printed")
    papers = citations(operators)
    assert {one.key for one in papers} >= {operator.paper.key for operator in operators}
    assert all(one.bibtex.startswith("@") and one.text for one in papers)


def test_digits_are_grouped() -> None:
    """A number is one number: 9,408 and not 9 times 408; the product of two numbers stays a product."""
    from flopcalc.pages.mathml import mathml

    assert "<mn>9,408</mn>" in mathml(r"9\,408 \, H")
    assert "<mn>37,011,456</mn>" in mathml(r"37\,011\,456 \, H")
    assert "<mn>12</mn>" in mathml(r"12 \, H")
    assert "<mtext>in</mtext>" in mathml(r"c_{\mathrm{in}}")
    assert "<mtext>prim</mtext>" in mathml(r"C_{prim}")
    assert "<mi>i</mi>" in mathml(r"\sum_{i=1}^{d} 2^{i}")


@pytest.mark.parametrize("text", ["a < b", "a & b", r"\text{<script>}", "<script>"])
def test_a_formula_has_no_markup_of_its_own(text: str) -> None:
    """Whatever a name in it is."""
    from flopcalc.pages.mathml import mathml

    tree = read(mathml(text))
    assert not [tag for tag, _ in tree.elements if not tag.startswith("m")]
    assert not tree.problems


def test_the_page_is_the_same_on_each_run(tmp_path: Path, run: Runner) -> None:
    """In another process too: no time, no random name."""
    from helpers import fresh

    first, second = tmp_path / "first.html", tmp_path / "second.html"
    assert run("report", "resnet18", "--replace", "spconv", "-o", str(first)).code == 0
    source = (
        "import sys\nfrom flopcalc.cli.main import main\n"
        f"sys.exit(main(['report', 'resnet18', '--replace', 'spconv', '-o', {str(second)!r}]))"
    )
    assert fresh(source, env={"PYTHONHASHSEED": "7"}).code == 0
    assert first.read_text() == second.read_text()


@pytest.mark.parametrize(
    ("arguments", "most"),
    [
        (("resnet152", "--device", "h100", "--replace", "spconv"), 600_000),
        (("resnet1202_cifar", "--device", "h100"), 3_000_000),
    ],
)
def test_the_page_is_small(arguments: tuple[str, ...], most: int, tmp_path: Path, run: Runner) -> None:
    """ResNet-152 has a fifth of the 3 MB that a page may have, and a network of 4,200 layers fits too."""
    path = tmp_path / "page.html"
    assert run("report", *arguments, "-o", str(path)).code == 0
    assert 200_000 < path.stat().st_size < most


def _attribute(tree: Tree, name: str) -> list[Any]:
    return [attributes[name] for _, attributes in tree.elements if name in attributes]


def test_pictures_are_drawn_without_a_script(texts: dict[str, str]) -> None:
    """The tree and the charts are in the markup itself."""
    tree = read(texts["replaced"])
    labels = [attributes["aria-label"] for tag, attributes in tree.elements if attributes.get("role") == "img"]
    assert len(labels) == 5
    assert [tag for tag, _ in tree.elements].count("rect") > 40
    # 20 convolutions and a linear layer in 8 blocks, 3 shortcuts and 4 stages, and the network.
    assert len(_attribute(tree, "data-n")) == 21 + 8 + 3 + 4 + 1


def test_printed_equations_are_typeset(texts: dict[str, str]) -> None:
    """As markup of formulas, in each row of the table of an operator."""
    section = re.search(r'<section id="equations".*?</section>', texts["operator"], re.DOTALL)
    assert section is not None
    rows = re.findall(r'<tr role="row">.*?</tr>', section[0].partition("</thead>")[2], re.DOTALL)
    assert len(rows) >= 4
    assert all(row.count("<math ") == 1 + row.count('class="right"') for row in rows)


def test_parts_of_two_pictures_do_not_meet() -> None:
    """Each identifier of a picture gets a prefix, and what refers to it follows; roles and labels of parts go."""
    from flopcalc.pages.pictures import inline

    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" class="marks" width="9">'
        '<defs><clipPath id="clip0"><rect width="1.23456789" height="2"/></clipPath></defs>'
        '<g clip-path="url(#clip0)" role="graphics-object" aria-label="part"><use xlink:href="#clip0"/>'
        "<text>a &lt; b</text></g></svg>"
    )
    one, other = (inline(picture, label) for label in ("a first picture", "another one"))
    ids = [re.findall(r'id="([^"]+)"', text) for text in (one, other)]
    assert ids[0] != ids[1]
    for text, (name,) in zip((one, other), ids, strict=True):
        assert text.count(name) == 3
        assert f'clip-path="url(#{name})"' in text
        assert f'href="#{name}"' in text
    assert one.startswith("<svg ")
    assert 'role="img" aria-label="a first picture"' in one
    assert "graphics-object" not in one
    assert "a &lt; b" in one
    assert 'width="1.23"' in one

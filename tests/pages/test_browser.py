"""A page in a headless Chromium: nothing is loaded, nothing fails, and every part of it works."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Tab, browser, executable
from helpers import define_kernels, import_for_pages

import_for_pages()
if executable() is None:
    pytest.skip("no Chromium is installed, with which pages are tested", allow_module_level=True)

# A kernel without a rule, a module with markup in its name, and one that is called twice.
MODEL = """
import torch
from torch import nn

class Scan(nn.Module):
    def forward(self, x):
        return torch.ops.flopcalctest.scan(x)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.act = nn.ReLU()
        self.add_module("<script>hurt=1</script>", nn.Sequential(nn.Conv2d(16, 32, 3, padding=1)))
        self.scan = Scan()
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        x = getattr(self, "<script>hurt=1</script>")(self.act(self.stem(x)))
        return self.fc(self.scan(self.act(x)).mean((2, 3)))
"""

PAGES = {
    "plain": ("resnet18",),
    "replaced": ("resnet50", "--replace", "spconv", "--device", "h200"),
    "operator": ("compconv", "--cin", "256", "--device", "h200"),
    "model": ("net.py:Net", "--input", "3x32x32", "--replace", "ghost", "--device", "h200"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all pages, and the record of one network."""
    from flopcalc.cli.main import main

    define_kernels()
    found = tmp_path_factory.mktemp("pages")
    (found / "net.py").write_text(MODEL)
    for name, arguments in PAGES.items():
        first = str(found / arguments[0]) if "." in arguments[0] else arguments[0]
        assert main(["report", first, *arguments[1:], "-o", str(found / f"{name}.html")]) == 0
    replaced = [*PAGES["replaced"][:3], "--format", "json", "-o", str(found / "replaced.json")]
    assert main(["model", *replaced]) == 0
    return found


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def tab(chromium: Tab) -> Iterator[Tab]:
    """A window of a usual size, with light colours; after each test nothing was loaded and nothing failed."""
    chromium.size(1280, 900)
    chromium.prefer("light")
    yield chromium
    assert chromium.problems == []
    assert len(chromium.requests) == 1
    assert chromium.requests[0].startswith("file:///")


@pytest.fixture
def replaced(tab: Tab, folder: Path) -> Tab:
    tab.open(folder / "replaced.html")
    return tab


def _record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "replaced.json").read_text())
    return found


def _column(tab: Tab, title: str) -> list[str]:
    """The texts of one column of the table, of the rows that are shown, from top to bottom."""
    found: list[str] = tab.evaluate(
        f"""(() => {{
          const table = document.getElementById("rows");
          const place = [...table.tHead.rows[0].cells].findIndex((one) => one.textContent === {json.dumps(title)});
          const rows = [...table.tBodies[0].rows].filter((row) => row.checkVisibility());
          return rows.map((row) => row.cells[place].textContent);
        }})()"""
    )
    return found


def _click_head(tab: Tab, title: str) -> str:
    """Click on a button of the head; returns the order that it then announces."""
    found: str = tab.evaluate(
        f"""(() => {{
          const heads = [...document.querySelectorAll("#rows thead th")];
          const head = heads.find((one) => one.textContent === {json.dumps(title)});
          head.firstElementChild.click();
          return head.getAttribute("aria-sort");
        }})()"""
    )
    return found


def _type(tab: Tab, text: str) -> str:
    """Write into the filter; returns the count that is shown."""
    tab.evaluate('document.getElementById("filter").focus(); document.getElementById("filter").value = ""')
    tab.call("Input.insertText", text=text)
    return str(tab.evaluate('document.getElementById("count").textContent'))


@pytest.mark.parametrize("name", PAGES)
def test_pictures_are_drawn(name: str, tab: Tab, folder: Path) -> None:
    """Each has a size, its parts too, and it is not as wide as the window."""
    tab.open(folder / f"{name}.html")
    pictures = tab.evaluate(
        """[...document.querySelectorAll("svg[aria-label]:not(.b)")].map((one) => {
          const size = one.getBoundingClientRect();
          const inside = [...one.querySelectorAll("rect, path")].map((part) => part.getBoundingClientRect());
          const drawn = inside.filter((part) => part.width > 0 && part.height > 0).length;
          return { width: size.width, height: size.height, drawn, label: one.getAttribute("aria-label") };
        })"""
    )
    # The tree, the roofline and the memory; a replacement has two more, and an operator has no memory by layer.
    assert len(pictures) == {"plain": 2, "replaced": 5, "operator": 2, "model": 5}[name]
    for picture in pictures:
        assert 200 < picture["width"] <= 1280
        assert picture["height"] > 100
        assert picture["drawn"] >= 3
        assert len(picture["label"]) > 20
    assert tab.evaluate('document.querySelectorAll("math").length') >= 2
    widths = tab.evaluate(
        """[...document.querySelectorAll("math")].filter((one) => one.checkVisibility()).map(
          (one) => one.getBoundingClientRect().width)"""
    )
    assert min(widths) > 5


def test_a_name_is_no_script(tab: Tab, folder: Path) -> None:
    """The module with markup in its name is a row, and nothing ran."""
    tab.open(folder / "model.html")
    assert tab.evaluate("window.hurt") is None
    assert tab.evaluate("document.scripts.length") == 1
    assert "<script>hurt=1</script>.0" in _column(tab, "Layer")
    assert "at least" in tab.evaluate('document.getElementById("summary").textContent')
    assert "flopcalctest.scan" in tab.evaluate('document.querySelector(".warning").textContent')


def test_another_script_is_refused(tab: Tab, folder: Path) -> None:
    """By the policy of the page: an injected script, and a picture from elsewhere."""
    tab.open(folder / "plain.html")
    tab.evaluate(
        """(() => { const one = document.createElement("script"); one.textContent = "window.hurt = 1";
        document.body.append(one); })()"""
    )
    assert tab.evaluate("window.hurt") is None
    assert any("Content Security Policy" in one for one in tab.problems)
    tab.problems.clear()


def test_the_table_sorts(replaced: Tab, folder: Path) -> None:
    """Numbers from the largest, then from the smallest, then as they were; texts by the alphabet."""
    layers = _record(folder)["layers"]
    macs = [layer["macs"] for layer in layers]
    names = [layer["name"] for layer in layers]
    assert _column(replaced, "Layer") == names
    assert _click_head(replaced, "MACs") == "descending"
    assert _column(replaced, "MACs") == [f"{one:,}" for one in sorted(macs, reverse=True)]
    assert _click_head(replaced, "MACs") == "ascending"
    assert _column(replaced, "MACs") == [f"{one:,}" for one in sorted(macs)]
    assert _click_head(replaced, "MACs") == "none"
    assert _column(replaced, "Layer") == names
    assert _click_head(replaced, "Type") == "ascending"
    assert _column(replaced, "Type") == sorted(layer["type"] for layer in layers)
    # Only one column is the sorted one.
    assert replaced.evaluate('document.querySelectorAll("#rows [aria-sort]:not([aria-sort=none])").length') == 1
    assert _click_head(replaced, "Time") == "descending"
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 0.0}
    times = [float(text.split()[0]) * units[text.split()[1]] if text else 0.0 for text in _column(replaced, "Time")]
    assert times == sorted(times, reverse=True)
    assert times[0] > 1e-4


def test_the_table_sorts_with_the_keyboard(replaced: Tab) -> None:
    """The button of a head takes Enter and space."""
    replaced.evaluate('document.querySelector("#rows thead button").focus()')
    replaced.press("Tab", 9)
    assert replaced.evaluate("document.activeElement.textContent") == "Type"
    replaced.press("Enter", 13, "\r")
    state = 'document.activeElement.parentElement.getAttribute("aria-sort")'
    assert replaced.evaluate(state) == "ascending"
    replaced.press(" ", 32, " ")
    assert replaced.evaluate(state) == "descending"


def test_the_table_filters(replaced: Tab, folder: Path) -> None:
    """By words in any column; the count and the share are those of the rows that are left."""
    record = _record(folder)
    total = record["macs"]
    chosen = [layer for layer in record["layers"] if layer["type"] == "spconv"]
    share = 100 * sum(layer["macs"] for layer in chosen) / total
    assert _type(replaced, "spconv") == f"16 of 175 layers, {share:.1f}% of the MACs"
    assert _column(replaced, "Layer") == [layer["name"] for layer in chosen]
    both = [layer["name"] for layer in chosen if layer["name"].startswith("layer3.")]
    assert _type(replaced, "LAYER3. spconv").startswith(f"{len(both)} of 175 layers")
    assert _column(replaced, "Layer") == both
    assert _type(replaced, "no such layer") == "0 of 175 layers, 0.0% of the MACs"
    replaced.evaluate(
        'const filter = document.getElementById("filter"); filter.value = ""; filter.dispatchEvent(new Event("input"))'
    )
    assert replaced.evaluate('document.getElementById("count").textContent') == "175 layers"
    replaced.evaluate('document.getElementById("costly").click()')
    with_macs = [layer["name"] for layer in record["layers"] if layer["macs"]]
    assert _column(replaced, "Layer") == with_macs
    assert (
        replaced.evaluate('document.getElementById("count").textContent')
        == f"{len(with_macs)} of 175 layers, 100.0% of the MACs"
    )


def _box(tab: Tab, name: str) -> dict[str, float]:
    """The place of a module in the picture, in shares of the picture."""
    found: dict[str, float] = tab.evaluate(
        f"""(() => {{
          const all = document.getElementById("tree").getBoundingClientRect();
          const box = document.querySelector(`.b[data-n={json.dumps(name)}]`);
          const one = box.querySelector("rect").getBoundingClientRect();
          return {{ left: (one.left - all.left) / all.width, top: (one.top - all.top) / all.height,
            width: one.width / all.width, height: one.height / all.height }};
        }})()"""
    )
    return found


def test_a_box_is_as_high_as_its_share(replaced: Tab, folder: Path) -> None:
    """Of every layer with MACs, in the order of the network, from the top to the bottom."""
    record = _record(folder)
    above = 0
    for layer in record["layers"]:
        if layer["macs"]:
            box = _box(replaced, layer["name"])
            assert box["top"] == pytest.approx(above / record["macs"], abs=0.002)
            assert box["height"] == pytest.approx(layer["macs"] / record["macs"], abs=0.002)
            assert box["left"] + box["width"] == pytest.approx(1, abs=0.002)
            above += layer["macs"]
    assert above == record["macs"]


def test_a_module_is_enlarged(replaced: Tab) -> None:
    """By a click; a step of the path goes back."""
    replaced.evaluate(
        'document.querySelector(\'.b[data-n="layer3"]\').dispatchEvent(new MouseEvent("click", {bubbles: true}))'
    )
    box = _box(replaced, "layer3")
    assert (box["left"], box["top"], box["height"]) == pytest.approx((0, 0, 1), abs=0.002)
    assert not replaced.evaluate("document.querySelector('.b[data-n=\"layer2\"]').checkVisibility()")
    steps = 'Array.from(document.querySelectorAll("#tree-path button"), (one) => one.textContent)'
    assert replaced.evaluate(steps) == ["resnet50", "layer3"]
    assert replaced.evaluate('document.getElementById("tree-about").textContent').startswith("layer3: ")
    replaced.evaluate('document.querySelector("#tree-path button").click()')
    assert replaced.evaluate(steps) == ["resnet50"]
    assert _box(replaced, "layer3")["height"] < 0.5
    # From the picture to the table.
    replaced.evaluate(
        'document.querySelector(\'.b[data-n="layer3.1"]\').dispatchEvent(new MouseEvent("click", {bubbles: true}))'
    )
    replaced.evaluate('document.getElementById("tree-table").click()')
    names = _column(replaced, "Layer")
    assert len(names) == 10
    assert all(name.startswith("layer3.1.") for name in names)


def test_the_picture_works_with_the_keyboard(replaced: Tab) -> None:
    """It is one stop of the tab key; arrows move in it, Enter enlarges, Escape goes back."""
    stops = 'document.querySelectorAll(".b[tabindex=\\"0\\"]").length'
    assert replaced.evaluate(stops) == 1
    replaced.evaluate('document.querySelector(".b[tabindex=\\"0\\"]").focus()')
    here = "document.activeElement.dataset.n"
    moves = [
        ("ArrowRight", 39, "conv1"),
        ("ArrowDown", 40, "layer1"),
        ("ArrowRight", 39, "layer1.0"),
        ("ArrowRight", 39, "layer1.0.conv1"),
        ("ArrowRight", 39, "layer1.0.conv1"),
        ("ArrowLeft", 37, "layer1.0"),
        ("ArrowUp", 38, "layer1"),
        ("End", 35, "fc"),
        ("Home", 36, "resnet50"),
    ]
    for key, code, name in moves:
        replaced.press(key, code)
        assert replaced.evaluate(here) == name, key
        selected = 'Array.from(document.querySelectorAll("[aria-selected=true]"), (one) => one.dataset.n)'
        assert replaced.evaluate(selected) == [name]
    assert replaced.evaluate(stops) == 1
    for key, code in (("ArrowRight", 39), ("ArrowDown", 40)):
        replaced.press(key, code)
    replaced.press("Enter", 13, "\r")
    assert _box(replaced, "layer1")["height"] == pytest.approx(1, abs=0.002)
    assert replaced.evaluate(here) == "layer1"
    replaced.press("Escape", 27)
    assert _box(replaced, "layer1")["height"] < 0.5
    assert replaced.evaluate(here) == "layer1"
    assert replaced.evaluate("document.activeElement.getAttribute('aria-label')").startswith("layer1: ")


def test_dark_and_light(replaced: Tab) -> None:
    """By what the reader prefers, and by the button."""
    back = "getComputedStyle(document.body).backgroundColor"
    light = replaced.evaluate(back)
    replaced.prefer("dark")
    # The button follows with the next picture of the window.
    replaced.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => 0)")
    dark = replaced.evaluate(back)
    assert sum(map(int, re.findall(r"\d+", light))) > 700
    assert sum(map(int, re.findall(r"\d+", dark))) < 150
    assert replaced.evaluate('document.getElementById("theme").getAttribute("aria-pressed")') == "true"
    replaced.evaluate('document.getElementById("theme").click()')
    assert replaced.evaluate(back) == light
    # A chart has a light ground in both.
    assert (
        replaced.evaluate('getComputedStyle(document.querySelector(".chart")).backgroundColor') == "rgb(255, 255, 255)"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["replaced", "model"])
def test_text_can_be_read(name: str, scheme: str, tab: Tab, folder: Path) -> None:
    """The contrast of all text is at least 4.5 (the level AA of the WCAG), also in the picture of the tree."""
    tab.prefer(scheme)
    tab.open(folder / f"{name}.html")
    poor = tab.evaluate(
        """(() => {
          const numbers = (text) => text.match(/[0-9.]+/g).map(Number);
          const light = (color) => {
            const curve = (one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
            const part = color.slice(0, 3).map((one) => curve(one / 255));
            return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
          };
          const ground = (one) => {
            for (let at = one; at; at = at.parentElement) {
              const style = getComputedStyle(at);
              if (at.matches && at.matches(".b")) return numbers(getComputedStyle(at.querySelector("rect")).fill);
              const color = numbers(style.backgroundColor);
              if (color.length === 3 || color[3] > 0) return color;
            }
            return [255, 255, 255];
          };
          const found = [];
          for (const one of document.querySelectorAll("body *")) {
            const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
            if (!own || one.closest("script, .chart svg, title") || !one.checkVisibility()) continue;
            const style = getComputedStyle(one);
            const ink = numbers(one.closest("svg") ? style.fill : style.color);
            const both = [light(ink), light(ground(one))].sort();
            const contrast = (both[1] + 0.05) / (both[0] + 0.05);
            if (contrast < 4.5) found.push([one.tagName, one.textContent.slice(0, 30), contrast]);
          }
          return found;
        })()"""
    )
    assert poor == []


@pytest.mark.parametrize("name", PAGES)
def test_it_fits_on_a_phone(name: str, tab: Tab, folder: Path) -> None:
    """The page itself does not scroll sideways; tables and pictures do, within it."""
    tab.size(390, 844, mobile=True)
    tab.open(folder / f"{name}.html")
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert tab.evaluate('document.getElementById("filter").getBoundingClientRect().width') > 200


def test_names_leave_room_on_a_phone(replaced: Tab) -> None:
    """A name takes less than half of the screen, words of other rows are whole, and rows keep their colour."""
    replaced.size(390, 844, mobile=True)
    wide = replaced.evaluate(
        "[...document.querySelectorAll('.scroll:not(.tall) tbody tr')].filter(one => !one.closest('.stacked'))"
        ".map(one => [one.cells[0].textContent, one.cells[0].getBoundingClientRect().width])"
    )
    assert len(wide) > 20
    assert max(width for _, width in wide) < 0.5 * 390
    rows = "[...document.querySelectorAll('#rows tbody tr')].slice(0, 2)"
    assert len(set(replaced.evaluate(f"{rows}.map(one => getComputedStyle(one.cells[0]).backgroundColor)"))) == 2


def test_on_paper(replaced: Tab, tmp_path: Path) -> None:
    """Only the most expensive layers, without what needs a mouse; what is folded and short is shown."""
    replaced.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert len(_column(replaced, "Layer")) == 40
        for hidden in ("nav", "#theme", ".controls", "#tree-table"):
            assert not replaced.evaluate(f"document.querySelector('{hidden}').checkVisibility()"), hidden
        assert replaced.evaluate("document.querySelector('.paper').checkVisibility()")
        replaced.call("Emulation.setEmulatedMedia", media="")
        _type(replaced, "layer4. bn")
        replaced.call("Emulation.setEmulatedMedia", media="print")
        # With a filter exactly its rows: 3 blocks with 3 norms, which are not among the most expensive ones.
        assert len(_column(replaced, "Layer")) == 9
    finally:
        replaced.call("Emulation.setEmulatedMedia", media="")
    replaced.pdf(tmp_path / "page.pdf")
    data = (tmp_path / "page.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert 5 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 15
    assert replaced.evaluate('document.querySelectorAll("details[open]").length') == 0


def test_without_a_script(tab: Tab, folder: Path) -> None:
    """The picture and all rows are there; what would not work is not shown."""
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(folder / "plain.html")
        tree = tab.call("Accessibility.getFullAXTree")["nodes"]
    finally:
        tab.call("Emulation.setScriptExecutionDisabled", value=False)
    roles = [node.get("role", {}).get("value") for node in tree]
    assert "searchbox" not in roles
    assert roles.count("image") >= 2
    names = {node.get("name", {}).get("value") for node in tree}
    assert "layer4.1.conv2" in names
    tab.open(folder / "plain.html")


def test_what_a_screen_reader_hears(replaced: Tab) -> None:
    """Roles and names of the parts that a reader works with."""
    tree = replaced.call("Accessibility.getFullAXTree")["nodes"]
    found: dict[str, list[str]] = {}
    for node in tree:
        if not node.get("ignored"):
            found.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert found["searchbox"] == ["Filter layers"]
    assert found["checkbox"] == ["only layers with MACs"]
    assert {"Layer", "MACs", "Share"} <= set(found["button"])
    assert any(name.startswith("layer1: ") for name in found["treeitem"])
    assert all(name for name in [*found["button"], *found["heading"], *found["image"], *found["link"]])
    assert "MathMLFraction" in found
    assert found["tree"][0].startswith("Share of the MACs by module")

"""Every kind of picture as it is drawn: its size, its texts, its formats, and the same bytes each time."""

import io
import json
import re
import struct
import subprocess
from itertools import combinations
from pathlib import Path

import pytest
from chart_pictures import EIGHT, PICTURES, network, picture, size_of, texts_of
from chromium import browser, executable
from helpers import fresh

from flopcalc import FlopcalcError, charts
from flopcalc.charts import files
from flopcalc.charts.lengths import millimetres

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
WIDTHS = (40.0, 84.0, 170.0)
# Narrower pictures are made smaller with their texts.
KEEPS_TEXT_FROM = 55.0
KINDS = ("size", "stage", "replacement", "front", "roofline", "memory")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PICTURES)
def test_texts_are_whole_and_apart(name: str, width: float) -> None:
    """Each text is inside the picture, no two overlap, and the picture is as wide as it was asked for."""
    drawn = charts.svg(picture(name), width)
    assert f'width="{width:g}mm"' in drawn
    wide, high = size_of(drawn)
    if width >= KEEPS_TEXT_FROM:
        assert wide == pytest.approx(width * 96 / 25.4, abs=1)
    else:
        assert width * 96 / 25.4 - 1 <= wide <= KEEPS_TEXT_FROM * 96 / 25.4
    texts = [text for text in texts_of(drawn) if text.text.strip()]
    assert len(texts) > 5
    for text in texts:
        assert text.left >= -0.5, text
        assert text.right <= wide + 0.5, text
        assert text.top >= -0.5, text
        assert text.bottom <= high + 0.5, text
    for one, other in combinations(texts, 2):
        assert not one.meets(other), (one, other)


@pytest.mark.parametrize("name", KINDS)
def test_a_png_is_drawn(name: str) -> None:
    """Its size and resolution; ink inside, none on its border, in colour and in grey."""
    image = pytest.importorskip("PIL.Image")
    data = files.content(picture(name), "png", 84, ppi=150)
    with image.open(io.BytesIO(data)) as found:
        drawn = found.convert("RGB")
    assert drawn.width == pytest.approx(84 / 25.4 * 150, abs=1)
    assert 150 < drawn.height < 2000
    for edge in ((0, 0, drawn.width, 2), (0, 0, 2, drawn.height), (drawn.width - 2, 0, drawn.width, drawn.height)):
        assert drawn.crop(edge).getextrema() == ((255, 255), (255, 255), (255, 255)), edge
    grey = drawn.convert("L")
    histogram = grey.histogram()
    ink = sum(histogram[:250]) / sum(histogram)
    assert 0.01 < ink < 0.6, "the picture is blank, or full"
    # Text is nearly black, and there is something between black and white.
    assert sum(histogram[:60]) > 100
    assert sum(histogram[60:230]) > 100
    # Colours, and not only grey.
    hues = drawn.convert("HSV").split()[1].getextrema()
    assert hues[1] > 120
    # The resolution is part of the file, in pixels of a metre.
    place = data.index(b"pHYs")
    assert struct.unpack(">I", data[place + 4 : place + 8])[0] == pytest.approx(150 / 0.0254, rel=0.001)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_pdf_has_the_size(width: float) -> None:
    """In points; with the font in it."""
    data = files.content(picture("size"), "pdf", width)
    assert data.startswith(b"%PDF")
    box = re.search(rb"MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", data)
    assert box is not None
    assert float(box[1]) == pytest.approx(width / 25.4 * 72, abs=0.1)
    assert b"FontFile" in data or b"ObjStm" in data


def test_an_svg_stands_alone() -> None:
    """Names of operators are text, in fonts that every system has; it loads nothing, and has one label."""
    drawn = charts.svg(picture("size, eight operators"), 170)
    texts = {text.text for text in texts_of(drawn)}
    assert set(EIGHT) <= texts
    fonts = set(re.findall(r'font-family="([^"]*)"', drawn))
    assert fonts == {"Liberation Sans, Arial, Helvetica, sans-serif"}
    assert not re.search(r"href|url\(|<image|<script|@import", drawn)
    assert re.findall(r'role="img" aria-label="([^"]*)"', drawn) == [
        f"FLOPs against input channels: {'; '.join(EIGHT)}"
    ]


@pytest.mark.parametrize(("name", "fmt"), [*((name, "svg") for name in KINDS), ("memory", "pdf"), ("stage", "html")])
def test_the_same_bytes_each_time(name: str, fmt: str) -> None:
    """A page and an SVG in the same process; a PDF, whose resources the converter lists in any order."""
    assert files.content(picture(name), fmt, 84) == files.content(PICTURES[name](), fmt, 84)


def test_the_same_bytes_in_another_process() -> None:
    """Whatever the hashes of texts are."""
    source = (
        "import sys, hashlib, flopcalc\nfrom flopcalc import charts\n"
        "chart = charts.cost_by_size(flopcalc.sweep('conv', 'ghost', c_in='16:64:16'))\n"
        "print(hashlib.sha256(charts.svg(chart, 84).encode()).hexdigest())"
    )
    found = {fresh(source, env={"PYTHONHASHSEED": seed}).out for seed in ("1", "2")}
    assert len(found) == 1
    assert len(found.pop().strip()) == 64


@pytest.mark.parametrize("name", KINDS)
def test_the_specification_is_a_chart_of_altair(name: str) -> None:
    """JSON that Altair reads, with the data by name."""
    altair = pytest.importorskip("altair")
    text = files.content(picture(name), "json", 84).decode()
    spec = json.loads(text)
    chart = altair.LayerChart.from_dict(spec)
    assert chart.to_dict() == spec
    assert isinstance(picture(name), altair.LayerChart)
    assert spec["datasets"]


def test_a_page_needs_no_network(tmp_path: Path) -> None:
    """It refers to no file, and its data cannot end the script."""
    chart = charts.cost_by_stage({"</script><b>": network("resnet18")}, title="A </title> & more")
    path = tmp_path / "page.html"
    charts.save(chart, path)
    text = path.read_text()
    assert text.count("</script>") == text.count("<script>") == 1
    around = text.partition("<script>")[0] + text.partition("</script>")[2]
    assert not re.search(r"(src|href)=|url\(|@import|<(link|img|iframe|script)", around)
    assert "<title>A &lt;/title&gt; &amp; more</title>" in text
    # Without a title: what the picture is of; a title in several lines is one.
    charts.save(charts.cost_by_stage(network("resnet18")), path)
    assert "<title>MACs by stage: resnet18</title>" in path.read_text()
    charts.save(charts.cost_by_stage(network("resnet18"), title="A title of many words in several lines"), path, 40)
    assert "<title>A title of many words in several lines</title>" in path.read_text()


@pytest.mark.parametrize("name", ["size", "roofline"])
def test_a_page_is_drawn_in_a_browser(name: str, tmp_path: Path) -> None:
    """Headless, without a network: no error on the console, and the texts of the SVG."""
    program = executable()
    if program is None:
        pytest.skip("no browser is installed (apt-get install chromium)")
    path = tmp_path / "page.html"
    charts.save(picture(name), path, 170)
    done = subprocess.run(
        [
            program, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--virtual-time-budget=5000",
            "--dump-dom", path.as_uri(),
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, done.stderr
    body = done.stdout[done.stdout.index('<div id="picture"') :]
    svg = body[body.index("<svg") : body.index("</svg>") + 6]
    shown = {text.text for text in texts_of(charts.svg(picture(name), 170))}
    in_page = set(re.findall(r"<t(?:ext|span)[^>]*>([^<]+)<", svg))
    assert {one.replace("&amp;", "&") for one in in_page} >= {one for one in shown if one.strip()}


@pytest.mark.skipif(executable() is None, reason="no Chromium is installed")
def test_a_page_on_a_phone_has_readable_text(tmp_path: Path) -> None:
    """The picture keeps about its size and can be moved, and the page is no wider than the screen."""
    charts.save(picture("roofline"), tmp_path / "page.html")
    with browser(tmp_path / "profile") as tab:
        for width in (390, 1280):
            tab.size(width, 800, mobile=width < 500)
            tab.open(tmp_path / "page.html")
            tab.evaluate("new Promise(done => setTimeout(done, 500))")
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            high = tab.evaluate(
                "[...document.querySelectorAll('svg text')].map(one => one.getBoundingClientRect().height)"
            )
            assert min(high) >= 8
        charts.save(picture("size"), tmp_path / "page.html", 60)
        tab.open(tmp_path / "page.html")
        tab.evaluate("new Promise(done => setTimeout(done, 500))")
        assert tab.evaluate("document.querySelector('svg').getBoundingClientRect().width") < 2 * 60 * 96 / 25.4


def test_a_chart_of_another_width_is_laid_out_again() -> None:
    """The texts near points of a narrow picture are placed for it, and those of the wide one do not change."""
    wide, narrow = (files.spec_of(picture("front"), width) for width in (170, 84))
    assert narrow["width"] < wide["width"] / 1.7
    assert narrow["datasets"]["points"] == wide["datasets"]["points"]
    places = [[(row["lx"], row["ly"]) for row in spec["datasets"]["front"]] for spec in (wide, narrow)]
    assert places[0] != places[1]
    assert files.spec_of(picture("front"), 170) == wide


def test_charts_of_others_can_be_saved(tmp_path: Path) -> None:
    """As they are, or at a width."""
    altair = pytest.importorskip("altair")
    chart = altair.Chart(altair.Data(values=[{"a": 1}])).mark_point().encode(x="a:Q")
    assert 'width="' in charts.svg(chart)
    assert size_of(charts.svg(chart, 84))[0] == pytest.approx(84 * 96 / 25.4, abs=1)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("figure.bmp", "bad-usage"), ("figure", "bad-usage"), (".svg", "bad-usage"), ("figure.", "bad-usage"),
        ("missing/figure.svg", "unwritable-output"), ("folder.svg", "unwritable-output"),
        ("figure\0.svg", "unwritable-output"),
    ],
)  # fmt: skip
def test_paths_that_cannot_be_written(path: str, code: str, tmp_path: Path) -> None:
    """One error, and nothing is left behind."""
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(FlopcalcError) as caught:
        charts.save(picture("size"), f"{tmp_path}/{path}")
    assert caught.value.code == code
    assert [one.name for one in tmp_path.iterdir()] == ["folder.svg"]


@pytest.mark.parametrize("suffix", [".SVG", ".Pdf", ".png", ".JSON", ".html"])
def test_suffixes(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"figure{suffix}"
    charts.save(picture("size, one point"), path, width_mm=60)
    starts = {".svg": b"<svg", ".pdf": b"%PDF", ".png": b"\x89PNG", ".json": b"{", ".html": b"<!doctype html>"}
    assert path.read_bytes().startswith(starts[suffix.lower()])


@pytest.mark.parametrize(
    ("text", "mm"),
    [
        ("84mm", 84),
        ("8.4 cm", 84),
        ("3.5in", 88.9),
        ("240pt", 84.667),
        ("640px", 169.33),
        (" 84MM ", 84),
        ("84.mm", 84),
    ],
)
def test_lengths(text: str, mm: float) -> None:
    assert millimetres(text) == pytest.approx(mm, abs=0.01)


@pytest.mark.parametrize(
    "text",
    ["84", "mm", "", "-84mm", "84 m", "1e3mm", "٨٤mm", "84mm mm", "0mm", "39mm", "1001mm", "nanmm", "infin", "8,4cm"],
)
def test_what_is_not_a_length(text: str) -> None:
    with pytest.raises(FlopcalcError) as caught:
        millimetres(text)
    assert caught.value.code == "bad-option"


@pytest.mark.parametrize("width", [0.0, -84.0, float("nan"), float("inf"), 1e9])
def test_widths_that_no_figure_has(width: float) -> None:
    with pytest.raises(FlopcalcError, match="width"):
        charts.svg(picture("size"), width)

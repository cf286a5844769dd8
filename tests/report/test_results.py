"""Results in notebooks and as data frames: nothing is lost, nothing is executed, nothing else is loaded."""

import re
from collections.abc import Callable
from fractions import Fraction
from html.parser import HTMLParser
from typing import Any

import pytest
from helpers import TINY, TINY_MACS, TINY_PARAMS, define_kernels, fresh

import flopcalc
from flopcalc import FlopcalcError
from flopcalc.cost.frames import columns_of, pandas_frame, polars_frame
from flopcalc.report.document import Document, Facts, Lines, Table, people
from flopcalc.report.notebook import fragment
from flopcalc.report.results import _VIEWS

_EVIL = "<script>alert(1)</script>&amp;"


class Page(HTMLParser):
    """The elements that are open, and the text outside the style."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def _net() -> Any:
    torch = pytest.importorskip("torch")
    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 8, 3))


# One of each result by the name of its class, and texts that its page must have.
RESULTS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "Evaluation": (lambda: flopcalc.layer("spconv", 256, alpha="1/4"), ("436,731,904", "0.2361", "alpha 1/4")),
    "Cost": (lambda: flopcalc.layer("ghost", 64).cost, ("58,705,920", "cheap")),
    "Network": (lambda: flopcalc.network("resnet50"), ("4,089,184,256", "layer4", "3x224x224")),
    # 3 x 8 x 9 MACs at 64 places, and 8 x 8 x 9 at 36.
    "Count": (lambda: flopcalc.count(_net(), (1, 3, 8, 8)), (f"{216 * 64 + 576 * 36:,}", "808")),
    "Replaced": (lambda: flopcalc.replace(_net(), "ghost", inputs=(1, 3, 8, 8)), ("2 convolutions replaced", "ghost")),
    "Training": (lambda: flopcalc.training("resnet18"), ("1,814,073,344", "3,510,132,736")),
    "Formula": (lambda: flopcalc.formula("resnet18"), ("11689512", "all sizes")),
    "Sweep": (lambda: flopcalc.sweep("conv", c_in="16:512:16"), ("of which 20 are shown", "7,225,344")),
    "Solution": (lambda: flopcalc.solve("mobilenet_v2", "width", "macs <= 300M"), ("0.98", "299,896,192")),
    "Roofline": (lambda: flopcalc.roofline("resnet50", device="h200"), ("limited by", "slowest of")),
    "Memory": (lambda: flopcalc.memory("resnet18"), ("46,758,048", "peak")),
    "Bench": (lambda: flopcalc.bench("conv", c_in=4, hw=8, seconds=0.05), ("median", "runs")),
}


def _made(name: str) -> Any:
    for package in {"Formula": ("sympy",), "Sweep": ("numpy",), "Bench": ("torch",)}.get(name, ()):
        pytest.importorskip(package)
    return RESULTS[name][0]()


def test_every_result_is_here() -> None:
    """All that are shown; a calibration takes a minute, and has the same document as its command."""
    assert {name.rpartition(".")[2] for name in _VIEWS} == {*RESULTS, "Calibration"}
    public = {name for name in flopcalc.__all__ if hasattr(getattr(flopcalc, name), "to_dict")}
    assert public <= set(RESULTS)


@pytest.mark.parametrize("name", RESULTS)
def test_it_is_shown_in_a_notebook(name: str) -> None:
    """One element that is closed, with the numbers that the command shows, its style for its own class only."""
    result = _made(name)
    page = result._repr_html_()
    assert page.startswith('<div class="flopcalc">')
    found = Page(page)
    assert not found.open
    assert found.tags <= {
        *("div", "style", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "dl", "dt", "dd", "ul", "li"),
        *("details", "summary", "math", "mrow", "mi", "mo", "mn", "msup", "msub", "mfrac", "mspace", "mtext", "mstyle"),
    }
    for text in RESULTS[name][1]:
        assert text in found.text
    style = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    assert all(rule.strip().startswith(".flopcalc") for rule in re.split(r"[{}]", style[0])[::2] if rule.strip())
    # Readable on any background: no colour of text or ground but greys, and the blue of the bars.
    assert set(re.findall(r"#[0-9a-f]{3,8}", style[0])) == {"#2f7fe0"}


@pytest.mark.parametrize("name", RESULTS)
def test_it_becomes_data_frames(name: str) -> None:
    """With the rows and the columns of to_rows(), each number as it is."""
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    result = _made(name)
    assert isinstance(result.to_dict(), dict)
    rows = list(result) if name == "Sweep" else result.to_rows()
    assert rows
    wanted = columns_of(rows)
    for frame in (result.to_pandas(), result.to_polars()):
        assert list(frame.columns) == list(wanted)
        for column, values in wanted.items():
            assert len(frame[column]) == len(values)
            if {type(one) for one in values} == {int}:
                assert [int(one) for one in frame[column]] == values


@pytest.mark.parametrize("values", [[2**62 + 1, None], [2**70, 1], [2**200, None], [1, 2.5], [2**60 + 1, 0.5]], ids=str)
def test_no_library_changes_a_number(values: list[Any]) -> None:
    """Integers with gaps, that are too large for 64 bits, or that stand next to other numbers."""
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    for frame in (pandas_frame({"a": values}), polars_frame({"a": values})):
        found = list(frame["a"])
        for one, value in zip(found, values, strict=True):
            if value is None:
                assert str(one) in ("None", "nan", "<NA>")
            else:
                assert Fraction(one) == Fraction(value)


def test_columns_of_any_kind() -> None:
    """Texts, lists, mappings, truth values, gaps, and no rows at all."""
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    rows: list[dict[str, Any]] = [
        {"text": "a", "sizes": [1, 2], "named": {"x": 1}, "is": True, "mixed": 3},
        {"text": None, "sizes": [], "named": {}, "is": False, "mixed": "none", "more": 1.5},
    ]
    columns = columns_of(rows)
    assert columns["more"] == [None, 1.5]
    pandas, polars = pandas_frame(columns), polars_frame(columns)
    assert list(pandas["sizes"]) == [[1, 2], []]
    assert [list(one) for one in polars["sizes"]] == [[1, 2], []]
    assert list(pandas["mixed"]) == [3, "none"]
    assert list(polars["mixed"]) == ["3", "none"]
    assert list(pandas["named"]) == list(polars["named"]) == [{"x": 1}, {}]
    assert pandas_frame({}).empty
    assert polars_frame({"a": []}).is_empty()
    assert pandas_frame({"a": []}).empty


def test_texts_of_users_are_escaped(write_network: Callable[[str], str]) -> None:
    """In titles, cells, labels, lines and headings; so are characters that are invisible."""
    table = Table((Column_("text"),), [[_EVIL]], [[_EVIL]], title=_EVIL)
    blocks = (table, Facts([(_EVIL, _EVIL)], _EVIL), Lines(_EVIL, [_EVIL] * 9))
    page = fragment(Document(_EVIL, blocks, None))
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;") == 4 + 3 + 10
    net = flopcalc.network(write_network(TINY.replace("tiny\n", "'<b>\\u202e'\n").replace("A convolution", "<i>A")))
    assert not {"i", "b"} & Page(net._repr_html_() or "").tags
    assert "\u202e" not in (net._repr_html_() or "")


def Column_(title: str) -> Any:  # noqa: N802 - as the record
    from flopcalc.report.document import Column

    return Column(title, "text")


def test_what_is_not_counted_is_seen() -> None:
    """In the title, and as a list that is open, however long it is."""
    torch = pytest.importorskip("torch")
    define_kernels()

    class Scan(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x: Any) -> Any:
            return torch.ops.flopcalctest.scan(x)

    # A convolution of 27 weights at 64 places.
    conv = torch.nn.Conv2d(3, 1, 3, padding=1, bias=False)
    net = torch.nn.Sequential(conv, *(Scan() for _ in range(6)))
    count = flopcalc.count(net, (1, 3, 8, 8))
    assert len(count.uncounted) == 6
    page = Page(count._repr_html_() or "")
    assert f"at least {27 * 64:,} MACs, 27 parameters | 6 kernels were not counted" in page.text
    assert "flopcalctest.scan in 6, once" in page.text
    assert "details" not in page.tags
    assert len(count.to_dict()["uncounted"]) == 6


def test_the_data_of_a_network_is_that_of_its_command(write_network: Callable[[str], str]) -> None:
    """`flopcalc/model/1`, with the sums of the layers by hand."""
    found = flopcalc.network(write_network(TINY))
    record = found.to_dict()
    assert (record["schema"], record["params"], record["macs"]) == ("flopcalc/model/1", TINY_PARAMS, TINY_MACS)
    assert [row["name"] for row in found.to_rows()] == ["conv1", "pool", "flat", "fc"]
    assert sum(row["macs"] for row in found.to_rows()) == TINY_MACS
    assert flopcalc.layer("ghost", 64).to_dict()["schema"] == "flopcalc/layer/1"


def test_modules_of_a_count_add_up() -> None:
    """Each kind of cost, parameters included."""
    count = flopcalc.count(_net(), (1, 3, 8, 8))
    for kind in ("params", "macs", "flops", "activations", "traffic", "adds", "muls", "other"):
        assert sum(row[kind] for row in count.to_rows()) == count.total(kind)


def test_a_closed_form_is_typeset() -> None:
    """In LaTeX for every viewer, and in MathML on the page; without the converter the text is there."""
    pytest.importorskip("sympy")
    found = flopcalc.formula("ghost")
    assert found._repr_latex_().startswith("$$\\begin{aligned}\n\\mathrm{params} &= ")
    assert r"c_{\mathrm{in}}" in found._repr_latex_()
    net = flopcalc.formula("resnet18")
    assert r"11\,689\,512" in net._repr_latex_()
    page = net._repr_html_() or ""
    if pytest.importorskip("latex2mathml"):
        assert page.count("<math") == 2 + 1
        assert "&amp;" not in page.partition("</math>")[0]
    hidden = (
        "import sys; sys.modules['latex2mathml'] = None; sys.modules['latex2mathml.converter'] = None\n"
        "import flopcalc; page = flopcalc.formula('ghost')._repr_html_()\n"
        "assert '<math' not in page and 'c_in*k^2*m' in page"
    )
    done = fresh(hidden)
    assert done.code == 0, done.err


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_missing_package_is_named(package: str) -> None:
    """By each result: exit code 3, and the command that installs it."""
    source = (
        f"import sys; sys.modules[{package!r}] = None\nimport flopcalc\n"
        f"try:\n    flopcalc.network('resnet18').to_{package}()\n"
        "except flopcalc.FlopcalcError as error:\n    print(int(error.exit_code), error.message, error.hint, sep='|')"
    )
    code, message, hint = fresh(source).out.strip().split("|")
    assert (code, message) == ("3", f"to_{package}() needs {package}, which is not installed")
    assert hint.startswith(f'pip install "{package}>=')


def test_showing_a_result_loads_nothing_heavy() -> None:
    """Neither pandas nor jinja2 nor SymPy; and a result is shown too where only its own module was imported."""
    source = (
        "import sys\nfrom flopcalc.catalog.layer import layer\nfrom flopcalc.networks.library import network\n"
        "assert '36,864' in layer('conv', 8, 8, hw=8)._repr_html_()\n"
        "assert '4,089,184,256' in network('resnet50')._repr_html_()\n"
        "heavy = {'pandas', 'polars', 'jinja2', 'sympy', 'numpy', 'torch', 'IPython'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = fresh(source)
    assert done.code == 0, done.err


def test_a_cost_of_symbols_has_no_page() -> None:
    """A notebook then shows its short text."""
    pytest.importorskip("sympy")
    from flopcalc.algebra.closed_form import closed_form
    from flopcalc.catalog import lookup

    form = closed_form(lookup.get("ghost"), {})
    assert form.evaluation._repr_html_() is None
    with pytest.raises(FlopcalcError, match="unknown kind"):
        form.evaluation.total("mac")


def test_people_and_pages_read_the_same_numbers() -> None:
    """The numbers of a page are those of the table."""
    net = flopcalc.network("squeezenet1_1")
    page = Page(net._repr_html_() or "")
    for row in {layer.stage: layer for layer in net.layers}:
        total = sum(one.cost.macs for one in net.layers if one.stage == row)
        assert people(total) in page.text

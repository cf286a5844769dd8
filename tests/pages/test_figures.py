"""The figures of a report are those of the other commands, and its texts say what they are."""

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from helpers import TINY, TINY_CONV, TINY_MACS, TINY_PARAMS, Runner, WriteNetwork, define_kernels

pytest.importorskip("jinja2")
pytest.importorskip("latex2mathml")
pytest.importorskip("altair")
pytest.importorskip("vl_convert")

REPLACED = ("resnet50", "--replace", "spconv:alpha=1/4")


def _page(run: Runner, path: Path, *arguments: str) -> str:
    done = run("report", *arguments, "-o", str(path))
    assert (done.code, done.out, done.err) == (0, "", "")
    return path.read_text()


def _json(run: Runner, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--format", "json").out)
    return found


def _text(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def _section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found is not None, name
    return found[0]


def _cards(page: str) -> dict[str, str]:
    cards = re.search(r'<dl class="cards">.*?</dl>', page, re.DOTALL)
    assert cards is not None
    found = re.findall(r"<div><dt>(.*?)</dt>(.*?)</div>", cards[0], re.DOTALL)
    return {name: _text(rest) for name, rest in found}


def _rows(markup: str, place: int = 0) -> list[list[str]]:
    """The cells of the rows of a table, its foot included."""
    table = re.findall(r"<table.*?</table>", markup, re.DOTALL)[place]
    body = table.partition("</thead>")[2]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    return [[_text(cell) for cell in re.findall(r"<t[hd][^>]*>.*?</t[hd]>", row, re.DOTALL)] for row in rows]


def test_a_network(tmp_path: Path, run: Runner) -> None:
    """Headline, stages and every layer are those of `flopcalc model`."""
    page, record = _page(run, tmp_path / "page.html", "resnet50"), _json(run, "model", "resnet50")
    cards = _cards(page)
    assert cards["Parameters"] == f"25.56M {record['params']:,}"
    assert cards["MACs"] == f"4.09G {record['macs']:,} by the convention macs"
    assert f"{record['flops']:,} = 2 x MACs + elementwise" in cards["FLOPs"]
    assert f"{record['traffic']:,} bytes in float32" in cards["Bytes moved"]
    stages = _rows(_section(page, "where"))
    assert [row[0] for row in stages[:-1]] == list(dict.fromkeys(layer["stage"] for layer in record["layers"]))
    for name, _, _, params, macs, *_ in stages[:-1]:
        own = [layer for layer in record["layers"] if layer["stage"] == name]
        assert (params, macs) == (f"{sum(x['params'] for x in own):,}", f"{sum(x['macs'] for x in own):,}")
    layers = _rows(_section(page, "layers"))
    assert len(layers) == len(record["layers"]) + 1
    for row, layer in zip(layers, record["layers"], strict=False):
        share = f"{layer['macs'] / record['macs']:.1%}"
        numbers = [f"{layer[kind]:,}" for kind in ("params", "macs")]
        assert row[:3] == [layer["name"], layer["type"], "x".join(map(str, layer["out"]))]
        assert row[4:] == [*numbers, share, f"{layer['flops']:,}", f"{layer['traffic']:,}"]
    assert layers[-1][4:7] == [f"{record['params']:,}", f"{record['macs']:,}", "100.0%"]


def test_a_replacement(tmp_path: Path, run: Runner) -> None:
    """Before and after are those of `flopcalc model`, `memory` and `roofline`."""
    page = _page(run, tmp_path / "page.html", *REPLACED, "--device", "h200")
    plain, after = _json(run, "model", "resnet50"), _json(run, "model", *REPLACED)
    peaks = [_json(run, "memory", *one)["peak_bytes"] for one in (("resnet50",), REPLACED)]
    time = _json(run, "roofline", *REPLACED, "--device", "h200")
    rows = {row[0]: row[1:] for row in _rows(_section(page, "replacement"))}
    for title, key in (
        ("Parameters", "params"),
        ("MACs", "macs"),
        ("Activations", "activations"),
        ("Bytes moved", "traffic"),
    ):
        assert rows[title] == [f"{plain[key]:,}", f"{after[key]:,}", f"{after[key] / plain[key]:.4f}"]
    assert rows["Kernels on the critical path"][:2] == [str(plain["steps"]), str(after["steps"])]
    assert rows["Peak memory"][:2] == [f"{one:,} bytes" for one in peaks]
    ratio = time["estimate_s"] / time["before"]["estimate_s"]
    assert rows["Expected time on h200"][2] == f"{ratio:.4f}"
    assert time["measured_s"] is not None
    assert float(rows["Measured time on h200"][2]) == pytest.approx(
        time["measured_s"] / time["before"]["measured_s"], abs=1e-4
    )
    text = _text(_section(page, "replacement"))
    assert f"{after['replaced']} layers were replaced, {len(after['skipped'])} convolutions stay" in text
    assert ", ".join(after["replaced_layers"]) in text
    cards = _cards(page)
    assert f"{after['macs'] / plain['macs'] - 1:+.1%}, was 4.09G" in cards["MACs"]


def test_the_counters(tmp_path: Path, run: Runner) -> None:
    """Each number is that of `flopcalc explain`, and MACs plus all reasons are the number."""
    page, record = _page(run, tmp_path / "page.html", "mobilenet_v2"), _json(run, "explain", "mobilenet_v2")
    section = _section(page, "counters")
    rows = re.findall(r"<tr role=\"row\">(.*?)</tr>", section.partition("</thead>")[2], re.DOTALL)
    assert len(rows) == len(record["rows"]) > 8
    for markup, row in zip(rows, record["rows"], strict=True):
        assert _text(markup).startswith(row["tool"])
        assert f'<td role="cell">{row["figure"]:,}</td>' in markup
        amounts = re.findall(r'<span class="amount">(.*?)</span>', markup)
        assert record["macs"] + sum(int(one.replace(",", "")) for one in amounts) == row["figure"]


def test_another_convention(tmp_path: Path, run: Runner) -> None:
    """The headline, the picture and the shares are in the convention that was chosen, which is named."""
    page = _page(run, tmp_path / "page.html", "resnet18", "--convention", "fvcore")
    record = _json(run, "model", "resnet18", "--convention", "fvcore")
    assert f"{record['cost']:,} by the convention fvcore" in _cards(page)["fvcore"]
    assert f"One forward pass costs {record['cost']:,} operations (fvcore) with" in page
    assert f"resnet18: {record['cost']:,} operations (fvcore)" in page
    assert 'data-what="operations (fvcore)"' in page
    row = next(row for row in _rows(_section(page, "layers")) if row[0] == "bn1")
    # 2 operations for each of 64 x 112 x 112 elements.
    assert f"{2 * 64 * 112 * 112:,}" in row
    flops = _page(run, tmp_path / "page.html", "resnet18", "--convention", "flops")
    assert list(_cards(flops)).count("FLOPs") == 1
    assert "MACs" not in _cards(flops)


def test_a_network_by_hand(tmp_path: Path, run: Runner, write_network: WriteNetwork) -> None:
    """Two layers with figures from a sheet of paper."""
    page = _page(run, tmp_path / "page.html", write_network(TINY), "--batch", "2")
    assert f"{TINY_PARAMS:,}" in _cards(page)["Parameters"]
    assert f"{2 * TINY_MACS:,}" in _cards(page)["MACs"]
    layers = {row[0]: row for row in _rows(_section(page, "layers"))}
    assert layers["conv1"][5] == f"{2 * TINY_CONV * 64:,}"
    boxes = dict(re.findall(r'height="([0-9.]+)%" data-l="1" data-n="(\w+)"', page))
    shares = {name: float(height) for height, name in boxes.items()}
    assert shares == pytest.approx({"conv1": 100 * TINY_CONV * 64 / TINY_MACS, "fc": 100 * 80 / TINY_MACS}, abs=1e-3)
    # The closed form: 216 multiplications at each of H x W places, and 80 at the end.
    assert "<mn>216</mn>" in _section(page, "formula")
    assert "<mn>80</mn>" in _section(page, "formula")


def test_an_operator(tmp_path: Path, run: Runner) -> None:
    """Its numbers are those of `flopcalc layer`; ratios are to the plain convolution."""
    pytest.importorskip("sympy")
    arguments = ("compconv", "--cin", "256", "--cout", "256", "--set", "depth=2")
    page = _page(run, tmp_path / "page.html", *arguments, "--device", "h200")
    record = _json(run, "layer", *arguments)
    cards = _cards(page)
    assert f"{record['params']:,}" in cards["Parameters"]
    assert f"{record['macs']:,} by the convention macs" in cards["MACs"]
    assert f"{record['ratio']['macs'] - 1:+.1%} against" in cards["MACs"]
    parts = [part for part in record["parts"] if part["params"] or part["flops"] or part["traffic"]]
    rows = _rows(_section(page, "layers"))
    assert [row[:3] for row in rows[:-1]] == [[p["name"], f"{p['params']:,}", f"{p['macs']:,}"] for p in parts]
    assert rows[-1][2] == f"{record['macs']:,}"
    time = _json(run, "roofline", *arguments, "--device", "h200")
    assert f"bound {time['bound_s'] * 1e6:.3g} us" in cards["Time on h200"]
    equations = _text(_section(page, "equations"))
    assert "corrected" in equations
    assert "proved" in equations
    # The sizes that were given have no mark of a default.
    assert "cin 256, cout 256, k 3x3*" in _text(_section(page, "summary"))


def test_an_operator_without_sympy(tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the closed form, and how to get it."""
    import sys

    for name in [name for name in sys.modules if name.startswith(("sympy", "flopcalc.algebra"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sympy", None)
    page = _page(run, tmp_path / "page.html", "ghost", "--cin", "64")
    text = _text(_section(page, "formula"))
    assert "Not shown: " in text
    assert 'pip install "sympy>=' in text


def test_uncounted_kernels(tmp_path: Path, run: Runner) -> None:
    """The headline says "at least", and the kernels are listed; parameters are known."""
    pytest.importorskip("torch")
    define_kernels()
    (tmp_path / "net.py").write_text(
        "import torch\nfrom torch import nn\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.conv = nn.Conv2d(3, 8, 3, padding=1)\n\n"
        "    def forward(self, x):\n        return torch.ops.flopcalctest.scan(self.conv(x))\n"
    )
    target = (f"{tmp_path}/net.py:Net", "--input", "3x8x8")
    page = _page(run, tmp_path / "page.html", *target, "--replace", "ghost")
    cards = _cards(page)
    assert cards["MACs"].startswith("at least ")
    assert "as counted, was" in cards["MACs"]
    assert not cards["Parameters"].startswith("at least")
    summary = _text(_section(page, "summary"))
    assert "One forward pass costs at least " in summary
    assert "flopcalctest.scan in (model), once" in summary
    assert "after / before, as counted" in _text(_section(page, "replacement"))
    assert "exact for what could be counted" in _text(_section(page, "formula"))
    assert _rows(_section(page, "layers"))[-1][0] == "total, at least"
    card = run("report", *target, "--format", "markdown").out
    # 3 x 9 x 8 weights at 64 places.
    assert f"| MACs | at least {27 * 8 * 64:,} |" in card
    assert f"| Parameters | {27 * 8 + 8:,} |" in card
    assert "- flopcalctest.scan in (model), once" in card
    assert run("report", *target, "--format", "markdown", "--strict").code == 1


def test_a_file_runs_once(tmp_path: Path, run: Runner) -> None:
    """Counting, memory and the closed form load the model; code of a file that may run only once does so."""
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text(
        "import os\nfrom torch import nn\n\n"
        f"with open({str(tmp_path / 'runs.txt')!r}, 'a') as file:\n    file.write('once ')\n\n"
        "class Net(nn.Conv2d):\n    def __init__(self):\n        super().__init__(3, 8, 3)\n"
    )
    page = _page(run, tmp_path / "page.html", f"{tmp_path}/net.py:Net", "--input", "3x8x8")
    assert (tmp_path / "runs.txt").read_text() == "once "
    assert "Not shown" not in page
    # Another command runs it again: the file may have changed.
    run("model", f"{tmp_path}/net.py:Net", "--input", "3x8x8")
    assert (tmp_path / "runs.txt").read_text() == "once once "


def test_a_section_that_cannot_be_had(tmp_path: Path, run: Runner) -> None:
    """A model whose forward reads values has no closed form: the reason is in its place, and the rest is there."""
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 8, 3)\n\n    def forward(self, x):\n"
        "        for _ in range(1 + int(x.abs().sum() > -1)):\n            y = self.conv(x)\n        return y\n"
    )
    target = (f"{tmp_path}/net.py:Net", "--input", "3x8x8")
    page = _page(run, tmp_path / "page.html", *target)
    assert "Not shown: there is no closed form: it reads values of tensors" in _text(_section(page, "formula"))
    # Two calls of 3 x 9 x 8 weights at 36 places.
    assert f"{2 * 27 * 8 * 36:,} by the convention macs" in _cards(page)["MACs"]
    done = run("report", *target, "--vary", "height")
    assert done.code == 2
    assert "it reads values" in done.err


def test_other_symbols(tmp_path: Path, run: Runner) -> None:
    """--vary and --assume are those of `flopcalc formula`."""
    page = _page(run, tmp_path / "page.html", "resnet18", "--assume", "H = 32 h, W = 32 w")
    formula = _section(page, "formula")
    assert "<mn>37,011,456</mn>" in formula
    assert "<mi>h</mi>" in formula
    assert "--assume &#39;H = 32 h, W = 32 w&#39;" in page
    page = _page(run, tmp_path / "page.html", "mobilenet_v2", "--vary", "width")
    assert "<mtext>width</mtext>" in _section(page, "formula")


def test_the_model_card(run: Runner) -> None:
    """Figures and texts, ready to paste; it needs neither a browser nor a chart."""
    card, record = run("report", *REPLACED, "--format", "markdown").out, _json(run, "model", *REPLACED)
    assert card.startswith("## Cost of ResNet-50, v1.5")
    for title, key in (("Parameters", "params"), ("MACs", "macs")):
        before = record["baseline"][key]
        assert f"| {title} | {before:,} | {record[key]:,} | {record[key] / before:.4f} |" in card
    assert "- **Replaced:** 16 layers by spconv:alpha=1/4" in card
    assert "- **Counted:** macs: multiply-accumulates of" in card
    assert "flopcalc report resnet50 --replace spconv:alpha=1/4 -o report.md" in card
    # Tables of Markdown have as many cells in each row as in their head.
    for block in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        assert len({line.count("|") for line in block.splitlines()}) == 1
    operator = run("report", "ghost", "--cin", "64", "--format", "markdown").out
    assert f"| MACs | {_json(run, 'layer', 'ghost', '--cin', '64')['macs']:,} |" in operator


def test_markdown_is_escaped(run: Runner, write_network: WriteNetwork) -> None:
    """A title may hold marks of Markdown and HTML."""
    path = write_network(TINY.replace("A convolution and a linear layer", "'a|b <script> *c* `d`'"))
    card = run("report", path, "--format", "markdown").out
    assert r"## Cost of a\|b \<script\> \*c\* \`d\`" in card


@pytest.mark.parametrize(
    ("text", "code"), [("a b", "`a b`"), ("a`b", "``a`b``"), ("`a`", "`` `a` ``"), ("a``b", "```a``b```")]
)
def test_code_in_markdown(text: str, code: str) -> None:
    """The marks around a text are longer than those in it."""
    from flopcalc.pages.render import code_span

    assert code_span(text) == code


def test_a_formula_that_holds_at_the_batch_of_the_report(tmp_path: Path, run: Runner) -> None:
    """torch's attention takes another path for a batch of 1: the formula is then that of this path."""
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 8, 3, padding=1)\n\n    def forward(self, x):\n"
        "        y = self.conv(x)\n        return self.conv(x) + y if x.shape[0] == 1 else y\n"
    )
    target = (f"{tmp_path}/net.py:Net", "--input", "3x8x8")
    for batch, calls in (("1", 2), ("4", 1)):
        page = _page(run, tmp_path / "page.html", *target, "--batch", batch)
        macs = calls * int(batch) * 27 * 8 * 64
        assert f"{macs:,} by the convention macs" in _cards(page)["MACs"]
        formula = _section(page, "formula")
        # 2 x 27 x 8 at each place, or 27 x 8 for each sample.
        assert f"<mn>{calls * 27 * 8}</mn>" in formula
        assert "does not hold" not in formula
        assert ("<mi>N</mi>" in formula.partition("<details>")[0]) == (batch == "4")
    page = _page(run, tmp_path / "page.html", *target, "--vary", "batch")
    assert "takes another path, for which this formula does not hold" in _section(page, "formula")


def test_where_most_of_the_cost_is(tmp_path: Path, run: Runner, write_network: WriteNetwork) -> None:
    """A stage; the type of the layers where nearly all is in one stage; nothing where both say nothing."""
    assert "The most expensive stage is layer3, with " in _section(
        _page(run, tmp_path / "a.html", "resnet50"), "summary"
    )
    text = _section(_page(run, tmp_path / "a.html", write_network(TINY)), "summary")
    assert "most expensive" not in text

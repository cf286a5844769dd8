"""Rows of parameters and FLOPs: how they are read, that each ends with a verdict, and that the kept counts are true."""

import csv
import json
import re
from collections import Counter
from decimal import ROUND_DOWN, ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from helpers import Runner, for_author, fresh, import_torchvision

from flopcalc import FlopcalcError
from flopcalc.published import counts, pairs, sources
from flopcalc.published.compare import Comparison
from flopcalc.published.pair_figures import compare_row, compare_source, found_ways
from flopcalc.published.rows import Row, read_cell, read_rows, rows_text

SOURCES = [pairs.load(name) for name in pairs.names()]


@pytest.fixture(scope="module")
def comparisons() -> list[Comparison]:
    return [one for source in SOURCES for one in compare_source(source)]


@pytest.mark.parametrize(
    ("cell", "heading", "value", "step"),
    [
        ("4.11", "FLOPs(G)", 4_110_000_000, 10_000_000),
        ("578.88", "FLOPs(M)", 578_880_000, 10_000),
        ("28.5892", "mParams", 28_589_200, 100),
        ("4.5G", "FLOPs", 4_500_000_000, 100_000_000),
        ("7.04(-2.7%)", "Params(M)", 7_040_000, 10_000),
        ("135.8 (2048X2048)", "FLOPs(G)", 135_800_000_000, 100_000_000),
        ("47.514M", "FLOPs(G)", 47_514_000, 1_000),
        ("4109464576", "flops", 4_109_464_576, 1),
    ],
)
def test_what_a_cell_says(cell: str, heading: str, value: int, step: int) -> None:
    """A unit in the cell is nearer than that of the heading; a remark in brackets is not a digit."""
    printed = read_cell(cell, heading)
    assert printed is not None
    assert [printed.value, printed.step] == [value, step]


@pytest.mark.parametrize("cell", ["Detection\uff1a0.35Pose\uff1a0.08", "0.310.36", "3.016~3.266", "-", "", "6.66 4.91"])
def test_cells_that_are_not_one_figure(cell: str) -> None:
    assert read_cell(cell, "FLOPs(G)") is None


@pytest.mark.parametrize(
    ("cell", "step"),
    [("1310000000", 10**7), ("4000000000", 10**7), ("60000000", 10**7), ("486000000000", 10**9), ("4109364224", 1)],
)
def test_zeros_of_rounded_figures_are_not_digits(cell: str, step: int) -> None:
    """MMPreTrain prints 1.31 G as 1310000000, and exact counts in the same column."""
    printed = read_cell(cell, "flops", 7)
    assert printed is not None
    assert [printed.value, printed.step] == [int(cell), step]


def test_rows_as_text_and_as_csv(tmp_path: Path) -> None:
    rows = [
        Row("ResNet50", "4.11", "25.61", "docs/a.md", ("FLOPs(G)", "Params(M)"), 2),
        Row("ResNet50_vd", "4.35", "25.63", "docs/a.md", ("FLOPs(G)", "Params(M)"), 3),
        Row("Swin-B", "47.1G", "88M", "README.md", ("FLOPs", "#params"), 5),
    ]
    text, table = tmp_path / "a.txt", tmp_path / "a.csv"
    text.write_text(rows_text(rows))
    assert read_rows(str(text)) == rows
    with table.open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "flops", "params", "flops_header", "params_header", "first_file"])
        writer.writerows([row.name, row.flops, row.params, *row.headings, row.file] for row in rows)
    assert [row._replace(line=0) for row in read_rows(str(table))] == [row._replace(line=0) for row in rows]
    for content, says in (("a | b", "not of the form"), ("a | b | c | d", "not of the form")):
        text.write_text(content)
        with pytest.raises(FlopcalcError, match=says):
            read_rows(str(text))
    table.write_text("name,flops\nx,1\n")
    with pytest.raises(FlopcalcError, match="params are needed"):
        read_rows(str(table))


def test_no_row_is_left_out(comparisons: list[Comparison]) -> None:
    """Two figures for each row; each has a verdict, and each that does not agree a reason."""
    assert len(comparisons) == 2 * sum(len(source.rows) for source in SOURCES)
    for one in comparisons:
        place = f"{one.figure.paper}, {one.figure.row} ({one.figure.place}), {one.figure.quantity}"
        assert one.verdict not in ("unexplained", "stale"), for_author(
            f"{place}: printed {one.figure.printed.text}, ours {one.value} of {one.how}",
            "correct the rule of its network or of its way of counting, or say in `verdicts` why",
            "docs/adding-a-table.md",
        )
        assert one.verdict in ("agrees", "truncated", "convention") or len(one.why) > 10, place
        assert one.verdict != "open" or one.value is None, place


def test_what_agrees_has_the_printed_digits(comparisons: list[Comparison]) -> None:
    """By another arithmetic than the program's."""
    for one in comparisons:
        if one.verdict not in ("agrees", "truncated", "convention"):
            continue
        printed = one.figure.printed
        digits = re.match(r"[0-9]+(?:\.([0-9]+))?", printed.text)
        assert digits
        assert one.value is not None
        exact = Decimal(Fraction(one.value).numerator) / Decimal(int(printed.step))
        ways = (ROUND_HALF_UP, ROUND_HALF_DOWN, ROUND_DOWN)
        found = {int(exact.quantize(Decimal(1), rounding=way)) for way in ways}
        assert printed.value / printed.step in found, f"{one.figure.row}: {one.value} for {printed.text}"


def test_most_rows_with_a_network_are_explained(comparisons: list[Comparison]) -> None:
    """Both of their figures agree, agree in a named way of counting, or are a misprint."""
    rows = list(zip(comparisons[::2], comparisons[1::2], strict=True))
    known = [row for row in rows if not row[0].family]
    explained = ("agrees", "truncated", "convention", "misprint")
    good = [row for row in known if all(one.verdict in explained for one in row)]
    assert len(known) > 1000
    assert len(good) >= 0.91 * len(known)


def test_exact_figures_of_another_counter(comparisons: list[Comparison]) -> None:
    """Whole numbers that MMPreTrain prints, met to the unit: mmengine's and mmcv's counters on its own modules."""
    ours = {one.figure.row: one.value for one in comparisons if one.figure.quantity == "macs"}
    assert ours["deit-base_16xb64_in1k"] == 17_581_972_224
    assert ours["densenet121_3rdparty_in1k"] == 2_881_695_488
    assert ours["resnet50_barlowtwins-pre_8xb32-linear-coslr-100e_in1k"] == 4_109_464_576
    assert ours["hrnet-w18_3rdparty_8xb32_in1k"] == 4_330_397_932
    assert ours["xcit-nano-12-p16_3rdparty_in1k"] == 557_074_560
    exact = [one for one in comparisons if one.figure.printed.step == 1 and one.verdict == "convention"]
    assert len(exact) > 200


def test_ways_are_found_from_the_figures() -> None:
    """The convention of THOP's README comes out without its rules."""
    source = pairs.load("thop_readme")._replace(usual=((None, {}),))
    best = next(iter(found_ways(source, "macs")))
    assert (best.way.name, best.of) == ("thop-2019", 30)
    assert best.gives >= 28
    assert next(iter(found_ways(source, "params"))).gives == 30


def test_counts_are_kept_of_all_python_models() -> None:
    """So that the comparison needs no torch; and of no others."""
    kept = counts.kept_profiles()
    named = {counts.shown_target(spec) for spec in counts.named_models(SOURCES)}
    assert set(kept) == named, for_author(
        f"configs/published/pairs/{counts.FILE}: {sorted(set(kept) ^ named)[:5]}",
        "a rule or a row has changed",
        "run `flopcalc reproduce --recount --update`",
    )


def test_kept_counts_are_those_of_a_fresh_count() -> None:
    """A spread of them; `flopcalc reproduce --recount` verifies all."""
    import_torchvision()
    pytest.importorskip("timm")
    models = counts.named_models(SOURCES)[::40]
    assert len(models) > 9
    assert counts.differences(models, counts.columns(SOURCES), every=False) == []


def test_a_recount_finds_a_wrong_number(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    import_torchvision()
    pytest.importorskip("timm")
    kept = counts.kept_profiles()
    name = "timm:mixer_b16_224 3x224x224"
    broken = {**kept, name: type(kept[name])({**kept[name].sums, "linear_macs": 1}, kept=kept[name].kept)}
    monkeypatch.setattr(counts, "kept_profiles", lambda: broken)
    models = [spec for spec in counts.named_models(SOURCES) if counts.shown_target(spec) == name]
    monkeypatch.setattr(counts, "named_models", lambda _: models)
    done = run("reproduce", "swin", "--recount", "--format", "json")
    assert done.code == 1
    (difference,) = json.loads(done.out)["differences"]
    assert (difference["network"], difference["number"], difference["kept"]) == (name, "linear_macs", 1)
    assert difference["counted"] > 10**9


def test_no_torch_is_needed() -> None:
    """A model that the file does not have is then open, and the output says what is missing."""
    source = (
        "import sys\nsys.modules['torch'] = None\n"
        "from flopcalc.published import pairs\n"
        "from flopcalc.published.rows import Row\n"
        "from flopcalc.published.pair_figures import compare_row, compare_source\n"
        "found = list(compare_source(pairs.load('swin')))\n"
        "assert not [one for one in found if 'PyTorch' in one.why]\n"
        "row = Row('vit-base-p16_x-pre_in1k-672px', '1', '2', '', ('', ''), 1)\n"
        "one, other = compare_row(pairs.load('mmpretrain'), row)\n"
        "assert one.verdict == other.verdict == 'open'\n"
        "assert 'the file of counts does not have timm:vit_base_patch16_224 3x672x672' in one.why, one.why\n"
        "assert 'PyTorch' in one.why\n"
    )
    done = fresh(source)
    assert done.code == 0, done.err


def test_rows_of_a_file(run: Runner, tmp_path: Path) -> None:
    """Rows that the shipped files do not have are compared by the rules of their source."""
    path = tmp_path / "mmpretrain_more.csv"
    rows = "resnet101_8xb16_cifar10,2520000000,42510000\nresnet18_8xb32_in1k,1930000000,11690000\nnothing-s1_in1k,1,2\n"
    path.write_text(f"name,flops,params\n{rows}")
    done = run("reproduce", str(path), "--format", "json")
    data = json.loads(done.out)
    assert done.code == 1
    assert [row["verdict"] for row in data["rows"]] == ["agrees", "convention", "agrees", "unexplained", "open", "open"]
    assert (data["checked"], data["failed"]) == (6, 1)
    assert data["families"] == [{"family": "nothing", "rows": 1, "sources": ["mmpretrain"]}]
    assert Counter(row["pair"] for row in data["rows"]) == {True: 6}
    other = tmp_path / "rows.csv"
    other.write_text(path.read_text())
    done = run("reproduce", str(other))
    assert done.code == 2
    assert "--rules" in done.err
    assert run("reproduce", str(other), "--rules", "mmpretrain", "--format", "json").code == 1
    assert "unknown source 'mmpretrainn'" in run("reproduce", str(other), "--rules", "mmpretrainn").err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("empty.csv", "--rules", "swin"), "empty.csv has no rows"),
        (("empty.txt", "--rules", "swin"), "empty.txt has no rows"),
        (("ghostnet", "spconv", "--ways"), "--ways is for rows of parameters and FLOPs; ghostnet, spconv have none"),
        (("ghostnet", "--recount"), "--recount is for rows of parameters and FLOPs; ghostnet has none"),
        (("swin", "--ways", "--recount"), "--recount has no effect with --ways"),
        (("swin", "--recount", "--only", "misprint"), "--only has no effect with --recount"),
        (("swin", "--ways", "--summary"), "--summary has no effect with --ways"),
    ],
)
def test_nothing_to_compare(
    arguments: tuple[str, ...], says: str, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty file is not fine, and an option without an effect is not taken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("name,flops,params\n")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    done = run("reproduce", *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert len(done.err.splitlines()) == 2


RULES = """
name: Mine
repository: me/mine
counting:
  twice: {means: 2 for each MAC, gives: 2 * macs}
usual: {macs: [macs, twice]}
networks:
  - {match: 'ResNet(18|50)', target: 'resnet\\1'}
  - {match: 'ResNet50@(\\d+)', target: resnet50, input: '\\1'}
  - {match: 'Swin-B', target: [swin_b, {target: resnet50, input: 160}]}
verdicts:
  - {match: 'ResNet18', params: '1\\.17 M', misprint: the point is in another place}
"""
ROWS = """\
@ README.md | FLOPs | Params
ResNet50 | 8.18G | 25.6M
ResNet50@160 | 2.09G | 25.6M
ResNet18 | 1.81G | 1.17M
"""


def _source(folder: Path, rules: str = RULES, rows: str = ROWS) -> pairs.Source:
    (folder / "mine.yaml").write_text(rules.replace("1\\.17 M", "1\\.17M"))
    (folder / "mine.txt").write_text(rows)
    return pairs.read_source(str(folder / "mine.yaml"))


def test_the_language_of_rules(tmp_path: Path) -> None:
    """Groups of the pattern are filled in; a candidate that fits is taken; ways are tried in order."""
    found = list(compare_source(_source(tmp_path)))
    verdicts = [one.verdict for one in found]
    assert verdicts == ["agrees", "convention", "agrees", "agrees", "misprint", "agrees"]
    assert found[1].convention == "twice"
    assert found[3].how == "macs of flopcalc model resnet50 --input 3x160x160"
    row = Row("Swin-B", "2.09G", "25.6M", "README.md", ("FLOPs", "Params"), 1)
    chosen = compare_row(_source(tmp_path), row)
    assert [one.verdict for one in chosen] == ["agrees", "agrees"]
    # A misprint that agrees is stale, and fails.
    rows = ROWS.replace("1.17M", "11.7M")
    stale = list(compare_source(_source(tmp_path, RULES.replace("1\\.17 M", "11\\.7M"), rows)))
    assert stale[4].verdict == "stale"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("match: 'Swin-B'", "match: 'Swin-(B'", "not a regular expression"),
        ("macs: [macs, twice]", "macs: [macs, thrice]", "unknown way of counting 'thrice'"),
        ("target: resnet50, input", "input", "has no target"),
        ("misprint: the", "open: x, misprint: the", "it needs one of"),
        ("networks:", "network:", "unknown key 'network'"),
        ("misprint: the point is in another place", "misprint: $typo", "unknown reason 'typo'"),
    ],
)
def test_wrong_rules(old: str, new: str, says: str, tmp_path: Path) -> None:
    """One line with the file and the line, one that says what to do."""
    assert old in RULES
    with pytest.raises(FlopcalcError) as caught:
        _source(tmp_path, RULES.replace(old, new))
    assert caught.value.code == "bad-table"
    assert says in caught.value.message
    assert "mine.yaml" in caught.value.message
    assert caught.value.hint


def test_totals_by_source(run: Runner) -> None:
    """In the output and in JSON; every name of a source is known."""
    done = run("reproduce", "swin", "thop_readme", "--format", "json")
    data = json.loads(done.out)
    assert [one["source"] for one in data["sources"]] == ["thop_readme", "swin"]
    assert sum(one["checked"] for one in data["sources"]) == data["checked"]
    assert {one["convention"] for one in data["conventions"] if one["source"] == "thop_readme"} >= {"thop-2019"}
    text = run("reproduce", "swin", "thop_readme").out
    assert "Figures by source" in text
    assert "Rows of networks that flopcalc does not have, by family" in text
    assert set(sources.names()) >= {"swin", "mmpretrain", "spconv"}
    ways = json.loads(run("reproduce", "thop_readme", "--ways", "--format", "json").out)["ways"]
    assert ways[1]["convention"] == "thop-2019"
    assert run("reproduce", "--update").code == 2

"""Papers' tables: how figures are read and compared, what the shipped ones come to, and that false claims fail."""

import json
import re
import shlex
from decimal import ROUND_DOWN, ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from helpers import ROOT, Runner, for_author

from flopcalc import FlopcalcError
from flopcalc.cli.reproduce_page import document
from flopcalc.networks import library
from flopcalc.networks.inputs import Input
from flopcalc.published import tables
from flopcalc.published.compare import Comparison, compare, reproduce_record, witnessed
from flopcalc.published.tables import Figure, Ours
from flopcalc.report import plain
from flopcalc.targets.spec import TargetSpec
from flopcalc.text.expression import evaluate
from flopcalc.text.figure import read_printed


@pytest.mark.parametrize(
    ("text", "unit", "value", "step"),
    [
        ("4.14G", "", 4_140_000_000, 10_000_000),
        ("95642", "", 95_642, 1),
        ("0.39B", "", 390_000_000, 10_000_000),
        ("1.8x10^9", "", 1_800_000_000, 100_000_000),
        ("74.59%", "", Fraction(7459, 10_000), Fraction(1, 10_000)),
        ("~4.1", "G", 4_100_000_000, 100_000_000),
        ("+90.0M", "", 90_000_000, 100_000),
        ("569", "M", 569_000_000, 1_000_000),
        ("2.1x10^9", "M", 2_100_000_000, 100_000_000),
        ("568.7M", "G", 568_700_000, 100_000),
        ("14.99K", "", 14_990, 10),
        ("approximately 3500 MMAdds", "", 3_500_000_000, 1_000_000),
        ("1.72 GFLOPS/image", "", 1_720_000_000, 10_000_000),
        ("42 times", "", 42, 1),
        ("0", "", 0, 1),
    ],
)
def test_what_a_figure_says(text: str, unit: str, value: int | Fraction, step: int | Fraction) -> None:
    """Exact value, and what one unit of its last digit is worth."""
    printed = read_printed(text, unit)
    assert (printed.value, printed.step) == (value, step)


@pytest.mark.parametrize("text", ["", "G", "4,1", "1e9", "-3", "4.1Q", "4.G", "1.2.3", "9" * 40, "four"])
def test_what_is_no_figure(text: str) -> None:
    with pytest.raises(FlopcalcError) as caught:
        read_printed(text)
    assert caught.value.code == "bad-figure"


def test_rounded_or_cut() -> None:
    """Half a unit of the last digit either way, ends included; or up to a whole unit above."""
    printed = read_printed("4.14G")
    found = {v: printed.agreement(v) for v in (4_134_999_999, 4_135_000_000, 4_145_000_000, 4_145_000_001)}
    assert list(found.values()) == ["", "agrees", "agrees", "truncated"]
    assert printed.agreement(4_149_999_999) == "truncated"
    assert printed.agreement(4_150_000_000) == ""
    # A whole number is met to the unit.
    exact = read_printed("95642")
    assert [exact.agreement(v) for v in (95_641, 95_642, 95_643)] == ["", "agrees", ""]
    assert read_printed("33.3%").agreement(Fraction(1, 3)) == "agrees"
    assert (printed.like(4_089_184_256), read_printed("569", "M").like(4_866_000_001)) == ("4.09G", "4866 M")
    assert read_printed("1.19%").like(Fraction(191, 10_000)) == "1.91%"
    assert read_printed("3.6x10^9").like(3_663_761_920) == "3.7x10^9"
    assert read_printed("0.05M").like(4_000) == "0.00M"


FIGURES = [figure for name in tables.names() for figure in tables.load(name).figures]


@pytest.fixture(scope="module")
def comparisons() -> list[Comparison]:
    return [compare(figure) for figure in FIGURES]


def _digits(figure: Figure, value: int | Fraction) -> set[str]:
    """A value as it may be printed, by decimal arithmetic, with the digits and the unit of a figure."""
    found = re.search(r"(\d+)(?:\.(\d+))?", figure.printed.text)
    assert found
    unit = figure.printed.step * 10 ** len(found[2] or "")
    exact = Decimal(Fraction(value).numerator) / Fraction(value).denominator * unit.denominator / unit.numerator
    last = Decimal(1).scaleb(-len(found[2] or ""))
    return {str(exact.quantize(last, rounding=way)) for way in (ROUND_HALF_UP, ROUND_HALF_DOWN, ROUND_DOWN)}


def _to_do(one: Comparison, advice: str) -> str:
    figure = one.figure
    return for_author(f"{figure.paper}, {figure.row}, {figure.quantity}: {one}", advice, "docs/adding-a-table.md")


def test_every_figure_agrees_or_says_why(comparisons: list[Comparison]) -> None:
    """By another arithmetic than the program's: ours has the printed digits, rounded or cut, or there is a reason.

    A figure that is called wrong or different must not agree.
    """
    assert len(comparisons) > 600
    for one in comparisons:
        if one.value is None:
            assert one.verdict == "open", _to_do(one, "say with `ours` what it is compared with, or that it is `open`")
            assert len(one.why) > 10, _to_do(one, "say in a sentence why it is open")
            continue
        found = re.search(r"\d+(?:\.\d+)?", one.figure.printed.text)
        assert found
        agrees = found[0] in _digits(one.figure, one.value)
        if one.figure.stated:
            assert not agrees, _to_do(one, f"it agrees, so it is not {one.figure.stated}; take that away")
            assert len(one.why) > 10, _to_do(one, f"say in a sentence why it is {one.figure.stated}")
        else:
            assert agrees, _to_do(one, "it does not agree; correct `ours` or `gives`, or say why")
        assert one.verdict == (one.figure.stated or one.verdict), _to_do(one, "its verdict is not what the table says")
        assert one.verdict in ("agrees", "truncated", "misprint", "differs"), _to_do(one, "it agrees or has a reason")


def test_witnesses_fit() -> None:
    """Evidence with `fits: true` gives the printed digits."""
    tried = 0
    for figure in FIGURES:
        for witness in figure.evidence:
            value = witnessed(figure, witness)
            assert not witness.fits or figure.printed.agreement(value), for_author(
                f"{figure.paper}, {figure.row}",
                f"{witness.what} comes to {value}, which has other digits than the print; correct it or its `fits`",
                "docs/adding-a-table.md",
            )
            tried += witness.fits
    assert tried > 5


def test_what_tables_name_exists() -> None:
    """Shipped names and files; a description next to the tables must be used by one of them."""
    asked = [ours for figure in FIGURES for ours in (figure.ours, *(one.ours for one in figure.evidence))]
    targets = {one.target for one in asked if one.target and one.target.kind == "network"}
    networks = {one.what for one in targets}
    used = networks | {request.path for one in targets if one.plan for request in one.plan.requests}
    for network in networks:
        assert network in library.names() or Path(network).is_file(), for_author(
            network,
            "a table names this network; ship it, or put its description next to the tables",
            "docs/adding-a-table.md",
        )
    for folder in ("networks", "operators"):
        files = {path.name for path in (ROOT / "configs" / "published" / folder).glob("*.yaml")}
        assert files
        unused = files - {Path(name).name for name in used}
        assert not unused, for_author(
            sorted(unused), "no table uses these descriptions; use them or remove them", "docs/adding-a-table.md"
        )


# By hand: what the layers of these networks come to.
BY_HAND = {
    # 512 x 512 x 9 x 14 x 14, and 512 x (9 + 512) x 14 x 14.
    ("mobilenetv1", "Convolution", "macs"): 462_422_016,
    ("mobilenetv1", "Depthwise separable", "macs"): 52_283_392,
    # 3 x 3 x 3 x 32 of 568,740,352 at 112 x 112: 10,838,016.
    ("mobilenetv1", "Conv 3x3", "macs"): Fraction(10_838_016, 568_740_352),
    ("octconv", "ResNet-50", "params"): 25_557_032,
    ("odconv", "ResNet50", "macs"): 3_857_973_248,
    # 1,369,104 weights, and 3 (3 x 48 + 5 x 96 + 10) biases, scales and shifts.
    ("g_cnn", "All-CNN-C p4", "params"): 1_369_104 + 1902,
    ("ghostnet", "Ghost-ResNet-50 (s = 2)", "params"): 13_953_512,
    ("shiftnet", "ShiftResNet20 e=3", "params"): 95_642,
    # 705,152 outside the blocks, 5,242,880 e in them.
    ("shiftnet", "ShiftResNet20 e=3", "macs"): 705_152 + 3 * 5_242_880,
    # 28,311,552 in twelve convolutions more than ResNet-20 has: 40,813,184.
    ("addernet", "ResNet-32, convolution", "muls"): 40_813_184 + 12 * 2_359_296,
    # The sum of test_coordinate_attention.py; 23,520,842, and 3776 scales and shifts.
    ("coordinate_attention", "MobileNetV2 + CA", "params"): 3_950_648,
    ("scconv", "ResNet50 + S", "params"): 23_520_842 + 2 * 3776,
    # 80 taps in 16 blocks: 3 * 3 + 4 * 5 + 6 * 5 + 3 * 7.
    ("eca", "ECA-Net50", "params"): 25_557_032 + 80,
    ("spconv", "Ghost (s = 2)", "saved"): 1 - Fraction(15800, 34951),
}


@pytest.mark.parametrize("key", BY_HAND, ids=" ".join)
def test_by_hand(key: tuple[str, str, str], comparisons: list[Comparison]) -> None:
    found = [one.value for one in comparisons if (one.figure.paper, one.figure.row, one.figure.quantity) == key]
    assert found
    assert found[0] == BY_HAND[key]


# The command --------------------------------------------------------------------------------------

GOOD = """\
name: Test
paper: {title: A test, venue: nowhere}
tables:
  - table: "1"
    rows:
      - {row: ResNet-50, params: 25.6M, macs: 4.09G, ours: {network: resnet50}}
"""


def _file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "test.yaml"
    path.write_text(text)
    return str(path)


def test_json(run: Runner) -> None:
    """The contract flopcalc/reproduce/1."""
    done = run("reproduce", "g_cnn", "--format", "json")
    data = json.loads(done.out)
    assert done.code == 0
    assert data["schema"] == "flopcalc/reproduce/1"
    assert (data["checked"], data["failed"]) == (5, 0)
    assert list(data["rows"][0]) == [
        "paper",
        "table",
        "row",
        "quantity",
        "printed",
        "ours",
        "agrees",
        "verdict",
        "why",
        "counted",
        "means",
        "plain_agrees",
        "how",
        "source",
        "pair",
        "convention",
        "family",
        "digits",
    ]
    row = data["rows"][0]
    assert (row["paper"], row["row"], row["quantity"], row["printed"]) == ("g_cnn", "All-CNN-C p4", "params", "1.37M")
    assert (row["ours"], row["agrees"], row["verdict"]) == (1_371_006, True, "agrees")
    assert set(data["verdicts"]) >= {"agrees", "truncated", "convention", "misprint", "differs", "open"}


def test_operators_and_papers_name_tables(run: Runner) -> None:
    """The name of an operator selects its paper; a name given twice counts once; an unknown one gets a suggestion."""
    by_paper, by_operator = (run("reproduce", name, "--format", "csv") for name in ("g_cnn", "gconv"))
    assert by_paper.out == by_operator.out == run("reproduce", "g_cnn", "gconv", "--format", "csv").out
    done = run("reproduce", "ghostnett")
    assert done.code == 2
    assert "did you mean ghostnet" in done.err
    assert len(done.err.splitlines()) == 2


def test_only_some_verdicts(run: Runner) -> None:
    rows = json.loads(run("reproduce", "spconv", "--only", "misprint", "--format", "json").out)["rows"]
    assert {row["verdict"] for row in rows} == {"misprint"}
    assert all(not row["agrees"] and row["why"] for row in rows)


def test_for_people(run: Runner) -> None:
    """Eighty columns, the reasons under the table, and what the verdicts mean."""
    done = run("reproduce", "hetconv", "spconv")
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80
    assert "175.23M" in done.out
    assert "this is the share that remains" in " ".join(done.out.split())


def test_a_planted_fault_fails(run: Runner, tmp_path: Path) -> None:
    """One more in the last digit, and a claim that does not hold, each end with exit code 1."""
    assert run("reproduce", _file(tmp_path, GOOD)).code == 0
    for old, new, verdict in (
        ("25.6M", "25.7M", "unexplained"),
        ("4.09G", "4.10G", "unexplained"),
        ("25.6M", "{printed: 25.6M, misprint: it is not what they say}", "stale"),
        ("25.6M", "{printed: 25.6M, differs: nobody knows the reason}", "stale"),
    ):
        done = run("reproduce", _file(tmp_path, GOOD.replace(old, new)), "--format", "json")
        assert done.code == 1, new
        data = json.loads(done.out)
        assert data["failed"] == 1
        assert [row["verdict"] for row in data["rows"] if not row["agrees"]] == [verdict]
    # Cut, not rounded: well, and said.
    data = json.loads(run("reproduce", _file(tmp_path, GOOD.replace("4.09G", "4.0G")), "--format", "json").out)
    assert (data["failed"], data["rows"][1]["verdict"]) == (0, "truncated")
    assert "4.1G" in data["rows"][1]["why"]
    # Wrong by a digit, and the table says so.
    text = GOOD.replace("25.6M", "{printed: 26.5M, misprint: two digits changed places}")
    assert run("reproduce", _file(tmp_path, text)).code == 0


def test_printed_commands_run(
    run: Runner, comparisons: list[Comparison], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every ninth command and each with a path, a clause or a decimal: as a shell reads it, it gives the number.

    From any folder, and no path of the installation is shown.
    """
    monkeypatch.chdir(tmp_path)
    assert not any(str(ROOT) in one.how for one in comparisons)
    shown = [one for one in comparisons if " of flopcalc " in one.how]
    odd = [one for one in shown if re.search(r"yaml|where|hetconv|layer --type|convention", one.how)]
    named = [one for one in shown if "layer4" in one.how or "1/16" in one.how]
    assert len(shown) > 400
    chosen = {one.how: one for one in [*shown[::9], *odd[::3], *named]}
    assert len(chosen) > 80
    assert any("1/16" in how for how in chosen)
    assert any("layer4" in how for how in chosen)
    for how, one in chosen.items():
        gives, command = how.split(" of flopcalc ", 1)
        done = run(*shlex.split(command), "--format", "json")
        assert done.code == 0, (how, done.err)
        data = json.loads(done.out)
        known = {name: data[name] for name in ("params", "macs", "flops", "adds", "muls", "other", "steps")}
        known[data["convention"].replace("-", "_")] = data["cost"]
        known |= {f"plain_{name}": (data["baseline"] or {}).get(name) for name in ("params", "macs")}
        assert evaluate(gives, known) == one.value, how


def test_no_half_commands(comparisons: list[Comparison]) -> None:
    """Text that is not a command does not look like one, and no path is cut or quoted twice."""
    for one in comparisons:
        assert "'\"'\"'" not in one.how
        if one.figure.ours.only and " of flopcalc " in one.how:
            # The condition changes nothing, or the number would not be that of the command.
            assert "all_" not in one.how
        if "flopcalc" not in one.how:
            assert "--" not in one.how, one.how


def test_another_count_is_marked(run: Runner, tmp_path: Path) -> None:
    """A figure that is not the plain count has a mark, with its formula and its words below; others have none."""
    text = GOOD.replace("4.09G", "{printed: 4.10G, gives: macs + adds, means: with the biases}")
    rows = json.loads(run("reproduce", _file(tmp_path, text), "--format", "json").out)
    assert rows["own_count"] == 1
    assert [row["counted"] for row in rows["rows"]] == ["", "macs: macs + adds"]
    assert (rows["rows"][1]["means"], rows["rows"][1]["plain_agrees"]) == ("with the biases", False)
    for fmt in ("table", "markdown", "html"):
        out = run("reproduce", _file(tmp_path, text), "--format", fmt).out.replace("\\", "")
        assert len(re.findall(r"(agrees|truncated) \*1", out)) == 1, fmt
        assert "with the biases; macs: macs + adds" in out
        assert "1 of them only if counted in another way" in " ".join(out.split())
    assert "macs: macs + adds" in run("reproduce", _file(tmp_path, text), "--format", "csv").out
    # The same digits by the plain count: said, and not counted as needing another.
    both = GOOD.replace("25.6M", "{printed: 25.6M, gives: params + 1}")
    out = " ".join(run("reproduce", _file(tmp_path, both)).out.split())
    assert "the plain count agrees too: params: params + 1" in out
    assert "of their own" not in out
    assert "*1" not in run("reproduce", _file(tmp_path, GOOD)).out


def test_every_other_count_is_explained(run: Runner) -> None:
    """Each mark of a table has its note and each note its mark; verdicts stay whole at 80 columns."""
    out = run("reproduce").out
    assert "32 * 32 * 64 = 65536" in out
    assert not re.search(r"truncate(?!d)", out)
    for name in tables.names():
        page = run("reproduce", name).out.split("\nVerdicts")[0]
        marks = set(re.findall(r"(?:agrees|truncated|misprint|differs) (\*\d+)$", page, flags=re.MULTILINE))
        assert marks == set(re.findall(r"^  (\*\d+) ", page, flags=re.MULTILINE)), for_author(
            name,
            "a mark has no note or a note no mark; say with `means` what each count of its own counts",
            "docs/adding-a-table.md",
        )
        assert max(map(len, page.splitlines())) <= 84, for_author(
            name,
            "its tables are wider than 84 columns; shorten the names of rows and quantities",
            "docs/adding-a-table.md",
        )


def test_verdicts_are_never_broken() -> None:
    """However narrow, the verdict with its mark stays in one piece."""
    source = tables.load("mobilenetv3")
    page = plain.render(document(reproduce_record(map(compare, source.figures)), {source.key: source.paper.short}), 50)
    assert not re.search(r"truncate(?!d)", page)
    assert re.search(r" truncated \*\d$", page, flags=re.MULTILINE)


def test_figures_of_another_version_are_no_errors(comparisons: list[Comparison]) -> None:
    """MobileNetV3-Small's 2.9M and 2.4M: 576 x 1280 + 1280 and 1280 x 1000 + 1000 in the place of those of 1024."""
    found = [one for one in comparisons if one.figure.paper == "mobilenetv3" and "mall" in one.figure.row]
    assert not [one for one in found if one.verdict == "misprint"]
    by_digits = {one.figure.printed.text.split()[0].rstrip("M"): one for one in found if one.verdict == "differs"}
    for digits, wide, narrow in (("2.9", 576, 2_542_856), ("2.4", 432, 2_041_872)):
        (witness,) = by_digits[digits].figure.evidence
        linear = {last: wide * last + last + last * 1000 + 1000 for last in (1024, 1280)}
        assert witnessed(by_digits[digits].figure, witness) == narrow - linear[1024] + linear[1280]
        assert witness.fits
    (witness,) = by_digits["66"].figure.evidence
    assert not witness.fits
    assert witnessed(by_digits["66"].figure, witness) == 56_510_400 + 256 * 1576


BAD = {
    "no list": (GOOD[: GOOD.index("    rows")], "rows"),
    "no digits": (GOOD.replace("25.6M", "many"), "cannot read the figure 'many'"),
    "not quoted": (GOOD.replace("25.6M", "26"), "must be a string"),
    "unknown unit": (GOOD.replace("25.6M", "25.6Q"), "25.6Q"),
    "unknown quantity": (GOOD.replace("macs:", "mac:"), "'mac'"),
    "unknown key": (GOOD.replace("network:", "net:"), "'net'"),
    "unknown network": (GOOD.replace("resnet50", "resnet5"), "resnet5"),
    "unknown option": (GOOD.replace("resnet50", "resnet50, set: {width: 2}"), "width"),
    "unknown operator": (GOOD.replace("{network: resnet50}", "{operator: conw, shape: {c_in: 3}}"), "conw"),
    "unknown name": (GOOD.replace("4.09G", "{printed: 4.09G, gives: macs + mcas}"), "mcas"),
    "a truth": (GOOD.replace("4.09G", "{printed: 4.09G, gives: macs > 3}"), "does not give a number"),
    "bad condition": (GOOD.replace("resnet50}", "resnet50, only: kind = 3}"), "kind = 3"),
    "two statements": (GOOD.replace("25.6M", "{printed: 25.6M, misprint: a, open: b}"), "both"),
    "no reason": (GOOD.replace("25.6M", '{printed: 25.6M, misprint: ""}'), "without a reason"),
    "unknown reason": (GOOD.replace("25.6M", "{printed: 25.6M, misprint: $it}"), "'it'"),
    "nothing to compute": (GOOD.replace(", ours: {network: resnet50}", ""), "neither ours nor open"),
    "no paper": (GOOD.replace("paper: {title: A test, venue: nowhere}\n", ""), "either paper or operator"),
    "no figure": (GOOD.replace("params: 25.6M, macs: 4.09G, ", ""), "no figure"),
    "bad input": (GOOD.replace("resnet50}", "resnet50, input: [3, 2]}"), "not a size"),
    "bad shape": (GOOD.replace("{network: resnet50}", "{operator: conv, shape: {cin: 3}}"), "'cin'"),
    "broken": (GOOD.replace("}}", "}"), "broken YAML"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables(name: str, run: Runner, tmp_path: Path) -> None:
    """One line that says what is wrong, with file and line, and one that says what to do."""
    text, message = BAD[name]
    done = run("reproduce", _file(tmp_path, text))
    assert (done.code, done.out) == (2, "")
    error, hint = done.err.splitlines()
    assert message in error
    assert re.search(r"test\.yaml(, line \d+)?:", error)
    assert len(hint) > 10


def test_the_guide(run: Runner, tmp_path: Path) -> None:
    """docs/adding-a-table.md's example says what is true."""
    text, *_ = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "adding-a-table.md").read_text(), flags=re.DOTALL)
    path = _file(tmp_path, text)
    done = run("reproduce", path, "--format", "json")
    data = json.loads(done.out)
    assert done.code == 0, data
    verdicts = [row["verdict"] for row in data["rows"]]
    assert verdicts.count("agrees") == len(verdicts) - 2
    assert verdicts[-2:] == ["open", "misprint"]
    (figure,) = tables.read_published(path).figures_stated("misprint")
    assert witnessed(figure, figure.evidence[0]) == 25_557_032 - 53_120


def test_settings_of_a_row_come_before_those_of_its_table(tmp_path: Path) -> None:
    """A row's settings over its table's; options are joined; another network starts afresh."""
    text = GOOD.replace(
        "    rows:\n", "    ours: {network: resnet50, set: {classes: 10}, input: 160}\n    rows:\n"
    ).replace("ours: {network: resnet50}", "ours: {set: {stride_in: v1}}")
    both = tables.read_published(_file(tmp_path, text)).figures[0].ours
    settings = {"classes": 10, "stride_in": "v1"}
    assert both.target == TargetSpec("network", "resnet50", settings, (Input((3, 160, 160)),))
    other = text.replace("{set: {stride_in: v1}}", "{operator: conv, shape: {c_in: 3}}")
    found = tables.read_published(_file(tmp_path, other)).figures[0].ours
    assert found == Ours(TargetSpec("operator", "conv", shape={"c_in": 3}))


def test_figures_of_few_digits(run: Runner) -> None:
    """The number of digits by hand, and of the agreeing figures how many have one or two."""
    texts = {"0.65G": 2, "4 GFLOPs": 1, "0.05M": 1, "1.0M": 2, "41.17M": 4, "4,089,184,256": 10, "74.59%": 4}
    assert {text: read_printed(text).digits for text in texts} == texts
    data = json.loads(run("reproduce", "convnet_burden", "--format", "json").out)
    # Printed there: 727, 837, 360 and 579 MFLOPs, and 17 figures from 2 to 21 GFLOPs.
    few = [row["printed"] for row in data["rows"] if row["agrees"] and row["digits"] <= 2]
    assert len(few) == 17
    assert all(one.endswith("GFLOPs") for one in few)
    assert data["few_digits"] == data["sources"][0]["few_digits"] == 17
    text = " ".join(run("reproduce", "convnet_burden").out.split())
    assert "; 17 of the 21 that ours gives have one or two digits" in text


def test_titles_are_sentences(run: Runner) -> None:
    """Verdicts in words, of one figure and of several; another way of counting is said once."""
    out = " ".join(run("reproduce", "mmyolo", "--summary").out.split())
    assert " 74 agree in another way of counting, 6 misprints, 6 differ, 14 open;" in out
    assert " 14 agree, 1 misprint;" in " ".join(run("reproduce", "ptflops_readme", "--summary").out.split())
    page = (Path(__file__).parent.parent.parent / "docs/published.md").read_text(encoding="utf-8")
    assert all(len(line) < 250 for line in page.splitlines() if line.startswith("## "))


def test_the_summary_is_short(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each source, also in a narrow terminal."""
    monkeypatch.setenv("COLUMNS", "60")
    done = run("reproduce", "g_cnn", "hetconv", "--summary")
    assert done.code == 0
    assert "All-CNN" not in done.out
    assert [line.split()[:2] for line in done.out.splitlines() if line.startswith(("g_cnn", "hetconv", "all"))] == [
        ["g_cnn", "5"],
        ["hetconv", "7"],
        ["all", "12"],
    ]


def test_rules_need_a_file_of_rows(run: Runner) -> None:
    """On anything else they had no effect."""
    for given in (["configs/published/spconv.yaml"], ["spconv"], []):
        done = run("reproduce", *given, "--rules", "mmyolo")
        assert done.code == 2
        assert "--rules has no effect on" in done.err

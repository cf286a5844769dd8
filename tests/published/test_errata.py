"""Errata are data: complete, and their evidence says what they claim."""

import json

from helpers import Runner, for_author

from flopcalc.catalog import lookup
from flopcalc.published import tables


def test_every_wrong_equation_is_listed_with_numbers(run: Runner) -> None:
    """Printed form, right form, why, and the two numbers, which differ."""
    rows = json.loads(run("errata", "--format", "json").out)["rows"]
    listed = {(row["operator"], row["where"]) for row in rows if row["kind"] not in ("statement", "figure")}
    wrong = {(o.name, e.label) for o in lookup.every() for e in o.equations if e.status != "printed"}
    assert listed == wrong, for_author(
        sorted(listed ^ wrong),
        "an equation that is not as printed must be listed; give its Equation numbers to compare",
    )
    for row in rows:
        where = f"{row['operator'] or row['source']}, {row['where']}"
        assert row["printed"] != row["right"], for_author(where, "the right form is the printed one; correct it")
        assert row["paper"], for_author(where, "say which paper prints it")
        assert row["evidence"], for_author(where, "give it evidence: numbers that speak for the correction")
        assert row["why"] or row["kind"] == "statement", for_author(where, "say why the printed form is wrong")
        if row["kind"] not in ("statement", "figure"):
            assert row["evidence"][0]["value"] != row["evidence"][1]["value"], for_author(
                where, "the printed and the right form give the same number; choose a shape at which they differ"
            )


def test_every_wrong_figure_is_listed(run: Runner) -> None:
    """Each figure that its table calls wrong, once, with its printed digits, ours, and the reason."""
    rows = [row for row in json.loads(run("errata", "--format", "json").out)["rows"] if row["kind"] == "figure"]
    wrong = [figure for name in tables.names() for figure in tables.load(name).figures_stated("misprint")]
    assert len(wrong) > 40
    for figure in wrong:
        found = [row for row in rows if row["source"] == figure.paper and row["why"] == figure.why]
        assert len(found) == 1, for_author(
            f"{figure.paper}, {figure.row}",
            "a wrong figure is listed once; give it a reason of its own",
            "docs/adding-a-table.md",
        )
        assert figure.printed.text in found[0]["printed"]
        assert figure.printed.text != found[0]["right"]
        assert f"{figure.row}, {figure.quantity}: " in " ".join(one["what"] for one in found[0]["evidence"])
    assert len({(row["source"], row["why"]) for row in rows}) == len(rows)


def test_the_evidence_fits_the_statement(run: Runner) -> None:
    """The figures in the corrected statement are those that the evidence gives."""
    rows = json.loads(run("errata", "spconv", "ghost", "sic", "--format", "json").out)["rows"]
    # Shares of the printed figures, a row on the line of its neighbours, and HetConv's on its own baseline.
    right = {row["printed"]: row["right"] for row in rows if row["source"] == "spconv"}
    expected = {"45.20%": "54.79%", "66.24%": "66.16%", "75.88%": "69.03%", "55.14M": "50.14M", "30.32%": "31.16%"}
    assert right.items() >= expected.items()
    base = next(row for row in rows if "16.62M" in row["printed"])
    # A plain VGG-16 with that head, and the HetConv code at P = 1.
    assert {one["value"] for one in base["evidence"]} >= {14_991_946, 16_622_090}
    ghost = next(row for row in rows if "6.5M" in row["printed"])["evidence"]
    # A recount of the published table.
    assert [f"{one['value'] / 1e6:.2f}" for one in ghost] == ["13.95", "8.15"]
    where = {row["where"]: row["evidence"] for row in rows}
    assert where["on the Ghost module"][0]["value"] == 32 * 9
    sic = [one["value"] for one in where["on the number of bases"]]
    assert sic[0] > 1 > sic[1]
    assert round(sic[2], 2) == 7.89


def test_statements_on_cost_and_speed(run: Runner) -> None:
    """The figures that the corrected statements name, from networks, layers and measured times with their source."""
    names = ("compconv", "dynet", "spconv", "hetconv", "ghost", "pconv", "shuffle_unit_v2", "mbconv")
    rows = json.loads(run("errata", *names, "--format", "json").out)["rows"]
    found = {f"{row['operator']}, {row['where']}": row for row in rows if row["kind"] == "statement"}
    value = {where: [one["value"] for one in row["evidence"]] for where, row in found.items()}
    # C_prim = 17, 9, 5 at d = 5, 6, 7: 1024 / 62, 126, 254, rounded up.
    assert [round(one, 4) for one in value["compconv, on the depth"]] == [0.1809, 0.1933, 0.2327]
    assert round(value["dynet, on the size of the model"][0], 2) == 3.46
    # 6 * 64 * 64 * 9 both; 64 * 64 * 6 coefficients beside 64 * 6.
    assert value["dynet, on CondConv"] == [221_184, 221_184, 24_576, 384]
    # 56 * 56 (9 * 256 + 64 * 16), and 56 * 56 times 9 * 256 and 64 * 64.
    assert value["pconv, eq. 7, first versions"] == [3136 * 3328, 3136 * 2304, 3136 * 4096]
    assert value["shuffle_unit_v2, table 2, g = 8"] == [4, 0]
    strides = value["mbconv, table 1, first version, strides of EfficientNet-B0"]
    # 480 inner channels: 80 * 480 twice and 480 * 9, at 196 and 784 positions; 2 * 480 * 20 of the excitation at one.
    assert strides[1:] == [196 * 81_120 + 19_200, 784 * 81_120 + 19_200]
    times = found["spconv, abstract, on inference time"]["evidence"]
    assert [round(one["value"], 2) for one in times] == [0.99, 1.63]
    assert all("H200" in one["source"] for one in times)
    assert "#26 and #32" in run("errata", "pconv").out.replace("\n", " ").replace("  ", "")


def test_for_people(run: Runner) -> None:
    """Readable at 80 columns; one operator alone; unknown names."""
    done = run("errata", "compconv")
    assert "eq. 8" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert "spconv" not in done.out
    for fmt in ("csv", "latex", "markdown", "html"):
        assert run("errata", "--format", fmt).code == 0
    assert "mobilenetv1" in run("errata", "mobilenetv1").out
    done = run("errata", "mobilnetv1")
    assert done.code == 2
    assert "did you mean mobilenetv1" in done.err

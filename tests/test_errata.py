"""Errata are data: complete, and their evidence says what they claim."""

import json
import re
from collections.abc import Callable

from helpers import Run

from flopcalc import registry

Runner = Callable[..., Run]


def test_every_wrong_equation_is_listed_with_numbers(run: Runner) -> None:
    """Printed form, right form, why, and the two numbers, which differ."""
    rows = json.loads(run("errata", "--format", "json").out)["rows"]
    listed = {(row["operator"], row["where"]) for row in rows if row["kind"] != "statement"}
    wrong = {(o.name, e.label) for o in registry.every() for e in o.equations if e.status != "printed"}
    assert listed == wrong
    for row in rows:
        assert row["printed"] != row["right"]
        assert row["paper"]
        assert row["evidence"], row["where"]
        if row["kind"] != "statement":
            assert row["why"]
            assert row["evidence"][0]["value"] != row["evidence"][1]["value"]


def test_the_evidence_fits_the_statement(run: Runner) -> None:
    """What the right form claims in figures is what the evidence comes to."""
    rows = {row["where"]: row for row in json.loads(run("errata", "--format", "json").out)["rows"]}
    spconv = [row for row in rows.values() if row["operator"] == "spconv"]
    for row in spconv:
        claimed = [float(text) for text in re.findall(r"\d+\.\d+", row["right"])]
        value = row["evidence"][0]["value"] * (100 if "%" in row["right"] else 1)
        assert any(abs(value - claim) <= 0.005 for claim in claimed), row
    ghost = rows["ImageNet table, Ghost-ResNet-50 (s = 2) and (s = 4), parameters"]["evidence"]
    # A recount of the published table: 13.95M / 2.151G and 8.15M / 1.182G.
    assert [f"{one['value'] / 1e9:.5f}"[:7] for one in ghost[::2]] == ["0.01395", "0.00815"]
    assert [round(one["value"] / 1e9, 3) for one in ghost[1::2]] == [2.151, 1.182]
    assert rows["on the Ghost module"]["evidence"][0]["value"] == 32 * 9
    sic = [one["value"] for one in rows["on the number of bases"]["evidence"]]
    assert sic[0] > 1 > sic[1]
    assert round(sic[2], 2) == 7.89


def test_for_people(run: Runner) -> None:
    """Readable at 80 columns; one operator alone; unknown names."""
    done = run("errata", "compconv")
    assert "eq. 8" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert "spconv" not in done.out
    for fmt in ("csv", "latex", "markdown", "html"):
        assert run("errata", "--format", fmt).code == 0
    assert run("errata", "nope").code == 2

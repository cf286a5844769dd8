"""Citations, and the query for operators that can replace a convolution."""

import json
import re

from helpers import Runner, for_author

from flopcalc.catalog import lookup
from flopcalc.published import tables
from flopcalc.report import citation
from flopcalc.spec.source import Paper


def test_cite(run: Runner) -> None:
    """Text and BibTeX of what was asked for, each paper once."""
    text = run("cite", "compconv", "spconv").out
    assert text.splitlines()[1].startswith("Zhang, C., Xu, Y., Shen, Y.: CompConv: A Compact Convolution Module")
    assert "pp. 3012-3021, 2021. arXiv:2106.10486." in text
    entry = run("cite", "spconv", "--as", "bibtex").out
    assert entry.startswith("@inproceedings{zhang2020split,\n")
    assert "  pages         = {3195--3201}," in entry
    assert "  author        = {Zhang, Qiulin and Jiang, Zhuqing and " in entry
    assert entry.count("@") == 1
    assert entry.count("{") == entry.count("}")
    every = run("cite", "--as", "bibtex").out
    keys = re.findall(r"^@\w+\{(\w+),", every, flags=re.MULTILINE)
    assert len(keys) == len(set(keys)) > 4
    assert run("cite", "nope").code == 2


def test_cite_published_tables(run: Runner) -> None:
    """The papers of tables by their names, as well as operators; suggestions come from both."""
    text = run("cite", "efficientnet", "spconv", "hetconv").out
    assert "EfficientNet: Rethinking Model Scaling" in text
    assert len(text.splitlines()) == 3
    assert "tan2019efficientnet," in run("cite", "efficientnet", "--as", "bibtex").out
    assert run("cite", "spconv").out == run("cite", "spconv", "spconv").out
    for wrong, right in (("efficientnett", "efficientnet"), ("compcnv", "compconv")):
        done = run("cite", wrong)
        assert done.code == 2
        assert f"did you mean {right}" in done.err
    # Whatever a title ends in, it has one stop.
    for name in (*lookup.names(), *tables.names()):
        assert not re.search(r"[?!.]\.(?!\d)", run("cite", name).out), for_author(
            name, "its citation ends a field with two stops; leave the last one out of title and venue"
        )
    assert citation.text(Paper("k", ("A, B",), "Is it?", "X", 2020)) == "A, B.: Is it? X, 2020.\n".strip()


def test_matching(run: Runner) -> None:
    """64 -> 128 at stride 2: SIC cannot, with the reason; the least work comes first."""
    done = run("list", "--matching", "--cin", "64", "--cout", "128", "--stride", "2", "--format", "json")
    data = json.loads(done.out)
    names = [row["name"] for row in data["matching"]]
    assert {"dsc", "ghost", "spconv", "compconv"} <= set(names)
    refused = {row["name"]: row["reason"] for row in data["refused"]}
    assert refused["sic"] == "c_in = 64 and c_out = 128 differ"
    assert "linear" in refused
    assert refused["conv"] == "it is this convolution already"
    work = [row["flops"] for row in data["matching"]]
    assert work == sorted(work)
    # An adder layer has no MACs, and two additions for each: as much work as the convolution.
    rows = {row["name"]: row for row in data["matching"]}
    assert (rows["adder"]["macs"], rows["adder"]["flops"]) == (0, 2 * 64 * 128 * 9 * 28 * 28 + 128 * 28 * 28)
    assert "Does not apply" in run("list", "--matching", "--cin", "64", "--cout", "128").out
    for bad in (["list", "--matching"], ["list", "--cin", "8"], ["list", "--matching", "--cin", "0"]):
        assert run(*bad).code == 2

"""`flopcalc errata --tools`."""

import json

from helpers import Runner, fresh

from flopcalc.published.tool_errata import TOOL_ERRORS


def test_errors_of_tools(run: Runner) -> None:
    """All, or those of the tools that are named; every digit is there, also at 80 columns."""
    record = json.loads(run("errata", "--tools", "--format", "json").out)
    assert record["schema"] == "flopcalc/tool-errata/1"
    assert [row["tool"] for row in record["rows"]] == [one.tool for one in TOOL_ERRORS]
    row = next(row for row in record["rows"] if (row["tool"], row["what"]) == ("thop", "transposed convolution"))
    assert (row["unit"], row["printed"], row["right"]) == ("MACs", 4608, 1152)
    assert row["module"] == "module = nn.ConvTranspose2d(4, 8, 2, stride=2, bias=False)"
    assert "print(int(profile(module, inputs, verbose=False)[0]))" in row["script"]
    text = run("errata", "--tools", "fvcore").out
    assert "  printed  1,113,000 MACs\n  right    1,113,121 MACs: 101 rows x 103 x 107\n" in text
    assert "thop" not in text
    rows = run("errata", "--tools", "torchinfo", "flop-counter", "--format", "csv").out.splitlines()
    assert rows[0] == "tool,version,what,unit,printed,right,why"
    assert {line.split(",")[0] for line in rows[1:]} == {"torchinfo", "flop-counter"}


def test_names(run: Runner) -> None:
    """With --tools a name is that of a tool, and without it that of an operator or a paper."""
    wrong = run("errata", "--tools", "ghost")
    assert (wrong.code, wrong.err.splitlines()[0]) == (2, "error: unknown tool 'ghost'")
    forgotten = run("errata", "thop")
    assert (forgotten.code, "flopcalc errata --tools thop" in forgotten.err) == (2, True)


def test_nothing_is_imported() -> None:
    """The list of errors is data: it needs neither torch nor the tools."""
    done = fresh(
        "import sys; from flopcalc.cli.main import main; main(['errata', '--tools']); print('torch' in sys.modules)"
    )
    assert done.out.splitlines()[-1] == "False"

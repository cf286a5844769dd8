"""`flopcalc sweep`: formats, files, notes, the progress bar, and errors."""

import csv
import json
import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, Runner, WriteNetwork

from flopcalc import layer, network, sweep
from flopcalc.cost.kinds import KINDS

pytest.importorskip("numpy")

GRID = ("sweep", "conv", "spconv", "--cin", "16:48:16", "-k", "3,5", "--hw", "14", "--set", "alpha=1/8,1/4")
# Combinations of GRID: 3 x 2 of conv, and 3 x 2 x 2 of spconv.
ROWS = 6 + 12


def expected() -> list[dict[str, Any]]:
    """The rows of GRID, one layer after the other."""
    rows = []
    for name, alphas in (("conv", [None]), ("spconv", [Fraction(1, 8), Fraction(1, 4)])):
        for alpha in alphas:
            options: dict[str, Any] = {} if alpha is None else {"alpha": alpha}
            for c_in in (16, 32, 48):
                for k in (3, 5):
                    e = layer(name, c_in, k=k, hw=14, **options)
                    # Traffic is in bytes of float32.
                    kinds = {kind: e.total(kind) for kind in KINDS} | {"traffic": 4 * e.traffic}
                    decimal = None if alpha is None else float(alpha)
                    rows.append({"operator": name, "c_in": c_in, "k": k, "alpha": decimal, **kinds})
    return rows


def chosen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The columns that `expected` has."""
    return [{name: row[name] for name in expected()[0]} for row in rows]


def test_json_is_the_contract(run: Runner) -> None:
    """`flopcalc/sweep/1`: columns, rows as lists, infeasible; exact ints."""
    done = run(*GRID, "--format", "json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert list(record) == ["schema", "columns", "rows", "infeasible", "combinations", "reasons"]
    assert (record["schema"], record["infeasible"], record["combinations"]) == ("flopcalc/sweep/1", 0, ROWS)
    assert chosen([dict(zip(record["columns"], row, strict=True)) for row in record["rows"]]) == expected()
    assert record == sweep("conv", "spconv", c_in="16:48:16", k="3,5", hw=14, alpha="1/8,1/4").to_dict()


def test_json_without_rows(run: Runner) -> None:
    """Also an empty list is JSON."""
    record = json.loads(run(*GRID, "--where", "macs < 0", "--format", "json").out)
    assert record["rows"] == []


def test_json_lines(run: Runner, tmp_path: Path) -> None:
    """An object for each row; to a file by its suffix."""
    path = tmp_path / "rows.jsonl"
    assert run(*GRID, "-o", str(path)).code == 0
    assert chosen([json.loads(line) for line in path.read_text().splitlines()]) == expected()
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_csv(run: Runner) -> None:
    """A header, exact numbers, and nothing for an option that the operator does not have."""
    done = run(*GRID, "--format", "csv")
    rows = list(csv.DictReader(done.out.splitlines()))
    found = [
        {
            name: text
            if name == "operator"
            else float(text)
            if name == "alpha" and text
            else int(text)
            if text
            else None
            for name, text in row.items()
        }
        for row in rows
    ]
    assert chosen(found) == expected()


def test_parquet(run: Runner, tmp_path: Path) -> None:
    """64-bit integers and floats; it has the rows of JSON."""
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    assert run(*GRID, "-o", str(path)).code == 0
    table = parquet.read_table(path)
    assert str(table.schema.field("macs").type) == "int64"
    assert chosen(table.to_pylist()) == expected()
    assert run(*GRID, "--where", "macs < 0", "-o", str(path)).code == 0
    assert parquet.read_table(path).num_rows == 0


def test_parquet_has_no_larger_integers(run: Runner, tmp_path: Path) -> None:
    """An error, and nothing is written."""
    pytest.importorskip("pyarrow.parquet")
    done = run("sweep", "conv", "--cin", f"16,{2**40}", "-o", str(tmp_path / "rows.parquet"))
    assert done.code == 2
    assert "more than 64 bits" in done.err
    assert not os.listdir(tmp_path)


def test_the_types_of_parquet(run: Runner, tmp_path: Path) -> None:
    """Options of each kind; a third is text, since no decimal is one."""
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "rows.parquet"
    grid = ("--cin", "24", "--hw", "12", "--padding", "same,1", "--columns", "all", "-o", str(path))
    assert run("sweep", "conv", "spconv", "compconv", "mixconv", "attention", *grid, "--set", "alpha=1/3,1/4").code == 0
    types = {field.name: str(field.type) for field in parquet.read_schema(path)}
    want = {
        "alpha": "string",
        "norm": "bool",
        "kernels": "string",
        "fusion": "string",
        "depth": "int64",
        "c_prim": "int64",
    }
    want |= {"c_in": "int64", "padding": "string", "ratio(macs)": "double", "macs": "int64", "operator": "string"}
    assert {name: types[name] for name in want} == want


@pytest.mark.parametrize("fmt", ["markdown", "latex", "html"])
def test_pages(run: Runner, fmt: str) -> None:
    """Every row is on the page."""
    done = run(*GRID, "--format", fmt)
    assert done.code == 0
    for row in expected():
        assert f"{row['macs']:,}" in done.out


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_digit_is_cut_off(run: Runner, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """At any width the MACs are there in full."""
    monkeypatch.setenv("COLUMNS", str(width))
    done = run(*GRID)
    assert done.code == 0
    for row in expected():
        assert f"{row['macs']:,}" in done.out
    assert max(map(len, done.out.splitlines())) <= width


def test_a_long_table_shows_the_first_rows(run: Runner) -> None:
    """And how many there are; with --limit all that are asked for."""
    done = run("sweep", "conv", "--cin", "1:250:1")
    assert "250, of which 100 are shown" in " ".join(done.out.split())
    lines = run("sweep", "conv", "--cin", "1:250:1", "--limit", "120").out.splitlines()
    assert sum(line.lstrip()[:1].isdigit() for line in lines) == 120
    done = run("sweep", "conv", "--cin", "1:20000:1", "--format", "html")
    assert done.code == 2
    assert "too many for a page" in done.err


def test_infeasible_combinations_have_reasons(run: Runner) -> None:
    """In the table and in JSON; on stderr where the format has no place for them."""
    grid = ("sweep", "sic", "--cin", "16,32", "--cout", "16,32")
    done = run(*grid)
    assert "sic, 2 combinations: rule 'c_in equals c_out'; for example c_in = 16 and c_out = 32 differ" in " ".join(
        done.out.split()
    )
    record = json.loads(run(*grid, "--format", "json").out)
    assert (record["infeasible"], len(record["rows"])) == (2, 2)
    assert record["reasons"][0]["rule"] == "c_in equals c_out"
    done = run(*grid, "--format", "csv")
    assert done.err.splitlines()[0] == "note: 2 of 4 combinations do not apply"
    assert len(done.out.splitlines()) == 3


def test_sequences_have_a_width(run: Runner) -> None:
    """One number for height and width is the width of a sequence, and that is the column; next to images both are."""

    def columns(*targets: str, hw: str) -> list[str]:
        return run("sweep", *targets, "--cin", "64", "--hw", hw).out.splitlines()[2].split()

    assert columns("conv1d", hw="10,100")[0] == "w"
    assert columns("lstm", "gru", hw="10,100")[:2] == ["operator", "w"]
    assert columns("conv1d", "conv", hw="10,100")[:3] == ["operator", "h", "w"]
    assert columns("conv", hw="10,100")[:2] == ["h", "params"]
    assert columns("conv1d", hw="1x10,100")[:2] == ["h", "w"]


def test_many_sizes_that_do_not_apply_have_one_reason(run: Runner) -> None:
    """A rule without the size of the combination in it."""
    for grid in (("lstm", "--cin", "64", "--w", "10:1000"), ("conv3d", "--cin", "8", "--hw", "3x8x8,4x8x8")):
        record = json.loads(run("sweep", *grid, "--format", "json").out)
        assert len(record["reasons"]) == 1, grid
        assert record["reasons"][0]["count"] == record["infeasible"] > 1


def test_a_network_of_a_file(run: Runner, write_network: WriteNetwork) -> None:
    """With a decimal range of an option, which stays exact."""
    path = write_network(
        "name: tiny\ntitle: Tiny\ninput: [3, 8, 8]\noptions:\n  width: {default: 1.0, help: share of channels}\n"
        "layers:\n  - conv: {op: conv, out: floor(80 * width)}\n"
    )
    done = run(
        "sweep", path, "--set", "width=0.1:0.7:0.1", "--input", "8,16", "--columns", "width,h,macs", "--format", "json"
    )
    assert done.code == 0, done.err
    rows = json.loads(done.out)["rows"]
    assert [row[0] for row in rows[::2]] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    # 80 * 0.7 is 56 exactly, and 55.99... in floats.
    assert rows[-1] == [0.7, 16, 56 * 27 * 256]


def test_networks_with_replacements(run: Runner) -> None:
    """A comma separates alternatives and options alike; the ratio is to the network without replacement."""
    done = run("sweep", "resnet18", "--replace", "spconv:alpha=1/4,groups_k=2,ghost,none", "--format", "csv")
    rows = list(csv.DictReader(done.out.splitlines()))
    assert [row["replace"] for row in rows] == ["spconv:alpha=1/4,groups_k=2", "ghost", "none"]
    assert int(rows[2]["macs"]) == network("resnet18").macs
    table = run("sweep", "resnet18", "--replace", "ghost,none", "--sort", "macs").out
    assert "ratio(macs)" in table
    assert "1.0000" in table


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--format", "parquet"), "needs a file"),
        (("-o", "rows.xyz"), "no format has the suffix .xyz"),
        (("-o", "/nowhere/rows.csv"), "cannot write"),
        (("--set", "alpha"), "not of the form name=value"),
        (("--set", "alpha=1/4", "--set", "alpha=1/8"), "given twice"),
        (("--jobs", "many"), "--jobs is 'many'"),
        (("--limit", "-1"), "--limit is -1"),
        (("--convention", "thopp"), "unknown convention"),
    ],
)
def test_bad_usage(run: Runner, arguments: tuple[str, ...], text: str) -> None:
    """Exit code 2, one line and one hint, and nothing on stdout."""
    done = run("sweep", "spconv", "--cin", "16,32", *arguments)
    assert done.code == 2
    error, hint = done.err.strip().splitlines()
    assert text in error
    assert hint.startswith("hint:")
    assert not done.out


def test_an_error_leaves_the_file_as_it_was(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the middle of the rows."""
    path = tmp_path / "rows.csv"
    path.write_text("old")
    from flopcalc.report import sweep as writers

    def broken(columns: Any, parts: Any) -> Any:
        yield "c_in\n"
        next(parts)
        raise MemoryError

    monkeypatch.setattr(writers, "csv_pieces", broken)
    assert run("sweep", "conv", "--cin", "16,32", "-o", str(path)).code == 70
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["rows.csv"]


def test_jobs_write_the_same_file(run: Runner, tmp_path: Path) -> None:
    """Byte for byte, with a filter."""
    grid = ("sweep", "conv", "ghost", "--cin", "16:512:16", "--cout", "16:512:16", "--where", "macs < 200M")
    for jobs in ("1", "2"):
        assert run(*grid, "--jobs", jobs, "-o", str(tmp_path / f"{jobs}.csv")).code == 0
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_rows_are_written_as_they_come(tmp_path: Path) -> None:
    """A sweep of two million rows takes little memory, and a reader that leaves ends it."""
    source = (
        "import resource, sys; from flopcalc.cli.main import main\n"
        "main(['sweep', 'conv', '--cin', '16:64:16', '--format', 'csv', '-o', sys.argv[1]])\n"
        "small = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "main(['sweep', 'conv', '--cin', '1:1000:1', '--cout', '1:400:1', '--columns', 'macs', '-o', sys.argv[1]])\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - small) / 1024)"
    )
    path = tmp_path / "rows.csv"
    done = subprocess.run(
        [sys.executable, "-c", source, str(path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert path.read_text().count("\n") == 400_001
    # All rows of 18 columns would be 58 MB, and as Python's ints 200 MB.
    assert float(done.stdout) < 40
    command = [sys.executable, "-m", "flopcalc", "sweep", "conv", "--cin", "1:100000:1", "--cout", "1:1000:1"]
    with subprocess.Popen(
        [*command, "--format", "csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as many:
        assert many.stdout is not None
        assert many.stdout.readline().startswith(b"operator,c_in")
        many.stdout.close()
        assert many.wait(timeout=60) == 0
        assert many.stderr is not None
        assert not many.stderr.read()


def test_the_progress_bar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Combinations that were tried, on a terminal."""
    import io

    from flopcalc.cli.main import main
    from flopcalc.networks import progress_bar as shown

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(shown, "_DELAY", 0.01)
    monkeypatch.setattr(shown, "_PERIOD", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    grid = ["sweep", "conv", "--cin", "1:2000:1", "--cout", "1:200:1", "-o", str(tmp_path / "rows.csv")]
    assert main([*grid, "--columns", "macs"]) == 0
    assert "of 400,000 combinations" in terminal.getvalue()
    assert "trying" in terminal.getvalue()
    assert not terminal.getvalue().split("\r")[-1]


def test_conventions(run: Runner) -> None:
    """The column cost is what `flopcalc layer --convention` counts."""
    from flopcalc.cost.convention import CONVENTIONS

    for name, one in CONVENTIONS.items():
        for operator in ("conv", "spconv", "attention", "transposed"):
            found = sweep(
                operator, c_in=[16, 32], hw=[8, 12], batch=[1, 3], convention=name, columns="c_in,h,batch,cost"
            )
            for row in found:
                e = layer(operator, row["c_in"], hw=row["h"], batch=row["batch"])
                assert row["cost"] == one.of(e.cost, row["batch"]), (name, operator)
    done = run("sweep", "resnet18", "--input", "64", "--convention", "torchinfo", "--format", "csv")
    (row,) = csv.DictReader(done.out.splitlines())
    record = json.loads(run("model", "resnet18", "--input", "64", "--convention", "torchinfo", "--format", "json").out)
    assert int(row["cost"]) == record["cost"]


def test_ten_to_the_twelve_combinations(run: Runner) -> None:
    """Refused with the count, at once; the first rows with --limit."""
    grid = ("sweep", "conv", "--cin", "1:1000000:1", "--cout", "1:1000000:1")
    start = time.monotonic()
    done = run(*grid)
    assert done.code == 2
    assert "1,000,000,000,000 combinations are too many" in done.err
    assert "--limit" in done.err
    done = run(*grid, "--limit", "2", "--format", "csv", "--columns", "c_in,c_out,macs")
    assert done.out.splitlines()[1:] == ["1,1,28224", "1,2,56448"]
    assert time.monotonic() - start < 20

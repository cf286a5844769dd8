"""`flopcalc bench` as tables."""

from collections.abc import Iterator, Mapping
from typing import Any

from flopcalc.analysis.bench import Bench
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, seconds

_TIMES = ("median_s", "lower_quartile_s", "upper_quartile_s", "least_s")
_EXPECTED = ("bound_s", "estimate_s")


def bench_document(found: Bench, *, flat: bool = False) -> Document:
    """The measured times, before and after replacement. flat: in seconds, for CSV."""
    record = found.to_dict()
    blocks: list[Table | Facts | Lines] = [_versions(found, flat=flat), Facts(list(_facts(record)))]
    if record["notes"]:
        blocks.append(Lines("Notes", record["notes"]))
    ratio = "" if found.ratio is None else f", {found.ratio:.3f} times the time before"
    what = "" if record["mode"] == "inference" else ", training step,"
    title = (
        f"{record['target']}{what} measured on {record['on']}, {record['dtype']}, batch {record['batch']}: "
        f"{seconds(record['median_s'])}{ratio}"
    )
    return Document(title, blocks, record)


def _versions(found: Bench, *, flat: bool) -> Table:
    names = (*_TIMES, *(_EXPECTED if found.device is not None or flat else ()))
    titles = {"lower_quartile_s": "lower quartile", "upper_quartile_s": "upper quartile", "least_s": "fastest"}
    drops = {"least_s": 2}
    columns = (
        Column("", "text", key="version"),
        Column("MACs", "short", key="macs"),
        *(Column(titles.get(one, one.removesuffix("_s")), key=one, drop=drops.get(one, 0)) for one in names),
        Column("runs", key="runs", drop=1),
    )
    versions = found.to_rows()
    rows: list[list[Cell]] = [
        [
            one["version"],
            one["macs"],
            *(one[name] if flat else seconds(one[name]) for name in names),
            one["runs"],
        ]
        for one in versions
    ]
    if found.before is not None and not flat:
        before, after = versions
        ratios: list[Cell] = [_ratio(after[name], before[name]) for name in ("macs", *names)]
        rows.append(["ratio", *ratios, ""])
    return Table(columns, rows, main=True)


def _ratio(new: float | None, old: float | None) -> str:
    return f"{new / old:.3f}" if new and old else ""


def _facts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    threads = f", {record['threads']} threads" if record["on"] == "cpu" else ""
    yield "measured on", f"{record['machine']}{threads}, torch {record['torch']}, {record['execution']}"
    order = "channels last" if record["channels_last"] else "contiguous"
    yield "inputs", f"{record['dtype']}, {order}, random values"
    if record["macs"]:
        yield "rate", f"{2 * record['macs'] / record['median_s'] / 1e9:,.4g} GFLOPS"
    if record["device"] is not None:
        yield "bound, estimate", f"of {record['device']}, {record['execution']}"

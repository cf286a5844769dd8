"""Write docs/benchmarks.md from benchmarks/results.json. It measures nothing.

    python benchmarks/page.py [--check]

--check writes nothing, and fails if the page is not the one that follows from the JSON.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from peer_worker import BUILD, BUILD_CPU, COMMAND, FLOPCALC

from flopcalc.report.document import seconds

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
MODELS = {
    "resnet50": "ResNet-50 (torchvision)",
    "mobilenet_v2": "MobileNetV2 (torchvision)",
    "vit_b_16": "ViT-B/16 (torchvision)",
    "swin_t": "Swin-T (torchvision)",
    "lstm": "LSTM, 2 layers of 512 units, 128 steps",
    "llama_70b": "LLaMA with 70 billion parameters (transformers), on the meta device",
}
TOOLS = {
    BUILD: "only import torch and build the model, on meta",
    BUILD_CPU: "only import torch and build the model, on the CPU",
    FLOPCALC: "flopcalc, `flopcalc.count`",
    COMMAND: "flopcalc, `flopcalc model`",
    "flop-counter": "FlopCounterMode",
    "deepspeed": "DeepSpeed",
}


def text(found: dict[str, Any]) -> str:
    """The page of a set of results, or of the parts that it has."""
    parts: dict[str, Callable[[Any], Iterable[str]]] = {
        "peers": _peers,
        "start_up": _start_up,
        "models": _models,
        "descriptions": _descriptions,
        "formulas": _formulas,
        "sweep": _sweep,
        "depth": _depth,
    }
    lines = list(_head(found))
    for name, part in parts.items():
        if name in found:
            lines += ["", *part(found[name])]
    return "\n".join(lines) + "\n"


def _head(found: dict[str, Any]) -> Iterator[str]:
    machine, versions = found["machine"], found["versions"]
    yield "# Benchmarks"
    yield ""
    yield "<!-- Written by `make bench`, from benchmarks/results.json; `python benchmarks/page.py` writes it again. -->"
    yield ""
    yield (
        f"Measured on {found['date']} by `make bench` in {found['seconds']} seconds"
        f"{', with few repetitions' if found['quick'] else ''}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB of memory, {machine['system']}, Python {machine['python']}; "
        f"{', '.join(f'{name} {one}' for name, one in versions.items())}."
    )
    if (before := found.get("load_before")) is not None:
        yield ""
        yield (
            f"The load average was {before} before and {found['load_after']} after the run"
            f"{_busy(before, machine['cores'])}."
        )
    yield ""
    yield "Times depend on the machine; the ratios are to a peer in the same run, which takes turns with flopcalc. Each"
    yield "time is the minimum of all repetitions, since other work on a machine only adds time."


def _busy(before: float, cores: int | None) -> str:
    """The measurements load the machine themselves, so the load before them counts."""
    if before > 0.5 * (cores or 1):
        return ": the machine had other work, so the times are longer than they would be, and less certain"
    return ""


def _heading(title: str) -> Iterator[str]:
    yield f"## {title}"
    yield ""


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{':---|' * left}{'---:|' * (len(columns) - left)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"


def _ratio(value: float, other: float) -> str:
    ratio = value / other
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


_PEERS = """\
Each tool runs in processes of its own, as its documentation shows, and on the meta device where its figure is the same
there. *Whole process*: from the start of Python to the figure, with imports and the building of the model. *Call*: one
more count in the same process, of a fresh copy of the model. *Memory*: the peak of the whole process. Ratios are to
`flopcalc.count`: 5 means five times as long. The figure is what the tool reports by its own definition: MACs, or FLOPs,
of which a MAC has two. Of calflops and DeepSpeed only the profiler is loaded, which saves them other imports.
[counting.md](counting.md) compares figures, and `flopcalc explain` says why they differ."""


def _peers(models: list[dict[str, Any]]) -> Iterator[str]:
    yield from _heading("Next to other counters")
    yield _PEERS
    for one in models:
        yield ""
        yield f"### {MODELS[one['model']]}"
        yield ""
        yield f"Input {'x'.join(map(str, one['input']))}."
        yield ""
        yield from _peer_table(one["rows"])


def _peer_table(rows: list[dict[str, Any]]) -> Iterator[str]:
    ours = next((row for row in rows if row["tool"] == FLOPCALC and "why_not" not in row), None)
    columns = ("tool", "on", "whole process", "ratio", "call", "ratio", "memory", "figure")
    cells, failures = [], []
    for row in rows:
        name = f"{TOOLS.get(row['tool'], row['tool'])}{' ' + row['version'] if row.get('version') else ''}"
        device = {"meta": "meta", "cpu": "CPU"}.get(row.get("device") or "", "")
        if "why_not" in row:
            failures.append(f"- {name} gives no figure: `{row['why_not'].replace('`', '')}`")
            cells.append([name, device, "no figure", "", "", "", "", ""])
            continue
        whole, call = row["whole_wall_s"], row.get("wall_s")
        cells.append(
            [
                name,
                device,
                seconds(whole),
                _ratio(whole, ours["whole_wall_s"]) if ours is not None else "",
                seconds(call) if call is not None else "",
                _ratio(call, ours["wall_s"]) if ours is not None and call is not None else "",
                f"{row['peak_bytes'] / 2**20:,.0f} MiB",
                f"{row['figure']:,}" if row.get("figure") is not None else "",
            ]
        )
    yield from _table(columns, cells, 2)
    if failures:
        yield ""
        yield from failures


def _start_up(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield from _heading("Start-up")
    yield "Fresh processes, next to processes that only import what a command cannot do without."
    yield ""
    cells = [
        [
            f"`{row['what']}`",
            seconds(row["wall_s"]),
            seconds(row["cpu_s"]),
            f"`{row['floor']}`" if row["floor"] else "",
            f"{row['ratio']:.2f}" if row["ratio"] else "",
        ]
        for row in rows
    ]
    yield from _table(("process", "time", "CPU time", "floor", "CPU time / floor"), cells)


def _models(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield from _heading("Start-up with a Python model")
    yield "`flopcalc model` in a fresh process. The floor imports torch and the package of the model, and builds it on"
    yield "the meta device."
    yield ""
    cells = [
        [
            f"`{row['what']}`",
            *(
                [row["why_not"], "", "", ""]
                if "why_not" in row
                else [
                    seconds(row["wall_s"]),
                    seconds(row["cpu_s"]),
                    seconds(row["floor_cpu_s"]),
                    f"{row['ratio']:.2f}",
                ]
            ),
        ]
        for row in rows
    ]
    yield from _table(("target", "time", "CPU time", "CPU time of the floor", "ratio"), cells)


def _descriptions(found: dict[str, Any]) -> Iterator[str]:
    yield from _heading("Described networks")
    yield (
        f"Reading all shipped networks ({found['networks']}), with the shapes and costs of all layers, takes "
        f"{seconds(found['cpu_s'])} of CPU time. PyYAML's {found['peer']} takes {seconds(found['peer_s'])} for the "
        f"text of the same files alone: a ratio of {found['ratio']:.2f}. The slowest networks:"
    )
    yield ""
    cells = [
        [
            f"`{row['name']}`",
            f"{row['layers']:,}",
            seconds(row["cpu_s"]),
            seconds(row["peer_s"]),
            _ratio(row["cpu_s"], row["peer_s"]),
        ]
        for row in found["slowest"]
    ]
    yield from _table(("network", "layers", "CPU time", found["peer"], "ratio"), cells)


def _formulas(found: dict[str, Any]) -> Iterator[str]:
    yield from _heading("Formulas")
    yield (
        f"One evaluation of the formula of an operator on whole numbers takes {seconds(found['median_s'])} "
        f"(median over {found['operators']}), from {seconds(found['least_s'])} to {seconds(found['most_s'])} "
        f"(`{found['slowest']}`)."
    )


def _sweep(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield from _heading("Sweeps")
    yield "Combinations a second on one core, with all columns and a filter, next to NumPy code that was written by"
    yield "hand for the same columns, with the same check for overflow. Both give the same rows. Above 1 the sweep is"
    yield "faster."
    yield ""
    cells = [
        [
            f"`{row['operator']}`",
            f"{row['combinations']:,}",
            f"{row['per_second'] / 1e6:.1f} M/s",
            f"{row['by_hand_per_second'] / 1e6:.1f} M/s",
            f"{row['ratio']:.2f}",
        ]
        for row in rows
    ]
    yield from _table(("operator", "combinations", "flopcalc", "by hand", "ratio"), cells)


def _depth(found: dict[str, Any]) -> Iterator[str]:
    yield from _heading("Depth")
    yield (
        f"Modules of ever more linear layers. Time grows as layers^{found['slope']:.2f} with `flopcalc.count`, and as "
        f"layers^{found['peer_slope']:.2f} with FlopCounterMode (fitted; 1 is proportional)."
    )
    yield ""
    cells = [
        [
            f"{row['layers']:,}",
            seconds(row["cpu_s"]),
            seconds(row["cpu_s"] / row["layers"]),
            seconds(row["peer_s"]),
            _ratio(row["peer_s"], row["cpu_s"]),
        ]
        for row in found["rows"]
    ]
    yield from _table(("layers", "`flopcalc.count`", "for each layer", "FlopCounterMode", "ratio"), cells, 0)


def main() -> int:
    """Write the page, or check it; the exit code."""
    written = text(json.loads(RESULTS.read_text(encoding="utf-8")))
    if "--check" in sys.argv[1:]:
        same = PAGE.read_text(encoding="utf-8") == written
        if not same:
            print("docs/benchmarks.md is out of date: run python benchmarks/page.py", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The page and the picture on fewer FLOPs and measured time, from the measurements in configs/measured."""

import csv
from collections.abc import Iterator, Sequence
from math import hypot, log10
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from flopcalc.analysis.timing import measured
from flopcalc.catalog.layer import layer
from flopcalc.report.document import seconds
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import from_python

FOLDER = Path(__file__).resolve().parent.parent / "configs" / "measured"
CASES = tuple((batch, dtype) for batch in (1, 32, 128) for dtype in ("float32", "float16"))
EXECUTIONS = ("graph", "eager")
# The case of the picture, and what it leaves out: variants, and an operator with additions in place of products.
BATCH, EXECUTION = 32, "graph"
_LEFT_OUT = ("adder", "spconv:alpha=1/4", "spconv:alpha=1/8", "compconv:depth_rule=min")
# The shape of the ranked operators.
_CHANNELS, _SIZE = 128, 28


class Replaced(NamedTuple):
    """ResNet-50 after a replacement. macs: relative to before. times: of the time, by batch, dtype and execution."""

    name: str
    macs: float
    times: dict[tuple[int, str, str], float]
    is_changed: bool


def replaced() -> list[Replaced]:
    """All replacements of ResNet-50 that were measured, those with the fewest MACs first."""
    rows = [row for row in measured.rows() if row.target == "resnet50" and row.device == "h200"]
    plain = {(row.batch, row.dtype, row.execution): row.seconds for row in rows if not row.replace}
    before = read_target(from_python("resnet50")).network.macs
    found = []
    for name in dict.fromkeys(row.replace for row in rows if row.replace):
        target = read_target(from_python("resnet50", replace=(name,)))
        mine = [row for row in rows if row.replace == name]
        times = {
            (row.batch, row.dtype, row.execution): row.seconds / plain[row.batch, row.dtype, row.execution]
            for row in mine
        }
        is_changed = bool(target.replacement and target.replacement.replaced)
        found.append(Replaced(name, target.network.macs / before, times, is_changed))
    return sorted(found, key=lambda one: (one.macs, one.name))


class Timed(NamedTuple):
    """A measured operator."""

    name: str
    channels: int
    size: int
    batch: int
    dtype: str
    macs: int
    eager: float
    graph: float


def operators() -> list[Timed]:
    """All measured operators with their MACs."""
    found = []
    with (FOLDER / "operators.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            channels, size, batch = int(row["channels"]), int(row["hw"]), int(row["batch"])
            macs = int(layer(row["operator"], channels, hw=size, batch=batch).cost.macs)
            times = float(row["eager_s"]), float(row["graph_s"])
            found.append(Timed(row["operator"], channels, size, batch, row["dtype"], macs, *times))
    return found


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The rank correlation of two lists; equal values share their mean rank."""
    x, y = _ranks(one), _ranks(other)
    mean = (len(x) + 1) / 2
    over = sum((a - mean) * (b - mean) for a, b in zip(x, y, strict=True))
    under = sum((a - mean) ** 2 for a in x) * sum((b - mean) ** 2 for b in y)
    return float(over / under**0.5)


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks from 1, the smallest first."""
    ordered = sorted(values)
    return [ordered.index(value) + (ordered.count(value) + 1) / 2 for value in values]


def page(note: str) -> str:
    """The page."""
    changed = [one for one in replaced() if one.is_changed]
    same = [one for one in replaced() if not one.is_changed]
    return "\n".join([*_head(note, changed), *_tables(changed), *_noise(same), *_operators(), *_tail()]) + "\n"


def _head(note: str, changed: Sequence[Replaced]) -> Iterator[str]:
    fewer = [one for one in changed if one.macs < 1]
    yield from ("# Fewer FLOPs, not faster: what the measurements say", "", note)
    yield (
        "Operators are published with the multiply-accumulates (MACs) that they save. This page compares these with the"
    )
    yield "time that they save, measured on one NVIDIA H200 (torch 2.11, CUDA 13, cuDNN 9.19; TF32 off, float16 with"
    yield (
        "channels last). The rows are in `configs/measured/`; MACs are those of flopcalc. The modules are "
        "flopcalc's own,"
    )
    yield "in plain PyTorch: a kernel that is written for one operator can be faster."
    yield ""
    yield (
        f"Of {len(fewer)} ways to replace convolutions of ResNet-50 that leave fewer MACs, this many take "
        "less time than"
    )
    yield "before. (Where a dtype has fewer rows, the others were not measured.)"
    yield ""
    yield "| batch | dtype | faster, CUDA graph | faster, eager | as much faster as the MACs say, graph |"
    yield "|---:|:---|---:|---:|---:|"
    for batch, dtype in CASES:
        mine = [one for one in fewer if (batch, dtype, EXECUTION) in one.times]
        faster = [sum(one.times[batch, dtype, how] < 1 for one in mine) for how in EXECUTIONS]
        kept = sum(one.times[batch, dtype, "graph"] <= one.macs for one in mine)
        yield f"| {batch} | {dtype} | {faster[0]} of {len(mine)} | {faster[1]} of {len(mine)} | {kept} of {len(mine)} |"
    yield ""
    yield f"![Measured time and MACs of ResNet-50 with layers replaced, batch {BATCH}, CUDA graph](fewer-flops.svg)"
    yield ""
    yield (
        "Each operator has two points, one for each dtype. On the dashed line the time falls as the MACs do; above the"
    )
    yield "line at 1 the network became slower. `adder` (additions in place of products) and variants are in the tables"
    yield "only."


def _tables(changed: Sequence[Replaced]) -> Iterator[str]:
    yield from ("", "## ResNet-50 with layers replaced", "")
    yield "MACs and times in multiples of those of the plain network."
    for how, title in (("graph", "In a CUDA graph"), ("eager", "Eager")):
        heads = " | ".join(f"{batch}, {dtype}" for batch, dtype in CASES)
        yield from ("", f"{title}, time by batch and dtype:", "")
        yield f"| replace | MACs | {heads} |"
        yield f"|:---|---:|{'---:|' * len(CASES)}"
        for one in changed:
            cells = [one.times.get((*case, how)) for case in CASES]
            texts = " | ".join("" if cell is None else f"{cell:.2f}" for cell in cells)
            yield f"| `{one.name}` | {one.macs:.3f} | {texts} |"


def _noise(same: Sequence[Replaced]) -> Iterator[str]:
    """How far measurements of one and the same network are apart."""
    names = ", ".join(f"`{one.name}`" for one in same)
    yield ""
    yield f"{names} replace no layer of ResNet-50, but were measured as well. Their times show how far"
    yield "measurements of the same network are apart, in multiples of that of the plain network:"
    yield ""
    yield "| batch | CUDA graph | eager |"
    yield "|---:|---:|---:|"
    for batch in dict.fromkeys(case[0] for case in CASES):
        spans = []
        for how in EXECUTIONS:
            found = [
                time for one in same for (size, _, other), time in one.times.items() if (size, other) == (batch, how)
            ]
            spans.append(f"{min(found):.2f} to {max(found):.2f}")
        yield f"| {batch} | {' | '.join(spans)} |"


def _operators() -> Iterator[str]:
    rows = operators()
    yield from ("", "## Operators by MACs and by time", "")
    number = len({row.name for row in rows})
    yield f"{number} of the operators on feature maps of several shapes. The rank correlation (Spearman) of MACs and"
    yield "measured time is 1 where MACs put all layers into the order of their times:"
    yield ""
    yield "| batch | dtype | layers | CUDA graph | eager |"
    yield "|---:|:---|---:|---:|---:|"
    for batch, dtype in CASES:
        mine = [row for row in rows if (row.batch, row.dtype) == (batch, dtype)]
        macs = [row.macs for row in mine]
        ranks = [spearman(macs, [getattr(row, how) for row in mine]) for how in EXECUTIONS]
        yield f"| {batch} | {dtype} | {len(mine)} | {ranks[0]:.2f} | {ranks[1]:.2f} |"
    shape = [row for row in rows if (row.channels, row.size, row.batch) == (_CHANNELS, _SIZE, BATCH)]
    yield ""
    yield (
        f"{_CHANNELS} channels of {_SIZE} x {_SIZE}, batch {BATCH}, in a CUDA graph, the fewest MACs first. "
        "The number in"
    )
    yield "brackets is the rank by time, 1 for the fastest:"
    yield ""
    yield "| operator | MACs | float32 | float16 |"
    yield "|:---|---:|---:|---:|"
    by_dtype = {dtype: {row.name: row for row in shape if row.dtype == dtype} for dtype in ("float32", "float16")}
    order = {
        dtype: [one.name for one in sorted(found.values(), key=lambda one: one.graph)]
        for dtype, found in by_dtype.items()
    }
    for row in sorted(by_dtype["float32"].values(), key=lambda row: (row.macs, row.name)):
        cells = [
            f"{seconds(found[row.name].graph)} ({order[dtype].index(row.name) + 1})" if row.name in found else ""
            for dtype, found in by_dtype.items()
        ]
        yield f"| `{row.name}` | {row.macs:,} | {' | '.join(cells)} |"


def _tail() -> Iterator[str]:
    yield from ("", "## Why", "")
    yield (
        "- A kernel takes the longer one of two times, computing and moving its tensors. Compact operators "
        "save products"
    )
    yield "  and keep, or add, tensors that are read and written."
    yield "- Several small kernels take the place of one large one. Each has a launch, which dominates at batch 1."
    yield (
        "- Libraries are tuned for dense convolutions: in float32 with Winograd transforms, in float16 on matrix units,"
    )
    yield "  which depthwise and grouped convolutions and odd numbers of channels do not fill."
    yield ""
    yield (
        "`flopcalc roofline` shows which of these limits a layer, and estimates the time; `flopcalc bench` "
        "measures it on"
    )
    yield "your machine. [A guide](roofline.md) describes both, and how well the estimate does on these rows."


# The picture, in pixels and in multiples of the plain network.
_WIDTH, _HEIGHT = 720, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 20, 56
_X, _Y = (0.25, 1.2), (0.25, 60.0)
_CHARACTER, _LINE = 6.0, 13


def _x(value: float) -> float:
    share = log10(value / _X[0]) / log10(_X[1] / _X[0])
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float) -> float:
    share = log10(value / _Y[0]) / log10(_Y[1] / _Y[0])
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


Box = tuple[float, float, float, float]


def picture() -> str:
    """The scatter of MACs and times as SVG."""
    shown = [one for one in replaced() if one.is_changed and one.name not in _LEFT_OUT]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        'font-family="sans-serif" font-size="12" role="img">',
        "<title>Measured time and MACs of ResNet-50 with layers replaced</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        *_axes(),
    ]
    marks: list[tuple[str, list[tuple[float, float]]]] = []
    for one in shown:
        times = [one.times.get((BATCH, dtype, EXECUTION)) for dtype in ("float32", "float16")]
        points = [(_x(one.macs), _y(time)) for time in times if time is not None]
        marks.append((one.name, points))
        if len(points) == 2:
            (x, above), (_, below) = points
            lines.append(f'<line x1="{x:.1f}" y1="{above:.1f}" x2="{x:.1f}" y2="{below:.1f}" stroke="#999"/>')
    for _, points in marks:
        for (x, y), fill in zip(points, ("#222", "white"), strict=False):
            lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="#222" stroke-width="1.5"/>')
    lines += _labels(marks)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _axes() -> Iterator[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for tick in (0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0):
        yield f'<line x1="{_x(tick):.1f}" y1="{_TOP}" x2="{_x(tick):.1f}" y2="{bottom}" stroke="#e6e6e6"/>'
        yield f'<text x="{_x(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>'
    for tick in (0.25, 0.5, 1, 2, 5, 10, 20, 50):
        yield f'<line x1="{_LEFT}" y1="{_y(tick):.1f}" x2="{right}" y2="{_y(tick):.1f}" stroke="#e6e6e6"/>'
        yield f'<text x="{_LEFT - 8}" y="{_y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
    yield f'<line x1="{_LEFT}" y1="{_y(1):.1f}" x2="{right}" y2="{_y(1):.1f}" stroke="#222"/>'
    yield f'<text x="{_LEFT + 6}" y="{_y(1) - 6:.1f}">slower than before, above this line</text>'
    low, high = _X
    yield (
        f'<line x1="{_x(low):.1f}" y1="{_y(low):.1f}" x2="{_x(high):.1f}" y2="{_y(high):.1f}" '
        'stroke="#222" stroke-dasharray="6 4"/>'
    )
    yield f'<text x="{_x(0.36):.1f}" y="{_y(0.36) + 20:.1f}">time falls as the MACs do</text>'
    center, middle = (_LEFT + right) / 2, (_TOP + bottom) / 2
    yield f'<text x="{center:.1f}" y="{_HEIGHT - 14}" text-anchor="middle">MACs, in multiples of ResNet-50</text>'
    yield (
        f'<text x="18" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 18 {middle:.1f})">'
        "measured time, in multiples of ResNet-50</text>"
    )
    x, y = _LEFT + 16, _TOP + 18
    for place, (name, fill) in enumerate((("float32", "#222"), ("float16", "white"))):
        yield f'<circle cx="{x}" cy="{y + 18 * place}" r="4.5" fill="{fill}" stroke="#222" stroke-width="1.5"/>'
        yield f'<text x="{x + 12}" y="{y + 4 + 18 * place}">{name}, batch {BATCH}, CUDA graph</text>'


def _labels(marks: Sequence[tuple[str, list[tuple[float, float]]]]) -> Iterator[str]:
    """A name at one of the points of each operator, where it covers no point and no other name."""
    taken: list[Box] = [(x - 6, y - 6, x + 6, y + 6) for _, points in marks for x, y in points]
    taken += [(min(x, x) - 1, min(y, z), x + 1, max(y, z)) for _, ((x, y), *rest) in marks for _, z in rest]
    line = _y(1)
    taken.append((_LEFT, line - 20, _LEFT + 36 * _CHARACTER, line + 1))
    for name, points in marks:
        width = len(name) * _CHARACTER
        best: tuple[float, Box, tuple[float, float]] | None = None
        for x, y in points:
            for dx in range(-120, 121, 4):
                for dy in range(-90, 91, 5):
                    left = x + dx
                    box = (left, y + dy - _LINE / 2, left + width, y + dy + _LINE / 2)
                    if box[0] < _LEFT + 2 or box[2] > _WIDTH - 4 or box[1] < _TOP or box[3] > _HEIGHT - _BOTTOM:
                        continue
                    near = max(box[0] - x, x - box[2], 0.0), max(box[1] - y, y - box[3], 0.0)
                    cost = hypot(*near) + 400 * sum(_overlap(box, other) for other in taken)
                    cost += 20 * (box[1] < line < box[3] or _on_diagonal(box))
                    if best is None or cost < best[0]:
                        best = cost, box, (x, y)
        if best is None:
            continue
        _, box, (x, y) = best
        taken.append(box)
        end = min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])
        if hypot(end[0] - x, end[1] - y) > 9:
            ends = f'x1="{x:.1f}" y1="{y:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
            yield f'<line {ends} stroke="#777" stroke-width="0.8"/>'
        # A name to the left of its point ends there, however wide the font is.
        place, anchor = (box[2], "end") if box[2] <= x else (box[0], "start")
        yield f'<text x="{place:.1f}" y="{box[3] - 3:.1f}" text-anchor="{anchor}">{escape(name)}</text>'


def _on_diagonal(box: Box) -> bool:
    """Whether the dashed line goes through a box. The line is straight: both axes are logarithmic."""
    slope = (_y(_X[1]) - _y(_X[0])) / (_x(_X[1]) - _x(_X[0]))
    ends = [_y(_X[0]) + slope * (x - _x(_X[0])) for x in (box[0], box[2])]
    return min(ends) < box[3] and box[1] < max(ends)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]

"""Time and memory of flopcalc next to other counters, each in processes of its own, on the same models.

Each tool is run as its documentation shows, and on the meta device where its figure is the same there. Tools take
turns, model by model. Whole-process time is from the start of Python to the first figure: imports, building the model,
counting. In-process time is that of further calls, each on a fresh copy of the model, which is made before.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from peer_worker import BUILD, BUILD_CPU, COMMAND, FLOPCALC, INPUTS
from processes import last_line

from flopcalc.installation.distributions import find

WORKER = Path(__file__).with_name("peer_worker.py")
# Our names of the tools, and the packages that they are. The order of the tables.
PACKAGES = {
    "flop-counter": "torch",
    "fvcore": "fvcore",
    "ptflops": "ptflops",
    "thop": "thop",
    "torchinfo": "torchinfo",
    "calflops": "calflops",
    "deepspeed": "deepspeed",
}
TOOLS = (BUILD, BUILD_CPU, FLOPCALC, COMMAND, *PACKAGES)
SECONDS = 180


def version_of(tool: str) -> str:
    """The version of a tool's package; empty for ourselves and where it is not installed."""
    if tool not in PACKAGES:
        return ""
    if tool == "flop-counter":
        try:
            return version("torch").partition("+")[0]
        except PackageNotFoundError:
            return ""
    found = find(PACKAGES[tool])
    return str(found.version) if found is not None else ""


def run(tool: str, model: str, *, seconds: float, least: int) -> dict[str, Any]:
    """The record of one process: see peer_worker.py. A process that crashes or takes too long says so."""
    asked = {"tool": tool, "model": model, "start": time.monotonic(), "seconds": seconds, "least": least}
    command = [sys.executable, str(WORKER), json.dumps(asked)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return {"tool": tool, "why_not": f"not finished after {SECONDS} s"}
    try:
        return last_line(done.stdout)
    except (ValueError, IndexError):
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"tool": tool, "why_not": f"the process ended: {lines[-1][:200]}"}


def tools_of(model: str, chosen: Sequence[str]) -> Iterator[str]:
    """The tools that can be tried on a model and are installed."""
    for tool in chosen:
        if (tool == BUILD_CPU and model == "llama_70b") or (tool in PACKAGES and not version_of(tool)):
            continue
        yield tool


def merged(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One row of a tool's processes: the minimum of each time, and the median of the whole-process times."""
    first, *_ = rounds
    why = [one["why_not"] for one in rounds if "why_not" in one]
    row: dict[str, Any] = {"tool": first["tool"], "version": version_of(first["tool"]), "device": first.get("device")}
    if why:
        return {**row, "why_not": why[0]}
    if "figure" in first:
        row["figure"] = first["figure"]
    row["processes"] = len(rounds)
    row["whole_median_s"] = median(one["whole_wall_s"] for one in rounds)
    for name in ("whole_wall_s", "whole_cpu_s", "peak_bytes", "first_s", "wall_s", "wall_median_s", "cpu_s"):
        if name in first:
            row[name] = min(one[name] for one in rounds)
    if "calls" in first:
        row["calls"] = sum(one["calls"] for one in rounds)
    return row


def measure(
    models: Sequence[str], tools: Sequence[str], *, budget: float, seconds: float, least: int
) -> list[dict[str, Any]]:
    """All models with all tools: rounds of processes, until the budget of seconds is spent; at least one round."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {model: {} for model in models}
    end = time.monotonic() + budget
    for turn in range(3):
        start = time.monotonic()
        for model in models:
            for tool in tools_of(model, tools):
                rounds = found[model].setdefault(tool, [])
                if turn and "why_not" in rounds[0]:
                    continue
                rounds.append(run(tool, model, seconds=seconds, least=least))
                print(f"  {model} {tool}: {_short(rounds[-1])}", file=sys.stderr, flush=True)
        if time.monotonic() + (time.monotonic() - start) > end:
            break
    return [
        {"model": model, "input": list(INPUTS[model]), "rows": [merged(rounds) for rounds in rows.values()]}
        for model, rows in found.items()
    ]


def _short(one: dict[str, Any]) -> str:
    if "why_not" in one:
        return str(one["why_not"])[:80]
    return f"{one['whole_wall_s']:.2f} s" + (f", again {one['wall_s'] * 1e3:.1f} ms" if "wall_s" in one else "")

"""Measure speed and memory next to what is alike, in one run, and write JSON and a page.

    python benchmarks/bench.py [--quick] [--only PART ...] [--models NAME ...] [--tools NAME ...] [-o FILE] [--write]

Prints the tables. -o writes the results as JSON; --write writes benchmarks/results.json and docs/benchmarks.md from
it. `python benchmarks/page.py` writes the page again from the JSON alone. No test depends on the figures.
"""

import argparse
import datetime
import json
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import page
import peers
import start_up
from peer_worker import INPUTS
from processes import last_line, load, machine

from flopcalc import __version__

HERE = Path(__file__).parent
IN_PROCESS = ("formulas", "descriptions", "sweep", "depth")
PARTS = ("start_up", "models", "peers", *IN_PROCESS)
PACKAGES = ("torch", "torchvision", "timm", "transformers", "numpy", "sympy", "click", "rich", "pyyaml")


def in_process(part: str, quick: bool) -> Any:
    """The result of one part of in_process.py, in a process of its own."""
    command = [sys.executable, str(HERE / "in_process.py"), part, *(["quick"] if quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{part}: {done.stderr[-2000:]}")
    return last_line(done.stdout)


def versions() -> dict[str, str]:
    """The versions of the packages that the measurements use."""
    found = {"flopcalc": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def measure(parts: list[str], models: list[str], tools: list[str], *, quick: bool, minutes: float) -> dict[str, Any]:
    """All results as the JSON has them: `flopcalc/benchmarks/1`."""
    start = time.monotonic()
    found: dict[str, Any] = {
        "schema": "flopcalc/benchmarks/1",
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "quick": quick,
        "load_before": load(),
    }
    for part in parts:
        print(f"{part} ...", file=sys.stderr, flush=True)
        if part == "start_up":
            found[part] = start_up.commands(2 if quick else 10)
        elif part == "models":
            found[part] = start_up.models(1 if quick else 2)
        elif part == "peers":
            found[part] = peers.measure(
                models,
                tools,
                budget=0 if quick else 60 * minutes,
                seconds=0.2 if quick else 0.8,
                least=1 if quick else 3,
            )
        else:
            found[part] = in_process(part, quick)
    found["load_after"] = load()
    found["seconds"] = round(time.monotonic() - start)
    return found


def main() -> None:
    """Measure, print the tables, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions, and the LSTM only")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--models", nargs="+", choices=list(INPUTS), default=None)
    parser.add_argument("--tools", nargs="+", choices=peers.TOOLS, default=list(peers.TOOLS))
    parser.add_argument("--minutes", type=float, default=5, help="the budget of the comparison with other counters")
    parser.add_argument("-o", "--output", type=Path, default=None)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results.json and docs/benchmarks.md")
    asked = parser.parse_args()
    if asked.write and (asked.quick or asked.only != list(PARTS)):
        parser.error("--write is for a whole run: leave out --quick and --only")
    models = asked.models or (["lstm"] if asked.quick else list(INPUTS))
    found = measure(asked.only, models, asked.tools, quick=asked.quick, minutes=asked.minutes)
    print(page.text(found))
    written = json.dumps(found, indent=1) + "\n"
    if asked.output is not None:
        asked.output.write_text(written, encoding="utf-8")
    if asked.write:
        page.RESULTS.write_text(written, encoding="utf-8")
        page.PAGE.write_text(page.text(found), encoding="utf-8")


if __name__ == "__main__":
    main()

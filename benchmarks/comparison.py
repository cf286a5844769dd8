"""Run other counters on networks, and write what they report to docs/pages/counters.json, for the site.

    python benchmarks/comparison.py

It runs `flopcalc explain NETWORK --run` for each network. A counter that is not installed has no figure in the file.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent.parent / "docs" / "pages" / "counters.json"
# One network of each family that readers compare, convolutions first.
NETWORKS = (
    *("resnet50", "vgg16", "densenet121", "mobilenet_v2", "efficientnet_b0"),
    *("shufflenet_v2_x1_0", "convnext_tiny", "vit_b_16", "swin_t"),
)


def row_of(row: dict[str, Any]) -> dict[str, Any]:
    """What the page needs of a counter's row: the figure by our rules, and what the tool reports."""
    return {key: row[key] for key in ("tool", "version", "figure", "measured", "why_not")}


def main() -> None:
    """Write the file."""
    found = {}
    for name in NETWORKS:
        print(name, file=sys.stderr)
        command = [sys.executable, "-m", "flopcalc", "explain", name, "--run", "--format", "json"]
        record = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        rows = [row_of(row) for row in record["rows"] if row["tool"] != "two-per-mac"]
        found[name] = {"input": record["input"], "macs": record["macs"], "params": record["params"], "rows": rows}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

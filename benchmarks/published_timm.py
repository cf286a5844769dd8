"""One network of each family of timm, counted, next to the figures in timm's own result files.

timm prints parameters and activations (outputs of convolutions and products) in millions, and GMACs as fvcore counts
them. `timm_published.csv` has the cheapest network of each family with the file of timm's that prints it; `fused`
ones were counted with batch norms and branches fused into convolutions. Prints one line for each, and exits with 1
where one differs without a reason. `python benchmarks/published_timm.py [FAMILY ...]`.
"""

import csv
import sys
from pathlib import Path
from typing import Any

from flopcalc.cost import convention
from flopcalc.networks.network import Network
from flopcalc.pytorch import counted_network
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.importing import import_named, with_operators

TABLE = Path(__file__).with_name("timm_published.csv")
# Half of the last digit that is printed.
_ROUNDING = 0.00501


def rows() -> list[dict[str, str]]:
    """The published rows."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def count(timm: Any, row: dict[str, str]) -> Network:
    """The network of a row, in the state in which it was published."""
    model = timm.create_model(row["name"]).eval()
    if row["state"] == "fused":
        model = (model.fuse() or model) if hasattr(model, "fuse") else timm.utils.reparameterize_model(model)
    size = int(row["img_size"])
    return counted_network(model, (3, size, size), name=row["name"])


def difference(row: dict[str, str], network: Network) -> str:
    """What is not as published; empty if nothing is."""
    found = {
        "params_m": network.params / 1e6,
        "gmacs": network.fold(convention.get("fvcore").of) / 1e9,
        "macts": network.activations / 1e6,
    }
    wrong = [f"{key} {value:.3f} for {row[key]}" for key, value in found.items() if off(value, row[key])]
    return ", ".join(wrong)


def off(value: float, printed: str) -> bool:
    """Whether a value does not round to the printed one."""
    return abs(value - float(printed)) > _ROUNDING


def main(families: list[str]) -> int:
    """Count and compare; the exit code."""
    with visiting("timm:"):
        timm = with_operators(lambda: import_named("timm", None))
    wrong = 0
    for row in rows():
        if families and row["family"] not in families:
            continue
        why = difference(row, count(timm, row))
        wrong += bool(why) != bool(row["differs"])
        reason = f" ({row['differs']})" if row["differs"] else ""
        print(f"{row['family']:26} {row['name']:32} {why or 'as published'}{reason}", flush=True)
    print(f"{wrong} differ without a reason")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

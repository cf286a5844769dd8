"""Measured times that ship with the package, next to which estimates are shown."""

import csv
import os
from functools import lru_cache
from typing import NamedTuple

from flopcalc.text import shipped_files


class Measured(NamedTuple):
    """A measured forward pass. input: as text, 3x224x224. replace: the clause of a replacement; empty for none."""

    device: str
    target: str
    input: str
    replace: str
    batch: int
    dtype: str
    execution: str
    seconds: float
    source: str


def find(device: str, target: str, input: str, replace: str, batch: int, dtype: str, execution: str) -> Measured | None:
    """The measurement of exactly this pass, if there is one."""
    return _table().get((device, target, input, replace, batch, dtype, execution))


def rows() -> list[Measured]:
    """All measurements."""
    return list(_table().values())


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str | int, ...], Measured]:
    found: dict[tuple[str | int, ...], Measured] = {}
    with open(os.path.join(shipped_files.folder("measured"), "times.csv"), encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            one = Measured(**{**row, "batch": int(row["batch"]), "seconds": float(row["seconds"])})  # type: ignore[arg-type]
            found[one[:7]] = one
    return found

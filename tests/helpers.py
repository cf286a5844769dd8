"""Shared by tests: running the command line, fresh interpreters, torchvision beside a CPU-only torch."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Run:
    """What a command did."""

    code: int
    out: str
    err: str


# The fixture `run`.
Runner = Callable[..., Run]


# A convolution 3 -> 8 of 3x3 on 8x8, and a linear layer 8 -> 10: figures by hand.
TINY = """\
name: tiny
title: A convolution and a linear layer
input: [3, 8, 8]
layers:
  - conv1: {op: conv, out: 8, bias: true}
  - pool: global_avgpool
  - flat: flatten
  - fc: {op: linear, out: 10, bias: true}
"""
TINY_CONV = 3 * 8 * 9
TINY_PARAMS = TINY_CONV + 8 + 8 * 10 + 10
TINY_MACS = TINY_CONV * 64 + 80


def write_targets(folder: Path, *limits: str, more: str = "", name: str = "flopcalc.yaml") -> None:
    """A file of targets: the tiny network with limits."""
    lines = ["targets:", "  - network: tiny.yaml", *(f"    {line}" for line in more.splitlines())]
    lines += ["    limits:", *(f"      - {limit}" for limit in limits)] if limits else []
    (folder / name).write_text("\n".join(lines) + "\n")


def fresh(source: str, *, env: dict[str, str] | None = None) -> Run:
    """Run Python source in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", **(env or {})},
    )
    return Run(done.returncode, done.stdout, done.stderr)


def import_torchvision() -> ModuleType:
    """torchvision; its wheel expects C++ operators that a CPU-only torch has not, so declare them."""
    torch: Any = pytest.importorskip("torch")
    if not hasattr(torch.ops.torchvision, "nms"):
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        # The declaration lives as long as the library object.
        import_torchvision.library = library  # type: ignore[attr-defined]
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision cannot be imported here: {error}")
    return torchvision  # type: ignore[no-any-return]

"""Shared by tests: running the command line, a tiny network, layers and modules of operators, torchvision.

Nothing here loads torch before it is called: tests that need it say `pytest.importorskip("torch")` at their top.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flopcalc import FlopcalcError, layer

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor

    from flopcalc.spec.operator import Evaluation

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Run:
    """The result of a command."""

    code: int
    out: str
    err: str


# The fixtures `run` and `write_network`.
Runner = Callable[..., Run]
WriteNetwork = Callable[[str], str]


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


def script(path: Path) -> Any:
    """The module of a Python file that is not on Python's path, such as one of docs/ or tools/."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Records of a module that is not there cannot be made.
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def for_author(name: object, advice: str, guide: str = "docs/adding-an-operator.md") -> str:
    """The message of an assertion that holds for all parts of a kind: what the author of a new one has to do."""
    return f"{name}: {advice}; see {guide}"


# Operators ----------------------------------------------------------------------------------------


def import_for_pages() -> None:
    """Skip the tests of a module where a package is missing that a report of a model needs."""
    for name in ("torch", "sympy", "jinja2", "latex2mathml", "altair", "vl_convert"):
        pytest.importorskip(name)


def refused(match: str, name: str, *sizes: int, **given: Any) -> None:
    """The operator refuses that shape, and says why and what to do."""
    with pytest.raises(FlopcalcError, match=match) as caught:
        layer(name, *sizes, **given)
    assert caught.value.code == "cannot-stand"
    assert caught.value.hint


def part_params(name: str, c_in: int, c_out: int | None = None, **settings: Any) -> dict[str, int]:
    """Parameters by part, of the parts that have some."""
    return {part.name: part.params for part in layer(name, c_in, c_out, **settings).cost if part.params}


def part_total(e: Evaluation, name: str, kind: str) -> int:
    """One kind, summed over a part and its sub-parts."""
    return sum(getattr(part, kind) for part in e.cost if part.name.split(".")[0] == name)


# Modules ------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def define_kernels() -> object:
    """Kernels of a user, with a shape and without a rule: `flopcalctest::scan` and `flopcalctest::blend`.

    They stay registered as long as the result lives, so they are defined once for all tests.
    """
    import torch

    library: Any = torch.library.Library("flopcalctest", "DEF")  # type: ignore[no-untyped-call]
    for name in ("scan", "blend"):
        library.define(f"{name}(Tensor x) -> Tensor")
        library.impl(name, torch.empty_like, "Meta")
        library.impl(name, torch.clone, "CPU")
    return library


def random_tensor(*shape: int, seed: int = 0) -> Tensor:
    """The same normal numbers at each call, in float64."""
    import torch

    torch.manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64)


def build(name: str, *sizes: int, **given: Any) -> Any:
    """The module of an operator, in float64."""
    import torch

    from flopcalc.pytorch import build_layer

    return build_layer(layer(name, *sizes, **given), dtype=torch.float64)


def build_block(name: str, c_in: int, c_out: int | None = None, **settings: Any) -> Any:
    """The module of an operator, in evaluation mode, with norms that are not the identity."""
    import torch

    from flopcalc.pytorch import build_layer

    module = build_layer(layer(name, c_in, c_out, **settings), dtype=torch.float64).eval()
    torch.manual_seed(1)
    for child in module.modules():
        if isinstance(child, torch.nn.BatchNorm2d):
            for tensor in (child.weight, child.bias, child.running_mean):
                torch.nn.init.normal_(tensor)  # type: ignore[arg-type]
            torch.nn.init.uniform_(child.running_var, 0.5, 2)  # type: ignore[arg-type]
    return module


def convolve(block: Any, x: Tensor, **rest: Any) -> Tensor:
    """The convolution of a block, as a function."""
    from torch.nn.functional import conv2d

    return conv2d(x, block.conv.weight, block.conv.bias, **rest)


def batch_norm(norm: Any, x: Tensor) -> Tensor:
    """Batch norm by its definition."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    out: Tensor = (x - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]
    return out


def excite(se: Any, x: Tensor, function: Any) -> Tensor:
    """Squeeze and excitation with matrices instead of 1x1 convolutions."""
    import torch

    means = x.mean((2, 3))
    inner = function(means @ se.reduce.weight.flatten(1).T + se.reduce.bias)
    weights = torch.sigmoid(inner @ se.expand.weight.flatten(1).T + se.expand.bias)
    return x * weights[:, :, None, None]


def shuffled(x: Tensor, groups: int) -> Tensor:
    """Output channel i * groups + j is channel i of group j."""
    size = x.shape[1] // groups
    return x[:, [j * size + i for i in range(size) for j in range(groups)]]


# Shapes of convolutions with dynamic kernels.
DYNAMIC_SHAPES: list[dict[str, Any]] = [
    {},
    {"bias": True},
    {"groups": 2, "stride": 2, "bias": True},
    {"dilation": 2},
]


def conv_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a plain convolution of this shape."""
    rest = {name: value for name, value in given.items() if name != "bias"}
    return {"padding": given.get("dilation", 1), **rest}


def convolve_by_sample(module: Any, x: Tensor, coefficients: Tensor, **conv: Any) -> Tensor:
    """Each sample by itself: its kernel as a plain sum over the kernels, then a plain convolution."""
    import torch
    from torch.nn.functional import conv2d

    held, out = module.convolution, []
    for sample, weights in zip(x, coefficients, strict=True):
        kernel: Any = sum(w * k for w, k in zip(weights, held.weight, strict=True))
        bias: Any = None if held.bias is None else sum(w * b for w, b in zip(weights, held.bias, strict=True))
        out.append(conv2d(sample[None], kernel, bias, **conv))
    return torch.cat(out)


def import_torchvision() -> ModuleType:
    """torchvision; its wheel expects C++ operators that a CPU-only torch has not, so declare them."""
    torch: Any = pytest.importorskip("torch")
    if not hasattr(torch.ops.torchvision, "nms"):
        from flopcalc.pytorch.loading import torchvision_operators

        torchvision_operators.declare()
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision cannot be imported here: {error}")
    return torchvision  # type: ignore[no-any-return]

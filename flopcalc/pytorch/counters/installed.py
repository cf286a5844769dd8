"""Finding the counters that are installed, and loading the part of each one that counts.

Two distributions, thop and ultralytics-thop, install a package of the same name, so the second one is also looked for
in `peers/ultralytics-thop` next to the packages of the Python environment. DeepSpeed and calflops import much that
counting does not need (DeepSpeed its kernels, calflops accelerate): only their profiler is loaded, as it is on disk,
and what else it imports is a stand-in.
"""

import importlib
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import torch

from flopcalc.installation.distributions import find
from flopcalc.pytorch.loading import torchvision_operators


@cache
def _distribution(package: str) -> Distribution | None:
    """An installed distribution, on Python's path or in its own folder of the other counters."""
    return find(package)


def version_of(package: str) -> str:
    """The version of an installed distribution, as pip shows it; empty where it is not installed."""
    if package == "torch":
        # Without the build, such as +cpu.
        return str(torch.__version__).partition("+")[0]
    found = _distribution(package)
    return found.version.replace("-", ".post") if found is not None else ""


@cache
def load(package: str) -> Any:
    """The module of a tool that counts. Raises ImportError where it is not installed, or does not load."""
    found = _distribution(package)
    if package != "torch" and found is None:
        raise ModuleNotFoundError(f"{package} is not installed")
    # Some tools import torchvision, whose wheel may expect kernels that a CPU-only torch does not have.
    torchvision_operators.declare()
    if package in _WAYS:
        return _WAYS[package](Path(str(found.locate_file(""))) if found is not None else Path())
    return importlib.import_module(_MODULES[package])


_MODULES = {
    "torch": "torch.utils.flop_counter",
    "fvcore": "fvcore.nn",
    "ptflops": "ptflops",
    "torchinfo": "torchinfo",
    "torchprofile": "torchprofile",
}


def _thop(package: str, folder: Path) -> Any:
    """The package `thop` of a folder."""
    with _apart("thop"):
        sys.path.insert(0, str(folder))
        try:
            module = importlib.import_module("thop")
        finally:
            sys.path.remove(str(folder))
    # In one folder, the distribution that is installed last replaces the files of the other one.
    owner = "ultralytics-thop" if "stride" in inspect.signature(module.profile).parameters else "thop"
    if owner != package:
        raise ImportError(f"the package thop that is installed is that of {owner}")
    return module


def _calflops(folder: Path) -> Any:
    with _apart("calflops"):
        _package("calflops", folder / "calflops")
        return importlib.import_module("calflops.flops_counter")


def _deepspeed(folder: Path) -> Any:
    with _apart("deepspeed"):
        _package("deepspeed", folder / "deepspeed")
        _package("deepspeed.profiling", folder / "deepspeed" / "profiling")
        _package("deepspeed.profiling.flops_profiler", folder / "deepspeed" / "profiling" / "flops_profiler")
        _module("deepspeed.accelerator", get_accelerator=_Accelerator)
        _module("deepspeed.utils", logger=_Silent())
        _module("deepspeed.utils.timer", FORWARD_GLOBAL_TIMER="", BACKWARD_GLOBAL_TIMER="", STEP_GLOBAL_TIMER="")
        _module("deepspeed.utils.torch", required_torch_version=_recent)
        _module("deepspeed.moe")
        _module("deepspeed.moe.layer", MoE=type("MoE", (), {}))
        return importlib.import_module("deepspeed.profiling.flops_profiler.profiler")


_WAYS: dict[str, Callable[[Path], Any]] = {
    "thop": partial(_thop, "thop"),
    "ultralytics-thop": partial(_thop, "ultralytics-thop"),
    "calflops": _calflops,
    "deepspeed": _deepspeed,
}


class _Accelerator:
    """The device whose clock the profiler reads; nothing here is timed."""

    def synchronize(self) -> None:
        """Wait for nothing."""


class _Silent:
    """A logger that writes nothing."""

    def info(self, *_: object) -> None:
        """Write nothing."""

    warning = error = debug = info


def _recent(min_version: float | None = None, max_version: float | None = None) -> bool:
    """What DeepSpeed asks of torch: 2.0 or newer, which flopcalc needs as well."""
    return max_version is None


def _module(name: str, **contents: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module
    return module


def _package(name: str, folder: Path) -> None:
    """An empty package whose modules are those of a folder: its own `__init__` is not run."""
    _module(name, __path__=[str(folder)])


@contextmanager
def _apart(name: str) -> Iterator[None]:
    """Import a package without seeing, or leaving, another one of its name."""

    def taken() -> dict[str, Any]:
        names = [one for one in sys.modules if one == name or one.startswith(f"{name}.")]
        return {one: sys.modules.pop(one) for one in names}

    before = taken()
    try:
        yield
    finally:
        taken()
        sys.modules.update(before)

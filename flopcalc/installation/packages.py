"""The state of each package: its version, what it lacks, and what torch was built for. Nothing is imported."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution
from itertools import takewhile
from typing import NamedTuple

from flopcalc.errors import printable
from flopcalc.installation.distributions import PEERS, at_least, bounds, find, found_as, has_module
from flopcalc.installation.requirements import Package


class Found(NamedTuple):
    """A package as it is installed.

    least: the least version, empty for any. extra: the extra of flopcalc that installs it. version: empty where the
    package is not installed, or its version cannot be read. installed: whether anything of it was found. problem, fix:
    what is wrong and what to do; empty where it can be used or is not installed.
    """

    name: str
    least: str
    extra: str
    version: str
    installed: bool
    problem: str = ""
    fix: str = ""

    @property
    def usable(self) -> bool:
        """Whether it is installed and nothing is known to be wrong with it."""
        return self.installed and not self.problem


def examine_package(package: Package) -> Found:
    """Look for a package. Reads its metadata; whatever is damaged becomes a problem."""
    name, least = bounds(package.requirement)
    module = package.module or name

    def found(version: str, problem: str = "", fix: str = "") -> Found:
        return Found(name, least, package.extra, version, True, problem, fix)

    again = f"pip install --force-reinstall '{package.requirement}'"
    try:
        distribution = find(name)
    except Exception as error:
        return found("", f"the metadata of {name} cannot be read: {_short(error)}", again)
    if distribution is None:
        if has_module(module):
            return found("", f"{name} is installed without metadata, so its version is not known", again)
        return Found(name, least, package.extra, "", False)
    try:
        version = str(distribution.version or "")
    except Exception as error:
        return found("", f"the metadata of {name} cannot be read: {_short(error)}", again)
    if not version:
        return found("", f"the metadata of {name} have no version", again)
    if not has_module(module) and not _in_peers(name, module):
        return found(version, f"{name} {version} is installed, but Python does not find its module {module}", again)
    if least and at_least(version, least) is False:
        older = f"{name} {version} is installed; flopcalc needs {least} or newer"
        return found(version, older, f'pip install "{package.requirement}"')
    if len(twice := _versions(name, distribution)) > 1:
        why = f"{name} has metadata of {' and '.join(twice)} in one folder, as an interrupted installation leaves them"
        return found(version, why, again)
    return found(version)


def _short(error: Exception) -> str:
    return printable(f"{type(error).__name__}: {error}".split("\n", maxsplit=1)[0])[:120]


def _in_peers(name: str, module: str) -> bool:
    return os.path.isdir(os.path.join(PEERS, name, module))


def _versions(name: str, first: Distribution) -> list[str]:
    """The versions of all metadata of a package in the folder where it was found first."""
    folder = str(first.locate_file(""))
    try:
        same = [one for one in found_as(name) if str(one.locate_file("")) == folder]
        # A folder that is twice on the path is one folder.
        return sorted({str(one.version) for one in same})
    except Exception:
        return []


class Torch(NamedTuple):
    """What PyTorch was built for: `CPU`, `CUDA 12.8`, `ROCm 6.4`, `XPU ...`; empty where it is not known.

    driver: whether this machine has a driver of NVIDIA; None where that cannot be seen.
    """

    build: str
    driver: bool | None


def examine_torch(found: Found) -> Torch | None:
    """What an installed torch was built for, from its version file; torch is not imported."""
    if not found.installed:
        return None
    try:
        distribution = find("torch")
        path = str(distribution.locate_file("torch/version.py")) if distribution is not None else ""
        with open(path, encoding="utf-8") as file:
            build = _build(file.read())
    except Exception:
        build = ""
    driver = os.path.exists("/proc/driver/nvidia/version") if sys.platform.startswith("linux") else None
    return Torch(build, driver)


_BUILDS = {"cuda": "CUDA", "hip": "ROCm", "rocm": "ROCm", "xpu": "XPU"}


def _build(text: str) -> str:
    """The build that the text of torch/version.py names."""
    values: dict[str, object] = {}
    for node in ast.parse(text).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = getattr(node, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                values[target.id] = value.value
    for name, title in _BUILDS.items():
        if values.get(name):
            return f"{title} {values[name]}"
    return "CPU" if "cuda" in values else ""


# torchvision may expect kernels that a CPU-only torch does not have; flopcalc declares them before it imports it.
_DECLARE = "from flopcalc.pytorch.loading.torchvision_operators import declare; declare(); "
_IMPORTS = {"torchvision": f"{_DECLARE}import torchvision", "timm": f"{_DECLARE}import timm"}


def import_problem(package: Package, *, seconds: float = 120) -> str:
    """Why a package cannot be imported, by a process of its own; empty where it can."""
    name, _ = bounds(package.requirement)
    source = f"import sys; sys.path[:] = {sys.path!r}; {_IMPORTS.get(name, f'import {package.module or name}')}"
    try:
        done = subprocess.run(  # noqa: S603 - the names come from our own table
            [sys.executable, "-c", source],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{name} is still being imported after {seconds:.0f} s"
    if not done.returncode:
        return ""
    why = _last_error(done.stderr) or f"the process ended with code {done.returncode}"
    return f"{name} is installed, but cannot be imported: {why}"


def _last_error(text: str) -> str:
    """The message of the exception that ended a process: what follows the last indented line of its traceback."""
    lines = [line for line in text.splitlines() if line.strip()]
    message = list(takewhile(lambda line: not line.startswith("  "), reversed(lines)))
    return printable(" ".join(line.strip() for line in reversed(message)))[:200]


def pip_line(packages: Iterable[Found]) -> str:
    """The command that installs packages: `pip install "numpy>=1.26" torchvision`."""
    needed = [f'"{one.name}>={one.least}"' if one.least else one.name for one in packages]
    return f"pip install {' '.join(needed)}" if needed else ""

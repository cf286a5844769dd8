"""What is installed, what that enables, how to get the rest, and what is broken."""

import os
import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import distributions
from typing import NamedTuple

from flopcalc import __version__
from flopcalc.catalog import kernels, lookup
from flopcalc.installation.packages import Found, Torch, examine_package, examine_torch, import_problem, pip_line
from flopcalc.installation.requirements import COUNTERS, FEATURES, OPTIONAL, REQUIRED, Feature, Package
from flopcalc.installation.shell import Completion, Terminal, completion, terminal
from flopcalc.text import shipped_files

# The folders of shipped files, and the ending of what each one must have.
_SHIPPED = {"networks": ".yaml", "published": ".yaml", "devices": ".yaml", "measured": ".csv"}
_AGAIN = "install flopcalc again"


class Problem(NamedTuple):
    """Something that is broken, or worth knowing. severity: `error` makes the exit code 1, `note` does not."""

    severity: str
    what: str
    fix: str


class Enabled(NamedTuple):
    """A feature, and the packages that it lacks. install: the command that installs them."""

    feature: Feature
    missing: tuple[str, ...]
    install: str

    @property
    def works(self) -> bool:
        """Whether all packages are there."""
        return not self.missing


class Examination(NamedTuple):
    """The state of an installation.

    script: the command `flopcalc` that the shell runs; empty without one. torch: None where it is not installed.
    operators: the number that can be used. plug_ins: names of operators of other packages that can be used.
    imported: whether installed packages were also imported.
    """

    version: str
    folder: str
    script: str
    python: str
    executable: str
    system: str
    required: tuple[Found, ...]
    optional: tuple[Found, ...]
    counters: tuple[Found, ...]
    torch: Torch | None
    features: tuple[Enabled, ...]
    operators: int
    networks: int
    plug_ins: tuple[str, ...]
    completion: Completion
    terminal: Terminal
    problems: tuple[Problem, ...]
    imported: bool

    @property
    def ok(self) -> bool:
        """Whether nothing is broken."""
        return not any(one.severity == "error" for one in self.problems)


def examine(*, imports: bool = False) -> Examination:
    """Look at the installation that runs. imports: also import each installed package, in a process of its own.

    Whatever is damaged becomes a problem of the result; nothing is raised for it.
    """
    groups = [tuple(map(examine_package, group)) for group in (REQUIRED, OPTIONAL, COUNTERS)]
    if imports:
        groups = [
            tuple(_imported(one, package) for one, package in zip(found, group, strict=True))
            for found, group in zip(groups, (REQUIRED, OPTIONAL, COUNTERS), strict=True)
        ]
    required, optional, counters = groups
    by_name = {one.name: one for group in groups for one in group}
    torch = examine_torch(by_name["torch"])
    problems = list(_package_problems(required, optional, counters))
    problems += _torch_problems(torch)
    networks, missing_files = _shipped()
    operators, plug_ins, broken = _operators()
    shown = terminal()
    problems += [*missing_files, *broken, *_installations(), *_terminal_problems(shown)]
    return Examination(
        __version__,
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
        shutil.which("flopcalc") or "",
        f"{platform.python_implementation()} {platform.python_version()}",
        sys.executable or "",
        platform.platform(),
        required,
        optional,
        counters,
        torch,
        tuple(_enabled(feature, by_name) for feature in FEATURES),
        operators,
        networks,
        plug_ins,
        completion(),
        shown,
        tuple(problems),
        imports,
    )


def _imported(found: Found, package: Package) -> Found:
    """The same package, with the problem that importing it has."""
    in_peers = found.name in ("ultralytics-thop", "deepspeed", "calflops")
    if not found.usable or in_peers:
        # flopcalc loads only a part of these.
        return found
    why = import_problem(package)
    return found._replace(problem=why, fix=f"pip install --force-reinstall '{package.requirement}'") if why else found


def _enabled(feature: Feature, by_name: dict[str, Found]) -> Enabled:
    lacking = [by_name[name] for name in feature.needs if not by_name[name].usable]
    return Enabled(feature, tuple(one.name for one in lacking), pip_line(lacking))


def _package_problems(*groups: tuple[Found, ...]) -> Iterator[Problem]:
    required, *_ = groups
    for group in groups:
        for one in group:
            if one.problem:
                yield Problem("error", one.problem, one.fix)
            elif group is required and not one.installed:
                yield Problem("error", f"{one.name}, which flopcalc needs, is not installed", pip_line([one]))


def _torch_problems(torch: Torch | None) -> Iterator[Problem]:
    if torch is None or torch.driver is None:
        return
    if torch.build.startswith("CUDA") and not torch.driver:
        yield Problem("note", f"PyTorch is built for {torch.build}, and this machine has no driver of NVIDIA", "")
    if torch.build == "CPU" and torch.driver:
        why = "this machine has a driver of NVIDIA, but PyTorch is built for the CPU: bench cannot use the GPU"
        yield Problem("note", why, "install a build of PyTorch for CUDA")


def _shipped() -> tuple[int, list[Problem]]:
    """The number of shipped networks, and what is missing of the files that come with flopcalc."""
    problems, networks = [], 0
    for name, ending in _SHIPPED.items():
        folder = shipped_files.folder(name)
        try:
            number = sum(file.endswith(ending) for file in os.listdir(folder))
        except OSError as error:
            problems.append(Problem("error", f"the folder {folder} cannot be read: {error.strerror}", _AGAIN))
            continue
        if not number:
            problems.append(Problem("error", f"the folder {folder} has no files", _AGAIN))
        networks = number if name == "networks" else networks
    return networks, problems


def _operators() -> tuple[int, tuple[str, ...], list[Problem]]:
    """The number of operators that load, plug-ins that load, and what does not load."""
    own, broken = lookup.usable()
    problems = [Problem("error", one, _AGAIN) for one in broken]
    others, failing = lookup.usable_plug_ins()
    failing += kernels.plug_in_problems()
    problems += [Problem("error", one, "fix the package, or uninstall it") for one in failing]
    return len(own), tuple(one.name for one in others), problems


def _installations() -> Iterator[Problem]:
    """Several installations of flopcalc, or none whose version is this one."""
    try:
        found = {str(one.locate_file("")): str(one.version) for one in distributions(name="flopcalc")}
    except Exception:
        yield Problem("error", "the metadata of flopcalc cannot be read", _AGAIN)
        return
    if not found:
        how = "pip install it, so that the command and plug-ins for pytest are found"
        yield Problem("note", "flopcalc runs from a folder and is not installed", how)
    if len(found) > 1:
        yield Problem("note", f"flopcalc is installed in {' and in '.join(found)}; the first one is used", "")
    version = next(iter(found.values()), __version__)
    if version != __version__:
        why = f"flopcalc is installed as version {version}, and the code is that of {__version__}"
        yield Problem("note", why, _AGAIN)
    script = shutil.which("flopcalc")
    own = os.path.join(sysconfig.get_path("scripts") or "", "flopcalc")
    if script and os.path.exists(own) and os.path.realpath(script) != os.path.realpath(own):
        why = f"the shell's command flopcalc is {script}, which belongs to another environment"
        yield Problem("note", why, f"run {own}, or activate its environment")


def _terminal_problems(found: Terminal) -> Iterator[Problem]:
    if not found.lines:
        why = (
            f"standard output is written in {found.encoding}: lines and bars of tables are replaced by other characters"
        )
        yield Problem("note", why, "set PYTHONUTF8=1, or a locale with UTF-8")

"""Mutation testing: change the code in one place, run the tests that concern it, and see whether one fails.

    python tools/mutate.py flopcalc/operators/ghost.py            all mutants of a file
    python tools/mutate.py flopcalc/operators --every 5           every fifth mutant of each file of a folder
    python tools/mutate.py flopcalc/cost/arith.py --only 12,40    the mutants of those numbers, with the tests' output

A mutant is made in memory, in a forked process that has loaded pytest and the optional packages, but nothing of
flopcalc: no file changes, and a mutant costs only its own tests. The tests of a file are those that TESTS names. A
mutant that no test kills is a gap in the tests, or it computes the same: tools/equivalent_mutants.txt lists those of
the second kind, each with the reason.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.machinery
import os
import select
import shlex
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from mutants import mutants

ROOT = Path(__file__).resolve().parent.parent
JUSTIFIED = Path(__file__).with_name("equivalent_mutants.txt")
KILLED, SURVIVED, TIMED_OUT, EQUIVALENT = "killed", "SURVIVED", "killed (time)", "equivalent"

# Path of the code -> runs of pytest, the fast ones first; {name} is the name of the file. All that match are run.
TESTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "flopcalc/operators/",
        (
            "tests/operators/test_{name}.py",
            "tests/pytorch/test_crosscheck.py tests/pytorch/test_layers.py -k {name}",
            "tests/operators/test_notes.py",
            "tests/operators/test_order_of_parts.py tests/operators/test_baselines.py tests/operators/test_policies.py "
            "tests/operators/test_options.py -k {name}",
            "tests/operators/test_registry.py tests/operators/test_registry_modules.py tests/presets/test_operators.py "
            "-k {name}",
            "tests/published/test_tables.py",
            "tests/replacing/test_replace.py",
        ),
    ),
    (
        "flopcalc/cost/",
        (
            "tests/cost tests/spec tests/symbolic tests/primitives",
            "tests/presets tests/operators -k 'not registry'",
            "tests/published tests/pytorch/test_counters.py tests/analysis/test_sweep_exact.py tests/algebra "
            "tests/report/test_results.py tests/pytorch/test_crosscheck.py",
        ),
    ),
    (
        "flopcalc/symbolic/",
        ("tests/symbolic", "tests/pytorch/tracing/test_symbolic.py", "tests/analysis/test_network_form.py"),
    ),
    (
        "flopcalc/pytorch/tracing/",
        (
            "tests/pytorch/tracing/test_shapes.py tests/pytorch/tracing/test_view_rules.py "
            "tests/pytorch/tracing/test_nodes.py "
            "tests/pytorch/tracing/test_tracer.py tests/pytorch/tracing/test_left_to_torch.py",
            "tests/pytorch/tracing/test_symbolic.py tests/pytorch/test_traced_traps.py",
            "tests/pytorch/tracing/test_closed_forms.py tests/pytorch/tracing/test_witnesses.py",
        ),
    ),
    ("flopcalc/pytorch/counting/kernels/", ("tests/pytorch/kernels",)),
    (
        "flopcalc/primitives/",
        (
            "tests/primitives",
            "tests/pytorch/training/test_described.py",
            "tests/presets/test_primitives.py",
            "tests/networks",
        ),
    ),
    ("flopcalc/networks/", ("tests/networks", "tests/symbolic")),
    ("flopcalc/presets/", ("tests/presets",)),
    ("flopcalc/pytorch/calls/", ("tests/presets", "tests/pytorch/test_calls.py tests/pytorch/test_labels.py")),
    ("flopcalc/analysis/training/", ("tests/analysis/training", "tests/pytorch/training")),
    (
        "flopcalc/pytorch/counting/",
        (
            "tests/pytorch/test_{name}.py",
            "tests/pytorch/test_twins.py tests/pytorch/test_count.py tests/pytorch/test_traps.py",
            "tests/pytorch/test_process_state.py tests/pytorch/test_arguments.py tests/pytorch/test_several_inputs.py "
            "tests/pytorch/test_passes.py tests/pytorch/test_unused_parameters.py tests/pytorch/test_copying.py "
            "tests/pytorch/test_more_traps.py tests/pytorch/test_recognition.py tests/pytorch/test_explain_modules.py "
            "tests/pytorch/test_nested_attention.py",
            "tests/pytorch/test_harmless.py tests/pytorch/test_python_model.py",
        ),
    ),
)


class _Loader(importlib.abc.Loader):
    def __init__(self, tree: ast.Module, file: str) -> None:
        self.tree, self.file = tree, file

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self.file
        exec(compile(self.tree, self.file, "exec"), module.__dict__)  # noqa: S102 - our own code, changed in one place


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module: the mutant."""

    def __init__(self, name: str, tree: ast.Module, file: str) -> None:
        self.name, self.tree, self.file = name, tree, file

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.machinery.ModuleSpec(fullname, _Loader(self.tree, self.file), origin=self.file)


class Quiet:
    """Keeps the conftest of the tests from hashing every tracked file: no file changes here."""

    @staticmethod
    def pytest_configure(config: object) -> None:
        """Called by pytest before the tests are collected."""
        config.workerinput = {}  # type: ignore[attr-defined]


def _tests_of(head: str, name: str) -> list[str]:
    """The file of tests of that name, or else those beside it that name it in a text."""
    path = ROOT / f"{head}{name}.py"
    if not path.exists() and head.endswith("operators/test_"):
        found = sorted(one for one in path.parent.glob("test_*.py") if f'"{name}"' in one.read_text(encoding="utf-8"))
        return [str(one.relative_to(ROOT)) for one in found if "registry" not in one.name]
    return [str(path.relative_to(ROOT))]


def runs_of(path: str) -> list[list[str]]:
    """The arguments of each run of pytest for a file."""
    names = [Path(path).stem]
    if names[0].startswith("_") and names[0] != "__init__":
        # What several operators share: their tests.
        files = sorted(one for one in (ROOT / path).parent.glob("*.py") if names[0] in one.read_text(encoding="utf-8"))
        names = [one.stem for one in files if not one.stem.startswith("_")] or names
    found: list[list[str]] = []
    for prefix, lines in TESTS:
        for line in lines if path.startswith(prefix) else ():
            head, of_names, rest = line.partition("{name}.py")
            text = " ".join(one for name in names for one in _tests_of(head, name)) + rest if of_names else line
            words = shlex.split(text.replace("{name}", f"'{' or '.join(names)}'"))
            kept = [word for word in words if not word.startswith("tests/") or (ROOT / word).exists()]
            if any(word.startswith("tests/") for word in kept):
                found.append(kept)
    return found


def _child(module: str, tree: ast.Module | None, file: str, runs: Sequence[Sequence[str]], loud: bool) -> int:
    """In the forked process: 0 if all tests pass, 1 if one fails."""
    import pytest

    if not loud:
        silence()
    if tree is not None:
        sys.meta_path.insert(0, _Finder(module, tree, file))
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--assert=plain"]
    # --assert=plain: pytest loads plugins and their packages, flopcalc among them, by a finder of its own otherwise.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    for index, run in enumerate(runs):
        if index:
            for name in [name for name in sys.modules if name.startswith(("test_", "tests.", "conftest"))]:
                del sys.modules[name]
        code = pytest.main([*options, *run], plugins=[Quiet()])
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return 1
    return 0


def module_of(path: str) -> str:
    """The name of the module of a file."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def outcome(
    path: str, tree: ast.Module | None, limit: float, loud: bool = False, runs: Sequence[Sequence[str]] | None = None
) -> tuple[str, float]:
    """Whether the tests kill a mutant; None is the code as it is. Returns the outcome and the seconds it took.

    runs: the arguments of runs of pytest, if not those that TESTS has for the file.
    """
    module = module_of(path)
    started = time.monotonic()
    chosen = runs_of(path) if runs is None else runs
    code, _ = forked(lambda _: _child(module, tree, str(ROOT / path), chosen, loud), limit)
    seconds = time.monotonic() - started
    if code is None:
        return TIMED_OUT, seconds
    return SURVIVED if code == 0 else KILLED, seconds


def forked(call: Callable[[int], int], limit: float) -> tuple[int | None, bytes]:
    """A call in a fork of this process, in a group of its own. Returns its exit code, and what it answers.

    call: gets a file descriptor for its answer, and returns the exit code, which is 1 if it raises. After the limit of
    seconds the group is killed, and the code is None.
    """
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.setpgid(0, 0)
        os.close(reader)
        code = 1
        try:
            code = call(writer)
        finally:
            os._exit(code)
    os.close(writer)
    try:
        # The end of the pipe is the end of the process.
        ended = bool(select.select([reader], [], [], limit)[0])
        answer = os.read(reader, 4096) if ended else b""
        if not ended:
            os.killpg(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
    finally:
        os.close(reader)
    return os.waitstatus_to_exitcode(status) if ended else None, answer


def silence() -> None:
    """Throw away what this process prints."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)


def justified() -> dict[str, str]:
    """The reasons of equivalent mutants, by key."""
    found = {}
    for line in JUSTIFIED.read_text(encoding="utf-8").splitlines() if JUSTIFIED.exists() else ():
        if line and not line.startswith("#"):
            key, _, why = line.partition("  # ")
            found[key] = why
    return found


def _files(names: Sequence[str]) -> list[str]:
    found: list[Path] = []
    for name in names:
        path = ROOT / name
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [str(path.relative_to(ROOT)) for path in found]


def main() -> int:
    """Run the mutants that the command line asks for; returns 1 if one survived."""
    parser = argparse.ArgumentParser(description="Mutation testing of files of flopcalc.")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--every", type=int, default=1, help="only every Nth mutant, counted over all files")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--only", default="", help="only these numbers, with the output of the tests")
    parser.add_argument("--seconds", type=float, default=0, help="stop after that time")
    parser.add_argument(
        "--no-base", action="store_true", help="do not run the tests of each file without a change first"
    )
    parser.add_argument("--list", action="store_true", help="show the mutants, and run nothing")
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT)]
    os.environ["PYTHONPATH"] = str(ROOT)
    _preload()
    reasons, counts, left = justified(), Counter[str](), 0
    bases: dict[str, tuple[str, float]] = {}
    only = {int(one) for one in given.only.split(",") if one}
    ends = time.monotonic() + given.seconds if given.seconds else None
    for path in _files(given.files):
        every = list(mutants(path, ast.parse((ROOT / path).read_text(encoding="utf-8"))))
        first = (given.start - counts["mutants"]) % given.every
        chosen = [one for one in every if one[0].number in only] if only else every[first :: given.every]
        counts["mutants"] += len(every)
        if given.list:
            for mutant, _ in chosen:
                print(f"{mutant.number:4} {mutant.path}:{mutant.line} {mutant.where}: {mutant.change}")
            continue
        if ends is not None and time.monotonic() > ends:
            left += len(chosen)
            continue
        if not chosen:
            continue
        # Files with the same tests share the run without a change.
        tests = str(runs_of(path))
        if tests not in bases:
            bases[tests] = (SURVIVED, 60.0) if given.no_base else outcome(path, None, 600)
        base, seconds = bases[tests]
        if base != SURVIVED:
            outcome(path, None, 600, loud=True)
            print(f"{path}: the tests fail without a change ({base}); run: pytest {runs_of(path)}")
            return 2
        for mutant, change in chosen:
            if ends is not None and time.monotonic() > ends:
                left += 1
                continue
            found = EQUIVALENT if mutant.key in reasons else outcome(path, change(), 15 + 4 * seconds, bool(only))[0]
            counts[found] += 1
            if found == SURVIVED or only:
                print(
                    f"{found} {mutant.number:4} {mutant.path}:{mutant.line} {mutant.where}: {mutant.change}", flush=True
                )
        print(f"{path}: {len(chosen)} of {len(every)} mutants", flush=True)
    print(", ".join(f"{count:,} {name}" for name, count in counts.items()), f"({left:,} left for lack of time)")
    return int(bool(counts[SURVIVED]))


def _preload() -> None:
    """Load what every test needs, but nothing of flopcalc."""
    for name in ("pytest", "hypothesis", "numpy", "sympy", "torch", "yaml", "click", "rich.console", "torch.fx"):
        try:
            __import__(name)
        except ImportError:
            continue
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


if __name__ == "__main__":
    sys.exit(main())

"""Mutation testing of much code at once: all tests are collected once, and a mutant meets the tests of its line.

    python tools/mutate_all.py record                        which test runs which line (needs pytest-cov)
    python tools/mutate_all.py run flopcalc/operators        all mutants of a folder; prints those that survive
    python tools/mutate_all.py run flopcalc --part 1/2       every second mutant, for a second process
    python tools/mutate_all.py run flopcalc --once > first   a first look, quicker, with false alarms
    python tools/mutate_all.py again first                   those that survived it, with all tests of their files

A mutant is a fork of the process with the tests, in which the code of the changed functions is replaced and what
functions with a cache remember is forgotten. The tests of its line run until one fails: those that killed other mutants
of the file first, then one case of each test, the quick ones first. That takes a fifth of a second for most. What
survives, and what changes when the module is loaded, is tried in a process that loads the changed module, with more
tests. A mutant of an operator that changes nothing on thousands of shapes and options (tools/effects.py) meets none. A
survivor of `run` has passed as many tests as fit into some seconds, one of `again` those of tools/mutate.py.
"""

from __future__ import annotations

import argparse
import ast
import functools
import gc
import importlib
import multiprocessing
import os
import re
import resource
import sqlite3
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any
from xml.etree import ElementTree

import mutate
from mutants import Mutant, mutants

ROOT = mutate.ROOT
RECORD = ROOT / ".mutation"
# Tests of pages, pictures, installation and the command line are slow, and say little about formulas.
LEFT_OUT = (
    *("pages", "charts", "documentation", "installation", "tools", "cli", "benchmarks", "report", "budget"),
    *("test_docs.py", "test_docs_examples.py", "test_package.py", "test_tour.py", "test_imports.py"),
    *("test_counts.py", "test_fewer_flops.py"),
)
# The tries of a mutant: the most seconds and the most tests, of those of its line and as many of others near by.
FIRST, SECOND, AGAIN = (5.0, 120), (10.0, 300), (20.0, 600)
MEMORY = 8 << 30
OPERATORS = "flopcalc/operators/"
COVERAGE = "[run]\nsource = flopcalc\nbranch = false\ndata_file = {}\n"

NO_TESTS, NO_EFFECT = "NO TESTS", "no effect"

Lines = dict[int, list[str]]
Budget = tuple[float, int]


def record() -> int:
    """Run the tests once, and write down which of them runs which line and how long it takes."""
    RECORD.mkdir(exist_ok=True)
    (RECORD / "coverage.rc").write_text(COVERAGE.format(RECORD / "lines.db"), encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider", "tests"]
    words += ["--cov", f"--cov-config={RECORD / 'coverage.rc'}", "--cov-context=test", "--cov-report="]
    words += [f"--junitxml={RECORD / 'seconds.xml'}", *(f"--ignore=tests/{name}" for name in LEFT_OUT)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=ROOT, check=False, env=env).returncode  # noqa: S603 - our own words


def seconds_of_tests() -> dict[str, float]:
    """Seconds of each test that passed, by its name in pytest."""
    found = {}
    tree = ElementTree.parse(RECORD / "seconds.xml")  # noqa: S314 - our own file
    for case in tree.iter("testcase"):
        if case.find("failure") is None and case.find("error") is None and case.find("skipped") is None:
            path = str(case.get("classname")).replace(".", "/")
            found[f"{path}.py::{case.get('name')}"] = float(case.get("time", 0))
    return found


def tests_of_lines(path: str, known: Iterable[str]) -> Lines:
    """The tests that run each line of a file."""
    from coverage.numbits import numbits_to_nums

    found: dict[int, set[str]] = defaultdict(set)
    wanted = set(known)
    with sqlite3.connect(RECORD / "lines.db") as database:
        rows = database.execute(
            "select context.context, line_bits.numbits from line_bits join file on file.id = line_bits.file_id "
            "join context on context.id = line_bits.context_id where file.path = ?",
            (str(ROOT / path),),
        )
        for context, bits in rows:
            test = context.rpartition("|")[0]
            if test in wanted:
                for line in numbits_to_nums(bits):
                    found[line].add(test)
    return {line: sorted(tests) for line, tests in found.items()}


def near(path: str, known: Iterable[str]) -> list[str]:
    """The tests that tools/mutate.py names for a file, the first runs first."""
    known = list(known)
    found: dict[str, None] = {}
    for run in mutate.runs_of(path):
        heads = tuple(word for word in run if word.startswith("tests/"))
        words = run[run.index("-k") + 1] if "-k" in run else ""
        left, names = words.startswith("not "), words.removeprefix("not ").split(" or ")
        for test in known:
            if test.startswith(heads) and (not words or any(name in test for name in names) != left):
                found[test] = None
    return list(found)


def in_turn(
    tests: Iterable[str], seconds: dict[str, float], limit: Budget, kills: Counter[str] | None = None
) -> list[str]:
    """The tests to run: one case of each, the quick ones first, then the second case of each, and so on.

    kills: tests that have killed mutants of the file, which come first.
    """
    kills = Counter() if kills is None else kills
    cases: dict[str, list[str]] = defaultdict(list)
    for test in sorted(tests, key=lambda one: (-kills[one], seconds[one], one)):
        cases[test.partition("[")[0]].append(test)
    turns = [
        (turn - 3 * (kills[test] > 0), seconds[test] / (1 + kills[test]), test)
        for found in cases.values()
        for turn, test in enumerate(found)
    ]
    total = 0.0
    chosen: list[str] = []
    for _, _, test in sorted(turns):
        if len(chosen) == limit[1]:
            break
        if not chosen or total + seconds[test] <= limit[0]:
            total += seconds[test]
            chosen.append(test)
    return chosen


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _codes(one)


def changed_code(path: str, before: ast.Module, after: ast.Module) -> dict[CodeType, CodeType] | None:
    """New code for each changed function of a file; None if loading the module changes, or if it is not clear."""
    file = str(ROOT / path)
    old, new = (list(_codes(compile(tree, file, "exec", dont_inherit=True))) for tree in (before, after))
    if [one.co_qualname for one in old] != [one.co_qualname for one in new]:
        # A lambda or a comprehension is gone: what is left keeps its name and its line.
        names = Counter((one.co_qualname, one.co_firstlineno) for one in old)
        by_name = {(one.co_qualname, one.co_firstlineno): one for one in new}
        pairs = [(one, by_name.get((one.co_qualname, one.co_firstlineno))) for one in old]
        if any(other is not None and names[one.co_qualname, one.co_firstlineno] > 1 for one, other in pairs):
            return None
    else:
        pairs = list(zip(old, new, strict=True))
    found: dict[CodeType, CodeType] = {}
    for one, other in pairs:
        if other is None or one == other:
            continue
        if not one.co_flags & 2:  # the module, or the body of a class
            plain = [[const for const in both.co_consts if not isinstance(const, CodeType)] for both in (one, other)]
            if one.co_code != other.co_code or plain[0] != plain[1]:
                return None
            continue
        if one in found:
            return None
        found[one] = other
    return found


def _text(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "no mutants"


def _functions(path: str) -> list[FunctionType]:
    """The functions of a file that are alive: their code can be replaced."""
    gc.unfreeze()
    file = str(ROOT / path)
    found = [one for one in gc.get_objects() if type(one) is FunctionType and one.__code__.co_filename == file]
    gc.freeze()
    return found


class Sweep:
    """A plugin of pytest that runs mutants in place of the tests.

    files: those with mutants. wanted: whether to run one, by file, number and place among all. loader: where mutants
    are sent that another process is to load. first: whether to try in a fork; second: whether to try what survives.
    """

    def __init__(
        self,
        files: Sequence[str],
        wanted: Callable[[str, int, int], bool],
        loader: Connection,
        first: bool = True,
        second: Budget | None = SECOND,
    ) -> None:
        self.files, self.wanted, self.loader, self.first, self.second = files, wanted, loader, first, second
        self.counts: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.near: list[str] = []
        self.out = -1

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest in a fork, with the result of a test."""
        if report.failed:
            os.write(self.out, report.nodeid.encode())
            os._exit(1)

    def pytest_runtestloop(self, session: Any) -> bool:
        """Called with the collected tests: runs the mutants."""
        self.items = {item.nodeid: item for item in session.items}
        known = seconds_of_tests()
        self.seconds = {name: known[name] for name in self.items if name in known}
        print(f"{len(self.items):,} tests, {len(self.seconds):,} of them recorded", file=sys.stderr)
        for path in mutate._files(["flopcalc"]):  # what is loaded on demand, too
            if not path.endswith("__main__.py"):
                importlib.import_module(mutate.module_of(path))
        self.caches = [one for one in gc.get_objects() if type(one) is functools._lru_cache_wrapper]
        gc.collect()
        gc.freeze()
        reasons, place = mutate.justified(), 0
        for path in self.files:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            lines, functions = tests_of_lines(path, self.seconds), _functions(path)
            counts = Counter[str]()
            self.kills.clear()
            self.near = near(path, self.seconds)
            for mutant, change in mutants(path, tree):
                place += 1
                if not self.wanted(path, mutant.number, place):
                    continue
                equivalent = mutant.key in reasons
                found = mutate.EQUIVALENT if equivalent else self._outcome(mutant, tree, change(), lines, functions)
                counts[found] += 1
                if found in (mutate.SURVIVED, NO_TESTS):
                    print(f"{found} {mutant.number:4} {path}:{mutant.line} {mutant.where}: {mutant.change}", flush=True)
            self.counts += counts
            print(f"{path}: {_text(counts)}", flush=True)
        print(_text(self.counts))
        return True

    def _outcome(
        self, mutant: Mutant, tree: ast.Module, changed: ast.Module, lines: Lines, functions: Sequence[FunctionType]
    ) -> str:
        # A line that only the first caller runs, whose result is kept, has few tests in the record: those near by, too.
        tests = lines.get(mutant.line, [])
        others = sorted(set(self.near) - set(tests))
        if not tests and not others:
            return NO_TESTS
        if mutant.path.startswith(OPERATORS):
            # Loaded here: it loads flopcalc, and the process that loads changed modules must not have it.
            import effects

            effect = effects.effect(mutant.path, changed, effects.known_of(mutant.path))
            if effect != effects.SOME:
                return NO_EFFECT if effect == effects.NONE else mutate.KILLED
        codes = changed_code(mutant.path, tree, changed) if self.first else None
        if codes:
            chosen = [one for pool in (tests, others) for one in in_turn(pool, self.seconds, FIRST, self.kills)]
            code, killer = mutate.forked(lambda out: self._replaced(codes, functions, chosen, out), self._limit(chosen))
            if killer:
                self.kills[killer.decode()] += 1
            if code != 0:
                return mutate.TIMED_OUT if code is None else mutate.KILLED
        if codes and self.second is None:
            return mutate.SURVIVED
        budget = self.second or SECOND
        chosen = [one for pool in (tests, others) for one in in_turn(pool, self.seconds, budget, self.kills)]
        tries: list[tuple[list[str] | None, float]] = [(chosen, self._limit(chosen))]
        if not self.first:
            tries.append((None, 600))  # all that tools/mutate.py runs
        found = mutate.SURVIVED
        for names, limit in tries:
            if found == mutate.SURVIVED:
                self.loader.send((mutant.path, changed, names, limit))
                found = self.loader.recv()
        return found

    def _limit(self, tests: Sequence[str]) -> float:
        return 10 + 4 * sum(self.seconds[one] for one in tests)

    def _replaced(
        self, codes: dict[CodeType, CodeType], functions: Sequence[FunctionType], tests: Sequence[str], out: int
    ) -> int:
        """In a fork: run the tests with the new code. The first that fails ends the fork; its name is the answer."""
        self.out = out
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        mutate.silence()
        for function in functions:
            if function.__code__ in codes:
                function.__code__ = codes[function.__code__]
        for cache in self.caches:
            cache.cache_clear()
        items = [self.items[one] for one in tests]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return 0


def serve(requests: Connection, ours: Connection) -> None:
    """Outcomes of mutants, each in a process that loads the changed module."""
    ours.close()
    mutate._preload()
    while True:
        try:
            path, tree, tests, limit = requests.recv()
        except EOFError:
            return
        requests.send(mutate.outcome(path, tree, limit, runs=tests and [tests])[0])


def survivors(log: str) -> set[tuple[str, int]]:
    """The file and number of each mutant that a log calls a survivor."""
    return {
        (path, int(number)) for number, path in re.findall(rf"^{mutate.SURVIVED} +(\d+) ([^:]+):", log, re.MULTILINE)
    }


def main() -> int:
    """Record, or run the mutants of files; returns 1 if one survived."""
    parser = argparse.ArgumentParser(description="Mutation testing with the tests of each line.")
    parser.add_argument("what", choices=("record", "run", "again"))
    parser.add_argument("files", nargs="*", help="files or folders of flopcalc; for `again` the output of a run")
    parser.add_argument("--part", default="0/1", help="I/N: every Nth mutant, from the Ith on")
    parser.add_argument("--once", action="store_true", help="no second try of what survives")
    given = parser.parse_args()
    os.chdir(ROOT)
    if given.what == "record":
        return record()
    import pytest

    ours, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("fork").Process(target=serve, args=(theirs, ours), daemon=True).start()
    theirs.close()
    if given.what == "again":
        log = {one for file in given.files for one in survivors(Path(file).read_text(encoding="utf-8"))}
        files = sorted({path for path, _ in log})
        sweep = Sweep(files, lambda path, number, _: (path, number) in log, ours, False, AGAIN)
    else:
        part, parts = (int(one) for one in given.part.split("/"))
        second = None if given.once else SECOND
        sweep = Sweep(mutate._files(given.files), lambda *one: one[2] % parts == part % parts, ours, True, second)
    mutate._preload()
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain", "-s", "tests"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning", *(f"--ignore=tests/{name}" for name in LEFT_OUT)]
    pytest.main(options, plugins=[mutate.Quiet(), sweep])
    return int(bool(sweep.counts[mutate.SURVIVED]))


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    os.environ["PYTHONPATH"] = str(ROOT)
    sys.exit(main())

"""Measuring fresh processes and calls: seconds, CPU seconds, peak memory. Jobs take turns, and the minimum is kept.

A turn of all jobs after each other means that a slow moment of the machine affects all of them. The minimum has the
least noise, since other work on the machine only ever adds time.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, NamedTuple


class Seconds(NamedTuple):
    """Wall-clock and CPU seconds; the CPU seconds of all threads."""

    wall: float
    cpu: float


def once(arguments: list[str]) -> Seconds:
    """One fresh Python process with these arguments. Raises CalledProcessError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Seconds(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def take_turns(jobs: Mapping[str, list[str]], rounds: int) -> dict[str, Seconds]:
    """The minimum of both times over fresh processes of each job."""
    found: dict[str, list[Seconds]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, arguments in jobs.items():
            found[name].append(once(arguments))
    return {name: Seconds(*map(min, zip(*times, strict=True))) for name, times in found.items()}


def flopcalc_process(words: list[str]) -> list[str]:
    """The arguments of a Python process that runs a flopcalc command as the installed script does."""
    return ["-c", f"import sys; sys.argv = {words!r}; from flopcalc.__main__ import run; run()"]


def best_of(jobs: Mapping[str, Callable[[], object]], rounds: int, calls: int = 3) -> dict[str, float]:
    """The minimum of the CPU seconds of each job in this process. Jobs take turns.

    A turn is several calls: the first one after another job finds the caches of the processor full of that job's data.
    """
    best = dict.fromkeys(jobs, float("inf"))
    for _ in range(rounds):
        for name, job in jobs.items():
            for _ in range(calls):
                start = time.process_time()
                job()
                best[name] = min(best[name], time.process_time() - start)
    return best


def repeated(job: Callable[[Any], object], prepare: Callable[[], Any], seconds: float, least: int) -> dict[str, float]:
    """Calls of a job for some seconds: minimum and median of both times.

    least: the number of calls that are made even if they take longer, but not more than six times as long. prepare:
    makes the argument of each call, outside of its time.
    """
    walls: list[float] = []
    cpus: list[float] = []
    start = time.perf_counter()

    def wanted() -> bool:
        spent = time.perf_counter() - start
        return not walls or (len(walls) < 50 and spent < (6 * seconds if len(walls) < least else seconds))

    while wanted():
        given = prepare()
        before, cpu = time.perf_counter(), time.process_time()
        job(given)
        walls.append(time.perf_counter() - before)
        cpus.append(time.process_time() - cpu)
    return {
        "calls": len(walls),
        "wall_s": min(walls),
        "wall_median_s": median(walls),
        "cpu_s": min(cpus),
        "cpu_median_s": median(cpus),
    }


def peak_bytes() -> int:
    """The largest resident memory of this process so far.

    From /proc where it is: getrusage also counts the memory of the process that started this one.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return found if sys.platform == "darwin" else found * 1024


def machine() -> dict[str, Any]:
    """The machine in words: processor, cores, memory, system, Python."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, StopIteration, ValueError):
        memory = 0
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def load() -> float | None:
    """The mean number of processes that ran or waited in the last minute; None where it is not known."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def last_line(text: str) -> dict[str, Any]:
    """The JSON object in the last line of a process's output."""
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return found

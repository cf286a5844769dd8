"""The tasks of a sweep in several processes, and on an existing Dask cluster; the results in the order of the tasks."""

import os
import pickle
import re
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from flopcalc import optional
from flopcalc.analysis.sweeping.run import Result, Sweeping, Task
from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.interrupts import blocked_interrupts

# Tasks that are under way for each process: enough that none waits, and few enough that their rows fit in memory.
_AHEAD = 3
_ADDRESS = re.compile(r"(tcp|tls|ws|wss)://\S+")


def work(packed: bytes, task: Task, enough: int | None) -> Result:
    """Do one task in another process. packed: the request and the columns."""
    return _unpacked(packed).run(task, enough)


@lru_cache(maxsize=2)
def _unpacked(packed: bytes) -> Sweeping:
    # Made by the process that started this one.
    return Sweeping(*pickle.loads(packed))  # noqa: S301


def _packed(sweeping: Sweeping) -> bytes:
    return pickle.dumps((sweeping.request, sweeping.columns))


def processes(jobs: int) -> Callable[[Sweeping, int | None], Iterator[Result]]:
    """The results of all tasks, from this number of processes."""

    def results(sweeping: Sweeping, enough: int | None) -> Iterator[Result]:
        from concurrent.futures import ProcessPoolExecutor
        from concurrent.futures.process import BrokenProcessPool
        from multiprocessing import get_context

        _check_script()
        # New processes: a copy of this one would have its threads' locks.
        pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_ignore_interrupts)
        try:
            packed = _packed(sweeping)

            def submit(task: Task) -> Any:
                # It starts the processes. One that is still importing would end with a traceback at an interrupt.
                try:
                    with blocked_interrupts():
                        return pool.submit(work, packed, task, enough)
                except RuntimeError as error:
                    if "bootstrapping" not in str(error):
                        raise
                    # This process is one of a sweep, and imports the script that called it. The one that started it
                    # says what to change.
                    raise SystemExit(1) from None

            yield from _in_order(sweeping, submit, jobs)
        except BrokenProcessPool:
            raise FlopcalcError(
                "no-process",
                "a process of the sweep ended before it was done",
                'in a script, call sweep(jobs=...) below `if __name__ == "__main__":`; or use fewer jobs',
            ) from None
        except KeyboardInterrupt:
            # What is still computed is not needed.
            for process in list((getattr(pool, "_processes", None) or {}).values()):
                process.kill()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    return results


def _check_script() -> None:
    """Raise FlopcalcError (no-process) where the script cannot be imported by other processes, as they do."""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    if path is not None and getattr(main, "__spec__", None) is None and not os.path.exists(path):
        raise FlopcalcError(
            "no-process",
            f"the processes of a sweep import its script, and {clip(os.path.basename(path))} is not a file",
            "save the script in a file and run it, or call sweep without jobs",
        )


def _ignore_interrupts() -> None:
    """An interrupt of the terminal reaches all processes; the one that started the others ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def cluster(address: str) -> Callable[[Sweeping, int | None], Iterator[Result]]:
    """The results of all tasks, from the workers of a Dask scheduler, such as tcp://10.0.0.1:8786.

    The workers need flopcalc and NumPy, and files that targets name. Raises FlopcalcError (missing-package) without
    dask.distributed, (no-cluster) where nothing answers.
    """
    if not _ADDRESS.fullmatch(address):
        raise FlopcalcError(
            "bad-usage", f"--scheduler is {clip(address)}, not the address of a scheduler", "write tcp://HOST:8786"
        )
    make = optional.load("distributed", "dask.distributed", "distributed>=2024.1", "--scheduler").Client

    def results(sweeping: Sweeping, enough: int | None) -> Iterator[Result]:
        try:
            client = make(address, timeout=10, set_as_default=False)
        except (OSError, ValueError) as error:
            raise FlopcalcError(
                "no-cluster",
                f"no Dask scheduler answers at {clip(address)}: {reason(error)}",
                "start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
            ) from None
        try:
            threads = sum(client.nthreads().values())
            if not threads:
                raise FlopcalcError(
                    "no-cluster",
                    f"the scheduler at {clip(address)} has no workers",
                    "start some: `dask worker ADDRESS`",
                )
            packed = client.scatter(_packed(sweeping), broadcast=True, hash=False)

            def submit(task: Task) -> Any:
                return client.submit(work, packed, task, enough, pure=False)

            try:
                yield from _in_order(sweeping, submit, threads)
            except ModuleNotFoundError as error:
                raise FlopcalcError(
                    "no-cluster",
                    f"a worker of {clip(address)} cannot run the sweep: {reason(error)}",
                    "install flopcalc and NumPy where the workers run",
                ) from None
        finally:
            client.close()

    return results


def _in_order(sweeping: Sweeping, submit: Callable[[Task], Any], workers: int) -> Iterator[Result]:
    """The results in the order of the tasks, with a few tasks under way."""
    under_way: deque[Any] = deque()
    try:
        for task in sweeping.tasks():
            under_way.append(submit(task))
            if len(under_way) >= _AHEAD * workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        for one in under_way:
            one.cancel()

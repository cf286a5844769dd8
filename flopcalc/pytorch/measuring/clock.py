"""Times of repeated runs: warm-up, then blocks of runs in turns, within a budget of seconds."""

from collections.abc import Callable, Sequence
from math import ceil
from time import perf_counter
from typing import Any, NamedTuple

import torch

from flopcalc.networks.progress import report

# Runs before the first one that counts, as far as a tenth of the budget allows.
_WARM_UP = 10
_WARM_UP_SHARE = 0.1
# Timed runs: at least, also where the budget is used up, and at most.
LEAST = 3
MOST = 2000
# Turns that each pass has of the budget, and the most runs of one turn.
_TURNS = 10
_LONGEST_TURN = 50

Run = Callable[[], object]


class Times(NamedTuple):
    """Seconds of one run: the median, both quartiles and the fastest. runs: timed ones; warm_up: those before."""

    median: float
    lower: float
    upper: float
    least: float
    runs: int
    warm_up: int


def times_of(seconds: Sequence[float], warm_up: int) -> Times:
    """The order statistics of some times."""
    ordered = sorted(seconds)
    lower, median, upper = (_quantile(ordered, share) for share in (0.25, 0.5, 0.75))
    return Times(median, lower, upper, ordered[0], len(ordered), warm_up)


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def in_turns(runs: Sequence[Run], budget: float, on: str) -> list[Times]:
    """The times of each of several passes. They take turns, so that a change of the clock rate meets all of them.

    budget: seconds for all together; each pass has at least LEAST timed runs. on: cpu or cuda.
    """
    block = _cuda_block if on == "cuda" else _cpu_block
    start, share = perf_counter(), budget / len(runs)
    found: list[list[float]] = [[] for _ in runs]
    warm_ups, lengths = [], []
    for run in runs:
        number, expected = _warm_up(run, block, share * _WARM_UP_SHARE)
        warm_ups.append(number)
        lengths.append(max(1, min(_LONGEST_TURN, int(share / _TURNS / max(expected, 1e-7)))))
    while True:
        # Only between blocks of runs; whoever shows it looks at it rarely.
        _report(perf_counter() - start, budget)
        for run, seconds, length in zip(runs, found, lengths, strict=True):
            seconds.extend(block(run, length))
        least = min(map(len, found))
        if least >= MOST or (least >= LEAST and perf_counter() - start >= budget):
            return [times_of(seconds, number) for seconds, number in zip(found, warm_ups, strict=True)]


def _report(passed: float, budget: float) -> None:
    whole = max(1, ceil(budget))
    report(range(min(int(passed), whole)), whole, ("measuring", "seconds"))


def _warm_up(run: Run, block: Callable[[Run, int], list[float]], budget: float) -> tuple[int, float]:
    """How many runs there were, and the seconds of the last one. The first one allocates and chooses algorithms."""
    start, found = perf_counter(), block(run, 1)
    while len(found) < _WARM_UP and perf_counter() - start < budget:
        found += block(run, 1)
    return len(found), found[-1]


def _cpu_block(run: Run, number: int) -> list[float]:
    """The seconds of some runs, one after the other."""
    found = []
    for _ in range(number):
        start = perf_counter()
        run()
        found.append(perf_counter() - start)
    return found


def _cuda_block(run: Run, number: int) -> list[float]:
    """The seconds between two events around each run. The host waits for the device after the last one only."""
    events: list[tuple[Any, Any]] = []
    for _ in range(number):
        first, last = _event(), _event()
        first.record()
        run()
        last.record()
        events.append((first, last))
    torch.cuda.synchronize()
    return [first.elapsed_time(last) / 1e3 for first, last in events]


def _event() -> Any:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

"""The largest batch whose memory meets limits, in inference or in training."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from flopcalc.analysis.memory.memory import memory_of
from flopcalc.analysis.memory.question import question
from flopcalc.analysis.solving.solution import Solution
from flopcalc.analysis.solving.variables import batches
from flopcalc.errors import FlopcalcError, clip
from flopcalc.targets.limits import MEMORY, Limit, read_limit
from flopcalc.targets.read import is_python
from flopcalc.targets.spec import TargetSpec

# Where it meets the limits, no largest batch is looked for above it.
LARGEST = 2**24
_MODES = {"peak_memory": "inference", "weights_bytes": "inference", "training_peak": "training"}


def is_about_memory(texts: Sequence[str], kind: str) -> bool:
    """Whether one of the limits is about memory. Raises FlopcalcError (bad-limit)."""
    limits = [read_limit(text, kind) for text in texts]
    return any(limit.quantity in MEMORY or limit.reads(*MEMORY) for limit in limits)


def solve_batch(
    spec: TargetSpec,
    for_: Sequence[str],
    texts: Sequence[str],
    dtype: str = "float32",
    listed: Sequence[str] = (),
) -> Solution:
    """The largest batch that meets upper bounds of memory. listed: texts of the batches to try; all if empty.

    Raises FlopcalcError.
    """
    limits = [_checked(read_limit(text, spec.kind)) for text in texts]
    if tuple(for_) != ("batch",):
        why = f"memory is limited for --for batch, and {clip(', '.join(for_))} is searched for"
        raise FlopcalcError("bad-usage", why, "write --for batch")
    costs = _costs(spec, limits, dtype)

    def holds(batch: int) -> bool:
        found = costs(batch)
        return all(limit.holds(Fraction(found[limit.quantity]), limit.bound(found)) for limit in limits)

    described = isinstance(spec.what, str) and not is_python(spec.what)
    name = spec.what if isinstance(spec.what, str) else getattr(spec.what, "__name__", type(spec.what).__name__)
    common: dict[str, Any] = {
        "target": name,
        "for_": "batch",
        "limits": tuple(limit.text for limit in limits),
        "exact": described and all(limit.quantity != "training_peak" for limit in limits),
        "method": "bisected: every tensor grows with the batch or stays as it is",
    }
    values: Sequence[int] = batches(listed) if listed else range(1, LARGEST + 1)
    if not holds(values[0]):
        found = costs(values[0])
        worst = next(limit for limit in limits if not limit.holds(Fraction(found[limit.quantity]), limit.bound(found)))
        why = f"a batch of {values[0]} needs {found[worst.quantity]:,} bytes ({worst.text})"
        nearest = {"value": str(values[0]), "cost": found}
        return Solution(**common, value=None, cost=None, why_not=why, nearest=nearest)
    # The places of a value that meets the limits, and of one that does not; behind the last one there is none.
    low, high = (0, len(values)) if listed else _bracket(holds)
    if low >= LARGEST - 1:
        why = f"every batch meets the limits, as far as {LARGEST:,}: there is no largest one"
        return Solution(**common | {"exact": False}, value=None, cost=None, why_not=why)
    turn = 0
    while high - low > 1:
        # Memory is nearly proportional to the batch: the ends mostly tell where the bound is.
        halved = listed or turn % 3 == 2
        guess = (low + high) // 2 if halved else _between(limits, costs, low + 1, high + 1) - 1 + turn % 3
        middle = min(max(guess, low + 1), high - 1)
        low, high = (middle, high) if holds(values[middle]) else (low, middle)
        turn += 1
    best = values[low]
    interval = {"from": str(best), "to": str(best), "from_included": True, "to_included": True, "complete": True}
    after = values[high] if high < len(values) else None
    return Solution(
        **common,
        value=str(best),
        cost=costs(best),
        alternatives=(interval,),
        next=None if after is None else {"value": str(after), "cost": costs(after), "why_not": None},
        command=_command(spec, best, limits, dtype) if isinstance(spec.what, str) else None,
    )


def _command(spec: TargetSpec, batch: int, limits: Sequence[Limit], dtype: str) -> str:
    """The command that shows the memory of the same target."""
    words = ["flopcalc", "memory", str(spec.what)]
    flags = [*spec.flags, *(("--input", str(one)) for one in spec.inputs), ("--batch", str(batch))]
    if any(limit.quantity == "training_peak" for limit in limits):
        flags.append(("--mode", "training"))
    if dtype != "float32":
        flags.append(("--dtype", dtype))
    for flag, value in flags:
        words += [flag, value]
    return shlex.join(words)


def _between(limits: Sequence[Limit], costs: Callable[[int], Mapping[str, int]], low: int, high: int) -> int:
    """The batch at which the first limit is reached, if its cost is linear between two batches."""
    limit = limits[0]
    below, above = costs(low), costs(high)
    reached = limit.bound(below) - below[limit.quantity]
    rise = above[limit.quantity] - limit.bound(above) + reached
    return low + int(reached / rise * (high - low)) if rise > 0 else (low + high) // 2


def _bracket(holds: Callable[[int], bool]) -> tuple[int, int]:
    """The places, from 0, of a batch that meets the limits and of a larger one that does not."""
    low = 1
    while low < LARGEST and holds(2 * low):
        low *= 2
    return (low - 1, low) if low >= LARGEST else (low - 1, 2 * low - 1)


def _costs(spec: TargetSpec, limits: Sequence[Limit], dtype: str) -> Callable[[int], Mapping[str, int]]:
    """The quantities of memory that the limits name, at a batch; each batch is computed once."""
    wanted = [name for name in MEMORY if any(limit.quantity == name or limit.reads(name) for limit in limits)]
    own = None if dtype == "float32" else dtype
    known: dict[int, dict[str, int]] = {}

    def at(batch: int) -> dict[str, int]:
        if batch not in known:
            found: dict[str, int] = {}
            for mode in dict.fromkeys(_MODES[name] for name in wanted):
                memory = memory_of(spec._replace(batch=batch), question(mode=mode, dtype=own))
                peak = "training_peak" if mode == "training" else "peak_memory"
                found |= {peak: memory.peak, "weights_bytes": memory.weights}
            known[batch] = {name: found[name] for name in wanted}
        return known[batch]

    return at


def _checked(limit: Limit) -> Limit:
    """Raise FlopcalcError (bad-limit) unless it is an upper bound of memory by a number or by memory."""
    why = ""
    if limit.quantity not in MEMORY:
        why = f"{limit.quantity} and memory are not limited together"
    elif limit.comparison not in {"<=", "<"}:
        why = f"the largest batch is searched for, and {limit.comparison} is not an upper bound"
    elif limit.ratio_to or limit.reads("baseline", "locked", "uncounted"):
        why = "it compares with another target"
    if why:
        raise FlopcalcError("bad-limit", f"the target {clip(limit.text)}: {why}", "write 'peak_memory <= 24G'")
    return limit

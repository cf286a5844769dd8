"""The largest batch whose memory meets limits, in inference or in training."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from flopcalc.analysis.memory.memory import memory_of
from flopcalc.analysis.memory.question import question
from flopcalc.analysis.solving.solution import Solution
from flopcalc.errors import FlopcalcError, clip
from flopcalc.targets.limits import MEMORY, Limit, read_limit
from flopcalc.targets.read import is_python
from flopcalc.targets.spec import TargetSpec

# Batches above it are answered as this one.
LARGEST = 2**24
_MODES = {"peak_memory": "inference", "weights_bytes": "inference", "training_peak": "training"}


def is_about_memory(texts: Sequence[str], kind: str) -> bool:
    """Whether one of the limits is about memory. Raises FlopcalcError (bad-limit)."""
    limits = [read_limit(text, kind) for text in texts]
    return any(limit.quantity in MEMORY or limit.reads(*MEMORY) for limit in limits)


def solve_batch(spec: TargetSpec, for_: Sequence[str], texts: Sequence[str], dtype: str = "float32") -> Solution:
    """The largest batch that meets upper bounds of memory. Raises FlopcalcError."""
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
    if not holds(1):
        found = costs(1)
        worst = next(limit for limit in limits if not limit.holds(Fraction(found[limit.quantity]), limit.bound(found)))
        why = f"a batch of 1 needs {found[worst.quantity]:,} bytes ({worst.text})"
        nearest = {"value": "1", "cost": found}
        return Solution(**common, value=None, cost=None, why_not=why, nearest=nearest)
    low, high = _bracket(holds)
    turn = 0
    while high - low > 1:
        # Memory is nearly proportional to the batch: the ends mostly tell where the bound is.
        guess = (low + high) // 2 if turn % 3 == 2 else _between(limits, costs, low, high) + turn % 3
        middle = min(max(guess, low + 1), high - 1)
        low, high = (middle, high) if holds(middle) else (low, middle)
        turn += 1
    interval = {"from": str(low), "to": str(low), "from_included": True, "to_included": True, "complete": True}
    return Solution(
        **common,
        value=str(low),
        cost=costs(low),
        alternatives=(interval,),
        next=None if low >= LARGEST else {"value": str(low + 1), "cost": costs(low + 1), "why_not": None},
        command=_command(str(name), low, limits) if isinstance(spec.what, str) else None,
    )


def _command(name: str, batch: int, limits: Sequence[Limit]) -> str:
    training = any(limit.quantity == "training_peak" for limit in limits)
    return f"flopcalc memory {name} --batch {batch}" + (" --mode training" if training else "")


def _between(limits: Sequence[Limit], costs: Callable[[int], Mapping[str, int]], low: int, high: int) -> int:
    """The batch at which the first limit is reached, if its cost is linear between two batches."""
    limit = limits[0]
    below, above = costs(low), costs(high)
    reached = limit.bound(below) - below[limit.quantity]
    rise = above[limit.quantity] - limit.bound(above) + reached
    return low + int(reached / rise * (high - low)) if rise > 0 else (low + high) // 2


def _bracket(holds: Callable[[int], bool]) -> tuple[int, int]:
    """A batch that meets the limits, and a larger one that does not."""
    low = 1
    while low < LARGEST and holds(2 * low):
        low *= 2
    return (low, low + 1) if low >= LARGEST else (low, 2 * low)


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

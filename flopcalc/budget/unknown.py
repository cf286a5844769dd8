"""What is not known about a limit: kernels without a rule in the costs that it compares.

With such a kernel a cost is a lower bound only, so that no limit on it can be checked; unless the user allows it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from flopcalc.cost.kinds import KINDS
from flopcalc.report.uncounted import kernels_text
from flopcalc.targets.limits import Limit

Kernel = Mapping[str, Any]
Verdict = Literal["ok", "exceeded", "unknown"]


class Unknown(NamedTuple):
    """Kernels that could not be counted: in the target, in the NAME of `ratio(NAME)`, in `baseline` or `locked`."""

    own: tuple[Kernel, ...] = ()
    ratio_to: tuple[Kernel, ...] = ()
    compared: tuple[Kernel, ...] = ()

    @property
    def kernels(self) -> list[Kernel]:
        """All of them; a kernel of something else than the target has its name in `of`. Each is listed once."""
        found: list[Kernel] = [{**one, "of": ""} for one in self.own]
        seen = {(one["op"], one["module"]) for one in self.own}
        for one in (*self.ratio_to, *self.compared):
            if (one["op"], one["module"]) not in seen:
                seen.add((one["op"], one["module"]))
                found.append(one)
        return found


def named(kernels: Iterable[Kernel], of: str) -> tuple[Kernel, ...]:
    """The kernels with the name of what they belong to."""
    return tuple({**one, "of": of} for one in kernels)


def judged(row: dict[str, Any], limit: Limit, unknown: Unknown, policy: Literal["fail", "allow"]) -> dict[str, Any]:
    """The row of a limit with what is not known about it. Its `ok` is that of the numbers as far as they are counted.

    known: whether the actual number and the bound are exact; a number that is "at least" is a lower bound. uncounted:
    the kernels. reason: why the limit fails although its number may be within it, else None. verdict: exceeded only if
    no further cost could bring the number back.
    """
    actual = "unknown" if unknown.ratio_to else "at least" if unknown.own else "exact"
    bound = "unknown" if unknown.compared or (unknown.own and limit.reads(*KINDS)) else "exact"
    kernels = unknown.kernels
    fails = bool(kernels) and policy == "fail"
    verdict: Verdict = "ok" if row["ok"] else "exceeded"
    if fails and not (_is_too_much(row, limit) and actual == "at least" and bound == "exact"):
        verdict = "unknown"
    return {
        **row,
        "ok": row["ok"] and not fails,
        "verdict": verdict,
        "known": {"actual": actual, "bound": bound},
        "uncounted": kernels,
        "reason": f"not counted: {kernels_text(kernels)}" if fails else None,
    }


def _is_too_much(row: Mapping[str, Any], limit: Limit) -> bool:
    """Whether the number is above an upper bound."""
    return not row["ok"] and not limit.comparison.startswith(">") and row["excess"] >= 0

"""Kernels without a counting rule, in words. Where there are some, the numbers are lower bounds: "at least"."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Kernels = Sequence[Mapping[str, Any]]
# A sentence names at most this number of kernels; JSON has all of them.
_NAMED = 4
RULE_HINT = "give the kernel a rule, with flopcalc.register_kernel or under kernels: in flopcalc.yaml"


def kernel_text(one: Mapping[str, Any]) -> str:
    """`aten.cumsum in encoder.0, 2 times`. A kernel of another network, as `of` names it, has that name at the end."""
    where = f" in {one['module']}" if one["module"] else ""
    of = f", of {one['of']}" if one.get("of") else ""
    return f"{one['op']}{where}, {_times(one['count'])}{of}"


def kernels_text(kernels: Kernels) -> str:
    """The kernels in one sentence, without a full stop."""
    named = "; ".join(kernel_text(one) for one in kernels[:_NAMED])
    return named if len(kernels) <= _NAMED else f"{named}; and {len(kernels) - _NAMED:,} more"


def uncounted_lines(kernels: Kernels) -> Iterator[str]:
    """One line for each kernel without a rule."""
    return map(kernel_text, kernels)


def how_many(kernels: Kernels) -> str:
    """`2 kernels were not counted`."""
    count = sum(one["count"] for one in kernels)
    return "1 kernel was not counted" if count == 1 else f"{count:,} kernels were not counted"


def at_least(text: str, kernels: Kernels) -> str:
    """A number as text, as a lower bound if there are kernels without a rule."""
    return f"at least {text}" if kernels else text


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"

"""`tolerance` in the file of targets: how much a cost may grow since another revision, for `check --against`."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from flopcalc.cost.kinds import KINDS
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.targets.limits import Limit

# What is compared where the file does not say: the rest are parts of flops.
COMPARED = ("params", "macs", "flops", "activations", "traffic", "steps")
_PERCENT = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,9})?) ?%")
_EXAMPLE = "for example tolerance: 2%, tolerance: {params: 0, macs: 1%}, or tolerance: any"


class Tolerance(NamedTuple):
    """The share by which each kind of cost may grow. line: of the key in the file. stated: whether the file has it."""

    shares: Mapping[str, Fraction]
    line: int = 0
    stated: bool = True


NO_GROWTH = Tolerance(dict.fromkeys(COMPARED, Fraction(0)), stated=False)


def read_tolerance(given: Any, line: int = 0) -> Tolerance:
    """A tolerance from its value in the file. Raises FlopcalcError (bad-config), without the place."""
    if not isinstance(given, Mapping):
        share = _share(given)
        return Tolerance({} if share is None else dict.fromkeys(COMPARED, share), line)
    for name in given:
        if name not in KINDS:
            near = unknown_name("kind of cost", str(name), KINDS, f"tolerance is for: {', '.join(KINDS)}")
            raise FlopcalcError("bad-config", near.message, near.hint)
    shares = {name: _share(value) for name, value in given.items()}
    return Tolerance({name: share for name, share in shares.items() if share is not None}, line)


def _share(given: Any) -> Fraction | None:
    """A share; None for `any`."""
    if given == "any":
        return None
    if isinstance(given, str) and (found := _PERCENT.fullmatch(given.strip())):
        return Fraction(found[1]) / 100
    if given == 0 and not isinstance(given, bool):
        return Fraction(0)
    hint = f"write the share in percent: {given}%; {_EXAMPLE}" if isinstance(given, int | float) else _EXAMPLE
    raise FlopcalcError("bad-config", f"tolerance is {clip(given)}, not a percentage, 0, or any", hint)


def growth_limits(tolerance: Tolerance, revision: str) -> list[Limit]:
    """The limits that a tolerance means, with the cost at a revision as `locked`."""
    found = []
    for kind, share in tolerance.shares.items():
        factor = 1 + share
        more = f" + {_percent(share)}" if share else ""
        right = "locked" if not share else f"locked * {factor.numerator} / {factor.denominator}"
        text = f"{kind} <= {revision}{more}"
        found.append(
            Limit(
                text=text,
                each="target",
                pattern="",
                quantity=kind,
                ratio_to="",
                comparison="<=",
                right=right,
                line=tolerance.line,
            )
        )
    return found


def _percent(share: Fraction) -> str:
    value = share * 100
    return f"{value.numerator}%" if value.denominator == 1 else f"{float(value)}%"

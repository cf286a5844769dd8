"""Sizes as text: `3x5x5`."""

import re
from typing import Any

_SIZES = re.compile(r"[0-9]{1,30}(x[0-9]{1,30}){1,2}", re.ASCII)


def sizes_of(value: Any) -> tuple[int, ...] | None:
    """The sizes that a text such as `3x5` or `3x5x5` names; None for anything else."""
    if not isinstance(value, str) or not _SIZES.fullmatch(value):
        return None
    return tuple(map(int, value.split("x")))

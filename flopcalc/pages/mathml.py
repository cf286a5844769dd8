"""Formulas for a browser: MathML of the LaTeX that other rooms write. No font and no script is needed to show it."""

import re
from functools import lru_cache

# Digits in groups of three, and names in upright letters, which are one word and not a product.
_GROUPED = re.compile(r"(?<=\d)\\,(?=\d{3}(?!\d))")
_NAME = re.compile(r"\\mathrm\{([^{}]*)\}")
_NUMBER = re.compile(r"<mn>(\d{4,})</mn>")
# The converter leaves these as they are. Characters for private use are in their place meanwhile.
_ENTITIES = {"\ue000": "&lt;", "\ue001": "&gt;", "\ue002": "&amp;"}
_MARKS = str.maketrans(dict(zip("<>&", _ENTITIES, strict=True)))
_HEAD = re.compile(r"<math [^>]*>")


@lru_cache(maxsize=4096)
def mathml(latex: str) -> str:
    """The LaTeX of a formula, without its environment, as MathML; numbers have commas, as in tables."""
    from latex2mathml.converter import convert

    found: str = convert(_NAME.sub(r"\\text{\1}", _GROUPED.sub("", latex.translate(_MARKS))))
    for held, entity in _ENTITIES.items():
        found = found.replace(held, entity)
    return _HEAD.sub('<math displaystyle="true">', _NUMBER.sub(_with_commas, found), count=1)


def _with_commas(number: re.Match[str]) -> str:
    return f"<mn>{int(number[1]):,}</mn>"

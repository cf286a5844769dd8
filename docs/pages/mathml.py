"""Equations as MathML, which browsers typeset without any script."""

import re

from flopcalc.pages.mathml import mathml as _mathml

# A subscript of several letters is a word, and not a product.
_WORD = re.compile(r"_\{([A-Za-z]{2,})\}")


def mathml(latex: str) -> str:
    """A `math` element for an expression in LaTeX."""
    return _mathml(_WORD.sub(r"_{\\mathrm{\1}}", latex))

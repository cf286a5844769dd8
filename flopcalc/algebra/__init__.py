"""Closed forms, limits and proofs. The only room that imports SymPy; import it lazily."""

from typing import TYPE_CHECKING

from flopcalc import optional

if TYPE_CHECKING:
    import sympy
else:
    sympy = optional.load("sympy", "SymPy", "sympy>=1.12", "algebra")

__all__ = ["sympy"]

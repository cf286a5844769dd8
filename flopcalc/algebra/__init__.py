"""Closed forms, limits and proofs. The only room that imports SymPy; import it lazily."""

from flopcalc.errors import missing_package

try:
    import sympy
except ImportError:
    raise missing_package("SymPy", "sympy>=1.12", "algebra") from None

__all__ = ["sympy"]

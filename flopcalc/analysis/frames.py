"""Rows as a data frame, where pandas is installed."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from flopcalc.errors import missing_package


def pandas_frame(rows: Sequence[dict[str, Any]]) -> Any:
    """The rows as a pandas DataFrame. Raises FlopcalcError (missing-package) where pandas is not installed."""
    try:
        return import_module("pandas").DataFrame(rows)
    except ImportError:
        raise missing_package("pandas", "pandas", "a data frame") from None

"""The base of all results: how one is shown in a notebook, and its rows for other libraries.

How results are shown is the business of `report`, a room above those of the results. So nothing is imported here: the
package itself (`flopcalc/__init__.py`), which may use all rooms, has the function that shows a result.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from flopcalc.cost.frames import columns_of, pandas_frame, polars_frame


def _shown() -> Any:
    """The module that shows results."""
    return sys.modules[__name__.partition(".")[0]]._results()


class Result:
    """The base of all results."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON: what the command of this result writes with `--format json`."""
        found: dict[str, Any] = _shown().record(self)
        return found

    def to_rows(self) -> Any:
        """The rows as plain data: a list with a dict for each part, layer or module."""
        return _shown().rows(self)

    def to_pandas(self) -> Any:
        """The rows as a pandas.DataFrame. Raises FlopcalcError (missing-package) where pandas is not installed."""
        return pandas_frame(self._frame_columns())

    def to_polars(self) -> Any:
        """The rows as a polars.DataFrame. Raises FlopcalcError (missing-package) where polars is not installed."""
        return polars_frame(self._frame_columns())

    def _frame_columns(self) -> Mapping[str, Sequence[Any]]:
        return columns_of(self.to_rows())

    def _repr_html_(self) -> str | None:
        """The result for notebooks: what its command shows, as part of a page."""
        found: str | None = _shown().html(self)
        return found

"""Execute examples/tour.ipynb and store its outputs in it: `make tour`.

The notebook is kept with its outputs, so that it can be read where nothing is executed, such as on a code host. A test
executes it and compares the stored texts with the new ones.
"""

import os
import sys
from pathlib import Path
from typing import Any

TOUR = Path(__file__).parent.parent / "examples" / "tour.ipynb"
_SECONDS = 300


def executed(path: Path = TOUR) -> Any:
    """The notebook with the outputs of a new execution. The file stays as it is."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    client = nbclient.NotebookClient(
        notebook, timeout=_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    # Tables of commands have the width of a page. The package is that of this checkout.
    search = os.pathsep.join([str(TOUR.parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    client.execute(env={**os.environ, "COLUMNS": "100", "PYTHONPATH": search})
    for cell in notebook.cells:
        # Times of execution would change with each run.
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            # A progress bar that has ended is an empty output, there where a call took more than a second.
            cell.outputs = [one for one in cell.outputs if "data" not in one or any(one.data.values())]
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def main() -> int:
    """Write the notebook with new outputs."""
    import nbformat

    notebook = executed()
    nbformat.write(notebook, TOUR)  # type: ignore[no-untyped-call]
    print(f"wrote {TOUR.name}: {len(notebook.cells)} cells, {TOUR.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())

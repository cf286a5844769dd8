"""The page of the Python API: every public name, documented by its docstring."""

from collections.abc import Iterator, Sequence

import flopcalc

# Public names outside of `flopcalc` itself, that need PyTorch or belong to tests.
_MODULES = ("flopcalc.pytorch.counted_network", "flopcalc.pytorch.build_network", "flopcalc.pytorch.build_layer")
_TESTING = "flopcalc.testing.Costs"


def page() -> str:
    """The page in Markdown, with the directives of mkdocstrings."""
    return "\n".join(_lines()) + "\n"


def _rows(names: Sequence[str]) -> Iterator[str]:
    """Names of an import, in lines that fit a phone."""
    for start in range(0, len(names), 4):
        yield f"    {', '.join(names[start : start + 4])},"


def _lines() -> Iterator[str]:
    names = [name for name in flopcalc.__all__ if not name.startswith("__")]
    functions = [name for name in names if name[:1].islower()]
    yield "# Python API"
    yield ""
    yield "```python"
    yield from ("from flopcalc import (", *_rows(functions), ")")
    yield "```"
    yield ""
    yield (
        "All names are loaded on first use, so that `import flopcalc` is fast. Results are records with a short "
        "`repr`; they have the kinds of cost as properties (`params`, `macs`, `flops`, `activations`, `traffic`, "
        "`steps`, `adds`, "
        "`muls`, `other`), exact, as whole numbers. Errors are `FlopcalcError`, with a `code`, a message and a hint."
    )
    yield from ("", "## Functions", "")
    yield from (f"::: flopcalc.{name}\n" for name in functions)
    yield from ("## Results and errors", "")
    yield from (f"::: flopcalc.{name}\n" for name in names if name not in functions)
    yield from ("## With PyTorch", "")
    yield from (f"::: {name}\n" for name in _MODULES)
    yield from ("## In tests", "")
    yield "The pytest fixture `flopcalc` is an object with these assertions ([budgets](budgets.md#pytest))."
    yield ""
    yield f"::: {_TESTING}\n"

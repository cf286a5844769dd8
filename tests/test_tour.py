"""The tour of examples/tour.ipynb runs, and what it stores as output is still so."""

import re
import runpy
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT

TOUR = ROOT / "examples" / "tour.ipynb"


@lru_cache
def _notebooks() -> tuple[Any, Any]:
    """The notebook as it is stored, and as it is executed now."""
    for package in ("nbclient", "nbformat", "ipykernel", "torch", "sympy", "numpy", "pandas", "altair", "vl_convert"):
        pytest.importorskip(package)
    import nbformat

    tour = runpy.run_path(str(ROOT / "tools" / "tour.py"))
    return nbformat.read(TOUR, as_version=4), tour["executed"]()  # type: ignore[no-untyped-call]


def _texts(cell: Any) -> list[str]:
    """The outputs of a cell that are text: streams, plain text and pages, without pictures and typeset formulas.

    Pictures and MathML are drawn by other packages, whose next versions draw them in another way.
    """
    found = []
    for output in cell.get("outputs", ()):
        assert output.output_type != "error", output
        if output.output_type == "stream":
            assert output.name == "stdout", output.text
            found.append(output.text)
            continue
        data = output.data
        if set(data) <= {"text/plain", "text/html"} and not "".join(data.values()):
            # A progress bar that has ended: there where the call took more than a second.
            continue
        found.append("image/svg+xml" if "image/svg+xml" in data else data["text/plain"])
        found.append(re.sub(r"<math.*?</math>|<style>.*?</style>", "", data.get("text/html", ""), flags=re.DOTALL))
    # The address of an object.
    return [re.sub(r"0x[0-9a-f]+", "", text) for text in found]


def test_it_runs_and_its_outputs_are_right() -> None:
    """Each stored text is what the cell shows now; `make tour` stores them again. The file stays as it is."""
    before = TOUR.read_bytes()
    stored, now = _notebooks()
    assert TOUR.read_bytes() == before
    assert len(stored.cells) == len(now.cells)
    for old, new in zip(stored.cells, now.cells, strict=True):
        assert _texts(old) == _texts(new), f"after a wanted change run `make tour`; the cell is:\n{old.source}"


def test_it_answers_four_users_with_pictures() -> None:
    """A chapter for each, with pictures and results that show themselves."""
    stored, _ = _notebooks()
    chapters: dict[str, list[str]] = {}
    chapter = ""
    for cell in stored.cells:
        if cell.cell_type == "markdown" and (title := re.match(r"## (.*)", cell.source)):
            chapter = title[1]
            chapters[chapter] = []
        for output in cell.get("outputs", ()):
            if chapter and output.output_type != "stream":
                chapters[chapter] += [kind for kind in output.data if kind != "text/plain"]
    assert list(chapters)[:4] == ["Designing a layer", "A budget", "Keeping a model cheap", "Reading papers"]
    kinds = [kind for found in chapters.values() for kind in found]
    assert kinds.count("image/svg+xml") >= 4
    assert kinds.count("text/html") >= 6
    # Links of the first cell lead to the chapters, others to files.
    for target in re.findall(r"\]\(([^)]+)\)", "\n".join(cell.source for cell in stored.cells)):
        if target.startswith("#"):
            assert target[1:].replace("-", " ") in chapters
        else:
            assert (TOUR.parent / target).exists(), target


def test_it_is_small_and_says_nothing_of_a_machine() -> None:
    """No path, no time of execution, no version of a kernel; at most 600 KB with its outputs."""
    text = TOUR.read_text()
    assert len(text) <= 600_000
    for word in ("/home/", "/root/", tempfile.gettempdir() + "/", str(Path.home()), '"execution": {', "Traceback"):
        assert word not in text

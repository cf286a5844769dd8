"""Writing a chart to a file: SVG, PDF, PNG, an interactive page, or its specification."""

import json
import os
import re
from typing import TYPE_CHECKING, Any

from flopcalc.charts.lengths import checked_width
from flopcalc.charts.picture import OURS, laid_out, load_altair, load_vl_convert
from flopcalc.charts.theme import DEFAULT_MM, PIXELS_PER_MM
from flopcalc.errors import FlopcalcError, clip
from flopcalc.text.atomic_file import open_atomically

if TYPE_CHECKING:
    import altair

FORMATS = ("svg", "pdf", "png", "html", "json")
PPI = 300
_SIZE = re.compile(r'<svg ([^>]*?)width="([0-9.]+)" height="([0-9.]+)"')


def load_packages() -> None:
    """Load what pictures need. Raises FlopcalcError (missing-package), before anything is computed."""
    load_altair()
    load_vl_convert()


def spec_of(chart: "altair.TopLevelMixin", width_mm: float | None = None) -> dict[str, Any]:
    """The specification of a chart, laid out so that the whole picture has that width (default: 170 mm)."""
    spec: dict[str, Any] = chart.to_dict()
    ours = OURS in spec.get("usermeta", {})
    if width_mm is None and not ours:
        return spec
    width = (DEFAULT_MM if width_mm is None else checked_width(width_mm)) * PIXELS_PER_MM
    found = laid_out(spec, width)
    # What is not the plot has the same width at every width of the plot, or nearly so.
    for _ in range(3):
        drawn = _drawn_width(_vega(found))
        if abs(drawn - width) < 0.5:
            break
        found = laid_out(spec, width, drawn - found["width"])
    return found


def svg(chart: "altair.TopLevelMixin", width_mm: float | None = None) -> str:
    """The SVG of a chart as text. width_mm: of the whole picture (default: 170, or that of a chart of your own).

    Text stays text, in a sans-serif font that each system has. Raises FlopcalcError (missing-package).
    """
    spec = spec_of(chart, width_mm)
    text = _vega(spec)
    if width_mm is None and OURS not in spec.get("usermeta", {}):
        return text
    return _in_mm(text, DEFAULT_MM if width_mm is None else width_mm)


def _vega(spec: dict[str, Any]) -> str:
    found: str = load_vl_convert().vegalite_to_svg(spec, vl_version=_version())
    return found


def _version() -> str:
    """The version of Vega-Lite for which Altair writes, as vl-convert names it."""
    major, minor, *_ = load_altair().SCHEMA_VERSION.removeprefix("v").split(".")
    known = load_vl_convert().get_vegalite_versions()
    version = f"{major}.{minor}"
    return version if version in known else str(known[-1])


def _drawn_width(text: str) -> float:
    match = _SIZE.search(text)
    assert match is not None  # noqa: S101 - vl-convert writes it
    return float(match[2])


def _in_mm(text: str, width_mm: float) -> str:
    """The picture with its size in millimetres instead of pixels."""
    match = _SIZE.search(text)
    assert match is not None  # noqa: S101 - vl-convert writes it
    height = float(match[3]) / float(match[2]) * width_mm
    head = f'<svg {match[1]}width="{width_mm:g}mm" height="{height:.2f}mm"'
    return text[: match.start()] + head + text[match.end() :]


def format_of(path: str) -> str:
    """The format that the suffix of a path names. Raises FlopcalcError (bad-usage)."""
    suffix = os.path.splitext(path)[1].lower().removeprefix(".")
    if suffix not in FORMATS:
        why = f"no picture has the suffix .{suffix}" if suffix else "the name has no suffix"
        known = ", ".join(f".{one}" for one in FORMATS)
        raise FlopcalcError("bad-usage", f"-o {clip(path)}: {why}", f"use one of {known}")
    return suffix


def content(chart: "altair.TopLevelMixin", fmt: str, width_mm: float | None = None, *, ppi: int = PPI) -> bytes:
    """The bytes of a picture in one of FORMATS. ppi: pixels per inch of a PNG. Raises FlopcalcError."""
    if fmt == "json":
        return (json.dumps(spec_of(chart, width_mm), indent=1, ensure_ascii=False) + "\n").encode()
    if fmt == "html":
        from flopcalc.charts.page import page

        return page(spec_of(chart, width_mm), _version()).encode()
    text = svg(chart, width_mm)
    if fmt == "svg":
        return text.encode()
    converter = load_vl_convert()
    if fmt == "pdf":
        return bytes(converter.svg_to_pdf(text))
    # vl-convert takes a pixel for a 72nd of an inch.
    return bytes(converter.svg_to_png(text, scale=72 / 96, ppi=ppi))


def save(
    chart: "altair.TopLevelMixin", path: str | os.PathLike[str], width_mm: float | None = None, *, ppi: int = PPI
) -> None:
    """Write a chart to a file, in the format that the suffix names: .svg, .pdf, .png, .html or .json.

    .html is an interactive page, which needs no network. .json is the specification in Vega-Lite. width_mm: of the
    whole picture (default: 170). ppi: pixels per inch of a PNG.
    Raises FlopcalcError (bad-usage, missing-package, unwritable-output).
    """
    name = os.fspath(path)
    data = content(chart, format_of(name), width_mm, ppi=ppi)
    with open_atomically(name, binary=True) as file:
        file.write(data)

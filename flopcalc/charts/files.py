"""Writing a chart to a file: SVG, PDF, PNG, an interactive page, or its specification."""

import json
import os
import re
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from flopcalc.charts.lengths import checked_width
from flopcalc.charts.picture import OURS, laid_out, load_altair, load_vl_convert
from flopcalc.charts.theme import DEFAULT_MM, PIXELS_PER_MM
from flopcalc.errors import FlopcalcError, as_name, clip
from flopcalc.text.atomic_file import open_atomically

if TYPE_CHECKING:
    import altair

FORMATS = ("svg", "pdf", "png", "html", "json")
PPI = 300
_RESOURCES = re.compile(rb"(/(?:XObject|ExtGState|Font|Pattern|Shading|ColorSpace) <<\n)((?: +/\w+ \d+ 0 R\n)+)")
_SIZE = re.compile(r'<svg ([^>]*?)width="([0-9.]+)" height="([0-9.]+)"')


def load_packages() -> None:
    """Load what pictures need. Raises FlopcalcError (missing-package), before anything is computed."""
    load_altair()
    load_vl_convert()


def spec_of(chart: "altair.TopLevelMixin", width_mm: float | None = None) -> dict[str, Any]:
    """The specification of a chart, laid out so that the whole picture has that width (default: 170 mm)."""
    return _drawn(chart, width_mm)[0]


def svg(chart: "altair.TopLevelMixin", width_mm: float | None = None) -> str:
    """The SVG of a chart as text. width_mm: of the whole picture (default: 170, or that of a chart of your own).

    Text stays text, in a sans-serif font that each system has. Raises FlopcalcError (missing-package, bad-option).
    """
    return _svg(chart, width_mm, "mm")


def _svg(chart: "altair.TopLevelMixin", width_mm: float | None, unit: Literal["mm", ""]) -> str:
    """The SVG, with its size in millimetres, or in points without a unit."""
    spec, text = _drawn(chart, width_mm)
    if width_mm is None and not _is_ours(spec):
        return text
    width_mm = DEFAULT_MM if width_mm is None else width_mm
    return _sized(text, width_mm if unit else width_mm * 72 / 25.4, unit, str(spec.get("description", "")))


def _is_ours(spec: dict[str, Any]) -> bool:
    return OURS in (spec.get("usermeta") or {})


def _drawn(chart: "altair.TopLevelMixin", width_mm: float | None) -> tuple[dict[str, Any], str]:
    """The specification at a width, and its SVG with lengths in pixels."""
    if not hasattr(chart, "to_dict") or not hasattr(chart, "to_json"):
        why = f"the chart is {clip(chart)}, not one of Altair"
        raise FlopcalcError("bad-usage", why, "give what a function of flopcalc.charts returns")
    # Altair checked the parts when the chart was made; checking all rows takes a second for a thousand of them.
    spec: dict[str, Any] = chart.to_dict(validate=False)
    if width_mm is None and not _is_ours(spec):
        return spec, _vega(spec)
    width = (DEFAULT_MM if width_mm is None else checked_width(width_mm)) * PIXELS_PER_MM
    spec = laid_out(spec, width)
    text = _vega(spec)
    # What is not the plot has the same width at every width of the plot, or nearly so.
    for _ in range(4):
        drawn = _width_of(text)
        if abs(drawn - width) < 0.5:
            break
        spec = laid_out(spec, width, drawn - spec["width"])
        text = _vega(spec)
    return spec, text


def _vega(spec: dict[str, Any]) -> str:
    found: str = load_vl_convert().vegalite_to_svg(spec, vl_version=_version())
    return found


def _version() -> str:
    """The version of Vega-Lite for which Altair writes, as vl-convert names it."""
    major, minor, *_ = load_altair().SCHEMA_VERSION.removeprefix("v").split(".")
    version = f"{major}.{minor}"
    # Older versions do not list what they have.
    known = getattr(load_vl_convert(), "get_vegalite_versions", lambda: [version])()
    return version if version in known else str(known[-1])


def _width_of(text: str) -> float:
    match = _SIZE.search(text)
    assert match is not None  # noqa: S101 - vl-convert writes it
    return float(match[2])


def _sized(text: str, width: float, unit: str, description: str) -> str:
    """The picture with its size in a unit instead of pixels, and as one image for a screen reader."""
    match = _SIZE.search(text)
    assert match is not None  # noqa: S101 - vl-convert writes it
    height = float(match[3]) / float(match[2]) * width
    size = f'width="{width:.6g}{unit}" height="{height:.5g}{unit}"'
    head = f'<svg {match[1]}{size} role="img" aria-label="{escape(description)}"'
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
    if fmt == "svg":
        return svg(chart, width_mm).encode()
    converter = load_vl_convert()
    if fmt == "pdf":
        # vl-convert takes a number without a unit for points.
        return _in_order(bytes(converter.svg_to_pdf(_svg(chart, width_mm, ""))))
    # And an inch of a PNG for 72 pixels.
    return bytes(converter.svg_to_png(svg(chart, width_mm), scale=72 / 96, ppi=ppi))


def _in_order(pdf: bytes) -> bytes:
    """The same PDF with its lists of resources in the order of their names; vl-convert writes them in any order.

    Lines change their places inside an object, so that no position in the file's own index changes.
    """
    return _RESOURCES.sub(lambda found: found[1] + b"".join(sorted(found[2].splitlines(keepends=True))), pdf)


def save(
    chart: "altair.TopLevelMixin", path: str | os.PathLike[str], width_mm: float | None = None, *, ppi: int = PPI
) -> None:
    """Write a chart to a file, in the format that the suffix names: .svg, .pdf, .png, .html or .json.

    .html is an interactive page, which needs no network. .json is the specification in Vega-Lite. width_mm: of the
    whole picture (default: 170). ppi: pixels per inch of a PNG.
    Raises FlopcalcError (bad-usage, missing-package, unwritable-output).
    """
    name = as_name(path, "picture")
    data = content(chart, format_of(name), width_mm, ppi=ppi)
    with open_atomically(name, binary=True) as file:
        file.write(data)

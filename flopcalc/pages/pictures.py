"""The charts of a page as SVG inside it, with a sentence for those who do not see them."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from zlib import crc32

from flopcalc import charts
from flopcalc.analysis.memory.record import Memory, readable
from flopcalc.analysis.roofline import Roofline
from flopcalc.errors import FlopcalcError
from flopcalc.networks.network import Network
from flopcalc.pages.page import Chart
from flopcalc.report.document import people, seconds

if TYPE_CHECKING:
    import altair

_WIDTH_MM = 180.0
# More groups than this are no picture.
_STAGES = 40
_LONG = re.compile(r"-?\d+\.\d{3,}(?!e)")


def of_replacement(before: Network, after: Network) -> list[Chart]:
    """MACs and parameters by stage, before and after."""
    if len({layer.stage for network in (before, after) for layer in network.layers}) > _STAGES:
        return []
    return [
        *_drawn(
            lambda: charts.replacement(before, after, "macs"),
            f"Bars of the MACs of each stage before and after: {people(before.macs)} and {people(after.macs)} in sum.",
            "MACs by stage, before and after the replacement.",
        ),
        *_drawn(
            lambda: charts.replacement(before, after, "params"),
            f"Bars of the parameters of each stage: {people(before.params)} and {people(after.params)} in sum.",
            "Parameters by stage, before and after the replacement.",
        ),
    ]


def of_roofline(found: Roofline) -> list[Chart]:
    """The layers under the roof of the device."""
    limits = ", ".join(f"{name} {seconds(part)}" for name, part in found.limited_by.items())
    return [
        *_drawn(
            lambda: charts.roofline(found),
            f"Roofline of {found.device.title}: FLOP/s of each {found.rows} by its FLOPs per byte. Time by what limits "
            f"the {found.rows}s: {limits}.",
            f"Each point is a {found.rows} on {found.device.title}; its area is its time. The points have names where "
            f"the {found.rows}s of one point take the most time together. The line is what the device can do at most.",
        )
    ]


def of_memory(found: Memory) -> list[Chart]:
    """The bytes alive during each layer."""
    return [
        *_drawn(
            lambda: charts.memory_by_layer(found),
            f"Bytes of tensors alive during each layer, without weights: at most "
            f"{readable(found.activations_peak)} at {found.activations_at}.",
            "Tensors alive during each layer, in the order of execution; weights and input come in addition.",
        )
    ]


def _drawn(draw: "Callable[[], altair.TopLevelMixin]", label: str, caption: str) -> Iterator[Chart]:
    """The chart; nothing for a target of which there is nothing to draw, such as a roofline without FLOPs."""
    try:
        chart = draw()
    except FlopcalcError as error:
        if error.code != "bad-usage":
            raise
        return
    yield Chart(inline(charts.svg(chart, _WIDTH_MM), label), label, caption)


def inline(svg: str, label: str) -> str:
    """A picture as an element of a page: one image with a label, without names that another picture may have too."""
    # Written by vl-convert from our own numbers, with all text escaped.
    root = ElementTree.fromstring(svg)  # noqa: S314
    _plain(root, f"p{crc32(label.encode()):x}")
    root.attrib |= {"role": "img", "aria-label": label}
    return ElementTree.tostring(root, encoding="unicode")


def _plain(element: Any, prefix: str) -> None:
    """Drop namespaces, roles and labels of parts; give each identifier a prefix of its own."""
    for one in element.iter():
        one.tag = one.tag.rpartition("}")[2]
        for name, value in list(one.attrib.items()):
            del one.attrib[name]
            short = name.rpartition("}")[2]
            if short in ("class", "role", "version") or short.startswith("aria-"):
                continue
            text = f"{prefix}-{value}" if short == "id" else value.replace("url(#", f"url(#{prefix}-")
            # A hundredth of a pixel is fine enough, and a picture of thousands of layers stays small.
            one.attrib[short] = f"#{prefix}-{text[1:]}" if short == "href" else _LONG.sub(_rounded, text)


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}"

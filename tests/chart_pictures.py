"""One picture of each kind, for tests, and what a drawn picture holds."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple
from xml.etree import ElementTree

import flopcalc
from flopcalc import charts
from flopcalc.charts.theme import text_width
from flopcalc.networks.network import Network
from flopcalc.targets.read import Target, read_target
from flopcalc.targets.spec import from_texts


@lru_cache
def target(name: str, *replace: str) -> Target:
    """A described network, with layers replaced."""
    return read_target(from_texts(name, replace_texts=replace))


def network(name: str, *replace: str) -> Network:
    """The same after replacement."""
    return target(name, *replace).network


def renamed(found: Any) -> Any:
    """The same network or memory, with long names of its layers."""
    # Named tuples.
    return replace(found, layers=[one._replace(name=MODULE + one.name) for one in found.layers])


EIGHT = ("conv", "ghost", "spconv", "compconv", "dynamic_conv", "spatial_bottleneck", "octconv", "involution")
PATH = "/home/me/projects/a-long-name/networks/variants/my-network-with-no-space-in-its-name-v12.yaml"
MODULE = "encoder.blocks.0.a_module_with_a_very_long_name_that_says_what_it_does."
LONG = "a network with a long name, alpha=0.125, groups=4"

# Name -> the chart. Each kind, and what is hard to draw.
PICTURES: dict[str, Callable[[], Any]] = {
    "size": lambda: charts.cost_by_size(flopcalc.sweep("conv", "ghost", "spconv", "compconv", c_in="16:512:16")),
    "size, eight operators": lambda: charts.cost_by_size(flopcalc.sweep(*EIGHT, c_in="16:512:16"), kind="flops"),
    "size, settings": lambda: charts.cost_by_size(
        flopcalc.sweep("spconv", c_in="16:512:16", k="3,5", alpha="1/8,1/4,1/2")
    ),
    "size, many lines": lambda: charts.cost_by_size(
        flopcalc.sweep("spconv", "conv", c_in="16:128:16", k="3,5,7", alpha="1/8,1/4,1/2", stride="1,2")
    ),
    "size, one operator": lambda: charts.cost_by_size(flopcalc.sweep("conv", c_in="16:512:16"), title="One line"),
    "size, one point": lambda: charts.cost_by_size(flopcalc.sweep("conv", "ghost", c_in=64)),
    "size, one point of one line": lambda: charts.cost_by_size(flopcalc.sweep("conv", c_in=64)),
    "size, zeros": lambda: charts.cost_by_size(flopcalc.sweep("conv", "shift_only", "adder", c_in="16:512:16")),
    "size, only zeros": lambda: charts.cost_by_size(flopcalc.sweep("shift_only", c_in="16:512:16")),
    "size, linear": lambda: charts.cost_by_size(flopcalc.sweep("conv", "ghost", c_in="16:512:16"), log=False),
    "size, ratios": lambda: charts.cost_by_size(
        flopcalc.sweep("conv", "ghost", c_in=64, stride="1:4", columns="operator,stride,ratio(traffic)"),
        kind="ratio(traffic)",
    ),
    "size, networks": lambda: charts.cost_by_size(
        flopcalc.sweep("resnet18", "mobilenet_v2", input="128:320:32", replace="none,ghost")
    ),
    "stage": lambda: charts.cost_by_stage(
        {"resnet50": network("resnet50"), "resnet50 with spconv": network("resnet50", "spconv")}
    ),
    "stage, one": lambda: charts.cost_by_stage(network("mobilenet_v2"), "params"),
    "stage, different": lambda: charts.cost_by_stage(
        [(LONG, network("densenet121")), ("vit_b_16", network("vit_b_16")), ("hrnet_w18", network("hrnet_w18"))]
    ),
    "stage, long names": lambda: charts.cost_by_stage(
        [(PATH, network("resnet18")), ("resnet18", network("resnet18")), (LONG * 4, network("resnet18"))]
    ),
    "replacement": lambda: charts.replacement(network("resnet50"), network("resnet50", "spconv")),
    "replacement, layers": lambda: charts.replacement(network("resnet152"), network("resnet152", "ghost"), by="layer"),
    "replacement, long names": lambda: charts.replacement(
        *(renamed(network("resnet18", *one)) for one in ((), ("spconv",))), by="layer"
    ),
    "front": lambda: charts.front(
        flopcalc.sweep("conv", "ghost", "spconv", "compconv", c_in="16:128:16", k="3,5"), "macs", "-c_out"
    ),
    "front, settings": lambda: charts.front(
        flopcalc.sweep("spconv", "ghost", c_in=128, k="3,5,7", alpha="1/8,1/4,1/2"), "params", "-k"
    ),
    "roofline": lambda: charts.roofline(
        flopcalc.roofline("resnet50", device="h200", dtype="float16", batch=32, execution="graph")
    ),
    "roofline, operator": lambda: charts.roofline(flopcalc.roofline("ghost", device="h100", c_in=256)),
    "roofline, small device": lambda: charts.roofline(flopcalc.roofline("mobilenet_v2", device="raspberry-pi-5")),
    "memory": lambda: charts.memory_by_layer(flopcalc.memory("resnet152")),
    "memory, few layers": lambda: charts.memory_by_layer(flopcalc.memory("alexnet")),
    "memory, long names": lambda: charts.memory_by_layer(renamed(flopcalc.memory("alexnet"))),
    "memory, one module": lambda: charts.memory_by_layer(flopcalc.memory("swin_t")),
}


@lru_cache
def picture(name: str) -> Any:
    """The chart of a name in PICTURES."""
    return PICTURES[name]()


class Text(NamedTuple):
    """A text of a drawn picture, and its box in pixels of the picture: about that of its letters."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Text") -> bool:
        """Whether both overlap."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


_MOVES = re.compile(r"(translate|rotate)\(([-0-9.e]+)(?:[ ,]([-0-9.e]+))?\)")


def size_of(drawn: str) -> tuple[float, float]:
    """Width and height of the view box."""
    box = ElementTree.fromstring(drawn).attrib["viewBox"].split()  # noqa: S314 - our own
    return float(box[2]), float(box[3])


def texts_of(drawn: str) -> list[Text]:
    """All visible texts of an SVG; the outline that is drawn under a text is not one of its own."""
    return list(_texts(ElementTree.fromstring(drawn), 0.0, 0.0))  # noqa: S314 - our own


def _texts(element: ElementTree.Element, x: float, y: float) -> Iterator[Text]:
    turned = 0.0
    for move, one, other in _MOVES.findall(element.attrib.get("transform", "")):
        if move == "rotate":
            turned = float(one)
        else:
            x, y = x + float(one), y + float(other or 0)
    if element.tag.endswith("}text") and "stroke" not in element.attrib and element.attrib.get("opacity") != "0":
        yield from _lines(element, x, y, turned)
    for child in element:
        yield from _texts(child, x, y)


def _lines(element: ElementTree.Element, x: float, y: float, turned: float) -> Iterator[Text]:
    size = float(element.attrib["font-size"].removesuffix("px"))
    pieces = [(span.text or "", float(span.attrib.get("dy", 0))) for span in element] or [(element.text or "", 0.0)]
    down = 0.0
    for text, further in pieces:
        down += further
        width = text_width(text, size)
        start = {"start": 0.0, "middle": -width / 2, "end": -width}[element.attrib.get("text-anchor", "start")]
        # Capitals and digits are 0.72 of the size high, and stand on the line; parts of a letter hang 0.2 below it.
        left, right, top, bottom = start, start + width, down - 0.72 * size, down + 0.2 * size
        if turned == -90:
            yield Text(text, x + top, y - right, x + bottom, y - left)
        elif not turned:
            yield Text(text, x + left, y + top, x + right, y + bottom)

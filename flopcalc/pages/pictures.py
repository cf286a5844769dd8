"""The charts of the page as SVG."""

from flopcalc.analysis.memory.record import Memory
from flopcalc.analysis.roofline import Roofline
from flopcalc.pages.gather import NetworkFacts
from flopcalc.pages.page import Chart


def of_replacement(facts: NetworkFacts) -> list[Chart]:
    return []


def of_roofline(found: Roofline) -> list[Chart]:
    return []


def of_memory(found: Memory) -> list[Chart]:
    return []

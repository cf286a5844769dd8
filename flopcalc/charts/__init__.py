"""Pictures of costs: functions that return an Altair chart, and functions that write one to a file.

They compute nothing but positions: the numbers are those of sweeps, networks and records of other rooms. Needs Altair
and vl-convert, the extra `plot`.

>>> import flopcalc
>>> from flopcalc import charts
>>> chart = charts.cost_by_size(flopcalc.sweep("conv", "ghost", c_in="16:64:16"))
>>> charts.save(chart, "figure.svg", width_mm=84)  # doctest: +SKIP
"""

from flopcalc.charts.before_after import replacement
from flopcalc.charts.files import save, svg
from flopcalc.charts.memory import memory_by_layer
from flopcalc.charts.pareto import front
from flopcalc.charts.roof import roofline
from flopcalc.charts.size import cost_by_size
from flopcalc.charts.stage import cost_by_stage

__all__ = ["cost_by_size", "cost_by_stage", "front", "memory_by_layer", "replacement", "roofline", "save", "svg"]

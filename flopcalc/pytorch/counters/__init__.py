"""Other counters, run as their own documentation shows: the figure that a tool prints for a module.

Public: `run_counter` (the figure of one tool for one call of a module), `reported` (the same as plain data),
`COUNTERS` (the tools, and how each one runs), `version_of`. A tool runs on a structural copy, so that the module that
is given is never changed, and leaves behind no patched function, hook, log handler or random state, also where it
raises.
"""

from flopcalc.pytorch.counters.counters import COUNTERS, Counter
from flopcalc.pytorch.counters.figure import Figure
from flopcalc.pytorch.counters.installed import version_of
from flopcalc.pytorch.counters.run import reported, run_counter

__all__ = ["COUNTERS", "Counter", "Figure", "reported", "run_counter", "version_of"]

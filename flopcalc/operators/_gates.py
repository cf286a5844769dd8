"""Shared by modules that only weight a map (CBAM, ECA, coordinate attention): their rules and policy."""

from flopcalc.spec.operator import Policy
from flopcalc.spec.rules import EQUAL_CHANNELS, ONE_GROUP, single_tap

RULES = (EQUAL_CHANNELS, ONE_GROUP, single_tap("it has no kernel, no stride and no padding of its own"))
POLICY = Policy("no convolution", lambda site: "it only weights a map")

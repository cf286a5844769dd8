"""Finding installed distributions and their versions, without importing them."""

import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from importlib.util import find_spec

# Where the make targets install the counters that may not lie on Python's path.
PEERS = os.path.join(sys.prefix, "peers")


def find(package: str) -> Distribution | None:
    """The installed distribution of that name, on Python's path or in its own folder of `PEERS`; None without one."""
    return next(found_as(package), None)


def found_as(package: str) -> Iterator[Distribution]:
    """All installed distributions of that name, the one that Python uses first."""
    yield from distributions(name=package, path=[*sys.path, os.path.join(PEERS, package)])


def has_module(name: str) -> bool:
    """Whether Python finds the module of that name; it is not imported. A folder without code is not a module."""
    try:
        spec = find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return False
    return spec is not None and spec.origin is not None


_VERSION = re.compile(r"v?(?:(\d+)!)?(\d+(?:\.\d+)*)[-_.]?(a|b|c|rc|alpha|beta|pre|preview|dev)?", re.IGNORECASE)


def at_least(version: str, least: str) -> bool | None:
    """Whether a version is the least one or newer; None where the version cannot be read. Both as PEP 440 has them."""
    found, wanted = _VERSION.match(version), _VERSION.match(least)
    if found is None or wanted is None:
        return None
    epochs = int(found[1] or 0), int(wanted[1] or 0)
    if epochs[0] != epochs[1]:
        return epochs[0] > epochs[1]
    parts = [list(map(int, one[2].split("."))) for one in (found, wanted)]
    length = max(map(len, parts))
    release, bound = ([*one, *[0] * (length - len(one))] for one in parts)
    # A pre-release comes before its release.
    return release > bound or (release == bound and (not found[3] or bool(wanted[3])))


def bounds(requirement: str) -> tuple[str, str]:
    """`numpy>=1.26` -> the name and the least version; the version is empty without a bound."""
    name, _, least = requirement.partition(">=")
    return name, least

"""Devices by name or by path: the shipped files, and reading a device of the user's own."""

import os
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import Any

from flopcalc.analysis.timing.device import (
    DEVICE_KINDS,
    DTYPES,
    EXECUTIONS,
    Device,
    Efficiency,
    Rates,
)
from flopcalc.analysis.timing.kernels import KERNEL_KINDS
from flopcalc.errors import as_name, clip, unknown_name
from flopcalc.text import shipped_files
from flopcalc.text.yaml_file import File, Map, read_file

# The sections of a file, and of its parts.
TOP = (
    "name",
    "title",
    "kind",
    "units",
    "clock",
    "operations",
    "peaks",
    "sparse_operations",
    "bandwidth",
    "memory",
    "cache",
    "sources",
    "unverified",
    "efficiency",
)
EFFICIENCY = ("like", "fitted_on", "launch", "start", "cache", "kept", *DTYPES)
# Of a dtype, by kind of kernel, and single numbers with their defaults.
TABLES = ("rate", "bandwidth")
NUMBERS = {
    "inner": 0.0,
    "columns": 0.0,
    "group_columns": 0.0,
    "outputs": 0.0,
    "launch": 1.0,
    "copies": 0.0,
    "winograd_gain": 0.0,
    "winograd_outputs": 1.0,
    "depthwise_window": 0.0,
}
KIND_NAMES = (*KERNEL_KINDS, "other")
# Without a section `efficiency`: the device that was measured and is most alike.
_MEASURED = {"gpu": "h200", "cpu": "i9-10940x", "npu": "h200"}
MAX_CHAIN = 3


def names() -> list[str]:
    """Names of the shipped devices."""
    return shipped_files.names("devices")


def device(name_or_path: str | os.PathLike[str] | Device) -> Device:
    """A device by its shipped name, or by the path of a YAML file. A `Device` is itself.

    Raises FlopcalcError (unknown-device, bad-device, bad-yaml, unreadable-file).
    """
    if isinstance(name_or_path, Device):
        return name_or_path
    name = as_name(name_or_path, "device")
    if name.endswith((".yaml", ".yml")) or os.sep in name:
        return _read(name, 0)
    return _shipped(name.lower())


@lru_cache(maxsize=64)
def _shipped(name: str) -> Device:
    if name not in names():
        how = f"devices: {', '.join(names())}; for a device of your own, give a path ending in .yaml"
        raise unknown_name("device", name, names(), how)
    return _read(os.path.join(shipped_files.folder("devices"), f"{name}.yaml"), 0)


def _read(path: str, depth: int) -> Device:
    file = File(path, "bad-device", "docs/roofline.md describes the file, with an example")
    data = file.keys(read_file(path, "device"), Map(), None, TOP, "a device")
    name = _text(file, data, "name", os.path.splitext(os.path.basename(path))[0])
    kind = next((one for one in DEVICE_KINDS if one == data.get("kind", "gpu")), None)
    if kind is None:
        raise file.error(data, "kind", f"kind is {clip(data['kind'])}", f"one of: {', '.join(DEVICE_KINDS)}")
    units = _whole(file, data, "units")
    clock = _number(file, data, "clock", 0)
    sources = file.keys(data.get("sources") or Map(), data, "sources", TOP, "sources")
    return Device(
        name=name,
        title=_text(file, data, "title", name),
        kind=kind,
        units=units,
        clock=clock,
        peaks=_peaks(file, data, units * clock),
        sparse={one: rate * units * clock for one, rate in _by_dtype(file, data, "sparse_operations").items()},
        bandwidth=_needed(file, data, "bandwidth"),
        memory=_number(file, data, "memory", 0),
        cache=_number(file, data, "cache", 0),
        sources={key: str(value) for key, value in sources.items()},
        unverified=_names(file, data),
        efficiency=_efficiency(file, data, kind, depth),
    )


def _peaks(file: File, data: Map, rate: float) -> dict[str, float]:
    """Peaks as they are given, or operations of a unit and clock times units and clock."""
    given, operations = _by_dtype(file, data, "peaks"), _by_dtype(file, data, "operations")
    if operations and ("units" not in data or not rate):
        raise file.error(
            data, "operations", "operations need units and clock", "write units: 20 and clock: 1.98e9 (Hz)"
        )
    for name in operations:
        if name in given:
            why = f"{name} has operations and a peak"
            raise file.error(data["peaks"], name, why, f"leave out one: operations give {operations[name] * rate:.4g}")
    found = {name: count * rate for name, count in operations.items()} | given
    if not found:
        raise file.error(data, None, "there is no peak", "write peaks: {float32: 1.0e13} (FLOP/s)")
    return {name: found[name] for name in DTYPES if name in found}


def _by_dtype(file: File, data: Map, key: str) -> dict[str, float]:
    if key not in data:
        return {}
    table = file.keys(data[key], data, key, tuple(DTYPES), key)
    return {name: _needed(file, table, name) for name in table}


def _names(file: File, data: Map) -> tuple[str, ...]:
    given = data.get("unverified") or []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise file.error(data, "unverified", "unverified is a list of names, such as [clock]")
    return tuple(given)


def _text(file: File, data: Map, key: str, default: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str) or not value.strip():
        raise file.error(data, key, f"{key} is {clip(value)}, not a text")
    return value


def _needed(file: File, data: Map, key: str) -> float:
    if key not in data:
        raise file.error(data, None, f"{key} is missing", f"write {key}: and a number")
    value = _number(file, data, key, 0)
    if not value:
        raise file.error(data, key, f"{key} is 0; it must be larger")
    return value


def _number(file: File, data: Mapping[str, Any], key: str, default: float) -> float:
    value = data.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e30 or not isfinite(value):
        raise file.error(
            data, key, f"{key} is {clip(value)}, not a number from 0 to 10^30", f"write for example {key}: 1.0e12"
        )
    return float(value)


def _whole(file: File, data: Map, key: str) -> int:
    value = _number(file, data, key, 1)
    if not value:
        raise file.error(data, key, f"{key} is 0; it must be larger")
    if value != int(value):
        raise file.error(data, key, f"{key} is {clip(data[key])}, not a whole number", f"write for example {key}: 20")
    return int(value)


def _efficiency(file: File, data: Map, kind: str, depth: int) -> Efficiency:
    if "efficiency" not in data:
        return _like(_MEASURED[kind])
    section = file.keys(data["efficiency"], data, "efficiency", EFFICIENCY, "efficiency")
    base: Efficiency | None = None
    if "like" in section:
        other = _text(file, section, "like", "")
        if other not in names() or depth >= MAX_CHAIN:
            raise file.error(
                section, "like", f"like is {clip(other)}, not a shipped device", f"one of: {', '.join(names())}"
            )
        base = _like(other, depth + 1)
    return Efficiency(
        launch=_by_execution(file, section, "launch", base),
        start=_by_execution(file, section, "start", base),
        cache=_number(file, section, "cache", base.cache if base else 0.0),
        kept={**(base.kept if base else {}), **_by_kind(file, section, "kept")},
        by_dtype=_by_dtypes(file, section, base),
        source=_text(file, section, "fitted_on", base.source if base and base.source else "not fitted"),
        like=base.like if base and not any(name in section for name in DTYPES) else "",
    )


def _like(name: str, depth: int = 1) -> Efficiency:
    path = os.path.join(shipped_files.folder("devices"), f"{name}.yaml")
    return _read(path, depth).efficiency._replace(like=name)


def _by_execution(file: File, section: Map, key: str, base: Efficiency | None) -> dict[str, float]:
    table = file.keys(section.get(key, Map()), section, key, EXECUTIONS, key)
    given = {name: _number(file, table, name, 0) for name in table}
    known: Mapping[str, float] = getattr(base, key) if base else {}
    return {**dict.fromkeys(EXECUTIONS, 0.0), **known, **given}


def _by_kind(file: File, section: Map, key: str) -> dict[str, float]:
    table = file.keys(section.get(key, Map()), section, key, KIND_NAMES, key)
    return {name: _number(file, table, name, 0) for name in table}


def _by_dtypes(file: File, section: Map, base: Efficiency | None) -> dict[str, Rates]:
    found = dict(base.by_dtype) if base else {}
    for name in DTYPES:
        if name in section:
            found[name] = _rates(file, section, name)
    if not found:
        raise file.error(section, None, "efficiency has no dtype", "write like: h200, or the parameters of a dtype")
    return found


def _rates(file: File, section: Map, name: str) -> Rates:
    table = file.keys(section[name], section, name, (*TABLES, *NUMBERS), name)
    rate, bandwidth = (_shares(file, table, key, name) for key in TABLES)
    numbers = {key: _number(file, table, key, default) for key, default in NUMBERS.items()}
    if not numbers["winograd_outputs"]:
        raise file.error(table, "winograd_outputs", f"{name}: winograd_outputs is 0; it must be larger")
    return Rates(rate, bandwidth, **numbers)


def _shares(file: File, table: Map, key: str, name: str) -> dict[str, float]:
    found = _by_kind(file, table, key)
    for kind, value in found.items():
        if not value:
            raise file.error(table[key], kind, f"{name}: {key} of {kind} is 0; it must be larger")
    return found

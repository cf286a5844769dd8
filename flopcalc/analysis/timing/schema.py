"""The JSON Schema of device files, for editors. It follows from the tables that the reader uses."""

from typing import Any

from flopcalc.analysis.timing.device import DEVICE_KINDS, DTYPES, EXECUTIONS
from flopcalc.analysis.timing.library import EFFICIENCY, KIND_NAMES, NUMBERS, TABLES, TOP

Schema = dict[str, Any]
_NUMBER: Schema = {"type": "number", "minimum": 0}
_TEXT: Schema = {"type": "string", "minLength": 1}


def device_schema() -> Schema:
    """The schema of a device file."""
    by_dtype = _closed({name: {"type": "number", "exclusiveMinimum": 0} for name in DTYPES})
    by_kind, by_execution = _numbers(KIND_NAMES), _numbers(EXECUTIONS)
    rates = _closed({**dict.fromkeys(TABLES, by_kind), **dict.fromkeys(NUMBERS, _NUMBER)})
    efficiency = {
        **dict.fromkeys(EFFICIENCY, rates),
        "like": {**_TEXT, "description": "the shipped device whose parameters it has"},
        "fitted_on": _TEXT,
        "launch": by_execution,
        "start": by_execution,
        "cache": _NUMBER,
        "kept": by_kind,
    }
    top: dict[str, Schema] = {
        "name": _TEXT,
        "title": _TEXT,
        "kind": {"enum": list(DEVICE_KINDS)},
        "units": {"type": "integer", "minimum": 1, "description": "multiprocessors or cores"},
        "clock": {**_NUMBER, "description": "Hz, the highest"},
        "operations": {**by_dtype, "description": "FLOPs of a unit and clock, dense"},
        "peaks": {**by_dtype, "description": "FLOP/s, dense, in place of operations"},
        "sparse_operations": by_dtype,
        "bandwidth": {**_NUMBER, "description": "bytes a second"},
        "memory": {**_NUMBER, "description": "bytes"},
        "cache": {**_NUMBER, "description": "bytes of the last cache"},
        "sources": _closed(dict.fromkeys(TOP, _TEXT)),
        "unverified": {"type": "array", "items": _TEXT},
        "efficiency": _closed(efficiency),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A device for flopcalc roofline",
        "description": "docs/roofline.md describes it",
        **_closed({key: top[key] for key in TOP}),
        "required": ["bandwidth"],
        "anyOf": [{"required": ["operations"]}, {"required": ["peaks"]}],
    }


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _numbers(names: tuple[str, ...]) -> Schema:
    return _closed(dict.fromkeys(names, _NUMBER))

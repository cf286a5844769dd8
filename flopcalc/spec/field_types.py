"""The types of the fields of an operator's record: each mistake is a ValueError that names the field."""

import re
from collections.abc import Mapping
from typing import Any

from flopcalc.errors import clip
from flopcalc.spec.source import Paper

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# The modules of torch.nn that the rules of counters know as a whole, and the options that these rules read.
_WHOLE_MODULES = ("LSTM", "GRU")
_WHOLE_MODULE_OPTIONS = ("num_layers", "bidirectional", "bias")
_TEXTS = ("title", "baseline_text")
_TEXTS_OR_EMPTY = ("family", "layer_file", "origin", "torch_module")
_FLAGS = ("takes_bias", "volume", "pads_unevenly")
_FUNCTIONS = ("baseline", "in_shape", "out_shape", "size_out", "inputs")
_FUNCTIONS_OR_NONE = ("notes", "default_c_out", "default_c_in", "c_in_of", "channel_map")


def check_types(record: Any) -> None:
    """Raise ValueError for a field of another type than the record's functions and readers need."""
    name = record.name
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"the name {clip(name)} is not of lower-case letters, digits and _, with a letter first")
    for field in _TEXTS:
        _expect(record, field, "text", _is_text)
    for field in _TEXTS_OR_EMPTY:
        _expect(record, field, "text", lambda value: isinstance(value, str))
    for field in _FLAGS:
        _expect(record, field, "True or False", lambda value: isinstance(value, bool))
    for field in _FUNCTIONS:
        _expect(record, field, "a function", callable)
    for field in _FUNCTIONS_OR_NONE:
        _expect(record, field, "a function or None", lambda value: value is None or callable(value))
    _expect(record, "paper", "a Paper", lambda value: isinstance(value, Paper))
    _expect(record, "axes", "1 or 2", lambda value: type(value) is int and value in (1, 2))
    _expect(record, "shape", "a mapping from sizes to numbers", _is_shape)
    for field in ("shapes", "samples"):
        _expect(record, field, "a tuple of mappings", _are_mappings)
    _check_functions(record)
    _check_whole_module(record)


def _check_functions(record: Any) -> None:
    policy = record.policy
    if not (isinstance(policy, tuple) and hasattr(policy, "refuses") and callable(policy.refuses)):
        raise ValueError(f"{record.name}: policy is {clip(policy)}, not Policy(text, refuses) with a function")
    for rule in record.rules:
        if not (_is_text(rule.text) and callable(rule.check) and isinstance(rule.hint, str)):
            raise ValueError(f"{record.name}: a rule is not Rule(text, check, hint) with a function `check`")
    # The arguments of these are read from their code.
    for what, function in (("formula", record.formula), *((f"compute of {d.name}", d.compute) for d in record.derived)):
        if not hasattr(function, "__code__"):
            raise ValueError(f"{record.name}: {what} is {clip(function)}, not a function written with def or lambda")
    for derived in record.derived:
        if derived.why is not None and not callable(derived.why):
            raise ValueError(f"{record.name}: why of {derived.name} is {clip(derived.why)}, not a function or None")


def _check_whole_module(record: Any) -> None:
    if not record.torch_module:
        return
    if record.torch_module not in _WHOLE_MODULES:
        raise ValueError(
            f"{record.name}: torch_module is {clip(record.torch_module)}; it is one of {', '.join(_WHOLE_MODULES)}"
        )
    if missing := set(_WHOLE_MODULE_OPTIONS) - {param.name for param in record.params}:
        raise ValueError(f"{record.name}: with torch_module it needs the options {', '.join(sorted(missing))}")


def _expect(record: Any, field: str, expected: str, holds: Any) -> None:
    value = getattr(record, field)
    if not holds(value):
        raise ValueError(f"{record.name}: {field} is {clip(value)}, not {expected}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_shape(value: object) -> bool:
    return isinstance(value, Mapping) and all(_is_size(size) for size in value.values())


def _is_size(value: object) -> bool:
    sizes = value if isinstance(value, tuple) else (value,)
    return value == "same" or all(type(size) is int for size in sizes)


def _are_mappings(value: object) -> bool:
    return type(value) is tuple and all(isinstance(one, Mapping) for one in value)

"""The JSON Schema of network descriptions, for editors. It follows from the tables that the reader uses."""

from typing import Any

from flopcalc.catalog import lookup
from flopcalc.networks.blocks import COMMON
from flopcalc.networks.description import TOP
from flopcalc.networks.kinds import OF_OPERATORS
from flopcalc.networks.like import OF_DERIVED
from flopcalc.networks.options import OF_OPTION
from flopcalc.networks.reader import MAX_REPEAT
from flopcalc.primitives.record import Primitive
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.spec.operator import Operator

Schema = dict[str, Any]

_NUMBER: Schema = {"$ref": "#/$defs/number"}
_FLAG: Schema = {"$ref": "#/$defs/flag"}
_PAIR: Schema = {"$ref": "#/$defs/pair"}
_ANY: Schema = {}
# A number or a word can always be an expression.
_VALUES: Schema = {
    "number": {"type": ["integer", "number", "string"]},
    "flag": {"type": ["boolean", "string"]},
    "pair": {"anyOf": [_NUMBER, {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 3}]},
    "setting": {"anyOf": [_PAIR, _FLAG]},
}
# Of `let` and of the arguments of blocks: lists are for `each` and for windows.
_VALUE: Schema = {"type": ["boolean", "number", "string", "array"]}
_VALUE_OR_NULL: Schema = {"type": [*_VALUE["type"], "null"]}
_NAMED = {"type": "object", "additionalProperties": _VALUE}
# A number is text too, and an empty key has its default.
_WORDS: Schema = {"type": ["string", "number", "null"]}

_OF_ENTRIES: dict[str, Schema] = {
    "op": {"type": "string", "description": "an operator, a primitive, or text with {expressions}"},
    "block": {"type": "string", "description": "a name under `blocks`"},
    "layers": {"$ref": "#/$defs/layers"},
    "from": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": ["string", "integer"]}, "minItems": 1}]},
    "when": {
        "type": ["boolean", "string"],
        "description": "a condition; if false, it is left out",
    },
    "repeat": {
        "type": ["integer", "string"],
        "minimum": 0,
        "maximum": MAX_REPEAT,
        "description": "the number of repetitions; i counts from 0",
    },
    "each": {
        "type": "object",
        "additionalProperties": {"type": ["array", "string"]},
        "description": "a table: one repetition for every row",
        "minProperties": 1,
    },
    "stage": {"type": ["string", "integer"], "description": "the stage under which it is summed"},
    "weights_of": {"type": ["string", "integer"], "description": "the entry in the same list whose weights it uses"},
}
_OF_THE_TOP: dict[str, Schema] = {
    "name": _WORDS,
    "title": _WORDS,
    "mirrors": {**_WORDS, "description": "the module whose layers have the same names"},
    "calls": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "how that module calls its layers, where not as a module of torch.nn",
    },
    "source": {**_WORDS, "description": "where it was published"},
    "input": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 10**9},
        # Of a vector, an image, a volume.
        "anyOf": [{"minItems": 1, "maxItems": 1}, {"minItems": 3, "maxItems": 4}],
        "description": "channels, height, width; of a volume channels, depth, height, width",
    },
    "options": {"type": "object", "additionalProperties": {"$ref": "#/$defs/option"}},
    "let": _NAMED,
    "reference": {
        "type": ["array", "null"],
        "items": {"type": "object"},
        "description": "figures printed in the sources",
    },
    "blocks": {"type": "object", "additionalProperties": {"$ref": "#/$defs/block"}},
    "layers": {"$ref": "#/$defs/layers"},
    "like": {"type": "string", "description": "the network with the layers: a shipped name or a path"},
    "set": {"type": "object", "description": "other defaults of its options"},
}
_OF_AN_OPTION: dict[str, Schema] = {
    "default": {
        "anyOf": [
            {"type": ["boolean", "number", "string"]},
            {"type": "array", "items": {"type": ["integer", "string"]}, "minItems": 1},
        ]
    },
    "help": _WORDS,
    "choices": {"type": "array", "minItems": 1},
    "least": {"type": "integer"},
}


def network_schema() -> Schema:
    """The schema, with all operators and primitives."""
    kinds = {name: _primitive(PRIMITIVES[name]) for name in sorted(PRIMITIVES)}
    kinds |= {operator.name: _operator(operator) for operator in lookup.every()}
    rules = [_then("op", {"const": name}, one) for name, one in kinds.items()]
    rules.append(_then("layers", _ANY, _entry({"let": {**_NAMED, "type": ["object", "null"]}})))
    known = _then("op", _ANY, {"properties": {"op": {"$ref": "#/$defs/kind"}}})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A network for flopcalc",
        "description": "docs/networks.md describes the language",
        "type": "object",
        "if": {"required": ["like"]},
        "then": _closed({key: _OF_THE_TOP[key] for key in OF_DERIVED}),
        "else": {**_closed({key: _OF_THE_TOP[key] for key in TOP}), "required": ["layers", "input"]},
        "$defs": {
            **_VALUES,
            "common": {"properties": {key: _OF_ENTRIES[key] for key in sorted(COMMON)}},
            "layers": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": {"anyOf": [{"$ref": "#/$defs/kind"}, {"$ref": "#/$defs/entry"}]},
                },
            },
            "kind": {"anyOf": [{"enum": list(kinds)}, {"type": "string", "pattern": r"\{|\.ya?ml$"}]},
            "entry": {
                "type": "object",
                "oneOf": [{"required": [key]} for key in ("op", "block", "layers")],
                "allOf": [known, *rules],
            },
            "block": {
                **_closed(
                    {
                        "args": {
                            "type": ["object", "null"],
                            "additionalProperties": _VALUE_OR_NULL,
                        },
                        "let": {**_NAMED, "type": ["object", "null"]},
                        "layers": {"$ref": "#/$defs/layers"},
                    }
                ),
                "required": ["layers"],
            },
            "option": {**_closed({key: _OF_AN_OPTION[key] for key in OF_OPTION}), "required": ["default"]},
        },
    }


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _then(key: str, value: Schema, schema: Schema) -> Schema:
    return {"if": {"type": "object", "required": [key], "properties": {key: value}}, "then": schema}


def _entry(more: Schema) -> Schema:
    """An entry with the common keys and these."""
    return {"$ref": "#/$defs/common", "properties": more, "unevaluatedProperties": False}


def _primitive(primitive: Primitive) -> Schema:
    settings: Schema = {key: {"$ref": "#/$defs/setting"} for key in primitive.settings}
    return {**_entry(settings), "description": primitive.text}


def _operator(operator: Operator) -> Schema:
    sizes: Schema = {key: _NUMBER if key in ("out", "groups") else _PAIR for key in OF_OPERATORS}
    options: Schema = {}
    for param in operator.params:
        kinds: dict[str, Schema] = {"bool": _FLAG, "ints": {"type": ["array", "string", "integer"]}}
        text = f"{param.help} (default: {param.default_text})"
        options[param.name] = {**kinds.get(param.kind, _NUMBER), "description": text}
    return {**_entry(sizes | options), "description": operator.title}
